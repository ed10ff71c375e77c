"""The commands that deploy a stage, roll its code back, and tear it down, against stand-ins of AWS's clients."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from local import deploy, stages, tear_down
from local.errors import Fault
from local.releases import Release, Releases, find_bucket, live_versions
from local.rollback import choose, roll_back
from local.settings import ROOT
from local.stages import Stage
from local.template import Template

STACK = "wellspring-staging"


class Pages:
    """A paginator that gives one item a page, as AWS may, and a page without any."""

    def __init__(self, key: str, items: list[Any]) -> None:
        self._key, self._items = key, items

    def paginate(self, **_asked: Any) -> Iterator[dict[str, Any]]:
        yield from ({self._key: [item]} for item in self._items)
        yield {self._key: []}


class Lambda:
    """Functions of which each has sixty versions."""

    def __init__(self, **live: str) -> None:
        self.live = live
        self.calls: list[str] = []

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, str]:  # noqa: N803  boto3's names
        assert Name == "live"
        return {"FunctionVersion": self.live[FunctionName]}

    def update_alias(self, FunctionName: str, Name: str, FunctionVersion: str) -> None:  # noqa: N803
        assert (Name, 1 <= int(FunctionVersion) <= 60) == ("live", True)
        self.calls.append(FunctionName)
        self.live[FunctionName] = FunctionVersion


class S3:
    """One bucket of small files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        self.files[f"{Bucket}/{Key}"] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": BytesIO(self.files[f"{Bucket}/{Key}"])}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return SimpleNamespace(
            paginate=lambda Bucket, Prefix: Pages(  # noqa: N803
                "Contents",
                [
                    {"Key": key.removeprefix(f"{Bucket}/")}
                    for key in sorted(self.files)
                    if key.startswith(f"{Bucket}/{Prefix}")
                ],
            ).paginate()
        )


def cloudformation(functions: Lambda, **published: str) -> Any:
    """A stack that has the functions' aliases and what it published last, and other things."""
    arns = [f"arn:aws:lambda:eu-west-1:123456789012:function:{name}:live" for name in functions.live]
    found = [
        {"ResourceType": "AWS::Lambda::Alias", "PhysicalResourceId": arn, "ResourceStatus": "UPDATE_COMPLETE"}
        for arn in arns
    ]
    for status, versions in (("UPDATE_COMPLETE", published), ("DELETE_SKIPPED", dict.fromkeys(published, "1"))):
        found += [
            {
                "ResourceType": "AWS::Lambda::Version",
                "PhysicalResourceId": f"arn:aws:lambda:eu-west-1:123456789012:function:{name}:{version}",
                "ResourceStatus": status,
            }
            for name, version in versions.items()
        ]
    other = {"ResourceType": "AWS::SQS::Queue", "PhysicalResourceId": "queue", "ResourceStatus": "CREATE_COMPLETE"}
    return SimpleNamespace(get_paginator=lambda _name: Pages("StackResourceSummaries", [other, *found]))


def test_a_rollback_goes_back_to_the_release_before_and_leaves_what_that_did_not_touch() -> None:
    functions, releases = Lambda(Read="57", Write="58", Open="9"), Releases(S3(), "artefacts", STACK)
    releases.add(live_versions(cloudformation(functions), functions, STACK), datetime(2026, 5, 1, tzinfo=UTC))
    functions.live |= {"Read": "59", "Write": "60"}
    releases.add(live_versions(cloudformation(functions), functions, STACK), datetime(2026, 5, 10, tzinfo=UTC))
    target = choose(list(releases), functions.live, None)
    assert roll_back(functions, dict(functions.live), target) == {"Read": "57", "Write": "58"}
    assert functions.live == {"Read": "57", "Write": "58", "Open": "9"}
    assert functions.calls == ["Read", "Write"]
    # And a second one does not come back to what was bad, although it is the newest.
    with pytest.raises(Fault, match="no release before this one"):
        choose(list(releases), functions.live, None)


def test_a_rollback_that_broke_off_goes_on_when_the_release_is_named() -> None:
    good = Release("2026-05-01T00-00-00Z", {"Read": "57", "Write": "58"})
    bad = Release("2026-05-10T00-00-00Z", {"Read": "59", "Write": "60"})
    half = Lambda(Read="57", Write="60")
    with pytest.raises(Fault, match="name one"):
        choose([good, bad], half.live, None)
    assert roll_back(half, dict(half.live), choose([good, bad], half.live, good.at)) == {"Write": "58"}


def test_a_release_of_a_stack_that_was_torn_down_is_none_to_go_back_to() -> None:
    """Its functions had the same names but for what CloudFormation adds to them."""
    with pytest.raises(Fault, match="no release before this one"):
        choose([Release("1", {"Read-0ab1": "1"}), Release("2", {"Read-9xy8": "1"})], {"Read-9xy8": "1"}, None)


def test_a_deployment_that_changed_nothing_is_no_step_of_a_rollback() -> None:
    first, second = Release("1", {"Read": "1"}), Release("2", {"Read": "2"})
    assert choose([first, second, Release("3", second.versions)], {"Read": "2"}, None) == first


def test_a_function_that_the_release_before_did_not_have_stays() -> None:
    functions = Lambda(Read="2", New="1")
    assert roll_back(functions, dict(functions.live), Release("1", {"Read": "1", "Gone": "4"})) == {"Read": "1"}
    assert functions.live == {"Read": "1", "New": "1"}


def test_releases_are_listed_in_their_order_and_of_one_stack() -> None:
    s3 = S3()
    for month in (2, 1):
        Releases(s3, "artefacts", STACK).add({"Read": str(month)}, datetime(2026, month, 1, tzinfo=UTC))
    Releases(s3, "artefacts", f"{STACK}-2").add({"Read": "9"})
    assert [release.at for release in Releases(s3, "artefacts", STACK)] == [
        "2026-01-01T00-00-00Z",
        "2026-02-01T00-00-00Z",
    ]


class NoStackError(Exception):
    """What CloudFormation raises for a name that is nobody's."""


def stacks(**buckets: str) -> Any:
    """Stacks of which each has an output with its bucket."""

    def describe_stacks(StackName: str) -> dict[str, Any]:  # noqa: N803
        if StackName not in buckets:
            raise NoStackError
        outputs = [{"OutputKey": "Other", "OutputValue": ""}]
        outputs.append({"OutputKey": "SourceBucket", "OutputValue": buckets[StackName]})
        return {"Stacks": [{"Outputs": outputs}]}

    return SimpleNamespace(describe_stacks=describe_stacks, exceptions=SimpleNamespace(ClientError=NoStackError))


def test_the_artefacts_bucket_is_the_one_that_is_named_the_bootstraps_or_sams() -> None:
    both = stacks(**{f"{STACK}-bootstrap": "bootstraps", "aws-sam-cli-managed-default": "sams"})
    assert find_bucket(both, "mine", STACK) == "mine"
    assert find_bucket(both, None, STACK) == "bootstraps"
    assert find_bucket(both, None, "wellspring") == "sams"
    with pytest.raises(Fault, match=f"{STACK}-bootstrap"):
        find_bucket(stacks(), None, STACK)


def test_a_deployment_puts_back_what_a_rollback_moved_and_the_release_did_not_touch() -> None:
    """CloudFormation updates what differs from its last template, and knows nothing of an alias that somebody moved."""
    functions = Lambda(Read="57", Write="60", Open="9")
    assert deploy.settle(cloudformation(functions, Read="59", Write="60"), functions, STACK) == {"Read": "59"}
    assert functions.live == {"Read": "59", "Write": "60", "Open": "9"}


class Calls:
    """An AWS client that takes every call and remembers it."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda **asked: self.made.append((name, asked))


@pytest.mark.parametrize("fails", [False, True])
def test_the_database_is_protected_again_after_a_deployment_even_one_that_failed(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """For a restore somebody lifts the stack's policy."""
    calls = Calls()
    clients = dict.fromkeys(("cloudformation", "lambda", "s3"), calls)

    def sam(*_asked: Any) -> None:
        calls.made.append(("sam", {}))
        if fails:
            raise subprocess.CalledProcessError(1, "sam")

    for name, value in {
        "exists": lambda *_asked: True,
        "deploy": sam,
        "bucket_of_bootstrap": lambda *_asked: None,
        "find_bucket": lambda *_asked: "bucket",
        "settle": lambda *_asked: {},
        "live_versions": lambda *_asked: {"Read": "1"},
    }.items():
        monkeypatch.setattr(deploy, name, value)
    monkeypatch.setattr(Stage, "session", lambda _stage: SimpleNamespace(client=clients.__getitem__))
    if fails:
        with pytest.raises(subprocess.CalledProcessError):
            deploy.main(["staging"])
    else:
        assert deploy.main(["staging"]) == 0
    names = [name for name, _ in calls.made]
    after = names[names.index("sam") + 1 :]
    assert after[:2] == ["set_stack_policy", "update_termination_protection"]
    assert ("put_object" in after) is not fails
    policy = json.loads(dict(calls.made)["set_stack_policy"]["StackPolicyBody"])
    (denied,) = [each for each in policy["Statement"] if each["Effect"] == "Deny"]
    assert denied["Action"] == ["Update:Replace", "Update:Delete"]
    assert dict(calls.made)["update_termination_protection"]["EnableTerminationProtection"] is True


# ---- parameters -------------------------------------------------------------------------------------------
def test_every_parameter_changes_the_mark_that_every_function_carries() -> None:
    """Or a changed parameter would reach `$LATEST` and no traffic."""
    parameters = dict.fromkeys(Template().document["Parameters"], "as it is")
    marks = {deploy.digest(parameters | {name: "changed"}) for name in parameters}
    assert len(marks) == len(parameters) > 50
    assert deploy.digest(parameters) not in marks
    assert deploy.digest(dict(reversed(parameters.items()))) == deploy.digest(parameters)


def test_the_template_has_one_place_for_the_mark_among_what_all_functions_share() -> None:
    text = (ROOT / "template.yaml").read_text()
    assert text.count(deploy.UNMARKED) == 1
    assert Template().document["Globals"]["Function"]["Environment"]["Variables"]["CONFIGURATION"] == "none"
    marked = deploy.mark(text, {"Issuer": "https://issuer.example"})
    assert re.search(r"CONFIGURATION: '[0-9a-f]{16}'", marked)
    with pytest.raises(Fault, match="no line"):
        deploy.mark(marked, {})


def test_parameters_of_a_file_go_before_those_of_the_stage_and_may_have_blanks(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("Issuer: https://issuer.example\nConsoleScope: openid profile\nDbStandby: true\nDbStorage: 40\n")
    stage = Stage.read("small", file, changes={"DbDeletionProtection": "false"})
    assert stage.parameters == {
        "Issuer": "https://issuer.example",
        "ConsoleScope": "openid profile",
        "DbStandby": "true",
        "DbInstanceClass": "db.t4g.small",
        "DbStorage": "40",
        "EndpointZones": "1",
        "DbDeletionProtection": "false",
    }
    assert set(stage.parameters) <= set(Template().document["Parameters"])


@pytest.mark.parametrize("text", ["- a list", "Issuer: [a]", "{"])
def test_a_file_that_is_no_list_of_parameters_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text(text)
    with pytest.raises(Fault, match=r"parameters\.yaml"):
        stages.read_file(file)


def test_a_stage_that_is_not_there_and_a_name_that_aws_would_refuse_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(Fault, match="no stage 'nowhere'"):
        Stage.read("nowhere")
    monkeypatch.setattr(stages, "ROOT", tmp_path)
    for name in ("Wellspring", "well_spring", "w" * 26):
        (tmp_path / "samconfig.toml").write_text(f'[x.global.parameters]\nstack_name = "{name}"\n')
        with pytest.raises(Fault, match="at most 25"):
            Stage.read("x")


def test_the_longest_name_leaves_room_for_every_name_that_is_made_of_it() -> None:
    """S3 takes 63 characters; an account has 12, and no region's name more than 14."""
    assert stages.LONGEST_NAME + len("-feed-") + 12 + 1 + len("ap-southeast-1") <= 63


# ---- the end ----------------------------------------------------------------------------------------------
class Kept:
    """What AWS has of two stacks, of which one was torn down."""

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def list_buckets(self) -> dict[str, Any]:
        return {"Buckets": [{"Name": "wellspring-feed"}, {"Name": f"{STACK}-feed"}]}

    def describe_log_groups(self, logGroupNamePrefix: str) -> dict[str, Any]:  # noqa: N803
        # A prefix of both, as AWS answers.
        names = [f"/aws/rds/instance/{STACK}/postgresql", f"/aws/rds/instance/{STACK}/postgresql-old"]
        return {"logGroups": [{"logGroupName": name} for name in names if name.startswith(logGroupNamePrefix)]}

    def get_paginator(self, name: str) -> Pages:
        # The second stack's name is the beginning of the first's.
        both = (STACK, "wellspring")
        return {
            "describe_db_instances": Pages(
                "DBInstances",
                [
                    {"DBInstanceIdentifier": one, "TagList": [{"Key": tear_down.TAG, "Value": one}], **more}
                    for one, more in ((STACK, {}), ("wellspring", {}), (STACK, {"DBClusterIdentifier": "of a cluster"}))
                ],
            ),
            "describe_db_clusters": Pages("DBClusters", []),
            "describe_db_cluster_automated_backups": Pages("DBClusterAutomatedBackups", []),
            "describe_db_snapshots": Pages(
                "DBSnapshots",
                [
                    {
                        "DBInstanceIdentifier": one,
                        "DBSnapshotIdentifier": f"{one}-snapshot-database-x",
                        "SnapshotType": kind,
                    }
                    for one in both
                    # An automated one cannot be deleted by itself.
                    for kind in ("manual", "automated")
                ],
            ),
            "describe_db_cluster_snapshots": Pages("DBClusterSnapshots", []),
            "describe_db_instance_automated_backups": Pages(
                "DBInstanceAutomatedBackups",
                [
                    {"DBInstanceIdentifier": STACK, "Status": "retained", "DbiResourceId": "db-OLD"},
                    {"DBInstanceIdentifier": STACK, "Status": "active", "DbiResourceId": "db-NEW"},
                ],
            ),
            "list_object_versions": Pages("Versions", [{"Key": "load/a", "VersionId": "1"}]),
        }[name]

    def get_waiter(self, name: str) -> Any:
        return SimpleNamespace(wait=lambda **_asked: self.deleted.append(f"wait {name}"))

    def __getattr__(self, name: str) -> Any:
        return lambda **asked: self.deleted.append(f"{name} {json.dumps(asked, sort_keys=True)}")


def test_what_a_deleted_stack_leaves_is_told_and_nothing_of_another_stack() -> None:
    aws = Kept()
    assert list(tear_down.replaced(aws, STACK)) == [("database", STACK)]
    assert list(tear_down.kept(tear_down.Clients(aws, aws, aws), f"{STACK}-feed", {STACK})) == [
        ("bucket", f"{STACK}-feed"),
        ("log group", f"/aws/rds/instance/{STACK}/postgresql"),
        ("snapshot", f"{STACK}-snapshot-database-x"),
        ("automated backup", "db-OLD"),
    ]


def test_a_stack_that_cannot_be_deleted_is_told_in_a_sentence() -> None:
    class Stuck:
        def get_waiter(self, _name: str) -> Any:
            return self

        def wait(self, **_asked: object) -> None:
            raise WaiterError("StackDeleteComplete", "it is DELETE_FAILED", {})

    with pytest.raises(Fault, match=rf"{STACK} is not gone: .*DELETE_FAILED.* say it again"):
        tear_down.wait_until_gone(Stuck(), STACK)


def test_a_bucket_is_emptied_of_all_versions_and_a_database_unprotected_before_it_goes() -> None:
    aws = Kept()
    clients = tear_down.Clients(aws, aws, aws)
    for what, name in (*tear_down.replaced(aws, STACK), *tear_down.kept(clients, f"{STACK}-feed", {STACK})):
        tear_down.delete(clients, what, name)
    assert [call.split()[0] for call in aws.deleted] == [
        *("modify_db_instance", "delete_db_instance", "wait"),
        *("delete_objects", "delete_bucket", "delete_log_group"),
        *("delete_db_snapshot", "delete_db_instance_automated_backup"),
    ]


@pytest.mark.parametrize(
    ("found", "called"),
    [
        ({"Database": ("AWS::RDS::DBInstance", "one")}, ["modify_db_instance"]),
        (
            {"AuroraWriter": ("AWS::RDS::DBInstance", "writer"), "AuroraCluster": ("AWS::RDS::DBCluster", "cluster")},
            ["modify_db_cluster"],
        ),
    ],
)
def test_the_database_alone_is_no_longer_protected(found: dict[str, tuple[str, str]], called: list[str]) -> None:
    aws = Kept()
    tear_down.unprotect(aws, found)
    assert [call.split()[0] for call in aws.deleted] == called
