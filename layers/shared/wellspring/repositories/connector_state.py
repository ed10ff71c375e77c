"""The lock that keeps the order of whoever writes rows of a connector: queue, HTTP, release, revert, sweeps.

Its row of `wellspring.connector_state` is locked before anything else (docs/adr/0021).
"""

# Asks for no caller: it locks, and shows nothing; who may not write comes no further than the rules.

from uuid import UUID

from wellspring.database import Transaction
from wellspring.database.session import session_of

# How long HTTP waits for another writer; then it is 503 (contract, section 5).
MOST_MILLISECONDS = 2000


def lock(transaction: Transaction, connector_pk: int) -> None:
    """Lock a connector in front of the next statement."""
    session_of(transaction).ahead(
        "SELECT wellspring.lock_connectors(ARRAY[$1::bigint], $2::integer)",
        connector_pk,
        MOST_MILLISECONDS,
    )


def lock_of_row(transaction: Transaction, table: str, id_: UUID) -> None:
    """Lock the connector of a row of provenance, if there is such a row, in front of the next statement."""
    session_of(transaction).ahead(
        "SELECT wellspring.lock_connector_of($1::name, $2::uuid, $3::integer)",
        table,
        str(id_),
        MOST_MILLISECONDS,
    )
