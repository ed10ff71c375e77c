"""Responses of each operation: its success, and every error that it can give, with the codes."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from local.example_ids import id_of
from local.openapi import examples, problems
from local.openapi.naming import operation_id, pascal, schema
from local.openapi.schemas import closed, narrowed
from wellspring.errors import WellspringError
from wellspring.jsonapi.errors import error_document
from wellspring.jsonapi.values import CURSOR_PAGINATION, MEDIA_TYPE
from wellspring.resources import SINGLES, Resource
from wellspring.routes import Route, routes

type Object = dict[str, Any]

_JSON = "application/json"
# What the gateway may answer before a function is called, or when it cannot be: its bodies are API Gateway's.
_GATEWAYS = {
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Request Entity Too Large",
    HTTPStatus.TOO_MANY_REQUESTS: "Too Many Requests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal Server Error",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service Unavailable",
}
# Of any route: too many requests at once, a function that fails, one that does not answer in time.
_OF_THE_GATEWAY_ALONE = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_TEXT: Object = {"schema": {"type": "string"}}


def _said(description: str, *kinds: tuple[str, Object, Any]) -> Object:
    """Return a response whose content is of these media types: each with its schema and an example."""
    content = {kind: {"schema": said, "example": example} for kind, said, example in kinds}
    return {"description": description, "content": content}


def responses(route: Route) -> Iterator[tuple[str, str, Object]]:
    """Yield each answer of an operation: its status, a name to share it by, and the response."""
    if route.operation == "mcp":
        yield from _of_agents()
        return
    yield from _successes(route)
    found = problems.by_status(route)
    for status in sorted({*found, *_OF_THE_GATEWAY_ALONE}):
        if status in found:
            yield str(int(status)), _name(route, status, found[status]), failure(status, found[status])
        else:
            yield str(int(status)), f"Gateway{pascal(status.name.lower())}", _of_the_gateway(status)


def _name(route: Route, status: HTTPStatus, found: Sequence[WellspringError]) -> str:
    """Return what to call the answer to errors: by its resource too where the errors are its own."""
    of_resource = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
    of_all = {"create", "update", "release", "release_many", "dismiss"}
    if (route.operation in of_all and status in of_resource) or status == HTTPStatus.CONFLICT:
        return pascal(f"{route.function}_{status.name.lower()}")
    if len(found) == 1:
        of_meta = "meta_" if route.operation in examples.META and status == HTTPStatus.UNPROCESSABLE_ENTITY else ""
        return pascal(f"{of_meta}{found[0].code.lower()}")
    return pascal(f"{route.operation}_{status.name.lower()}")


# ---- errors ---------------------------------------------------------------------------------------------
def failure(status: HTTPStatus, found: Sequence[WellspringError]) -> Object:
    """Return the response of a status with these problems.

    Its schema is that of every error, narrowed to the codes.
    """
    code = {"type": "object", "properties": {"code": {"enum": [problem.code for problem in found]}}}
    said = narrowed("ErrorDocument", properties={"errors": {"type": "array", "items": code}})
    if status in _GATEWAYS:
        # Generators read the first media type alone, and must not stumble over the gateway's answer of that status.
        said = {"anyOf": [said, schema("GatewayError")]}
    content: Object = {MEDIA_TYPE: {"schema": said, "example": error_document(found[0], examples.REQUEST_ID)}}
    if status in _GATEWAYS:
        content |= _gateways_content(status)
    meanings = "\n".join(f"- `{problem.code}`: {problems.meaning(problem)}" for problem in found)
    made: Object = {"description": f"{status.phrase}.\n\n{meanings}", "content": content}
    if found[0].headers:
        made["headers"] = {name.title(): {**_TEXT, "example": value} for name, value in found[0].headers.items()}
    return made


def _of_the_gateway(status: HTTPStatus) -> Object:
    """Return the response of a status with which no function answers this operation."""
    return {"description": f"{status.phrase}, said by the gateway itself.", "content": _gateways_content(status)}


def _gateways_content(status: HTTPStatus) -> Object:
    return {_JSON: {"schema": schema("GatewayError"), "example": {"message": _GATEWAYS[status]}}}


def of_default() -> dict[str, Object]:
    """Return what `$default` answers, which no path of the document stands for."""
    return {
        "DefaultPermanentRedirect": {
            "description": "A known path with a slash at its end: the same path without it.",
            "headers": {"Location": {**_TEXT, "required": True}},
        },
        "DefaultNotFound": failure(HTTPStatus.NOT_FOUND, [problems.UNKNOWN_PATH]),
        "DefaultMethodNotAllowed": failure(HTTPStatus.METHOD_NOT_ALLOWED, [problems.OTHER_METHOD]),
    }


# ---- agents ---------------------------------------------------------------------------------------------
# What a request for agents may be refused with, in JSON-RPC's form (docs/agents.md).
_REFUSED = (
    (HTTPStatus.BAD_REQUEST, "It is no message of the protocol, or of a revision that is not spoken here."),
    (HTTPStatus.FORBIDDEN, "It comes from a page of an origin that may not call."),
    (HTTPStatus.NOT_FOUND, "There is no such method."),
    (HTTPStatus.NOT_ACCEPTABLE, "The client takes no JSON."),
    (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "It is larger than any message."),
    (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "It is sent as something else than JSON."),
    (HTTPStatus.INTERNAL_SERVER_ERROR, "The request could not be completed."),
    (HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer at the moment."),
)


def _of_agents() -> Iterator[tuple[str, str, Object]]:
    """Yield what `POST /mcp` answers: messages of JSON-RPC, whose contents the protocol describes."""
    result = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "{}"}], "isError": False}}
    yield "200", "", _said("The result, or an error of what was asked.", (_JSON, schema("AgentMessage"), result))
    yield "202", "", {"description": "A notification, which is not answered."}
    yield "401", "Unauthorized", failure(HTTPStatus.UNAUTHORIZED, [problems.UNAUTHORIZED])
    for status, description in _REFUSED:
        error = {"jsonrpc": "2.0", "error": {"code": -32600, "message": description}}
        said: Object = schema("AgentMessage")
        if status in _GATEWAYS:
            said = {"anyOf": [said, schema("GatewayError")]}
        yield str(int(status)), f"Agents{pascal(status.name.lower())}", _said(description, (_JSON, said, error))
    too_many = HTTPStatus.TOO_MANY_REQUESTS
    yield str(int(too_many)), f"Gateway{pascal(too_many.name.lower())}", _of_the_gateway(too_many)


# ---- successes ------------------------------------------------------------------------------------------
def _successes(route: Route) -> Iterator[tuple[str, str, Object]]:
    resource = route.resource
    if resource is None:
        yield "200", "", _OPEN[route.operation]
        return
    if problems.is_never_permitted(route):
        return
    match route.operation:
        case "list" | "answers":
            yield "200", "", _page(route, resource)
        case "retrieve":
            yield "200", "", _single(route, resource, f"The {resource.name}.")
            yield "304", "NotModified", {"description": "The client has this answer already.", "headers": _tag()}
        case "answer":
            yield "200", "", _document(resource, f"The {resource.name}.", _path(route))
        case "update" | "release" | "dismiss":
            yield "200", "", _single(route, resource, f"The {resource.name} as it is now.")
        case "status" | "release_many":
            told = f"The {resource.name}."
            single = _single(route, resource, told, is_tagged=False) if resource in SINGLES else _released(resource)
            yield "200", "", single
        case "delete":
            yield "204", "NoContent", {"description": "It is removed: tombstoned, kept as history."}
        case _:
            made = _single(route, resource, f"The {resource.name} was made.")
            location = {"description": "Its path.", "required": True, "schema": schema("Link")}
            yield "201", "", {**made, "headers": {**made["headers"], "Location": location}}
            if resource.policy == "selection":
                yield "200", "", _single(route, resource, f"There was such a {resource.name}: as it is now.")


def _tag() -> Object:
    tag = {"type": "string", "pattern": '^"[^"]+"$'}
    return {"ETag": {"description": "For `If-Match` and `If-None-Match`.", "required": True, "schema": tag}}


def _single(route: Route, resource: Resource, description: str, *, is_tagged: bool = True) -> Object:
    path = resource.route if resource in SINGLES else f"{resource.route}/{id_of(resource.type)}"
    made = _document(resource, description, path) | ({"headers": _tag()} if is_tagged else {})
    links = _links(route, resource)
    return {**made, "links": links} if links else made


def _document(resource: Resource, description: str, path: str) -> Object:
    found = examples.single_document(resource, path)
    return _said(description, (MEDIA_TYPE, schema(f"{pascal(resource.type)}Document"), found))


def _released(resource: Resource) -> Object:
    counts = {"matching": 120, "released": 97, "still_parked": 3, "remaining": 20}
    description = f"How many {resource.names} there were, were released, stay parked, and are left."
    return _said(description, (MEDIA_TYPE, schema("ReleaseDocument"), {"jsonapi": {"version": "1.1"}, "meta": counts}))


def _path(route: Route) -> str:
    """Return the path of an operation with the examples' ids."""
    path = route.path
    for name, relationship in route.within.items():
        path = path.replace(f"{{{name}}}", id_of(relationship))
    return path if route.of is None else path.replace("{id}", id_of(route.of.type))


def _page(route: Route, resource: Resource) -> Object:
    path = _path(route)
    # A list within something says what it holds without being asked to.
    given = {} if route.within else {"page": {"value": examples.page_document(resource, path, ())}}
    include = ("provider",) if route.within else resource.includes[:1]
    if include or route.operation == "list":
        given["with_include"] = {"value": examples.page_document(resource, path, include)}
    return {
        "description": f"A page of {resource.names}. Its type names the profile {CURSOR_PAGINATION} if `Accept` does.",
        "content": {MEDIA_TYPE: {"schema": schema(f"{pascal(resource.type)}Collection"), "examples": given}},
    }


def _links(route: Route, resource: Resource) -> Object:
    """Return the operations that take the id of the resource in an answer."""
    return {
        operation_id(other): {"operationId": operation_id(other), "parameters": {"id": "$response.body#/data/id"}}
        for other in routes()
        if other.resource is resource and other is not route and other.path == f"{resource.route}/{{id}}"
    }


_PAGE = _said("A page for a browser.", ("text/html", {"type": "string"}, "<!doctype html>"))
_METADATA = {
    "resource": "https://ledger.example.com/mcp",
    "resource_name": "Wellspring, the ledger of connections",
    "authorization_servers": ["https://auth.example.com/"],
    "bearer_methods_supported": ["header"],
    "resource_documentation": "https://ledger.example.com/docs",
}
_OPEN: dict[str, Object] = {
    "metadata": _said(
        "Metadata of an OAuth 2.0 protected resource (RFC 9728).",
        (_JSON, {"required": ["resource", "authorization_servers"]}, _METADATA),
    ),
    "health": _said("The database answers.", (_JSON, closed({"status": {"const": "ok"}}, "status"), {"status": "ok"})),
    "openapi": _said("An OpenAPI 3.1 document.", (_JSON, {"required": ["openapi"]}, {"openapi": "3.1.1"})),
    "docs": _PAGE,
    "console": _PAGE,
    "asset": _said(
        "A script or the styles of the console, to be kept for ever.",
        ("text/javascript", {"type": "string"}, "export const name = 1;"),
        ("text/css", {"type": "string"}, "body{margin:0}"),
    ),
}
