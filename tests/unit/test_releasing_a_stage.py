"""The commands that deploy a stage, roll its code back, and tear it down, against a stand-in of AWS."""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from local import deploy, rollback, stages, tear_down
from local.errors import Fault
from local.releases import Release, Releases, find_bucket
from local.rollback import choose
from local.settings import ROOT
from local.stages import Stage
from local.template import Template

STACK = "wellspring-staging"
FAILED = subprocess.CalledProcessError(1, "sam")
# A release, beside which there are functions that the next one leaves alone, has not any more, or is the first to have.
GOOD = {"Read": "57", "Write": "58", "Open": "9", "Gone": "4"}
BAD = {"Read": "59", "Write": "60", "Open": "9", "New": "1"}


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Asked")


class Aws:
    """AWS, of which every client is the whole, and so is a stage's session.

    Args:
        live: the version of each function that its alias is at.
        published: the versions that the stack published last.
    """

    region_name = "eu-west-1"
    # What boto3 raises for a stack and a database that are not there.
    exceptions = SimpleNamespace(
        ClientError=ClientError, DBInstanceNotFoundFault=KeyError, DBClusterNotFoundFault=KeyError
    )

    def __init__(self, live: Mapping[str, str] | None = None, **published: str) -> None:
        self.live, self.published = dict(live or {}), published
        self.stacks: dict[str, Any] = {STACK: {"StackStatus": "UPDATE_COMPLETE"}}
        self.others = [("SQS::Queue", "queue")]
        self.files: dict[str, bytes] = {}
        # What an operation answers, or raises; of a paginator the key and the items.
        self.answers: dict[str, Any] = {"get_caller_identity": {"Account": "123456789012"}}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, _name: str) -> "Aws":
        return self

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**asked: Any) -> Any:
            if not operation.startswith(("describe_", "list_", "get_")):
                self.calls.append((operation, asked))
            answer = self.answers.get(operation)
            if isinstance(answer, Exception):
                raise answer
            return answer(**asked) if callable(answer) else answer

        return call

    @property
    def called(self) -> list[str]:
        return [operation for operation, _ in self.calls]

    def get_paginator(self, operation: str) -> Any:
        """Return a paginator that gives one item a page, as AWS may, and a page without any."""

        def paginate(**asked: Any) -> Iterator[Mapping[str, Any]]:
            key, items = getattr(self, operation)(**asked) or ("", [])
            yield from ({key: [item]} for item in items)
            yield defaultdict(list)

        return SimpleNamespace(paginate=paginate)

    def get_waiter(self, name: str) -> Any:
        return SimpleNamespace(wait=getattr(self, f"wait_{name}"))

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        found = self.stacks.get(StackName, refusal("ValidationError", f"Stack with id {StackName} does not exist"))
        if isinstance(found, Exception):
            raise found
        return {"Stacks": [found]}

    def list_stack_resources(self, StackName: str) -> tuple[str, list[dict[str, str]]]:
        """List aliases, versions that were published last or replaced, and other things."""
        arn = "arn:aws:lambda:eu-west-1:123456789012:function"
        found = [(kind, name, "CREATE_COMPLETE") for kind, name in self.others]
        found += [("Lambda::Alias", f"{arn}:{name}:live", "UPDATE_COMPLETE") for name in self.live]
        found += [("Lambda::Version", f"{arn}:{name}:{at}", "UPDATE_COMPLETE") for name, at in self.published.items()]
        found += [("Lambda::Version", f"{arn}:{name}:1", "DELETE_SKIPPED") for name in self.published]
        names = ("ResourceType", "PhysicalResourceId", "ResourceStatus", "LogicalResourceId")
        return "StackResourceSummaries", [
            dict(zip(names, (f"AWS::{kind}", *more, str(number)), strict=True))
            for number, (kind, *more) in enumerate(found)
        ]

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, str]:
        assert Name == "live"
        return {"FunctionVersion": self.live[FunctionName]}

    def update_alias(self, FunctionName: str, Name: str, FunctionVersion: str, RoutingConfig: Any) -> None:
        # Nothing is left of a canary.
        assert (Name, RoutingConfig) == ("live", {"AdditionalVersionWeights": {}})
        self.calls.append((f"move {FunctionName}", {}))
        self.live[FunctionName] = FunctionVersion

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.files[f"{Bucket}/{Key}"] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": BytesIO(self.files[f"{Bucket}/{Key}"])}

    def list_objects_v2(self, Bucket: str, Prefix: str) -> tuple[str, list[dict[str, str]]]:
        found = sorted(key for key in self.files if key.startswith(f"{Bucket}/{Prefix}"))
        return "Contents", [{"Key": key.removeprefix(f"{Bucket}/")} for key in found]

    def release(self, day: int, versions: Mapping[str, str], before: Mapping[str, str], stack: str = STACK) -> Release:
        return Releases(self, "artefacts", stack).add(versions, before, datetime(2026, 5, day, tzinfo=UTC))


def with_bucket(name: str) -> dict[str, Any]:
    outputs = {"Other": "", "SourceBucket": name}
    return {"Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]}


type At = Callable[..., Aws]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """Let the commands meet an AWS that has a bootstrap with a bucket. They wait for nothing."""

    def meet(aws: Aws, sam: Callable[..., None] | Exception | None = None) -> Aws:
        def build(*given: Any) -> None:
            aws.calls.append(("sam", {"stage": given[0]}))
            if isinstance(sam, Exception):
                raise sam
            if sam:
                sam()

        aws.stacks[f"{STACK}-bootstrap"] = with_bucket("artefacts")
        monkeypatch.setattr(Stage, "session", lambda _stage: aws)
        monkeypatch.setattr(deploy, "deploy", build)
        monkeypatch.setattr(tear_down, "SECONDS", 0)
        monkeypatch.setattr(tear_down, "VAULT_SECONDS", 0)
        return aws

    return meet


def test_a_rollback_goes_back_to_the_release_before_and_leaves_what_that_did_not_touch(at: At) -> None:
    aws = at(Aws(BAD))
    good = aws.release(1, GOOD, {})
    aws.release(2, BAD, GOOD)
    assert rollback.main(["staging"]) == 0
    assert aws.live == {"Read": "57", "Write": "58", "Open": "9", "New": "1"}
    assert aws.called == ["move Read", "move Write"]
    # And a second one does not come back to what was bad, although it is the newest.
    with pytest.raises(Fault, match="no release before this one"):
        rollback.main(["staging"])
    # One that broke off goes on when the release is named.
    aws.live["Write"] = "60"
    with pytest.raises(Fault, match="name one"):
        rollback.main(["staging"])
    assert rollback.main(["staging", "--to", good.at]) == 0
    assert aws.called[2:] == ["move Write"]


def test_a_rollback_passes_over_a_stack_that_was_torn_down_and_what_changed_nothing() -> None:
    """Functions of a stack that was torn down had the same names but for what CloudFormation adds to them."""
    with pytest.raises(Fault, match="no release before this one"):
        choose([Release("1", {"Read-0ab1": "1"}), Release("2", {"Read-9xy8": "1"})], {"Read-9xy8": "1"}, None)
    first, second = Release("1", {"Read": "1"}), Release("2", {"Read": "2"}, before="1")
    assert choose([first, second, Release("3", second.versions, before="2")], {"Read": "2"}, None) == first


@pytest.mark.parametrize("more", [{}, {"New": "1"}], ids=["the same functions", "a function more, which stays"])
def test_a_rollback_of_what_came_after_a_rollback_does_not_go_back_to_what_was_bad(more: dict[str, str]) -> None:
    """The newest release but one was rolled back: not what was written down last, but what ran, is the one before."""
    aws, back = Aws(), {"Read": "1", **more}
    # They are listed in their order, and of one stack.
    releases = Releases(aws, "artefacts", STACK)
    aws.release(9, {"Read": "9"}, {}, f"{STACK}-2")
    good = aws.release(1, {"Read": "1", "Gone": "1"}, {})
    bad = aws.release(2, {"Read": "2", **more}, good.versions)
    assert choose(list(releases), bad.versions, None) == good
    newest = aws.release(3, {"Read": "3", **more}, back)
    assert choose(list(releases), newest.versions, None) == good
    with pytest.raises(Fault, match="no release before this one"):
        choose(list(releases), back, None)
    assert [release.at[:10] for release in releases] == [f"2026-05-0{day}" for day in (1, 2, 3)]


def test_a_rollback_does_not_race_a_deployment_that_moves_the_aliases(at: At) -> None:
    """In a canary the aliases still name the release before: one before that would be what it goes back to."""
    aws = at(Aws({"Read": "58"}))
    for version in (57, 58):
        aws.release(version - 50, {"Read": str(version)}, {"Read": str(version - 1)})
    # Once it is cancelled, CloudFormation moves them back.
    for moving in ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"):
        aws.stacks[STACK] = {"StackStatus": moving}
        with pytest.raises(Fault, match=f"{moving}.*cancel-update-stack"):
            rollback.main(["staging"])
    assert aws.live == {"Read": "58"}


def test_a_stack_is_not_there_when_cloudformation_says_so_and_not_when_it_will_not_say() -> None:
    """Or a tear-down that may not look would delete the data of a stack that runs."""
    aws = Aws()
    assert (stages.status(aws, STACK), stages.status(aws, "another")) == ("UPDATE_COMPLETE", "")
    aws.stacks[STACK] = refusal("Throttling", "Rate exceeded")
    with pytest.raises(ClientError):
        stages.status(aws, STACK)


def test_the_artefacts_bucket_is_the_one_that_is_named_the_bootstraps_or_sams() -> None:
    aws = Aws()
    with pytest.raises(Fault, match=f"{STACK}-bootstrap"):
        find_bucket(aws, None, STACK)
    aws.stacks |= {f"{STACK}-bootstrap": with_bucket("bootstraps"), "aws-sam-cli-managed-default": with_bucket("sams")}
    assert find_bucket(aws, "mine", STACK) == "mine"
    assert find_bucket(aws, None, STACK) == "bootstraps"
    assert find_bucket(aws, None, "wellspring") == "sams"
    # A bootstrap whose creation failed has no outputs.
    aws.stacks[f"{STACK}-bootstrap"] = {"StackStatus": "ROLLBACK_COMPLETE"}
    assert find_bucket(aws, None, STACK) == "sams"


def test_a_deployment_puts_back_what_a_rollback_moved_and_the_release_did_not_touch(at: At) -> None:
    """CloudFormation updates what differs from its last template, and knows nothing of an alias that somebody moved."""

    def sam() -> None:
        aws.live["Write"] = aws.published["Write"] = "60"

    aws = at(Aws({"Read": "57", "Write": "58", "Open": "9"}, Read="59", Write="58"), sam)
    assert deploy.main(["staging"]) == 0
    assert aws.live == {"Read": "59", "Write": "60", "Open": "9"}


def test_a_deployment_leaves_what_was_rolled_back_while_it_ended() -> None:
    """A stack that cleans up has moved its aliases, and may be rolled back."""
    aws = Aws({"Read": "58"}, Read="59")
    assert deploy.settle(aws, aws, STACK, {"Read": "58"}) == {}
    # And so after one that failed: 59 was taken back to 58, and that to 56.
    aws = Aws({"Read": "56"}, Read="58")
    aws.stacks[STACK] = {"StackStatus": "UPDATE_ROLLBACK_COMPLETE"}
    deploy.put_back(aws, aws, STACK, {"Read": "57"})
    assert aws.live == {"Read": "56"}


@pytest.mark.parametrize(
    ("status", "runs"), [("UPDATE_ROLLBACK_COMPLETE", "57"), ("UPDATE_ROLLBACK_IN_PROGRESS", "58")]
)
def test_a_deployment_that_fails_after_a_rollback_brings_back_nothing(at: At, status: str, runs: str) -> None:
    """CloudFormation's last template has 58 for it, which was bad; while it works, nobody else moves an alias."""

    def sam() -> None:
        aws.live["Read"] = "58"
        aws.stacks[STACK] = {"StackStatus": status}
        raise FAILED

    aws = at(Aws({"Read": "57", "Open": "9"}, Read="58", Open="9"), sam)
    with pytest.raises(subprocess.CalledProcessError):
        deploy.main(["staging"])
    assert aws.live == {"Read": runs, "Open": "9"}


@pytest.mark.parametrize(
    ("runs", "given", "stays", "shift"),
    [
        ("58", "Canary10Percent5Minutes", "AllAtOnce", "Canary10Percent5Minutes"),
        ("57", "Canary10Percent5Minutes", "AllAtOnce", "AllAtOnce"),
        ("57", None, "Canary10Percent5Minutes", "AllAtOnce"),
        ("57", None, "AllAtOnce", None),
    ],
)
def test_the_deployment_after_a_rollback_is_no_canary(
    at: At, runs: str, given: str | None, stays: str, shift: str | None
) -> None:
    """CodeDeploy refuses an alias that is not where CloudFormation's own template has it."""
    aws = at(Aws({"Read": runs}, Read="58"))
    aws.stacks[STACK]["Parameters"] = [{"ParameterKey": "TrafficShift", "ParameterValue": stays}]
    assert deploy.main(["staging", *([f"--set=TrafficShift={given}"] if given else [])]) == 0
    assert dict(aws.calls)["sam"]["stage"].parameters.get("TrafficShift") == shift


@pytest.mark.parametrize("sam", [None, FAILED])
def test_the_database_is_protected_again_after_a_deployment_even_one_that_failed(at: At, sam: Exception | None) -> None:
    """For a restore somebody lifts the stack's policy."""
    aws = at(Aws({"Read": "1"}, Read="1"), sam)
    if sam:
        with pytest.raises(subprocess.CalledProcessError):
            deploy.main(["staging"])
    else:
        assert deploy.main(["staging"]) == 0
    assert aws.called[:3] == ["sam", "set_stack_policy", "update_termination_protection"]
    assert bool(aws.files) is (sam is None)
    policy = json.loads(dict(aws.calls)["set_stack_policy"]["StackPolicyBody"])
    (denied,) = [each for each in policy["Statement"] if each["Effect"] == "Deny"]
    assert denied["Action"] == ["Update:Replace", "Update:Delete"]
    assert dict(aws.calls)["update_termination_protection"]["EnableTerminationProtection"] is True


@pytest.mark.parametrize("status", [None, "REVIEW_IN_PROGRESS", "CREATE_FAILED"])
def test_a_first_deployment_that_failed_is_not_protected_for_it_is_to_be_deleted(at: At, status: str | None) -> None:
    aws = at(Aws(), FAILED)
    aws.stacks.pop(STACK)
    aws.stacks |= {STACK: {"StackStatus": status}} if status else {}
    with pytest.raises(subprocess.CalledProcessError):
        deploy.main(["staging"])
    assert aws.called == ["sam"]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        *((status, "make tear-down") for status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED")),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        *((f"UPDATE_{what}IN_PROGRESS", "wait") for what in ("", "ROLLBACK_COMPLETE_CLEANUP_")),
    ],
)
def test_a_stack_that_cannot_be_deployed_is_told_before_anything_is_built_or_protected(
    at: At, status: str, advice: str
) -> None:
    """Protected, what a first deployment left could not be deleted either."""
    aws = at(Aws())
    aws.stacks[STACK] = {"StackStatus": status}
    with pytest.raises(Fault, match=advice):
        deploy.main(["staging"])
    assert aws.calls == []


BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/ledger"


@pytest.mark.parametrize("given", [[f"--set=EventBus={BUS}"], []], ids=["the deployment names it", "the stack has it"])
def test_a_bus_that_is_not_there_is_told_before_anything_is_built(at: At, given: list[str]) -> None:
    """EventBridge would take its events, and lose them."""
    aws = at(Aws())
    aws.answers["describe_event_bus"] = refusal("ResourceNotFoundException")
    if not given:
        aws.stacks[STACK]["Parameters"] = [{"ParameterKey": "EventBus", "ParameterValue": BUS}]
    with pytest.raises(Fault, match=f"{BUS}, which is not there"):
        deploy.main(["staging", *given])
    assert aws.calls == []
    # None is asked for where none is named, or it is taken away.
    if not given:
        assert deploy.main(["staging", "--set=EventBus="]) == 0


def test_a_bus_that_may_not_be_looked_at_is_told_of_and_no_hindrance(capsys: pytest.CaptureFixture[str]) -> None:
    """Another account's, as a rule."""
    aws = Aws()
    deploy.check_that_the_bus_is_there(aws, BUS)
    assert not capsys.readouterr().out
    aws.answers["describe_event_bus"] = refusal("AccessDeniedException")
    deploy.check_that_the_bus_is_there(aws, BUS)
    assert f"{BUS} may not be looked at" in capsys.readouterr().out
    aws.answers["describe_event_bus"] = refusal("ThrottlingException")
    with pytest.raises(ClientError):
        deploy.check_that_the_bus_is_there(aws, BUS)


def test_a_deployment_that_was_taken_back_can_be_said_again_and_publishes_other_versions() -> None:
    """CloudFormation keeps the versions of the first try, and Lambda publishes the same thing once."""
    text = (ROOT / "template.yaml").read_text()
    parameters = {"Issuer": "https://issuer.example"}
    first, second = (
        deploy.failed_at(
            {"StackStatus": "UPDATE_ROLLBACK_COMPLETE", "LastUpdatedTime": datetime(2026, 5, day, tzinfo=UTC)}
        )
        for day in (1, 2)
    )
    for running in (None, {"StackStatus": "CREATE_COMPLETE"}, {"StackStatus": "UPDATE_COMPLETE", "LastUpdatedTime": 1}):
        assert deploy.failed_at(running) == ""
    assert len({deploy.mark(text, parameters, failed) for failed in ("", first, second)}) == 3
    assert deploy.mark(text, parameters, "") == deploy.mark(text, parameters)


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


def test_a_stage_that_is_not_there_and_a_wrong_name_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no stage 'nowhere'"):
        Stage.read("nowhere")
    monkeypatch.setattr(stages, "ROOT", tmp_path)
    for name in ("Wellspring", "well_spring", "w" * 26):
        (tmp_path / "samconfig.toml").write_text(f'[x.global.parameters]\nstack_name = "{name}"\n')
        with pytest.raises(Fault, match="at most 25"):
            Stage.read("x")


def test_the_page_names_the_region_to_boto3_and_sam_as_to_the_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI goes by AWS_REGION first, boto3, with which SAM works, by AWS_DEFAULT_REGION alone (boto3#3620)."""
    (line,) = re.findall(r"^export (STACK=.*)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    said = dict(word.split("=") for word in line.split())
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    assert Stage.read("staging").session().region_name == said["AWS_REGION"]


def test_the_longest_name_leaves_room_for_every_name_that_is_made_of_it() -> None:
    """S3 takes 63 characters; an account has 12, and no region's name more than 14."""
    assert stages.LONGEST_NAME + len("-feed-") + 12 + 1 + len("ap-southeast-1") <= 63


# ---- the end ----------------------------------------------------------------------------------------------
BUCKET = f"{STACK}-feed-123456789012-eu-west-1"


def with_data() -> Aws:
    """Return an AWS that has what is kept of two stacks."""
    aws, points = Aws(), [{"RecoveryPointArn": "point", "Status": "COMPLETED"}]
    # The second stack's name is the beginning of the first's.
    both = (STACK, "wellspring")
    instances = [(STACK, {}), ("wellspring", {}), (STACK, {"DBClusterIdentifier": "of a cluster"})]
    # An automated snapshot cannot be deleted by itself, nor one of AWS Backup by RDS.
    snapshots = [(one, kind) for one in both for kind in ("manual", "automated", "awsbackup")]
    aws.answers |= {
        "list_buckets": {"Buckets": [{"Name": name} for name in ("wellspring-feed", BUCKET)]},
        # A prefix of another's, as AWS answers.
        "describe_log_groups": lambda logGroupNamePrefix: {
            "logGroups": [{"logGroupName": logGroupNamePrefix + more} for more in ("-old", "")]
            if "/cluster/" not in logGroupNamePrefix
            else []
        },
        "describe_db_instances": (
            "DBInstances",
            [
                {"DBInstanceIdentifier": one, "TagList": [{"Key": tear_down.TAG, "Value": one}], **more}
                for one, more in instances
            ],
        ),
        "describe_db_snapshots": (
            "DBSnapshots",
            [
                {"DBInstanceIdentifier": one, "DBSnapshotIdentifier": f"{one}-snapshot-x", "SnapshotType": kind}
                for one, kind in snapshots
            ],
        ),
        "describe_db_instance_automated_backups": (
            "DBInstanceAutomatedBackups",
            [
                {"DBInstanceIdentifier": STACK, "Status": status, "DbiResourceId": id_}
                for status, id_ in (("retained", "db-OLD"), ("active", "db-NEW"))
            ],
        ),
        "list_backup_vaults": ("BackupVaultList", [{"BackupVaultName": one} for one in both]),
        "list_recovery_points_by_backup_vault": ("RecoveryPoints", points),
        "delete_recovery_point": lambda **_asked: points.clear(),
        "list_object_versions": ("Versions", [{"Key": "load/a", "VersionId": "1"}]),
    }
    return aws


KEPT = [
    *(("bucket", BUCKET), ("backup vault", STACK)),
    *(("log group", f"/aws/rds/{name}") for name in (f"instance/{STACK}/postgresql", f"proxy/{STACK}")),
    *(("snapshot", f"{STACK}-snapshot-x"), ("automated backup", "db-OLD")),
]
DELETES_THE_DATABASE = [
    *("modify_db_instance", "wait_db_instance_available", "delete_db_instance", "wait_db_instance_deleted")
]
DELETES_THE_STACK = ["update_termination_protection", "delete_stack", "wait_stack_delete_complete"]


@pytest.mark.parametrize("status", ["", "DELETE_IN_PROGRESS"])
def test_what_a_deleted_stack_leaves_is_told(at: At, capsys: pytest.CaptureFixture[str], status: str) -> None:
    aws = at(with_data())
    aws.stacks = {STACK: {"StackStatus": status}} if status else {}
    if status:
        del aws.answers["describe_db_instances"]
    assert tear_down.main(["staging"]) == 0
    told = [*([] if status else [("database", STACK)]), *KEPT]
    assert capsys.readouterr().out == "".join(f"kept {what} {name}\n" for what, name in told)
    assert aws.called == (["wait_stack_delete_complete"] if status else [])


def test_a_stack_that_cannot_be_deleted_is_told_in_a_sentence() -> None:
    aws = Aws()
    aws.answers["wait_stack_delete_complete"] = WaiterError("StackDeleteComplete", "it is DELETE_FAILED", {})
    with pytest.raises(Fault, match=rf"{STACK} is not gone: .*DELETE_FAILED.* say it again"):
        tear_down.wait_until_gone(aws, STACK)


def test_a_database_that_a_restore_left_goes_before_the_network_that_it_is_in(at: At) -> None:
    """RDS deletes no subnet group that a database uses, so CloudFormation could not delete the stack."""
    aws = at(with_data())
    aws.others.append(("RDS::DBInstance", f"{STACK}-point"))
    with pytest.raises(Fault, match=f"a restore left {STACK} in the network"):
        tear_down.main(["staging"])
    assert aws.calls == []
    assert tear_down.main(["staging", "--data", "delete"]) == 0
    # A bucket is emptied of all versions and a database unprotected before it goes.
    protected, *deletes = DELETES_THE_STACK
    assert aws.called == [
        *DELETES_THE_DATABASE,
        *(protected, "modify_db_instance", *deletes),
        *("delete_objects", "delete_bucket", "delete_recovery_point", "delete_backup_vault"),
        *["delete_log_group"] * 3,
        *("delete_db_snapshot", "delete_db_instance_automated_backup"),
    ]
    deleted = [asked["DBInstanceIdentifier"] for name, asked in aws.calls if name == "delete_db_instance"]
    assert deleted == [STACK]


@pytest.mark.parametrize(
    ("found", "called"),
    [
        ({"Database": ("AWS::RDS::DBInstance", "one")}, ["modify_db_instance"]),
        (
            {"AuroraWriter": ("AWS::RDS::DBInstance", "writer"), "AuroraCluster": ("AWS::RDS::DBCluster", "cluster")},
            ["modify_db_cluster"],
        ),
        ({"Database": ("AWS::RDS::DBInstance", "")}, []),
    ],
)
def test_a_first_deployment_that_failed_is_torn_down_though_its_database_is_gone_or_was_never_made(
    found: dict[str, tuple[str, str]], called: list[str]
) -> None:
    """CloudFormation lists what it has deleted, and what it could not make. Of a cluster it is alone protected."""
    for answer in (None, KeyError()):
        aws = Aws()
        aws.answers |= dict.fromkeys(("modify_db_instance", "modify_db_cluster"), answer)
        tear_down.unprotect(aws, found)
        assert aws.called == called


# A change set that was never carried out made a stack without anything.
@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_a_tear_down_goes_on_from_whatever_state(at: At, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    aws = at(with_data())
    del aws.answers["describe_db_instances"]
    # What somebody broke off is under way at first.
    states = iter(["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", status])
    monkeypatch.setattr(tear_down, "status", lambda *_asked: next(states))
    assert tear_down.main(["staging"]) == 0
    assert (aws.called, list(states)) == (DELETES_THE_STACK, [])
