"""State of connectors: when each was last synced, changed and failed, what of it is parked, what is live.

And which message it failed with: the newest of those that are parked, one probe of an index for each connector.
"""

from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from sqlalchemy import Integer, bindparam, func, literal_column, select

from wellspring.access.predicates import Visibility, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Result, Row, Statement
from wellspring.models import parents
from wellspring.models.base import public_ids
from wellspring.queries import MAX_STATES
from wellspring.repositories.ledger.composing import PLACES, place, statement, store_each, stored_ids
from wellspring.resources import WORKSPACE_CONNECTOR

LAST_FAILURE = place(WORKSPACE_CONNECTOR.type, "last_failure")
LAST_FAILURE_ID = "last_failure_id"
COMPUTED = WORKSPACE_CONNECTOR.computed
COUNTS = tuple(
    attribute.name for attribute in WORKSPACE_CONNECTOR.attributes if attribute.computed and attribute.kind == "count"
)

# What is said of a connector of which nothing is known yet. Its health is in its own row, by which lists are filtered.
SHOWN = {
    **{name: f"coalesce(state.{name}, 0) AS {name}" for name in COUNTS},
    "health": "connector.health",
    "health_reasons": (
        "coalesce(state.health_reasons, jsonb_build_array(jsonb_build_object("
        "'code', connector.health, 'at', connector.created_at))) AS health_reasons"
    ),
}

STATES = """
SELECT connector.id, {computed}
  FROM core_api.workspace_connectors AS connector
  LEFT JOIN wellspring.connector_state AS state ON state.workspace_connector_pk = connector.pk
 WHERE connector.id = ANY ({stored}) AND {seen}
"""
# The newest parked message of a connector: `idx_sync_messages_wc_outcome` has it first.
FAILURE = """
(SELECT message.id
   FROM wellspring.sync_messages AS message
  WHERE message.workspace_connector_pk = connector.pk AND message.outcome = 'parked' AND {seen}
  ORDER BY message.received_at DESC, message.pk DESC
  LIMIT 1) AS last_failure_id
"""


def states(principal: Principal, places: Sequence[str], *, failures: bool) -> Query[dict[UUID, Row]]:
    """Ask what is computed about the workspace connectors that the caller sees, by their ids.

    Of each it is the computed attributes: a time is None where it never happened. With `failures` it is also
    `last_failure_id`, None where no message is parked; it stores these ids. The connectors' own ids were stored at
    `places` (`ledger.composing`) by statements that come before.
    """
    found = _states_statement(person=isinstance(principal, Person), failures=failures)

    def by_id(answer: Result) -> dict[UUID, Row]:
        return {row["id"]: {name: value for name, value in row.items() if name != "id"} for row in answer.mappings()}

    return Query(Statement(found, {PLACES: list(places), **parameters(principal)}), by_id)


# Asks for no caller: parents.visible_workspaces has found the workspaces for them.
def connectors_in(transaction: Transaction, workspaces: Sequence[UUID]) -> int:
    """Count the connectors of workspaces, whether live or not; more than `MAX_STATES` are any number above it."""
    connector, workspace = parents.workspace_connectors, parents.workspaces
    pks = select(workspace.c.pk).where(workspace.c.id == func.any(bindparam("workspaces", type_=public_ids)))
    most = literal_column(str(MAX_STATES + 1), Integer)
    rows = select(connector.c.pk).where(connector.c.workspace_pk == func.any(func.array(pks.scalar_subquery())))
    counted = select(func.count()).select_from(rows.limit(most).subquery("counted"))
    return int(transaction.execute(counted, {"workspaces": list(workspaces)}).scalar_one())


@lru_cache(maxsize=4)
def _states_statement(*, person: bool, failures: bool) -> Compiled:
    visible = Visibility(person=person)
    computed = [SHOWN.get(name) or f"state.{name}" for name in COMPUTED]
    columns = ["id", *COMPUTED, *([LAST_FAILURE_ID] if failures else [])]
    if failures:
        computed.append(FAILURE.format(seen=visible.message("message.workspace_pk")))
    seen = visible.workspace("connector.workspace_pk")
    found = STATES.format(computed=", ".join(computed), stored=stored_ids(), seen=seen)
    if not failures:
        return statement(visible.queries, found, columns)
    storing = store_each({LAST_FAILURE: f"array_agg({LAST_FAILURE_ID})"}, "kept")
    return statement({**visible.queries, "kept": found}, f"SELECT * FROM kept WHERE {storing}", columns)
