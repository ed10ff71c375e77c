"""Tables that other parts of the platform own: what their declarations say, and what is never shown.

Here they hold what the five objects, access and `include` need (contract, section 2, "Parents").
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.schema import SchemaItem

from wellspring.models.base import LIVE, SCHEMA, direction_enum, index, instant, metadata, standard_columns
from wellspring.models.list_indexes import ListIndex, indexes, of_one
from wellspring.resources import CONNECTOR, FOLDED, OWN_WORKSPACE, PROVIDER, Resource, records, resource_of


def table(name: str, *own: SchemaItem) -> Table:
    """Return a table of the ledger with the columns that each has, and its `own` ones."""
    return Table(name, metadata, *standard_columns(), *own, schema=SCHEMA)


def reference(column: str, parents: str, *, required: bool = True, ondelete: str | None = None) -> Column[int]:
    """Return a foreign key column to the pk of the table of `parents`, which says what a change or a deletion does."""
    key = ForeignKey(f"{SCHEMA}.{parents}.pk", onupdate=None if ondelete else "CASCADE", ondelete=ondelete)
    return Column(column, BigInteger, key, nullable=not required)


def one_live(name: str, *columns: str) -> Index:
    """Return the index by which of rows with the same parents one is live."""
    return index(name, *columns, unique=True, where=LIVE)


def fed_columns() -> list[Column[object]]:
    """Return fresh columns of a table that the platform's feed writes; they are never shown (contract, section 6).

    `source` is who tells of the resource, null for what only a sync made; `source_version` the version it told last.
    """
    return [Column("source", Text), Column("source_version", BigInteger, nullable=False, server_default=text("0"))]


def folded_name() -> Column[str]:
    """Return a fresh column for a name without its case, which a trigger writes; it is never shown (docs/adr/0038)."""
    return Column(FOLDED, Text(collation="C"), nullable=False, server_default=text("''"))


def listed(name: str, parent: str | None, *, named: bool = True) -> Iterator[SchemaItem]:
    """Yield the indexes that lists of a table are read by: of some workspaces, or of all there are."""
    yield from indexes(name, parent, "workspace" if parent else "")
    if parent:
        yield ListIndex(None, "created_at", live=True).index(f"idx_{name}_created_live")
    if parent and named:
        yield ListIndex(parent, FOLDED, live=True).index(f"idx_{name}_workspace_name_live")
    if named:
        yield ListIndex(None, FOLDED, live=True).index(f"idx_{name}_name_live")


def told_columns(resource: Resource) -> list[Column[Any]]:
    """Return fresh columns for what the feed tells of a resource, as its attributes are declared."""
    return [
        Column(attribute.name, ARRAY(Text), nullable=False, server_default=text("'{}'"))
        if attribute.kind == "texts"
        else Column(
            attribute.name, direction_enum if attribute.kind == "direction" else Text, nullable=not attribute.required
        )
        for attribute in resource.told
    ]


def catalogue_table(resource: Resource, *own: SchemaItem) -> Table:
    """Return the table of a named resource of no workspace: its attributes, and what is its `own`."""
    columns = (*fed_columns(), *told_columns(resource), folded_name())
    return table(resource.table, *columns, *own, *listed(resource.table, None))


workspaces = catalogue_table(OWN_WORKSPACE)
connectors = catalogue_table(CONNECTOR)
providers = catalogue_table(
    PROVIDER, UniqueConstraint("slug"), Index(None, "category"), Index(None, "countries", postgresql_using="gin")
)


def record_table(record: Resource, *own: Column[object]) -> Table:
    """Return the table of a record type: its attributes, its parents, and `own` columns.

    `migrations.support.create_record` makes it in a database.
    """
    return table(
        record.table,
        *fed_columns(),
        *told_columns(record),
        *own,
        *(reference(parent.column, resource_of(parent.target).table) for parent in record.to_one),
        *(Index(None, parent.column) for parent in record.to_one),
        *([folded_name()] if record.named else []),
        *(listed(record.table, "workspace_pk", named=record.named is not None) if record.operations else ()),
    )


# Never shown. Of a person: set once and for good, and nothing brings the name or a membership back.
_own: dict[str, list[Column[object]]] = {"people": [Column("erased_at", instant)]}
_tables = {record.type: record_table(record, *_own.get(record.type, ())) for record in records()}
# Who calls is looked up here.
peoples = _tables["people"]

# Credentials are kept elsewhere, on purpose: no column here could leak them.
workspace_connectors = table(
    "workspace_connectors",
    *fed_columns(),
    reference("workspace_pk", "workspaces"),
    reference("connector_pk", "connectors"),
    Column("status", Text, nullable=False, server_default=text("'active'")),
    Column("consent_expires_at", instant),
    # What the rule of revision 0009 says, which triggers ask: nobody else writes it (docs/adr/0052).
    Column("health", Text, nullable=False, server_default=text("'new'")),
    Index(None, "workspace_pk"),
    Index(None, "connector_pk"),
    index("idx_workspace_connectors_workspace_health_live", "workspace_pk", "health", "created_at", "pk", where=LIVE),
    # Of all workspaces: how well they are, in all and by tool.
    index("idx_workspace_connectors_health_live", "health", "created_at", "pk", where=LIVE),
    index("idx_workspace_connectors_connector_health_live", "connector_pk", "health", "created_at", "pk", where=LIVE),
    *listed("workspace_connectors", "workspace_pk", named=False),
    *of_one("workspace_connectors", "connector_pk", "connector"),
)

workspace_groups = table(
    "workspace_groups",
    Column("name", Text, nullable=False),
    reference("created_by_pk", "peoples", required=False),
    Index(None, "created_by_pk"),
)


def _membership_columns() -> list[Column[object] | CheckConstraint]:
    return [
        Column("role", Text, nullable=False),
        Column("status", Text, nullable=False),
        CheckConstraint("role IN ('owner', 'admin', 'member', 'guest')", name="role"),
        CheckConstraint("status IN ('pending', 'active')", name="status"),
    ]


workspace_memberships = table(
    "workspace_memberships",
    *fed_columns(),
    reference("people_pk", "peoples"),
    reference("workspace_pk", "workspaces"),
    *_membership_columns(),
    Index(None, "people_pk", "workspace_pk"),
    Index(None, "workspace_pk"),
    *listed("workspace_memberships", "workspace_pk", named=False),
    # Who was a member is asked, too.
    *of_one("workspace_memberships", "people_pk", "people", also_dead=True),
)

workspace_group_memberships = table(
    "workspace_group_memberships",
    reference("people_pk", "peoples"),
    reference("workspace_group_pk", "workspace_groups"),
    *_membership_columns(),
    one_live("workspace_group_memberships_people_group_active_unique", "people_pk", "workspace_group_pk"),
    Index(None, "workspace_group_pk"),
    *indexes("workspace_group_memberships", "workspace_group_pk", "group"),
    *of_one("workspace_group_memberships", "people_pk", "people", also_dead=True),
    *indexes("workspace_group_memberships", None, ""),
)
