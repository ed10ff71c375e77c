"""A deployment: `make deploy STAGE=staging PARAMETERS=staging.yaml`.

Builds, marks the template with a digest of the parameters, deploys, forbids to replace the database or to delete the
stack, and writes down which version each alias is at. The mark is what makes SAM publish: it names a version by a hash
of the function's text, in which a parameter is a name and not its value (samtranslator, `_construct_version`).
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from local.errors import Fault
from local.releases import Releases, bucket_of_bootstrap, find_bucket, live_versions, point, stack_versions
from local.settings import ROOT
from local.stages import Stage, describe

UNMARKED = "CONFIGURATION: none"
# What a first deployment begins with: nothing, a change set that was not carried out, or a part (`--disable-rollback`).
NEVER_DEPLOYED = {"", "REVIEW_IN_PROGRESS", "CREATE_FAILED"}
# What a first deployment leaves that failed, and a tear-down that did.
NOTHING_RUNS = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"}
AT_ONCE = "AllAtOnce"
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
SAM = Path(sys.executable).with_name("sam")


def digest(parameters: Mapping[str, str], failed: str = "") -> str:
    """Return a mark that is another one for other parameters, and after a deployment that failed (`failed_at`)."""
    return hashlib.sha256((json.dumps(dict(parameters), sort_keys=True) + failed).encode()).hexdigest()[:16]


def failed_at(found: Mapping[str, Any] | None) -> str:
    """Return when the last deployment of a stack was that CloudFormation has taken back; empty where it was not.

    It keeps the versions that were published by then. Said again, the same text would publish the same ones, which
    Lambda refuses: "A version for this Lambda function exists" (serverless-application-model#1375).
    """
    if found and found["StackStatus"].startswith("UPDATE_ROLLBACK_COMPLETE"):
        return str(found["LastUpdatedTime"])
    return ""


def mark(text: str, parameters: Mapping[str, str], failed: str = "") -> str:
    """Return a template whose functions have the digest among their variables. Raises Fault where it has no place."""
    if UNMARKED not in text:
        raise Fault(f"the template has no line {UNMARKED!r}")
    return text.replace(UNMARKED, f"CONFIGURATION: '{digest(parameters, failed)}'")


def check_that_it_can_be_deployed(stack: str, status: str) -> None:
    """Raise Fault for a stack that CloudFormation would not update, before anything is built or protected."""
    if status in NOTHING_RUNS:
        raise Fault(f"{stack} is {status}, and nothing of it runs: `make tear-down` it, then deploy again")
    if status == "UPDATE_ROLLBACK_FAILED":
        raise Fault(f"{stack} is {status}: `aws cloudformation continue-update-rollback --stack-name {stack}` first")
    if status.endswith("_IN_PROGRESS") and status not in NEVER_DEPLOYED:
        raise Fault(f"{stack} is {status}: wait until that has ended")


def deploy(stage: Stage, bucket: str | None, role: str | None, tags: list[str], failed: str = "") -> None:
    """Build and deploy a stage, by way of `bucket` or else SAM's own. Raises CalledProcessError where SAM fails."""
    file = ROOT / ".local" / "sam" / f"{stage.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(dict(stage.parameters)))
    # Both get them: the architecture decides what is built.
    given = ["--config-env", stage.name, "--parameter-overrides", f"file://{file.relative_to(ROOT)}"]
    subprocess.run([SAM, "build", *given], cwd=ROOT, check=True)
    BUILT.write_text(mark(BUILT.read_text(), stage.parameters, failed))
    # Both settings at once SAM refuses, and the stage's says `resolve_s3`.
    more = ["--s3-bucket", bucket, "--no-resolve-s3"] if bucket else []
    more += ["--role-arn", role] if role else []
    more += ["--tags", *tags] if tags else []
    subprocess.run([SAM, "deploy", *given, *more], cwd=ROOT, check=True)


def protect(cloudformation: Any, stack: str) -> None:
    """Forbid to replace or delete the database, and to delete the stack."""
    cloudformation.set_stack_policy(StackName=stack, StackPolicyBody=(ROOT / "stack-policy.json").read_text())
    cloudformation.update_termination_protection(StackName=stack, EnableTerminationProtection=True)


def in_force(stage: Stage, found: Mapping[str, Any], name: str, default: str = "") -> str:
    """Return a parameter as the deployment will have it: what the stage does not name keeps the stack's value."""
    now = {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", ())}
    return str(stage.parameters.get(name, now.get(name, default)))


def check_that_the_bus_is_there(events: Any, bus: str) -> None:
    """Raise Fault for a bus that is not there, before anything is built.

    EventBridge takes what is sent to one, and drops it: "Putting an event on an nonexistent EventBridge event bus
    returns a success" (aws-cli#9186). Another account seldom lets anybody look at its own.
    """
    try:
        events.describe_event_bus(Name=bus)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ResourceNotFoundException":
            raise Fault(f"EventBus names {bus}, which is not there: events would be taken and lost") from error
        if code != "AccessDeniedException":
            raise
        print(f"{bus} may not be looked at from here: see that it is there, or events are taken and lost")


def at_once(stage: Stage, found: Mapping[str, Any], moved: Mapping[str, str]) -> Stage:
    """Return the stage, without a canary where a rollback has moved aliases (`elsewhere`).

    CloudFormation tells CodeDeploy the version that its own template has, and CodeDeploy refuses an alias that is
    elsewhere: "The Lambda function alias version does not match the current version in AppSpec file"
    (serverless-application-model#291).
    """
    shift = in_force(stage, found, "TrafficShift", AT_ONCE)
    if not moved or shift == AT_ONCE:
        return stage
    print(f"{stage.stack} was rolled back: this deployment takes over all traffic at once, and not by {shift}")
    return replace(stage, parameters={**stage.parameters, "TrafficShift": AT_ONCE})


def settle(cloudformation: Any, functions: Any, stack: str, published: Mapping[str, str]) -> dict[str, str]:
    """Point aliases of functions that a deployment did not touch at the stack's versions; return those that moved.

    CloudFormation updates what differs from its own last template. An alias that a rollback moved, of a function that
    the next release does not touch, would stay where the rollback put it. What is not at the version that was
    `published` before this deployment is where CloudFormation has put it, unless somebody has rolled it back since.
    """
    off = elsewhere(cloudformation, stack, live_versions(cloudformation, functions, stack))
    moved = {name: version for name, version in off.items() if published.get(name) == version}
    point(functions, moved)
    return moved


def elsewhere(cloudformation: Any, stack: str, live: Mapping[str, str]) -> dict[str, str]:
    """Return the stack's version of each function whose alias is at another one, which only a rollback does."""
    wanted = stack_versions(cloudformation, stack)
    return {name: wanted[name] for name, version in live.items() if wanted.get(name, version) != version}


def put_back(cloudformation: Any, functions: Any, stack: str, rolled_back: Mapping[str, str]) -> None:
    """Point aliases at the versions of `rolled_back`, where a failed deployment has moved them.

    CloudFormation takes them back to its own last template: to what somebody rolled back, where a rollback was before.
    What is at another version than that template's somebody has rolled back since.
    """
    found = describe(cloudformation, stack)
    if rolled_back and found and found["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE":
        live, wanted = live_versions(cloudformation, functions, stack), stack_versions(cloudformation, stack)
        point(functions, {name: to for name, to in rolled_back.items() if live[name] == wanted[name]})


def main(arguments: list[str]) -> int:
    """Deploy a stage, and write down what runs then."""
    parser = argparse.ArgumentParser(prog="python -m local.deploy")
    parser.add_argument("stage")
    parser.add_argument("--parameters", type=Path, help="a YAML file of parameters")
    parser.add_argument("--role-arn", help="the role that CloudFormation works with")
    parser.add_argument("--tags", nargs="*", default=[], metavar="NAME=VALUE", help="tags of all that the stack makes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one parameter more")
    given = parser.parse_args(arguments)
    files = [given.parameters] if given.parameters else []
    stage = Stage.read(given.stage, *files, changes=dict(each.split("=", 1) for each in given.set))
    session = stage.session()
    cloudformation, functions = session.client("cloudformation"), session.client("lambda")
    found = describe(cloudformation, stage.stack)
    status = found["StackStatus"] if found else ""
    check_that_it_can_be_deployed(stage.stack, status)
    if bus := in_force(stage, found or {}, "EventBus"):
        check_that_the_bus_is_there(session.client("events"), bus)
    before = {} if status in NEVER_DEPLOYED else live_versions(cloudformation, functions, stage.stack)
    published = stack_versions(cloudformation, stage.stack) if before else {}
    rolled_back = {name: version for name, version in before.items() if published.get(name, version) != version}
    stage = at_once(stage, found or {}, rolled_back)
    bucket = stage.bucket or bucket_of_bootstrap(cloudformation, stage.stack)
    try:
        deploy(stage, bucket, given.role_arn, given.tags, failed_at(found))
    except subprocess.CalledProcessError:
        put_back(cloudformation, functions, stage.stack, rolled_back)
        raise
    finally:
        # After a restore that failed too, for which somebody had lifted the policy. What never ran is to be deleted.
        if status not in NEVER_DEPLOYED:
            protect(cloudformation, stage.stack)
    protect(cloudformation, stage.stack)
    for name in settle(cloudformation, functions, stage.stack, published):
        print(f"{name} was rolled back, and runs the stack's version again")
    releases = Releases(session.client("s3"), find_bucket(cloudformation, stage.bucket, stage.stack), stage.stack)
    release = releases.add(live_versions(cloudformation, functions, stage.stack), before)
    print(f"{stage.stack} runs the release of {release.at}, {len(release.versions)} functions")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        sys.exit(str(fault))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
