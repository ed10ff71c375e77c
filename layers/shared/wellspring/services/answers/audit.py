"""Audit entries: who did what, of a workspace to who keeps it, of all to services."""

from wellspring.access.principal import Principal
from wellspring.access.rules import require_workspace_keeper
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.errors import Forbidden
from wellspring.queries import AuditQuery, Position, Sort
from wellspring.repositories import parents
from wellspring.repositories.answers import audit_entries as entries_of
from wellspring.resources import AUDIT_ENTRY
from wellspring.services.ledger.cursors import signed, verified
from wellspring.services.ledger.reading import Page, include

BY_TIME = Sort("at")


def audit_entries(transaction: Transaction, principal: Principal, query: AuditQuery) -> Page:
    """Return a page of who did what.

    Raises `Forbidden` where a person names no workspace, or one that they do not keep, and `InvalidCursor`.
    """
    workspace = None
    if query.workspace is not None:
        key = ("workspace", query.workspace)
        found = parents.find(transaction, principal, [key]).get(key)
        require_workspace_keeper(principal, found.roles if found else frozenset())
        if found is None:
            raise Forbidden("There is no such workspace among yours.", parameter="filter[workspace]")
        workspace = found.pk
    else:
        require_workspace_keeper(principal, frozenset())
    place = verified(transaction, AUDIT_ENTRY, BY_TIME, query)
    page = entries_of.entries(transaction, principal, query, workspace, place)
    places = (Position(row["at"], row["id"], row["pk"]) for row in page.rows)
    cursors = signed(transaction, AUDIT_ENTRY, BY_TIME, places)
    rows: list[Row] = [
        {**row, "deleted_at": None, "resource": {"type": row["resource_type"], "id": row["resource_id"]}}
        for row in page.rows
    ]
    _, included = include(transaction, principal, AUDIT_ENTRY, rows, query.view)
    return Page(rows, cursors, included, page.more_before, page.more_after)
