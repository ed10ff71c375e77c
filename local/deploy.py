"""A deployment: `make deploy STAGE=staging PARAMETERS=staging.yaml`.

Builds, marks the template with a digest of the parameters, deploys, forbids to replace the database, and writes down
which version each alias is at. The mark is what makes SAM publish: it names a version by a hash of the function's text,
in which a parameter is a name and not its value (samtranslator, `_construct_version`).
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from local.errors import Fault
from local.releases import Releases, find_bucket, live_versions
from local.settings import ROOT
from local.stages import Stage

UNMARKED = "CONFIGURATION: none"
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
SAM = Path(sys.executable).with_name("sam")


def digest(parameters: Mapping[str, str]) -> str:
    """Return a mark that is another one for other parameters."""
    return hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode()).hexdigest()[:16]


def mark(text: str, parameters: Mapping[str, str]) -> str:
    """Return a template whose functions have the parameters' digest among their variables.

    Raises Fault for a template that has no place for it.
    """
    if UNMARKED not in text:
        raise Fault(f"the template has no line {UNMARKED!r}")
    return text.replace(UNMARKED, f"CONFIGURATION: '{digest(parameters)}'")


def deploy(stage: Stage, role: str | None) -> None:
    """Build and deploy a stage. Raises CalledProcessError where SAM fails."""
    file = ROOT / ".local" / "sam" / f"{stage.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(dict(stage.parameters)))
    # Both get them: the architecture decides what is built.
    given = ["--config-env", stage.name, "--parameter-overrides", f"file://{file.relative_to(ROOT)}"]
    subprocess.run([SAM, "build", *given], cwd=ROOT, check=True)
    BUILT.write_text(mark(BUILT.read_text(), stage.parameters))
    roles = ["--role-arn", role] if role else []
    subprocess.run([SAM, "deploy", *given, *roles], cwd=ROOT, check=True)


def main(arguments: list[str]) -> int:
    """Deploy a stage, and write down what runs then."""
    parser = argparse.ArgumentParser(prog="python -m local.deploy")
    parser.add_argument("stage")
    parser.add_argument("--parameters", type=Path, help="a YAML file of parameters")
    parser.add_argument("--role-arn", help="the role that CloudFormation works with")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one parameter more")
    given = parser.parse_args(arguments)
    files = [given.parameters] if given.parameters else []
    stage = Stage.read(given.stage, *files, changes=dict(each.split("=", 1) for each in given.set))
    deploy(stage, given.role_arn)
    session = stage.session()
    cloudformation = session.client("cloudformation")
    cloudformation.set_stack_policy(StackName=stage.stack, StackPolicyBody=(ROOT / "stack-policy.json").read_text())
    releases = Releases(session.client("s3"), find_bucket(cloudformation, stage.bucket), stage.stack)
    release = releases.add(live_versions(cloudformation, session.client("lambda"), stage.stack))
    print(f"{stage.stack} runs the release of {release.at}, {len(release.versions)} functions")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        sys.exit(str(fault))
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
