"""One workspace's ledger, whole: every row of it, tombstones too, page after page (docs/adr/0040).

What is named comes after what names it, so that it is there when its own turn comes. Each page of a table is one
statement. Rows are walked by what never changes of them, so each that was there when the walk began comes once.
"""

# Asks for no caller: it works for an operator, of one workspace that the scope of the transaction names.

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    text,
    true,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import Text

from wellspring.models import junctions, parents, table_of
from wellspring.repositories.ledger.columns import attribute_of, target_table
from wellspring.repositories.ledger.shapes import Row
from wellspring.resources import MESSAGE_OUTCOMES, Resource, ledgers, records, resource_of

# Connector by connector, as rows of the workspace, or as what rows of it have named.
type Walked = Literal["connector", "workspace", "named"]

# Nothing has been made before this, by no pk.
BEGINNING = "-infinity"


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one type that stand together in an export; a checkpoint calls them by the name."""

    name: str
    resource: Resource
    walked: Walked


@dataclass(frozen=True, slots=True)
class Place:
    """Where a walk through a section stands: behind the row of that pk and time, as Postgres writes it.

    `parent` is the connector's pk; 0 elsewhere, and where none has been begun.
    """

    parent: int = 0
    time: str = BEGINNING
    pk: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a section, each with its id, attributes, and `<relationship>_id` of each to-one relationship.

    The next page begins at `place`, unless this is the last.
    """

    rows: Sequence[Row]
    place: Place
    is_last: bool


@cache
def sections() -> tuple[Section, ...]:
    """Return the sections of an export, in their order: what a row names is of a later one."""
    of_workspace = (
        *("workspace_group_workspace", "workspace_provider", "workspace_membership", "sync_message", "sync_run"),
        *(record.type for record in records()),
        "workspace_connector",
    )
    named = ("workspace_group", "people", "provider", "connector", "workspace")
    return (
        *(Section(ledger.type, ledger, "connector") for ledger in ledgers().values()),
        *(Section(type_, resource_of(type_), "workspace") for type_ in of_workspace),
        # People of other workspaces that are members of this one, or have enrolled it, among them.
        *(Section(f"named_{type_}", resource_of(type_), "named") for type_ in named),
    )


_WORKSPACE = text(f"SELECT pk FROM {parents.workspaces} WHERE id = :id")
_NEXT_CONNECTOR = text(f"""
SELECT min(pk) FROM {parents.workspace_connectors} WHERE workspace_pk = :workspace AND pk > :pk""")


def workspace_pk(transaction: Connection, id_: UUID) -> int | None:
    """Return the pk of a workspace, which may be tombstoned; None where there never was one."""
    return transaction.execute(_WORKSPACE, {"id": id_}).scalar_one_or_none()


def page(transaction: Connection, workspace: int, section: Section, place: Place, most: int) -> Page:
    """Read the next rows of a section in a transaction whose scope is `access.principal.export_scope`."""
    if section.walked != "connector":
        return _read(transaction, section, {"workspace": workspace}, place, most)
    rows: list[Row] = []
    while True:
        if place.parent:
            of = {"workspace": workspace, "parent": place.parent}
            found = _read(transaction, section, of, place, most - len(rows))
            rows += found.rows
            place = found.place
            if not found.is_last:
                return Page(rows, place, is_last=False)
        values = {"workspace": workspace, "pk": place.parent}
        connector = transaction.execute(_NEXT_CONNECTOR, values).scalar_one()
        if connector is None:
            return Page(rows, place, is_last=True)
        place = Place(parent=connector)


def _read(transaction: Connection, section: Section, of: Mapping[str, int], place: Place, most: int) -> Page:
    values = {**of, "time": place.time, "pk": place.pk, "most": most}
    rows = [dict(row) for row in transaction.execute(_statement(section), values).mappings()]
    last = Place(place.parent, rows[-1]["walk_time"], rows[-1]["walk_pk"]) if rows else place
    return Page(rows, last, is_last=len(rows) < most)


_MOST = bindparam("most", type_=BigInteger)
_PK = bindparam("pk", type_=BigInteger)
_OF_WORKSPACE = bindparam("workspace", type_=BigInteger)


@cache
def _statement(section: Section) -> Select[Any]:
    resource = section.resource
    table = table_of(resource.table)
    walk = _named(section, table) if section.walked == "named" else _halves(section, table)
    row = walk.subquery("row")
    columns = [
        *(column.label(name) for name, column in _attributes(resource)),
        *(column.label(f"{name}_id") for name, column in _linkage(section, row)),
    ]
    made = row.c[resource.times[0]]
    return select(row.c.id, *columns, cast(made, Text).label("walk_time"), row.c.pk.label("walk_pk")).order_by(
        *([] if section.walked == "named" else [made]), row.c.pk
    )


def _halves(section: Section, table: Table) -> Select[Any]:
    """Select the next rows of a parent: of each half that an index has by itself as many, and of those the first."""
    is_message, time_of = "received_at" in table.c, section.resource.times[0]
    made = table.c[time_of]
    of: ColumnElement[bool]
    if section.walked == "connector":
        record = section.resource.parents[0]
        parent = target_table(record)
        tenant = select(parent.c.workspace_pk).where(parent.c.pk == table.c[record.column]).scalar_subquery()
        # As wherever provenance is shown: of both its parents (contract, section 3).
        of = (table.c.workspace_connector_pk == bindparam("parent", type_=BigInteger)) & (tenant == _OF_WORKSPACE)
    else:
        of = table.c.workspace_pk == _OF_WORKSPACE
    time = cast(bindparam("time", type_=Text), TIMESTAMP(timezone=True))
    behind = tuple_(made, table.c.pk) > tuple_(time, _PK)
    halves: list[ColumnElement[bool]] = [true()]
    if is_message:
        halves = [table.c.outcome == literal_column(f"'{outcome}'") for outcome in MESSAGE_OUTCOMES]
    elif section.resource.has_tombstones:
        halves = [table.c.deleted_at.is_(None), table.c.deleted_at.is_not(None)]
    pieces = [
        select(select(table).where(of, half, behind).order_by(made, table.c.pk).limit(_MOST).subquery())
        for half in halves
    ]
    both = union_all(*pieces).subquery("both")
    walked = both.c[time_of]
    return select(both).order_by(walked, both.c.pk).limit(_MOST)


def _named(section: Section, table: Table) -> Select[Any]:
    """Select the next rows that rows of the workspace name, and that are none of its own."""
    workspaces = parents.workspaces.c.pk == _OF_WORKSPACE
    match section.resource.type:
        case "workspace":
            return select(table).where(workspaces, table.c.pk > _PK).order_by(table.c.pk).limit(_MOST)
        case "people":
            elsewhere = table.c.workspace_pk != _OF_WORKSPACE
            return _among(table, union(*_people())).where(elsewhere)
        case type_:
            return _among(table, _pks(*_NAMING[type_]))


# The table and the column by which the workspace's own rows name one of a type.
_NAMING: Mapping[str, tuple[Table, str]] = {
    "connector": (parents.workspace_connectors, "connector_pk"),
    "provider": (junctions.workspace_providers, "provider_pk"),
    "workspace_group": (junctions.workspace_group_workspaces, "workspace_group_pk"),
}


def _pks(table: Table, column: str) -> Select[Any]:
    return select(table.c[column]).where(table.c.workspace_pk == _OF_WORKSPACE)


def _people() -> Iterator[Select[Any]]:
    enrolments, groups = junctions.workspace_group_workspaces, parents.workspace_groups
    yield _pks(parents.workspace_memberships, "people_pk")
    yield _pks(enrolments, "created_by_pk")
    yield (
        select(groups.c.created_by_pk)
        .join(enrolments, enrolments.c.workspace_group_pk == groups.c.pk)
        .where(enrolments.c.workspace_pk == _OF_WORKSPACE)
    )


def _among(table: Table, pks: Any) -> Select[Any]:
    return select(table).where(table.c.pk.in_(pks), table.c.pk > _PK).order_by(table.c.pk).limit(_MOST)


def _attributes(resource: Resource) -> Iterator[tuple[str, Any]]:
    """Yield what a person of the workspace would be shown of `row` if they asked for it by its id."""
    for said in resource.attributes:
        if said.computed or said.service_only:
            continue
        column: Any = literal_column(attribute_of(said.column or said.name))
        if resource.tenancy == "message" and said.name == "reason":
            # To a person a tenant mismatch looks like an unknown record (contract, section 7).
            column = case((column == "tenant_mismatch", literal_column("'unknown_record'")), else_=column)
        elif said.kind == "problems":
            column = func.wellspring.shown_problems(column, literal_column("false"))
        yield said.name, column


def _linkage(section: Section, row: FromClause) -> Iterator[tuple[str, Any]]:
    """Yield the ids of what a row's to-one relationships lead to; not whose a person of elsewhere is."""
    for relationship in section.resource.to_one:
        if section.walked == "named" and relationship.name == "workspace":
            continue
        target = target_table(relationship).alias()
        found = select(target.c.id).where(target.c.pk == row.c[relationship.column])
        yield relationship.name, found.scalar_subquery()
