"""What is kept about connectors: when each was last synced, changed and failed, what of it is parked, what is live.

And which message it failed with: the newest of those that are parked, one probe of an index for each connector.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Integer, ScalarSelect, Select, bindparam, func, literal_column, select

from wellspring.access.predicates import IDS, Visible, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Result, Statement
from wellspring.models import parents
from wellspring.models.messages import connector_state, sync_messages
from wellspring.queries import MAX_STATES
from wellspring.repositories.ledger.stored_ids import PLACES, place, store_each, stored_ids
from wellspring.resources import WORKSPACE_CONNECTOR

type State = Mapping[Any, Any]

LAST_FAILURE = place(WORKSPACE_CONNECTOR.type, "last_failure")
COUNTS = tuple(said.name for said in WORKSPACE_CONNECTOR.attributes if said.kept and said.kind == "count")


def states(principal: Principal, places: Sequence[str], *, failures: bool) -> Query[dict[UUID, State]]:
    """Ask what is kept about the workspace connectors that the caller sees, by their ids.

    Of each it is the kept attributes: a time is None where it never happened. With `failures` also `last_failure_id`,
    None where no message is parked; it leaves these ids.

    Args:
        principal: the caller.
        places: where their ids were left (`ledger.stored_ids`) by statements that come before.
        failures: whether to look for the newest message of each that is parked.
    """
    statement = _states_compiled(person=isinstance(principal, Person), failures=failures)
    return Query(Statement(statement, {PLACES: list(places), **parameters(principal)}), _by_id)


def _by_id(answer: Result) -> dict[UUID, State]:
    return {row["id"]: {name: value for name, value in row.items() if name != "id"} for row in answer.mappings()}


def connectors_in(transaction: Transaction, workspaces: Sequence[UUID]) -> int:
    """Count the connectors of workspaces, whether live or not.

    Args:
        transaction: the scope to read in.
        workspaces: which the caller is known to see.

    Returns:
        Their number; where there are more than `MAX_STATES`, any number above it.
    """
    connector, workspace = parents.workspace_connectors, parents.workspaces
    pks = select(workspace.c.pk).where(workspace.c.id == func.any(bindparam("workspaces", type_=IDS)))
    most = literal_column(str(MAX_STATES + 1), Integer)
    rows = select(connector.c.pk).where(connector.c.workspace_pk == func.any(func.array(pks.scalar_subquery())))
    counted = select(func.count()).select_from(rows.limit(most).subquery("counted"))
    return int(transaction.execute(counted, {"workspaces": list(workspaces)}).scalar_one())


@lru_cache(maxsize=4)
def _states_compiled(*, person: bool, failures: bool) -> Compiled:
    return Compiled(_states_statement(person=person, failures=failures))


def _states_statement(*, person: bool, failures: bool) -> Select[Any]:
    connector, state, visible = parents.workspace_connectors, connector_state, Visible(person=person)
    kept: list[ColumnElement[Any]] = [
        func.coalesce(state.c[name], 0).label(name) if name in COUNTS else state.c[name]
        for name in WORKSPACE_CONNECTOR.kept
    ]
    if failures:
        kept.append(_last_failure(connector, visible).label("last_failure_id"))
    found = (
        select(connector.c.id, *kept)
        .select_from(connector.outerjoin(state, state.c.workspace_connector_pk == connector.c.pk))
        .where(
            connector.c.id == func.any(stored_ids()),
            visible.workspace(connector.c.workspace_pk),
        )
    )
    if not failures:
        return found
    rows = found.cte("kept")
    return select(*rows.c).where(store_each({LAST_FAILURE: func.array_agg(rows.c.last_failure_id)}, rows))


def _last_failure(connector: FromClause, visible: Visible) -> ScalarSelect[UUID]:
    """Return the public id of the newest parked message of a connector: `idx_sync_messages_wc_outcome` has it first."""
    message = sync_messages
    return (
        select(message.c.id)
        .where(
            message.c.workspace_connector_pk == connector.c.pk,
            message.c.outcome == literal_column("'parked'"),
            visible.message(message.c.workspace_pk),
        )
        .order_by(message.c.received_at.desc(), message.c.pk.desc())
        .limit(literal_column("1", Integer))
        .correlate(connector)
        .scalar_subquery()
    )
