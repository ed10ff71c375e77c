"""What a list asks for, in values that services and repositories share. `jsonapi.query` makes them from a URL."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from wellspring.resources import Resource

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 500

type Operator = Literal["eq", "in", "gte", "gt", "lte", "lt"]
type FilterValue = str | datetime | tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on a field of the resource.

    Attributes:
        name: an attribute, or a relationship (then `operator` is `in` and `value` the ids).
        operator: how to compare.
        value: what to compare with.
    """

    name: str
    operator: Operator
    value: FilterValue


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a list; always made total by the order in which rows were made.

    Attributes:
        name: the attribute.
        descending: newest first.
    """

    name: str = "created_at"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a sorted list: just beside the row it names.

    Attributes:
        at: that row's value of the sorted attribute.
        id: that row's public id.
    """

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list request.

    Attributes:
        resource: what is listed.
        filters: all of them must hold.
        sort: the order.
        size: rows on a page, 1 to `MAX_PAGE_SIZE`.
        cursor: the opaque cursor to continue from, as the client sent it; None for an end of the list.
        backward: the page ends before the cursor (`page[before]`) instead of beginning after it.
        include: relationship paths to include.
    """

    resource: Resource
    filters: tuple[Filter, ...] = ()
    sort: Sort = field(default_factory=Sort)
    size: int = DEFAULT_PAGE_SIZE
    cursor: str | None = None
    backward: bool = False
    include: tuple[str, ...] = ()
