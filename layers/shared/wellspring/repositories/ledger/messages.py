"""Pages of messages: in the order of their arrival, of whatever outcome (docs/adr/0022).

An index has the messages of each outcome together: a list of all of them is four walks, merged, and one of one outcome
is one of those. Reasons and runs have indexes of the same kind. A person who asks for unknown records is shown tenant
mismatches too, which look so to them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    UUID,
    ColumnElement,
    FromClause,
    Select,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
)

from wellspring.models.walks import Walk
from wellspring.repositories.ledger.columns import parent_filters, row_filters, shown_columns, target_table
from wellspring.repositories.ledger.driven import HeadsThenLateral
from wellspring.repositories.ledger.everywhere import Everywhere
from wellspring.repositories.ledger.shapes import Shape, parameter_name
from wellspring.resources import MESSAGE_OUTCOMES

ARRIVAL = "received_at"
MISMATCH, UNKNOWN = "tenant_mismatch", "unknown_record"
# Only these have a reason.
WITH_REASON = ("parked", "dismissed")


@dataclass(frozen=True, slots=True)
class Piece(Walk):
    """Messages that stand together in an index.

    Attributes:
        outcome: the one that all of them have; empty for the one that is asked for, None for any.
        is_mismatch: whether they are the tenant mismatches among what a person takes for unknown records.
    """

    outcome: str | None = None
    is_mismatch: bool = False

    def conditions(self, shape: Shape, row: FromClause) -> Iterator[ColumnElement[bool]]:
        """Yield what a row is that stands there."""
        asked = {
            name: bindparam(parameter_name(name, operator), type_=Text)
            for name, operator in shape.conditions
            if operator == "eq"
        }
        if "message_id" in asked:
            # Few, which are sorted.
            yield row.c.message_id == bindparam(parameter_name("message_id", "eq"), type_=UUID)
        if self.outcome is not None:
            yield row.c.outcome == (literal_column(f"'{self.outcome}'") if self.outcome else asked["outcome"])
        if "run" in asked:
            yield row.c.run == asked["run"]
        if "reason" in asked:
            reason = asked["reason"]
            if not shape.person:
                yield row.c.kept_reason == reason
            elif self.is_mismatch:
                yield row.c.kept_reason == case((reason == UNKNOWN, MISMATCH))
            else:
                yield row.c.kept_reason == func.nullif(reason, MISMATCH)
        ranges = [(name, operator) for name, operator in shape.conditions if operator not in {"eq", "in"}]
        yield from row_filters(shape.resource, row, ranges)
        if self.time != ARRIVAL:
            # Where there is no such time the index has no such message.
            yield row.c[self.time].is_not(None)


class OfParents(HeadsThenLateral):
    """Reads the messages of connectors or workspaces, parent by parent."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.walks = list(self._pieces())

    @property
    def is_sorted(self) -> bool:
        """Whether some index has a parent's messages in the list's order: each order that is offered has one."""
        return True

    def _pieces(self) -> Iterator[Piece]:
        asked = {name for name, operator in self.shape.conditions if operator == "eq"}
        outcomes: tuple[str | None, ...] = MESSAGE_OUTCOMES
        if self.time != ARRIVAL or "message_id" in asked:
            outcomes = (None,)
        elif "outcome" in asked:
            outcomes = ("",)
        elif "reason" in asked:
            outcomes = WITH_REASON
        for outcome in outcomes:
            for is_mismatch in (False, True) if self.shape.person and "reason" in asked else (False,):
                yield Piece(self.column, self.time, outcome=outcome, is_mismatch=is_mismatch)

    def _driver(self) -> CTE:
        driver = super()._driver()
        workspaces = next(each for each in self.resource.parents if each.target == "workspace")
        if self.leading is workspaces:
            return driver
        # A message is of its connector's workspace: where that is not the one asked for, none of them is looked at.
        workspace = target_table(workspaces).alias("claimed")
        named = parent_filters(workspaces, workspace, self.shape.conditions)
        if not named:
            return driver
        pks = func.array(select(workspace.c.pk).where(*named).scalar_subquery())
        return select(driver).where(driver.c.workspace_pk == func.any(pks)).cte("driver_of_claimed")

    def _of_driver_on(self, walk: Walk, row: FromClause, driver: CTE, *, full: bool) -> Select[Any]:
        """Return the messages of one driver that stand together."""
        columns, source = _columns(self, row, full=full)
        return (
            select(*columns).select_from(source).where(*self._is_of_driver(row, driver), *_conditions(self, walk, row))
        )


class OfAll(Everywhere):
    """Reads the messages of all workspaces, and of none, for a service."""

    @property
    def is_sorted(self) -> bool:
        """Whether indexes of all messages have them in the list's order: they do, for what a service may list."""
        return True

    def _pieces(self) -> list[Walk]:
        asked = {name for name, _ in self.shape.conditions}
        outcomes: tuple[str | None, ...] = ("",) if "outcome" in asked else (None,)
        if "reason" in asked and "outcome" not in asked:
            outcomes = WITH_REASON
        return [Piece(None, self.shape.sort.name, outcome=outcome) for outcome in outcomes]

    def _of_all_on(self, walk: Walk, row: FromClause, *, full: bool) -> Select[Any]:
        columns, source = _columns(self, row, full=full)
        seen = self.visible.message(row.c.workspace_pk)
        rows = select(*columns).select_from(source).where(*_conditions(self, walk, row), seen)
        # The index has all but these, which are most; a service is refused a list of them (`services.reading`).
        return rows.where(row.c.outcome != "applied") if isinstance(walk, Piece) and walk.outcome == "" else rows


def _columns(builder: OfParents | OfAll, row: FromClause, *, full: bool) -> tuple[list[ColumnElement[Any]], FromClause]:
    """Return what is shown of a message, and what it is read from: for a page with the ids of its parents."""
    at = row.c[builder.shape.sort.name]
    if not full:
        return [row.c.pk, at.label(builder.shape.sort.name)], row
    columns: list[ColumnElement[Any]] = [row.c.pk, *shown_columns(builder.resource, row, builder.shape.sort.name)]
    source = row
    for relationship in builder.resource.parents:
        if isinstance(builder, OfParents) and relationship is builder.leading:
            continue
        parent = target_table(relationship).alias(relationship.name)
        found = select(parent.c.id).where(parent.c.pk == row.c[relationship.column]).correlate(row)
        looked_up = found.offset(literal_column("0")).lateral(f"seen_{relationship.name}")
        source = source.join(looked_up, true(), isouter=True)
        columns.append(looked_up.c.id.label(f"{relationship.name}_id"))
    return columns, source


def _conditions(builder: OfParents | OfAll, walk: Walk, row: FromClause) -> Iterator[ColumnElement[bool]]:
    if not isinstance(walk, Piece):
        raise TypeError(walk)
    return walk.conditions(builder.shape, row)
