"""The whole document: what the API is, and an operation for each route."""

from collections.abc import Mapping
from typing import Any

from local.openapi import examples
from local.openapi.naming import operation_id, ref, schema, tag
from local.openapi.parameters import FILE, PROTOCOL_VERSION, enumerations, parameters
from local.openapi.problems import codes
from local.openapi.responses import of_default, responses
from local.openapi.schemas import all_answers, basics, request, request_name, request_to
from local.openapi.words import AGENTS, DESCRIPTION, SIGNING_IN, TAGS, permission
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import Resource
from wellspring.routes import Route, routes

type Object = dict[str, Any]

OPENAPI = "3.1.1"
VERSION = "1.0.0"
JWT = "jwt"


class _Components:
    """The parts that operations share."""

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Object]] = {
            "schemas": {**basics(codes()), **enumerations(), **all_answers()},
            "responses": of_default(),
            "parameters": {},
        }

    def shared(self, kind: str, name: str, part: Object) -> Object:
        """Return a reference to `part`, or itself where there is another part of that name."""
        return ref(kind, name) if self.kinds[kind].setdefault(name, part) == part else part


def document() -> Object:
    """Return the OpenAPI document of every route that the declarations have."""
    components = _Components()
    paths: dict[str, Object] = {}
    for route in routes():
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components)
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": SIGNING_IN}
    return {
        "openapi": OPENAPI,
        "info": {"title": "Wellspring", "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{JWT: []}],
        "tags": _tags(),
        "paths": paths,
        "components": {**components.kinds, "securitySchemes": {JWT: scheme}},
    }


def _tags() -> list[Mapping[str, str]]:
    described = {tag(route): TAGS[route.resource.policy] for route in routes() if route.resource}
    return [
        {"name": name, "description": described.get(name, TAGS["none"])} for name in dict.fromkeys(map(tag, routes()))
    ]


def _operation(route: Route, components: _Components) -> Object:
    made: Object = {"operationId": operation_id(route), "tags": [tag(route)], "summary": route.summary}
    resource = route.resource
    if resource is not None:
        made["description"] = permission(resource.policy, route.operation, route.function)
        made["parameters"] = [components.shared("parameters", *named) for named in parameters(route, resource)]
        if route.operation in {"create", "update"}:
            made["requestBody"] = _body(route, resource, components)
        elif route.operation in examples.META:
            content = {
                "schema": schema(_request_of_kept(route, resource)),
                "example": examples.META[route.operation][resource.type],
            }
            made["requestBody"] = {"required": True, "content": {MEDIA_TYPE: content}}
    elif route.operation == "asset":
        made["parameters"] = [FILE]
    elif route.operation == "mcp":
        made["description"] = AGENTS
        content = {"schema": schema("AgentMessage"), "example": {"jsonrpc": "2.0", "id": 1, "method": "ping"}}
        made["parameters"] = [PROTOCOL_VERSION]
        made["requestBody"] = {"required": True, "content": {"application/json": content}}
    if route.open_to_all:
        made["security"] = []
    made["responses"] = {
        status: components.shared("responses", name, response) if name else response
        for status, name, response in responses(route)
    }
    return made


def _request_of_kept(route: Route, resource: Resource) -> str:
    """Return the name of the schema of what dismisses what is kept, or releases several of it."""
    if route.operation == "dismiss":
        return "DismissRequest"
    return "ReleaseRequest" if resource.policy == "feed" else "ReleaseMessagesRequest"


def _body(route: Route, resource: Resource, components: _Components) -> Object:
    components.kinds["schemas"][request_name(resource, route.operation)] = request(resource, route.operation)
    example = examples.request_document(resource, route.operation, frozenset(route.within.values()))
    return {"required": True, "content": {MEDIA_TYPE: {"schema": request_to(route, resource), "example": example}}}
