"""The stack that CloudFormation makes: what AWS would not check, for every choice of an operator."""

import json
import re
import tomllib
from typing import Any
from unittest.mock import ANY

import pytest

from local.settings import ROOT
from tests.aws.stack import RESOURCES_AT_MOST, Stack, Statement, sentences, translate
from wellspring.metrics import UNITS
from wellspring.routes import MCP_PATH, routes
from wellspring.settings import CallerSettings, read_caller_settings

MIGRATION = "SchemaMigrateFunction"
LOADER = "FeedLoadFunction"
EXPORTER = "MaintenanceExportFunction"
PUBLISHER = "MaintenancePublishFunction"
OPEN = {
    *("/health", "/v1/openapi.json", "/docs", "/", "/docs/{proxy+}", "/{proxy+}"),
    *("/console", "/console/{file}", "/console/{proxy+}"),
    "/.well-known/oauth-protected-resource/mcp",
}
EVERYTHING = ("*", "0.0.0.0/0", "::/0")


def services(stack: Stack) -> list[str]:
    """Return every function but the migration."""
    return [name for name in stack.functions if name != MIGRATION]


def users(resources: tuple[Any, ...]) -> set[str]:
    """Return the database users that an `rds-db:connect` names."""
    return {resource["Fn::Sub"][0].rpartition("/")[2] for resource in resources}


def users_in(statement: Statement) -> set[str]:
    """Return the database users that a sentence lets sign in."""
    return users(statement.resources) if "rds-db:connect" in statement.actions else set()


# ---- network ----------------------------------------------------------------------------------------------
def subnets(stack: Stack) -> Any:
    """Return the subnets that are made, or the reference to those that are given."""
    return [{"Ref": name} for name in stack.of_type("AWS::EC2::Subnet")] or {"Ref": "SubnetIds"}


def test_every_function_is_in_the_network(stack: Stack) -> None:
    assert len(stack.functions) > len(routes())
    for name, function in stack.functions.items():
        assert function["VpcConfig"]["SubnetIds"] == subnets(stack), name


def test_security_groups_and_their_rules_are_described_in_characters_that_ec2_takes(stack: Stack) -> None:
    # Of a rule's cfn-lint says nothing (cfn-lint#173; EC2 API, AuthorizeSecurityGroupEgress, IpPermissions).
    described = [rule["Description"] for rule in stack.of_type("AWS::EC2::SecurityGroupIngress").values()]
    for group in stack.of_type("AWS::EC2::SecurityGroup").values():
        rules = [*group.get("SecurityGroupIngress", ()), *group["SecurityGroupEgress"]]
        described += [group["GroupDescription"], *(rule["Description"] for rule in rules)]
    assert [text for text in described if not re.fullmatch(r"[A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}", text)] == []


def test_functions_reach_the_proxy_the_proxy_the_database_and_nothing_more(stack: Stack) -> None:
    ways: set[tuple[str, str, int]] = set()
    for name, group in stack.of_type("AWS::EC2::SecurityGroup").items():
        for rule in group["SecurityGroupEgress"]:
            if rule["IpProtocol"] == "-1":
                # What stands in the place of "everything", which EC2 assumes where nothing stands.
                assert rule["CidrIp"] == "127.0.0.1/32"
                continue
            assert rule["FromPort"] == rule["ToPort"]
            target = rule.get("DestinationSecurityGroupId", {}).get("Fn::GetAtt", [None])[0] or rule.get(
                "DestinationSecurityGroupId", {}
            ).get("Ref")
            ways.add((name, target or "outside", rule["ToPort"]))
    database = {
        ("FunctionsSecurityGroup", "ProxySecurityGroup", 5432),
        ("LoaderSecurityGroup", "ProxySecurityGroup", 5432),
        ("ProxySecurityGroup", "DatabaseSecurityGroup", 5432),
        ("MigrationSecurityGroup", "DatabaseSecurityGroup", 5432),
    }
    endpoint = {("MigrationSecurityGroup", "EndpointSecurityGroup", 443)} if "Vpc" in stack.resources else set()
    # S3, and where somebody else's network has its endpoints.
    outside = {(f"{name}SecurityGroup", "outside", 443) for name in ("Migration", "Loader")}
    if stack.conditions["SendsEvents"] and endpoint:
        endpoint.add(("PublisherSecurityGroup", "EndpointSecurityGroup", 443))
    elif stack.conditions["SendsEvents"]:
        outside.add(("PublisherSecurityGroup", "outside", 443))
    assert ways == database | endpoint | outside
    doors = {
        (rule["SourceSecurityGroupId"]["Ref"], rule["GroupId"]["Ref"], rule["ToPort"])
        for rule in stack.of_type("AWS::EC2::SecurityGroupIngress").values()
    }
    assert doors == database | endpoint
    assert all("SecurityGroupIngress" not in group for group in stack.of_type("AWS::EC2::SecurityGroup").values())


def test_only_what_reaches_more_than_the_proxy_has_a_group_of_its_own(stack: Stack) -> None:
    for name, function in stack.functions.items():
        groups = function["VpcConfig"]["SecurityGroupIds"]
        own_groups = {MIGRATION: "MigrationSecurityGroup", **dict.fromkeys((LOADER, EXPORTER), "LoaderSecurityGroup")}
        if name == PUBLISHER:
            assert groups == [{"Ref": "FunctionsSecurityGroup"}, {"Ref": "PublisherSecurityGroup"}]
        elif own := own_groups.get(name):
            assert groups == [{"Ref": own}]
        else:
            assert groups == {"Fn::Split": [",", {"Ref": "FunctionsSecurityGroup"}]}


def test_the_migrations_way_out_is_as_narrow_as_its_operator_says() -> None:
    def ways(**parameters: str) -> list[Any]:
        group = Stack(S3PrefixListId="pl-6da54004", **parameters).of_type("AWS::EC2::SecurityGroup")
        targets = ("DestinationSecurityGroupId", "DestinationPrefixListId", "CidrIp")
        return [
            rule[target]
            for rule in group["MigrationSecurityGroup"]["SecurityGroupEgress"]
            for target in targets
            if target in rule
        ]

    s3 = {"Ref": "S3PrefixListId"}
    assert ways()[1:] == [{"Ref": "EndpointSecurityGroup"}, s3]
    given = {"VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-a,subnet-b"}
    assert ways(**given)[1:] == [{"Ref": "VpcCidr"}, s3]


def test_the_network_that_is_made_has_no_way_to_the_internet(plain: Stack) -> None:
    kinds = {resource["Type"] for resource in plain.resources.values()}
    for kind in ("InternetGateway", "NatGateway", "Route", "EgressOnlyInternetGateway", "VPCGatewayAttachment", "EIP"):
        assert f"AWS::EC2::{kind}" not in kinds
    zones = [subnet["AvailabilityZone"] for subnet in plain.of_type("AWS::EC2::Subnet").values()]
    # RDS Proxy is not in every zone, and CreateDBProxy leaves a third subnet out but refuses one of two.
    assert [zone["Fn::Select"][0] for zone in zones] == [0, 1, 2]


def test_where_there_are_two_zones_there_are_two_subnets() -> None:
    stack = Stack(region="us-west-1")
    assert set(stack.of_type("AWS::EC2::Subnet")) == {"PrivateSubnetA", "PrivateSubnetB"}
    assert stack.of_type("AWS::RDS::DBProxy")["Proxy"]["VpcSubnetIds"] == subnets(stack)


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


def test_rules_are_of_the_functions_that_cloudformation_knows_in_a_rule() -> None:
    """Beside `Ref`; a template with another is refused, or its rule never looked at. cfn-lint takes any."""
    text = json.dumps(Stack().document["Rules"])
    assert set(re.findall(r'"(Fn::\w+|Condition)":', text)) <= {
        *("Fn::And", "Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn", "Fn::Equals"),
        *("Fn::Not", "Fn::Or", "Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"),
    }


def test_database_proxy_and_functions_are_in_the_same_subnets(stack: Stack) -> None:
    (group,) = stack.of_type("AWS::RDS::DBSubnetGroup").values()
    (proxy,) = stack.of_type("AWS::RDS::DBProxy").values()
    assert group["SubnetIds"] == proxy["VpcSubnetIds"] == subnets(stack)


def test_an_endpoint_lets_through_what_migration_loader_and_exporter_ask_for_and_nothing_else(plain: Stack) -> None:
    endpoints = plain.of_type("AWS::EC2::VPCEndpoint")
    allowed = {
        name: [s.actions for s in sentences(properties["PolicyDocument"])] for name, properties in endpoints.items()
    }
    assert allowed == {
        "SecretsEndpoint": [("secretsmanager:GetSecretValue",)],
        "S3Endpoint": [
            ("s3:PutObject",),
            ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"),
            ("s3:ListBucket",),
        ],
    }
    (_, files, names) = sentences(endpoints["S3Endpoint"]["PolicyDocument"])
    bucket = "${AWS::StackName}-feed-${AWS::AccountId}-${AWS::Region}"
    # Nobody else's files, and nobody else to read these.
    assert {resource["Fn::Sub"].partition(":::")[2] for resource in files.resources} == {
        f"{bucket}/{prefix}/*" for prefix in ("load", "results", "exports")
    }
    assert [resource["Fn::Sub"].partition(":::")[2] for resource in names.resources] == [bucket]
    assert files.condition == names.condition == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
    for properties in endpoints.values():
        assert all("*" not in statement.resources for statement in sentences(properties["PolicyDocument"]))


def test_a_network_that_is_given_gets_nothing_but_security_groups() -> None:
    given = Stack(VpcId="vpc-0123456789abcdef0", SubnetIds="subnet-a,subnet-b")
    kinds = {resource["Type"] for resource in given.resources.values() if resource["Type"].startswith("AWS::EC2::")}
    assert kinds == {"AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"}
    assert {json.dumps(group["VpcId"]) for group in given.of_type("AWS::EC2::SecurityGroup").values()} == {
        '{"Ref": "VpcId"}'
    }


# ---- database and proxy -----------------------------------------------------------------------------------
def databases(stack: Stack) -> dict[str, Any]:
    """Return what holds the data: the instance, or the cluster."""
    clusters = stack.of_type("AWS::RDS::DBCluster")
    return clusters or stack.of_type("AWS::RDS::DBInstance")


def test_the_database_is_encrypted_kept_backed_up_and_not_to_be_deleted_by_mistake(stack: Stack) -> None:
    ((name, database),) = databases(stack).items()
    assert database["StorageEncrypted"] is True
    assert database["EngineVersion"] == {"Ref": "DbMajorVersion"}
    # By default RDS deletes what a second restore would be made of, with the database.
    assert database["DeleteAutomatedBackups"] is False
    assert database["PreferredBackupWindow"] == {"Ref": "DbBackupWindow"}
    assert database["PreferredMaintenanceWindow"] == {"Ref": "DbMaintenanceWindow"}
    assert database["DeletionProtection"] == {"Ref": "DbDeletionProtection"}
    assert database["BackupRetentionPeriod"] == {"Ref": "DbBackupDays"}
    assert stack.document["Parameters"]["DbDeletionProtection"]["Default"] == "true"
    assert stack.document["Parameters"]["DbBackupDays"]["MinValue"] > 0
    assert stack.resources[name]["DeletionPolicy"] == stack.resources[name]["UpdateReplacePolicy"] == "Snapshot"


def test_a_snapshot_makes_another_database_beside_the_one_that_is_there() -> None:
    for engine, name, snapshot in (
        ("postgres", "DBInstanceIdentifier", "DBSnapshotIdentifier"),
        ("aurora-postgresql", "DBClusterIdentifier", "SnapshotIdentifier"),
    ):
        (empty,) = databases(Stack(DbEngine=engine)).values()
        (restored,) = databases(Stack(DbEngine=engine, DbSnapshot="before-the-mishap")).values()
        assert snapshot not in empty
        assert restored[snapshot] == {"Ref": "DbSnapshot"}
        # CloudFormation makes the new one first, and could not under the same name.
        assert empty[name] == {"Ref": "AWS::StackName"}
        assert restored[name] == {"Fn::Sub": "${AWS::StackName}-${DbSnapshot}"}
        # What a snapshot brings must not be said (AWS::RDS::DBInstance, AWS::RDS::DBCluster).
        gone = set(empty) - set(restored)
        assert gone in ({"DBName", "MasterUsername", "AllocatedStorage"}, {"DatabaseName", "MasterUsername"})
        assert restored["ManageMasterUserPassword"] is True


@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql"])
def test_a_key_of_ones_own_encrypts_a_new_database_and_a_snapshot_brings_its_own(engine: str) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/mine"
    (database,) = databases(Stack(DbEngine=engine, DbKmsKeyArn=key)).values()
    assert database["KmsKeyId"] == {"Ref": "DbKmsKeyArn"}
    for parameters in ({}, {"DbKmsKeyArn": key, "DbSnapshot": "before-the-mishap"}):
        (other,) = databases(Stack(DbEngine=engine, **parameters)).values()
        assert "KmsKeyId" not in other


def test_a_second_region_keeps_the_backups_where_one_is_named() -> None:
    (plain,) = databases(Stack()).values()
    assert not [name for name in plain if name.startswith("AutomaticBackupReplication")]
    (kept,) = databases(Stack(DbBackupRegion="eu-central-1", DbBackupKmsKeyArn="arn:aws:kms:x")).values()
    assert kept["AutomaticBackupReplicationRegion"] == {"Ref": "DbBackupRegion"}
    assert kept["AutomaticBackupReplicationKmsKeyId"] == {"Ref": "DbBackupKmsKeyArn"}
    assert kept["AutomaticBackupReplicationRetentionPeriod"] == {"Ref": "DbBackupDays"}


def test_a_deployment_may_not_replace_or_delete_the_database() -> None:
    policy = json.loads((ROOT / "stack-policy.json").read_text())
    (denied,) = (statement for statement in policy["Statement"] if statement["Effect"] == "Deny")
    assert set(denied["Action"]) == {"Update:Replace", "Update:Delete"}
    names = {resource.removeprefix("LogicalResourceId/") for resource in denied["Resource"]}
    assert names == {*databases(Stack()), *databases(Stack(DbEngine="aurora-postgresql"))}
    assert "set_stack_policy" in (ROOT / "local/deploy.py").read_text()
    assert "make deploy" in (ROOT / ".github/workflows/deploy.yml").read_text()


def test_everything_follows_the_database_that_is_restored() -> None:
    stack = Stack(DbSnapshot="before-the-mishap")
    for name in ("ProxyTargets", "ProxyRole", "SecretsEndpoint", "MigratedSchema", "DatabaseCpuAlarm"):
        assert "Database" in stack.needs(name), name
    logs = stack.of_type("AWS::Logs::LogGroup")["DatabaseLogs"]
    assert logs["LogGroupName"]["Fn::Sub"][1] == {"Database": {"Fn::Sub": "${AWS::StackName}-${DbSnapshot}"}}


def test_no_instance_is_public(stack: Stack) -> None:
    instances = stack.of_type("AWS::RDS::DBInstance")
    assert instances
    assert all(instance["PubliclyAccessible"] is False for instance in instances.values())


def test_a_standby_is_in_another_zone() -> None:
    assert Stack().of_type("AWS::RDS::DBInstance")["Database"]["MultiAZ"] == {"Ref": "DbStandby"}
    assert len(Stack(DbEngine="aurora-postgresql").of_type("AWS::RDS::DBInstance")) == 2
    assert len(Stack(DbEngine="aurora-postgresql", DbStandby="false").of_type("AWS::RDS::DBInstance")) == 1


def test_the_database_takes_tls_only_and_logs_no_value(stack: Stack) -> None:
    groups = stack.of_type("AWS::RDS::DBParameterGroup") | stack.of_type("AWS::RDS::DBClusterParameterGroup")
    (group,) = groups.values()
    assert group["Family"]["Fn::Sub"] in {"postgres${DbMajorVersion}", "aurora-postgresql${DbMajorVersion}"}
    assert group["Parameters"]["rds.force_ssl"] == "1"
    assert group["Parameters"]["log_parameter_max_length"] == "0"
    assert group["Parameters"]["log_parameter_max_length_on_error"] == "0"


def test_nobody_but_rds_ever_writes_a_password_down(stack: Stack) -> None:
    ((_, database),) = databases(stack).items()
    assert database["ManageMasterUserPassword"] is True
    assert "MasterUserPassword" not in database
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


def test_the_proxy_demands_tls_and_iam_and_signs_in_with_iam_itself(stack: Stack) -> None:
    (proxy,) = stack.of_type("AWS::RDS::DBProxy").values()
    assert (proxy["RequireTLS"], proxy["DefaultAuthScheme"]) == (True, "IAM_AUTH")
    assert "Auth" not in proxy
    ((_, database),) = databases(stack).items()
    assert database["EnableIAMDatabaseAuthentication"] is True
    (statement,) = stack.statements("ProxyRole")
    assert statement.actions == ("rds-db:connect",)
    assert users(statement.resources) == {
        function["Environment"]["Variables"]["DB_USER"]
        for name, function in stack.functions.items()
        if name != MIGRATION
    }


def test_the_proxy_gives_a_connection_or_gives_up_before_a_function_must_answer(stack: Stack) -> None:
    (targets,) = stack.of_type("AWS::RDS::DBProxyTargetGroup").values()
    least = min(stack.functions[name]["Timeout"] for name in services(stack))
    assert targets["ConnectionPoolConfigurationInfo"]["ConnectionBorrowTimeout"] < least


def test_the_proxys_idle_limit_is_above_the_age_at_which_a_connection_is_replaced(stack: Stack) -> None:
    from wellspring.database.engine import RECYCLE_SECONDS  # noqa: PLC0415  (the only test that compares them)

    (proxy,) = stack.of_type("AWS::RDS::DBProxy").values()
    assert proxy["IdleClientTimeout"] > RECYCLE_SECONDS


@pytest.mark.parametrize("readers", ["0", "1", "3"])
def test_the_proxy_waits_for_the_cluster_to_have_all_of_its_instances(readers: str) -> None:
    """RDS registers no cluster while an instance is CONFIGURING_ENHANCED_MONITORING (aws-cdk#31304)."""
    aurora = Stack(DbEngine="aurora-postgresql", DbReaders=readers)
    instances = aurora.of_type("AWS::RDS::DBInstance").keys()
    assert len(instances) == 2 + int(readers)
    assert instances <= aurora.needs("ProxyTargets")
    # Its users are made meanwhile: CloudFormation waits "for target group to become available" (aws-cdk#8919).
    assert "ProxyTargets" not in aurora.needs("MigratedSchema")


# ---- roles ------------------------------------------------------------------------------------------------
def kinds(stack: Stack) -> dict[str, set[str]]:
    """Return the functions of each role."""
    found: dict[str, set[str]] = {}
    for name, function in stack.functions.items():
        found.setdefault(function["Role"]["Fn::GetAtt"][0], set()).add(name)
    return found


def test_functions_share_a_role_with_those_of_their_kind_and_no_others(stack: Stack) -> None:
    found = kinds(stack)
    services_of_http = {"OpenRole", "ReaderRole", "WriterRole"}
    assert set(found) == services_of_http | {
        *(
            "ConsumerRole",
            "ReleaserRole",
            "FeederRole",
            "FeedReleaserRole",
            "LoaderRole",
            "MigrationRole",
            "ExporterRole",
            *(("PublisherRole",) if stack.conditions["SendsEvents"] else ()),
        )
    }
    assert found["ReleaserRole"] == {
        *("SyncMessageReleaseFunction", "SyncMessageDismissFunction", "SyncMessageReleaseManyFunction")
    }
    assert found["MigrationRole"] == {MIGRATION}
    assert found["ConsumerRole"] == {"SyncConsumerFunction", "MaintenanceSettleFunction"}
    assert found["FeedReleaserRole"] == {
        *("FeedEventReleaseFunction", "FeedEventDismissFunction", "FeedEventReleaseManyFunction")
    }
    assert found["FeederRole"] == {"FeedConsumeFunction", "FeedSettleFunction"}
    assert found["LoaderRole"] == {LOADER}
    assert found["ExporterRole"] == {EXPORTER}
    assert found.get("PublisherRole", {PUBLISHER}) == {PUBLISHER}


def test_a_role_reads_the_queue_of_its_function_and_no_other(stack: Stack) -> None:
    fed = {
        mapping["FunctionName"]["Ref"].removesuffix("Aliaslive"): mapping["EventSourceArn"]
        for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values()
    }
    reads = {
        role: statement.resources
        for role in kinds(stack)
        for statement in stack.statements(role)
        if "sqs:ReceiveMessage" in statement.actions
    }
    assert reads == {stack.functions[name]["Role"]["Fn::GetAtt"][0]: (queue,) for name, queue in fed.items()}


def test_only_the_loader_reads_files_and_only_the_exporter_has_to_do_with_exports(stack: Stack) -> None:
    bucket = "arn:${AWS::Partition}:s3:::${AWS::StackName}-feed-${AWS::AccountId}-${AWS::Region}"
    allowed = {
        (role, action, statement.resources[0]["Fn::Sub"])
        for role in kinds(stack)
        for statement in stack.statements(role)
        for action in statement.actions
        if action.startswith("s3:")
    }
    assert allowed == {
        ("LoaderRole", "s3:GetObject", f"{bucket}/load/*"),
        ("LoaderRole", "s3:GetObjectVersion", f"{bucket}/load/*"),
        ("LoaderRole", "s3:PutObject", f"{bucket}/results/*"),
        ("LoaderRole", "s3:ListBucket", bucket),
        ("ExporterRole", "s3:GetObject", f"{bucket}/exports/*"),
        ("ExporterRole", "s3:PutObject", f"{bucket}/exports/*"),
        ("ExporterRole", "s3:ListBucket", bucket),
    }


def test_the_loader_may_tell_a_file_that_is_gone_from_one_that_it_may_not_read(stack: Stack) -> None:
    (looks,) = (s for s in stack.statements("LoaderRole") if s.actions == ("s3:ListBucket",))
    assert looks.condition == {"StringLike": {"s3:prefix": "load/*"}}


def test_the_exporter_looks_for_exports_only_and_they_are_gone_after_two_weeks(stack: Stack) -> None:
    (looks,) = (s for s in stack.statements("ExporterRole") if s.actions == ("s3:ListBucket",))
    assert looks.condition == {"StringLike": {"s3:prefix": "exports/*"}}
    (bucket,) = stack.of_type("AWS::S3::Bucket").values()
    rules = {rule.get("Prefix"): rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["exports/"]["ExpirationInDays"] == 14


def test_only_the_publisher_puts_events_and_only_on_the_bus_that_is_named(stack: Stack) -> None:
    sends = {
        role: (statement.actions, statement.resources, statement.condition)
        for role in kinds(stack)
        for statement in stack.statements(role)
        if any(action.startswith("events:") for action in statement.actions)
    }
    if not stack.conditions["SendsEvents"]:
        assert not sends
        assert not [name for name in stack.resources if name.startswith(("Events", "Publisher", PUBLISHER))]
        return
    bus = ({"Ref": "EventBus"},)
    of_the_ledger = {"StringEquals": {"events:source": "wellspring"}}
    assert sends == {"PublisherRole": (("events:PutEvents",), bus, of_the_ledger)}
    if stack.conditions["MakesNetwork"]:
        endpoint = stack.of_type("AWS::EC2::VPCEndpoint")["EventsEndpoint"]
        (allowed,) = endpoint["PolicyDocument"]["Statement"]
        assert (allowed["Action"], allowed["Resource"]) == ("events:PutEvents", {"Ref": "EventBus"})
        assert allowed["Condition"] == {"ArnEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["PublisherRole", "Arn"]}}}


def test_every_role_is_of_functions_of_the_api_or_of_the_database(stack: Stack) -> None:
    found = kinds(stack)
    optional = {"BackupRole": "CopiesBackups", "TrafficRole": "ShiftsTraffic"}
    wanted = {role for role, condition in optional.items() if stack.conditions[condition]}
    assert set(stack.of_type("AWS::IAM::Role")) == {*found, "ApiRole", "DatabaseMonitoringRole", "ProxyRole", *wanted}


def test_a_function_without_a_user_in_the_database_has_a_role_without_one(stack: Stack) -> None:
    users_of = {
        role: {user for statement in stack.statements(role) for user in users_in(statement)} for role in kinds(stack)
    }
    assert users_of == {
        "OpenRole": set(),
        "ReaderRole": {"wellspring_reader"},
        "WriterRole": {"wellspring_writer"},
        "ConsumerRole": {"wellspring_consumer"},
        "ReleaserRole": {"wellspring_consumer"},
        "FeederRole": {"wellspring_feeder", "wellspring_consumer"},
        "FeedReleaserRole": {"wellspring_feeder"},
        "LoaderRole": {"wellspring_feeder"},
        "ExporterRole": {"wellspring_exporter"},
        "MigrationRole": {"wellspring_owner"},
    } | ({"PublisherRole": {"wellspring_publisher"}} if stack.conditions["SendsEvents"] else {})


def test_a_boundary_that_is_given_reaches_every_role(stack: Stack) -> None:
    """Where an account prescribes one, a role without it is not created (serverless-application-model#1661)."""
    given = {"Ref": "PermissionsBoundaryArn"} if stack.conditions["HasBoundary"] else None
    for name, role in stack.of_type("AWS::IAM::Role").items():
        assert role.get("PermissionsBoundary") == given, name


# Who settles what a batch brought writes that as the one whose it is (docs/adr/0047).
SIGNS_IN_ALSO = {"FeederRole": {"wellspring_consumer"}}


def test_a_role_signs_in_as_one_database_user_the_one_of_its_function(stack: Stack) -> None:
    for function in stack.functions.values():
        role = function["Role"]["Fn::GetAtt"][0]
        signs_in = [users_in(statement) for statement in stack.statements(role) if users_in(statement)]
        assert all(len(one) == 1 for one in signs_in)
        if signs_in:
            own = {function["Environment"]["Variables"]["DB_USER"]}
            assert set.union(*signs_in) == own | SIGNS_IN_ALSO.get(role, set())


def test_only_the_migration_signs_in_past_the_proxy_and_only_as_the_owner(stack: Stack) -> None:
    for function in stack.functions.values():
        for statement in stack.statements(function["Role"]["Fn::GetAtt"][0]):
            if "rds-db:connect" in statement.actions:
                past = "DatabaseId" in json.dumps(statement.resources)
                assert past == (users(statement.resources) == {"wellspring_owner"})


def test_what_touches_no_table_may_not_sign_in_at_all(stack: Stack) -> None:
    for name in (
        "OpenapiDocumentFunction",
        "DocsPageFunction",
        "ConsolePageFunction",
        "ConsoleAssetFunction",
        "DefaultAnswerFunction",
    ):
        assert not list(stack.statements(stack.functions[name]["Role"]["Fn::GetAtt"][0]))


def test_only_the_migration_reads_the_owners_secret(stack: Stack) -> None:
    readers = {
        name
        for name, function in stack.functions.items()
        for statement in stack.statements(function["Role"]["Fn::GetAtt"][0])
        if any(action.startswith("secretsmanager:") for action in statement.actions)
    }
    assert readers == {MIGRATION}


def test_a_roles_own_policies_name_each_action_and_its_resource(stack: Stack) -> None:
    """A role may do what its policies and its boundary both allow (IAM user guide), and a given one may allow all."""
    for name in stack.of_type("AWS::IAM::Role"):
        for statement in stack.statements(name):
            assert statement.effect == "Allow"
            assert not [action for action in statement.actions if "*" in action], name
            # What follows a prefix of the bucket of files is the file's name, and the stack's name a function's.
            prefixes = r"((load|results|exports)/|function:\$\{AWS::StackName\}-)\*"
            named = [re.sub(prefixes, "", json.dumps(each)) for each in statement.resources]
            assert "*" not in "".join(named), name


def test_lambda_may_manage_network_interfaces_where_it_has_none_in_hand(stack: Stack) -> None:
    """CreateFunction refuses a role that may delete only interfaces with an ARN (terraform-provider-aws#20698)."""
    wide = {
        action
        for statement in sentences(stack.resources["RunningPolicy"]["Properties"]["PolicyDocument"])
        if statement.effect == "Allow" and "*" in statement.resources
        for action in statement.actions
    }
    traces = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"} if stack.conditions["IsTraced"] else set()
    assert wide - traces == {
        "ec2:AssignPrivateIpAddresses",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    }
    assert traces <= wide


def test_what_lambda_does_with_a_role_its_code_is_denied(stack: Stack) -> None:
    (denied,) = (
        statement
        for statement in sentences(stack.resources["RunningPolicy"]["Properties"]["PolicyDocument"])
        if statement.effect == "Deny"
    )
    assert (denied.actions, denied.resources) == (("ec2:*", "sqs:*"), ("*",))
    assert denied.condition == {"Null": {"lambda:SourceFunctionArn": "false"}}
    for role in kinds(stack):
        assert {"Ref": "RunningPolicy"} in stack.resources[role]["Properties"]["ManagedPolicyArns"]


def test_no_policy_of_aws_is_in_use_but_those_of_services_that_work_for_the_stack(stack: Stack) -> None:
    attached = {
        role: arn["Fn::Sub"].rpartition("/")[2]
        for role, made in stack.of_type("AWS::IAM::Role").items()
        for arn in made.get("ManagedPolicyArns", [])
        if arn != {"Ref": "RunningPolicy"}
    }
    assert attached.pop("DatabaseMonitoringRole") == "AmazonRDSEnhancedMonitoringRole"
    assert (
        attached.items()
        <= {
            "BackupRole": "AWSBackupServiceRolePolicyForBackup",
            "TrafficRole": "AWSCodeDeployRoleForLambdaLimited",
        }.items()
    )


# ---- HTTP API ---------------------------------------------------------------------------------------------
def operations(stack: Stack) -> dict[tuple[str, str], Any]:
    """Return each method and path of the API with what stands there."""
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api").values()
    return {(path, method): said for path, methods in api["Body"]["paths"].items() for method, said in methods.items()}


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
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api").values()
    (scheme,) = api["Body"]["components"]["securitySchemes"].values()
    authorizer = scheme["x-amazon-apigateway-authorizer"]
    assert authorizer["type"] == "jwt"
    assert authorizer["jwtConfiguration"] == {
        "issuer": {"Ref": "Issuer"},
        # Two of one user pool of Cognito: its access tokens have no aud, and their client_id counts.
        "audience": {"Fn::Split": [",", {"Ref": "Audience"}]},
    }
    assert authorizer["identitySource"] == "$request.header.Authorization"


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
    (stage,) = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    settings = stage["DefaultRouteSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (
        {"Ref": "ThrottleRate"},
        {"Ref": "ThrottleBurst"},
    )
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert line["status"] == "$context.status"
    assert not re.search(r"claims|sourceIp|userAgent|\$context\.path|queryString|identity", json.dumps(line))


def test_what_needs_no_token_has_a_throttle_of_its_own(stack: Stack) -> None:
    """HTTP APIs limit routes, but no single caller, and have no cache (API Gateway guide, "Choose between")."""
    (stage,) = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    # Each of them a GET, and HEAD is another route of API Gateway's.
    open_to_all = {f"{method} {route.path}" for route in routes() if route.open_to_all for method in ("GET", "HEAD")}
    assert set(stage["RouteSettings"]) == open_to_all
    rates = {route: settings["ThrottlingRateLimit"] for route, settings in stage["RouteSettings"].items()}
    # The console asks for all its files at once, and they ask nothing of the database.
    assert rates.pop("GET /console/{file}") <= 50
    assert all(rate <= 10 for rate in rates.values())


def test_the_throttle_leaves_half_of_an_accounts_concurrency_when_the_database_stalls(plain: Stack) -> None:
    """The arithmetic of docs/operations.md, "Connections": two busy routes, whose requests last as long as they may."""
    readers = max(
        function["Timeout"]
        for function in plain.functions.values()
        if function["Role"]["Fn::GetAtt"][0] == "ReaderRole"
    )
    rate = plain.document["Parameters"]["ThrottleRate"]["Default"]
    assert 2 * rate * readers <= 1000 / 2


def test_a_domain_of_ones_own_leads_to_the_stage() -> None:
    assert not Stack().of_type("AWS::ApiGatewayV2::DomainName")
    stack = Stack(DomainName="api.example.com", DomainCertificateArn="arn:aws:acm:x", DefaultEndpoint="false")
    (mapping,) = stack.of_type("AWS::ApiGatewayV2::ApiMapping").values()
    assert mapping["Stage"] == {"Ref": "HttpApiApiGatewayDefaultStage"}
    (domain,) = stack.of_type("AWS::ApiGatewayV2::DomainName").values()
    (certificate,) = domain["DomainNameConfigurations"]
    assert certificate["SecurityPolicy"] == "TLS_1_2"
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api").values()
    assert '"disableExecuteApiEndpoint": true' in json.dumps(api["Body"])
    # It takes effect with the next deployment of the stage (API Gateway guide, "Disable the default endpoint").
    (stage,) = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    assert stage["AutoDeploy"] is True


def test_the_consumer_has_concurrency_of_its_own_only_where_somebody_says_so(plain: Stack) -> None:
    """A new account with 10 in all can reserve none, and its stack fails (fhir-works-on-aws-deployment#691)."""
    assert not [function for function in plain.functions.values() if "ReservedConcurrentExecutions" in function]
    reserved = Stack(ConsumerConcurrency="10").functions["SyncConsumerFunction"]["ReservedConcurrentExecutions"]
    assert reserved == {"Ref": "ConsumerConcurrency"}


def test_layers_have_their_stacks_name(stack: Stack) -> None:
    names = {layer["LayerName"]["Fn::Sub"] for layer in stack.of_type("AWS::Lambda::LayerVersion").values()}
    assert names == {f"${{AWS::StackName}}-{layer}" for layer in ("shared", "migrations", "console")}


def test_the_small_profile_is_made_of_parameters_that_are_there(plain: Stack) -> None:
    """IAM sign-in wants up to 1,000 MiB beside the database's: more than a db.t4g.micro has (RDS user guide)."""
    profile = tomllib.loads((ROOT / "samconfig.toml").read_text())["small"]["deploy"]["parameters"]
    given = dict(pair.split("=") for pair in profile["parameter_overrides"].split())
    assert set(given) <= set(plain.document["Parameters"])
    stack = Stack(**given)
    assert stack.of_type("AWS::EC2::VPCEndpoint")["SecretsEndpoint"]["SubnetIds"] == [{"Ref": "PrivateSubnetA"}]
    assert given["DbInstanceClass"] == "db.t4g.small"


def test_pages_of_no_origin_may_call_the_api(plain: Stack) -> None:
    (api,) = plain.of_type("AWS::ApiGatewayV2::Api").values()
    assert "x-amazon-apigateway-cors" not in api["Body"]


def test_pages_of_the_origins_that_an_operator_names_may_and_carry_no_cookies() -> None:
    (api,) = Stack(CorsOrigins="https://a.example,https://b.example").of_type("AWS::ApiGatewayV2::Api").values()
    cors = api["Body"]["x-amazon-apigateway-cors"]
    # SAM itself puts the parameter's value in.
    assert cors["allowOrigins"] == {"Fn::Split": [",", "https://a.example,https://b.example"]}
    assert set(cors["allowMethods"]) == {"GET", "POST", "PATCH", "DELETE"}
    assert "*" not in json.dumps(cors)
    assert "allowCredentials" not in cors
    # Of agents in a page ("Streamable HTTP", "Request Metadata").
    assert {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"} <= set(cors["allowHeaders"])


# ---- agents --------------------------------------------------------------------------------------------------
def test_agents_ask_behind_the_authorizer_by_post_alone_and_read(stack: Stack) -> None:
    assert {method for path, method in operations(stack) if path == MCP_PATH} == {"post"}
    function, other = stack.functions["AgentsMcpFunction"], stack.functions["CompanyListFunction"]
    assert function["Role"] == other["Role"] == {"Fn::GetAtt": ["ReaderRole", "Arn"]}
    variables, usual = (each["Environment"]["Variables"] for each in (function, other))
    assert {name: value for name, value in variables.items() if name != "CORS_ORIGINS"} == usual
    assert variables["DB_USER"] == "wellspring_reader"
    assert function["Layers"] == other["Layers"]


def test_the_metadata_of_agents_name_the_issuer_of_the_authorizer_and_touch_no_table(stack: Stack) -> None:
    function = stack.functions["AgentsMetadataFunction"]
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api").values()
    (scheme,) = api["Body"]["components"]["securitySchemes"].values()
    issuer = scheme["x-amazon-apigateway-authorizer"]["jwtConfiguration"]["issuer"]
    assert function["Environment"]["Variables"]["ISSUER"] == issuer
    assert function["Role"] == {"Fn::GetAtt": ["OpenRole", "Arn"]}


def test_api_gateway_calls_the_published_version_and_only_it_may(stack: Stack) -> None:
    for said in operations(stack).values():
        integration = said["x-amazon-apigateway-integration"]
        assert ".Arn}:live/invocations" in integration["uri"]["Fn::Sub"]
        assert integration["credentials"] == {"Fn::GetAtt": ["ApiRole", "Arn"]}
    (may,) = stack.statements("ApiRole")
    assert may.actions == ("lambda:InvokeFunction",)
    # The begin of a function's name is the stack's, of which CloudFormation takes 25 characters.
    assert may.resources[0]["Fn::Sub"].endswith(":function:${AWS::StackName}-*:live")
    trusted = stack.resources["ApiRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [each["Principal"] for each in trusted] == [{"Service": "apigateway.amazonaws.com"}]
    for permission in stack.of_type("AWS::Lambda::Permission").values():
        assert "Aliaslive" in json.dumps(permission["FunctionName"])
        assert permission["Principal"] == "events.amazonaws.com"
        assert "SourceArn" in permission


def test_nothing_but_the_http_api_is_open_to_the_internet(stack: Stack) -> None:
    for kind in ("AWS::Lambda::Url", "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::EC2::EIP"):
        assert not stack.of_type(kind)
    for bucket in stack.of_type("AWS::S3::Bucket").values():
        assert bucket["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }
    for rule in stack.of_type("AWS::EC2::SecurityGroupIngress").values():
        assert not [value for value in rule.values() if value in EVERYTHING]


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


def changed(**code: str) -> tuple[dict[str, str], bool]:
    """Return the version of each function with other code, and whether CloudFormation calls the migration then."""
    before, after = translate()["Resources"], translate(None, **code)["Resources"]
    versions = {
        resource["Properties"]["FunctionName"]["Ref"]: name
        for name, resource in after.items()
        if resource["Type"] == "AWS::Lambda::Version" and name not in before
    }
    return versions, before["MigratedSchema"] != after["MigratedSchema"]


def test_the_same_code_is_no_release() -> None:
    assert changed() == ({}, False)


@pytest.mark.parametrize("code", ["functions", "layers_shared"])
def test_other_code_is_a_release_of_every_function(plain: Stack, code: str) -> None:
    versions, _ = changed(**{code: "other"})
    assert set(versions) == {*services(plain), PUBLISHER}


def test_another_mark_of_the_parameters_is_a_release_of_every_function(plain: Stack) -> None:
    """`make deploy` makes another mark for any other parameter (tests/unit/test_releasing_a_stage.py)."""
    versions, called = changed(configuration="CONFIGURATION: '0123456789abcdef'")
    assert (set(versions), called) == ({*services(plain), PUBLISHER}, False)
    for name in services(plain):
        assert "CONFIGURATION" in plain.functions[name]["Environment"]["Variables"]


def test_another_revision_is_no_release_and_has_the_migration_called() -> None:
    versions, called = changed(layers_migrations="other")
    assert (set(versions), called) == (set(), True)


@pytest.mark.parametrize("engine", ["postgres", "aurora-postgresql"])
def test_the_migration_of_a_restored_database_meets_that_database(engine: str) -> None:
    """A version is of the database that was there when it was published, and SAM publishes none for a parameter."""
    stack = Stack(DbEngine=engine, DbSnapshot="before-the-mishap")
    called = stack.resources["MigratedSchema"]["Properties"]
    assert called["ServiceToken"] == {"Fn::GetAtt": [MIGRATION, "Arn"]}
    # CloudFormation changes the function before it calls it, and calls it because another database has another name.
    (database,) = databases(stack)
    assert {MIGRATION, database} <= stack.needs("MigratedSchema")
    assert called["Database"]["Ref"] in {*stack.of_type("AWS::RDS::DBInstance")}
    assert database in stack.functions[MIGRATION]["Environment"]["Variables"]["DB_HOST"]["Fn::GetAtt"]
    # Nothing of it is published, so nothing old can be called.
    assert not [name for name in stack.resources if name.startswith((f"{MIGRATION}Version", f"{MIGRATION}Alias"))]


def test_snapstart_is_for_published_versions_of_all_functions_but_the_migration() -> None:
    stack = Stack(SnapStart="PublishedVersions")
    for name in services(stack):
        assert stack.functions[name]["SnapStart"] == {"ApplyOn": {"Ref": "SnapStart"}}
    assert stack.functions[MIGRATION]["SnapStart"] == {"ApplyOn": "None"}
    assert stack.document["Parameters"]["SnapStart"]["Default"] == "None"


def test_tracing_brings_its_policy_only_when_it_is_on(plain: Stack) -> None:
    def may_trace(stack: Stack) -> bool:
        return "xray:" in json.dumps(stack.resources["RunningPolicy"])

    assert not may_trace(plain)
    assert not [function for function in plain.functions.values() if "TracingConfig" in function]
    active = Stack(Tracing="Active")
    assert may_trace(active)
    assert all("TracingConfig" in function for function in active.functions.values())


def test_functions_and_layers_are_of_one_architecture(stack: Stack) -> None:
    for function in stack.functions.values():
        assert function["Architectures"] == [{"Ref": "Architecture"}]
    for layer in stack.of_type("AWS::Lambda::LayerVersion").values():
        assert layer["CompatibleArchitectures"] == [{"Ref": "Architecture"}]


# ---- logs, queue, alarms ----------------------------------------------------------------------------------
def test_all_functions_log_to_one_group_and_every_group_forgets(stack: Stack) -> None:
    for function in stack.functions.values():
        assert function["LoggingConfig"] == {
            "LogFormat": "JSON",
            "LogGroup": {"Ref": "FunctionsLogGroup"},
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
        }
    for group in stack.of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize(("level", "lambdas"), [("DEBUG", "DEBUG"), ("WARNING", "INFO"), ("ERROR", "INFO")])
def test_lambda_lets_through_what_the_code_logs_and_every_metric(level: str, lambdas: str) -> None:
    """A line of metrics has no level, which Lambda takes for INFO."""
    for function in Stack(LogLevel=level).functions.values():
        assert function["LoggingConfig"]["ApplicationLogLevel"] == lambdas
        assert function["Environment"]["Variables"]["LOG_LEVEL"] == {"Ref": "LogLevel"}


@pytest.mark.parametrize("name", ["Sync", "Feed", "Load"])
def test_a_dead_letter_queue_takes_from_its_queue_only(stack: Stack, name: str) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    allowed = queues[f"{name}DeadLetterQueue"]["RedriveAllowPolicy"]
    assert allowed["redrivePermission"] == "byQueue"
    (arn,) = allowed["sourceQueueArns"]
    queue = queues[f"{name}Queue"]
    assert arn["Fn::Sub"].endswith(f":{queue['QueueName']['Fn::Sub']}")
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{name}DeadLetterQueue", "Arn"]}


def test_a_queue_refuses_whoever_comes_without_tls(stack: Stack) -> None:
    refused = {}
    for policy in stack.of_type("AWS::SQS::QueuePolicy").values():
        (queue,) = policy["Queues"]
        (statement,) = (each for each in sentences(policy["PolicyDocument"]) if each.effect == "Deny")
        assert (statement.actions, statement.condition) == (("sqs:*",), {"Bool": {"aws:SecureTransport": "false"}})
        assert statement.resources == ({"Fn::GetAtt": [queue["Ref"], "Arn"]},)
        refused[queue["Ref"]] = policy
    assert set(refused) == set(stack.of_type("AWS::SQS::Queue"))


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
    for name in SENDERS:
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


def test_the_bucket_is_tls_only_versioned_forgets_files_and_stays_when_the_stack_goes(stack: Stack) -> None:
    tls = said(stack, "FeedBucketPolicy")["TlsOnly"]
    assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", "s3:*")
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert tls["Resource"] == [{"Fn::GetAtt": ["FeedBucket", "Arn"]}, {"Fn::Sub": "${FeedBucket.Arn}/*"}]
    bucket = stack.resources["FeedBucket"]
    # Not where the creation itself fails: a second try would meet a bucket of its name.
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    # What another account puts is the bucket's owner's, who may then read it.
    assert bucket["Properties"]["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    rules = {rule.get("Prefix"): rule for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]}
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
    assert stack.of_type("AWS::Lambda::EventSourceMapping")[f"{LOADER}Queue"]["BatchSize"] == 1


def test_as_many_sessions_may_be_pinned_as_there_are_consumers(stack: Stack) -> None:
    mapping = stack.of_type("AWS::Lambda::EventSourceMapping")["SyncConsumerFunctionQueue"]
    alarm = stack.of_type("AWS::CloudWatch::Alarm")["PinnedConnectionsAlarm"]
    assert alarm["Threshold"] == mapping["ScalingConfig"]["MaximumConcurrency"]


SCHEDULES = {
    "MaintenancePruneFunctionHourly": "rate(1 hour)",
    "MaintenanceSettleFunctionEachMinute": "rate(1 minute)",
    "FeedSettleFunctionEachMinute": "rate(1 minute)",
}


def test_a_schedule_calls_the_published_version_and_may(stack: Stack) -> None:
    rules = stack.of_type("AWS::Events::Rule")
    events = {f"{PUBLISHER}EachMinute": "rate(1 minute)"} if stack.conditions["SendsEvents"] else {}
    assert {name: rule["ScheduleExpression"] for name, rule in rules.items()} == SCHEDULES | events
    permissions = {
        each["SourceArn"]["Fn::GetAtt"][0]: each
        for each in stack.of_type("AWS::Lambda::Permission").values()
        if each["Principal"] == "events.amazonaws.com"
    }
    assert set(permissions) == set(rules)
    for name, rule in rules.items():
        (target,) = rule["Targets"]
        function = re.split(r"(?<=Function)", name)[0]
        assert target["Arn"] == permissions[name]["FunctionName"] == {"Ref": f"{function}Aliaslive"}


def test_every_consumer_is_fed_with_bounded_concurrency_and_reports_single_messages(stack: Stack) -> None:
    mappings = stack.of_type("AWS::Lambda::EventSourceMapping").values()
    for mapping in mappings:
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert {mapping["FunctionName"]["Ref"]: mapping["EventSourceArn"]["Fn::GetAtt"][0] for mapping in mappings} == {
        "SyncConsumerFunctionAliaslive": "SyncQueue",
        "FeedConsumeFunctionAliaslive": "FeedQueue",
        "FeedLoadFunctionAliaslive": "LoadQueue",
    }


def test_a_message_stays_invisible_for_longer_than_its_function_may_run(stack: Stack) -> None:
    """Lambda advises six times as long for batches; the loader takes one message, and takes no second one beside it."""
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        function = stack.functions[mapping["FunctionName"]["Ref"].removesuffix("Aliaslive")]
        queue = stack.of_type("AWS::SQS::Queue")[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        times = 6 if mapping["BatchSize"] > 1 else 1
        assert queue["VisibilityTimeout"] >= times * function["Timeout"]


NOW = "AlarmTopic"
LATER = "NoticeTopic"
ALARMS = {
    "ApiFailuresAlarm": ("5xx", NOW),
    "ApiLatencyAlarm": ("Latency", LATER),
    "DeadLettersAlarm": ("ApproximateNumberOfMessagesVisible", NOW),
    "SyncDelayAlarm": ("ApproximateAgeOfOldestMessage", NOW),
    "FeedDeadLettersAlarm": ("ApproximateNumberOfMessagesVisible", NOW),
    "FeedDelayAlarm": ("ApproximateAgeOfOldestMessage", LATER),
    "FeedWorkspaceChangedAlarm": ("FeedWorkspaceChanged", NOW),
    "PinnedConnectionsAlarm": ("DatabaseConnectionsCurrentlySessionPinned", LATER),
    "DatabaseConnectionsAlarm": ("DatabaseConnections", NOW),
    "DatabaseStorageAlarm": ("FreeStorageSpace", NOW),
    "ReaderLagAlarm": ("AuroraReplicaLagMaximum", LATER),
    "BorrowLatencyAlarm": ("DatabaseConnectionsBorrowLatency", LATER),
    "SignInsAlarm": ("ClientConnectionsSetupFailedAuth", NOW),
    "DatabaseCpuAlarm": ("CPUUtilization", LATER),
    "DatabaseMemoryAlarm": ("FreeableMemory", LATER),
    "TransactionIdsAlarm": ("MaximumUsedTransactionIDs", LATER),
    "CreditsAlarm": ("CPUSurplusCreditsCharged", LATER),
    "LoadDelayAlarm": ("ApproximateAgeOfOldestMessage", LATER),
    "ThrottlesAlarm": ("Throttles", LATER),
    "ConcurrencyAlarm": ("ResourceCount", LATER),
    "PruningAlarm": ("Invocations", LATER),
    "SettlingAlarm": ("Invocations", NOW),
    "ParkedMessagesAlarm": ("ParkedTooLong", LATER),
    "ErrorLinesAlarm": ("ErrorLines", LATER),
    "EventsDelayAlarm": ("OldestUnpublishedEventAge", LATER),
    "EventsDroppedAlarm": ("EventsDropped", LATER),
}


def test_what_can_go_wrong_is_told_to_whom_it_concerns(stack: Stack) -> None:
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    of_some = {
        "IsInstance": {"DatabaseStorageAlarm", "CreditsAlarm"},
        "HasReader": {"ReaderLagAlarm"},
        "SendsEvents": {"EventsDelayAlarm", "EventsDroppedAlarm"},
    }
    missing = {name for condition, names in of_some.items() if not stack.conditions[condition] for name in names}
    assert set(alarms) == set(ALARMS) - missing
    for name, alarm in alarms.items():
        metric, topic = ALARMS[name]
        measured = [
            each["MetricStat"]["Metric"]["MetricName"] for each in alarm.get("Metrics", []) if "MetricStat" in each
        ]
        assert metric in [*measured, alarm.get("MetricName")]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": topic}]
        assert alarm["AlarmName"]["Fn::Sub"].startswith("${AWS::StackName}-")


def test_no_alarm_tells_of_the_first_deployment_and_silence_is_told_once_there_was_something(stack: Stack) -> None:
    """A new alarm has no data: with `breaching` that is an alarm, with `missing` the state in which it begins."""
    told = {}
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["TreatMissingData"] != "breaching", name
        if alarm["TreatMissingData"] == "missing":
            told[name] = alarm["InsufficientDataActions"] == alarm["AlarmActions"]
    of_some = {"ReaderLagAlarm": "HasReader", "EventsDelayAlarm": "SendsEvents"}
    there = [name for name, condition in of_some.items() if stack.conditions[condition]]
    assert told == dict.fromkeys(("DatabaseCpuAlarm", "PruningAlarm", "SettlingAlarm", *there), True)


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


def test_a_cluster_has_its_parameters_in_the_clusters_group() -> None:
    """Which "also contains the default settings for the DB parameter group of the DB instances" (Aurora user guide)."""
    aurora = Stack(DbEngine="aurora-postgresql")
    (made,) = aurora.of_type("AWS::RDS::DBClusterParameterGroup").values()
    assert {"log_min_duration_statement", "shared_preload_libraries", "rds.force_ssl"} <= made["Parameters"].keys()
    # An instance with a group of its own would take its settings from there.
    assert not aurora.of_type("AWS::RDS::DBParameterGroup")
    assert not [one for one in aurora.of_type("AWS::RDS::DBInstance").values() if "DBParameterGroupName" in one]


def test_what_is_replaced_by_a_restore_keeps_its_log(stack: Stack) -> None:
    for name in ("DatabaseLogs", "AuroraLogs"):
        if name in stack.resources:
            assert stack.resources[name]["UpdateReplacePolicy"] == "Retain"


def test_no_alarm_flaps_on_one_line_or_one_request(stack: Stack) -> None:
    """What one reading sets off is a state that lasts: letters and events that wait, storage that is full."""
    at_once = {
        name for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items() if alarm["EvaluationPeriods"] == 1
    }
    assert at_once <= {
        "DeadLettersAlarm",
        "FeedDeadLettersAlarm",
        # One event is one parked resource, which waits for somebody.
        "FeedWorkspaceChangedAlarm",
        # What is dropped is gone.
        "EventsDroppedAlarm",
        "DatabaseStorageAlarm",
    }


def test_what_each_node_of_the_proxy_counts_is_added_up(stack: Stack) -> None:
    """ "RDS publishes these metrics for each underlying Amazon EC2 instance associated with a proxy"."""
    of_the_proxy = [{"Name": "ProxyName", "Value": {"Ref": "Proxy"}}]
    counted = {}
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        if alarm.get("Dimensions") == of_the_proxy:
            counted[alarm["MetricName"]] = alarm["Statistic"]
        for each in alarm.get("Metrics", []):
            if each.get("MetricStat", {}).get("Metric", {}).get("Dimensions") == of_the_proxy:
                counted[each["MetricStat"]["Metric"]["MetricName"]] = each["MetricStat"]["Stat"]
    # A time is not added up.
    assert counted.pop("DatabaseConnectionsBorrowLatency") == "Average"
    assert len(counted) == 4
    assert set(counted.values()) == {"Sum"}


def test_every_metric_that_is_paid_for_is_on_the_dashboard_under_its_stacks_name(stack: Stack) -> None:
    body, _ = stack.of_type("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
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
    (budget,) = Stack(MonthlyBudget="200", AlarmEmail="ops@example.com").of_type("AWS::Budgets::Budget").values()
    assert budget["Budget"]["BudgetLimit"] == {"Amount": {"Ref": "MonthlyBudget"}, "Unit": "USD"}


def test_every_alarm_is_of_this_stacks_own_things(stack: Stack) -> None:
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        of_the_account = {"ThrottlesAlarm", "ConcurrencyAlarm"}
        of_the_stacks_name = {"ErrorLinesAlarm", "FeedWorkspaceChangedAlarm", "ParkedMessagesAlarm"} | {
            *("EventsDelayAlarm", "EventsDroppedAlarm")
        }
        needed = stack.needs(name) - {"AlarmTopic", "NoticeTopic", "AlarmKey"}
        assert needed or name in of_the_account | of_the_stacks_name
        assert alarm["AlarmDescription"].endswith(".")


def test_the_error_lines_alarm_counts_what_the_filter_counts(stack: Stack) -> None:
    (filter_,) = stack.of_type("AWS::Logs::MetricFilter").values()
    (counted,) = filter_["MetricTransformations"]
    alarm = stack.of_type("AWS::CloudWatch::Alarm")["ErrorLinesAlarm"]
    assert (counted["MetricNamespace"], counted["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    assert '$.level = "ERROR"' in filter_["FilterPattern"]


def test_the_alarms_topics_are_encrypted_with_a_key_that_cloudwatch_may_use(stack: Stack) -> None:
    topics = stack.of_type("AWS::SNS::Topic")
    assert set(topics) == {NOW, LATER}
    for topic in topics.values():
        assert topic["KmsMasterKeyId"] == {"Ref": "AlarmKey"}
    key = stack.resources["AlarmKey"]["Properties"]["KeyPolicy"]
    assert any(statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"} for statement in key["Statement"])


def test_an_address_is_told_of_the_alarms_of_its_topic(plain: Stack) -> None:
    asked = {NOW: ("AlarmEmail", "now@example.com"), LATER: ("NoticeEmail", "later@example.com")}
    told = Stack(**dict(asked.values())).of_type("AWS::SNS::Topic")
    for topic, (parameter, _) in asked.items():
        assert told[topic]["Subscription"] == [{"Protocol": "email", "Endpoint": {"Ref": parameter}}]
        assert "Subscription" not in plain.of_type("AWS::SNS::Topic")[topic]


def test_the_dashboard_is_json_and_names_only_what_is_there(stack: Stack) -> None:
    (dashboard,) = stack.of_type("AWS::CloudWatch::Dashboard").values()
    body, values = dashboard["DashboardBody"]["Fn::Sub"]
    for name in ("StorageAlarm", "LagAlarm", "EventAlarms", "WriterRole"):
        said = values[name]
        body = body.replace(f"${{{name}}}", said["Fn::Sub"] if isinstance(said, dict) else said)
    first, *others = json.loads(body)["widgets"]
    for widget in (first, *others):
        assert widget["properties"]["title"]
    alarms = {f"${{{name}.Arn}}" for name in stack.of_type("AWS::CloudWatch::Alarm")}
    assert set(first["properties"]["alarms"]) == alarms
    for name in re.findall(r"\$\{(\w+)", body):
        assert name in stack.resources or name in values or name == "AWS"


def test_the_template_is_small_enough_for_cloudformation() -> None:
    document = translate()
    # What SAM made of it: the text has anchors, which are written out.
    assert len(json.dumps(document, indent=1)) < 800_000
    assert len(document["Resources"]) <= RESOURCES_AT_MOST
    assert len(document["Parameters"]) < 200
