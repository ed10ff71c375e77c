"""The stack that CloudFormation makes: what AWS would not check, for every choice of an operator."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import ANY

import pytest

from local.settings import ROOT
from tests.aws.stack import MIGRATION, RESOURCES_AT_MOST, Stack, databases, sentences
from wellspring.database.engine import RECYCLE_SECONDS
from wellspring.metrics import UNITS
from wellspring.routes import MCP_PATH, routes
from wellspring.settings import CallerSettings, read_caller_settings

LOADER, EXPORTER, PUBLISHER = "FeedLoadFunction", "MaintenanceExportFunction", "MaintenancePublishFunction"
OPEN = {
    *("/health", "/v1/openapi.json", "/docs", "/", "/docs/{proxy+}", "/{proxy+}"),
    *("/console", "/console/{file}", "/console/{proxy+}"),
    "/.well-known/oauth-protected-resource/mcp",
}
GIVEN = {"VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-a,subnet-b"}
AURORA = {"DbEngine": "aurora-postgresql"}
RESTORED = {"DbSnapshot": "before-the-mishap"}
KEY = {"DbKmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/mine"}


def services(stack: Stack) -> list[str]:
    """Return every function but the migration."""
    return [name for name in stack.functions if name != MIGRATION]


type Choose = Callable[[Stack], dict[str, dict[str, Any]]]


def kind(*names: str) -> Choose:
    """Choose the resources of some kinds."""
    return lambda stack: {name: each for one in names for name, each in stack.of_type(f"AWS::{one}").items()}


def called(name: str) -> Choose:
    """Choose the resource of a name."""
    return lambda stack: {name: stack.resources[name]["Properties"]}


FUNCTIONS = kind("Lambda::Function")
LOGS = {"LogFormat": "JSON", "LogGroup": {"Ref": "FunctionsLogGroup"}}
CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
BUCKET = {
    "PublicAccessBlockConfiguration": dict.fromkeys(CLOSED, True),
    "VersioningConfiguration": {"Status": "Enabled"},
    # Who may read what another account puts.
    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
}
DATABASE = {
    "StorageEncrypted": True,
    "EngineVersion": {"Ref": "DbMajorVersion"},
    # By default RDS deletes what a second restore would be made of, with the database.
    "DeleteAutomatedBackups": False,
    "PreferredBackupWindow": {"Ref": "DbBackupWindow"},
    "PreferredMaintenanceWindow": {"Ref": "DbMaintenanceWindow"},
    "DeletionProtection": {"Ref": "DbDeletionProtection"},
    "BackupRetentionPeriod": {"Ref": "DbBackupDays"},
    # RDS makes the owner's password, and lets roles in by IAM.
    "ManageMasterUserPassword": True,
    "EnableIAMDatabaseAuthentication": True,
}
# What the resources of a kind are whatever an operator chooses.
ALWAYS: list[tuple[Choose, Mapping[str, object]]] = [
    (FUNCTIONS, {"Architectures": [{"Ref": "Architecture"}]}),
    (FUNCTIONS, {"LoggingConfig": LOGS | dict.fromkeys(("ApplicationLogLevel", "SystemLogLevel"), "INFO")}),
    (kind("Lambda::LayerVersion"), {"CompatibleArchitectures": [{"Ref": "Architecture"}]}),
    (kind("Logs::LogGroup"), {"RetentionInDays": {"Ref": "LogRetentionDays"}}),
    # A minor upgrade by AWS is not taken back by the next deployment: the template says the major version alone.
    (kind("RDS::DBInstance"), {"PubliclyAccessible": False, "AutoMinorVersionUpgrade": True}),
    (databases, DATABASE),
    (kind("RDS::DBProxy"), {"RequireTLS": True, "DefaultAuthScheme": "IAM_AUTH"}),
    (kind("S3::Bucket"), BUCKET),
    # Single messages.
    (kind("Lambda::EventSourceMapping"), {"FunctionResponseTypes": ["ReportBatchItemFailures"]}),
    (kind("SNS::Topic"), {"KmsMasterKeyId": {"Ref": "AlarmKey"}}),
    # By itself, or no change of the default endpoint takes effect.
    (kind("ApiGatewayV2::Stage"), {"AutoDeploy": True}),
]


@pytest.mark.parametrize(("choose", "wanted"), ALWAYS)
def test_whatever_is_chosen(stack: Stack, choose: Choose, wanted: Mapping[str, object]) -> None:
    found = choose(stack)
    assert found
    assert {name for name, properties in found.items() if not wanted.items() <= properties.items()} == set()


def test_each_layer_has_its_stacks_name(stack: Stack) -> None:
    names = {layer["LayerName"]["Fn::Sub"] for layer in stack.of_type("AWS::Lambda::LayerVersion").values()}
    assert names == {f"${{AWS::StackName}}-{layer}" for layer in ("shared", "migrations", "console")}


# What parameters make of a property; None where it is not there.
CHOSEN: list[tuple[Mapping[str, str], Choose, Mapping[str, object]]] = [
    # A key of one's own encrypts a new database, and a snapshot brings its own.
    *(
        (engine | given, databases, {"KmsKeyId": key})
        for engine in ({}, AURORA)
        for given, key in (({}, None), (KEY, {"Ref": "DbKmsKeyArn"}), (KEY | RESTORED, None))
    ),
    *(
        (given, databases, {f"AutomaticBackupReplication{name}": each for name, each in wanted.items()})
        for given, wanted in (
            ({}, {"Region": None, "KmsKeyId": None, "RetentionPeriod": None}),
            (
                {"DbBackupRegion": "eu-central-1", "DbBackupKmsKeyArn": "arn:aws:kms:x"},
                {
                    "Region": {"Ref": "DbBackupRegion"},
                    "KmsKeyId": {"Ref": "DbBackupKmsKeyArn"},
                    "RetentionPeriod": {"Ref": "DbBackupDays"},
                },
            ),
        )
    ),
    ({}, databases, {"MultiAZ": {"Ref": "DbStandby"}}),
    # A new account with 10 in all can reserve none, and its stack fails (fhir-works-on-aws-deployment#691).
    ({}, FUNCTIONS, {"ReservedConcurrentExecutions": None, "TracingConfig": None}),
    (
        {"ConsumerConcurrency": "10"},
        called("SyncConsumerFunction"),
        {"ReservedConcurrentExecutions": {"Ref": "ConsumerConcurrency"}},
    ),
    ({"Tracing": "Active"}, FUNCTIONS, {"TracingConfig": {"Mode": {"Ref": "Tracing"}}}),
    ({}, kind("SNS::Topic"), {"Subscription": None}),
    *(
        (
            {"AlarmEmail": "now@example.com", "NoticeEmail": "later@example.com"},
            called(topic),
            {"Subscription": [{"Protocol": "email", "Endpoint": {"Ref": parameter}}]},
        )
        for topic, parameter in (("AlarmTopic", "AlarmEmail"), ("NoticeTopic", "NoticeEmail"))
    ),
]


@pytest.mark.parametrize(("given", "choose", "wanted"), CHOSEN)
def test_what_is_asked_for(given: Mapping[str, str], choose: Choose, wanted: Mapping[str, object]) -> None:
    found = choose(Stack(**given))
    assert found
    for properties in found.values():
        assert {name: properties.get(name) for name in wanted} == wanted


# ---- network ----------------------------------------------------------------------------------------------
def subnets(stack: Stack) -> Any:
    """Return the subnets that are made, or the reference to those that are given."""
    return [{"Ref": name} for name in stack.of_type("AWS::EC2::Subnet")] or {"Ref": "SubnetIds"}


def test_database_proxy_and_every_function_are_in_the_same_subnets(stack: Stack) -> None:
    assert len(stack.functions) > len(routes())
    assert {json.dumps(function["VpcConfig"]["SubnetIds"]) for function in stack.functions.values()} == {
        json.dumps(subnets(stack))
    }
    group, proxy = stack.only("AWS::RDS::DBSubnetGroup"), stack.only("AWS::RDS::DBProxy")
    assert group["SubnetIds"] == proxy["VpcSubnetIds"] == subnets(stack)


def test_security_groups_and_their_rules_are_described_in_characters_that_ec2_takes(stack: Stack) -> None:
    # Of a rule's cfn-lint says nothing (cfn-lint#173; EC2 API, AuthorizeSecurityGroupEgress, IpPermissions).
    described = [rule["Description"] for rule in stack.of_type("AWS::EC2::SecurityGroupIngress").values()]
    for group in stack.of_type("AWS::EC2::SecurityGroup").values():
        described += [group["GroupDescription"], *(rule["Description"] for rule in group["SecurityGroupEgress"])]
    assert [text for text in described if not re.fullmatch(r"[A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}", text)] == []


def test_functions_reach_the_proxy_the_proxy_the_database_and_nothing_more(stack: Stack) -> None:
    ways: set[tuple[str, str, int]] = set()
    for name, group in stack.of_type("AWS::EC2::SecurityGroup").items():
        assert "SecurityGroupIngress" not in group
        for rule in group["SecurityGroupEgress"]:
            if rule["IpProtocol"] == "-1":
                # What stands in the place of "everything", which EC2 assumes where nothing stands.
                assert rule["CidrIp"] == "127.0.0.1/32"
                continue
            assert rule["FromPort"] == rule["ToPort"]
            to = rule.get("DestinationSecurityGroupId", {})
            ways.add((name, to.get("Fn::GetAtt", [to.get("Ref")])[0] or "outside", rule["ToPort"]))
    database = {
        ("FunctionsSecurityGroup", "ProxySecurityGroup", 5432),
        ("LoaderSecurityGroup", "ProxySecurityGroup", 5432),
        ("ProxySecurityGroup", "DatabaseSecurityGroup", 5432),
        ("MigrationSecurityGroup", "DatabaseSecurityGroup", 5432),
    }
    # S3, and where somebody else's network has its endpoints.
    outside = {(f"{name}SecurityGroup", "outside", 443) for name in ("Migration", "Loader")}
    endpoint = {("MigrationSecurityGroup", "EndpointSecurityGroup", 443)} if "Vpc" in stack.resources else set()
    if stack.conditions["SendsEvents"]:
        to = "EndpointSecurityGroup" if endpoint else "outside"
        (endpoint or outside).add(("PublisherSecurityGroup", to, 443))
    assert ways == database | endpoint | outside
    doors = {
        (rule["SourceSecurityGroupId"]["Ref"], rule["GroupId"]["Ref"], rule["ToPort"])
        for rule in stack.of_type("AWS::EC2::SecurityGroupIngress").values()
    }
    assert doors == database | endpoint


def test_only_what_reaches_more_than_the_proxy_has_a_group_of_its_own(stack: Stack) -> None:
    own = {
        MIGRATION: [{"Ref": "MigrationSecurityGroup"}],
        **{name: [{"Ref": "LoaderSecurityGroup"}] for name in (LOADER, EXPORTER)},
        PUBLISHER: [{"Ref": "FunctionsSecurityGroup"}, {"Ref": "PublisherSecurityGroup"}],
    }
    for name, function in stack.functions.items():
        usual = {"Fn::Split": [",", {"Ref": "FunctionsSecurityGroup"}]}
        assert function["VpcConfig"]["SecurityGroupIds"] == own.get(name, usual)


def test_the_migrations_way_out_is_as_narrow_as_its_operator_says() -> None:
    for given, endpoint in (({}, {"Ref": "EndpointSecurityGroup"}), (GIVEN, {"Ref": "VpcCidr"})):
        groups = Stack(S3PrefixListId="pl-6da54004", **given).of_type("AWS::EC2::SecurityGroup")
        targets = ("DestinationSecurityGroupId", "DestinationPrefixListId", "CidrIp")
        ways = [
            rule[target]
            for rule in groups["MigrationSecurityGroup"]["SecurityGroupEgress"]
            for target in targets
            if target in rule
        ]
        assert ways[1:] == [endpoint, {"Ref": "S3PrefixListId"}]


def test_the_network_that_is_made_has_no_way_to_the_internet(plain: Stack) -> None:
    kinds = {resource["Type"] for resource in plain.resources.values()}
    for name in ("InternetGateway", "NatGateway", "Route", "EgressOnlyInternetGateway", "VPCGatewayAttachment", "EIP"):
        assert f"AWS::EC2::{name}" not in kinds
    zones = [subnet["AvailabilityZone"] for subnet in plain.of_type("AWS::EC2::Subnet").values()]
    # RDS Proxy is not in every zone, and CreateDBProxy leaves a third subnet out but refuses one of two.
    assert [zone["Fn::Select"][0] for zone in zones] == [0, 1, 2]


def test_where_there_are_two_zones_there_are_two_subnets() -> None:
    stack = Stack(region="us-west-1")
    assert set(stack.of_type("AWS::EC2::Subnet")) == {"PrivateSubnetA", "PrivateSubnetB"}
    assert stack.only("AWS::RDS::DBProxy")["VpcSubnetIds"] == subnets(stack)


def test_the_zones_may_be_picked() -> None:
    """By id: what an account calls a, another calls c (EC2 guide, "Availability Zone IDs")."""
    for subnet in Stack(Zones="euw1-az1,euw1-az2,euw1-az3").of_type("AWS::EC2::Subnet").values():
        assert subnet["AvailabilityZoneId"]["Fn::Select"][1] == {"Ref": "Zones"}
        assert "AvailabilityZone" not in subnet
    rule = Stack().document["Rules"]["ZonesOfUsEast1"]
    assert {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]} in rule["RuleCondition"]["Fn::And"]
    # An empty list has one member, which is empty (aws-cloudformation/cfn-lint#979, whose rule this is).
    (asserted,) = rule["Assertions"]
    assert asserted["Assert"] == {"Fn::Not": [{"Fn::Contains": [{"Ref": "Zones"}, ""]}]}


def test_rules_are_of_the_functions_that_cloudformation_knows_in_a_rule(plain: Stack) -> None:
    """Beside `Ref`; a template with another is refused, or its rule never looked at. cfn-lint takes any."""
    text = json.dumps(plain.document["Rules"])
    assert set(re.findall(r'"(Fn::\w+|Condition)":', text)) <= {
        *("Fn::And", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn", "Fn::Equals"),
        *("Fn::Not", "Fn::Or", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"),
    }


def test_an_endpoint_lets_through_what_migration_loader_and_exporter_ask_for_and_nothing_else(plain: Stack) -> None:
    endpoints = plain.of_type("AWS::EC2::VPCEndpoint")
    allowed = {name: list(sentences(each["PolicyDocument"])) for name, each in endpoints.items()}
    (secrets,), (answers, *files) = allowed.pop("SecretsEndpoint"), allowed.pop("S3Endpoint")
    assert not allowed
    assert (secrets.actions, answers.actions) == (("secretsmanager:GetSecretValue",), ("s3:PutObject",))
    assert "*" not in (*secrets.resources, *answers.resources)
    # Nobody else's files, and nobody else to read these.
    ours = 'if {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}'
    assert [str(each) for each in files] == [
        f"s3:GetObject s3:GetObjectVersion s3:PutObject on FILES/load/* FILES/results/* FILES/exports/* {ours}",
        f"s3:ListBucket on FILES {ours}",
    ]


def test_a_network_that_is_given_gets_nothing_but_security_groups() -> None:
    given = Stack(**GIVEN)
    kinds = {resource["Type"] for resource in given.resources.values() if resource["Type"].startswith("AWS::EC2::")}
    assert kinds == {"AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"}
    assert all(group["VpcId"] == {"Ref": "VpcId"} for group in given.of_type("AWS::EC2::SecurityGroup").values())


# ---- database and proxy -----------------------------------------------------------------------------------
def test_the_data_stays_when_the_database_goes(stack: Stack) -> None:
    ((name, _),) = databases(stack).items()
    parameters = stack.document["Parameters"]
    assert (parameters["DbDeletionProtection"]["Default"], parameters["DbBackupDays"]["MinValue"] > 0) == ("true", True)
    assert stack.resources[name]["DeletionPolicy"] == stack.resources[name]["UpdateReplacePolicy"] == "Snapshot"
    # What is replaced by a restore keeps its log.
    for log in {"DatabaseLogs", "AuroraLogs"} & stack.resources.keys():
        assert stack.resources[log]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize(
    ("engine", "name", "snapshot", "brought"),
    [
        ({}, "DBInstanceIdentifier", "DBSnapshotIdentifier", {"DBName", "MasterUsername", "AllocatedStorage"}),
        (AURORA, "DBClusterIdentifier", "SnapshotIdentifier", {"DatabaseName", "MasterUsername"}),
    ],
)
def test_a_snapshot_makes_another_database_beside_the_one_that_is_there(
    engine: dict[str, str], name: str, snapshot: str, brought: set[str]
) -> None:
    (empty,), (restored,) = (databases(Stack(**engine, **given)).values() for given in ({}, RESTORED))
    # What a snapshot brings must not be said (AWS::RDS::DBInstance, AWS::RDS::DBCluster).
    assert (empty.keys() - restored.keys(), restored.keys() - empty.keys()) == (brought, {snapshot})
    assert restored[snapshot] == {"Ref": "DbSnapshot"}
    # CloudFormation makes the new one first, and could not under the same name.
    assert empty[name] == {"Ref": "AWS::StackName"}
    assert restored[name] == {"Fn::Sub": "${AWS::StackName}-${DbSnapshot}"}


def test_a_deployment_may_not_replace_or_delete_the_database() -> None:
    policy = json.loads((ROOT / "stack-policy.json").read_text())
    (denied,) = (statement for statement in policy["Statement"] if statement["Effect"] == "Deny")
    names = {resource.removeprefix("LogicalResourceId/") for resource in denied["Resource"]}
    assert names == {*databases(Stack()), *databases(Stack(**AURORA))}


def test_the_database_takes_tls_only_and_logs_no_value(stack: Stack) -> None:
    ((_, group),) = kind("RDS::DBParameterGroup", "RDS::DBClusterParameterGroup")(stack).items()
    assert group["Family"]["Fn::Sub"] in {"postgres${DbMajorVersion}", "aurora-postgresql${DbMajorVersion}"}
    assert group["Parameters"]["rds.force_ssl"] == "1"
    assert group["Parameters"]["log_parameter_max_length"] == "0"
    assert group["Parameters"]["log_parameter_max_length_on_error"] == "0"


def test_a_cluster_has_its_parameters_in_the_clusters_group() -> None:
    """Which "also contains the default settings for the DB parameter group of the DB instances" (Aurora user guide)."""
    aurora = Stack(**AURORA)
    made = aurora.only("AWS::RDS::DBClusterParameterGroup")
    assert {"log_min_duration_statement", "shared_preload_libraries", "rds.force_ssl"} <= made["Parameters"].keys()
    # An instance with a group of its own would take its settings from there.
    assert not aurora.of_type("AWS::RDS::DBParameterGroup")
    assert not [one for one in aurora.of_type("AWS::RDS::DBInstance").values() if "DBParameterGroupName" in one]


def test_nobody_but_rds_ever_writes_a_password_down(stack: Stack) -> None:
    ((_, database),) = databases(stack).items()
    assert "MasterUserPassword" not in database
    assert "Auth" not in stack.only("AWS::RDS::DBProxy")
    text = json.dumps(stack.resources)
    assert "resolve:secretsmanager" not in text
    assert "AWS::SecretsManager::Secret" not in text
    for function in stack.functions.values():
        variables = function["Environment"]["Variables"]
        # The key of the hash that the log knows callers by is no secret: it tells one stack from another.
        assert variables.get("CALLER_HASH_KEY", {"Ref": "AWS::StackId"}) == {"Ref": "AWS::StackId"}
        secrets = [name for name in variables if re.search("PASSWORD|KEY|TOKEN", name)]
        # The endpoint of tokens is an address.
        assert set(secrets) <= {"CALLER_HASH_KEY", "CONSOLE_TOKEN_ENDPOINT", "DB_PASSWORD"}
        # Declared for `sam local`, which fills it in; there is none here.
        assert variables.get("DB_PASSWORD", "") == ""
        assert variables["DB_AUTH"] != "password"


def test_the_proxy_gives_a_connection_or_gives_up_before_a_function_must_answer(stack: Stack) -> None:
    targets = stack.only("AWS::RDS::DBProxyTargetGroup")
    least = min(stack.functions[name]["Timeout"] for name in services(stack))
    assert targets["ConnectionPoolConfigurationInfo"]["ConnectionBorrowTimeout"] < least
    # And is idle for longer than a connection may be old.
    assert stack.only("AWS::RDS::DBProxy")["IdleClientTimeout"] > RECYCLE_SECONDS


@pytest.mark.parametrize("readers", ["0", "1", "3"])
def test_the_proxy_waits_for_the_cluster_to_have_all_of_its_instances(readers: str) -> None:
    """RDS registers no cluster while an instance is CONFIGURING_ENHANCED_MONITORING (aws-cdk#31304)."""
    aurora = Stack(**AURORA, DbReaders=readers)
    instances = aurora.of_type("AWS::RDS::DBInstance").keys()
    assert len(instances) == 2 + int(readers)
    without_standby = Stack(**AURORA, DbReaders=readers, DbStandby="false").of_type("AWS::RDS::DBInstance")
    assert len(without_standby) == 1 + int(readers)
    assert instances <= aurora.needs("ProxyTargets")
    # Its users are made meanwhile: CloudFormation waits "for target group to become available" (aws-cdk#8919).
    assert "ProxyTargets" not in aurora.needs("MigratedSchema")


# ---- roles ------------------------------------------------------------------------------------------------
# All that a role's own policies allow: a role may do what they and its boundary both allow (IAM user guide), and a
# boundary that is given may allow all.
QUEUE = "sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes on"
ALLOWED: dict[str, set[str]] = {
    "OpenRole": set(),
    "ReaderRole": {"rds-db:connect on ProxyId/reader"},
    "WriterRole": {"rds-db:connect on ProxyId/writer"},
    "ConsumerRole": {"rds-db:connect on ProxyId/consumer", f"{QUEUE} SyncQueue.Arn"},
    "ReleaserRole": {"rds-db:connect on ProxyId/consumer"},
    # Who settles what a batch brought writes that as the one whose it is (docs/adr/0047).
    "FeederRole": {
        *(f"rds-db:connect on ProxyId/{user}" for user in ("feeder", "consumer")),
        f"{QUEUE} FeedQueue.Arn",
    },
    "FeedReleaserRole": {"rds-db:connect on ProxyId/feeder"},
    "LoaderRole": {
        "rds-db:connect on ProxyId/feeder",
        f"{QUEUE} LoadQueue.Arn",
        "s3:GetObject s3:GetObjectVersion on FILES/load/*",
        "s3:PutObject on FILES/results/*",
        # So it tells a file that is gone from one that it may not read.
        's3:ListBucket on FILES if {"StringLike": {"s3:prefix": "load/*"}}',
    },
    "ExporterRole": {
        "rds-db:connect on ProxyId/exporter",
        "s3:GetObject s3:PutObject on FILES/exports/*",
        's3:ListBucket on FILES if {"StringLike": {"s3:prefix": "exports/*"}}',
    },
    "PublisherRole": {
        "rds-db:connect on ProxyId/publisher",
        'events:PutEvents on EventBus if {"StringEquals": {"events:source": "wellspring"}}',
    },
    # Past the proxy, which lets in whom the migration has made.
    "MigrationRole": {
        "rds-db:connect on DatabaseId/owner",
        "secretsmanager:GetSecretValue on DATABASE.MasterUserSecret.SecretArn",
    },
    # The begin of a function's name is the stack's, of which CloudFormation takes 25 characters.
    "ApiRole": {"lambda:InvokeFunction on function:${AWS::StackName}-*:live"},
    **{role: set() for role in ("DatabaseMonitoringRole", "BackupRole", "TrafficRole")},
}
OPTIONAL = {"PublisherRole": "SendsEvents", "BackupRole": "CopiesBackups", "TrafficRole": "ShiftsTraffic"}


def test_each_role_may_do_what_it_is_for_and_nothing_else(stack: Stack) -> None:
    allowed = {role: {str(each) for each in stack.statements(role)} for role in stack.of_type("AWS::IAM::Role")}
    # The proxy signs in as every user of a function, and as nobody else.
    users = {function["Environment"]["Variables"]["DB_USER"] for function in stack.functions.values()}
    users -= {"wellspring_owner"}
    (signs_in,) = allowed.pop("ProxyRole")
    connect, _, named = signs_in.partition(" on ")
    assert connect == "rds-db:connect"
    assert {each.replace("DatabaseId/", "wellspring_") for each in named.split()} == users
    made = {role for role in ALLOWED if role not in OPTIONAL or stack.conditions[OPTIONAL[role]]}
    assert allowed == {role: ALLOWED[role] for role in made}


def roles(stack: Stack) -> dict[str, set[str]]:
    """Return the functions of each role."""
    found: dict[str, set[str]] = {}
    for name, function in stack.functions.items():
        found.setdefault(function["Role"]["Fn::GetAtt"][0], set()).add(name)
    return found


def test_functions_share_a_role_with_those_of_their_kind_and_no_others(stack: Stack) -> None:
    found = roles(stack)
    for of_http in ("OpenRole", "ReaderRole", "WriterRole"):
        assert not found.pop(of_http) & {MIGRATION, LOADER, EXPORTER, PUBLISHER}
    releases = ("Release", "Dismiss", "ReleaseMany")
    assert found == {
        "ReleaserRole": {f"SyncMessage{each}Function" for each in releases},
        "FeedReleaserRole": {f"FeedEvent{each}Function" for each in releases},
        "ConsumerRole": {"SyncConsumerFunction", "MaintenanceSettleFunction"},
        "FeederRole": {"FeedConsumeFunction", "FeedSettleFunction"},
        "LoaderRole": {LOADER},
        "ExporterRole": {EXPORTER},
        "MigrationRole": {MIGRATION},
        **({"PublisherRole": {PUBLISHER}} if stack.conditions["SendsEvents"] else {}),
    }


def test_a_function_signs_in_as_the_user_that_its_role_may_be(stack: Stack) -> None:
    for name, function in stack.functions.items():
        user = function["Environment"]["Variables"]["DB_USER"].removeprefix("wellspring_")
        role = function["Role"]["Fn::GetAtt"][0]
        if role not in {"OpenRole", "MigrationRole"}:
            assert f"rds-db:connect on ProxyId/{user}" in ALLOWED[role], name
    # What touches no table may not sign in at all.
    open_to_all = {"OpenapiDocument", "DocsPage", "ConsolePage", "ConsoleAsset", "DefaultAnswer", "AgentsMetadata"}
    assert roles(stack)["OpenRole"] == {f"{name}Function" for name in open_to_all}


def test_without_a_bus_nothing_is_there_that_publishes(stack: Stack) -> None:
    if not stack.conditions["SendsEvents"]:
        assert not [name for name in stack.resources if name.startswith(("Events", "Publisher", PUBLISHER))]
    elif stack.conditions["MakesNetwork"]:
        (allowed,) = stack.of_type("AWS::EC2::VPCEndpoint")["EventsEndpoint"]["PolicyDocument"]["Statement"]
        assert (allowed["Action"], allowed["Resource"]) == ("events:PutEvents", {"Ref": "EventBus"})
        assert allowed["Condition"] == {"ArnEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["PublisherRole", "Arn"]}}}


def test_a_boundary_that_is_given_reaches_every_role(stack: Stack) -> None:
    """Where an account prescribes one, a role without it is not created (serverless-application-model#1661)."""
    given = {"Ref": "PermissionsBoundaryArn"} if stack.conditions["HasBoundary"] else None
    for name, role in stack.of_type("AWS::IAM::Role").items():
        assert role.get("PermissionsBoundary") == given, name


def test_lambda_may_manage_network_interfaces_which_its_code_is_denied(stack: Stack) -> None:
    """CreateFunction refuses a role that may delete only interfaces with an ARN (terraform-provider-aws#20698)."""
    running = list(sentences(stack.resources["RunningPolicy"]["Properties"]["PolicyDocument"]))
    wide = {action for each in running if each.effect == "Allow" and "*" in each.resources for action in each.actions}
    traces = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"} if stack.conditions["IsTraced"] else set()
    assert wide == traces | {
        *("ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses", "ec2:DeleteNetworkInterface"),
        *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    }
    (denied,) = (each for each in running if each.effect == "Deny")
    assert (denied.actions, denied.resources) == (("ec2:*", "sqs:*"), ("*",))
    assert denied.condition == {"Null": {"lambda:SourceFunctionArn": "false"}}
    for role in roles(stack):
        assert {"Ref": "RunningPolicy"} in stack.resources[role]["Properties"]["ManagedPolicyArns"]


def test_no_policy_of_aws_is_in_use_but_those_of_services_that_work_for_the_stack(stack: Stack) -> None:
    attached = {
        role: arn["Fn::Sub"].rpartition("/")[2]
        for role, made in stack.of_type("AWS::IAM::Role").items()
        for arn in made.get("ManagedPolicyArns", [])
        if arn != {"Ref": "RunningPolicy"}
    }
    of_services = {
        "DatabaseMonitoringRole": "AmazonRDSEnhancedMonitoringRole",
        "BackupRole": "AWSBackupServiceRolePolicyForBackup",
        "TrafficRole": "AWSCodeDeployRoleForLambdaLimited",
    }
    assert attached == {role: name for role, name in of_services.items() if role in stack.resources}


# ---- HTTP API ---------------------------------------------------------------------------------------------
def operations(stack: Stack) -> dict[tuple[str, str], Any]:
    """Return each method and path of the API with what stands there."""
    paths = stack.only("AWS::ApiGatewayV2::Api")["Body"]["paths"]
    return {(path, method): said for path, methods in paths.items() for method, said in methods.items()}


def authorizer(stack: Stack) -> Any:
    (scheme,) = stack.only("AWS::ApiGatewayV2::Api")["Body"]["components"]["securitySchemes"].values()
    return scheme["x-amazon-apigateway-authorizer"]


def test_every_route_is_behind_the_authorizer_but_health_the_description_and_its_page(stack: Stack) -> None:
    found = operations(stack)
    assert {path for path, _ in found} == {route.path for route in routes()} | OPEN | {"/$default"}
    for (path, _), said in found.items():
        # No security is nobody to ask. A scheme that is not declared would be warned of, and FailOnWarnings ends that.
        assert said.get("security") == (None if path in OPEN else [{"Jwt": []}]), path
        declared = {parameter["name"] for parameter in said.get("parameters", [])}
        assert declared == set(re.findall(r"\{(\w+\+?)\}", path)), path


def test_head_is_the_get_of_its_path(stack: Stack) -> None:
    """The same function, authorizer and parameters (RFC 9110, section 9.3.2); "Routes per API: 300" (its quotas)."""
    found = operations(stack)
    assert {path for path, method in found if method == "get"} == {path for path, method in found if method == "head"}
    assert all(said == found[path, "get"] for (path, method), said in found.items() if method == "head")
    assert len(found) <= 300


def test_a_preflight_meets_no_authorizer(stack: Stack) -> None:
    """`$default` has one, and would refuse every preflight: it catches OPTIONS where nothing else does."""
    said = operations(stack)["/{proxy+}", "options"]
    assert "security" not in said
    assert "x-amazon-apigateway-integration" in said
    assert [method for path, method in operations(stack) if path == "/{proxy+}"] == ["options"]


def test_the_authorizer_takes_tokens_of_the_issuer_for_the_audience(stack: Stack) -> None:
    said = authorizer(stack)
    assert (said["type"], said["identitySource"]) == ("jwt", "$request.header.Authorization")
    assert said["jwtConfiguration"] == {
        "issuer": {"Ref": "Issuer"},
        # Two of one user pool of Cognito: its access tokens have no aud, and their client_id counts.
        "audience": {"Fn::Split": [",", {"Ref": "Audience"}]},
    }


def test_what_claims_mean_is_the_deployments_to_say(stack: Stack) -> None:
    """And, unsaid, what the code takes them for."""
    names = {"PersonClaim", "ServiceSubjects", "ServiceClaim", "ScopeClaims", "ScopePrefix"}
    names |= {"OperatorClaim", "OperatorValue"}
    variables = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): {"Ref": name} for name in names}
    for function in stack.functions.values():
        assert variables.items() <= function["Environment"]["Variables"].items()
    unsaid = {variable: stack.document["Parameters"][said["Ref"]]["Default"] for variable, said in variables.items()}
    assert read_caller_settings(unsaid) == CallerSettings()


def test_the_stage_throttles_and_logs_without_anything_of_the_caller(stack: Stack) -> None:
    stage = stack.only("AWS::ApiGatewayV2::Stage")
    limits = {f"Throttling{name}Limit": {"Ref": f"Throttle{name}"} for name in ("Rate", "Burst")}
    assert limits.items() <= stage["DefaultRouteSettings"].items()
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert line["status"] == "$context.status"
    assert not re.search(r"claims|sourceIp|userAgent|\$context\.path|queryString|identity", json.dumps(line))


def test_what_needs_no_token_has_a_throttle_of_its_own(stack: Stack) -> None:
    """HTTP APIs limit routes, but no single caller, and have no cache (API Gateway guide, "Choose between")."""
    settings = stack.only("AWS::ApiGatewayV2::Stage")["RouteSettings"]
    # Each of them a GET, and HEAD is another route of API Gateway's.
    open_to_all = {f"{method} {route.path}" for route in routes() if route.open_to_all for method in ("GET", "HEAD")}
    rates = {route: said["ThrottlingRateLimit"] for route, said in settings.items()}
    assert set(rates) == open_to_all
    # The console asks for all its files at once, and they ask nothing of the database.
    assert rates.pop("GET /console/{file}") <= 50
    assert all(rate <= 10 for rate in rates.values())


def test_the_throttle_leaves_half_of_an_accounts_concurrency_when_the_database_stalls(plain: Stack) -> None:
    """The arithmetic of docs/operations.md, "Connections": two busy routes, whose requests last as long as they may."""
    readers = max(plain.functions[name]["Timeout"] for name in roles(plain)["ReaderRole"])
    rate = plain.document["Parameters"]["ThrottleRate"]["Default"]
    assert 2 * rate * readers <= 1000 / 2


def test_a_domain_of_ones_own_leads_to_the_stage(plain: Stack) -> None:
    assert not plain.of_type("AWS::ApiGatewayV2::DomainName")
    stack = Stack(DomainName="api.example.com", DomainCertificateArn="arn:aws:acm:x", DefaultEndpoint="false")
    assert stack.only("AWS::ApiGatewayV2::ApiMapping")["Stage"] == {"Ref": "HttpApiApiGatewayDefaultStage"}
    (certificate,) = stack.only("AWS::ApiGatewayV2::DomainName")["DomainNameConfigurations"]
    assert certificate["SecurityPolicy"] == "TLS_1_2"
    # It takes effect with the next deployment of the stage (API Gateway guide, "Disable the default endpoint").
    assert '"disableExecuteApiEndpoint": true' in json.dumps(stack.only("AWS::ApiGatewayV2::Api")["Body"])


def test_the_small_profile_is_made_of_parameters_that_are_there(plain: Stack) -> None:
    """IAM sign-in wants up to 1,000 MiB beside the database's: more than a db.t4g.micro has (RDS user guide)."""
    profile = tomllib.loads((ROOT / "samconfig.toml").read_text())["small"]["deploy"]["parameters"]
    given = dict(pair.split("=") for pair in profile["parameter_overrides"].split())
    assert set(given) <= set(plain.document["Parameters"])
    assert given["DbInstanceClass"] == "db.t4g.small"
    endpoint = Stack(**given).of_type("AWS::EC2::VPCEndpoint")["SecretsEndpoint"]
    assert endpoint["SubnetIds"] == [{"Ref": "PrivateSubnetA"}]


def test_pages_of_the_origins_that_an_operator_names_may_call_the_api_and_carry_no_cookies(plain: Stack) -> None:
    name = "x-amazon-apigateway-cors"
    assert name not in plain.only("AWS::ApiGatewayV2::Api")["Body"]
    cors = Stack(CorsOrigins="https://a.example,https://b.example").only("AWS::ApiGatewayV2::Api")["Body"][name]
    # SAM itself puts the parameter's value in.
    assert cors["allowOrigins"] == {"Fn::Split": [",", "https://a.example,https://b.example"]}
    assert set(cors["allowMethods"]) == {"GET", "POST", "PATCH", "DELETE"}
    assert "*" not in json.dumps(cors)
    assert "allowCredentials" not in cors
    # Of agents in a page ("Streamable HTTP", "Request Metadata").
    assert {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"} <= set(cors["allowHeaders"])
    # And what a page sends and reads where there are readers.
    assert json.dumps(cors).count("Consistency-Token") == 2


def test_agents_ask_behind_the_authorizer_by_post_alone_and_read(stack: Stack) -> None:
    assert {method for path, method in operations(stack) if path == MCP_PATH} == {"post"}
    function, other = stack.functions["AgentsMcpFunction"], stack.functions["CompanyListFunction"]
    assert function["Role"] == other["Role"] == {"Fn::GetAtt": ["ReaderRole", "Arn"]}
    variables, usual = (each["Environment"]["Variables"] for each in (function, other))
    assert {name: value for name, value in variables.items() if name != "CORS_ORIGINS"} == usual
    assert function["Layers"] == other["Layers"]
    # Their metadata name the issuer of the authorizer.
    issuer = stack.functions["AgentsMetadataFunction"]["Environment"]["Variables"]["ISSUER"]
    assert issuer == authorizer(stack)["jwtConfiguration"]["issuer"]


def test_api_gateway_calls_the_published_version_and_only_it_may(stack: Stack) -> None:
    for said in operations(stack).values():
        integration = said["x-amazon-apigateway-integration"]
        assert ".Arn}:live/invocations" in integration["uri"]["Fn::Sub"]
        assert integration["credentials"] == {"Fn::GetAtt": ["ApiRole", "Arn"]}
    trusted = stack.resources["ApiRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [each["Principal"] for each in trusted] == [{"Service": "apigateway.amazonaws.com"}]
    for permission in stack.of_type("AWS::Lambda::Permission").values():
        assert "Aliaslive" in json.dumps(permission["FunctionName"])
        assert permission["Principal"] == "events.amazonaws.com"
        assert "SourceArn" in permission
    # Nothing else leads in from the internet.
    assert not kind("Lambda::Url", "ElasticLoadBalancingV2::LoadBalancer", "EC2::EIP")(stack)


# ---- releases ---------------------------------------------------------------------------------------------
def test_every_function_is_made_or_changed_after_the_migration(stack: Stack) -> None:
    for name in services(stack):
        assert "MigratedSchema" in stack.needs(name), name
    assert "MigratedSchema" not in stack.needs(MIGRATION)


def test_the_migration_can_reach_all_it_needs_before_it_is_called_and_when_it_is_called_last(stack: Stack) -> None:
    needs = stack.needs("MigratedSchema")
    assert needs >= {MIGRATION, "MigrationToDatabase"}
    assert needs & {"Database", "AuroraWriter"}
    if "Vpc" in stack.resources:
        routes_of_subnets = stack.of_type("AWS::EC2::SubnetRouteTableAssociation")
        assert len(routes_of_subnets) == len(stack.of_type("AWS::EC2::Subnet"))
        assert needs >= {"S3Endpoint", "SecretsEndpoint", *routes_of_subnets, "MigrationToEndpoint"}


def test_snapstart_is_for_published_versions_of_all_functions_but_the_migration() -> None:
    stack = Stack(SnapStart="PublishedVersions")
    for name in services(stack):
        assert stack.functions[name]["SnapStart"] == {"ApplyOn": {"Ref": "SnapStart"}}
    assert stack.functions[MIGRATION]["SnapStart"] == {"ApplyOn": "None"}
    assert stack.document["Parameters"]["SnapStart"]["Default"] == "None"


# ---- logs, queue, alarms ----------------------------------------------------------------------------------
@pytest.mark.parametrize(("level", "lambdas"), [("DEBUG", "DEBUG"), ("WARNING", "INFO"), ("ERROR", "INFO")])
def test_lambda_lets_through_what_the_code_logs_and_every_metric(level: str, lambdas: str) -> None:
    """A line of metrics has no level, which Lambda takes for INFO."""
    for function in Stack(LogLevel=level).functions.values():
        assert function["LoggingConfig"]["ApplicationLogLevel"] == lambdas
        assert function["Environment"]["Variables"]["LOG_LEVEL"] == {"Ref": "LogLevel"}


def test_a_queue_refuses_whoever_comes_without_tls_and_its_dead_letters_are_its_own(stack: Stack) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    refused = set()
    for policy in stack.of_type("AWS::SQS::QueuePolicy").values():
        ((_, name),) = policy["Queues"][0].items()
        (statement,) = (each for each in sentences(policy["PolicyDocument"]) if each.effect == "Deny")
        assert str(statement) == f'sqs:* on {name}.Arn if {{"Bool": {{"aws:SecureTransport": "false"}}}}'
        refused.add(name)
    assert refused == set(queues)
    for name in ("Sync", "Feed", "Load"):
        allowed = queues[f"{name}DeadLetterQueue"]["RedriveAllowPolicy"]
        assert allowed["redrivePermission"] == "byQueue"
        (arn,) = allowed["sourceQueueArns"]
        queue = queues[f"{name}Queue"]
        assert arn["Fn::Sub"].endswith(f":{queue['QueueName']['Fn::Sub']}")
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{name}DeadLetterQueue", "Arn"]}


SENDERS = {"Sync": "arn:aws:iam::111122223333:role/syncs", "Feed": "arn:aws:iam::444455556666:role/platform"}


def said(stack: Stack, policy: str) -> dict[str, Any]:
    """Return the sentences of the policy of a queue or bucket by their names."""
    return {each["Sid"]: each for each in stack.resources[policy]["Properties"]["PolicyDocument"]["Statement"]}


def test_who_may_send_syncs_and_who_events_are_named_apart_and_may_be_of_other_accounts() -> None:
    stack = Stack(SyncSenders=SENDERS["Sync"], FeedSenders=SENDERS["Feed"])
    for name in SENDERS:
        assert said(stack, f"{name}QueuePolicy").keys() == {"TlsOnly", f"{name}Senders"}
        assert said(stack, f"{name}QueuePolicy")[f"{name}Senders"] == {
            "Sid": f"{name}Senders",
            "Effect": "Allow",
            "Principal": {"AWS": {"Ref": f"{name}Senders"}},
            "Action": ["sqs:SendMessage", "sqs:GetQueueUrl"],
            "Resource": {"Fn::GetAtt": [f"{name}Queue", "Arn"]},
        }
        assert stack.document["Parameters"][f"{name}Senders"]["Type"] == "CommaDelimitedList"
        # Whom nobody names may send by what this account's own policies let, and nobody of another account may.
        assert said(Stack(), f"{name}QueuePolicy").keys() == {"TlsOnly"}


def test_who_may_send_events_may_put_files_to_load_and_nobody_else_may() -> None:
    files = {"Fn::Sub": "${FeedBucket.Arn}/load/*"}
    policy = said(Stack(SyncSenders=SENDERS["Sync"], FeedSenders=SENDERS["Feed"]), "FeedBucketPolicy")
    put = {"Action": "s3:PutObject", "Resource": files}
    assert policy["FeedSenders"] == put | {
        "Sid": "FeedSenders",
        "Effect": "Allow",
        "Principal": {"AWS": {"Ref": "FeedSenders"}},
    }
    assert policy["NobodyElse"] == put | {
        "Sid": "NobodyElse",
        "Effect": "Deny",
        "Principal": "*",
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": ANY}},
    }
    assert said(Stack(), "FeedBucketPolicy").keys() == {"TlsOnly"}


def worked_out(value: Any, senders: list[str]) -> Any:
    """Return what CloudFormation makes of lists that are joined and split."""
    match value:
        case {"Ref": "FeedSenders"}:
            return senders
        case {"Fn::Join": [between, several]}:
            return between.join(worked_out(several, senders))
        case {"Fn::Split": [between, text]}:
            return worked_out(text, senders).split(between)
    raise AssertionError(value)


@pytest.mark.parametrize(
    ("senders", "let"),
    [
        ([SENDERS["Feed"]], [SENDERS["Feed"]]),
        (["arn:aws:iam::111122223333:root"], ["arn:aws:iam::111122223333:*"]),
        (
            ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:role/root", "arn:aws:iam::777788889999:root"],
            ["arn:aws:iam::111122223333:*", "arn:aws:iam::444455556666:role/root", "arn:aws:iam::777788889999:*"],
        ),
    ],
)
def test_an_account_that_may_send_events_lets_each_of_its_roles_put_files(senders: list[str], let: list[str]) -> None:
    refused = said(Stack(FeedSenders=",".join(senders)), "FeedBucketPolicy")["NobodyElse"]
    assert worked_out(refused["Condition"]["ArnNotLike"]["aws:PrincipalArn"], senders) == let


def test_the_bucket_is_tls_only_forgets_files_and_stays_when_the_stack_goes(stack: Stack) -> None:
    assert (
        said(stack, "FeedBucketPolicy")["TlsOnly"].items()
        >= {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            "Resource": [{"Fn::GetAtt": ["FeedBucket", "Arn"]}, {"Fn::Sub": "${FeedBucket.Arn}/*"}],
        }.items()
    )
    bucket = stack.resources["FeedBucket"]
    # Not where the creation itself fails: a second try would meet a bucket of its name.
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    rules = {rule.get("Prefix"): rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]}
    assert rules["exports/"]["ExpirationInDays"] == 14
    for prefix in ("load/", "results/"):
        assert (rules[prefix]["Status"], rules[prefix]["ExpirationInDays"]) == ("Enabled", 14)
        assert rules[prefix]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def test_only_the_bucket_tells_of_files_and_one_has_fifty_turns_of_ten_minutes(stack: Stack) -> None:
    notifies = said(stack, "LoadQueuePolicy")["TheBucketNotifies"]
    assert notifies["Principal"] == {"Service": "s3.amazonaws.com"}
    name = stack.of_type("AWS::S3::Bucket")["FeedBucket"]["BucketName"]["Fn::Sub"]
    assert notifies["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}},
    }
    queue = stack.of_type("AWS::SQS::Queue")["LoadQueue"]
    assert (queue["VisibilityTimeout"], queue["RedrivePolicy"]["maxReceiveCount"]) == (630, 50)
    assert (stack.functions[LOADER]["Timeout"], "FifoQueue" in queue) == (600, False)


def test_every_consumer_is_fed_with_bounded_concurrency_and_hides_a_message_longer_than_it_runs(stack: Stack) -> None:
    """Lambda advises six times as long for batches; the loader takes one message, and takes no second one beside it."""
    fed = {}
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        function = mapping["FunctionName"]["Ref"].removesuffix("Aliaslive")
        queue = mapping["EventSourceArn"]["Fn::GetAtt"][0]
        fed[queue] = (mapping["FunctionName"]["Ref"], mapping["BatchSize"])
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2
        times = 6 if mapping["BatchSize"] > 1 else 1
        hidden = stack.of_type("AWS::SQS::Queue")[queue]["VisibilityTimeout"]
        assert hidden >= times * stack.functions[function]["Timeout"]
    assert fed == {
        "SyncQueue": ("SyncConsumerFunctionAliaslive", 10),
        "FeedQueue": ("FeedConsumeFunctionAliaslive", 10),
        "LoadQueue": ("FeedLoadFunctionAliaslive", 1),
    }
    # As many sessions may be pinned as there are consumers.
    consumers = stack.of_type("AWS::Lambda::EventSourceMapping")["SyncConsumerFunctionQueue"]["ScalingConfig"]
    pinned = stack.of_type("AWS::CloudWatch::Alarm")["PinnedConnectionsAlarm"]["Threshold"]
    assert pinned == consumers["MaximumConcurrency"]


def test_a_schedule_calls_the_published_version_and_may(stack: Stack) -> None:
    rules = stack.of_type("AWS::Events::Rule")
    each_minute = ("MaintenanceSettleFunction", "FeedSettleFunction", *([PUBLISHER] * stack.conditions["SendsEvents"]))
    assert {name: rule["ScheduleExpression"] for name, rule in rules.items()} == {
        "MaintenancePruneFunctionHourly": "rate(1 hour)",
        **{f"{function}EachMinute": "rate(1 minute)" for function in each_minute},
    }
    permissions = {
        each["SourceArn"]["Fn::GetAtt"][0]: each for each in stack.of_type("AWS::Lambda::Permission").values()
    }
    assert set(permissions) == set(rules)
    for name, rule in rules.items():
        (target,) = rule["Targets"]
        function = re.split(r"(?<=Function)", name)[0]
        assert target["Arn"] == permissions[name]["FunctionName"] == {"Ref": f"{function}Aliaslive"}


NOW, LATER = "AlarmTopic", "NoticeTopic"
# What each alarm measures, and whom it tells. One reading sets off what is `at once`: a state that lasts, as letters
# that wait, and storage that is full. `silence`: that there is no data is told too, once there was some.
ALARMS: dict[str, tuple[str, ...]] = {
    "ApiFailuresAlarm": ("5xx", NOW),
    "ApiLatencyAlarm": ("Latency", LATER),
    "DeadLettersAlarm": ("ApproximateNumberOfMessagesVisible", NOW, "at once"),
    "SyncDelayAlarm": ("ApproximateAgeOfOldestMessage", NOW),
    "FeedDeadLettersAlarm": ("ApproximateNumberOfMessagesVisible", NOW, "at once"),
    "FeedDelayAlarm": ("ApproximateAgeOfOldestMessage", LATER),
    # One event is one parked resource, which waits for somebody.
    "FeedWorkspaceChangedAlarm": ("FeedWorkspaceChanged", NOW, "at once"),
    "PinnedConnectionsAlarm": ("DatabaseConnectionsCurrentlySessionPinned", LATER),
    "DatabaseConnectionsAlarm": ("DatabaseConnections", NOW),
    "DatabaseStorageAlarm": ("FreeStorageSpace", NOW, "at once"),
    "ReaderLagAlarm": ("AuroraReplicaLagMaximum", LATER, "silence"),
    "BorrowLatencyAlarm": ("DatabaseConnectionsBorrowLatency", LATER),
    "SignInsAlarm": ("ClientConnectionsSetupFailedAuth", NOW),
    "DatabaseCpuAlarm": ("CPUUtilization", LATER, "silence"),
    "DatabaseMemoryAlarm": ("FreeableMemory", LATER),
    "TransactionIdsAlarm": ("MaximumUsedTransactionIDs", LATER),
    "CreditsAlarm": ("CPUSurplusCreditsCharged", LATER),
    "LoadDelayAlarm": ("ApproximateAgeOfOldestMessage", LATER),
    "ThrottlesAlarm": ("Throttles", LATER),
    "ConcurrencyAlarm": ("ResourceCount", LATER),
    "PruningAlarm": ("Invocations", LATER, "silence"),
    "SettlingAlarm": ("Invocations", NOW, "silence"),
    "ParkedMessagesAlarm": ("ParkedTooLong", LATER),
    "ErrorLinesAlarm": ("ErrorLines", LATER),
    "EventsDelayAlarm": ("OldestUnpublishedEventAge", LATER, "silence"),
    # What is dropped is gone.
    "EventsDroppedAlarm": ("EventsDropped", LATER, "at once"),
}
ONLY_IF = {
    **dict.fromkeys(("DatabaseStorageAlarm", "CreditsAlarm"), "IsInstance"),
    "ReaderLagAlarm": "HasReader",
    **dict.fromkeys(("EventsDelayAlarm", "EventsDroppedAlarm"), "SendsEvents"),
}


def test_what_can_go_wrong_is_told_to_whom_it_concerns(stack: Stack) -> None:
    """A new alarm has no data: with `breaching` that is an alarm, with `missing` the state in which it begins."""
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    assert set(alarms) == {name for name in ALARMS if name not in ONLY_IF or stack.conditions[ONLY_IF[name]]}
    for name, alarm in alarms.items():
        metric, topic, *kinds = ALARMS[name]
        measured = [
            each["MetricStat"]["Metric"]["MetricName"] for each in alarm.get("Metrics", []) if "MetricStat" in each
        ]
        assert metric in [*measured, alarm.get("MetricName")]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]
        assert alarm["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")
        assert alarm["AlarmDescription"].endswith(".")
        assert alarm["EvaluationPeriods"] > 1 or "at once" in kinds, name
        assert alarm["TreatMissingData"] != "breaching", name
        assert (alarm["TreatMissingData"] == "missing") == ("silence" in kinds), name
        assert "silence" not in kinds or alarm["InsufficientDataActions"] == alarm["AlarmActions"]


def test_no_alarm_adds_to_what_says_nothing_or_takes_silence_for_a_failure(plain: Stack) -> None:
    """Of two dead-letter queues one is mostly unused, and has no metrics: what is added to it would be missing."""
    said = {
        name: metric["Expression"]
        for name, alarm in plain.of_type("AWS::CloudWatch::Alarm").items()
        for metric in alarm.get("Metrics", ())
        if "Expression" in metric
    }
    assert said["FeedDeadLettersAlarm"] == "SUM([FILL(bodies, 0), FILL(files, 0)])"
    # Filled, the hours before the first deployment would be hours without a run.
    assert said["PruningAlarm"] == said["SettlingAlarm"] == "runs - FILL(errors, 0)"


def test_the_processor_that_is_watched_is_the_one_that_writes(stack: Stack) -> None:
    """Those of a cluster together are their average: a standby that idles would hide a writer that is busy."""
    said = stack.resources["DatabaseCpuAlarm"]["Properties"]["Dimensions"]
    roles = [each["Value"] for each in said if each["Name"] == "Role"]
    assert roles == (["WRITER"] if stack.conditions["IsAurora"] else [])


def test_what_each_node_of_the_proxy_counts_is_added_up(stack: Stack) -> None:
    """ "RDS publishes these metrics for each underlying Amazon EC2 instance associated with a proxy"."""
    counted = {}
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        own = [{"Metric": alarm, "Stat": alarm.get("Statistic")}]
        for each in [*own, *(each["MetricStat"] for each in alarm.get("Metrics", []) if "MetricStat" in each)]:
            if each["Metric"].get("Dimensions") == [{"Name": "ProxyName", "Value": {"Ref": "Proxy"}}]:
                counted[each["Metric"]["MetricName"]] = each["Stat"]
    # A time is not added up.
    assert counted.pop("DatabaseConnectionsBorrowLatency") == "Average"
    assert len(counted) == 4
    assert set(counted.values()) == {"Sum"}


def test_every_metric_that_is_paid_for_is_on_the_dashboard_under_its_stacks_name(stack: Stack) -> None:
    body, _ = stack.only("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Sub"]
    assert all(f'"{name}"' in body for name in UNITS)
    assert body.count('"Wellspring", ') == body.count('"service", "${AWS::StackName}"') == 5
    own = [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        if alarm.get("Namespace") == "Wellspring":
            assert (alarm["MetricName"] in UNITS, alarm["Dimensions"]) == (True, own)
    for function in stack.functions.values():
        assert function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}


def test_a_budget_is_made_where_somebody_is_told_of_it() -> None:
    assert not Stack(MonthlyBudget="200").of_type("AWS::Budgets::Budget")
    budget = Stack(MonthlyBudget="200", AlarmEmail="ops@example.com").only("AWS::Budgets::Budget")["Budget"]
    assert budget["BudgetLimit"] == {"Amount": {"Ref": "MonthlyBudget"}, "Unit": "USD"}


def test_every_alarm_is_of_this_stacks_own_things(stack: Stack) -> None:
    of_the_account = {"ThrottlesAlarm", "ConcurrencyAlarm"}
    of_the_stacks_name = {"ErrorLinesAlarm", "FeedWorkspaceChangedAlarm", "ParkedMessagesAlarm"}
    of_the_stacks_name |= {"EventsDelayAlarm", "EventsDroppedAlarm"}
    for name in stack.of_type("AWS::CloudWatch::Alarm"):
        needed = stack.needs(name) - {NOW, LATER, "AlarmKey"}
        assert needed or name in of_the_account | of_the_stacks_name


def test_the_error_lines_alarm_counts_what_the_filter_counts(stack: Stack) -> None:
    filter_ = stack.only("AWS::Logs::MetricFilter")
    (counted,) = filter_["MetricTransformations"]
    alarm = stack.of_type("AWS::CloudWatch::Alarm")["ErrorLinesAlarm"]
    assert (counted["MetricNamespace"], counted["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    assert '$.level = "ERROR"' in filter_["FilterPattern"]


def test_the_key_of_the_alarms_topics_is_one_that_cloudwatch_may_use(stack: Stack) -> None:
    assert set(stack.of_type("AWS::SNS::Topic")) == {NOW, LATER}
    key = stack.resources["AlarmKey"]["Properties"]["KeyPolicy"]
    assert any(statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"} for statement in key["Statement"])


def test_the_dashboard_is_json_and_names_only_what_is_there(stack: Stack) -> None:
    body, values = stack.only("AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Sub"]
    for name in ("StorageAlarm", "LagAlarm", "EventAlarms", "WriterRole"):
        said = values[name]
        body = body.replace(f"${{{name}}}", said["Fn::Sub"] if isinstance(said, dict) else said)
    widgets = json.loads(body)["widgets"]
    assert all(widget["properties"]["title"] for widget in widgets)
    alarms = {f"${{{name}.Arn}}" for name in stack.of_type("AWS::CloudWatch::Alarm")}
    assert set(widgets[0]["properties"]["alarms"]) == alarms
    for name in re.findall(r"\$\{(\w+)", body):
        assert name in stack.resources or name in values or name == "AWS"


def test_the_template_is_small_enough_for_cloudformation(plain: Stack) -> None:
    # What SAM made of it: the text has anchors, which are written out.
    assert len(json.dumps(plain.document, indent=1)) < 800_000
    assert len(plain.document["Resources"]) <= RESOURCES_AT_MOST
    assert len(plain.document["Parameters"]) < 200
