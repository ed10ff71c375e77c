"""What answers and requests look like: one schema for each kind of document, made from the declarations.

Answers are described completely (`additionalProperties: false`), so that whatever the service says beyond its
declarations is seen by the tests that compare the two. Requests are described as they are read: an attribute or
relationship that is unknown or not the client's to say is refused, other members are ignored, as JSON:API demands.
"""

from collections.abc import Iterator
from typing import Any

from wellspring.jsonapi.body import MAX_LINKAGES, MAX_TEXT
from wellspring.jsonapi.values import CURSOR_PAGINATION
from wellspring.openapi import examples
from wellspring.openapi.naming import pascal, schema
from wellspring.queries import MAX_TOTAL
from wellspring.resources import DIRECTIONS, Attribute, Relationship, Resource, resource_of, resources
from wellspring.routes import Route

type Object = dict[str, Any]

# What str.strip takes away, spelt out because regular expressions disagree about \s.
_BLANK = r"\t-\r\u001c- \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
TEXT_PATTERN = rf"^[^\u0000]*[^\u0000{_BLANK}][^\u0000]*$"
NEVER: Object = {"not": {}}
# JSON:API 1.1, "@-Members".
_IGNORED: Object = {"patternProperties": {"^@": True}}


def closed(properties: Object, *required: str) -> Object:
    """Return the schema of an object that has these members and no others."""
    return {
        "type": "object",
        "properties": properties,
        **({"required": list(required)} if required else {}),
        "additionalProperties": False,
    }


def open_(properties: Object, *required: str) -> Object:
    """Return the schema of an object that may have other members too."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def basics(codes: list[str]) -> dict[str, Object]:
    """Return the schemas that no resource has to itself.

    Args:
        codes: every error code.
    """
    return {
        "Id": {"type": "string", "format": "uuid", "description": "Made by the server; ids made later sort later."},
        "Instant": {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
            "description": "A time in ISO 8601: UTC, with milliseconds.",
        },
        "Time": {
            "type": "string",
            "format": "date-time",
            "description": "A time in ISO 8601 with an offset; kept to the millisecond.",
        },
        "Direction": {
            "type": "string",
            "enum": list(DIRECTIONS),
            "description": "`input`: the connector brought the record in; `output`: it carried it out.",
        },
        "Link": {"type": "string", "format": "uri-reference", "description": "Relative to this API."},
        "JsonApi": closed(
            {
                "version": {"const": "1.1"},
                "profile": {"type": "array", "items": {"const": CURSOR_PAGINATION}, "minItems": 1},
            },
            "version",
        ),
        "ErrorCode": {"type": "string", "enum": codes, "description": "Stable: programs may decide by it."},
        "Error": closed(
            {
                "id": {"type": "string", "description": "The request's id, also in the service's log."},
                "status": {"type": "string", "pattern": "^[45][0-9]{2}$"},
                "code": schema("ErrorCode"),
                "title": {"type": "string", "description": "The same for every error of this code."},
                "detail": {"type": "string", "description": "What happened this time."},
                "source": closed(
                    {
                        "pointer": {"type": "string", "description": "JSON Pointer into the request's document."},
                        "parameter": {"type": "string", "description": "The query parameter at fault."},
                        "header": {"type": "string", "description": "The header at fault."},
                    }
                ),
                "links": closed({"type": {"type": "string", "format": "uri"}}, "type"),
                "meta": closed({"page": closed({"maxSize": {"type": "integer"}}, "maxSize")}, "page"),
            },
            "id",
            "status",
            "code",
            "title",
            "detail",
        ),
        "ErrorDocument": closed(
            {
                "jsonapi": schema("JsonApi"),
                "errors": {"type": "array", "items": schema("Error"), "minItems": 1},
            },
            "jsonapi",
            "errors",
        ),
        "GatewayError": {
            **open_({"message": {"type": "string"}}, "message"),
            "description": "What the gateway itself answers, before any function is called.",
        },
    }


_TOTAL: Object = {
    "total": {"type": "integer", "minimum": 0, "maximum": MAX_TOTAL},
    "total_is_capped": {"type": "boolean", "const": True, "description": "Where there are more than are counted."},
}


# ---- answers --------------------------------------------------------------------------------------------
def answers(resource: Resource) -> Iterator[tuple[str, Object]]:
    """Yield the schemas of the resource object of a type and, where it has routes, of the documents around it."""
    name = pascal(resource.type)
    yield name, _resource_object(resource)
    if resource.route:
        yield f"{name}Document", _document(resource, {"data": schema(name), "links": _links("self")})
        yield (
            f"{name}Collection",
            _document(
                resource,
                {
                    "data": {"type": "array", "items": schema(name)},
                    "links": _links("self", "first", "prev", "next"),
                    "meta": {
                        **closed({"page": closed(_TOTAL, "total")}, "page"),
                        "description": "Only with `page[total]=true`.",
                    },
                },
            ),
        )


def _resource_object(resource: Resource) -> Object:
    properties: Object = {
        "type": {"type": "string", "const": resource.type},
        "id": schema("Id"),
        "attributes": closed({said.name: _shown(said) for said in resource.attributes}),
    }
    if resource.relationships:
        properties["relationships"] = closed({said.name: _related(said) for said in resource.relationships})
    required = ["type", "id"]
    if resource.route:
        properties["links"] = closed({"self": schema("Link")}, "self")
        properties["meta"] = {
            **closed({"page": closed({"cursor": {"type": "string"}}, "cursor")}, "page"),
            "description": "On an item of a list: its cursor, for `page[after]` and `page[before]`.",
        }
        required.append("links")
    return {
        **closed(properties, *required),
        # A sparse fieldset may take every field away, so none is required.
        "description": f"A {resource.name}. `fields[{resource.type}]` says which fields it has.",
        "examples": [examples.resource_object(resource)],
    }


def _shown(attribute: Attribute) -> Object:
    """Return the schema of an attribute in an answer."""
    match attribute.kind:
        case "instant":
            return schema("Instant") if attribute.name == "created_at" else _or_null(schema("Instant"))
        case "direction":
            return schema("Direction") if attribute.required else _or_null(schema("Direction"))
        case "boolean":
            return {"type": "boolean"}
        case "texts":
            return {"type": "array", "items": {"type": "string"}}
        case _:
            return {"type": "string"} if attribute.required else {"type": ["string", "null"]}


def _or_null(known: Object) -> Object:
    return {"anyOf": [known, {"type": "null"}]}


def _identifier(type_: str) -> Object:
    return closed({"type": {"type": "string", "const": type_}, "id": schema("Id")}, "type", "id")


def _related(relationship: Relationship) -> Object:
    known: Object = schema(f"{pascal(relationship.target)}Identifier")
    if relationship.many:
        return closed({"data": {"type": "array", "items": known}}, "data")
    return closed({"data": known if relationship.required else _or_null(known)}, "data")


def _links(*names: str) -> Object:
    properties: Object = {
        name: schema("Link") if name in {"self", "first"} else _or_null(schema("Link")) for name in names
    }
    return closed(properties, *names)


def _document(resource: Resource, members: Object) -> Object:
    properties: Object = {"jsonapi": schema("JsonApi"), **members}
    targets = included_types(resource)
    if targets:
        one_of = [schema(pascal(target)) for target in targets]
        discriminator = {
            "propertyName": "type",
            "mapping": {target: schema(pascal(target))["$ref"] for target in targets},
        }
        properties["included"] = {
            "type": "array",
            "items": {"oneOf": one_of, "discriminator": discriminator},
            "description": "What `include` asks for, each resource once.",
        }
    return closed(properties, "jsonapi", "links", "data")


def included_types(resource: Resource) -> tuple[str, ...]:
    """Return the types that can be included with a resource, in the order of its declaration."""
    found: dict[str, None] = {}
    for path in resource.includes:
        at = resource
        for name in path.split("."):
            relationship = at.relationship(name)
            if relationship is None:
                raise KeyError(path)
            found[relationship.target] = None
            at = resource_of(relationship.target)
    return tuple(found)


# ---- requests -------------------------------------------------------------------------------------------
def request_name(route: Route) -> str:
    """Return what the schema of an operation's request document is called."""
    return f"{pascal(route.function)}Request"


def request(route: Route, resource: Resource) -> Object:
    """Return the schema of the request document of a creation or an update."""
    action = "create" if route.operation == "create" else "update"
    within = frozenset(route.within.values())
    attributes = {said.name: _said(said) for said in resource.attributes if said.written in {action, "always"}}
    relationships = {
        said.name: _pointed(said, settled=said.name in within)
        for said in resource.relationships
        if said.written == action
    }
    creating = action == "create"
    needed = [said.name for said in resource.attributes if said.required and creating]
    linked = [
        said.name
        for said in resource.relationships
        if said.required and said.name in relationships and said.name not in within
    ]
    data: Object = {
        "type": {"type": "string", "const": resource.type},
        "id": {**NEVER, "description": "The server makes the ids."}
        if creating
        else {**schema("Id"), "description": "The id of the path."},
        "attributes": {**closed(attributes, *needed), **_IGNORED},
        "relationships": {**closed(relationships, *linked), **_IGNORED},
    }
    required = ["type", *(() if creating else ("id",))]
    required += [name for name, members in (("attributes", needed), ("relationships", linked)) if members]
    return open_({"data": open_(data, *required)}, "data")


def _said(attribute: Attribute) -> Object:
    """Return the schema of an attribute in a request."""
    match attribute.kind:
        case "instant":
            return {**_or_null(schema("Time")), "description": "A time tombstones the row; null restores it."}
        case "direction":
            return schema("Direction")
        case "boolean":
            return {"type": "boolean"}
        case _:
            return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "pattern": TEXT_PATTERN}


def _pointed(relationship: Relationship, *, settled: bool) -> Object:
    one = open_(
        {"type": {"type": "string", "const": relationship.target}, "id": {"type": "string", "format": "uuid"}},
        "type",
        "id",
    )
    linkage: Object = {"type": "array", "items": one, "maxItems": MAX_LINKAGES} if relationship.many else one
    said = open_({"data": linkage}, "data")
    return (
        {**said, "description": "The path says it already; if it is said here, it must be the same."}
        if settled
        else said
    )


def all_answers() -> dict[str, Object]:
    """Return the schemas of everything that answers hold."""
    targets = dict.fromkeys(said.target for resource in resources() for said in resource.relationships)
    return {
        **{name: made for resource in resources() for name, made in answers(resource)},
        **{f"{pascal(target)}Identifier": _identifier(target) for target in targets},
    }
