"""Pages of messages: in the order of their arrival, of whatever outcome (docs/adr/0022).

An index of a parent's messages has those of each outcome together, also within a reason or a run: a list of all of them
is four walks, merged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from wellspring.models.list_indexes import ListIndex
from wellspring.repositories.ledger.building import PageBuilder
from wellspring.repositories.ledger.columns import row_filters, target_table
from wellspring.repositories.ledger.composing import all_of
from wellspring.repositories.ledger.per_parent import PerParentMerge
from wellspring.resources import MESSAGE_OUTCOMES, Relationship

ARRIVAL = "received_at"
MISMATCH, UNKNOWN = "tenant_mismatch", "unknown_record"
# Only these have a reason.
WITH_REASON = ("parked", "dismissed")
# What a person takes for an unknown record may be a tenant mismatch, of which they are not told.
REASON = "row.kept_reason = :reason_eq::VARCHAR"
REASON_OF_PERSON = f"row.kept_reason = nullif(:reason_eq::VARCHAR, '{MISMATCH}')"
REASON_OF_MISMATCH = f"row.kept_reason = CASE WHEN :reason_eq::VARCHAR = '{UNKNOWN}' THEN '{MISMATCH}' END"
# A message is of its connector's workspace: where that is not the one asked for, none of them is looked at.
OF_WORKSPACES = """
SELECT *
  FROM ({driver}) AS connectors
 WHERE workspace_pk = ANY (ARRAY(SELECT workspace.pk FROM {workspaces} AS workspace WHERE {named}))
"""


@dataclass(frozen=True, slots=True)
class MessageIndex(ListIndex):
    """Messages that stand together in an index: of one outcome, empty for the one that is asked for; None for any.

    Or `is_mismatch`: the tenant mismatches among what a person takes for unknown records.
    """

    outcome: str | None = None
    is_mismatch: bool = False


class Messages(PageBuilder):
    """Reads the messages of all workspaces, and of none, for a service: each order that is offered has an index."""

    is_sorted = True

    @cached_property
    def indexes(self) -> Sequence[MessageIndex]:
        """The indexes of the outcomes that may be asked for."""
        outcomes: Sequence[str | None] = (None,)
        if "outcome" in self.named:
            outcomes = ("",)
        elif "reason" in self.named:
            outcomes = WITH_REASON
        elif self.column and self.time == ARRIVAL and "message_id" not in self.named:
            # Of a parent the messages of each outcome stand together.
            outcomes = MESSAGE_OUTCOMES
        kinds = (False, True) if self.shape.person and "reason" in self.named else (False,)
        return [MessageIndex(self.column, self.time, outcome=of, is_mismatch=is_) for of in outcomes for is_ in kinds]

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        if not isinstance(index, MessageIndex):
            raise TypeError(index)
        if "message_id" in self.named:
            # Few, which are sorted.
            yield "row.message_id = :message_id_eq::UUID"
        if index.outcome is not None:
            yield f"row.outcome = '{index.outcome}'" if index.outcome else "row.outcome = :outcome_eq::VARCHAR"
        if "run" in self.named:
            yield "row.run = :run_eq::VARCHAR"
        if "reason" in self.named:
            of_person = REASON_OF_MISMATCH if index.is_mismatch else REASON_OF_PERSON
            yield of_person if self.shape.person else REASON
        ranges = [(name, operator) for name, operator in self.shape.conditions if operator not in {"eq", "in"}]
        yield from row_filters(self.resource, self.columns, ranges)
        if index.time != ARRIVAL:
            # Where there is no such time the index has no such message.
            yield f"row.{index.time} IS NOT NULL"
        if self.column is None:
            yield self.visible.message("row.workspace_pk")
            if "outcome" in self.named:
                # The index has all but these, which are most; a service is refused a list of them (`services.ledger`).
                yield "row.outcome <> 'applied'"

    @property
    def _behind(self) -> Sequence[Relationship]:
        # The parents of a message open and close nothing.
        return [each for each in self.resource.parents if each is not self.known]


class OfParents(Messages, PerParentMerge):
    """Reads the messages of connectors or workspaces, parent by parent."""

    def _driver(self) -> str:
        workspaces = next(each for each in self.resource.parents if each.target == "workspace")
        named = [] if self.leading is workspaces else self._filters(workspaces, "workspace")
        if not named:
            return super()._driver()
        return OF_WORKSPACES.format(driver=super()._driver(), workspaces=target_table(workspaces), named=all_of(named))

    def _conditions(self, index: ListIndex) -> Iterator[str]:
        yield from self._of_driver_conditions()
        yield from super()._conditions(index)
