"""Calls the functions as API Gateway does, in process: an HTTP request becomes a payload 2.0 event."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

from tests.support.world import Row
from wellspring.resources import resource_of

TYPES = ("account", "company", "people")
PROVENANCE = tuple(resource_of(f"{type_}_workspace_connector") for type_ in TYPES)


@dataclass(frozen=True)
class Context:
    """What the functions may ask of Lambda's context."""

    aws_request_id: str = "lambda-request"


@dataclass(frozen=True)
class Caller:
    """Somebody with claims; `claims` None is somebody without."""

    claims: Mapping[str, object] | None


ANONYMOUS = Caller(None)


def person(row: Row, **claims: object) -> Caller:
    """Return the caller who is the person `row`."""
    return Caller({"sub": str(row.id), **claims})


def service(*scopes: str, client_id: str = "sync-pipeline") -> Caller:
    """Return a service with these scopes."""
    return Caller({"sub": client_id, "scope": " ".join(scopes)})


READER = service("system:read")


@dataclass(frozen=True)
class Reply:
    """What a function answered."""

    status: int
    headers: Mapping[str, str]
    body: str
    request_id: str
    document: Any = field(default=None)

    @property
    def data(self) -> Any:
        return self.document["data"]

    @property
    def ids(self) -> list[UUID]:
        return [UUID(item["id"]) for item in self.document["data"]]

    @property
    def errors(self) -> Any:
        return self.document["errors"]

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.document["errors"]]


def event(path: str, query: str = "", caller: Caller = ANONYMOUS, parameters: Mapping[str, str] | None = None) -> Any:
    """Return the event that API Gateway sends for a GET."""
    context: dict[str, Any] = {"requestId": str(uuid4()), "http": {"method": "GET", "path": path}, "stage": "$default"}
    if caller.claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(caller.claims), "scopes": None}}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"GET {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"accept": "application/vnd.api+json"},
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if parameters:
        made["pathParameters"] = dict(parameters)
    return made


def get(url: str, caller: Caller = ANONYMOUS) -> Reply:
    """Call the function behind `GET url` (`/v1/<collection>[/<id>][?query]`) as `caller`."""
    path, _, query = url.partition("?")
    _, _, collection, *rest = path.split("/")
    folder = collection.replace("-", "_").removesuffix("s")
    module = importlib.import_module(f"{folder}.{'retrieve' if rest else 'list'}")
    sent = event(path, query, caller, {"id": unquote(rest[0])} if rest else None)
    answer = module.handler(sent, Context())
    return Reply(
        status=answer["statusCode"],
        headers=answer["headers"],
        body=answer["body"],
        request_id=sent["requestContext"]["requestId"],
        document=json.loads(answer["body"]),
    )
