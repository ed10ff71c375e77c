"""What is kept about connectors: when each was last synced, changed and failed, what of it is parked, what is live."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, func, literal_column, select

from wellspring.access.predicates import IDS, Visible, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Answer, Asked, Question
from wellspring.models import parents
from wellspring.models.messages import connector_state
from wellspring.queries import MAX_STATES
from wellspring.repositories.ledger.left import PLACES, left
from wellspring.resources import WORKSPACE_CONNECTOR

type State = Mapping[Any, Any]

COUNTS = tuple(said.name for said in WORKSPACE_CONNECTOR.attributes if said.kept and said.kind == "count")


def states(principal: Principal, places: Sequence[str]) -> Question[dict[UUID, State]]:
    """Ask what is kept about the workspace connectors that the caller sees, by their ids.

    Of each it is the kept attributes: a time is None where it never happened.

    Args:
        principal: the caller.
        places: where their ids were left (`ledger.left`) by statements that come before.
    """
    statement = _states_compiled(person=isinstance(principal, Person))
    return Question(Asked(statement, {PLACES: list(places), **parameters(principal)}), _by_id)


def _by_id(answer: Answer) -> dict[UUID, State]:
    return {row["id"]: {name: row[name] for name in WORKSPACE_CONNECTOR.kept} for row in answer.mappings()}


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


@lru_cache(maxsize=2)
def _states_compiled(*, person: bool) -> Compiled:
    return Compiled(_states_statement(person=person))


def _states_statement(*, person: bool) -> Select[Any]:
    connector, state = parents.workspace_connectors, connector_state
    kept = [
        func.coalesce(state.c[name], 0).label(name) if name in COUNTS else state.c[name]
        for name in WORKSPACE_CONNECTOR.kept
    ]
    return (
        select(connector.c.id, *kept)
        .select_from(connector.outerjoin(state, state.c.workspace_connector_pk == connector.c.pk))
        .where(
            connector.c.id == func.any(left()),
            Visible(person=person).workspace(connector.c.workspace_pk),
        )
    )
