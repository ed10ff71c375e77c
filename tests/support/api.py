"""Calls the functions as API Gateway does, in process: an HTTP request becomes a payload 2.0 event."""

import base64
import gzip
import importlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID, uuid4

import pytest

from local.gateway import Router
from local.template import Function, Template
from tests.support.databases import acting_as
from tests.support.world import Row
from wellspring.access.principal import Principal, principal_of, scope_of
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import ledgers, resource_of
from wellspring.settings import CallerSettings

TYPES = tuple(ledgers())
# More pages than any list of a test has.
ENDLESS = 1000
TEMPLATE = Template()
ROUTER = Router(TEMPLATE.routes)
FUNCTIONS = {route.key: route.function for route in TEMPLATE.routes}


def one_of_each_kind(types: Iterable[str]) -> list[Any]:
    """Return these types for a test's parameter: in `make test` one of each kind of object, in `make long` the others.

    What is a rule of a kind is said at the kind (docs/architecture.md, tests/declaring).
    """
    kinds: dict[str, str] = {}
    tried = [(type_, kinds.setdefault(resource_of(type_).policy, type_)) for type_ in types]
    return [pytest.param(type_, marks=() if type_ == first else pytest.mark.long) for type_, first in tried]


of_every_ledger = pytest.mark.parametrize("type_", one_of_each_kind(TYPES))


@dataclass(frozen=True)
class Context:
    """What the functions may ask of Lambda's context."""

    aws_request_id: str = "lambda-request"
    milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        """Say how much time is left: it does not pass."""
        return self.milliseconds


@dataclass(frozen=True)
class TickingContext(Context):
    """A context whose time passes."""

    began: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds - int((time.monotonic() - self.began) * 1000)


USUAL = Context()


@dataclass(frozen=True)
class Caller:
    """Somebody with claims; `claims` None is somebody without."""

    claims: Mapping[str, object] | None

    @property
    def principal(self) -> Principal:
        """Who they are to product code."""
        return principal_of(self.claims, CallerSettings())

    @property
    def scope(self) -> str:
        """For whom their transactions work, as product code says it."""
        return scope_of(self.principal)


ANONYMOUS = Caller(None)


def person(row: Row, **claims: object) -> Caller:
    """Return the caller who is the person `row`."""
    return Caller({"sub": str(row.id), **claims})


def service(*scopes: str, client_id: str = "sync-pipeline") -> Caller:
    """Return a service with these scopes."""
    return Caller({"sub": client_id, "client_id": client_id, "scope": " ".join(scopes)})


READER = service("system:read")
PIPELINE = service("system:read", "sync:write")
MATCHER = service("system:read", "providers:match", client_id="provider-matcher")
# An id of nothing, and the same in every process that collects tests.
NOWHERE = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


@dataclass(frozen=True)
class Reply:
    """What a function answered."""

    status: int
    headers: Mapping[str, str]
    body: str
    request_id: str
    document: Any = field(default=None)

    def without(self, id_: UUID) -> str:
        """Return the body as it would be in the answer to another request, for another id."""
        return self.body.replace(self.request_id, "").replace(str(id_), "")

    @property
    def error(self) -> Any:
        """The only error."""
        (error,) = self.document["errors"]
        assert (error["id"], error["status"]) == (self.request_id, str(self.status))
        return error

    @property
    def data(self) -> Any:
        return self.document["data"]

    @property
    def ids(self) -> list[UUID]:
        return [UUID(item["id"]) for item in self.data]

    @property
    def errors(self) -> Any:
        return self.document["errors"]

    @property
    def sources(self) -> list[Any]:
        return [error.get("source") for error in self.errors]

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.errors]


def event(
    path: str,
    query: str = "",
    caller: Caller = ANONYMOUS,
    parameters: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    route: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> Any:
    """Return the event that API Gateway sends for a request."""
    context: dict[str, Any] = {"requestId": str(uuid4()), "http": {"method": method, "path": path}, "stage": "$default"}
    if caller.claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(caller.claims), "scopes": None}}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route or f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"accept": MEDIA_TYPE} if headers is None else dict(headers),
        "requestContext": context,
        "isBase64Encoded": False,
    }
    made |= {"pathParameters": dict(parameters)} if parameters else {}
    return made | ({} if body is None else {"body": body})


def call(
    method: str,
    url: str,
    caller: Caller = ANONYMOUS,
    document: Any = None,
    *,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    context: Context = USUAL,
) -> Reply:
    """Call the function that the template has for `method` and `url`, with the role it logs in with.

    The body is `document`, as JSON values, or `body` as text; an empty value takes a usual header away.
    """
    path, _, query = url.partition("?")
    found = ROUTER.find(method, path)
    assert found is not None
    text = json.dumps(document) if document is not None else body
    usual = {"accept": MEDIA_TYPE} | ({"content-type": MEDIA_TYPE} if text is not None else {})
    sent = event(
        unquote(path),
        query,
        caller,
        found.parameters,
        method=method,
        route=found.route.key,
        headers={name: value for name, value in (usual | dict(headers or {})).items() if value},
        body=text,
    )
    return send(sent, context)


def invoked(function: Function, sent: Any, context: Context = USUAL) -> Any:
    """Give an event to a function, which logs in with the role of the template."""
    module = importlib.import_module(function.handler.removesuffix(".handler"))
    role: Any = function.environment["DB_USER"]
    with acting_as(role):
        return module.handler(sent, context)


def send(sent: Any, context: Context = USUAL) -> Reply:
    """Give an event, as it is, to the function that the template has for its route."""
    answer = invoked(FUNCTIONS[sent["routeKey"]], sent, context)
    text = _text_of(answer)
    return Reply(
        status=answer["statusCode"],
        headers=answer["headers"],
        body=text,
        request_id=sent["requestContext"]["requestId"],
        document=json.loads(text) if "json" in answer["headers"].get("content-type", "") else None,
    )


def _text_of(answer: Mapping[str, Any]) -> str:
    """Return the body of an answer as who asked reads it: unpacked, where it is packed."""
    text: str = answer.get("body", "")
    if not answer.get("isBase64Encoded"):
        return text
    content = base64.b64decode(text, validate=True)
    return (gzip.decompress(content) if answer["headers"].get("content-encoding") == "gzip" else content).decode()


def get(url: str, caller: Caller = ANONYMOUS, **headers: str) -> Reply:
    """GET; a header's name is written with underscores, here and below."""
    return call("GET", url, caller, headers=_headers(headers))


def walk(url: str, caller: Caller, link: str = "next") -> list[Reply]:
    """Follow `link` from `url` to the end; return the pages in the order of the list, whichever way they were met."""
    pages: list[Reply] = []
    following: str | None = url
    while following is not None:
        reply = get(following, caller)
        assert reply.status == 200, reply.body
        pages.append(reply)
        assert len(pages) < ENDLESS, "the walk does not end"
        following = reply.document["links"][link]
    return pages if link == "next" else pages[::-1]


def walked(url: str, caller: Caller, link: str = "next") -> list[UUID]:
    """Return the ids on all pages from `url` on."""
    return [id_ for page in walk(url, caller, link) for id_ in page.ids]


def walked_text(url: str, caller: Caller, link: str = "next") -> list[str]:
    """Return the ids on all pages from `url` on, as they are written: of what has no row they are no UUIDs."""
    return [item["id"] for page in walk(url, caller, link) for item in page.data]


def walked_both_ways(url: str, caller: Caller, size: int) -> list[str]:
    """Return the ids on all pages of `url`, which has a query; back from the last of them stand all before it."""
    paged = f"{url}&page[size]={size}"
    items = [item for page in walk(paged, caller) for item in page.data]
    first, last = (quote(items[place]["meta"]["page"]["cursor"]) for place in (0, -1))
    ids = [item["id"] for item in items]
    assert walked_text(f"{paged}&page[before]={last}", caller, "prev") == ids[:-1]
    assert get(f"{paged}&page[before]={first}", caller).data == []
    return ids


def post(url: str, caller: Caller, document: Any, **headers: str) -> Reply:
    return call("POST", url, caller, document, headers=_headers(headers))


def patch(url: str, caller: Caller, document: Any, **headers: str) -> Reply:
    return call("PATCH", url, caller, document, headers=_headers(headers))


def delete(url: str, caller: Caller, **headers: str) -> Reply:
    return call("DELETE", url, caller, headers=_headers(headers))


def draft(type_: str, attributes: Mapping[str, Any] | None = None, id_: object = None, **related: Row) -> Any:
    """Return the document that asks for a resource of `type_`, related to these rows."""
    linkage = {name: {"data": {"type": row.type, "id": str(row.id)}} for name, row in related.items()}
    said = {
        "type": type_,
        "id": None if id_ is None else str(id_),
        "attributes": None if attributes is None else dict(attributes),
        "relationships": linkage or None,
    }
    return {"data": {name: value for name, value in said.items() if value is not None}}


def _headers(written: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in written.items()}
