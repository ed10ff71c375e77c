"""Structure of every JSON:API 1.1 document, as assertions; and what no document of ours holds."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from wellspring.resources import resource_of

# Globally allowed characters at both ends; hyphen, low line and space between them.
MEMBER_NAME = re.compile(r"[a-zA-Z0-9\u0080-\U0010ffff]([-_ a-zA-Z0-9\u0080-\U0010ffff]*[a-zA-Z0-9\u0080-\U0010ffff])?")
# RFC 3986: unreserved, reserved but for the brackets (which only a host may hold), and percent-encoded.
URI = re.compile(r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TOP_LEVEL = {"data", "errors", "meta", "jsonapi", "links", "included"}
RESOURCE = {"type", "id", "attributes", "relationships", "links", "meta"}
ERROR = {"id", "links", "status", "code", "title", "detail", "source", "meta"}
# Contract, section 4, "Errors": those that are of no type.
CODES = """
    BAD_REQUEST INVALID_JSON INVALID_QUERY_PARAMETER INVALID_CURSOR UNAUTHORIZED FORBIDDEN NOT_FOUND METHOD_NOT_ALLOWED
    NOT_ACCEPTABLE CONFLICT TENANT_MISMATCH PRECONDITION_FAILED UNSUPPORTED_MEDIA_TYPE SCHEMA_VALIDATION_ERROR
    IMMUTABLE_ATTRIBUTE SYSTEM_ATTRIBUTE PAYLOAD_TOO_LARGE SERVICE_UNAVAILABLE INTERNAL_ERROR OVERTAKEN
"""


def check(document: Any, *, is_sparse: bool = False) -> None:
    """Assert that a document is one of JSON:API 1.1, and that no pk is in it.

    Where a request is `is_sparse`, fields that it leaves out may have been all that led to what is included.
    """
    assert isinstance(document, dict)
    assert document.keys() <= TOP_LEVEL
    assert document.keys() & {"data", "errors", "meta"}
    assert not {"data", "errors"} <= document.keys()
    assert "data" in document or "included" not in document
    assert document["jsonapi"]["version"] == "1.1"
    assert document["jsonapi"].keys() <= {"version", "profile"}
    check_links(document.get("links", {}))
    if "errors" in document:
        check_errors(document["errors"])
    else:
        check_data(document, is_sparse=is_sparse)
    check_names(document)


def check_data(document: Mapping[str, Any], *, is_sparse: bool) -> None:
    """Assert that primary data and included resources are resource objects, linked in full, none of them twice."""
    data = document["data"]
    assert isinstance(data, list | dict)
    primary = data if isinstance(data, list) else [data]
    others = document.get("included", [])
    assert isinstance(others, list)
    for item in (*primary, *others):
        check_resource_object(item)
    identities = [(item["type"], item["id"]) for item in (*primary, *others)]
    assert len(identities) == len(set(identities))
    assert is_sparse or reached(primary, others) == {(item["type"], item["id"]) for item in others}


def reached(primary: list[Any], others: list[Any]) -> set[tuple[str, str]]:
    """Return which of the included resources a chain of linkage leads to from the primary data."""
    known = {(item["type"], item["id"]): item for item in others}
    found: set[tuple[str, str]] = set()
    waiting = list(primary)
    while waiting:
        for identifier in linkage(waiting.pop()):
            linked = (identifier["type"], identifier["id"])
            if linked in known and linked not in found:
                found.add(linked)
                waiting.append(known[linked])
    return found


def linkage(item: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the identifiers of what the relationships of a resource object point to."""
    for relationship in item.get("relationships", {}).values():
        data = relationship.get("data")
        yield from data if isinstance(data, list) else [data] if data else []


def check_resource_object(item: Any) -> None:
    assert isinstance(item, dict)
    assert {"type", "id"} <= item.keys() <= RESOURCE
    check_identity(item)
    attributes, relationships = item.get("attributes", {}), item.get("relationships", {})
    assert isinstance(attributes, dict)
    assert isinstance(relationships, dict)
    assert not attributes.keys() & relationships.keys()
    assert not {"type", "id"} & {*attributes, *relationships}
    # No foreign keys; a message's own id is the producer's.
    assert not [name for name in attributes if name.endswith(("_id", "_pk")) and name != "message_id"]
    for name, value in attributes.items():
        # No attribute of ours is a number or an object but those that are declared as such: it could only be a pk. Sums
        # say of what they are.
        is_sum = name == "counts" and isinstance(value, dict)
        assert value is None or isinstance(value, str | bool | list) or is_sum or is_declared(item["type"], name)
        if name.endswith("_at") and value is not None:
            assert INSTANT.fullmatch(value)
    for relationship in relationships.values():
        assert relationship
        assert relationship.keys() <= {"data", "links", "meta"}
        check_links(relationship.get("links", {}))
        assert isinstance(relationship.get("data"), list | dict | None)
    for identifier in linkage(item):
        assert identifier.keys() == {"type", "id"}
        check_identity(identifier)
    check_links(item.get("links", {}))


def is_declared(type_: str, name: str) -> bool:
    """Say whether an attribute is declared as a number or as an object."""
    declared = resource_of(type_).attribute(name)
    return declared is not None and declared.kind in {"count", "optional_count", "number", "object"}


def check_identity(item: Mapping[str, Any]) -> None:
    assert isinstance(item["type"], str)
    assert MEMBER_NAME.fullmatch(item["type"])
    # A uuid in its usual form, in lower case.
    # What is answered of several resources has the id of the first, and what tells it apart, behind it.
    first = item["id"].partition(":")[0]
    assert str(UUID(first)) == first


def check_links(links: Any) -> None:
    assert isinstance(links, dict)
    for link in links.values():
        if isinstance(link, dict):
            # "Link Objects"
            assert {"href"} <= link.keys() <= {"href", "rel", "describedby", "title", "type", "hreflang", "meta"}
        href = link["href"] if isinstance(link, dict) else link
        assert href is None or URI.fullmatch(href), link


def check_errors(errors: Any) -> None:
    assert isinstance(errors, list)
    assert errors
    for error in errors:
        assert {"id", "status", "code", "title", "detail"} <= error.keys() <= ERROR
        assert all(isinstance(error[name], str) for name in ("id", "status", "code", "title", "detail"))
        assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", error["code"])
        assert len(error.get("source", {"pointer": ""})) == 1
        assert error.get("source", {"pointer": ""}).keys() <= {"pointer", "parameter", "header"}
        check_links(error.get("links", {}))


def check_names(value: Any) -> None:
    """Assert that all members have legal names, and that none is a pk."""
    if isinstance(value, dict):
        for name, child in value.items():
            assert MEMBER_NAME.fullmatch(name), name
            assert name != "pk"
            assert not name.endswith("_pk")
            check_names(child)
    elif isinstance(value, list):
        for child in value:
            check_names(child)


def links_of(document: Any) -> Iterator[str]:
    """Yield each link of a document and of all resources in it: to themselves, and to what is related to them."""
    data = document["data"]
    items = [*(data if isinstance(data, list) else [data]), *document.get("included", [])]
    for holder in (document, *items):
        link = holder.get("links", {}).get("self")
        if link:
            yield link
    for item in items:
        for related in item.get("relationships", {}).values():
            yield from related.get("links", {}).values()
