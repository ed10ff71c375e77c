"""template.yaml as the local stack reads it: functions, routes, the queues and who feeds from them.

Only what the stack needs is resolved: Ref, GetAtt and Sub over parameters (their defaults), pseudo
parameters and resources. A reference that has no local meaning stays a readable `<Name>`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from local.errors import Fault
from local.settings import ACCOUNT_ID, REGION, ROOT

STACK_NAME = "wellspring"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": STACK_NAME,
    "AWS::URLSuffix": "amazonaws.com",
}
FUNCTION = "AWS::Serverless::Function"
QUEUE = "AWS::SQS::Queue"
BUCKET = "AWS::S3::Bucket"
# Of `rate(5 minutes)`.
RATE_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
HTTP_API = "AWS::Serverless::HttpApi"
# The function whose alias an integration calls.
CALLED = re.compile(r"/functions/\$\{(\w+)\.Arn\}:live/invocations$")


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short tags: `!Ref x` becomes `{"Ref": x}`, `!Sub x` `{"Fn::Sub": x}`."""


def _tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  YAML has three kinds of node
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


@dataclass(frozen=True)
class Route:
    """One route of the HTTP API. `method` and `path` are `$default` for the catch-all."""

    method: str
    path: str
    function: "Function"
    needs_token: bool

    @property
    def key(self) -> str:
        """The route key as API Gateway writes it."""
        return self.path if self.path == "$default" else f"{self.method} {self.path}"


@dataclass(frozen=True)
class Cors:
    """Which pages of other origins may call the HTTP API, and how."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    exposed: tuple[str, ...]
    seconds: int


@dataclass(frozen=True)
class QueueSource:
    """A function's subscription to a queue."""

    queue: str
    batch_size: int
    reports_failures: bool
    maximum_concurrency: int


@dataclass(frozen=True)
class Function:
    """One Lambda function: `environment` is complete, `timeout` in seconds, `memory` in MB, `layers` are folders."""

    name: str
    handler: str
    timeout: int
    memory: int
    environment: Mapping[str, str]
    events: tuple[Mapping[str, Any], ...]
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Queue:
    """One SQS queue; `attributes` are those of CreateQueue but for the redrive policy, as strings."""

    logical_id: str
    name: str
    attributes: Mapping[str, str]
    dead_letter_queue: str | None
    maximum_receives: int

    @property
    def arn(self) -> str:
        """The queue's ARN in the local region and account."""
        return f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{self.name}"


@dataclass(frozen=True)
class Bucket:
    """The bucket of files: its name, and which queue is told of a new file under which prefix."""

    name: str
    notified: tuple[tuple[str, str], ...]


def _seconds(rate: str) -> float:
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", rate)
    if found is None:
        raise Fault(f"template.yaml: {rate} is no rate")
    return int(found[1]) * RATE_SECONDS[found[2]]


class Template:
    """The parsed template. Raises Fault when the file is no SAM template."""

    def __init__(self, path: Path = ROOT / "template.yaml") -> None:
        try:
            document = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506  a safe loader with added tags
            self.document: dict[str, Any] = document
            self.resources: dict[str, dict[str, Any]] = dict(document["Resources"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise Fault(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error

    def _of_type(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for logical_id, resource in self.resources.items():
            if resource["Type"] == kind:
                yield logical_id, resource.get("Properties", {})

    # ---- references -----------------------------------------------------------------------------------
    def _reference(self, name: str) -> Any:
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if name in self.document.get("Parameters", {}):
            return self.document["Parameters"][name].get("Default", f"<{name}>")
        if name in self.resources and self.resources[name]["Type"] == QUEUE:
            return self.queues[name].name
        return f"<{name}>"

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute == "Arn" and self.resources.get(name, {}).get("Type") == QUEUE:
            return self.queues[name].arn
        return f"<{name}.{attribute}>"

    def _substitute(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            return self._attribute(name, attribute) if attribute else str(self._reference(name))

        return re.sub(r"\$\{([^!}][^}]*)\}", value, text)

    def resolve(self, value: Any) -> Any:
        """Return `value` with its intrinsic functions replaced by what they stand for locally."""
        match value:
            # A choice is a deployment's and has no meaning here: it stays a name too.
            case {"Ref": str(name)} | {"Fn::If": [str(name), _, _]}:
                return self._reference(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::Sub": str(text)}:
                return self._substitute(text)
            case dict():
                return {key: self.resolve(inner) for key, inner in value.items()}
            case list():
                return [self.resolve(inner) for inner in value]
        return value

    # ---- what the stack reads -------------------------------------------------------------------------
    @cached_property
    def queues(self) -> dict[str, Queue]:
        """Every queue by its logical id."""
        return {name: self._queue(name, properties) for name, properties in self._of_type(QUEUE)}

    def _queue(self, logical_id: str, properties: dict[str, Any]) -> Queue:
        redrive = properties.get("RedrivePolicy", {})
        target = redrive.get("deadLetterTargetArn", {}).get("Fn::GetAtt", [None])[0]
        # What encrypts it is a deployment's choice.
        encryption = {"KmsMasterKeyId", "SqsManagedSseEnabled"}
        apart = {"QueueName", "RedrivePolicy", "RedriveAllowPolicy", "Tags"} | encryption
        return Queue(
            logical_id=logical_id,
            name=self.resolve(properties["QueueName"]),
            attributes={
                key: str(value).lower() if isinstance(value, bool) else str(self.resolve(value))
                for key, value in properties.items()
                if key not in apart
            },
            dead_letter_queue=target,
            maximum_receives=int(redrive.get("maxReceiveCount", 0)),
        )

    @cached_property
    def functions(self) -> dict[str, Function]:
        """Every function by its logical id, Globals merged in as SAM does."""
        shared = self.document.get("Globals", {}).get("Function", {})
        return {name: self._function(name, shared, own) for name, own in self._of_type(FUNCTION)}

    def _function(self, name: str, shared: dict[str, Any], own: dict[str, Any]) -> Function:
        variables = shared.get("Environment", {}).get("Variables", {}) | own.get("Environment", {}).get("Variables", {})
        merged = shared | own
        return Function(
            name=name,
            handler=merged["Handler"],
            timeout=int(self.resolve(merged.get("Timeout", 3))),
            memory=int(self.resolve(merged.get("MemorySize", 128))),
            environment={key: str(self.resolve(value)) for key, value in variables.items()},
            events=tuple(own.get("Events", {}).values()),
            # SAM adds the lists together.
            layers=tuple(
                self.resources[layer["Ref"]]["Properties"]["ContentUri"].rstrip("/")
                for layer in (*shared.get("Layers", ()), *own.get("Layers", ()))
            ),
        )

    @property
    def _api(self) -> dict[str, Any]:
        """The HTTP API's properties; empty where there is no API."""
        return next((properties for _, properties in self._of_type(HTTP_API)), {})

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """Every route of the HTTP API."""
        return tuple(
            self._route(path, method, operation)
            for path, operations in self._api.get("DefinitionBody", {"paths": {}})["paths"].items()
            for method, operation in operations.items()
        )

    def _route(self, path: str, method: str, operation: dict[str, Any]) -> Route:
        is_default = operation.get("isDefaultRoute", False)
        found = CALLED.search(operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"])
        if found is None:
            raise Fault(f"template.yaml: {method} {path} calls no function")
        return Route(
            method="$default" if is_default else method.upper(),
            path="$default" if is_default else path,
            function=self.functions[found[1]],
            needs_token="security" in operation,
        )

    @cached_property
    def audience(self) -> tuple[str, ...]:
        """The audiences of which a token must name one."""
        for authorizer in self._api.get("Auth", {}).get("Authorizers", {}).values():
            separator, several = authorizer["JwtConfiguration"]["audience"]["Fn::Split"]
            return tuple(str(self.resolve(several)).split(separator))
        return ()

    @cached_property
    def access_log(self) -> str:
        """What API Gateway writes of each request, with the names of its variables in it."""
        return str(self._api.get("AccessLogSettings", {}).get("Format", ""))

    @cached_property
    def called(self) -> dict[str, Function]:
        """Each function that a route, a queue or a schedule calls, by its logical id."""
        routed = {route.function.name for route in self.routes}
        return {name: function for name, function in self.functions.items() if function.events or name in routed}

    def cors(self, origins: Sequence[str]) -> Cors | None:
        """Return what the API allows pages of `origins`; None where there are none."""
        if not origins:
            return None
        _, declared, _ = self._api["CorsConfiguration"]["Fn::If"]
        return Cors(
            origins=tuple(origins),
            methods=tuple(declared["AllowMethods"]),
            headers=tuple(declared["AllowHeaders"]),
            exposed=tuple(declared["ExposeHeaders"]),
            seconds=int(declared["MaxAge"]),
        )

    @cached_property
    def queue_sources(self) -> tuple[tuple[Function, QueueSource], ...]:
        """Every function that is fed from a queue, with the mapping's settings."""
        return tuple(
            (function, self._source(event["Properties"]))
            for function in self.functions.values()
            for event in function.events
            if event["Type"] == "SQS"
        )

    @cached_property
    def schedules(self) -> tuple[tuple[Function, float], ...]:
        """Every function on a schedule, and its seconds. Raises Fault for a schedule that is no rate."""
        return tuple(
            (function, _seconds(str(event["Properties"]["Schedule"])))
            for function in self.functions.values()
            for event in function.events
            if event["Type"] == "Schedule"
        )

    @cached_property
    def bucket(self) -> Bucket:
        """The one bucket. Raises Fault when there is none."""
        for _, properties in self._of_type(BUCKET):
            notified = properties["NotificationConfiguration"]["QueueConfigurations"]
            return Bucket(
                name=self.resolve(properties["BucketName"]),
                notified=tuple(
                    (one["Queue"]["Fn::GetAtt"][0], one["Filter"]["S3Key"]["Rules"][0]["Value"]) for one in notified
                ),
            )
        raise Fault("template.yaml has no bucket")

    @staticmethod
    def _source(event: dict[str, Any]) -> QueueSource:
        return QueueSource(
            queue=event["Queue"]["Fn::GetAtt"][0],
            batch_size=int(event.get("BatchSize", 10)),
            reports_failures="ReportBatchItemFailures" in event.get("FunctionResponseTypes", []),
            maximum_concurrency=int(event.get("ScalingConfig", {}).get("MaximumConcurrency", 1000)),
        )
