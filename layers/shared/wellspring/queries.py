"""Queries: what a request asks for, in values that services and repositories share.

`jsonapi.query` makes them from a URL, `jsonapi.body` from a document.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from wellspring.errors import WellspringError
from wellspring.resources import FOLDED, Resource

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 500
# How far a list's rows are counted: each costs what a row of a page costs.
MAX_TOTAL = 10_000
# How many resources of each to-many relationship an answer links to (contract, section 4).
MOST_LINKED = 500
# How many parked events one request releases (contract, section 7).
MOST_RELEASED = 100
# How many problems of a parked message are kept (contract, section 5).
PROBLEMS_KEPT = 100
# How many connectors of the workspaces that a query names are sorted by what is kept about them.
MAX_STATES = 5_000
# How many connectors a query of activity names, how many days it is of, and how many connectors a page adds up.
MAX_ACTIVE_CONNECTORS = 100
MAX_DAYS = 400
MAX_SUMMED = 100

# How many of a record's newest rows its sources are told from, and how many rows of a connector are looked at to say
# which records have no other source.
MAX_SOURCE_ROWS = 10_000
# How many sources of each record a list shows (contract, section 7).
MOST_SOURCES = 10
MAX_EXAMINED = 10_000

# How many values of a catalogue a list tells.
MAX_CHOICES = 500
# How far the names of a workspace are searched for a part of one: each is looked at.
MAX_SEARCHED = 100_000
# The longest beginning of a name that there is an order of.
MAX_NAME_FOLDED = 200

# The order of what one connector alone brings in.
BY_SOLE_SOURCE = "sole_source"
# The order in which workspaces were enrolled in a group.
BY_ENROLMENT = "enrolment"
# The order of a record's sources.
BY_SOURCE = "source"

type Operator = Literal["eq", "in", "gte", "gt", "lte", "lt", "among", "named", "starts", "contains"]
# They are answered in the order of names.
OF_NAMES: tuple[Operator, ...] = ("named", "starts", "contains")
type FilterValue = str | bool | datetime | UUID | tuple[UUID, ...] | tuple[str, ...]
type Deleted = Literal["exclude", "include", "only"]


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition on an attribute of the resource, or on a relationship (`in`, with its ids).

    `among` asks whether one of its values is one of these; `named`, `starts` and `contains` compare a name with a name,
    with its beginning or with a part of it, the latter two in any case. `parameter` is empty where the path says it.
    """

    name: str
    operator: Operator
    value: FilterValue
    parameter: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a list, by an attribute or the folded names; made total by the order in which rows were made."""

    name: str = "created_at"
    descending: bool = True

    @property
    def by_name(self) -> bool:
        """Whether it is the order of names, and not of times."""
        return self.name == FOLDED

    @property
    def by_text(self) -> bool:
        """Whether the place of a row is a text, and not a time."""
        return self.name in {FOLDED, BY_SOURCE}


class Position[Id: (UUID, str) = UUID](NamedTuple):
    """A place in a sorted list: just beside the row it names, with that row's value of the sorted attribute.

    The id is a text where it is to be signed as it comes. The pk decides among rows of the same `at`; it is 0 in a list
    that looks it up by the id.
    """

    at: datetime | str
    id: Id
    pk: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """What of a resource the caller wants to see: `fields` has, for each type named, the only ones of it to show.

    `include` is None where the caller did not say, which is not the same as none.
    """

    include: tuple[str, ...] | None = None
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnswerQuery:
    """A request for a page of what is neither sorted nor filtered by its client.

    The cursor is as the client sent it, None for an end of the list; a page that is `backward` ends before it
    (`page[before]`).
    """

    size: int = DEFAULT_PAGE_SIZE
    cursor: str | None = None
    backward: bool = False
    view: View = field(default_factory=View)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery(AnswerQuery):
    """A list request.

    Attributes:
        workspaces: the caller claims to work in these only (`filter[workspace]`); empty for no such claim.
        total: whether to count the whole list.
        choices: whether to tell which values there are to filter by.
        sole_source: the workspace connector without which nobody would have brought them in; None for any.
        enrolled_in: what they are enrolled in (`Resource.enrolled_in`); None for anything.
    """

    resource: Resource
    filters: tuple[Filter, ...] = ()
    workspaces: tuple[UUID, ...] = ()
    deleted: Deleted = "exclude"
    sort: Sort = field(default_factory=Sort)
    total: bool = False
    choices: bool = False
    sole_source: UUID | None = None
    enrolled_in: UUID | None = None

    @property
    def names_parents(self) -> bool:
        """Whether it is of the rows of some parents that it names, and not of all that the caller sees."""
        return bool(self.workspaces) or any(found.name in self.resource.driving for found in self.filters)


@dataclass(frozen=True, slots=True)
class Reference:
    """A resource that a document points to, at `pointer`, or a path: by a relationship's name and its target's type.

    Its `id` is None for text that is no id of ours, and so of nothing.
    """

    name: str
    target: str
    id: UUID | None
    pointer: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a document wants a resource to be: its attributes, related resources, and what is wrong with it so far.

    Problems are kept until the related resources have been looked up, so that one answer names all there is.
    """

    attributes: Mapping[str, str | bool | datetime | None] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    problems: tuple[WellspringError, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A place in a list of a record's sources: when a workspace connector last named the record, and for what."""

    at: datetime
    connector: UUID
    direction: str


@dataclass(frozen=True, slots=True)
class Day:
    """A place in a list of activity: a workspace connector, and a day of UTC; None where all days are added up."""

    connector: UUID
    date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityQuery(AnswerQuery):
    """A request for the activity of connectors.

    It names connectors, or a workspace for all of its own. `is_summed` adds up all days of each.
    """

    connectors: tuple[UUID, ...]
    workspace: UUID | None
    first: date
    last: date
    is_summed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery(AnswerQuery):
    """A request for who did what; None is any of them."""

    workspace: UUID | None = None
    caller: UUID | None = None
    service: str | None = None
    resource: UUID | None = None
    times: tuple[tuple[Operator, datetime], ...] = ()
