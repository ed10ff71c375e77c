"""The indexes that lists are read by, and which of them serves which list (docs/adr/0029).

A list's rows stand together in an index on (parent, time, pk). What may be most of an index is said by its predicate,
not by a column: whether its rows are live or dead, and of which direction. The planner proves a predicate, where a
condition whose operator is not leakproof would be asked of each row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from sqlalchemy import Index, Table, text
from sqlalchemy.schema import SchemaItem

from wellspring.resources import DIRECTIONS

# What the API shows as `updated_at`; coalesce() counts as leaky. The lines are Postgres's, so that the comparison of
# the models with the catalogue finds no difference.
UPDATED = "\nCASE\n    WHEN updated_at IS NULL THEN created_at\n    ELSE updated_at\nEND"
_COLUMNS = {"updated_at": f"({UPDATED})"}
_KEY = "list_index"
# Each order with the half that it is of.
_TIMES = (*product(("created_at", "updated_at"), (True, False)), ("deleted_at", False))


@dataclass(frozen=True, slots=True)
class ListIndex:
    """What one index holds, in its order: by a time or the name, then by pk.

    Attributes:
        parent: the column whose rows stand together; None where all rows of the table do.
        live: live rows only, dead ones only, or all; and so `direction`.
        within: the column of a second parent: the rows of each pair stand together, the pairs of one such parent too.
        timed: only rows that have this time; else all have it.
    """

    parent: str | None
    time: str
    live: bool | None = None
    direction: str | None = None
    within: str | None = None
    timed: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The index's columns."""
        parents = [column for column in (self.within, self.parent) if column]
        return (*parents, _COLUMNS.get(self.time, self.time), "pk")

    @property
    def where(self) -> str:
        """The index's predicate; empty where it holds all rows."""
        half = {None: [], True: ["deleted_at IS NULL"], False: ["deleted_at IS NOT NULL"]}[self.live]
        way = [f"direction = '{self.direction}'::core_api.direction_enum"] if self.direction else []
        timed = [f"{self.time} IS NOT NULL"] if self.timed else []
        return " AND ".join((*half, *way, *timed))

    def index(self, name: str) -> Index:
        """Return the index, to be declared with its table."""
        expressions = [text(column) if column.startswith("(") else column for column in self.columns]
        return Index(name, *expressions, postgresql_where=text(self.where) if self.where else None, info={_KEY: self})

    def named(self, table: str, short: str) -> Index:
        """Return the index of one half of a table, with the name that says what it holds."""
        parts = [short, self.time.removesuffix("_at"), "live" if self.live else "dead", self.direction]
        return self.index(f"idx_{table}_{'_'.join(part for part in parts if part)}")


def indexes(
    table: str, parent: str | None, short: str, *, directed: bool = False, within: str | None = None
) -> Iterator[SchemaItem]:
    """Yield the indexes by which a list in either half, by any time and of either direction is read.

    Their names call the parent `short`. Those of a table with a direction are divided by it: together they are no
    larger than one undivided.
    """
    for time, live in _TIMES:
        for direction in DIRECTIONS if directed else (None,):
            yield ListIndex(parent, time, live, direction, within).named(table, short)


def of_one(table: str, parent: str, short: str, *, also_dead: bool = False) -> Iterator[SchemaItem]:
    """Yield the indexes by which a service lists what one parent has, of all workspaces: in the order of its making."""
    for live in (True, False) if also_dead else (True,):
        yield ListIndex(parent, "created_at", live).named(table, short)


def declared(table: Table) -> dict[ListIndex, str]:
    """Return the indexes of a table that lists are read by, each with its name."""
    return {index.info[_KEY]: str(index.name) for index in table.indexes if _KEY in index.info}


def covering_indexes(table: Table, undivided: ListIndex, halves: Sequence[bool]) -> list[ListIndex]:
    """Return indexes that together hold a list's rows, each in its order; `undivided` would hold both halves.

    Where no index has the order, those are the halves (the live rows, the dead ones, or both), and are sorted.
    """
    there, found = declared(table), list[ListIndex]()
    if "deleted_at" not in table.c or {*halves} == {True, False}:
        for whole in (undivided, replace(undivided, timed=True)):
            if whole in there:
                return [whole]
    for live in halves:
        whole = replace(undivided, live=live)
        parts = [replace(whole, direction=part) for part in DIRECTIONS]
        divided = whole not in there and undivided.direction is None and all(part in there for part in parts)
        found += parts if divided else [whole]
    return found
