"""Pages of messages: in the order of their arrival, of whatever outcome (docs/adr/0022).

An index has the messages of each outcome together: a list of all of them is four walks, merged, and one of one outcome
is one of those. Reasons and runs have indexes of the same kind. A person who asks for unknown records is shown tenant
mismatches too, which look so to them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import UUID, ColumnElement, FromClause, Text, bindparam, case, func, literal_column, select
from sqlalchemy.sql.expression import SelectBase

from wellspring.models.walks import ListIndex
from wellspring.repositories.ledger.columns import parent_filters, row_filters, target_table
from wellspring.repositories.ledger.everywhere import Everywhere
from wellspring.repositories.ledger.per_parent import PerParentMerge
from wellspring.repositories.ledger.shapes import Shape, parameter_name
from wellspring.resources import MESSAGE_OUTCOMES, Relationship

ARRIVAL = "received_at"
MISMATCH, UNKNOWN = "tenant_mismatch", "unknown_record"
# Only these have a reason.
WITH_REASON = ("parked", "dismissed")


@dataclass(frozen=True, slots=True)
class MessageIndex(ListIndex):
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


class OfParents(PerParentMerge):
    """Reads the messages of connectors or workspaces, parent by parent."""

    @property
    def is_sorted(self) -> bool:
        """Whether some index has a parent's messages in the list's order: each order that is offered has one."""
        return True

    def _indexes(self) -> Iterator[MessageIndex]:
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
                yield MessageIndex(self.column, self.time, outcome=outcome, is_mismatch=is_mismatch)

    def _driver(self) -> SelectBase:
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
        connectors = driver.subquery("connectors")
        return select(connectors).where(connectors.c.workspace_pk == func.any(pks))

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        yield from self._of_driver_conditions()
        yield from map(self.sql.piece, _of_messages(index).conditions(self.shape, self.row))

    def _lookups(self, _index: ListIndex, *, full: bool) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        return iter(())

    @property
    def _behind(self) -> Sequence[Relationship]:
        return _parents(self)


class OfAll(Everywhere):
    """Reads the messages of all workspaces, and of none, for a service."""

    @property
    def is_sorted(self) -> bool:
        """Whether indexes of all messages have them in the list's order: they do, for what a service may list."""
        return True

    def _indexes(self) -> list[ListIndex]:
        asked = {name for name, _ in self.shape.conditions}
        outcomes: tuple[str | None, ...] = ("",) if "outcome" in asked else (None,)
        if "reason" in asked and "outcome" not in asked:
            outcomes = WITH_REASON
        return [MessageIndex(None, self.shape.sort.name, outcome=outcome) for outcome in outcomes]

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        messages = _of_messages(index)
        yield from map(self.sql.piece, messages.conditions(self.shape, self.row))
        yield from self.sql.conditions(self.row, [self.visible.message(self.row.c.workspace_pk)])
        if messages.outcome == "":
            # The index has all but these, which are most; a service is refused a list of them (`services.reading`).
            yield "row.outcome <> 'applied'"

    def _lookups(self, _index: ListIndex, *, full: bool) -> Iterator[tuple[str, str]]:  # noqa: ARG002
        return iter(())

    @property
    def _behind(self) -> Sequence[Relationship]:
        return _parents(self)


def _parents(builder: OfParents | OfAll) -> list[Relationship]:
    """Return what leads to the parents of a message, which open and close nothing, but for who leads to it."""
    return [each for each in builder.resource.parents if each is not builder.known]


def _of_messages(index: ListIndex) -> MessageIndex:
    if not isinstance(index, MessageIndex):
        raise TypeError(index)
    return index
