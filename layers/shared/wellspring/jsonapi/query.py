"""Query parameters: from the URL to a `ListQuery`, every problem found before one is reported.

A parameter that is unknown or malformed is 400 with `source.parameter`, and so is one given twice unless it takes a
list; none is ever ignored (contract, section 4; JSON:API 1.1, "Query Parameters").
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
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
    FilterValue,
    ListQuery,
    Operator,
    Sort,
    View,
    parameter_of,
)
from wellspring.resources import DIRECTIONS, FOLDED, Resource, ledgers, resource_of

# What most lists are sorted by. Dead rows can be sorted by the time of their deletion, too.
SORTABLE = ("created_at", "updated_at", "deleted_at")
RANGE_OPERATORS: tuple[Operator, ...] = ("gte", "gt", "lte", "lt")
PARTS_OF_NAMES: tuple[Operator, ...] = ("starts", "contains")
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


def pairs_of(raw_query: str) -> list[tuple[str, str]]:
    """Split a raw query string into decoded names and values, in their order.

    Raises:
        InvalidQueryParameter: it is not UTF-8 once decoded, or has too many parameters.
    """
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


def parse_list(
    resource: Resource, raw_query: str, *, within: Mapping[str, UUID] | None = None, include: tuple[str, ...] = ()
) -> ListQuery:
    """Return what a list request asks for.

    Args:
        resource: what is listed.
        raw_query: the query string, undecoded.
        within: relationships that the path has settled.
        include: what is included when the request does not say.

    Raises:
        InvalidQueryParameter: or `Problems` of several, one for each parameter at fault.
    """
    within = within or {}
    parser = Parser(resource, within)
    parser.read(raw_query, parser.list_reader)
    parser.refuse_range_of_pages()
    parser.settle_order()
    parser.refuse_too_many_ids()
    parser.reject_unindexed()
    raise_all(parser.problems)
    settled = tuple(Filter(name, "in", (id_,)) for name, id_ in within.items())
    asked = parser.view
    return ListQuery(
        resource=resource,
        filters=(*settled, *parser.filters),
        workspaces=parser.workspaces,
        deleted=parser.deleted,
        sort=parser.sort,
        size=parser.size,
        cursor=parser.after if parser.before is None else parser.before,
        backward=parser.before is not None,
        total=parser.total,
        choices=parser.choices,
        view=View(include, asked.fields) if asked.include is None and include else asked,
        sole_source=parser.sole_source,
        enrolled_in=parser.enrolled_in,
    )


def parse_view(resource: Resource, raw_query: str) -> tuple[View, list[WellspringError]]:
    """Return what a request about one resource wants to see of it, and what is wrong with its parameters.

    The problems are returned and not raised because a document beside them may have some too.
    """
    parser = Parser(resource, {})
    try:
        parser.read(raw_query, parser.view_reader)
    except InvalidQueryParameter as error:
        parser.problems.append(error)
    return parser.view, parser.problems


def no_parameters(raw_query: str) -> list[WellspringError]:
    """Return a problem for each parameter of a request that takes none."""
    try:
        names = dict.fromkeys(name for name, _ in pairs_of(raw_query))
    except InvalidQueryParameter as error:
        return [error]
    return [InvalidQueryParameter(f"{UNKNOWN} It takes none.", parameter=name) for name in names]


UNKNOWN = "There is no such parameter for this operation."
WITH_COMMAS = "Separate the values with commas:"

type Reader = Callable[[str], None]


class Parser:
    """Collects what the parameters say and what is wrong with them."""

    def __init__(self, resource: Resource, within: Iterable[str]) -> None:
        self.resource = resource
        self.within = frozenset(within)
        self.problems: list[WellspringError] = []
        self.filters: list[Filter] = []
        self.workspaces: tuple[UUID, ...] = ()
        self.sole_source: UUID | None = None
        self.enrolled_in: UUID | None = None
        self.deleted: Deleted = "exclude"
        self.sort = default_sort(resource)
        self.is_sorted = False
        self.size = DEFAULT_PAGE_SIZE
        self.after: str | None = None
        self.before: str | None = None
        self.total = False
        self.choices = False
        self.include: tuple[str, ...] | None = None
        self.fields: dict[str, frozenset[str]] = {}

    @property
    def view(self) -> View:
        """What of each resource is shown."""
        return View(self.include, self.fields)

    def refuse(self, parameter: str, detail: str, *, kind: str | None = None, **meta: int) -> None:
        """Note that a parameter is at fault, and why; `kind` is the profile's name for it, `meta` says what it asks."""
        self.problems.append(
            InvalidQueryParameter(
                detail,
                parameter=parameter,
                type_link=kind and f"{CURSOR_PAGINATION}{kind}",
                meta={"page": meta} if meta else None,
            )
        )

    def read(self, raw_query: str, reader_of: Callable[[str], Reader | None]) -> None:
        """Give each parameter to the reader of its name; refuse what has none, or comes twice and takes no list."""
        given: dict[str, list[str]] = {}
        for name, value in pairs_of(raw_query):
            given.setdefault(name, []).append(value)
        for name, values in given.items():
            reader = reader_of(name)
            if reader is None:
                self.refuse(name, f"{UNKNOWN} {self._advice(name, reader_of)}")
            elif len(values) > 1 and not self._takes_list(name):
                self.refuse(name, "The parameter is given more than once, and takes one value.")
            elif not all(map(is_text, values)):
                self.refuse(name, "The value holds a NUL character.")
            else:
                # Repeated is the same as listed; an empty one among several says nothing.
                reader(",".join(value for value in values if value))

    def _takes_list(self, name: str) -> bool:
        if name in {"include", "sort"} or name.startswith("fields["):
            return True
        filtered = name.removeprefix("filter[").removesuffix("]")
        relationship = self.resource.relationship(filtered)
        is_among = any(said.found == "among" and filtered == said.filter for said in self.resource.attributes)
        return filtered == "workspace" or is_among or (relationship is not None and not relationship.many)

    def _advice(self, name: str, reader_of: Callable[[str], Reader | None]) -> str:
        """Return what to write instead of a parameter that is unknown."""
        plain = re.sub(r"\[\d*\]$", "", name)
        if plain != name and reader_of(plain) is not None and self._takes_list(plain):
            return f"{WITH_COMMAS} {plain}=A,B."
        known = [shown for shown, written in self._names() if reader_of(written) is not None]
        family = name.partition("[")[0]
        alike = [other for other in known if other.partition("[")[0] == family]
        return f"There are: {', '.join(alike or known)}."

    def _names(self) -> list[tuple[str, str]]:
        """Return every parameter that some operation on the resource takes: as it is told, and one way to write it."""
        plain = ["include", "sort", "page[size]", "page[after]", "page[before]", "page[total]"]
        plain += [WITH_CHOICES] if self.resource.choices else []
        names = [(name, name) for name in plain] + [("fields[TYPE]", f"fields[{self.resource.type}]")]
        filters = [said.name for said in self.resource.to_one if said.is_filter]
        for said in self.resource.attributes:
            if said.found == "name":
                filters.append("name")
                names.append(with_operators("name", PARTS_OF_NAMES))
            elif said.kind == "instant" and (said.name in self.resource.times or said.computed == "sorted"):
                names.append(with_operators(said.name, RANGE_OPERATORS))
            else:
                filters.append(said.filter or said.name)
        filters += ["deleted", "workspace", BY_SOLE_SOURCE, *filter(None, (self.resource.enrolled_in,))]
        names += [(f"filter[{name}]", f"filter[{name}]") for name in filters]
        return list(dict.fromkeys(names))

    def view_reader(self, name: str) -> Reader | None:
        """Return what reads a parameter of what is shown; None where there is no such one."""
        if name.startswith("fields[") and name.endswith("]"):
            return self._fields_reader(name)
        return self._include if name == "include" and self.resource.includes else None

    def list_reader(self, name: str) -> Reader | None:
        """Return what reads a parameter of a list; None where there is no such one."""
        if name.startswith("filter[") and name.endswith("]"):
            return self._filter_reader(name)
        readers: dict[str, Reader] = {
            "sort": self._sort,
            "page[size]": self._size,
            "page[after]": self._after,
            "page[before]": self._before,
            "page[total]": self._total,
            **({WITH_CHOICES: self._choices} if self.resource.choices else {}),
        }
        return readers.get(name) or self.view_reader(name)

    def refuse_range_of_pages(self) -> None:
        """Refuse a page that is after one row and before another."""
        if self.after is not None and self.before is not None:
            self.refuse(
                "page[before]",
                "Ranges are not supported: give page[after] or page[before], not both.",
                kind="range-pagination-not-supported",
            )

    def settle_order(self) -> None:
        """Have what is found by its name, or by a computed attribute, in that order, where no other was asked for."""
        if self.is_sorted:
            return
        if any(found.operator in OF_NAMES for found in self.filters):
            self.sort = Sort(FOLDED, descending=False)
        elif any(found.name == self.resource.sorted_by for found in self.filters):
            self.sort = Sort(self.resource.sorted_by, descending=False)

    def refuse_too_many_ids(self) -> None:
        """Refuse filters that together name more ids than a URL has room for."""
        counts = {
            parameter_of(self.resource, found): len(found.value)
            for found in self.filters
            if found.operator == "in" and isinstance(found.value, tuple)
        }
        if self.workspaces:
            counts["filter[workspace]"] = len(self.workspaces)
        if sum(counts.values()) > MAX_FILTER_IDS:
            for parameter in counts:
                self.refuse(parameter, f"All filters of a request together name at most {MAX_FILTER_IDS} ids.")

    def reject_unindexed(self) -> None:
        """Refuse what would walk over any number of rows for one page: no index has them together."""
        if self.sole_source is not None or self.enrolled_in is not None:
            self._refuse_beside_an_order()
            return
        if self.resource.tenancy == "message":
            self._refuse_unbounded_messages()
        self._refuse_together()
        if self.sort.name == "deleted_at" and self.deleted != "only":
            self.refuse(
                "sort",
                "Only deleted rows have this order: ask for filter[deleted]=only with it.",
                kind="unsupported-sort",
            )
        if self.sort.by_name and self.deleted != "exclude":
            self.refuse(
                "sort" if self.is_sorted else "filter[deleted]",
                "Only live rows have the order of names: ask for another sort, or without filter[deleted].",
            )
        if self.sort.name == self.resource.sorted_by and not self.workspaces:
            ranged = (parameter_of(self.resource, found) for found in self.filters if found.name == self.sort.name)
            self.refuse(
                next(ranged, "sort") if not self.is_sorted else "sort",
                f"The order of {self.sort.name} is within workspaces: name them by filter[workspace].",
                kind="unsupported-sort" if self.is_sorted else None,
            )
        for found in self.filters:
            if found.operator in OF_NAMES and not self.sort.by_name:
                self.refuse(
                    parameter_of(self.resource, found),
                    "Names are found in their own order: ask for sort=name or sort=-name with it, or for no sort.",
                )
            if found.operator == "contains" and self.resource.relationship("workspace") and len(self.workspaces) != 1:
                self.refuse(
                    parameter_of(self.resource, found),
                    f"A part of a name is searched for in one workspace of at most {MAX_SEARCHED:,} "
                    f"{self.resource.names}: name it by filter[workspace], or ask for filter[name][starts].",
                )
            if found.operator in RANGE_OPERATORS and found.name != self.sort.name:
                also = " and filter[deleted]=only" if found.name == "deleted_at" else ""
                self.refuse(
                    f"filter[{found.name}][{found.operator}]",
                    f"A range of {found.name} is read in its own order: ask for sort={found.name} or "
                    f"sort=-{found.name}{also} with it.",
                )

    def _refuse_unbounded_messages(self) -> None:
        equal = {found.name for found in self.filters if found.operator == "eq"}
        if "message_id" in equal:
            detail = "A message is found by its id alone, or by that within filter[workspace]."
            for found in self.filters:
                if found.name != "message_id":
                    self.refuse(parameter_of(self.resource, found), detail)
        names_runs = any(found.name == "sync_run" for found in self.filters)
        if names_runs:
            detail = "The messages of a run are found by it alone, or by their outcome."
            for name in sorted({"run", "reason"} & equal):
                self.refuse(f"filter[{name}]", detail)
        elif {"run", "reason"} <= equal:
            detail = "A run's messages are found by their outcome: ask for filter[outcome]=parked instead."
            self.refuse("filter[reason]", detail)
        if equal or names_runs:
            self._refuse_other_orders()

    def _refuse_other_orders(self) -> None:
        """Refuse any order but that of the first time: no index has what is filtered for in another."""
        known = self.resource.times[0]
        if self.sort.name != known:
            detail = f"What is filtered so has the order of {known} alone: ask for sort={known} or sort=-{known}."
            self.refuse("sort", detail, kind="unsupported-sort")

    def _refuse_together(self) -> None:
        """Refuse filters that no index has together, or not in this order."""
        if self.resource.policy == "run" and any(found.operator == "eq" for found in self.filters):
            self._refuse_other_orders()
        allowed = self.resource.together
        asked = {
            found.name: parameter_of(self.resource, found)
            for found in self.filters
            if found.operator not in RANGE_OPERATORS
        }
        if allowed is None or not asked or asked.keys() in allowed:
            return
        sets = "; ".join(" and ".join(f"filter[{name}]" for name in sorted(names)) for names in allowed)
        for parameter in sorted(asked.values()):
            self.refuse(parameter, f"These filters are for one another, alone or together: {sets}.")

    def _include(self, value: str) -> None:
        paths = tuple(dict.fromkeys(value.split(","))) if value else ()
        if all(path in self.resource.includes for path in paths):
            self.include = paths
        else:
            allowed = ", ".join(self.resource.includes)
            self.refuse("include", f"Only these can be included: {allowed}.")

    def _fields_reader(self, parameter: str) -> Reader | None:
        type_ = parameter.removeprefix("fields[").removesuffix("]")
        try:
            resource = resource_of(type_)
        except KeyError:
            return None
        known = [attribute.name for attribute in resource.attributes]
        known += [relationship.name for relationship in resource.relationships]

        def read(value: str) -> None:
            names = frozenset(value.split(",")) if value else frozenset()
            if names <= set(known):
                self.fields[type_] = names
            else:
                self.refuse(parameter, f"The fields of {type_} are: {', '.join(known)}.")

        return read

    def _sort(self, value: str) -> None:
        name = value.removeprefix("-")
        sortable = sorts_of(self.resource)
        if name in sortable:
            self.sort = Sort(FOLDED if name == "name" else name, descending=value.startswith("-"))
            self.is_sorted = True
        else:
            allowed = ", ".join(f"{name}, -{name}" for name in sortable)
            self.refuse("sort", f"Sort by one of: {allowed}.", kind="unsupported-sort")

    def _size(self, value: str) -> None:
        digits = value.lstrip("0") if value.isascii() and value.isdigit() else ""
        # len: int() of thousands of digits is slow.
        number = int(digits) if 0 < len(digits) <= len(str(MAX_PAGE_SIZE)) else 0
        if 1 <= number <= MAX_PAGE_SIZE:
            self.size = number
        elif digits:
            self.refuse(
                "page[size]",
                f"A page has at most {MAX_PAGE_SIZE} rows.",
                kind="max-size-exceeded",
                maxSize=MAX_PAGE_SIZE,
            )
        else:
            self.refuse("page[size]", f"The page size is a whole number from 1 to {MAX_PAGE_SIZE}.")

    def _after(self, value: str) -> None:
        self.after = _cursor(value)

    def _before(self, value: str) -> None:
        self.before = _cursor(value)

    def _total(self, value: str) -> None:
        self.total = self._truth("page[total]", value)

    def _choices(self, value: str) -> None:
        self.choices = self._truth(WITH_CHOICES, value)

    def _truth(self, parameter: str, value: str) -> bool:
        truth = parse_boolean(value)
        if truth is None:
            self.refuse(parameter, "The value must be true or false.")
        return bool(truth)

    def _filter_reader(self, parameter: str) -> Reader | None:
        name, *rest = parameter.removeprefix("filter[").removesuffix("]").split("][")
        if len(rest) > 1 or name in self.within:
            return None
        if name == "name" and self.resource.named is not None:
            return self._name_reader(parameter, self.resource.named.name, *rest)
        if rest:
            return self._range_reader(parameter, name, rest[0])
        readers: dict[str, Reader] = {"deleted": self._deleted} if self.resource.has_tombstones else {}
        if self.resource.type in ledgers():
            readers[BY_SOLE_SOURCE] = self._sole_source
        if self.resource.enrolled_in:
            readers[self.resource.enrolled_in] = self._enrolled_in
        if is_of_workspaces(self.resource):
            readers["workspace"] = self._workspaces
        return readers.get(name) or self._equality_reader(parameter, name)

    def _equality_reader(self, parameter: str, name: str) -> Reader | None:
        relationship, attribute = self.resource.relationship(name), self.resource.attribute(name)
        if relationship is not None and not relationship.many and relationship.is_filter:
            return lambda value: self._add(parameter, name, "in", ids_of(value), _SOME_IDS)
        if attribute is not None and attribute.kind == "direction":
            choice = " or ".join(DIRECTIONS)
            return lambda value: self._add(parameter, name, "eq", value if value in DIRECTIONS else None, choice)
        if attribute is not None and attribute.kind == "boolean":
            return lambda value: self._add(parameter, name, "eq", parse_boolean(value), "true or false")
        return self._text_reader(parameter, name)

    def _text_reader(self, parameter: str, name: str) -> Reader | None:
        form = f"a text of 1 to {MAX_FILTER_TEXT} characters"
        known = self.resource.attribute(name)
        if known is not None and known.found and known.kind == "uuid":
            return lambda value: self._add(parameter, name, "eq", parse_id(value), "one uuid")
        if known is not None and known.found and known.choices:
            choice = f"one of: {', '.join(known.choices)}"
            return lambda value: self._add(parameter, name, "eq", value if value in known.choices else None, choice)
        for attribute in self.resource.attributes:
            if name != (attribute.filter or attribute.name):
                continue
            if attribute.found == "equal":
                return partial(self._add_text, parameter, attribute.name, "eq", (1, MAX_FILTER_TEXT), form)
            if attribute.found == "among":
                return lambda value: self._add(parameter, attribute.name, "among", _codes_of(value), _SOME_CODES)
        return None

    def _name_reader(self, parameter: str, attribute: str, wanted: str = "") -> Reader | None:
        if wanted == "starts":
            form = f"the first 1 to {MAX_NAME_FOLDED} characters of a name"
            return partial(self._add_text, parameter, attribute, "starts", (1, MAX_NAME_FOLDED), form)
        if wanted == "contains":
            form = f"{MIN_SEARCHED} to {MAX_NAME_FOLDED} characters of a name"
            return partial(self._add_text, parameter, attribute, "contains", (MIN_SEARCHED, MAX_NAME_FOLDED), form)
        if wanted:
            return None
        form = f"a name of 1 to {MAX_FILTER_TEXT} characters"
        return partial(self._add_text, parameter, attribute, "named", (1, MAX_FILTER_TEXT), form)

    def _add_text(
        self, parameter: str, name: str, operator: Operator, lengths: tuple[int, int], form: str, value: str
    ) -> None:
        shortest, longest = lengths
        self._add(parameter, name, operator, value if shortest <= len(value) <= longest else None, form)

    def _range_reader(self, parameter: str, name: str, wanted: str) -> Reader | None:
        attribute = self.resource.attribute(name)
        operator = next((known for known in RANGE_OPERATORS if known == wanted), None)
        is_time = attribute is not None and (name in self.resource.times or attribute.computed == "sorted")
        if not is_time or operator is None:
            return None
        form = "a time in ISO 8601 with an offset, such as 2026-05-10T08:14:22.000Z"
        return lambda value: self._add(parameter, name, operator, parse_instant(value), form)

    def _deleted(self, value: str) -> None:
        found = next((known for known in DELETED if known == value), None)
        if found is None:
            self.refuse("filter[deleted]", f"The value must be one of: {', '.join(DELETED)}.")
        else:
            self.deleted = found

    def _sole_source(self, value: str) -> None:
        ids = ids_of(value)
        if not ids or len(ids) > 1:
            self.refuse("filter[sole_source]", "The value must be one uuid.")
        else:
            (self.sole_source,) = ids

    def _enrolled_in(self, value: str) -> None:
        ids = ids_of(value)
        if not ids or len(ids) > 1:
            self.refuse(f"filter[{self.resource.enrolled_in}]", "The value must be one uuid.")
        else:
            (self.enrolled_in,) = ids

    def _refuse_beside_an_order(self) -> None:
        """Refuse what makes another list of one that is in the order of its filter, and have it in that order."""
        if self.sole_source is not None:
            self.sort, order = Sort(BY_SOLE_SOURCE), "in which the connector brought its records in"
            name, also, refused = "sole_source", "filter[workspace]", {"page[total]": self.total}
        else:
            self.sort, order = Sort(BY_ENROLMENT, descending=False), "of enrolment"
            name, also, refused = self.resource.enrolled_in, "page[total]", {"filter[workspace]": bool(self.workspaces)}
        given = [parameter_of(self.resource, found) for found in self.filters]
        said = {"filter[deleted]": self.deleted != "exclude", "sort": self.is_sorted, **refused}
        for parameter in (*given, *(name for name, is_given in said.items() if is_given)):
            self.refuse(
                parameter,
                f"With filter[{name}] a list is in the order {order}: beside it there are {also}, page[size], "
                "page[after] and page[before].",
            )

    def _workspaces(self, value: str) -> None:
        ids = ids_of(value)
        has_many = self.resource.relationship("workspace") is not None
        if not ids or (len(ids) > 1 and not has_many):
            self.refuse("filter[workspace]", f"The value must be {_SOME_IDS if has_many else 'one uuid'}.")
        else:
            self.workspaces = ids

    def _add(self, parameter: str, name: str, operator: Operator, value: FilterValue | None, wanted: str) -> None:
        if value is None:
            self.refuse(parameter, f"The value must be {wanted}.")
        else:
            self.filters.append(Filter(name, operator, value))


def sorts_of(resource: Resource) -> tuple[str, ...]:
    """Return what a type's list can be sorted by."""
    by_name = ("name",) if resource.named else ()
    return (*resource.times, *by_name, *((resource.sorted_by,) if resource.sorted_by else ()))


def default_sort(resource: Resource) -> Sort:
    """Return the order of a type's list where none is asked for: newest first."""
    return Sort(resource.times[0]) if resource.times else Sort()


def is_of_workspaces(resource: Resource) -> bool:
    """Say whether the rows of a type belong to workspaces, by which its list is narrowed."""
    return resource.tenancy not in {"membership", "everybody", "group", "services"}


def with_operators(name: str, operators: tuple[Operator, ...]) -> tuple[str, str]:
    """Return a filter that has operators: as it is told, and one way to write it."""
    return f"filter[{name}][{'|'.join(operators)}]", f"filter[{name}][{operators[0]}]"


_SOME_IDS = f"one to {MAX_FILTER_IDS} uuids, comma-separated"


_SOME_CODES = f"one to {MAX_FILTER_CODES} codes, comma-separated"


def _codes_of(value: str) -> tuple[str, ...] | None:
    """Return the codes of a value in each way that a catalogue may write them; None where it has another form."""
    codes = value.split(",")
    if len(codes) > MAX_FILTER_CODES or not all(0 < len(code) <= MAX_FILTER_TEXT for code in codes):
        return None
    return tuple(dict.fromkeys(written for code in codes for written in (code, code.upper(), code.lower())))


def _cursor(value: str) -> str:
    # jsonapi-requests ends every URL with a slash, also the link to a next page. No cursor has one.
    return value.removesuffix("/")


def ids_of(value: str) -> tuple[UUID, ...] | None:
    """Return the ids of a value, each once; None where it has another form, or has too many."""
    parts = value.split(",")
    ids = [parse_id(part) for part in parts] if len(parts) <= MAX_FILTER_IDS else [None]
    known = tuple(id_ for id_ in ids if id_ is not None)
    return tuple(dict.fromkeys(known)) if len(known) == len(ids) else None
