"""Options that are off by default: a canary with events out, a key of one's own, backups elsewhere, readers."""

import json
from typing import Any

import pytest

from tests.aws.conftest import CHOICES
from tests.aws.stack import MIGRATION, RESOURCES_AT_MOST, Stack, databases

KEY = {"Ref": "KmsKeyArn"}
NEW = ("AWS::Backup::", "AWS::CodeDeploy::")


@pytest.fixture(scope="module")
def asked() -> Stack:
    """The stack with all of it."""
    return Stack(**CHOICES["as companies ask for"])


def test_nothing_of_it_is_made_unless_somebody_asks(plain: Stack) -> None:
    assert not [name for name, each in plain.resources.items() if each["Type"].startswith(NEW)]
    assert json.dumps(KEY) not in json.dumps(plain.resources)
    # Then AWS encrypts with its own keys.
    for queue in plain.of_type("AWS::SQS::Queue").values():
        assert (queue["SqsManagedSseEnabled"], "KmsMasterKeyId" in queue) == (True, False)
    assert "AES256" in json.dumps(plain.only("AWS::S3::Bucket")["BucketEncryption"])
    assert "MasterUserSecret" not in plain.only("AWS::RDS::DBInstance")


# ---- traffic ----------------------------------------------------------------------------------------------
def test_codedeploy_shifts_what_callers_and_queues_ask_and_heeds_alarms_that_are_there(asked: Stack) -> None:
    groups = asked.of_type("AWS::CodeDeploy::DeploymentGroup")
    aliases = {name: each for name, each in asked.resources.items() if each["Type"] == "AWS::Lambda::Alias"}
    shifted = {name for name, each in aliases.items() if "CodeDeployLambdaAliasUpdate" in each.get("UpdatePolicy", {})}
    assert len(groups) == len(shifted) > 80
    # A page must find the files of its own release; and what a clock or somebody calls has no traffic.
    role = {"Fn::GetAtt": ["OpenRole", "Arn"]}
    open_to_all = {name for name, each in asked.functions.items() if each["Role"] == role}
    by_the_clock_or_hand = ("Prune", "Settle", "Export", "Publish")
    called = {*(f"Maintenance{what}Function" for what in by_the_clock_or_hand), "FeedSettleFunction"}
    assert {name.removesuffix("Aliaslive") for name in aliases.keys() - shifted} == open_to_all | called
    assert {"ConsolePageFunction", "ConsoleAssetFunction"} <= open_to_all
    alarms = {each["AlarmName"]["Fn::Sub"] for each in asked.of_type("AWS::CloudWatch::Alarm").values()}
    for group in groups.values():
        named = {each["Name"]["Fn::Sub"] for each in group["AlarmConfiguration"]["Alarms"]}
        assert named == {"${AWS::StackName}-api-failures", "${AWS::StackName}-error-lines"} <= alarms
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        # SAM's own role would be without the boundary.
        assert group["ServiceRoleArn"] == {"Fn::GetAtt": ["TrafficRole", "Arn"]}
    # The API calls the aliases, which wait for their groups: a group that waited for the API would be a circle.
    assert "HttpApi" not in asked.needs("HealthFunctionDeploymentGroup")


def test_a_canary_fits_into_a_stack(asked: Stack) -> None:
    """500, and "the maximum size for a processed stack template is [...] 1 MB" (CloudFormation user guide)."""
    assert RESOURCES_AT_MOST < len(asked.document["Resources"]) <= 500
    # As it is shown, with an indent.
    assert len(json.dumps(asked.document, indent=1)) < 900_000


# ---- encryption -------------------------------------------------------------------------------------------
def test_one_key_encrypts_queues_files_logs_variables_and_the_owners_password(asked: Stack) -> None:
    for name, queue in asked.of_type("AWS::SQS::Queue").items():
        # SQS takes one or the other.
        assert (queue["KmsMasterKeyId"], "SqsManagedSseEnabled" in queue) == (KEY, False), name
    assert all(each["KmsKeyId"] == KEY for each in asked.of_type("AWS::Logs::LogGroup").values())
    assert all(each["KmsKeyArn"] == KEY for each in asked.functions.values())
    (rule,) = asked.only("AWS::S3::Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
    }
    assert asked.only("AWS::RDS::DBInstance")["MasterUserSecret"] == {"KmsKeyId": KEY}


def test_functions_use_the_key_by_way_of_the_services_that_they_use(asked: Stack, plain: Stack) -> None:
    def sentence(stack: Stack) -> list[Any]:
        policy = stack.resources["RunningPolicy"]["Properties"]["PolicyDocument"]
        return [each for each in policy["Statement"] if each["Sid"] == "UseTheKey"]

    assert sentence(plain) == []
    (given,) = sentence(asked)
    assert (given["Action"], given["Resource"]) == (["kms:Decrypt", "kms:GenerateDataKey"], KEY)
    by_way_of = {each["Fn::Sub"].partition(".")[0] for each in given["Condition"]["StringEquals"]["kms:ViaService"]}
    assert by_way_of == {"s3", "secretsmanager", "sqs"}


# ---- backups ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql"])
def test_a_copy_of_each_day_goes_to_the_other_account(engine: str) -> None:
    stack = Stack(**CHOICES["as companies ask for"], DbEngine=engine)
    (rule,) = stack.only("AWS::Backup::BackupPlan")["BackupPlan"]["BackupPlanRule"]
    days = {"DeleteAfterDays": {"Ref": "BackupVaultDays"}}
    assert rule["CopyActions"] == [{"DestinationBackupVaultArn": {"Ref": "BackupVaultArn"}, "Lifecycle": days}]
    # Out of a vault with a key of its owner's, or it cannot be copied.
    assert stack.only("AWS::Backup::BackupVault")["EncryptionKeyArn"] == {"Ref": "DbKmsKeyArn"}
    assert stack.resources["BackupVault"]["DeletionPolicy"] == "RetainExceptOnCreate"
    selected = stack.only("AWS::Backup::BackupSelection")["BackupSelection"]["Resources"]
    database = "cluster:${AuroraCluster}" if engine.startswith("aurora") else "db:${Database}"
    assert [each["Fn::Sub"].endswith(database) for each in selected] == [True]


def test_a_vault_in_another_account_needs_a_key_of_ones_own(plain: Stack) -> None:
    rule = plain.document["Rules"]["BackupsInAnotherAccount"]
    assert "BackupVaultArn" in json.dumps(rule["RuleCondition"])
    assert "DbKmsKeyArn" in json.dumps(rule["Assertions"])


# ---- what RDS tells ---------------------------------------------------------------------------------------
def test_rds_tells_of_failovers_failures_and_maintenance(stack: Stack) -> None:
    events = stack.only("AWS::RDS::EventSubscription")
    assert {"failover", "failure", "maintenance"} <= set(events["EventCategories"])
    assert events["SnsTopicArn"] == {"Ref": "NoticeTopic"}
    source = "db-instance" if stack.conditions["IsInstance"] else "db-cluster"
    assert (events["SourceType"], events["SourceIds"]) == (source, [{"Ref": name} for name in databases(stack)])
    allowed = {
        name: [
            each["Action"]
            for each in stack.resources[name]["Properties"][document]["Statement"]
            if each["Principal"] == {"Service": "events.rds.amazonaws.com"}
        ]
        for name, document in (("NoticeTopicPolicy", "PolicyDocument"), ("AlarmKey", "KeyPolicy"))
    }
    assert allowed == {"NoticeTopicPolicy": ["sns:Publish"], "AlarmKey": [["kms:Decrypt", "kms:GenerateDataKey*"]]}


# ---- readers ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def read() -> Stack:
    """The stack with readers."""
    return Stack(**CHOICES["on Aurora, with readers"])


def test_there_are_as_many_readers_as_somebody_asks_for_and_none_unless() -> None:
    for asked_for in range(4):
        stack = Stack(DbEngine="aurora-postgresql", DbReaders=str(asked_for))
        instances = stack.of_type("AWS::RDS::DBInstance")
        readers = {name: each for name, each in instances.items() if name.startswith("AuroraReader")}
        assert len(readers) == asked_for
        assert instances.keys() == {"AuroraWriter", "AuroraStandby", *readers}
        # The standby keeps up with the writer, and these with what is read.
        assert {each["PromotionTier"] for each in readers.values()} <= {2}
        assert bool(stack.of_type("AWS::RDS::DBProxyEndpoint")) == bool(asked_for)
    # On RDS, whatever is asked for: a rule refuses it before.
    assert not Stack(DbReaders="2").of_type("AWS::RDS::DBProxyEndpoint")


def test_readers_are_auroras_alone(plain: Stack) -> None:
    rule = plain.document["Rules"]["ReadersOfAurora"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "DbReaders"}, 0]}]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "DbEngine"}, "aurora-postgresql"]}


def test_the_read_only_endpoint_is_the_proxys_in_its_network_once_there_is_a_reader(read: Stack) -> None:
    endpoint, proxy = read.only("AWS::RDS::DBProxyEndpoint"), read.only("AWS::RDS::DBProxy")
    assert (endpoint["DBProxyName"], endpoint["TargetRole"]) == ({"Ref": "Proxy"}, "READ_ONLY")
    assert endpoint["VpcSubnetIds"] == proxy["VpcSubnetIds"]
    # So the functions, which may open connections to the proxy's group alone, reach it.
    assert endpoint["VpcSecurityGroupIds"] == proxy["VpcSecurityGroupIds"]
    assert {"ProxyTargets", "AuroraReaderA"} <= read.needs("ReadEndpoint")


def test_every_function_knows_the_reader_and_signs_in_to_it_with_no_other_permission(read: Stack, plain: Stack) -> None:
    """A function that reads asks it, and one that writes gives tokens because it is there."""
    for name, function in read.functions.items():
        variables = function["Environment"]["Variables"]
        # The migration is before the proxy's targets, and makes whom the proxy signs in as.
        assert variables["DB_READ_HOST"] == ("" if name == MIGRATION else {"Fn::GetAtt": ["ReadEndpoint", "Endpoint"]})
        assert plain.functions[name]["Environment"]["Variables"]["DB_READ_HOST"] == ""
    aurora = Stack(DbEngine="aurora-postgresql")
    for name in read.of_type("AWS::IAM::Role"):
        assert read.resources[name] == aurora.resources[name]
