"""The stacks that the template makes. `make template` runs these tests: they need the SAM CLI's virtual environment."""

from typing import Any

import pytest

from tests.aws.stack import Stack

CHOICES: dict[str, dict[str, str]] = {
    "as it comes": {},
    "in a network that is there": {"VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-a,subnet-b"},
    "on Aurora": {"DbEngine": "aurora-postgresql"},
    "on Aurora, with readers": {"DbEngine": "aurora-postgresql", "DbReaders": "3"},
    "on Aurora, small, restored": {
        "DbEngine": "aurora-postgresql",
        "DbStandby": "false",
        "DbSnapshot": "before-the-mishap",
    },
    "with all options": {
        "AlarmEmail": "ops@example.com",
        "NoticeEmail": "team@example.com",
        "MonthlyBudget": "300",
        "Zones": "euw1-az1,euw1-az2,euw1-az3",
        "EndpointZones": "1",
        "DomainName": "ledger.example.com",
        "DomainCertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-1111-1111-1111-111111111111",
        "DefaultEndpoint": "false",
        "CorsOrigins": "https://app.example.com,https://admin.example.com",
        "SyncSenders": "arn:aws:iam::123456789012:role/pipeline",
        "FeedSenders": "arn:aws:iam::123456789012:role/platform",
        "DbBackupRegion": "eu-central-1",
        "DbBackupKmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/33333333-3333-3333-3333-333333333333",
        "ConsumerConcurrency": "10",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "S3PrefixListId": "pl-6da54004",
        "SnapStart": "PublishedVersions",
        "Tracing": "Active",
    },
    "with events out": {"EventBus": "arn:aws:events:eu-west-1:123456789012:event-bus/wellspring"},
    "with events out, in a network that is there": {
        "EventBus": "arn:aws:events:eu-west-1:123456789012:event-bus/wellspring",
        "VpcId": "vpc-0123456789abcdef0",
        "SubnetIds": "subnet-a,subnet-b",
    },
    "as companies ask for": {
        "DbKmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111",
        "KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-2222-2222-222222222222",
        "BackupVaultArn": "arn:aws:backup:eu-west-1:999999999999:backup-vault:elsewhere",
        "TrafficShift": "Canary10Percent5Minutes",
        "EventBus": "arn:aws:events:eu-west-1:999999999999:event-bus/elsewhere",
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if "tests/aws/" in item.nodeid:
            item.add_marker("aws")


@pytest.fixture(scope="session", params=CHOICES, ids=list(CHOICES))
def stack(request: pytest.FixtureRequest) -> Stack:
    """Each stack that an operator may choose."""
    choice: Any = request.param
    return Stack(**CHOICES[choice])


@pytest.fixture(scope="session")
def plain() -> Stack:
    """The stack as it comes."""
    return Stack()
