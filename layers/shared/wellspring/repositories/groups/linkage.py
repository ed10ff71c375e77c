"""Linkage of the to-many relationships of groups."""

# Asks for no caller: it is of groups that the caller has just been shown.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from wellspring.database import Compiled
from wellspring.database.flush import Query, Result, Statement
from wellspring.queries import MOST_LINKED, Position
from wellspring.repositories.ledger.composing import statement
from wellspring.repositories.ledger.stored_ids import PLACES, place, store_each, stored_ids
from wellspring.resources import WORKSPACE_GROUP


@dataclass(frozen=True, slots=True)
class Linked:
    """One of what a to-many relationship holds, and its place in the list of them: of a workspace its enrolment's."""

    id: UUID
    place: Position


# By group, what each relationship holds.
type Linkage = dict[UUID, dict[str, list[Linked]]]

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


def linkage(names: Sequence[str], most_rows: int) -> Query[Linkage]:
    """Ask what the relationships `names` of groups hold, the oldest first; it stores the ids that it finds.

    The groups' ids were stored (`stored_ids`) by the statement that found them for the caller. Of each relationship one
    more is read than the share of a group, of which `most_rows` are shown at most.
    """

    def read(result: Result) -> Linkage:
        found: Linkage = {}
        for row in result:
            linked = Linked(row.id, Position(row.since, row.link_id, row.place))
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
