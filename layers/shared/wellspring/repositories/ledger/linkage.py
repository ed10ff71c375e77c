"""What the to-many relationships of groups hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    true,
    union_all,
)

from wellspring.database import Compiled
from wellspring.database.flush import Query, Result, Statement
from wellspring.models import parents
from wellspring.models.junctions import workspace_group_workspaces
from wellspring.queries import MOST_LINKED, Position
from wellspring.repositories.ledger.stored_ids import ONE, PLACES, place, store_each, stored_ids
from wellspring.resources import WORKSPACE_GROUP


@dataclass(frozen=True, slots=True)
class Linked:
    """One of what a to-many relationship holds.

    Attributes:
        id: its public id.
        place: where it stands in the list of them: of a workspace the place of its enrolment.
    """

    id: UUID
    place: Position


# By group, what each relationship holds.
type Linkage = dict[UUID, dict[str, list[Linked]]]


def share(rows: int) -> int:
    """Return how many of each relationship each of so many rows may show; an answer has `MOST_LINKED` of each."""
    return max(1, MOST_LINKED // rows)


def linkage(names: Sequence[str], most_rows: int) -> Query[Linkage]:
    """Ask what the to-many relationships of groups hold, the oldest first, in one statement.

    There is no predicate here: whoever sees a group sees its workspaces and members, and the groups' ids were left
    (`left`) by the statement that found them for the caller. It leaves the ids that it finds.

    Args:
        names: the relationships, `workspaces` or `memberships`.
        most_rows: how many groups are shown at most. Of each relationship of each group one more is read than its
            share (`share`).
    """
    values = {PLACES: [place(WORKSPACE_GROUP.type)], "most_rows": most_rows}
    return Query(Statement(_linkage_compiled(tuple(sorted(names))), values), _by_group)


def _by_group(answer: Result) -> Linkage:
    found: Linkage = {}
    for row in answer:
        found.setdefault(row.group_id, {}).setdefault(row.relationship, []).append(
            Linked(row.id, Position(row.since, row.link_id, row.place))
        )
    return found


@lru_cache(maxsize=4)
def _linkage_compiled(names: tuple[str, ...]) -> Compiled:
    return Compiled(_linkage_statement(names))


def _linkage_statement(names: tuple[str, ...]) -> Select[Any]:
    held = union_all(*(_linked(name) for name in names)).cte("held")
    columns = [held.c.group_id, held.c.relationship, held.c.id, held.c.link_id, held.c.since, held.c.place]
    return select(*columns).where(_leaving(names, held)).order_by(held.c.since, held.c.place)


def _leaving(names: Sequence[str], held: FromClause) -> ColumnElement[bool]:
    ids = {
        place(WORKSPACE_GROUP.type, name): func.array_agg(held.c.id).filter(
            held.c.relationship == literal_column(f"'{name}'", Text)
        )
        for name in names
    }
    return store_each(ids, held)


def _share() -> ColumnElement[int]:
    """Return `share` of the groups that are shown: a page leaves one more, by which it knows that there are more."""
    found = select(func.cardinality(stored_ids())).scalar_subquery()
    shown = func.greatest(func.least(found, bindparam("most_rows", type_=Integer)), ONE)
    return func.greatest(literal_column(str(MOST_LINKED), Integer) // shown, ONE)


def _linked(name: str) -> Select[Any]:
    group = parents.workspace_groups
    source, link, id_, conditions = {"workspaces": _enrolled, "memberships": _members}[name]()
    # A look-up for each group, which ends when it has found enough.
    first = (
        select(id_.label("id"), link.c.id.label("link_id"), link.c.created_at.label("since"), link.c.pk.label("place"))
        .select_from(source)
        .where(*conditions(group))
        .correlate(group)
        .order_by(link.c.created_at, link.c.pk)
        .limit(_share() + ONE)
        .lateral()
    )
    return (
        select(group.c.id.label("group_id"), literal_column(f"'{name}'", Text).label("relationship"), *first.c)
        .select_from(group.join(first, true()))
        .where(group.c.id == func.any(stored_ids()))
    )


type _Many = tuple[FromClause, FromClause, ColumnElement[UUID], Callable[[FromClause], list[ColumnElement[bool]]]]


def _enrolled() -> _Many:
    enrolment, workspace = workspace_group_workspaces, parents.workspaces

    def conditions(group: FromClause) -> list[ColumnElement[bool]]:
        return [
            enrolment.c.workspace_group_pk == group.c.pk,
            enrolment.c.deleted_at.is_(None),
            workspace.c.deleted_at.is_(None),
        ]

    return (
        enrolment.join(workspace, workspace.c.pk == enrolment.c.workspace_pk),
        enrolment,
        workspace.c.id,
        conditions,
    )


def _members() -> _Many:
    membership = parents.workspace_group_memberships

    def conditions(group: FromClause) -> list[ColumnElement[bool]]:
        return [membership.c.workspace_group_pk == group.c.pk, membership.c.deleted_at.is_(None)]

    return membership, membership, membership.c.id, conditions
