"""The template as CloudFormation gets it, resolved for one choice of parameters, and what follows from it."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from local import deploy
from local.settings import ROOT

PYTHON = ROOT / ".local" / "sam-venv" / "bin" / "python"
NOTHING = object()
# CloudFormation takes 500; what is between is for functions to come.
RESOURCES_AT_MOST = 420
REGION = "eu-west-1"
MIGRATION = "SchemaMigrateFunction"


def source(**changes: str) -> str:
    """Return template.yaml as `sam package` sends it, the code in a bucket; `changes` name other code."""
    text = (ROOT / "template.yaml").read_text()
    text = text.replace(deploy.UNMARKED, changes.pop("configuration", deploy.UNMARKED))
    for folder in ("functions/", "layers/shared/", "layers/migrations/", "layers/console/"):
        name = folder.strip("/").replace("/", "_")
        text = text.replace(f"Uri: {folder}", f"Uri: s3://bucket/{changes.get(name, name)}")
    return text


@cache
def schemas() -> dict[str, Any]:
    """Return what CloudFormation's registry says of each kind of resource in the template: cfn-lint has its schemas."""
    code = """
import json, sys
from pathlib import Path
import cfnlint
data = Path(cfnlint.__file__).parent / "data" / "schemas"
kinds = json.loads((data / "providers" / "eu-west-1.json").read_text())
found = {kind: json.loads((data / "resources" / f"{kinds[kind]}.json").read_text()) for kind in json.load(sys.stdin)}
print(json.dumps(found))
"""
    made = {each["Type"] for each in translate()["Resources"].values() if not each["Type"].startswith("Custom::")}
    said = subprocess.run(
        [PYTHON, "-c", code], input=json.dumps(sorted(made)), capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(said.stdout)
    return found


@cache
def _translated(text: str, parameters: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return subprocess.run(
            [PYTHON, Path(__file__).with_name("translate.py"), file.name],
            input=parameters,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


def translate(parameters: Mapping[str, str] | None = None, **changes: str) -> Any:
    """Return the document that SAM's transform makes of the template."""
    given = {"Issuer": "https://issuer.example"} | dict(parameters or {})
    return json.loads(_translated(source(**changes), json.dumps(given, sort_keys=True)))


@dataclass(frozen=True)
class Statement:
    """One allowing or denying sentence of a policy; `actions` and `resources` are always lists."""

    effect: str
    actions: tuple[str, ...]
    resources: tuple[Any, ...]
    condition: Mapping[str, Any]

    def __str__(self) -> str:
        """Say it shortly: `s3:PutObject on FILES/results/*`, and under which condition."""
        limits = ["if", json.dumps(self.condition)] if self.condition else []
        return " ".join((*self.actions, "on", *map(shortly, self.resources), *limits))


def shortly(resource: Any) -> str:
    """Return what a resource of a policy is in this stack: its bucket of files is FILES, its database DATABASE."""
    match resource:
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"{'DATABASE' if name in {'Database', 'AuroraCluster'} else name}.{attribute}"
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            text = re.sub(r"^arn:.+:dbuser:\$\{(\w+)\}/wellspring_", r"\1/", text)
            text = re.sub(r"^arn:.+:::\$\{AWS::StackName\}-feed-\$\{AWS::AccountId\}-\$\{AWS::Region\}", "FILES", text)
            return re.sub("^arn:.+:function:", "function:", text)
    return str(resource)


class Stack:
    """What is made for `parameters`: conditions decided, `Fn::If` chosen, references left as they are."""

    def __init__(self, region: str = REGION, **parameters: str) -> None:
        self.region = region
        self.document = translate(parameters)
        self.parameters = {
            name: {"Issuer": "https://issuer.example"}.get(name, declared.get("Default", ""))
            if name not in parameters
            else parameters[name]
            for name, declared in self.document["Parameters"].items()
        }
        self.conditions = {name: self._decide({"Condition": name}) for name in self.document["Conditions"]}
        self.resources: dict[str, dict[str, Any]] = {
            name: self._choose(resource)
            for name, resource in self.document["Resources"].items()
            if self.conditions.get(resource.get("Condition"), True)
        }

    def _decide(self, value: Any) -> bool:
        match value:
            case {"Condition": name}:
                return self._decide(self.document["Conditions"][name])
            case {"Fn::Not": [inner]}:
                return not self._decide(inner)
            case {"Fn::And": several}:
                return all(self._decide(inner) for inner in several)
            case {"Fn::Equals": [{"Ref": "AWS::Region"}, other]}:
                return bool(self.region == other)
            case {"Fn::Equals": [{"Ref": name} | {"Fn::Join": ["", {"Ref": name}]}, other]}:
                return str(self.parameters[name]) == str(other)
        raise AssertionError(value)

    def _choose(self, value: Any) -> Any:
        match value:
            case {"Fn::If": [condition, yes, no]}:
                return self._choose(yes if self.conditions[condition] else no)
            case {"Ref": "AWS::NoValue"}:
                return NOTHING
            case dict():
                found = {key: self._choose(inner) for key, inner in value.items()}
                return {key: inner for key, inner in found.items() if inner is not NOTHING}
            case list():
                return [inner for inner in map(self._choose, value) if inner is not NOTHING]
        return value

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of each resource of `kind` by its name."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == kind
        }

    def only(self, kind: str) -> dict[str, Any]:
        """Return the properties of the one resource of `kind`."""
        (properties,) = self.of_type(kind).values()
        return properties

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The properties of each function."""
        return self.of_type("AWS::Lambda::Function")

    def statements(self, role: str) -> Iterator[Statement]:
        """Give the sentences of a role's own policies."""
        for policy in self.resources[role]["Properties"].get("Policies", []):
            yield from sentences(policy["PolicyDocument"])

    def needs(self, name: str) -> set[str]:
        """Return the resources that CloudFormation makes before `name`, however indirectly."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            resource = self.resources[waiting.pop()]
            after = resource.get("DependsOn", [])
            said = referred(resource.get("Properties", {}))
            others = {*([after] if isinstance(after, str) else after), *said} & self.resources.keys() - found
            found |= others
            waiting += others
        return found


def referred(value: Any, conditions: Mapping[str, Any] = MappingProxyType({})) -> Iterator[str]:
    """Give the names that a value is made of, those in the `conditions` that choose it too."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            yield name
        case {"Fn::If": [condition, *chosen]}:
            yield from referred([conditions[condition], chosen], conditions)
        case {"Condition": str(condition)}:
            yield from referred(conditions[condition], conditions)
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{(\w+)", text)
        case {"Fn::Sub": [str(text), values]}:
            yield from referred([{"Fn::Sub": text}, values], conditions)
        case dict() | list():
            for inner in value.values() if isinstance(value, dict) else value:
                yield from referred(inner, conditions)


def databases(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return what holds the data: the instance, or the cluster."""
    return stack.of_type("AWS::RDS::DBCluster") or stack.of_type("AWS::RDS::DBInstance")


def sentences(document: Mapping[str, Any]) -> Iterator[Statement]:
    """Give the sentences of a policy document."""

    def several(value: Any) -> tuple[Any, ...]:
        return tuple(value) if isinstance(value, list) else (value,)

    for statement in several(document["Statement"]):
        yield Statement(
            statement["Effect"],
            several(statement["Action"]),
            several(statement.get("Resource", "*")),
            statement.get("Condition", {}),
        )


if __name__ == "__main__":
    made = translate()
    print(f"{len(made['Resources'])} of 500 resources for {len(Stack().functions)} functions")  # noqa: T201  a command
