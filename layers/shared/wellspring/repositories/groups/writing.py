"""Making a group with its owner and enrolments, locking it, and ending what ends with it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from wellspring.access.predicates import Visibility, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.database.flush import ValueRow
from wellspring.database.session import session_of
from wellspring.repositories.ledger.columns import selected, shown_in_lists
from wellspring.repositories.ledger.composing import statement
from wellspring.resources import WORKSPACE_GROUP

MADE = """
INSERT INTO core_api.workspace_groups AS row (name, created_by_pk) VALUES (:name, :owner) RETURNING row.pk, {shown}
"""
OWNED = """
INSERT INTO core_api.workspace_group_memberships (people_pk, workspace_group_pk, role, status)
VALUES (:owner, :group, 'owner', 'active')
"""
ENROLLED = """
INSERT INTO core_api.workspace_group_workspaces (workspace_group_pk, workspace_pk, created_by_pk)
SELECT :group::BIGINT, enrolled.pk, :owner::BIGINT FROM unnest(:workspaces::BIGINT[]) AS enrolled (pk) WHERE {seen}
"""


def make(
    transaction: Transaction, principal: Principal, name: str, owner_pk: int, workspace_pks: Sequence[int]
) -> ValueRow | None:
    """Insert a group, its owner's membership, and the enrolments of workspaces.

    Returns its `id` and attributes; None where the caller does not see one of the workspaces any more, and then this is
    to be rolled back.
    """
    shown = shown_in_lists(WORKSPACE_GROUP)
    made = statement({}, MADE.format(shown=", ".join(selected(shown))), ["pk", *shown])
    row = ValueRow(made.execute(transaction, {"name": name, "owner": owner_pk}).mappings().one())
    values = {"owner": owner_pk, "group": row.pop("pk"), "workspaces": list(workspace_pks)}
    statement({}, OWNED, ()).execute(transaction, values)
    if workspace_pks:
        visible = Visibility(person=isinstance(principal, Person))
        enrolled = ENROLLED.format(seen=visible.workspace("enrolled.pk"))
        enrolling = statement(visible.queries, enrolled, ())
        if enrolling.execute(transaction, values | parameters(principal)).rowcount < len(workspace_pks):
            return None
    return row


_LOCK_OF_MEMBERSHIP = text("""
SELECT pk FROM core_api.workspace_groups
 WHERE pk = (SELECT workspace_group_pk FROM core_api.workspace_group_memberships WHERE id = :id)
   FOR UPDATE""")
# A contact may be added as an owner, and is nobody who could act as one (contract, section 3).
_OWNERS = text("""
SELECT count(*)
  FROM core_api.workspace_group_memberships AS membership
  JOIN core_api.workspace_groups AS team ON team.pk = membership.workspace_group_pk
  JOIN core_api.peoples AS owner ON owner.pk = membership.people_pk
 WHERE team.id = :id AND membership.id <> :besides AND membership.role = 'owner' AND membership.status = 'active'
   AND membership.deleted_at IS NULL AND owner.deleted_at IS NULL AND owner.source IS NOT NULL""")
# The enrolment of a workspace that is gone stays as it is, out of everybody's sight, as the workspace does.
_END = tuple(
    text(f"""
UPDATE core_api.{table} SET deleted_at = now(), updated_at = now()
 WHERE workspace_group_pk = (SELECT pk FROM core_api.workspace_groups WHERE id = :id) AND deleted_at IS NULL""")
    for table in ("workspace_group_workspaces", "workspace_group_memberships")
)


# Asks for no caller: ledger.one or parents.find has found the group for them; it shows nothing.
def lock(transaction: Transaction, id_: UUID) -> None:
    """Lock a group's row in front of the next statement, where the caller is in the group.

    Who is a member of it, and as what, and which workspaces are enrolled, is decided behind it.
    """
    session_of(transaction).ahead("SELECT wellspring.lock_group($1::uuid)", str(id_))


# Asks for no caller: it shows nothing; who may not write comes no further than the row.
def lock_of_membership(transaction: Transaction, id_: UUID) -> None:
    """Lock the row of a membership's group, if there is such a membership."""
    transaction.execute(_LOCK_OF_MEMBERSHIP, {"id": id_})


# Asks for no caller: ledger.one or parents.find has found the group for them; it shows nothing.
def owners(transaction: Transaction, id_: UUID, *, besides: UUID) -> int:
    """Count the active owners of a group whose row is locked, without one membership."""
    return int(transaction.execute(_OWNERS, {"id": id_, "besides": besides}).scalar_one())


# Asks for no caller: ledger.one or parents.find has found the group for them; it shows nothing.
def end(transaction: Transaction, id_: UUID) -> None:
    """Tombstone the enrolments and memberships of a group whose row is locked."""
    for each in _END:
        transaction.execute(each, {"id": id_})
