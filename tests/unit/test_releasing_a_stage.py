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
from botocore.exceptions import ClientError, WaiterError

from local import deploy, rollback, stages, tear_down
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

    def get_alias(self, FunctionName: str, Name: str) -> dict[str, str]:
        assert Name == "live"
        return {"FunctionVersion": self.live[FunctionName]}

    def update_alias(
        self, FunctionName: str, Name: str, FunctionVersion: str, RoutingConfig: dict[str, dict[str, float]]
    ) -> None:
        assert (Name, 1 <= int(FunctionVersion) <= 60) == ("live", True)
        # Nothing is left of a canary.
        assert RoutingConfig == {"AdditionalVersionWeights": {}}
        self.calls.append(FunctionName)
        self.live[FunctionName] = FunctionVersion


class S3:
    """One bucket of small files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self.files[f"{Bucket}/{Key}"] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": BytesIO(self.files[f"{Bucket}/{Key}"])}

    def get_paginator(self, name: str) -> Any:
        assert name == "list_objects_v2"
        return SimpleNamespace(
            paginate=lambda Bucket, Prefix: Pages(
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
    good = live_versions(cloudformation(functions), functions, STACK)
    releases.add(good, {}, datetime(2026, 5, 1, tzinfo=UTC))
    functions.live |= {"Read": "59", "Write": "60"}
    releases.add(live_versions(cloudformation(functions), functions, STACK), good, datetime(2026, 5, 10, tzinfo=UTC))
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
    first, second = Release("1", {"Read": "1"}), Release("2", {"Read": "2"}, before="1")
    assert choose([first, second, Release("3", second.versions, before="2")], {"Read": "2"}, None) == first


@pytest.mark.parametrize("more", [{}, {"New": "1"}], ids=["the same functions", "a function more, which stays"])
def test_a_rollback_of_what_came_after_a_rollback_does_not_go_back_to_what_was_bad(more: dict[str, str]) -> None:
    """The newest release but one was rolled back: not what was written down last, but what ran, is the one before."""
    releases = Releases(S3(), "artefacts", STACK)
    good = releases.add({"Read": "1", "Gone": "1"}, {}, datetime(2026, 5, 1, tzinfo=UTC))
    bad = releases.add({"Read": "2", **more}, good.versions, datetime(2026, 5, 2, tzinfo=UTC))
    assert choose(list(releases), bad.versions, None) == good
    rolled_back = {"Read": "1", **more}
    next_one = releases.add({"Read": "3", **more}, rolled_back, datetime(2026, 5, 3, tzinfo=UTC))
    assert choose(list(releases), next_one.versions, None) == good
    with pytest.raises(Fault, match="no release before this one"):
        choose(list(releases), rolled_back, None)


def test_a_function_that_the_release_before_did_not_have_stays() -> None:
    functions = Lambda(Read="2", New="1")
    assert roll_back(functions, dict(functions.live), Release("1", {"Read": "1", "Gone": "4"})) == {"Read": "1"}
    assert functions.live == {"Read": "1", "New": "1"}


def test_releases_are_listed_in_their_order_and_of_one_stack() -> None:
    s3 = S3()
    for month in (2, 1):
        Releases(s3, "artefacts", STACK).add({"Read": str(month)}, {}, datetime(2026, month, 1, tzinfo=UTC))
    Releases(s3, "artefacts", f"{STACK}-2").add({"Read": "9"}, {})
    assert [release.at for release in Releases(s3, "artefacts", STACK)] == [
        "2026-01-01T00-00-00Z",
        "2026-02-01T00-00-00Z",
    ]


class RefusedError(Exception):
    """What CloudFormation raises for a name that is nobody's, and for much else."""


def stacks(**buckets: str) -> Any:
    """Stacks of which each has an output with its bucket, but for one whose creation failed."""

    def describe_stacks(StackName: str) -> dict[str, Any]:
        if StackName not in buckets:
            raise RefusedError(f"(ValidationError) Stack with id {StackName} does not exist")
        if not buckets[StackName]:
            return {"Stacks": [{"StackStatus": "ROLLBACK_COMPLETE"}]}
        outputs = [{"OutputKey": "Other", "OutputValue": ""}]
        outputs.append({"OutputKey": "SourceBucket", "OutputValue": buckets[StackName]})
        return {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}

    return SimpleNamespace(describe_stacks=describe_stacks, exceptions=SimpleNamespace(ClientError=RefusedError))


def test_a_stack_is_not_there_when_cloudformation_says_so_and_not_when_it_will_not_say() -> None:
    """Or a tear-down that may not look would delete the data of a stack that runs."""
    assert stages.status(stacks(), STACK) == ""
    assert stages.status(stacks(**{STACK: "bucket"}), STACK) == "CREATE_COMPLETE"

    def refuse(**_asked: object) -> None:
        raise RefusedError("(Throttling) Rate exceeded")

    busy = SimpleNamespace(describe_stacks=refuse, exceptions=SimpleNamespace(ClientError=RefusedError))
    with pytest.raises(RefusedError):
        stages.status(busy, STACK)


def test_the_artefacts_bucket_is_the_one_that_is_named_the_bootstraps_or_sams() -> None:
    both = stacks(**{f"{STACK}-bootstrap": "bootstraps", "aws-sam-cli-managed-default": "sams"})
    assert find_bucket(both, "mine", STACK) == "mine"
    assert find_bucket(both, None, STACK) == "bootstraps"
    assert find_bucket(both, None, "wellspring") == "sams"
    # A bootstrap whose creation failed has no outputs.
    failed = stacks(**{f"{STACK}-bootstrap": "", "aws-sam-cli-managed-default": "sams"})
    assert find_bucket(failed, None, STACK) == "sams"
    with pytest.raises(Fault, match=f"{STACK}-bootstrap"):
        find_bucket(stacks(), None, STACK)


def test_a_deployment_puts_back_what_a_rollback_moved_and_the_release_did_not_touch() -> None:
    """CloudFormation updates what differs from its last template, and knows nothing of an alias that somebody moved."""
    functions = Lambda(Read="57", Write="60", Open="9")
    stack = cloudformation(functions, Read="59", Write="60")
    assert deploy.settle(stack, functions, STACK, {"Read": "59", "Write": "58"}) == {"Read": "59"}
    assert functions.live == {"Read": "59", "Write": "60", "Open": "9"}


def test_a_deployment_leaves_what_was_rolled_back_while_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack that cleans up has moved its aliases, and may be rolled back."""
    functions = Lambda(Read="58")
    assert deploy.settle(cloudformation(functions, Read="59"), functions, STACK, {"Read": "58"}) == {}
    assert functions.live == {"Read": "58"}
    # And so after one that failed: 59 was taken back to 58, and that to 56.
    functions.live["Read"] = "56"
    monkeypatch.setattr(deploy, "describe", lambda *_asked: {"StackStatus": "UPDATE_ROLLBACK_COMPLETE"})
    deploy.put_back(cloudformation(functions, Read="58"), functions, STACK, {"Read": "57"})
    assert functions.live == {"Read": "56"}


@pytest.mark.parametrize(
    ("status", "runs"), [("UPDATE_ROLLBACK_COMPLETE", "57"), ("UPDATE_ROLLBACK_IN_PROGRESS", "58")]
)
def test_a_deployment_that_fails_after_a_rollback_does_not_bring_back_what_was_rolled_back(
    monkeypatch: pytest.MonkeyPatch, status: str, runs: str
) -> None:
    """CloudFormation's last template has 58 for it, which was bad; while it works, nobody else moves an alias."""
    functions = Lambda(Read="57", Open="9")
    known = cloudformation(functions, Read="58", Open="9")
    known.set_stack_policy = known.update_termination_protection = lambda **_asked: None
    clients = {"cloudformation": known, "lambda": functions}
    states = iter(["UPDATE_COMPLETE", status])
    canary = [{"ParameterKey": "TrafficShift", "ParameterValue": "Canary10Percent5Minutes"}]

    def sam(stage: Stage, *_asked: Any) -> None:
        assert stage.parameters["TrafficShift"] == "AllAtOnce"
        functions.live["Read"] = "58"
        raise subprocess.CalledProcessError(1, "sam")

    for name, value in {
        "describe": lambda *_asked: {"StackStatus": next(states), "Parameters": canary},
        "deploy": sam,
        "bucket_of_bootstrap": lambda *_asked: None,
    }.items():
        monkeypatch.setattr(deploy, name, value)
    monkeypatch.setattr(Stage, "session", lambda _stage: SimpleNamespace(client=clients.__getitem__))
    with pytest.raises(subprocess.CalledProcessError):
        deploy.main(["staging"])
    assert functions.live == {"Read": runs, "Open": "9"}


@pytest.mark.parametrize(
    ("rolled_back", "given", "stays", "shift"),
    [
        (False, {"TrafficShift": "Canary10Percent5Minutes"}, "AllAtOnce", "Canary10Percent5Minutes"),
        (True, {"TrafficShift": "Canary10Percent5Minutes"}, "AllAtOnce", "AllAtOnce"),
        (True, {}, "Canary10Percent5Minutes", "AllAtOnce"),
        (True, {}, "AllAtOnce", None),
    ],
)
def test_the_deployment_after_a_rollback_is_no_canary(
    *, rolled_back: bool, given: dict[str, str], stays: str, shift: str | None
) -> None:
    """CodeDeploy refuses an alias that is not where CloudFormation's own template has it."""
    stage = Stage("staging", STACK, {"Issuer": "https://issuer.example", **given}, None, None)
    found = {"Parameters": [{"ParameterKey": "TrafficShift", "ParameterValue": stays}]}
    functions = Lambda(Read="57" if rolled_back else "58")
    moved = deploy.elsewhere(cloudformation(functions, Read="58"), STACK, functions.live)
    assert deploy.at_once(stage, found, moved).parameters.get("TrafficShift") == shift


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
    calls, s3 = Calls(), S3()
    clients = {"cloudformation": calls, "lambda": calls, "s3": s3}

    def sam(*_asked: Any) -> None:
        calls.made.append(("sam", {}))
        if fails:
            raise subprocess.CalledProcessError(1, "sam")

    for name, value in {
        "describe": lambda *_asked: {"StackStatus": "UPDATE_COMPLETE"},
        "deploy": sam,
        "bucket_of_bootstrap": lambda *_asked: None,
        "find_bucket": lambda *_asked: "bucket",
        "settle": lambda *_asked: {},
        "stack_versions": lambda *_asked: {"Read": "1"},
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
    assert bool(s3.files) is not fails
    policy = json.loads(dict(calls.made)["set_stack_policy"]["StackPolicyBody"])
    (denied,) = [each for each in policy["Statement"] if each["Effect"] == "Deny"]
    assert denied["Action"] == ["Update:Replace", "Update:Delete"]
    assert dict(calls.made)["update_termination_protection"]["EnableTerminationProtection"] is True


def test_a_first_deployment_that_failed_is_not_protected_for_it_is_to_be_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Calls()

    def sam(*_asked: Any) -> None:
        raise subprocess.CalledProcessError(1, "sam")

    for name, value in {"deploy": sam, "bucket_of_bootstrap": lambda *_asked: None}.items():
        monkeypatch.setattr(deploy, name, value)
    monkeypatch.setattr(Stage, "session", lambda _stage: SimpleNamespace(client=lambda _name: calls))
    for found in (None, {"StackStatus": "REVIEW_IN_PROGRESS"}, {"StackStatus": "CREATE_FAILED"}):
        monkeypatch.setattr(deploy, "describe", lambda *_asked, found=found: found)
        with pytest.raises(subprocess.CalledProcessError):
            deploy.main(["staging"])
    assert calls.made == []


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("ROLLBACK_COMPLETE", "make tear-down"),
        ("ROLLBACK_FAILED", "make tear-down"),
        ("DELETE_FAILED", "make tear-down"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_IN_PROGRESS", "wait"),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "wait"),
    ],
)
def test_a_stack_that_cannot_be_deployed_is_told_before_anything_is_built_or_protected(
    monkeypatch: pytest.MonkeyPatch, status: str, advice: str
) -> None:
    """Protected, what a first deployment left could not be deleted either."""
    calls = Calls()
    monkeypatch.setattr(Stage, "session", lambda _stage: SimpleNamespace(client=lambda _name: calls))
    monkeypatch.setattr(deploy, "describe", lambda *_asked: {"StackStatus": status})
    with pytest.raises(Fault, match=advice):
        deploy.main(["staging"])
    assert calls.made == []


BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/ledger"


@pytest.mark.parametrize("given", [{"EventBus": BUS}, {}], ids=["the deployment names it", "the stack has it"])
def test_a_bus_that_is_not_there_is_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    """EventBridge would take its events, and lose them."""
    calls, asked = Calls(), []

    def describe_event_bus(Name: str) -> None:
        asked.append(Name)
        raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeEventBus")

    clients = {"events": SimpleNamespace(describe_event_bus=describe_event_bus)}
    monkeypatch.setattr(Stage, "session", lambda _stage: SimpleNamespace(client=lambda name: clients.get(name, calls)))
    monkeypatch.setattr(deploy, "deploy", lambda *_asked: calls.made.append(("sam", {})))
    runs = {"StackStatus": "UPDATE_COMPLETE", "Parameters": [{"ParameterKey": "EventBus", "ParameterValue": BUS}]}
    monkeypatch.setattr(deploy, "describe", lambda *_asked: None if given else runs)
    with pytest.raises(Fault, match=f"{BUS}, which is not there"):
        deploy.main(["staging", *(f"--set={name}={value}" for name, value in given.items())])
    assert (asked, calls.made) == ([BUS], [])


def test_a_deployment_asks_for_no_bus_where_none_is_named_or_it_is_taken_away() -> None:
    runs = {"Parameters": [{"ParameterKey": "EventBus", "ParameterValue": BUS}]}
    for given, found in (({}, {}), ({"EventBus": ""}, runs)):
        assert deploy.in_force(Stage("staging", STACK, given, None, None), found, "EventBus") == ""


def test_a_bus_that_may_not_be_looked_at_is_told_of_and_no_hindrance(capsys: pytest.CaptureFixture[str]) -> None:
    """Another account's, as a rule."""

    def refuse(code: str) -> Any:
        def describe_event_bus(Name: str) -> None:
            raise ClientError({"Error": {"Code": code}}, "DescribeEventBus")

        return SimpleNamespace(describe_event_bus=describe_event_bus)

    deploy.check_that_the_bus_is_there(refuse("AccessDeniedException"), BUS)
    assert f"{BUS} may not be looked at" in capsys.readouterr().out
    with pytest.raises(ClientError):
        deploy.check_that_the_bus_is_there(refuse("ThrottlingException"), BUS)
    deploy.check_that_the_bus_is_there(Calls(), BUS)
    assert not capsys.readouterr().out


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


def test_a_rollback_does_not_race_a_deployment_that_moves_the_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a canary the aliases still name the release before: one before that would be what it goes back to."""
    functions, s3 = Lambda(Read="58"), S3()
    for version in (57, 58):
        ran = {"Read": str(version - 1)}
        Releases(s3, "artefacts", STACK).add({"Read": str(version)}, ran, datetime(2026, 5, version - 50, tzinfo=UTC))
    clients = {"cloudformation": cloudformation(functions), "lambda": functions, "s3": s3}
    monkeypatch.setattr(Stage, "session", lambda _stage: SimpleNamespace(client=clients.__getitem__))
    monkeypatch.setattr(rollback, "find_bucket", lambda *_asked: "artefacts")
    # Once it is cancelled, CloudFormation moves them back.
    for moving in ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"):
        monkeypatch.setattr(rollback, "status", lambda *_asked, now=moving: now)
        with pytest.raises(Fault, match=f"{moving}.*cancel-update-stack"):
            rollback.main(["staging"])
    assert functions.calls == []
    monkeypatch.setattr(rollback, "status", lambda *_asked: "UPDATE_COMPLETE")
    assert rollback.main(["staging"]) == 0
    assert functions.live == {"Read": "57"}


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
class Kept:
    """What AWS has of two stacks, of which one was torn down."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.points = [{"RecoveryPointArn": "point", "Status": "COMPLETED"}]
        # What boto3 raises for a database that is not there.
        self.exceptions = SimpleNamespace(DBInstanceNotFoundFault=KeyError, DBClusterNotFoundFault=KeyError)

    def delete_recovery_point(self, **_asked: str) -> None:
        self.deleted.append("delete_recovery_point")
        self.points = []

    def list_buckets(self) -> dict[str, Any]:
        return {"Buckets": [{"Name": "wellspring-feed"}, {"Name": f"{STACK}-feed"}]}

    def describe_log_groups(self, logGroupNamePrefix: str) -> dict[str, Any]:
        # A prefix of both, as AWS answers.
        names = [f"/aws/rds/instance/{STACK}/postgresql", f"/aws/rds/instance/{STACK}/postgresql-old"]
        names += [f"/aws/rds/proxy/{STACK}", f"/aws/rds/proxy/{STACK}-2"]
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
                    # An automated one cannot be deleted by itself, nor one of AWS Backup by RDS.
                    for kind in ("manual", "automated", "awsbackup")
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
            "list_backup_vaults": Pages("BackupVaultList", [{"BackupVaultName": one} for one in both]),
            "list_recovery_points_by_backup_vault": Pages("RecoveryPoints", self.points),
            "list_object_versions": Pages("Versions", [{"Key": "load/a", "VersionId": "1"}]),
        }[name]

    def get_waiter(self, name: str) -> Any:
        return SimpleNamespace(wait=lambda **_asked: self.deleted.append(f"wait {name}"))

    def __getattr__(self, name: str) -> Any:
        return lambda **asked: self.deleted.append(f"{name} {json.dumps(asked, sort_keys=True)}")


def test_what_a_deleted_stack_leaves_is_told_and_nothing_of_another_stack() -> None:
    aws = Kept()
    assert list(tear_down.replaced(aws, STACK, {"another"})) == [("database", STACK)]
    assert list(tear_down.replaced(aws, STACK, {STACK})) == []
    assert list(tear_down.kept(tear_down.Clients(aws, aws, aws, aws), f"{STACK}-feed", {STACK}, STACK)) == [
        ("bucket", f"{STACK}-feed"),
        ("backup vault", STACK),
        ("log group", f"/aws/rds/instance/{STACK}/postgresql"),
        ("log group", f"/aws/rds/proxy/{STACK}"),
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


def test_a_bucket_is_emptied_of_all_versions_and_a_database_unprotected_before_it_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aws = Kept()
    clients = tear_down.Clients(aws, aws, aws, aws)
    monkeypatch.setattr(tear_down, "VAULT_SECONDS", 0)
    for what, name in (*tear_down.replaced(aws, STACK, ()), *tear_down.kept(clients, f"{STACK}-feed", {STACK}, STACK)):
        tear_down.delete(clients, what, name)
    assert [call.split()[0] for call in aws.deleted] == [
        *("modify_db_instance", "wait", "delete_db_instance", "wait"),
        *("delete_objects", "delete_bucket", "delete_recovery_point", "delete_backup_vault"),
        *("delete_log_group", "delete_log_group"),
        *("delete_db_snapshot", "delete_db_instance_automated_backup"),
    ]


def test_a_database_that_a_restore_left_goes_before_the_network_that_it_is_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """RDS deletes no subnet group that a database uses, so CloudFormation could not delete the stack."""
    aws, restored = Kept(), f"{STACK}-point"
    identity = SimpleNamespace(get_caller_identity=lambda: {"Account": "123456789012"})
    monkeypatch.setattr(
        Stage,
        "session",
        lambda _stage: SimpleNamespace(client=lambda name: identity if name == "sts" else aws, region_name="eu-west-1"),
    )
    monkeypatch.setattr(tear_down, "status", lambda *_asked: "UPDATE_COMPLETE")
    monkeypatch.setattr(tear_down, "resources", lambda *_asked: {"Database": ("AWS::RDS::DBInstance", restored)})
    monkeypatch.setattr(tear_down, "VAULT_SECONDS", 0)
    with pytest.raises(Fault, match=f"a restore left {STACK} in the network"):
        tear_down.main(["staging"])
    # Of a stack that somebody deleted without its network it is told like the rest.
    with monkeypatch.context() as gone:
        gone.setattr(tear_down, "status", lambda *_asked: "")
        assert tear_down.main(["staging"]) == 0
    assert f"kept database {STACK}\nkept backup vault {STACK}\n" in capsys.readouterr().out
    assert aws.deleted == []
    assert tear_down.main(["staging", "--data", "delete"]) == 0
    before = [call.split()[0] for call in aws.deleted]
    before = before[: before.index("delete_stack")]
    assert before == [
        *("modify_db_instance", "wait", "delete_db_instance", "wait"),
        *("update_termination_protection", "modify_db_instance"),
    ]
    assert json.loads(aws.deleted[2].split(maxsplit=1)[1])["DBInstanceIdentifier"] == STACK
    assert "wait stack_delete_complete" in aws.deleted


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


def test_a_first_deployment_that_failed_is_torn_down_though_its_database_is_gone_or_was_never_made() -> None:
    """CloudFormation lists what it has deleted, and what it could not make."""

    class Gone(Kept):
        def modify_db_instance(self, **_asked: object) -> None:
            raise KeyError

        modify_db_cluster = modify_db_instance

    aws = Gone()
    tear_down.unprotect(aws, {"Database": ("AWS::RDS::DBInstance", STACK)})
    tear_down.unprotect(aws, {"Database": ("AWS::RDS::DBInstance", "")})
    tear_down.unprotect(aws, {"AuroraCluster": ("AWS::RDS::DBCluster", STACK)})


@pytest.mark.parametrize(
    ("status", "called"),
    [
        ("", []),
        ("DELETE_IN_PROGRESS", ["wait"]),
        ("ROLLBACK_COMPLETE", ["update_termination_protection", "delete_stack", "wait"]),
        # A change set that was never carried out made a stack without anything.
        ("REVIEW_IN_PROGRESS", ["update_termination_protection", "delete_stack", "wait"]),
    ],
)
def test_a_tear_down_begins_or_goes_on_whatever_state_the_stack_is_in(
    monkeypatch: pytest.MonkeyPatch, status: str, called: list[str]
) -> None:
    calls = Calls()
    nothing = SimpleNamespace(
        **vars(Kept()), get_caller_identity=lambda: {"Account": "123456789012"}, list_buckets=lambda: {"Buckets": []}
    )
    nothing.get_paginator = lambda _name: SimpleNamespace(paginate=lambda **_asked: iter(()))
    nothing.describe_log_groups = lambda **_asked: {"logGroups": []}
    monkeypatch.setattr(
        Stage,
        "session",
        lambda _stage: SimpleNamespace(
            client=lambda name: calls if name == "cloudformation" else nothing, region_name="eu-west-1"
        ),
    )
    # What somebody broke off is under way at first.
    states = iter(["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", status])
    monkeypatch.setattr(tear_down, "status", lambda *_asked: next(states))
    monkeypatch.setattr(tear_down, "SECONDS", 0)
    monkeypatch.setattr(tear_down, "resources", lambda *_asked: {})
    monkeypatch.setattr(tear_down, "wait_until_gone", lambda *_asked: calls.made.append(("wait", {})))
    assert tear_down.main(["staging"]) == 0
    assert [name for name, _ in calls.made] == called
    assert list(states) == []
