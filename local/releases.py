"""Releases of a stack: which version each function's alias `live` was at after a deployment, in the artefacts' bucket.

`aws lambda list-versions-by-function` cannot tell: a deployment that does not touch a function publishes no version of
it, and after a rollback the newest version is not the one that runs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.errors import Fault
from local.stages import describe

ALIAS = "live"
# The stack that `sam deploy --resolve-s3` makes for its bucket.
SAM_STACK = "aws-sam-cli-managed-default"


@dataclass(frozen=True)
class Release:
    """One deployment: when it ended (`at`, UTC, as it sorts), the version of each function, and what ran before it.

    `before` is no matter of the order: after a rollback the release before the next one is what was gone back to.
    """

    at: str
    versions: Mapping[str, str]
    before: str = ""


class Releases:
    """The releases of one stack in the artefacts' bucket, oldest first."""

    def __init__(self, s3: Any, bucket: str, stack: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, f"releases/{stack}/"

    def __iter__(self) -> Iterator[Release]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        # S3 lists keys in the order of their bytes.
        for key in [each["Key"] for page in pages for each in page.get("Contents", ())]:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            yield Release(key.removeprefix(self._prefix).removesuffix(".json"), **json.loads(body))

    def add(self, versions: Mapping[str, str], live_before: Mapping[str, str], now: datetime | None = None) -> Release:
        """Write down what runs now, and the release that ran until then."""
        at = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H-%M-%SZ")
        ran = what_runs(list(self), live_before)
        release = Release(at, dict(versions), ran.at if ran else "")
        body = {"before": release.before, "versions": release.versions}
        self._s3.put_object(
            Bucket=self._bucket, Key=f"{self._prefix}{at}.json", Body=json.dumps(body, sort_keys=True).encode()
        )
        return release


def what_runs(releases: Sequence[Release], live: Mapping[str, str]) -> Release | None:
    """Return the release that runs: the oldest of the same versions, for a deployment that changed nothing is no step.

    A rollback leaves functions that its release did not have, and brings back none that are gone: of such releases the
    newest. None where there is neither.
    """
    same: list[Release | None] = [release for release in releases if release.versions == live]
    alike: list[Release | None] = [
        release
        for release in releases
        if release.versions.keys() & live.keys()
        and all(live.get(name, version) == version for name, version in release.versions.items())
    ]
    return (same[:1] or alike[-1:] or [None])[0]


def _source_bucket(cloudformation: Any, stack: str) -> str | None:
    found = describe(cloudformation, stack) or {}
    # One whose creation failed has none.
    outputs: dict[str, str] = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}
    return outputs.get("SourceBucket")


def bucket_of_bootstrap(cloudformation: Any, stack: str) -> str | None:
    """Return the artefacts' bucket of .github/bootstrap.yaml, where that has been made for the stack."""
    return _source_bucket(cloudformation, f"{stack}-bootstrap")


def find_bucket(cloudformation: Any, given: str | None, stack: str) -> str:
    """Return the artefacts' bucket: the one that is given, the bootstrap's, or SAM's own. Raises Fault without any."""
    found = given or bucket_of_bootstrap(cloudformation, stack) or _source_bucket(cloudformation, SAM_STACK)
    if found is None:
        raise Fault(f"samconfig.toml names no s3_bucket, and neither {stack}-bootstrap nor {SAM_STACK} is there")
    return found


def _arns(cloudformation: Any, stack: str, kind: str) -> Iterator[list[str]]:
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack):
        for resource in page["StackResourceSummaries"]:
            # A version that was replaced is kept, and its resource "DELETE_SKIPPED".
            if resource["ResourceType"] == kind and not resource["ResourceStatus"].startswith("DELETE_"):
                yield resource["PhysicalResourceId"].split(":")


def live_versions(cloudformation: Any, functions: Any, stack: str) -> dict[str, str]:
    """Return the version of each function of the stack that its alias is at."""
    names = sorted(arn[6] for arn in _arns(cloudformation, stack, "AWS::Lambda::Alias"))
    return {name: functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"] for name in names}


def point(functions: Any, versions: Mapping[str, str]) -> None:
    """Point aliases at versions, with all of their traffic.

    A canary that was broken off may have left a share to another version, which an update that is silent of it keeps.
    """
    for name, version in versions.items():
        functions.update_alias(
            FunctionName=name, Name=ALIAS, FunctionVersion=version, RoutingConfig={"AdditionalVersionWeights": {}}
        )


def stack_versions(cloudformation: Any, stack: str) -> dict[str, str]:
    """Return the version of each function that the stack published last: an ARN that ends with name and version."""
    return {arn[6]: arn[7] for arn in _arns(cloudformation, stack, "AWS::Lambda::Version")}
