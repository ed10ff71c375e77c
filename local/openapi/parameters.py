"""The parameters of each operation, named as they are written in the URL, each with an example that is accepted."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.example_ids import id_of
from local.openapi import examples
from local.openapi.naming import schema
from local.openapi.schemas import NO_NUL_PATTERN, choice, included_types, narrowed
from wellspring.jsonapi.answers import BY_CONNECTOR
from wellspring.jsonapi.query import (
    DELETED,
    MAX_FILTER_CODES,
    MAX_FILTER_IDS,
    MAX_FILTER_TEXT,
    MIN_SEARCHED,
    RANGE_OPERATORS,
    SORTABLE,
    WITH_CHOICES,
    is_of_workspaces,
    sorts_of,
)
from wellspring.queries import (
    BY_SOLE_SOURCE,
    DEFAULT_PAGE_SIZE,
    MAX_ACTIVE_CONNECTORS,
    MAX_CHOICES,
    MAX_DAYS,
    MAX_EXAMINED,
    MAX_NAME_FOLDED,
    MAX_PAGE_SIZE,
    MAX_SEARCHED,
    MAX_STATES,
    MAX_SUMMED,
    MAX_TOTAL,
)
from wellspring.resources import Attribute, Resource, ledgers, resource_of, resources
from wellspring.routes import Route

type Object = dict[str, Any]

_UUID: Object = {"type": "string", "format": "uuid"}
_TIME: Object = {"type": "string", "format": "date-time"}
# Operations whose answer shows as much of a resource as a client asks for.
WITH_VIEW = frozenset({"list", "retrieve", "create", "update", "answers", "answer"})
# What no index of all rows has together.
_OF_NO_ORDER = {f"filter[{name}]" for name in ("direction", "is_selected", "is_matched", "status")}
_COMPARED = {"gte": "at or after", "gt": "after", "lte": "at or before", "lt": "before"}


def enumerations() -> dict[str, Object]:
    """Return the schemas of the values that parameters choose from, shared so that generated clients name each once."""
    orders = dict.fromkeys(order for resource in resources() for order in _orders(resource))
    return {
        # What generators of clients call them: `-` has no place in a name.
        "Order": {"type": "string", "enum": list(orders), "x-enum-varnames": [_name_of(order) for order in orders]},
        "DeletedRows": {"type": "string", "enum": list(DELETED)},
    }


def _name_of(order: str) -> str:
    """Return `CREATED_AT` for `created_at`, `CREATED_AT_DESCENDING` for `-created_at`."""
    return order.removeprefix("-").upper() + ("_DESCENDING" if order.startswith("-") else "")


# What a filter compares a text with.
_TEXT: Object = {"type": "string", "minLength": 1, "pattern": NO_NUL_PATTERN}

# Of the console, whose page names them.
FILE: Object = {
    "name": "file",
    "in": "path",
    "required": True,
    "description": "Name of a file, with the hash of its content.",
    "schema": {"type": "string", "maxLength": 100},
    "example": "main.0000000000000000.js",
}

# Of agents, in whichever revision.
PROTOCOL_VERSION: Object = {
    "name": "MCP-Protocol-Version",
    "in": "header",
    "required": False,
    "description": "The revision of the protocol; only `initialize` comes without it.",
    "schema": {"type": "string", "maxLength": 10},
    "example": "2026-07-28",
}


def parameters(route: Route, resource: Resource) -> Iterator[tuple[str, Object]]:
    """Yield each parameter of an operation, with a name to share it by: two of one name that are equal are one."""
    yield from _path(route, resource)
    within = frozenset(route.within.values())
    if route.operation == "list":
        yield from _list(resource, within)
    elif route.operation == "answers":
        yield from _answers(resource)
    if route.operation in WITH_VIEW:
        yield from _view(resource)
    yield from _headers(route)


def _path(route: Route, resource: Resource) -> Iterator[tuple[str, Object]]:
    for name in re.findall(r"{(\w+)}", route.path):
        relationship = resource.relationship(route.within.get(name, ""))
        target = relationship.target if relationship else (route.of or resource).type
        yield (
            f"path.{name}.{target}",
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": f"Id of the {resource_of(target).name}.",
                "schema": _UUID,
                "example": id_of(target),
            },
        )


def _query(name: str, description: str, values: Object, example: Any) -> Object:
    return {"name": name, "in": "query", "description": description, "schema": values, "example": example}


def _listed(name: str, description: str, items: Object, example: list[str], **limits: int) -> Object:
    """Return a parameter whose value is several, separated by commas; it may be repeated instead."""
    values = {"type": "array", "items": items, **limits}
    return {**_query(name, description, values, example), "style": "form", "explode": False}


def _key(name: str) -> str:
    return name.replace("][", ".").replace("[", ".").removesuffix("]")


def _list(resource: Resource, within: frozenset[str]) -> Iterator[tuple[str, Object]]:
    for parameter in (*_paging(), *_filters(resource, within)):
        yield _key(parameter["name"]), parameter
    if resource.choices:
        filters = " and ".join(f"`filter[{name}]`" for name in resource.choices)
        told = f"`true` tells in `meta.choices` which values there are for {filters}, at most {MAX_CHOICES} of each."
        yield WITH_CHOICES, _query(WITH_CHOICES, told, {"type": "boolean"}, example=True)
    of = ".of_tenants" if _is_live_alone(resource) else ""
    yield f"sort.{'.'.join(_orders(resource)[::2])}{of}", _sort(resource)
    if "workspace" not in within and is_of_workspaces(resource):
        several = resource.relationship("workspace") is not None
        yield "filter.workspace.several" if several else "filter.workspace.one", _workspaces(several=several)


def _answers(resource: Resource) -> Iterator[tuple[str, Object]]:
    """Yield the parameters of pages of what no table has."""
    *paging, _ = _paging()
    for parameter in paging:
        yield _key(parameter["name"]), parameter
    if resource.type == "connector_activity":
        yield from ((f"activity.{_key(parameter['name'])}", parameter) for parameter in _of_activity())
    if resource.type == "audit_entry":
        yield from ((f"audit.{_key(parameter['name'])}", parameter) for parameter in _of_audit())


def _of_audit() -> Iterator[Object]:
    described = {
        "workspace": (
            "Of one workspace. A person must name one, which they keep as owner or admin: any other is 403.",
            id_of("workspace"),
        ),
        "caller": ("What this person did; alone, or with `filter[workspace]`.", id_of("people")),
        "resource": (
            "What was done to the resource of this id; alone, or with `filter[workspace]`.",
            id_of("workspace_provider"),
        ),
    }
    for name, (description, example) in described.items():
        yield _query(f"filter[{name}]", description, _UUID, example)
    text = {"type": "string", "minLength": 1, "maxLength": MAX_FILTER_TEXT}
    description = "What this service did, as `service` names it; alone, or with `filter[workspace]`."
    yield _query("filter[service]", description, text, "sync-pipeline")
    for operator in RANGE_OPERATORS:
        description = f"Only what was done {_COMPARED[operator]} this time."
        yield _query(f"filter[at][{operator}]", description, _TIME, examples.MADE_AT)


def _of_activity() -> Iterator[Object]:
    connector = (
        f"Whose activity: one to {MAX_ACTIVE_CONNECTORS} ids of workspace connector. This, or `filter[workspace]`."
    )
    most, name = {"minItems": 1, "maxItems": MAX_ACTIVE_CONNECTORS}, "filter[workspace_connector]"
    yield _listed(name, connector, _UUID, [id_of("workspace_connector")], **most)
    workspace = "Of all connectors of this workspace, which the caller must see: any other is 403."
    yield _query("filter[workspace]", workspace, _UUID, id_of("workspace"))
    for operator in RANGE_OPERATORS:
        description = (
            f"Only days {_COMPARED[operator]} this one, of UTC. A range has at most {MAX_DAYS} days; it ends today "
            "where it has no end."
        )
        day: Object = {"type": "string", "format": "date"}
        yield _query(f"filter[date][{operator}]", description, day, examples.DAY)
    description = f"Adds all days of each connector up; a page has at most {MAX_SUMMED} of them then."
    yield _query("sum[by]", description, {"type": "string", "const": BY_CONNECTOR}, BY_CONNECTOR)


def _paging() -> Iterator[Object]:
    size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE}
    yield _query("page[size]", "How many rows a page has.", size, 2)
    for name, where in (("page[after]", "after"), ("page[before]", "before")):
        description = (
            f"Cursor of the row {where} which the page lies: `meta.page.cursor` of an item, or follow `links`. It "
            "holds for the `sort` it was made with. Not both of `page[after]` and `page[before]`."
        )
        yield _query(name, description, {"type": "string"}, examples.CURSOR)
    total = f"`true` counts the list into `meta.page.total`, up to {MAX_TOTAL}; then `total_is_capped` is true."
    yield _query("page[total]", total, {"type": "boolean"}, example=True)


def _orders(resource: Resource) -> list[str]:
    """Return what a list is sorted by, each the one way and the other."""
    return [order for name in sorts_of(resource) for order in (name, f"-{name}")]


def _sort(resource: Resource) -> Object:
    # Without `default`, here and below: a page that tries operations would send each of them with every list.
    usual, by_others = f"-{resource.times[0]}", ""
    dead = "By `deleted_at` with `filter[deleted]=only`."
    if _is_live_alone(resource):
        by = "`created_at` and `name`" if resource.named else "`created_at`"
        dead += f" A service {_without(resource)} has no order but {by}, and of all rows the live ones."
    if resource.sorted_by:
        by_others = (
            f" {dead} By `{resource.sorted_by}` with `filter[workspace]`, among at most {MAX_STATES:,}: what never "
            "happened is older than all."
        )
    elif resource.times == SORTABLE:
        by_others = f" {dead}"
    elif resource.tenancy == "message":
        by_others = (
            " By another time only those that have it, and without a filter on outcome, reason or run."
            " A service that names no workspace and no connector has this order alone, and filters by an outcome "
            "other than `applied`, with a reason or without; by a run it names one of them."
        )
    description = f"The order, `-` for newest first; `{usual}` where it is not said.{by_others}"
    if resource.named and not resource.sorted_by and resource.times == SORTABLE:
        usual = "name"
        description = (
            "The order, `-` for the other way round; where it is not said `-created_at`, or `name` for what is found "
            f"by its name. Only live rows have the order of names, whose case does not count. {dead}"
        )
    return _query("sort", description, narrowed("Order", enum=_orders(resource)), usual)


def _filters(resource: Resource, within: frozenset[str]) -> Iterator[Object]:
    for relationship in resource.to_one:
        if relationship.is_filter and relationship.name not in within | {"workspace"}:
            told = f"Only rows of these: one to {MAX_FILTER_IDS} ids of {resource_of(relationship.target).name}."
            if relationship.drives == "one_by_service":
                told += f" A service {_without(resource)} gives one id alone, in the order of `created_at`."
            yield _listed(
                f"filter[{relationship.name}]",
                told,
                _UUID,
                [id_of(relationship.target)],
                minItems=1,
                maxItems=MAX_FILTER_IDS,
            )
    for attribute in resource.attributes:
        is_ranged = attribute.name in resource.times or attribute.computed == "sorted"
        for parameter in _filters_of(attribute, is_ranged=is_ranged):
            parameter["description"] += _of_services(resource, parameter["name"])
            yield parameter
    if resource.type in ledgers():
        description = (
            "Only what is brought in by this workspace connector and by no other, in the order in which it was, the "
            f"latest first. A page looks at {MAX_EXAMINED:,} rows at most: it may be short, and has `links.next` until "
            "the end. Beside it there is no other filter but `filter[workspace]`, no `sort` and no total."
        )
        yield _query(f"filter[{BY_SOLE_SOURCE}]", description, _UUID, id_of("workspace_connector"))
    if resource.enrolled_in:
        of = resource_of(resource.enrolled_in)
        description = (
            f"Only what is enrolled in this {of.name}, in the order of enrolment, the oldest first. Beside it there is "
            "no other filter and no `sort`."
        )
        yield _query(f"filter[{of.type}]", description, _UUID, id_of(of.type))
    if resource.has_tombstones:
        yield _query(
            "filter[deleted]",
            "Whether tombstoned rows are left out (as where it is not said), shown too, or shown alone.",
            schema("DeletedRows"),
            "include",
        )


def _of_services(resource: Resource, name: str) -> str:
    """Say of a filter what a service must name beside it; nothing where it may ask it of all workspaces."""
    if resource.tenancy == "message":
        beside = "`filter[workspace]` or `filter[workspace_connector]`"
        return f" A service gives {beside} beside it." if name == "filter[run]" else ""
    is_refused = resource.driving and name in _OF_NO_ORDER
    return " Refused to a service that asks it of all workspaces." if is_refused else ""


def _is_live_alone(resource: Resource) -> bool:
    """Say whether there are indexes of all its rows by `created_at` and by name alone (`models.parents.listed`)."""
    return resource.policy == "none" and bool(resource.driving)


def _without(resource: Resource) -> str:
    """Say of a service that it gives none of the filters beside which it asks for whatever a person does."""
    return f"without {' or '.join(f'`{name}`' for name in resource.narrowing)}"


def _filters_of(attribute: Attribute, *, is_ranged: bool) -> Iterator[Object]:
    name, example = f"filter[{attribute.filter or attribute.name}]", examples.attribute(attribute)
    match attribute.found:
        case "name":
            yield from _filters_of_names(example)
        case "among":
            codes = {**_TEXT, "maxLength": MAX_FILTER_TEXT}
            told = f"Only rows that have one of these among their `{attribute.name}`, in any case."
            yield _listed(name, told, codes, example[:1], minItems=1, maxItems=MAX_FILTER_CODES)
        case "equal":
            text: Object = {**_TEXT, "maxLength": MAX_FILTER_TEXT}
            if attribute.choices:
                text = choice(attribute)
            elif attribute.kind == "uuid":
                text = _UUID
            yield _query(name, f"Only rows whose `{attribute.name}` is this.", text, example)
    match attribute.kind:
        case "direction":
            yield _query(name, "Only rows of this direction.", schema("Direction"), example)
        case "boolean":
            yield _query(name, "Only rows of which this is so.", {"type": "boolean"}, example)
        case "instant" if is_ranged:
            for operator in RANGE_OPERATORS:
                description = (
                    f"Only rows whose `{attribute.name}` is {_COMPARED[operator]} this time. With a `sort` by it only."
                )
                yield _query(f"{name}[{operator}]", description, _TIME, example or examples.MADE_AT)


def _filters_of_names(example: str) -> Iterator[Object]:
    yield _query("filter[name]", "Only rows of exactly this name.", {**_TEXT, "maxLength": MAX_FILTER_TEXT}, example)
    description = "Only rows whose name begins so, in any case."
    yield _query("filter[name][starts]", description, {**_TEXT, "maxLength": MAX_NAME_FOLDED}, example[:3])
    description = (
        "Only rows whose name has this in it, in any case: within one workspace, where what is listed belongs to one, "
        f"and among at most {MAX_SEARCHED:,}."
    )
    searched = {**_TEXT, "minLength": MIN_SEARCHED, "maxLength": MAX_NAME_FOLDED}
    yield _query("filter[name][contains]", description, searched, example[1:5])


def _workspaces(*, several: bool) -> Object:
    description = "Only rows of {} which the caller must see: any other is 403."
    if several:
        example = [id_of("workspace")]
        what = description.format("these workspaces,")
        return _listed("filter[workspace]", what, _UUID, example, minItems=1, maxItems=MAX_FILTER_IDS)
    return _query("filter[workspace]", description.format("this workspace,"), _UUID, id_of("workspace"))


def _view(resource: Resource) -> Iterator[tuple[str, Object]]:
    if resource.includes:
        items = narrowed("Name", enum=list(resource.includes))
        example = [resource.includes[0]]
        yield (
            f"include.{resource.type}",
            _listed("include", "Related resources to add as `included`; empty for none.", items, example),
        )
    for type_ in dict.fromkeys((resource.type, *included_types(resource))):
        shown = resource_of(type_)
        yield (
            f"fields.{type_}",
            _listed(
                f"fields[{type_}]",
                f"The only attributes and relationships of {shown.name} to show.",
                narrowed("Name", enum=list(shown.fields)),
                list(shown.fields[:1]),
            ),
        )


_TAG = r'(W/)?"[!#-~]*"'
_TAGS = rf"^(\*|{_TAG}( *, *{_TAG})*)$"
_IF_MATCH = (
    "If-Match",
    "The `ETag` of the row that the client knows: 412 if the row has changed since.",
    examples.ENTITY_TAG,
    {"format": "entity-tags", "pattern": _TAGS},
)
# The header of an operation: its name, what it says, an example, and what its value is beside a text.
_HEADERS: Mapping[str, tuple[str, str, str, Object]] = {
    "retrieve": (
        "If-None-Match",
        "The `ETag` of the answer that the client has: 304 if it still holds.",
        examples.ENTITY_TAG,
        {"format": "entity-tags", "pattern": _TAGS},
    ),
    "create": (
        "Idempotency-Key",
        (
            "A name for this attempt. For 24 hours the same request with the same key gets the first answer "
            "again; another request with that key is 422."
        ),
        examples.IDEMPOTENCY_KEY,
        {"pattern": "^[!-~]{1,255}$"},
    ),
    "update": _IF_MATCH,
    "delete": _IF_MATCH,
}


def _headers(route: Route) -> Iterator[tuple[str, Object]]:
    if route.operation in _HEADERS:
        name, description, example, limits = _HEADERS[route.operation]
        said = {"name": name, "in": "header", "description": description}
        yield name, {**said, "schema": {"type": "string", **limits}, "example": example}
