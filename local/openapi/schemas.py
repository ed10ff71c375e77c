"""Schemas of answers and requests: one for each kind of document, made from the declarations.

Answers are described completely (`additionalProperties: false`), so that whatever the service says beyond its
declarations is seen by the tests that compare the two. Requests are described as they are read: an attribute or
relationship that is unknown or not the client's to say is refused, other members are ignored, as JSON:API demands.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local.openapi import examples
from local.openapi.naming import pascal, schema
from wellspring.jsonapi.body import MAX_LINKAGES, MAX_TEXT
from wellspring.jsonapi.values import CURSOR_PAGINATION, PROFILED
from wellspring.queries import MAX_CHOICES, MAX_TOTAL, MOST_LINKED, PROBLEMS_KEPT
from wellspring.resources import (
    ANSWERS,
    CONNECTOR_IMPACT,
    DIRECTIONS,
    FEED_REASONS,
    MESSAGE_REASONS,
    RECORD_SOURCE,
    SINGLE,
    SINGLES,
    TIMES,
    WORKSPACE_GROUP_MEMBERSHIP,
    WORKSPACE_MEMBERSHIP,
    Attribute,
    Kind,
    Relationship,
    Resource,
    ledgers,
    on_path,
    records,
    resource_of,
    resources,
)
from wellspring.routes import Route

type Object = dict[str, Any]

# What the release of many answers.
RELEASED = ("matching", "released", "still_parked", "remaining")
# What str.strip takes away, spelt out because regular expressions disagree about \s.
_BLANK = r"\t-\r\u001c- \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
TEXT_PATTERN = rf"^[^\u0000]*[^\u0000{_BLANK}][^\u0000]*$"
# What a filter compares with: Postgres's texts hold no NUL.
NO_NUL_PATTERN = r"^[^\u0000]*$"
# A text that has no control characters either, of which blanks are some.
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
NAME_PATTERN = rf"^[^{_CONTROL}]*[^{_CONTROL}{_BLANK}][^{_CONTROL}]*$"
NEVER: Object = {"not": {}}


def closed(properties: Object, *required: str) -> Object:
    """Return the schema of an object that has these members and no others."""
    return {**open_(properties, *required), "additionalProperties": False}


def open_(properties: Object, *required: str) -> Object:
    """Return the schema of an object that may have other members too."""
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def narrowed(name: str, **to: Any) -> Object:
    """Return the shared schema `name`, narrowed by keywords beside it.

    A generator of clients takes the shared schema's class for it, where a schema of its own would be one class more for
    each operation; whatever validates reads both.
    """
    return {"allOf": [schema(name)], **to}


def basics(codes: list[str]) -> dict[str, Object]:
    """Return the schemas that no resource has to itself; `codes` are those of all errors."""
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
        **{name: {"type": "string", "enum": list(choices)} for name, choices in _words().items()},
        **{
            _object_name(each): _member(each)
            for of in (*resources(), *ANSWERS)
            for each in of.attributes
            if each.kind == "object"
        },
        "ByDirection": {
            **closed(dict.fromkeys(DIRECTIONS, _NUMBER), *DIRECTIONS),
            "description": "How many rows of each direction.",
        },
        "ByType": {
            **closed({record.type: schema("ByDirection") for record in records()}, *(each.type for each in records())),
            "description": "How many rows of each record type and direction.",
        },
        "TotalsByType": {
            **closed({record.type: _NUMBER for record in records()}, *(each.type for each in records())),
            "description": "How many of each record type.",
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
            *("id", "status", "code", "title", "detail"),
        ),
        "ErrorDocument": closed(
            {"jsonapi": schema("JsonApi"), "errors": {"type": "array", "items": schema("Error"), "minItems": 1}},
            *("jsonapi", "errors"),
        ),
        "ReleaseDocument": closed(
            {"jsonapi": schema("JsonApi"), "meta": closed(dict.fromkeys(RELEASED, _NUMBER), *RELEASED)},
            *("jsonapi", "meta"),
        ),
        "GatewayError": {
            **open_({"message": {"type": "string"}}, "message"),
            "description": "What the gateway itself answers, before any function is called.",
        },
        "AgentMessage": {
            "required": ["jsonrpc"],
            "description": "A message of JSON-RPC 2.0, as the Model Context Protocol has it.",
        },
        "SelfLinks": {
            **closed({"self": schema("Link")}),
            "description": "Empty or left out where a GET would not show the resource, as of one that is tombstoned.",
        },
        "RelatedLinks": closed({"related": schema("Link"), "next": schema("Link")}, "related"),
        "ProfiledLink": {
            **closed({"href": schema("Link"), "type": {"const": PROFILED}}, "href", "type"),
            "description": "Where the answer's own type names the profile.",
        },
        "PageLinks": _links("self", "first", "prev", "next"),
        "ItemMeta": {
            **closed({"page": closed({"cursor": {"type": "string"}}, "cursor")}, "page"),
            "description": "On an item of a list: its cursor, for `page[after]` and `page[before]`.",
        },
        "ListMeta": {
            **closed({"page": closed(_TOTAL, "total"), "choices": _choices()}),
            "description": "`page` only with `page[total]=true`, `choices` only with `with_choices=true`.",
        },
        "Identifier": open_({"type": {"type": "string"}, "id": {"type": "string"}}, "type", "id"),
        "Linkage": open_({"data": _or_null(schema("Identifier"))}, "data"),
        "ManyLinked": {
            **open_(
                {
                    "data": {"type": "array", "items": schema("Identifier"), "maxItems": MOST_LINKED},
                    "links": schema("RelatedLinks"),
                    "meta": closed({"is_complete": {"const": False}}, "is_complete"),
                }
            ),
            "description": "`data` where the relationship is included or named in `fields`: the resources "
            f"of an answer share {MOST_LINKED} of it. `meta` where there is more; `next` where a list goes on with it.",
        },
        "Problem": closed(
            {
                "code": {"type": "string", "description": "What is wrong: a reason, as docs/messages.md has them."},
                "type": {"type": "string", "description": "The type of the thing at fault."},
                "id": {"type": "string", "description": "Its id, or what is wrong with a message that is none."},
            },
            *("code", "type", "id"),
        ),
        "Counts": closed(dict.fromkeys(("named", "made", "linked", "ended", "matched"), _NUMBER)),
        "Name": {"type": "string", "description": "Name of an attribute, a relationship or a path of relationships."},
        "Relationships": {
            **open_(
                {
                    said.name: schema("ManyLinked" if said.many else "Linkage")
                    for of in (*resources(), *ANSWERS)
                    for said in of.relationships
                }
            ),
            "description": "Every relationship that a resource may have; each type says which it has.",
        },
        **_of_requests(),
        **_of_actions(),
    }


def _choices() -> Object:
    """Return the schema of the values that a catalogue is filtered by."""
    several: Object = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_CHOICES}
    filters = dict.fromkeys(name for resource in resources() for name in resource.choices)
    return {**closed(dict.fromkeys(filters, several)), "description": "Values that there are for each filter."}


def _text_of(most: int) -> Object:
    return {"type": "string", "minLength": 1, "maxLength": most, "pattern": TEXT_PATTERN}


_NUMBER: Object = {"type": "integer", "minimum": 0}
_TOTAL: Object = {
    "total": {**_NUMBER, "maximum": MAX_TOTAL},
    "total_is_capped": {"type": "boolean", "const": True, "description": "Where there are more than are counted."},
}


# ---- answers --------------------------------------------------------------------------------------------
def answers(resource: Resource) -> Iterator[tuple[str, Object]]:
    """Yield the schemas of the resource object of a type and, where it has routes, of the documents around it."""
    name = pascal(resource.type)
    family = _family_of(resource)
    if family:
        yield from _of_one_of(family, resource)
        return
    yield name, _resource_object(resource)
    is_alone = resource in SINGLES or resource is CONNECTOR_IMPACT
    if is_alone or (resource.route and resource not in ANSWERS):
        members = {"data": schema(name), "links": schema("SelfLinks")}
        yield f"{name}Document", _document(included_types(resource), members)
    if resource in ANSWERS and not is_alone:
        several = {"type": "array", "items": schema(name)}
        yield f"{name}Collection", _document(included_types(resource), {"data": several, "links": schema("PageLinks")})
    elif resource.route and not is_alone:
        yield f"{name}Collection", _collection(resource)


# Types whose resource objects differ in their type and relationships alone; one class of a generated client each.
def _families() -> dict[str, tuple[Resource, ...]]:
    return {
        "Provenance": tuple(ledgers().values()),
        "Membership": (WORKSPACE_MEMBERSHIP, WORKSPACE_GROUP_MEMBERSHIP),
    }


def _family_of(resource: Resource) -> str:
    return next((family for family, members in _families().items() if resource in members), "")


def _of_families() -> Iterator[tuple[str, Object]]:
    """Yield what the types of each family have in common."""
    for family, members in _families().items():
        first = members[0]
        yield f"{family}Attributes", _all_shown(first)
        targets = tuple(dict.fromkeys(target for member in members for target in included_types(member)))
        told = " or ".join(f"`{member.type}`" for member in members)
        properties = _resource_object(first)["properties"] | {
            "type": {"type": "string", "description": f"{told}."},
            "relationships": schema("Relationships"),
        }
        made = schema(family)
        yield family, {**closed(properties, "type", "id"), "description": f"What {told} have in common."}
        yield f"{family}Document", _document(targets, {"data": made, "links": schema("SelfLinks")})


def _of_one_of(family: str, resource: Resource) -> Iterator[tuple[str, Object]]:
    """Yield the schemas of one type of a family: those of the family, narrowed."""
    name, whole = pascal(resource.type), _resource_object(resource)
    own = {member: whole["properties"][member] for member in ("type", "attributes", "relationships")}
    told = {member: whole[member] for member in ("description", "examples")}
    yield name, narrowed(family, type="object", properties=own, required=["type", "id"], **told)
    # Without its type: a TypeScript client would intersect two arrays, and read the wrong one.
    included = {"items": _included(included_types(resource))["items"]}
    document = {"data": schema(name), "included": included}
    yield f"{name}Document", narrowed(f"{family}Document", type="object", properties=document, required=["data"])
    yield f"{name}Collection", _collection(resource)


def _collection(resource: Resource) -> Object:
    members = {
        "data": {"type": "array", "items": schema(pascal(resource.type))},
        "links": schema("PageLinks"),
        "meta": schema("ListMeta"),
    }
    return _document(included_types(resource), members)


def _resource_object(resource: Resource) -> Object:
    properties: Object = {
        "type": {"type": "string", "const": resource.type},
        "id": {"const": SINGLE} if resource in SINGLES else _id_of(resource),
        "attributes": _attributes(resource),
    }
    if resource.relationships:
        related = {said.name: _related(said) for said in resource.relationships}
        properties["relationships"] = _only(narrowed("Relationships", type="object", properties=related), related)
    required = ["type", "id"]
    if resource in ANSWERS:
        properties["meta"] = schema("ItemMeta")
    elif resource.route:
        # What a GET would not show has no link: a tombstoned row, a group of others that is included.
        properties["links"] = schema("SelfLinks")
    if resource.route and resource not in SINGLES:
        properties["meta"] = schema("ItemMeta")
    return {
        **closed(properties, *required),
        # A sparse fieldset may take every field away, so none is required.
        "description": f"A {resource.name}. `fields[{resource.type}]` says which fields it has."
        if resource.operations or not resource.route
        else f"The {resource.name}.",
        "examples": [examples.resource_object(resource)],
    }


def _attributes(resource: Resource) -> Object:
    """Return the schema of a resource's attributes: one for those that have the same."""
    family = _family_of(resource)
    if family:
        return schema(f"{family}Attributes")
    return schema("NamedAttributes") if _is_named_only(resource) else _all_shown(resource)


def _is_named_only(resource: Resource) -> bool:
    return [said.name for said in resource.attributes if said not in TIMES] == ["name"]


def _all_shown(resource: Resource) -> Object:
    return closed({said.name: _described(said) for said in resource.attributes})


def _described(attribute: Attribute) -> Object:
    """Return the schema of an attribute in an answer, with what it says."""
    return _with_description(_shown(attribute), attribute)


def _with_description(known: Object, attribute: Attribute) -> Object:
    # Beside a reference some generators read nothing; one that is alone in `allOf` they take for itself.
    return {**({"allOf": [known]} if "$ref" in known else known), "description": attribute.description}


def _shown(attribute: Attribute) -> Object:
    """Return the schema of an attribute in an answer."""
    match attribute.kind:
        case "instant":
            is_there = attribute.required or attribute.name == "created_at"
            return schema("Instant") if is_there else _or_null(schema("Instant"))
        case "direction" | "date":
            return _OF_KINDS[attribute.kind] if attribute.required else _or_null(_OF_KINDS[attribute.kind])
        case "object":
            known = schema(_object_name(attribute))
            return known if attribute.required else _or_null(known)
        case "objects":
            return {"type": "array", "items": _member(attribute)}
        case "text" | "version":
            return _text(attribute)
        case _:
            return _OF_KINDS[attribute.kind]


_OF_KINDS: Mapping[Kind, Object] = {
    "direction": schema("Direction"),
    "date": {"type": "string", "format": "date", "description": "A day of UTC."},
    "boolean": {"type": "boolean"},
    "number": _NUMBER,
    "count": _NUMBER,
    "optional_count": {**_NUMBER, "type": ["integer", "null"]},
    "texts": {"type": "array", "items": {"type": "string"}},
    "uuid": {"type": ["string", "null"], "format": "uuid"},
    "problems": {"type": "array", "items": schema("Problem"), "maxItems": PROBLEMS_KEPT},
    "counts": {
        "type": "object",
        "additionalProperties": schema("Counts"),
        "description": "By type of record; of providers how many were named and matched.",
    },
    "by_direction": schema("ByType"),
    "totals": schema("TotalsByType"),
}


def _id_of(resource: Resource) -> Object:
    return {"type": "string"} if resource in ANSWERS else schema("Id")


def _object_name(attribute: Attribute) -> str:
    """Return the name of an object's own schema: generators make up one for what may be null and has none."""
    return attribute.name.title().replace("_", "")


def _member(attribute: Attribute) -> Object:
    """Return the schema of one of an attribute's objects."""
    needed = [member.name for member in attribute.members if member.required]
    return closed({member.name: _described(member) for member in attribute.members}, *needed)


def _text(attribute: Attribute) -> Object:
    if attribute.choices:
        return choice(attribute) if attribute.required else _or_null(choice(attribute))
    return {"type": "string" if attribute.required else ["string", "null"]}


def choice(attribute: Attribute) -> Object:
    """Return the schema of a text of which there are a few, shared so that generated clients name it once."""
    return _of_words(attribute.name, attribute.choices)


def _of_words(name: str, choices: tuple[str, ...]) -> Object:
    if choices == DIRECTIONS:
        return schema("Direction")
    words = _words()[pascal(name)]
    return schema(pascal(name)) if list(choices) == words else narrowed(pascal(name), enum=list(choices))


def _words() -> dict[str, list[str]]:
    """Return all words that a text of some name is one of, whatever it is of, by what the document calls them."""
    found: dict[str, dict[str, None]] = {}
    for resource in (*resources(), *ANSWERS):
        for attribute in resource.attributes:
            for said in (attribute, *attribute.members):
                if said.choices and said.choices != DIRECTIONS:
                    found.setdefault(pascal(said.name), {}).update(dict.fromkeys(said.choices))
    return {name: list(words) for name, words in found.items()}


def _or_null(known: Object) -> Object:
    return {"anyOf": [known, {"type": "null"}]}


def _related(relationship: Relationship) -> Object:
    """Return the schema of a relationship in an answer: its linkage, and a link to what a GET would show."""
    known = narrowed("Identifier", properties=_of_type(relationship.target), unevaluatedProperties=False)
    if relationship.many:
        data: Object = {"type": "array", "items": known}
    else:
        data = known if relationship.required else _or_null(known)
    links = (
        {}
        if relationship.many or (relationship.target and not resource_of(relationship.target).is_readable)
        else {"links": schema("RelatedLinks")}
    )
    name = "ManyLinked" if relationship.many else "Linkage"
    told = {"description": relationship.description} if relationship.description else {}
    return narrowed(name, properties={**links, "data": data}, unevaluatedProperties=False, **told)


def _only(known: Object, names: Iterable[str], *, ignored: bool = False) -> Object:
    """Return a schema of which no members but these are valid; those that JSON:API ignores where that is said."""
    said: Object = {"enum": list(names)}
    return {**known, "propertyNames": {"anyOf": [said, {"pattern": "^@"}]} if ignored else said}


def _of_type(target: str) -> Object:
    type_: Object = {"const": target} if target else {"enum": [record.type for record in records()]}
    # The id of an answer is put together, and no uuid.
    return {"type": type_} if target == RECORD_SOURCE.type else {"type": type_, "id": schema("Id")}


def _links(*names: str) -> Object:
    properties: Object = {name: schema("Link") if name == "first" else _or_null(schema("Link")) for name in names}
    properties["self"] = {"anyOf": [schema("Link"), schema("ProfiledLink")]}
    return closed(properties, *names)


def _document(targets: tuple[str, ...], members: Object) -> Object:
    properties: Object = {"jsonapi": schema("JsonApi"), **members}
    if targets:
        properties["included"] = _included(targets)
    return closed(properties, "jsonapi", "links", "data")


def _included(targets: tuple[str, ...]) -> Object:
    one_of = [schema(pascal(target)) for target in targets]
    discriminator = {
        "propertyName": "type",
        "mapping": {target: schema(pascal(target))["$ref"] for target in targets},
    }
    return {
        "type": "array",
        "items": {"oneOf": one_of, "discriminator": discriminator},
        "description": "What `include` asks for, each resource once.",
    }


def included_types(resource: Resource) -> tuple[str, ...]:
    """Return the types that can be included with a resource, in the order of its declaration."""
    return tuple(dict.fromkeys(found.target for path in resource.includes for _, found in on_path(resource, path)))


# ---- requests -------------------------------------------------------------------------------------------
def request_name(resource: Resource, operation: str) -> str:
    """Return what the schema of the documents that create or update a type is called."""
    return f"{pascal(resource.type)}{operation.capitalize()}Request"


def _of_requests() -> dict[str, Object]:
    """Return what all documents that create, and all that change something, have in common.

    A generated client has one class for what there is to say, whatever the type: each type says which of it it takes.
    """
    attributes: Object = {}
    for resource in resources():
        for said in resource.attributes:
            if said.written != "never":
                known = _said(said)
                attributes[said.name] = known if attributes.get(said.name, known) == known else {}
    type_, written = {"type": "string"}, schema("WrittenAttributes")
    created = open_({"type": type_, "attributes": written, "relationships": schema("Relationships")}, "type")
    changed = open_({"type": type_, "id": schema("Id"), "attributes": written}, "type", "id")
    return {
        "WrittenAttributes": {
            **open_(attributes),
            "description": "Every attribute that a client may say; each type says which it takes.",
        },
        "NewResource": created,
        "ChangedResource": changed,
        "CreateRequest": open_({"data": schema("NewResource")}, "data"),
        "UpdateRequest": open_({"data": schema("ChangedResource")}, "data"),
    }


def _of_actions() -> dict[str, Object]:
    """Return the schemas of what releases several of what is kept and what dismisses one: by its `meta`."""
    known: Object = {
        "source": _text_of(2000),
        "workspace_connector": {"type": "string", "format": "uuid"},
        "reason": schema("Reason"),
        "dry_run": {"type": "boolean"},
        "note": _text_of(2000),
    }
    takes = {
        "ReleaseRequest": (("source", "reason"), ("dry_run",)),
        "ReleaseMessagesRequest": (("workspace_connector", "reason"), ("dry_run",)),
        "DismissRequest": (("note",), ()),
    }
    own: Object = {name: open_({said: known[said] for said in sum(said, ())}, *said[0]) for name, said in takes.items()}
    for name, reasons in (("ReleaseRequest", FEED_REASONS), ("ReleaseMessagesRequest", MESSAGE_REASONS)):
        own[name]["properties"]["reason"] = _of_words("reason", reasons)
    return {
        "ActionMeta": {
            **open_(known),
            "description": "All that may be said to what is kept; each request says what it takes.",
        },
        "ActionRequest": open_({"meta": schema("ActionMeta")}, "meta"),
        **{
            name: narrowed("ActionRequest", type="object", properties={"meta": said}, required=["meta"])
            for name, said in own.items()
        },
    }


def request(resource: Resource, operation: str) -> Object:
    """Return the schema of the documents that create or update a type, wherever they are sent."""
    written = [said for said in resource.attributes if said.written in {operation, "always"}]
    attributes = {said.name: _described_to_write(said) for said in written}
    relationships = {said.name: _pointed(said) for said in resource.relationships if said.written == operation}
    creating = operation == "create"
    needed = [said.name for said in resource.attributes if said.required and said.written != "never" and creating]
    data: Object = {
        "type": {"type": "string", "const": resource.type},
        "id": {**NEVER, "description": "The server makes the ids."}
        if creating
        else {**schema("Id"), "description": "The id of the path."},
        "attributes": _members(attributes, needed),
        "relationships": _members(relationships, []),
    }
    required = ["type", *(() if creating else ("id",)), *(("attributes",) if needed else ())]
    return narrowed(
        f"{operation.capitalize()}Request",
        type="object",
        properties={"data": open_(data, *required)},
        required=["data"],
    )


def request_to(route: Route, resource: Resource) -> Object:
    """Return the schema of one operation's request document: its path may say what a relationship must elsewhere."""
    within, name = frozenset(route.within.values()), request_name(resource, route.operation)
    written = [said for said in resource.relationships if said.written == route.operation]
    linked = [said.name for said in written if said.required and said.name not in within]
    settled = {"description": "The path says it already; if it is said here, it must be the same."}
    if not written:
        return schema(name)
    relationships = open_({said.name: settled if said.name in within else {} for said in written}, *linked)
    data = open_({"relationships": relationships}, *(["relationships"] if linked else []))
    return narrowed(name, properties={"data": data})


def _described_to_write(attribute: Attribute) -> Object:
    """Return the schema of an attribute in a request of one type, with what it says; a time says what it does."""
    known = _said(attribute)
    return known if attribute.kind == "instant" else _with_description(known, attribute)


def _said(attribute: Attribute) -> Object:
    """Return the schema of an attribute in a request."""
    match attribute.kind:
        case "instant":
            told = "A time tombstones the row: not before `created_at`, and not in the future. Null restores it."
            return {**_or_null(schema("Time")), "description": told}
        case "direction":
            return schema("Direction")
        case "boolean":
            return {"type": "boolean"}
        case _ if attribute.choices:
            return choice(attribute)
        case _:
            return {**_text_of(MAX_TEXT), "pattern": NAME_PATTERN}


def _members(known: Object, needed: list[str]) -> Object:
    """Return the schema of an object of which a client may say these members, and what JSON:API ignores."""
    if not known:
        return {"type": "object", "propertyNames": {"pattern": "^@"}, "description": "There is nothing to say here."}
    return _only(open_(known, *needed), known, ignored=True)


def _pointed(relationship: Relationship) -> Object:
    known = narrowed("Identifier", properties=_of_type(relationship.target))
    if relationship.many:
        several = {"type": "array", "items": known, "maxItems": MAX_LINKAGES}
        return open_({"data": several}, "data")
    return open_({"data": known}, "data")


def all_answers() -> dict[str, Object]:
    """Return the schemas of everything that answers hold."""
    named = next(resource for resource in resources() if _is_named_only(resource))
    return {
        "NamedAttributes": _all_shown(named),
        **dict(_of_families()),
        **{name: made for resource in (*resources(), *ANSWERS) for name, made in answers(resource)},
    }
