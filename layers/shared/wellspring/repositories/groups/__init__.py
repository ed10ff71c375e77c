"""Workspace groups: what their to-many relationships hold, the lists of their workspaces, and their writing."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from uuid import UUID

from sqlalchemy import text

from wellspring.access.predicates import Visibility, asked_about, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Result, Statement, ValueRow
from wellspring.database.session import session_of
from wellspring.models import listed_from, parents
from wellspring.queries import MAX_TOTAL, MOST_LINKED, ListQuery, Position
from wellspring.repositories.ledger.columns import selected, shown_in_lists
from wellspring.repositories.ledger.composing import (
    PLACES,
    all_of,
    kept_statement,
    place,
    statement,
    store_each,
    stored_ids,
)
from wellspring.repositories.ledger.pages import Slice
from wellspring.resources import OWN_WORKSPACE, WORKSPACE_GROUP

# ---- linkage of to-many relationships ----------------------------------------------------------------------
# By group, what each relationship holds: an id, and its place in the list of them, of a workspace its enrolment's.
type Linkage = dict[UUID, dict[str, list[tuple[UUID, Position]]]]

# The share of each relationship of the groups that are shown (`share`), and one more: a page stores one group more than
# it shows, by which it knows that there are more.
SHARE = """
SELECT greatest({most_linked} / greatest(least(cardinality({stored}), :most_rows::INTEGER), 1), 1) + 1 AS rows
"""
# For each group a look-up, which ends when it has found enough.
HELD = """
SELECT team.id AS group_id, '{name}' AS relationship, first.*
  FROM core_api.workspace_groups AS team
 CROSS JOIN LATERAL ({first} ORDER BY link.created_at, link.pk LIMIT (SELECT rows FROM share)) AS first
 WHERE team.id = ANY ({stored})
"""
FIRST: Mapping[str, str] = {
    "workspaces": """
        SELECT workspace.id, link.id AS link_id, link.created_at AS since, link.pk AS place
          FROM core_api.workspace_group_workspaces AS link
          JOIN core_api.workspaces AS workspace ON workspace.pk = link.workspace_pk
         WHERE link.workspace_group_pk = team.pk AND link.deleted_at IS NULL AND workspace.deleted_at IS NULL""",
    "memberships": """
        SELECT link.id, link.id AS link_id, link.created_at AS since, link.pk AS place
          FROM core_api.workspace_group_memberships AS link
         WHERE link.workspace_group_pk = team.pk AND link.deleted_at IS NULL""",
}
COLUMNS = ("group_id", "relationship", "id", "link_id", "since", "place")
LINKAGE = "SELECT {columns} FROM held WHERE {storing} ORDER BY since, place"


def share(rows: int) -> int:
    """Return how many of each relationship each of so many rows may show; an answer has `MOST_LINKED` of each."""
    return max(1, MOST_LINKED // rows)


# Asks for no caller: it is of groups that the caller has just been shown.
def linkage(names: Sequence[str], most_rows: int) -> Query[Linkage]:
    """Ask what the relationships `names` of groups hold, the oldest first; it stores the ids that it finds.

    The groups' ids were stored (`composing`) by the statement that found them for the caller. Of each relationship one
    more is read than the share of a group, of which `most_rows` are shown at most.
    """

    def read(result: Result) -> Linkage:
        found: Linkage = {}
        for row in result:
            linked = row.id, Position(row.since, row.link_id, row.place)
            found.setdefault(row.group_id, {}).setdefault(row.relationship, []).append(linked)
        return found

    values = {PLACES: [place(WORKSPACE_GROUP.type)], "most_rows": most_rows}
    return Query(Statement(_linkage_statement(tuple(sorted(names))), values), read)


@lru_cache(maxsize=4)
def _linkage_statement(names: tuple[str, ...]) -> Compiled:
    stored = stored_ids()
    held = " UNION ALL ".join(HELD.format(name=name, first=FIRST[name], stored=stored) for name in names)
    parts = {"share": SHARE.format(most_linked=MOST_LINKED, stored=stored), "held": held}
    of_each = "array_agg(id) FILTER (WHERE relationship = '{name}')"
    each = {place(WORKSPACE_GROUP.type, name): of_each.format(name=name) for name in names}
    query = LINKAGE.format(columns=", ".join(COLUMNS), storing=store_each(each, "held"))
    return statement(parts, query, COLUMNS)


# ---- lists of workspaces, in the order of their enrolment --------------------------------------------------
# The workspaces of the group that a query names, where the caller sees it. An index has a group's enrolments in this
# order. Each workspace is looked up (OFFSET 0), so that it stays the one.
WORKSPACES = """
SELECT enrolled.*, enrolment.created_at AS enrolled_at, enrolment.id AS enrolment_id, enrolment.pk AS place
  FROM core_api.workspace_group_workspaces AS enrolment
 CROSS JOIN LATERAL (
   SELECT {shown} FROM {workspaces} AS row WHERE row.pk = enrolment.workspace_pk AND {seen} OFFSET 0) AS enrolled
 WHERE enrolment.workspace_group_pk = (SELECT asked.pk FROM ({asked}) AS asked WHERE {group})
   AND enrolment.deleted_at IS NULL
"""
PLACED = " AND (enrolment.created_at, enrolment.pk) {operator} (:place_at::TIMESTAMPTZ, :place::BIGINT)"
IN_ORDER = " ORDER BY enrolment.created_at {way}, enrolment.pk {way} LIMIT :rows::INTEGER"
PAGE = "SELECT {columns} FROM {source} ORDER BY enrolled_at {way}, place {way}"
COUNTED_WORKSPACES = f"SELECT count(*) FROM ({{rows}} LIMIT {MAX_TOTAL + 1}) AS counted"


def page_of_workspaces(
    transaction: Transaction, principal: Principal, query: ListQuery, position: Position | None
) -> Slice:
    """Read one page of the workspaces that are enrolled in the group that a query names, by their enrolment.

    Of a group that the caller does not see there is nothing. Each workspace has `enrolled_at`, `enrolment_id` and
    `place`, which a `position` to continue from is made of.
    """
    visible, way = Visibility(person=isinstance(principal, Person)), "DESC" if query.backward else "ASC"
    rows, ahead, behind = _workspaces(visible), *(("<", ">=") if query.backward else (">", "<="))
    parts = {"page": rows + (PLACED.format(operator=ahead) if position else "") + IN_ORDER.format(way=way)}
    columns, source = [*shown_in_lists(OWN_WORKSPACE), "enrolled_at", "enrolment_id", "place"], "page"
    values: dict[str, object] = {"group": query.enrolled_in, "rows": query.size + 1, **parameters(principal)}
    if position is not None:
        columns, source = ["behind", *columns], "behind LEFT JOIN page ON true"
        parts["behind"] = f"SELECT EXISTS ({rows}{PLACED.format(operator=behind)}) AS behind"
        values |= {"place_at": position.at, "place": position.pk}
    whole = PAGE.format(columns=", ".join(columns), source=source, way=way)
    found = kept_statement({**visible.queries, **parts}, whole, columns).execute(transaction, values)
    return Slice.of_rows([*found.mappings()], query, of_cursor=position is not None)


def count_workspaces(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the workspaces of such a list, up to one more than `MAX_TOTAL`."""
    visible = Visibility(person=isinstance(principal, Person))
    # First: the queries of who sees what are those that it asks for.
    whole = COUNTED_WORKSPACES.format(rows=_workspaces(visible))
    found = kept_statement(visible.queries, whole, ["count"])
    return int(found.execute(transaction, {"group": query.enrolled_in, **parameters(principal)}).scalar_one())


def _workspaces(visible: Visibility) -> str:
    return WORKSPACES.format(
        shown=", ".join(selected(shown_in_lists(OWN_WORKSPACE))),
        workspaces=listed_from(OWN_WORKSPACE),
        seen=visible.workspace("row.pk"),
        asked=asked_about(parents.workspace_groups, "ARRAY[:group::UUID]"),
        # What they see is computed at first.
        group=all_of((visible.group("asked.pk"), *visible.before_all())),
    )


# ---- making a group, locking it, and ending what ends with it ------------------------------------------------
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
