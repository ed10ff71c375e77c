"""Operators in tests: what makes one, where the fixture `operators` has set it, and what is kept of their reads."""

from uuid import UUID

from sqlalchemy import select

from tests.support.api import Caller, person
from tests.support.databases import AnyDatabase
from tests.support.world import Row
from wellspring.models.infrastructure import audit
from wellspring.models.parents import workspaces

CLAIM, VALUE = "groups", "support"
type Noted = list[tuple[str, str, UUID | None, UUID | None]]


def operator(row: Row) -> Caller:
    """Return the caller who is the person `row` and operates."""
    return person(row, **{CLAIM: f"[staff {VALUE}]"})


def noted(database: AnyDatabase, row: Row) -> Noted:
    """Return operation, type, resource and workspace of each row that is kept of a person, in their order."""
    columns = (audit.c.operation, audit.c.resource_type, audit.c.resource_id, workspaces.c.id)
    of_which = audit.outerjoin(workspaces, workspaces.c.pk == audit.c.workspace_pk)
    statement = select(*columns).select_from(of_which)
    statement = statement.where(audit.c.caller == f"person:{row.id}").order_by(audit.c.pk)
    return [tuple(found) for found in database.owner.execute(statement)]
