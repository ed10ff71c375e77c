"""Query parameters: from the URL to a `ListQuery`, every problem found before one is reported.

Each operation has a table of the parameters that it takes. One that is unknown or malformed is 400 with
`source.parameter`, and so is one given twice unless it takes a list; none is ever ignored (contract, section 4;
JSON:API 1.1, "Query Parameters").
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, TypedDict
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from wellspring.errors import InvalidQueryParameter, WellspringError, raise_all
from wellspring.ids import parse_id
from wellspring.jsonapi.values import CURSOR_PAGINATION, is_text, parse_boolean, parse_instant
from wellspring.queries import (
    BY_ENROLMENT,
    BY_SOLE_SOURCE,
    DEFAULT_PAGE_SIZE,
    MAX_NAME_FOLDED,
    MAX_PAGE_SIZE,
    MAX_SEARCHED,
    OF_NAMES,
    Deleted,
    Filter,
    ListQuery,
    Operator,
    Sort,
    View,
)
from wellspring.resources import DIRECTIONS, FOLDED, Attribute, Resource, ledgers, resource_of

# What most lists are sorted by. Dead rows can be sorted by the time of their deletion, too.
SORTABLE = ("created_at", "updated_at", "deleted_at")
RANGE_OPERATORS: tuple[Operator, ...] = ("gte", "gt", "lte", "lt")
DELETED: tuple[Deleted, ...] = ("exclude", "include", "only")
# A parameter of our own has a character that is no small letter (JSON:API 1.1, "Implementation-Specific Query
# Parameters").
WITH_CHOICES = "with_choices"
CURSORS = ("page[after]", "page[before]")
MAX_PARAMETERS = 100
# In all filters of a request together. API Gateway takes 10,240 bytes of request line and headers: these are 3,900 of
# them when their commas are escaped, a cursor 1,200 at most, and the rest is for a token and a browser's headers.
MAX_FILTER_IDS = 100
# There are some 250 countries (ISO 3166).
MAX_FILTER_CODES = 300
# Of what is shorter nearly every name has some.
MIN_SEARCHED = 3
MAX_FILTER_TEXT = 2000

UNKNOWN = "There is no such parameter for this operation."
A_TIME = "a time in ISO 8601 with an offset, such as 2026-05-10T08:14:22.000Z"
_TRUTH = "The value must be true or false."
# The profile's name for an order that a list does not have.
_NO_ORDER = "unsupported-sort"


def pairs_of(raw_query: str) -> list[tuple[str, str]]:
    """Split a raw query string into decoded names and values, in their order. Raises `InvalidQueryParameter`."""
    try:
        raw_query.encode()  # a lone surrogate, which no answer could repeat
        return parse_qsl(raw_query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeError as error:
        raise InvalidQueryParameter("The query string is not percent-encoded UTF-8.") from error
    except ValueError as error:
        raise InvalidQueryParameter(f"There are more than {MAX_PARAMETERS} query parameters.") from error


def with_cursor(raw_query: str, parameter: str, cursor: str | None) -> str:
    """Return `raw_query` with `parameter` as its only cursor, or with none where `cursor` is None."""
    pairs = [pair for pair in pairs_of(raw_query) if pair[0] not in CURSORS]
    if cursor is not None:
        pairs.append((parameter, cursor))
    return urlencode(pairs)


# ---- operations ----------------------------------------------------------------------------------------
def parse_list(
    resource: Resource, raw_query: str, *, within: Mapping[str, UUID] | None = None, include: tuple[str, ...] = ()
) -> ListQuery:
    """Return what a list request asks for, `within` relationships that the path has settled.

    `include` is what is included when the request does not say. Raises `InvalidQueryParameter`, or `Problems` of
    several, one for each parameter at fault.
    """
    settled = tuple(Filter(name, "in", (id_,)) for name, id_ in (within or {}).items())
    parameters = list_parameters(resource, frozenset(within or ()))
    parsed = read(parameters, raw_query)
    conditions = ((name, parameters[name].condition) for name in parsed.values if name in parameters)
    filters = tuple(Filter(*condition, parsed.values[name], name) for name, condition in conditions if condition)
    paging = parsed.paging
    if paging["view"].include is None and include:
        paging["view"] = View(include, paging["view"].fields)
    query = ListQuery(
        **paging,
        resource=resource,
        filters=filters,
        workspaces=parsed.values.get("filter[workspace]", ()),
        deleted=parsed.values.get("filter[deleted]", "exclude"),
        sort=_order(resource, filters, parsed),
        total=parsed.values.get("page[total]", False),
        choices=parsed.values.get(WITH_CHOICES, False),
        sole_source=parsed.values.get(f"filter[{BY_SOLE_SOURCE}]"),
        enrolled_in=parsed.values.get(f"filter[{resource.enrolled_in}]") if resource.enrolled_in else None,
    )
    raise_all([*parsed.problems, *_too_many_ids(query), *_unbounded(query, parsed)])
    return replace(query, filters=(*settled, *filters)) if settled else query


def parse_view(resource: Resource, raw_query: str) -> tuple[View, list[WellspringError]]:
    """Return what a request about one resource wants to see of it, and what is wrong with its parameters.

    The problems are returned and not raised because a document beside them may have some too.
    """
    try:
        parsed = read(view_parameters(resource), raw_query)
    except InvalidQueryParameter as error:
        return View(), [error]
    return parsed.view, parsed.problems


def no_parameters(raw_query: str) -> list[WellspringError]:
    """Return a problem for each parameter of a request that takes none."""
    try:
        names = dict.fromkeys(name for name, _ in pairs_of(raw_query))
    except InvalidQueryParameter as error:
        return [error]
    return [InvalidQueryParameter(f"{UNKNOWN} It takes none.", parameter=name) for name in names]


# ---- reading -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter that an operation takes.

    Attributes:
        parse: returns what a text says; None where it is not of its form, which the `refusal` tells.
        condition: the field and the operator of the `Filter` that it is; None where it is none.
        is_list: whether it may be repeated, which is the same as listed.
        told: what it is called where what there is is told; empty for its name.
        kind: the profile's name for what is wrong with it.
    """

    parse: Callable[[str], object]
    refusal: str
    condition: tuple[str, Operator] | None = None
    is_list: bool = False
    told: str = ""
    kind: str = ""


class Paging(TypedDict):
    """What every request for a page says (`AnswerQuery`)."""

    size: int
    cursor: str | None
    backward: bool
    view: View


@dataclass(slots=True)
class ParsedParameters:
    """What the parameters of a request say, by their names, and what is wrong with them."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[WellspringError] = field(default_factory=list)

    @property
    def view(self) -> View:
        """What of each resource is shown."""
        fields = {name[7:-1]: names for name, names in self.values.items() if name.startswith("fields[")}
        return View(self.values.get("include"), fields)

    @property
    def paging(self) -> Paging:
        """Which page is asked for, and what is shown of what is on it."""
        size, before = self.values.get("page[size]", DEFAULT_PAGE_SIZE), self.values.get("page[before]")
        cursor = self.values.get("page[after]") if before is None else before
        return {"size": size, "cursor": cursor, "backward": before is not None, "view": self.view}


def refused(parameter: str, detail: str, kind: str = "", **meta: int) -> InvalidQueryParameter:
    """Return what is wrong with a parameter; `kind` is the profile's name for it, `meta` says what it asks."""
    link = f"{CURSOR_PAGINATION}{kind}" if kind else None
    return InvalidQueryParameter(detail, parameter=parameter, type_link=link, meta={"page": meta} if meta else None)


def read(parameters: Mapping[str, Parameter], raw_query: str) -> ParsedParameters:
    """Return what a query string says of these parameters. Raises `InvalidQueryParameter` where it cannot be read."""
    parsed = ParsedParameters()
    if not raw_query:
        return parsed
    given: dict[str, list[str]] = {}
    for name, value in pairs_of(raw_query):
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        try:
            parsed.values[name] = _value(parameters, name, values)
        except InvalidQueryParameter as error:
            parsed.problems.append(error)
    if parsed.values.keys() >= {*CURSORS}:
        detail = "Ranges are not supported: give page[after] or page[before], not both."
        parsed.problems.append(refused("page[before]", detail, "range-pagination-not-supported"))
    return parsed


def _value(parameters: Mapping[str, Parameter], name: str, values: Sequence[str]) -> object:
    parameter = _find(parameters, name)
    if parameter is None:
        raise refused(name, f"{UNKNOWN} {_advice(parameters, name)}")
    if len(values) > 1 and not parameter.is_list:
        raise refused(name, "The parameter is given more than once, and takes one value.")
    if not all(map(is_text, values)):
        raise refused(name, "The value holds a NUL character.")
    # Repeated is the same as listed; an empty one among several says nothing.
    value = parameter.parse(",".join(filter(None, values)))
    if value is None:
        raise refused(name, parameter.refusal, parameter.kind)
    return value


def _find(parameters: Mapping[str, Parameter], name: str) -> Parameter | None:
    found = parameters.get(name)
    if found is None and name.startswith("fields[") and name.endswith("]"):
        try:
            return _fields_of(resource_of(name[7:-1]))
        except KeyError:
            return None
    return found


def _advice(parameters: Mapping[str, Parameter], name: str) -> str:
    """Return what to write instead of a parameter that is unknown."""
    plain = re.sub(r"\[\d*\]$", "", name)
    meant = _find(parameters, plain)
    if plain != name and meant is not None and meant.is_list:
        return f"Separate the values with commas: {plain}=A,B."
    known = list(dict.fromkeys(found.told or each for each, found in parameters.items()))
    family = name.partition("[")[0]
    alike = [other for other in known if other.partition("[")[0] == family]
    return f"There are: {', '.join(alike or known)}."


# ---- what each operation takes -------------------------------------------------------------------------
@lru_cache(maxsize=64)
def list_parameters(resource: Resource, within: frozenset[str] = frozenset()) -> Mapping[str, Parameter]:
    """Return what a list takes, but for filters on what the path has settled."""
    orders = ", ".join(f"{name}, -{name}" for name in sorts_of(resource))
    sort = Parameter(partial(_sort, resource), f"Sort by one of: {orders}.", is_list=True, kind=_NO_ORDER)
    more = {"page[total]": Parameter(parse_boolean, _TRUTH)}
    if resource.choices:
        more[WITH_CHOICES] = Parameter(parse_boolean, _TRUTH)
    plain = with_view(resource, {"sort": sort, **PAGES, **more})
    settled = {f"filter[{name}]" for name in within}
    return plain | {name: found for name, found in dict(_filters(resource)).items() if name not in settled}


@lru_cache(maxsize=64)
def view_parameters(resource: Resource) -> Mapping[str, Parameter]:
    """Return what a request about one resource takes."""
    return with_view(resource, {})


def with_view(resource: Resource, others: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Return what is shown of a resource as parameters, with others that an operation takes in between."""
    fields = replace(_fields_of(resource), told="fields[TYPE]")
    paths = ", ".join(resource.includes)
    include = Parameter(partial(_paths, resource), f"Only these can be included: {paths}.", is_list=True)
    first = {"include": include} if paths else {}
    return {**first, **others, f"fields[{resource.type}]": fields}


@lru_cache(maxsize=64)
def _fields_of(resource: Resource) -> Parameter:
    def parse(value: str) -> frozenset[str] | None:
        fields = frozenset(value.split(",") if value else ())
        return fields if fields <= {*resource.fields} else None

    return Parameter(parse, f"The fields of {resource.type} are: {', '.join(resource.fields)}.", is_list=True)


def _paths(resource: Resource, value: str) -> tuple[str, ...] | None:
    paths = tuple(dict.fromkeys(value.split(","))) if value else ()
    return paths if all(path in resource.includes for path in paths) else None


def _sort(resource: Resource, value: str) -> Sort | None:
    name = value.removeprefix("-")
    if name not in sorts_of(resource):
        return None
    return Sort(FOLDED if name == "name" else name, descending=value.startswith("-"))


def _size(value: str) -> int | None:
    digits = value.lstrip("0") if value.isascii() and value.isdigit() else ""
    # len: int() of thousands of digits is slow.
    if len(digits) > len(str(MAX_PAGE_SIZE)) or int(digits or 0) > MAX_PAGE_SIZE:
        detail = f"A page has at most {MAX_PAGE_SIZE} rows."
        raise refused("page[size]", detail, "max-size-exceeded", maxSize=MAX_PAGE_SIZE)
    return int(digits) if digits else None


def _cursor(value: str) -> str:
    # jsonapi-requests ends every URL with a slash, also the link to a next page. No cursor has one.
    return value.removesuffix("/")


PAGES: Mapping[str, Parameter] = {
    "page[size]": Parameter(_size, f"The page size is a whole number from 1 to {MAX_PAGE_SIZE}."),
    **{name: Parameter(_cursor, "") for name in CURSORS},
}


# ---- filters -------------------------------------------------------------------------------------------
def _filters(resource: Resource) -> Iterator[tuple[str, Parameter]]:
    """Yield the filters of a list; of two with one name the second counts."""
    for attribute in resource.attributes:
        yield from _with_operators(resource, attribute)
    for relationship in resource.to_one:
        if relationship.is_filter:
            condition: tuple[str, Operator] = (relationship.name, "in")
            yield of_form(relationship.name, ids_of, _SOME_IDS, condition=condition, is_list=True)
    for attribute in resource.attributes:
        yield from _equal(attribute)
    if resource.has_tombstones:
        yield of_form("deleted", partial(_among, DELETED), f"one of: {', '.join(DELETED)}")
    if is_of_workspaces(resource):
        # Where the workspace is one of the row's own parents.
        most, form = (MAX_FILTER_IDS, _SOME_IDS) if resource.relationship("workspace") else (1, "one uuid")
        yield of_form("workspace", partial(ids_of, most=most), form, is_list=True)
    for name in (BY_SOLE_SOURCE if resource.type in ledgers() else "", resource.enrolled_in):
        if name:
            yield of_form(name, one_id_of, "one uuid")


def of_form(name: str, parse: Callable[[str], object], form: str, **options: Any) -> tuple[str, Parameter]:
    """Return a filter whose value must be of a form; `options` are `Parameter`'s."""
    return f"filter[{name}]", Parameter(parse, f"The value must be {form}.", **options)


def ranged(
    name: str, operator: Operator, parse: Callable[[str], object], form: str, **options: Any
) -> tuple[str, Parameter]:
    """Return one end of a range, all of which are told as one filter."""
    return of_form(f"{name}][{operator}", parse, form, told=f"filter[{name}][{'|'.join(RANGE_OPERATORS)}]", **options)


def _with_operators(resource: Resource, attribute: Attribute) -> Iterator[tuple[str, Parameter]]:
    """Yield the filters by a part of a name, or by a range of a time that a list is sorted by."""
    if attribute.found == "name":
        told = f"filter[name][{'|'.join(_PARTS)}]"
        for operator, (shortest, form) in _PARTS.items():
            parse = partial(text_of, shortest=shortest, longest=MAX_NAME_FOLDED)
            yield of_form(f"name][{operator}", parse, form, condition=(attribute.name, operator), told=told)
    elif attribute.kind == "instant" and (attribute.name in resource.times or attribute.computed == "sorted"):
        for operator in RANGE_OPERATORS:
            yield ranged(attribute.name, operator, parse_instant, A_TIME, condition=(attribute.name, operator))


def _equal(attribute: Attribute) -> Iterator[tuple[str, Parameter]]:
    """Yield the filter by the value of an attribute, if it has one."""
    name, is_found, choices = attribute.filter or attribute.name, bool(attribute.found), attribute.choices
    # The first that holds.
    rows: Iterable[tuple[bool, Operator, Callable[[str], object], str]] = (
        (attribute.kind == "direction", "eq", partial(_among, DIRECTIONS), " or ".join(DIRECTIONS)),
        (attribute.kind == "boolean", "eq", parse_boolean, "true or false"),
        (is_found and attribute.kind == "uuid", "eq", parse_id, "one uuid"),
        (is_found and bool(choices), "eq", partial(_among, choices), f"one of: {', '.join(choices)}"),
        (attribute.found == "equal", "eq", text_of, f"a text of 1 to {MAX_FILTER_TEXT} characters"),
        (attribute.found == "among", "among", _codes_of, f"one to {MAX_FILTER_CODES} codes, comma-separated"),
        (attribute.found == "name", "named", text_of, f"a name of 1 to {MAX_FILTER_TEXT} characters"),
    )
    for operator, parse, form in [row[1:] for row in rows if row[0]][:1]:
        called, is_list = "name" if operator == "named" else name, operator == "among"
        yield of_form(called, parse, form, condition=(attribute.name, operator), is_list=is_list)


_PARTS: Mapping[Operator, tuple[int, str]] = {
    "starts": (1, f"the first 1 to {MAX_NAME_FOLDED} characters of a name"),
    "contains": (MIN_SEARCHED, f"{MIN_SEARCHED} to {MAX_NAME_FOLDED} characters of a name"),
}
_SOME_IDS = f"one to {MAX_FILTER_IDS} uuids, comma-separated"


def text_of(value: str, shortest: int = 1, longest: int = MAX_FILTER_TEXT) -> str | None:
    """Return a text of so many characters; None where it has fewer or more."""
    return value if shortest <= len(value) <= longest else None


def ids_of(value: str, most: int = MAX_FILTER_IDS) -> tuple[UUID, ...] | None:
    """Return the ids of a value, each once; None where it has another form, or has too many."""
    parts = value.split(",")
    ids = dict.fromkeys(map(parse_id, parts) if len(parts) <= MAX_FILTER_IDS else [None])
    known = tuple(id_ for id_ in ids if id_ is not None)
    return known if None not in ids and len(known) <= most else None


def one_id_of(value: str) -> UUID | None:
    """Return the one id of a value; None where it has another form."""
    ids = ids_of(value, most=1)
    return ids[0] if ids else None


def _among(words: Iterable[str], value: str) -> str | None:
    return value if value in words else None


def _codes_of(value: str) -> tuple[str, ...] | None:
    """Return the codes of a value in each way that a catalogue may write them; None where it has another form."""
    codes = value.split(",")
    if len(codes) > MAX_FILTER_CODES or not all(map(text_of, codes)):
        return None
    return tuple(dict.fromkeys(written for code in codes for written in (code, code.upper(), code.lower())))


# ---- order, and what no index has ----------------------------------------------------------------------
def sorts_of(resource: Resource) -> tuple[str, ...]:
    """Return what a type's list can be sorted by."""
    return (*resource.times, *(("name",) if resource.named else ()), *filter(None, (resource.sorted_by,)))


def is_of_workspaces(resource: Resource) -> bool:
    """Say whether the rows of a type belong to workspaces, by which its list is narrowed."""
    return resource.tenancy not in {"membership", "everybody", "group", "services"}


def _order(resource: Resource, filters: Iterable[Filter], parsed: ParsedParameters) -> Sort:
    """Return the order that is asked for, or that a filter brings; else the newest are first."""
    if f"filter[{BY_SOLE_SOURCE}]" in parsed.values:
        return Sort(BY_SOLE_SOURCE)
    if f"filter[{resource.enrolled_in}]" in parsed.values:
        return Sort(BY_ENROLMENT, descending=False)
    asked: Sort | None = parsed.values.get("sort")
    if asked is not None:
        return asked
    if any(found.operator in OF_NAMES for found in filters):
        return Sort(FOLDED, descending=False)
    if any(found.name == resource.sorted_by for found in filters):
        return Sort(resource.sorted_by, descending=False)
    return Sort(resource.times[0]) if resource.times else Sort()


def _too_many_ids(query: ListQuery) -> Iterator[WellspringError]:
    """Yield filters that together name more ids than a URL has room for."""
    named = (found for found in query.filters if found.operator == "in")
    counts = {found.parameter: len(found.value) for found in named if isinstance(found.value, tuple)}
    if query.workspaces:
        counts["filter[workspace]"] = len(query.workspaces)
    if sum(counts.values()) > MAX_FILTER_IDS:
        for parameter in counts:
            yield refused(parameter, f"All filters of a request together name at most {MAX_FILTER_IDS} ids.")


def _unbounded(query: ListQuery, parsed: ParsedParameters) -> Iterator[WellspringError]:
    """Yield what would walk over any number of rows for one page: no index has them together."""
    resource, sort, is_sorted = query.resource, query.sort, "sort" in parsed.values
    if query.sole_source is not None or query.enrolled_in is not None:
        yield from _beside_its_order(query, is_sorted=is_sorted)
        return
    if resource.policy in {"message", "run"}:
        yield from _unbounded_syncs(query)
    yield from not_together(
        resource, {found.name: found.parameter for found in query.filters if found.operator not in RANGE_OPERATORS}
    )
    if sort.name == "deleted_at" and query.deleted != "only":
        yield refused("sort", "Only deleted rows have this order: ask for filter[deleted]=only with it.", _NO_ORDER)
    if sort.by_name and query.deleted != "exclude":
        detail = "Only live rows have the order of names: ask for another sort, or without filter[deleted]."
        yield refused("sort" if is_sorted else "filter[deleted]", detail)
    if sort.name == resource.sorted_by and not query.workspaces:
        brought = "sort" if is_sorted else next(each.parameter for each in query.filters if each.name == sort.name)
        detail = f"The order of {sort.name} is within workspaces: name them by filter[workspace]."
        yield refused(brought, detail, _NO_ORDER if is_sorted else "")
    yield from _in_other_orders(query)


def _in_other_orders(query: ListQuery) -> Iterator[WellspringError]:
    """Yield filters by names and times that are not read in their own order, and searches of too many names."""
    resource, sort = query.resource, query.sort
    for found in query.filters:
        if found.operator in OF_NAMES and not sort.by_name:
            detail = "Names are found in their own order: ask for sort=name or sort=-name with it, or for no sort."
            yield refused(found.parameter, detail)
        if found.operator == "contains" and resource.relationship("workspace") and len(query.workspaces) != 1:
            yield refused(
                found.parameter,
                f"A part of a name is searched for in one workspace of at most {MAX_SEARCHED:,} {resource.names}: name "
                "it by filter[workspace], or ask for filter[name][starts].",
            )
        if found.operator in RANGE_OPERATORS and found.name != sort.name:
            own = f"sort={found.name} or sort=-{found.name}"
            own += " and filter[deleted]=only" if found.name == "deleted_at" else ""
            yield refused(found.parameter, f"A range of {found.name} is read in its own order: ask for {own} with it.")


def _unbounded_syncs(query: ListQuery) -> Iterator[WellspringError]:
    """Yield filters of messages that go with no other, and an order in which no index has what is filtered for."""
    by, names_run = query.resource.times[0], any(found.name == "sync_run" for found in query.filters)
    equal = {found.name: found.parameter for found in query.filters if found.operator == "eq"}
    for found in query.filters if "message_id" in equal else ():
        if found.name != "message_id":
            yield refused(found.parameter, "A message is found by its id alone, or by that within filter[workspace].")
    if names_run:
        for name in sorted({"run", "reason"} & equal.keys()):
            yield refused(equal[name], "The messages of a run are found by it alone, or by their outcome.")
    elif {"run", "reason"} <= equal.keys():
        detail = "A run's messages are found by their outcome: ask for filter[outcome]=parked instead."
        yield refused("filter[reason]", detail)
    if (equal or names_run) and query.sort.name != by:
        detail = f"What is filtered so has the order of {by} alone: ask for sort={by} or sort=-{by}."
        yield refused("sort", detail, _NO_ORDER)


def not_together(resource: Resource, asked: Mapping[str, str]) -> Iterator[WellspringError]:
    """Yield filters, each a field's parameter, that no index has together."""
    allowed = resource.together
    if allowed is not None and asked and asked.keys() not in allowed:
        sets = "; ".join(" and ".join(f"filter[{name}]" for name in sorted(names)) for names in allowed)
        for parameter in sorted(asked.values()):
            yield refused(parameter, f"These filters are for one another, alone or together: {sets}.")


def _beside_its_order(query: ListQuery, *, is_sorted: bool) -> Iterator[WellspringError]:
    """Yield what makes another list of one that is in the order of its filter."""
    others = {"filter[deleted]": query.deleted != "exclude", "sort": is_sorted}
    if query.sole_source is not None:
        order, name, also = "in which the connector brought its records in", BY_SOLE_SOURCE, "filter[workspace]"
        others["page[total]"] = query.total
    else:
        order, name, also = "of enrolment", query.resource.enrolled_in, "page[total]"
        others["filter[workspace]"] = bool(query.workspaces)
    beside = f"beside it there are {also}, page[size], page[after] and page[before]."
    for parameter in (*(found.parameter for found in query.filters), *filter(others.get, others)):
        yield refused(parameter, f"With filter[{name}] a list is in the order {order}: {beside}")
