"""The stack made in moto, as far as moto goes: references, names and properties meet something that reads them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.cloudformation.parsing import resource_class_from_type

from tests.aws.stack import Stack

REGION = "eu-west-1"
# What moto's CloudFormation does not make, it has no class for.
# And what it fails at: it takes the parameter group for its name, and calls the function in Docker.
FAILS_IN_MOTO = {"AWS::RDS::DBInstance", "Custom::MigratedSchema"}
ALIAS = "Aliaslive"


def left_out(stack: Stack) -> set[str]:
    kinds = {name: resource["Type"] for name, resource in stack.resources.items()}
    return {name for name, kind in kinds.items() if kind in FAILS_IN_MOTO or resource_class_from_type(kind) is None}


def without(value: Any, gone: set[str]) -> Any:
    """Return `value` with a name in the place of each reference to what is not made."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]} if name in gone:
            # What calls an alias calls the function then.
            function = name.removesuffix(ALIAS)
            return f"arn:aws:{name}:1:2:3:4" if function == name else {"Fn::GetAtt": [function, "Arn"]}
        case {"Fn::Select": [int(number), {"Fn::Cidr": _}]}:
            # A function that moto does not know.
            return f"10.42.{number}.0/24"
        case str():
            return re.sub(r"\$\{(\w+)[^}]*\}", lambda name: "gone" if name[1] in gone else name[0], value)
        case dict():
            return {key: without(inner, gone) for key, inner in value.items() if key != "DependsOn"}
        case list():
            return [without(inner, gone) for inner in value]
    return value


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, str]]:
    """Each resource that moto made, with its physical id."""
    stack = Stack()
    gone = left_out(stack)
    document = {
        "Parameters": stack.document["Parameters"],
        "Resources": {
            name: without({key: value for key, value in resource.items() if key != "Condition"}, gone)
            for name, resource in stack.resources.items()
            if name not in gone
        },
    }
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "x")
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        for key in ("functions", "layers_shared", "layers_migrations"):
            # An empty archive.
            s3.put_object(Bucket="bucket", Key=key, Body=b"PK\x05\x06" + bytes(18))
        cloudformation = boto3.client("cloudformation", region_name=REGION)
        cloudformation.create_stack(
            StackName="wellspring",
            TemplateBody=json.dumps(document),
            Parameters=[{"ParameterKey": "Issuer", "ParameterValue": "https://issuer.example"}],
        )
        assert cloudformation.describe_stacks(StackName="wellspring")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        resources = cloudformation.describe_stack_resources(StackName="wellspring")["StackResources"]
        yield {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in resources}


def test_every_resource_is_made(made: dict[str, str], plain: Stack) -> None:
    assert set(made) == plain.resources.keys() - left_out(plain)
    assert len(made) > 2 * len(plain.functions)


def test_the_dead_letter_queue_is_the_queues(made: dict[str, str]) -> None:
    sqs = boto3.client("sqs", region_name=REGION)
    queue = sqs.get_queue_attributes(QueueUrl=made["SyncQueue"], AttributeNames=["All"])["Attributes"]
    letters = sqs.get_queue_attributes(QueueUrl=made["SyncDeadLetterQueue"], AttributeNames=["All"])["Attributes"]
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"] == letters["QueueArn"]
