"""Values for examples. They are the demo's where the demo has them, so that examples can be tried on a local stack."""

from collections.abc import Callable, Mapping
from typing import Any

from local.example_ids import demo_id, id_of
from wellspring.jsonapi.documents import list_of_related, proves
from wellspring.resources import SINGLE, SINGLES, Attribute, Relationship, Resource, on_path, records, resource_of

DAY = "2026-05-10"
MADE_AT = "2026-05-10T08:14:22.000Z"
LATER = "2026-06-01T12:00:00.000Z"
REQUEST_ID = "5f2c1f0e6f8f4d1f9a3b7c2d4e5f6a7b"
CURSOR = "AaH95n-ZdzeAOUq2LjxoggAAAaH95n-PgklonyRuEUXR8oYYbsRK7w"
ENTITY_TAG = '"nTb3oLSeCGX9Yz5K"'
IDEMPOTENCY_KEY = "7c0c5c1e-3f0b-4f0e-8f0a-2b1d9e6c4a11"

type Object = dict[str, Any]

_OF_CONNECTOR = {"workspace_connector": demo_id("workspace_connector", "a"), "reason": "unknown_record"}
_OF_SOURCE = {"source": "/well/companies", "reason": "other_source"}
# Documents of operations that are told something in `meta`, by the type.
META: Mapping[str, Mapping[str, Object]] = {
    "dismiss": {type_: {"meta": {"note": "Agreed with the source."}} for type_ in ("feed_event", "sync_message")},
    "release_many": {
        "feed_event": {"meta": {**_OF_SOURCE, "dry_run": True}},
        "sync_message": {"meta": {**_OF_CONNECTOR, "dry_run": True}},
    },
}


_VALUES: Mapping[str, Any] = {
    "direction": "input",
    "boolean": True,
    "texts": ["FR"],
    "date": DAY,
    "count": 12,
    "optional_count": 12,
    "uuid": demo_id("message", "a"),
    "problems": [{"code": "unknown_record", "type": "company", "id": id_of("company")}],
    "counts": {"company": {"named": 1, "made": 0, "linked": 0, "ended": 0}},
}


def identifier(type_: str) -> Object:
    """Return the resource identifier object of the example of a type."""
    if type_ in _ANSWERED:
        return {"type": type_, "id": _ANSWERED[type_]()}
    return {"type": type_, "id": SINGLE if resource_of(type_) in SINGLES else id_of(type_)}


# What is answered from sums is known by what it is of.
_ANSWERED: Mapping[str, Callable[[], str]] = {
    "audit_entry": lambda: demo_id("message", "a", 2),
    "connector_activity": lambda: f"{id_of('workspace_connector')}:{DAY}",
    "connector_impact": lambda: id_of("workspace_connector"),
    "record_source": lambda: f"{id_of('company')}:{id_of('workspace_connector')}:input",
}


def attribute(said: Attribute) -> Any:
    """Return what an attribute of the example is."""
    match said.kind:
        case "instant":
            return None if said.name == "deleted_at" else MADE_AT
        case "object" | "objects":
            made = {member.name: attribute(member) for member in said.members if member.required}
            return made if said.kind == "object" else [made]
        case "number":
            return int(said.example)
        case "text" | "version":
            return said.example or said.name.replace("_", " ")
        case "by_direction" | "totals":
            each = 12 if said.kind == "totals" else {"input": 12, "output": 0}
            return {record.type: each for record in records()}
        case _:
            return [said.example] if said.kind == "texts" and said.example else _VALUES[said.kind]


def resource_object(resource: Resource, *, primary: bool = True, cursor: bool = False) -> Object:
    """Return the resource object of the example of a type: of an item of a list it has a `cursor`.

    Of `primary` data more is known to lead somewhere.
    """
    made: Object = {
        **identifier(resource.type),
        "attributes": {
            said.name: attribute(said)
            for said in resource.attributes
            if not said.service_only and (primary or not said.computed)
        },
    }
    shown = (said for said in resource.relationships if not said.many and (primary or not said.is_computed))
    relationships = {said.name: _relationship(resource, said, primary=primary) for said in shown}
    # A to-many's linkage is there where it is asked for.
    several = (said for said in resource.relationships if said.many)
    related = {said.name: list_of_related(resource, said, id_of(resource.type)) for said in several}
    relationships |= {name: {"links": {"related": link}} for name, link in related.items() if link}
    if relationships:
        made["relationships"] = relationships
    if resource in SINGLES:
        made["links"] = {"self": resource.route}
    elif resource.is_readable:
        made["links"] = {"self": f"{resource.route}/{id_of(resource.type)}"}
    if cursor:
        made["meta"] = {"page": {"cursor": CURSOR}}
    return made


def _relationship(resource: Resource, relationship: Relationship, *, primary: bool) -> Object:
    type_ = relationship.target or "company"
    target, made = resource_of(type_), {"data": identifier(type_)}
    if not target.is_readable or not proves(resource, relationship, primary=primary):
        return made
    return {"links": {"related": f"{target.route}/{id_of(target.type)}"}, **made}


def _linkage(relationship: Relationship) -> Object | list[Object]:
    one = identifier(relationship.target)
    return [one] if relationship.many else one


def included(resource: Resource, path: str) -> list[Object]:
    """Return what including `path` with the example adds to the document."""
    return [resource_object(resource_of(found.target), primary=False) for _, found in on_path(resource, path)]


def single_document(resource: Resource, url: str) -> Object:
    """Return the document of the example of a type."""
    return {"jsonapi": {"version": "1.1"}, "links": {"self": url}, "data": resource_object(resource)}


def page_document(resource: Resource, path: str, include: tuple[str, ...]) -> Object:
    """Return a page that holds the example of a type, and what including some paths adds."""
    asked = f"include={','.join(include)}" if include else ""
    first = f"{path}?{asked}" if asked else path
    following = f"{path}?{'&'.join(filter(None, (asked, f'page%5Bafter%5D={CURSOR}')))}"
    document: Object = {
        "jsonapi": {"version": "1.1"},
        "links": {"self": first, "first": first, "prev": None, "next": following},
        "data": [resource_object(resource, cursor=True)],
    }
    if include:
        document["included"] = [found for way in include for found in included(resource, way)]
    return document


def request_document(resource: Resource, action: str, within: frozenset[str]) -> Object:
    """Return the document that creates or changes the example of a type; `within` are settled by the path."""
    data: Object = {"type": resource.type}
    if action == "update":
        data["id"] = id_of(resource.type)
    attributes = {
        said.name: LATER if said.kind == "instant" else attribute(said)
        for said in resource.attributes
        if said.written in {action, "always"}
    }
    relationships = {
        said.name: {"data": _linkage(said)}
        for said in resource.relationships
        if said.written == action and said.name not in within
    }
    if attributes:
        data["attributes"] = attributes
    if relationships:
        data["relationships"] = relationships
    return {"data": data}
