"""Stages of samconfig.toml, as the commands that deploy, roll back and tear down read them."""

import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml

from local.errors import Fault
from local.settings import ROOT

# CloudFormation begins a function's name with so much of the stack's (convox/rack#2297), which the API's role goes by.
# S3's 63 characters of the bucket's name would leave 30 in the region with the longest name.
LONGEST_NAME = 25


@dataclass(frozen=True)
class Stage:
    """One stage: its name, its stack's, its parameters, and the artefacts' bucket where one is named."""

    name: str
    stack: str
    parameters: Mapping[str, str]
    bucket: str | None
    region: str | None

    @classmethod
    def read(cls, name: str, *more: Path, changes: Mapping[str, str] | None = None) -> "Stage":
        """Read a stage of samconfig.toml; files of parameters and `changes` go before what it says.

        Raises Fault where there is no such stage, or a stack cannot be called so.
        """
        config = tomllib.loads((ROOT / "samconfig.toml").read_text())
        if name not in config or "stack_name" not in config[name].get("global", {}).get("parameters", {}):
            raise Fault(f"samconfig.toml has no stage {name!r}")
        stack = config[name]["global"]["parameters"]["stack_name"]
        if len(stack) > LONGEST_NAME or not stack.replace("-", "").isalnum() or stack != stack.lower():
            raise Fault(f"a stack's name has at most {LONGEST_NAME} lower case letters, digits and hyphens: {stack!r}")
        deploy = config[name].get("deploy", {}).get("parameters", {})
        parameters = parse(deploy.get("parameter_overrides", ""))
        for file in more:
            parameters |= read_file(file)
        return cls(name, stack, parameters | dict(changes or {}), deploy.get("s3_bucket"), deploy.get("region"))

    def session(self) -> Any:
        """Return boto3's session in the stage's region, or the shell's."""
        return boto3.Session(region_name=self.region)


def read_file(path: Path) -> dict[str, str]:
    """Return the parameters of a YAML file: `Issuer: https://issuer.example`, one a line. Raises Fault on others."""
    try:
        found = yaml.safe_load(path.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise Fault(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str | int | float | bool) for value in found.values()):
        raise Fault(f"{path} is no list of parameters, a name, a colon and a value a line")
    return {str(name): str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}


def parse(overrides: Any) -> dict[str, str]:
    """Return `parameter_overrides` of samconfig.toml as a mapping: a file's address, words, or a list of either."""
    parts = [overrides] if isinstance(overrides, str) else list(overrides)
    found: dict[str, str] = {}
    for part in parts:
        if part.startswith("file://"):
            found |= read_file(ROOT / part.removeprefix("file://"))
        else:
            found |= dict(word.split("=", 1) for word in shlex.split(part))
    return found


def describe(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    """Return what CloudFormation says of a stack; None where there is none of that name.

    Whatever else it refuses is raised: who may not look, or asks too often, has not learnt that there is no stack.
    """
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return dict(found)


def status(cloudformation: Any, stack: str) -> str:
    """Return a stack's status; an empty one where there is no stack of that name."""
    found = describe(cloudformation, stack)
    return found["StackStatus"] if found else ""
