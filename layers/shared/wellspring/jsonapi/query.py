"""Query parameters: from the URL to a `ListQuery`, every problem found before one is reported.

A parameter that is unknown, malformed or given twice is 400 with `source.parameter`; none is ever ignored
(contract, section 4; JSON:API 1.1, "Query Parameters").
"""

from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from wellspring.errors import InvalidQueryParameter, WellspringError, raise_all
from wellspring.jsonapi.values import parse_id, parse_instant
from wellspring.queries import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Filter, FilterValue, ListQuery, Operator, Sort
from wellspring.resources import Resource

DIRECTIONS = ("input", "output")
SORTABLE = ("created_at",)
RANGE_OPERATORS: tuple[Operator, ...] = ("gte", "gt", "lte", "lt")
CURSORS = ("page[after]", "page[before]")
MAX_PARAMETERS = 100
MAX_FILTER_IDS = 200


def pairs_of(raw_query: str) -> list[tuple[str, str]]:
    """Split a raw query string into decoded names and values, in their order.

    Raises:
        InvalidQueryParameter: it is not UTF-8 once decoded, or has too many parameters.
    """
    try:
        return parse_qsl(raw_query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError as error:
        raise InvalidQueryParameter("The query string is not percent-encoded UTF-8.") from error
    except ValueError as error:
        raise InvalidQueryParameter(f"There are more than {MAX_PARAMETERS} query parameters.") from error


def with_cursor(raw_query: str, parameter: str, cursor: str | None) -> str:
    """Return `raw_query` with `parameter` as its only cursor, or with none where `cursor` is None."""
    pairs = [pair for pair in pairs_of(raw_query) if pair[0] not in CURSORS]
    if cursor is not None:
        pairs.append((parameter, cursor))
    return urlencode(pairs)


def parse_list(resource: Resource, raw_query: str) -> ListQuery:
    """Return what a list request asks for.

    Raises:
        InvalidQueryParameter: or `Problems` of several, one for each parameter at fault.
    """
    parser = _Parser(resource)
    parser.read(raw_query, parser.list_reader)
    if parser.after is not None and parser.before is not None:
        parser.refuse("page[before]", "Ranges are not supported: give page[after] or page[before], not both.")
    raise_all(parser.problems)
    return ListQuery(
        resource=resource,
        filters=tuple(parser.filters),
        sort=parser.sort,
        size=parser.size,
        cursor=parser.after if parser.before is None else parser.before,
        backward=parser.before is not None,
        include=parser.include,
    )


def parse_retrieve(resource: Resource, raw_query: str) -> tuple[str, ...]:
    """Return the relationship paths that a retrieve request includes.

    Raises:
        InvalidQueryParameter: or `Problems` of several.
    """
    parser = _Parser(resource)
    parser.read(raw_query, parser.retrieve_reader)
    raise_all(parser.problems)
    return parser.include


type _Reader = Callable[[str], None]


class _Parser:
    """Collects what the parameters say and what is wrong with them."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.problems: list[WellspringError] = []
        self.filters: list[Filter] = []
        self.sort = Sort()
        self.size = DEFAULT_PAGE_SIZE
        self.after: str | None = None
        self.before: str | None = None
        self.include: tuple[str, ...] = ()

    def refuse(self, parameter: str, detail: str) -> None:
        self.problems.append(InvalidQueryParameter(detail, parameter=parameter))

    def read(self, raw_query: str, reader_of: Callable[[str], _Reader | None]) -> None:
        """Give each parameter to the reader of its name; refuse what has none, or comes twice."""
        seen: set[str] = set()
        for name, value in pairs_of(raw_query):
            reader = reader_of(name)
            if reader is None:
                self.refuse(name, "There is no such parameter for this operation.")
            elif name in seen:
                self.refuse(name, "The parameter is given more than once.")
            elif "\x00" in value:
                self.refuse(name, "The value holds a NUL character.")
            else:
                reader(value)
            seen.add(name)

    def retrieve_reader(self, name: str) -> _Reader | None:
        return self._include if name == "include" else None

    def list_reader(self, name: str) -> _Reader | None:
        if name.startswith("filter[") and name.endswith("]"):
            return self._filter_reader(name)
        return {
            "include": self._include,
            "sort": self._sort,
            "page[size]": self._size,
            "page[after]": self._after,
            "page[before]": self._before,
        }.get(name)

    def _include(self, value: str) -> None:
        paths = tuple(dict.fromkeys(value.split(","))) if value else ()
        for path in paths:
            if path not in self.resource.includes:
                allowed = ", ".join(self.resource.includes)
                self.refuse("include", f"Only these can be included: {allowed}.")
                return
        self.include = paths

    def _sort(self, value: str) -> None:
        name = value.removeprefix("-")
        if name in SORTABLE:
            self.sort = Sort(name, descending=value.startswith("-"))
        else:
            allowed = ", ".join(f"{name}, -{name}" for name in SORTABLE)
            self.refuse("sort", f"Sort by one of: {allowed}.")

    def _size(self, value: str) -> None:
        # len: int() of thousands of digits is slow, and no size has more than three.
        number = int(value) if value.isascii() and value.isdigit() and len(value) <= len(str(MAX_PAGE_SIZE)) else 0
        if 1 <= number <= MAX_PAGE_SIZE:
            self.size = number
        else:
            self.refuse("page[size]", f"The page size is a whole number from 1 to {MAX_PAGE_SIZE}.")

    def _after(self, value: str) -> None:
        self.after = value

    def _before(self, value: str) -> None:
        self.before = value

    def _filter_reader(self, parameter: str) -> _Reader | None:
        name, *rest = parameter.removeprefix("filter[").removesuffix("]").split("][")
        attribute = self.resource.attribute(name)
        if self.resource.relationship(name) is not None and not rest:
            return lambda value: self._add(parameter, name, "in", _ids(value), "one or more uuids, comma-separated")
        if attribute is not None and attribute.kind == "direction" and not rest:
            choice = " or ".join(DIRECTIONS)
            return lambda value: self._add(parameter, name, "eq", value if value in DIRECTIONS else None, choice)
        if name == "created_at" and len(rest) == 1:
            for operator in RANGE_OPERATORS:
                if rest[0] == operator:
                    wanted = "a time in ISO 8601 with an offset, such as 2026-05-10T08:14:22.000Z"
                    return lambda value: self._add(parameter, name, operator, parse_instant(value), wanted)
        return None

    def _add(self, parameter: str, name: str, operator: Operator, value: FilterValue | None, wanted: str) -> None:
        if value is None:
            self.refuse(parameter, f"The value must be {wanted}.")
        else:
            self.filters.append(Filter(name, operator, value))


def _ids(value: str) -> FilterValue | None:
    ids = [parse_id(part) for part in value.split(",")]
    if len(ids) > MAX_FILTER_IDS:
        return None
    known = tuple(id_ for id_ in ids if id_ is not None)
    return tuple(dict.fromkeys(known)) if len(known) == len(ids) else None
