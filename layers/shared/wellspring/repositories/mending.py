"""Mending stored times that cannot be shown, or are in the future, some connectors at a time (revision 0004)."""

# Asks for no caller: it works for operators, past HTTP; the times are of messages, whoever's they are.

from dataclasses import dataclass

from sqlalchemy import text

from wellspring.database import Transaction

# As the owner: the state of a connector and its messages belong to one transaction, under the connector's lock.
_MEND = text("SELECT messages, connectors FROM wellspring.mend_times(:first, :last + 1)")


@dataclass(frozen=True, slots=True)
class Mended:
    """What was mended.

    Attributes:
        messages: how many had such an `occurred_at`.
        connectors: how many had such a `last_synced_at`.
    """

    messages: int
    connectors: int


def mend_times(transaction: Transaction, first: int | None, last: int | None) -> Mended:
    """Mend the times of the connectors of these pks and of their messages; None: of messages of no connector.

    Raises SQLAlchemy's `DBAPIError`.
    """
    return Mended(*transaction.execute(_MEND, {"first": first, "last": last}).one())
