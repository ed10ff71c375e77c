"""Comparing the sums with the rows (contract, section 7)."""

# Asks for no caller: it works for operators, past HTTP; the sums are of every tenant.

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from wellspring.database import Transaction
from wellspring.models.parents import workspace_connectors

# The function may read what the role may not, and compares both sides at one moment (revision 0004).
_NEXT = text(f"SELECT pk, id FROM {workspace_connectors} WHERE pk > :after ORDER BY pk LIMIT :most")
_RECOUNT = text(f"""
SELECT difference.name, connector.id, difference.date, difference.type, CAST(difference.direction AS text),
       difference.counted, difference.kept
  FROM wellspring.recount(:first, :last + 1, false) AS difference
  JOIN {workspace_connectors} AS connector ON connector.pk = difference.connector_pk
 ORDER BY connector.pk, difference.name, difference.date, difference.type, difference.direction""")
_PLACE = text(f"SELECT pk FROM {workspace_connectors} WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Difference:
    """A sum, `kept`, that is not what is `counted` of the rows: of a day, type and direction, where it has them.

    Its name is `linked`, `ended`, `live`, `live_rows` or `parked_messages`.
    """

    name: str
    connector_id: UUID
    date: date | None
    type: str | None
    direction: str | None
    counted: int
    kept: int


def place(transaction: Transaction, connector_id: UUID) -> int | None:
    """Return the pk of a connector, to begin behind; None where there is none."""
    return transaction.execute(_PLACE, {"id": connector_id}).scalar_one_or_none()


def compare(transaction: Transaction, after: int, most: int) -> tuple[list[tuple[int, UUID]], list[Difference]]:
    """Compare sums and rows of the next connectors behind that of pk `after`; change nothing.

    Returns pk and public id of each, in ascending order, and what differs.
    """
    these = [(row.pk, row.id) for row in transaction.execute(_NEXT, {"after": after, "most": most})]
    if not these:
        return [], []
    found = transaction.execute(_RECOUNT, {"first": these[0][0], "last": these[-1][0]})
    return these, [Difference(*row) for row in found]
