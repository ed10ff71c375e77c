"""Releases of a stack: which version each function's alias `live` was at after a deployment, in the artefacts' bucket.

`aws lambda list-versions-by-function` cannot tell: a deployment that does not touch a function publishes no version of
it, and after a rollback the newest version is not the one that runs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.errors import Fault

ALIAS = "live"
# The stack that `sam deploy --resolve-s3` makes for its bucket.
SAM_STACK = "aws-sam-cli-managed-default"


@dataclass(frozen=True)
class Release:
    """One deployment: when it ended (`at`, UTC, as it sorts), and the version of each function."""

    at: str
    versions: Mapping[str, str]


class Releases:
    """The releases of one stack, oldest first.

    Args:
        s3: boto3's client.
        bucket: the artefacts' bucket.
        stack: the stack's name.
    """

    def __init__(self, s3: Any, bucket: str, stack: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, f"releases/{stack}/"

    def __iter__(self) -> Iterator[Release]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        # S3 lists keys in the order of their bytes.
        for key in [each["Key"] for page in pages for each in page.get("Contents", ())]:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            yield Release(key.removeprefix(self._prefix).removesuffix(".json"), json.loads(body))

    def add(self, versions: Mapping[str, str], now: datetime | None = None) -> Release:
        """Write down what runs now."""
        at = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H-%M-%SZ")
        self._s3.put_object(
            Bucket=self._bucket, Key=f"{self._prefix}{at}.json", Body=json.dumps(versions, sort_keys=True).encode()
        )
        return Release(at, versions)


def find_bucket(cloudformation: Any, given: str | None) -> str:
    """Return the artefacts' bucket: the one that is given, or SAM's own. Raises Fault where there is none."""
    if given:
        return given
    try:
        (stack,) = cloudformation.describe_stacks(StackName=SAM_STACK)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        raise Fault(f"samconfig.toml names no s3_bucket, and the stack {SAM_STACK} is not there") from error
    outputs: dict[str, str] = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    return outputs["SourceBucket"]


def live_versions(cloudformation: Any, functions: Any, stack: str) -> dict[str, str]:
    """Return the version of each function of the stack that its alias is at.

    Args:
        cloudformation: boto3's client.
        functions: boto3's client of Lambda.
        stack: the stack's name.
    """
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    arns = (
        resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Lambda::Alias" and resource["ResourceStatus"] != "DELETE_COMPLETE"
    )
    names = sorted(arn.split(":")[6] for arn in arns)
    return {name: functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"] for name in names}
