"""Documents: rows go in, JSON:API documents come out, shaped by the resource's declaration."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from wellspring.database.flush import Row
from wellspring.jsonapi.query import with_cursor
from wellspring.jsonapi.values import CURSOR_PAGINATION, PROFILED, render_instant
from wellspring.queries import View
from wellspring.resources import ANY_RECORD, SINGLE, Attribute, Relationship, Resource, resource_of
from wellspring.services.ledger.including import Included
from wellspring.services.ledger.reading import Page, RowWithIncludes

VERSION = {"version": "1.1"}
TAG_BYTES = 12
_COMPACT = json.JSONEncoder(separators=(",", ":"))
# Of types, and of the sets of fields that are asked for; the rest are rare, and made again.
SHAPERS_KEPT = 128
# What may stand in a query string as it is, percent signs of what is escaped already included.
IN_QUERY = "%/?:@!$&'()*+,;="

type Object = dict[str, Any]
type Reachable = frozenset[tuple[str, str]]


def exported_object(resource: Resource, row: Row) -> Object:
    """Return the resource object of one row in a file, which outlives URLs: linkage of the to-one, and no links."""
    return {
        "type": resource.type,
        "id": str(row["id"]),
        "attributes": attributes_of(resource, row),
        "relationships": {
            relationship.name: {"data": None if value is None else _identifier(relationship.target, value)}
            for relationship in resource.to_one
            if _key(relationship) in row
            for value in (row[_key(relationship)],)
        },
    }


def attributes_of(resource: Resource, row: Row, fields: frozenset[str] | None = None) -> Object:
    """Return the attributes of one row as a document has them; `fields` are the only ones to show, None for all."""
    return _shaper(resource, fields).attributes(row)


def is_retrievable(resource: Resource, row: Row) -> bool:
    """Say whether a GET of one row shows it to the caller: it has a URL, is live, and is not only included."""
    return resource.is_readable and row.get("deleted_at") is None and bool(row.get("is_retrievable", True))


def proves(resource: Resource, relationship: Relationship, *, primary: bool) -> bool:
    """Say whether who sees a live row sees what a relationship of it leads to, and whether that is live.

    Of an included row only the workspace has been looked at. Who sees an enrolment by either of its sides sees the
    workspace; by the workspace alone they do not see the group.
    """
    if relationship.is_computed:
        return True
    if relationship.target == "workspace":
        return relationship.required
    return primary and relationship.required and relationship.guards and resource.tenancy != "any"


def location(resource: Resource, row: Row) -> str:
    """Return the path of one row."""
    return f"{resource.route}/{row['id']}"


def single_document(resource: Resource, found: RowWithIncludes, view: View, url: str) -> Object:
    """Return the document of one row; `url` is the link that leads to it."""
    # What is answered has no URL of its own, but the one that was asked.
    links = {"self": url} if not resource.table or is_retrievable(resource, found.row) else {}
    reachable = _reachable(found.included)
    data = _shaper(resource, view.fields.get(resource.type)).shape(found.row, reachable)
    return {"jsonapi": VERSION, "links": links, "data": data} | _included(found.included, view, reachable)


def document_of_single(resource: Resource, row: Row) -> Object:
    """Return the document of what there is one of, from its attributes."""
    links = {"self": resource.route}
    data = {"type": resource.type, "id": SINGLE, "attributes": attributes_of(resource, row), "links": links}
    return {"jsonapi": VERSION, "links": links, "data": data}


def page_document(
    resource: Resource, page: Page, view: View, path: str, raw_query: str, *, names_profile: bool = True
) -> Object:
    """Return the document of one page, as the cursor-pagination profile shapes it.

    The query string is undecoded. Only where the answer's media type `names_profile` may the document (a MUST).
    """
    shaper, reachable = _shaper(resource, view.fields.get(resource.type)), _reachable(page.included)
    data = [
        shaper.shape(row, reachable) | {"meta": {"page": {"cursor": cursor}}}
        for row, cursor in zip(page.rows, page.cursors, strict=True)
    ]
    document: Object = {
        "jsonapi": {**VERSION, "profile": [CURSOR_PAGINATION]} if names_profile else VERSION,
        "links": _page_links(page, path, raw_query, names_profile=names_profile),
        "data": data,
    }
    meta: Object = {}
    if page.total is not None:
        meta["page"] = {"total": page.total} | ({"total_is_capped": True} if page.total_is_capped else {})
    if page.choices is not None:
        meta["choices"] = page.choices
    if meta:
        document["meta"] = meta
    return document | _included(page.included, view, reachable)


def version_of(resource: Resource, row: Row, whole: Object | None = None) -> str:
    """Return what stands for the state of a row: two states that look the same have the same one.

    What its to-many relationships hold, and what is computed about it, is no state of its own, and not read by every
    request. `whole` is the resource object of all that was read, where it was made already.
    """
    own = {name: value for name, value in _without_kept(resource, row).items() if not name.endswith("_ids")}
    is_all = whole is not None and len(own) == len(row)
    return _digest(_COMPACT.encode(whole if is_all else _shaper(resource, None).shape(own)))


def entity_tag(
    resource: Resource, found: RowWithIncludes, view: View, raw_query: str, document: Object, body: str
) -> str:
    """Return the strong validator of a single resource's document (RFC 9110, section 8.8.3).

    Its first part is the row's version, which `If-Match` compares; an answer with a query has a second part, for what
    else is in it, but for what is computed about resources (contract, section 7). `body` is `document` as answered.
    """
    if not raw_query:
        return f'"{version_of(resource, found.row, document["data"])}"'
    included = {
        type_: [_without_kept(resource_of(type_), row) for row in rows] for type_, rows in found.included.items()
    }
    lasting = RowWithIncludes(_without_kept(resource, found.row), included)
    rest = body if lasting == found else json.dumps(single_document(resource, lasting, view, raw_query))
    return f'"{version_of(resource, found.row)}.{_digest(rest)}"'


def _without_kept(resource: Resource, row: Row) -> Row:
    computed = (*resource.computed, *(f"{name}_id" for name in resource.computed_links))
    return {name: value for name, value in row.items() if name not in computed} if computed else row


def url_of(path: str, raw_query: str) -> str:
    """Return the link to a request's own answer, of its decoded path and its query string as the client wrote it.

    What RFC 3986 does not allow there, such as brackets, is escaped.
    """
    link = quote(path, errors="replace")
    return f"{link}?{quote(raw_query, safe=IN_QUERY, errors='replace')}" if raw_query else link


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()[:TAG_BYTES]
    return base64.urlsafe_b64encode(digest).decode()


def _page_links(page: Page, path: str, raw_query: str, *, names_profile: bool) -> Object:
    """Return the links of a page; where a profile is applied, `self` SHOULD say so (JSON:API 1.1, "Top Level")."""

    def beside(parameter: str, cursor: str | None) -> str:
        return url_of(path, with_cursor(raw_query, parameter, cursor))

    first, last = page.ends or ((page.cursors[0], page.cursors[-1]) if page.cursors else (None, None))
    url = url_of(path, raw_query)
    return {
        "self": {"href": url, "type": PROFILED} if names_profile else url,
        "first": beside("page[after]", None),
        "prev": beside("page[before]", first) if page.more_before and first else None,
        "next": beside("page[after]", last) if page.more_after and last else None,
    }


def _included(included: Included, view: View, reachable: Reachable) -> Object:
    if view.include is None:
        return {}
    shapers = {type_: _shaper(resource_of(type_), view.fields.get(type_), primary=False) for type_ in included}
    return {"included": [shapers[type_].shape(row, reachable) for type_, rows in included.items() for row in rows]}


def _reachable(included: Included) -> Reachable:
    return frozenset(
        (type_, str(row["id"]))
        for type_, rows in included.items()
        for row in rows
        if is_retrievable(resource_of(type_), row)
    )


type _Render = Callable[[Any], Any]
type _Say = Callable[[Row, Reachable], Object]


def _renderer(attribute: Attribute) -> _Render | None:
    """Return how values of an attribute are written; None where they are as they come."""
    match attribute.kind:
        case "instant":
            return render_instant
        # As CloudEvents have it: a number of 64 bits is more than JSON's readers agree on.
        case "uuid" | "version":
            return str
        case "object" | "objects":
            members = [(member.name, _renderer(member)) for member in attribute.members]

            def shown(each: Any) -> Any:
                return {name: _rendered(render, each[name]) for name, render in members if name in each}

            return shown if attribute.kind == "object" else lambda value: list(map(shown, value))
        case "date":
            return lambda value: value.isoformat()
        case _:
            return None


def _rendered(render: _Render | None, value: Any) -> Any:
    return value if value is None or render is None else render(value)


class _Shaper:
    """Shapes the rows of one type: what does not depend on the row is decided once.

    `fields` are the only ones to show, None for all. What is `primary` was asked for, and not included with it.
    """

    def __init__(self, resource: Resource, fields: frozenset[str] | None, *, primary: bool) -> None:
        self._resource = resource
        shown = [each for each in resource.attributes if fields is None or each.name in fields]
        # What is for services only, or computed about a row, is shown where it was read.
        self._attributes = [(each.name, _renderer(each), each.service_only or bool(each.computed)) for each in shown]
        self._relationships: list[tuple[str, _Say]] = [
            (each.name, _to_many(resource, each) if each.many else _to_one(resource, each, primary=primary))
            for each in resource.relationships
            if fields is None or each.name in fields
        ]

    def attributes(self, row: Row) -> Object:
        """Return the attributes of one row."""
        return {
            name: None if value is None else value if render is None else render(value)
            for name, render, may_lack in self._attributes
            if not may_lack or name in row
            for value in (row[name],)
        }

    def shape(self, row: Row, reachable: Reachable = frozenset()) -> Object:
        """Return the resource object of one row, with the linkage that was read.

        A link leads to what a GET shows: of a tombstoned row, and of one that the caller may not retrieve, there is
        none. `reachable` has types and ids, as text, of what is included and has a URL.
        """
        document: Object = {"type": self._resource.type, "id": str(row["id"])}
        if attributes := self.attributes(row):
            document["attributes"] = attributes
        relationships = {name: shown for name, say in self._relationships if (shown := say(row, reachable))}
        if relationships:
            document["relationships"] = relationships
        if is_retrievable(self._resource, row):
            document["links"] = {"self": location(self._resource, row)}
        return document


@lru_cache(maxsize=SHAPERS_KEPT)
def _shaper(resource: Resource, fields: frozenset[str] | None, *, primary: bool = True) -> _Shaper:
    return _Shaper(resource, fields, primary=primary)


def _key(relationship: Relationship) -> str:
    return f"{relationship.name}_ids" if relationship.many else f"{relationship.name}_id"


def _to_one(resource: Resource, relationship: Relationship, *, primary: bool) -> _Say:
    """Return what says a to-one relationship: linkage, and a link to what a GET shows; nothing if it was not read."""
    key, type_key = _key(relationship), f"{relationship.name}_type"
    declared, proving = relationship.target, proves(resource, relationship, primary=primary)
    known = None if declared == ANY_RECORD else resource_of(declared)

    def say(row: Row, reachable: Reachable) -> Object:
        if key not in row:
            return {}
        value = row[key]
        if value is None:
            return {"data": None}
        target, id_ = known or resource_of(row[type_key]), str(value)
        type_ = target.type
        shown: Object = {"data": {"type": type_, "id": id_}}
        is_proven = proving and row.get("deleted_at") is None
        if target.is_readable and (is_proven or (type_, id_) in reachable):
            shown["links"] = {"related": f"{target.route}/{id_}"}
        return shown

    return say


def _to_many(resource: Resource, relationship: Relationship) -> _Say:
    """Return what says a to-many relationship: a link to the list of what it holds, and the linkage that was read."""
    key = _key(relationship)
    order = "" if resource_of(relationship.target).enrolled_in == resource.type else "&sort=created_at"

    def say(row: Row, _reachable: Reachable) -> Object:
        is_linked = bool(resource_of(relationship.target).table) or is_retrievable(resource, row)
        list_ = list_of_related(resource, relationship, row["id"]) if is_linked else ""
        shown: Object = {"links": {"related": list_}} if list_ else {}
        if key in row:
            shown["data"] = [_identifier(relationship.target, id_) for id_ in row[key]]
            if relationship.name in row.get("capped", ()):
                shown["meta"] = {"is_complete": False}
                cursor = row["capped"][relationship.name]
                if list_ and cursor:
                    # The linkage is in the order of this list; what is enrolled has no other.
                    path, _, query = list_.partition("?")
                    shown["links"]["next"] = url_of(path, with_cursor(f"{query}{order}", "page[after]", cursor))
        return shown

    return say


def list_of_related(resource: Resource, relationship: Relationship, id_: object) -> str:
    """Return the link to the list of what a to-many relationship of one row holds; empty where there is none."""
    target = resource_of(relationship.target)
    if not target.table:
        # An answer has no list of its own: its path is below the row's.
        return f"{resource.route}/{id_}/{relationship.name}"
    back = next((each.name for each in target.to_one if each.target == resource.type), "")
    back = resource.type if target.enrolled_in == resource.type else back
    return url_of(target.route, f"filter[{back}]={id_}") if target.route and back else ""


def _identifier(type_: str, id_: Any) -> Mapping[str, str]:
    return {"type": type_, "id": str(id_)}
