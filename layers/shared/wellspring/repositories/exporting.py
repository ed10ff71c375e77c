"""One workspace's ledger, whole: every row of it, tombstones too, page after page (docs/adr/0040).

Rows are walked by what never changes of them, so each that was there when the walk began comes once.
"""

# Asks for no caller: it works for an operator, of one workspace that the scope of the transaction names.

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, Table, TextClause, text

from wellspring.database.flush import Row
from wellspring.models import junctions, parents, table_of
from wellspring.repositories.ledger.columns import attribute_of, target_table
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
    """Rows of a section, each with its id, attributes, and `<relationship>_id`s; the next page begins at `place`."""

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


# Of each half that an index has by itself as many as are wanted; the first of those are the page.
_HALF = """
(SELECT {columns} FROM {table} AS found
  WHERE {of} AND {half} AND (found.{time}, found.pk) > (CAST(:time AS timestamptz), CAST(:pk AS bigint))
  ORDER BY found.{time}, found.pk LIMIT CAST(:most AS bigint))"""
_WALKED = "SELECT * FROM ({halves}) AS every_half ORDER BY {time}, pk LIMIT CAST(:most AS bigint)"
# Rows that rows of the workspace name, and that are none of its own.
_NAMED = """
SELECT {columns} FROM {table} AS found
 WHERE {of} AND found.pk > CAST(:pk AS bigint) ORDER BY found.pk LIMIT CAST(:most AS bigint)"""
_PAGE = """
SELECT row.id, {shown}, CAST(row.{time} AS text) AS walk_time, row.pk AS walk_pk
  FROM ({walk}) AS row
 ORDER BY {order}"""
_OF_WORKSPACE = "{}.workspace_pk = CAST(:workspace AS bigint)"
# As wherever provenance is shown: of both its parents (contract, section 3).
_OF_CONNECTOR = """
found.workspace_connector_pk = CAST(:parent AS bigint)
AND (SELECT record.workspace_pk FROM {records} AS record WHERE record.pk = found.{column}) = CAST(:workspace AS bigint)
"""


def _naming(table: Table, column: str) -> str:
    return f"SELECT own.{column} FROM {table} AS own WHERE {_OF_WORKSPACE.format('own')}"


_NAMED_OF = {
    "workspace": "found.pk = CAST(:workspace AS bigint)",
    "connector": f"found.pk IN ({_naming(parents.workspace_connectors, 'connector_pk')})",
    "provider": f"found.pk IN ({_naming(junctions.workspace_providers, 'provider_pk')})",
    "workspace_group": f"found.pk IN ({_naming(junctions.workspace_group_workspaces, 'workspace_group_pk')})",
    "people": f"""
found.workspace_pk <> CAST(:workspace AS bigint) AND found.pk IN (
   {_naming(parents.workspace_memberships, "people_pk")}
    UNION {_naming(junctions.workspace_group_workspaces, "created_by_pk")}
    UNION
   SELECT made.created_by_pk
     FROM {parents.workspace_groups} AS made
     JOIN {junctions.workspace_group_workspaces} AS own ON own.workspace_group_pk = made.pk
    WHERE {_OF_WORKSPACE.format("own")})""",
}


@cache
def _statement(section: Section) -> TextClause:
    resource, table = section.resource, table_of(section.resource.table)
    time = resource.times[0]
    of = {"table": table, "columns": ", ".join(f"found.{column.name}" for column in table.c), "time": time}
    if section.walked == "named":
        walk, order = _NAMED.format(of=_NAMED_OF[resource.type], **of), "row.pk"
    else:
        of["of"] = _OF_WORKSPACE.format("found")
        if section.walked == "connector":
            record = resource.parents[0]
            of["of"] = _OF_CONNECTOR.format(records=target_table(record), column=record.column)
        parts = ["found.deleted_at IS NULL", "found.deleted_at IS NOT NULL"] if resource.has_tombstones else ["true"]
        if resource.tenancy == "message":
            parts = [f"found.outcome = '{outcome}'" for outcome in MESSAGE_OUTCOMES]
        halves = " UNION ALL ".join(_HALF.format(half=half, **of) for half in parts)
        walk, order = _WALKED.format(halves=halves, time=time), f"row.{time}, row.pk"
    shown = ", ".join(f"{column} AS {name}" for name, column in (*_attributes(resource), *_linkage(section)))
    return text(_PAGE.format(shown=shown, walk=walk, time=time, order=order))


def _attributes(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield what a person of the workspace would be shown of `row` if they asked for it by its id."""
    for attribute in resource.attributes:
        if attribute.computed or attribute.service_only:
            continue
        column = attribute_of(attribute.column or attribute.name)
        if resource.tenancy == "message" and attribute.name == "reason":
            # To a person a tenant mismatch looks like an unknown record (contract, section 7).
            column = f"CASE WHEN {column} = 'tenant_mismatch' THEN 'unknown_record' ELSE {column} END"
        elif attribute.kind == "problems":
            column = f"wellspring.shown_problems({column}, false)"
        yield attribute.name, column


def _linkage(section: Section) -> Iterator[tuple[str, str]]:
    """Yield the ids of what a row's to-one relationships lead to; not whose a person of elsewhere is."""
    for relationship in section.resource.to_one:
        if section.walked == "named" and relationship.name == "workspace":
            continue
        found = (
            f"SELECT target.id FROM {target_table(relationship)} AS target WHERE target.pk = row.{relationship.column}"
        )
        yield f"{relationship.name}_id", f"({found})"
