"""Documents: rows go in, JSON:API documents come out, shaped by the resource's declaration."""

from collections.abc import Mapping, Sequence
from typing import Any

from wellspring.jsonapi.query import with_cursor
from wellspring.jsonapi.values import render_instant
from wellspring.resources import Attribute, Resource, resource_of
from wellspring.services.ledger import Found, Included, Page, Row

VERSION = {"version": "1.1"}

type Object = dict[str, Any]


def resource_object(resource: Resource, row: Row) -> Object:
    """Return the resource object of one row, with full linkage."""
    document: Object = {
        "type": resource.type,
        "id": str(row["id"]),
        "attributes": {attribute.name: _attribute(attribute, row[attribute.name]) for attribute in resource.attributes},
    }
    if resource.relationships:
        document["relationships"] = {
            relationship.name: {"data": _linkage(relationship.target, row[f"{relationship.name}_id"])}
            for relationship in resource.relationships
        }
    if resource.route:
        document["links"] = {"self": f"{resource.route}/{row['id']}"}
    return document


def single_document(resource: Resource, found: Found, include: Sequence[str], path: str, raw_query: str) -> Object:
    """Return the document of one row.

    Args:
        resource: the row's declaration.
        found: what was read.
        include: what the request asked to include.
        path: the request's path.
        raw_query: its query string, undecoded.
    """
    document: Object = {
        "jsonapi": VERSION,
        "links": {"self": _url(path, raw_query)},
        "data": resource_object(resource, found.row),
    }
    return _with_included(document, found.included, include)


def page_document(resource: Resource, page: Page, include: Sequence[str], path: str, raw_query: str) -> Object:
    """Return the document of one page, as the cursor-pagination profile shapes it.

    Args:
        resource: the declaration of what is listed.
        page: what was read.
        include: what the request asked to include.
        path: the request's path.
        raw_query: its query string, undecoded.
    """
    data = []
    for row, cursor in zip(page.rows, page.cursors, strict=True):
        item = resource_object(resource, row)
        item["meta"] = {"page": {"cursor": cursor}}
        data.append(item)
    document: Object = {"jsonapi": VERSION, "links": _page_links(page, path, raw_query), "data": data}
    return _with_included(document, page.included, include)


def _page_links(page: Page, path: str, raw_query: str) -> dict[str, str | None]:
    def beside(parameter: str, cursor: str | None) -> str:
        return _url(path, with_cursor(raw_query, parameter, cursor))

    first, last = (page.cursors[0], page.cursors[-1]) if page.cursors else (None, None)
    return {
        "self": _url(path, raw_query),
        "first": beside("page[after]", None),
        "prev": beside("page[before]", first) if page.more_before and first else None,
        "next": beside("page[after]", last) if page.more_after and last else None,
    }


def _url(path: str, raw_query: str) -> str:
    return f"{path}?{raw_query}" if raw_query else path


def _with_included(document: Object, included: Included, include: Sequence[str]) -> Object:
    if include:
        document["included"] = [
            resource_object(resource_of(type_), row) for type_, rows in included.items() for row in rows
        ]
    return document


def _attribute(attribute: Attribute, value: Any) -> Any:
    return render_instant(value) if attribute.kind == "instant" and value is not None else value


def _linkage(type_: str, id_: object) -> Mapping[str, str] | None:
    return None if id_ is None else {"type": type_, "id": str(id_)}
