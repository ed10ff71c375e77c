"""Tables of parents, which other parts of the platform own: declared columns, and those that are never shown.

Here they hold what the five objects, access and `include` need (contract, section 2, "Parents").
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from wellspring.models.base import LIVE, SCHEMA, direction_enum, index, instant, metadata, standard_columns
from wellspring.models.list_indexes import ListIndex, indexes, of_one
from wellspring.resources import (
    CONNECTOR,
    FOLDED,
    OWN_WORKSPACE,
    PROVIDER,
    WORKSPACE_CONNECTOR,
    WORKSPACE_GROUP,
    WORKSPACE_GROUP_MEMBERSHIP,
    WORKSPACE_MEMBERSHIP,
    Resource,
    records,
    resource_of,
)


def table(name: str, *own: SchemaItem) -> Table:
    """Return a table of the ledger with the columns that each has, and its `own` ones."""
    return Table(name, metadata, *standard_columns(), *own, schema=SCHEMA)


def references(resource: Resource, **ondelete: str) -> Iterator[Column[int]]:
    """Yield the foreign keys of a type, which follow the pks of its parents.

    Of a relationship that `ondelete` names a deletion of the parent does this, and its pk never changes.
    """
    for parent in resource.parents:
        rule = ondelete.get(parent.name)
        target = f"{SCHEMA}.{resource_of(parent.target).table}.pk"
        key = ForeignKey(target, onupdate=None if rule else "CASCADE", ondelete=rule)
        yield Column(parent.column, BigInteger, key, nullable=not parent.required)


def one_live(name: str, *columns: str) -> Index:
    """Return the index by which of rows with the same parents one is live."""
    return index(name, *columns, unique=True, where=LIVE)


def listed(name: str, parent: str | None, *, named: bool = True) -> Iterator[SchemaItem]:
    """Yield the indexes that lists of a table are read by: of some workspaces, or of all there are."""
    yield from indexes(name, parent, "workspace" if parent else "")
    if parent:
        yield ListIndex(None, "created_at", live=True).index(f"idx_{name}_created_live")
    if parent and named:
        yield ListIndex(parent, FOLDED, live=True).index(f"idx_{name}_workspace_name_live")
    if named:
        yield ListIndex(None, FOLDED, live=True).index(f"idx_{name}_name_live")


# Others are texts.
_TYPES: dict[str, TypeEngine[Any]] = {"direction": direction_enum, "instant": instant}


def told_columns(resource: Resource) -> Iterator[Column[Any]]:
    """Yield columns for what the feed tells of a resource, as its attributes are declared."""
    for attribute in resource.told:
        if attribute.kind == "texts":
            yield Column(attribute.name, ARRAY(Text), nullable=False, server_default=text("'{}'"))
        else:
            yield Column(attribute.name, _TYPES.get(attribute.kind, Text), nullable=not attribute.required)


def fed_table(resource: Resource, *own: SchemaItem) -> Table:
    """Return the table of what the platform's feed tells (contract, section 6): attributes, parents, what is its `own`.

    A column of its own stands in an attribute's place. `migrations.support.create_record` makes a record type's.
    """
    its_own = {item.name for item in own if isinstance(item, Column)}
    workspace = next((parent.column for parent in resource.parents if parent.target == "workspace"), None)
    named = resource.named is not None
    return table(
        resource.table,
        # Never shown: who tells of the resource, null for what only a sync made, and the version told last.
        Column("source", Text),
        Column("source_version", BigInteger, nullable=False, server_default=text("0")),
        *(column for column in told_columns(resource) if column.name not in its_own),
        *references(resource),
        *own,
        # The name without its case, which a trigger writes; it is never shown (docs/adr/0038).
        *([Column(FOLDED, Text(collation="C"), nullable=False, server_default=text("''"))] if named else []),
        *(listed(resource.table, workspace, named=named) if resource.operations else ()),
    )


workspaces = fed_table(OWN_WORKSPACE)
connectors = fed_table(CONNECTOR)
providers = fed_table(
    PROVIDER, UniqueConstraint("slug"), Index(None, "category"), Index(None, "countries", postgresql_using="gin")
)

# Never shown. Of a person: set once and for good, and nothing brings the name or a membership back.
_own: dict[str, list[Column[object]]] = {"people": [Column("erased_at", instant)]}
_tables = {
    record.type: fed_table(record, Index(None, "workspace_pk"), *_own.get(record.type, ())) for record in records()
}
# Who calls is looked up here.
peoples = _tables["people"]

# Credentials are kept elsewhere, on purpose: no column here could leak them.
workspace_connectors = fed_table(
    WORKSPACE_CONNECTOR,
    Column("status", Text, nullable=False, server_default=text("'active'")),
    # What the rule of revision 0009 says, which triggers ask: nobody else writes it (docs/adr/0052).
    Column("health", Text, nullable=False, server_default=text("'new'")),
    Index(None, "workspace_pk"),
    Index(None, "connector_pk"),
    index("idx_workspace_connectors_workspace_health_live", "workspace_pk", "health", "created_at", "pk", where=LIVE),
    # Of all workspaces: how well they are, in all and by tool.
    index("idx_workspace_connectors_health_live", "health", "created_at", "pk", where=LIVE),
    index("idx_workspace_connectors_connector_health_live", "connector_pk", "health", "created_at", "pk", where=LIVE),
    *of_one("workspace_connectors", "connector_pk", "connector"),
)

workspace_groups = table(
    "workspace_groups",
    Column("name", Text, nullable=False),
    *references(WORKSPACE_GROUP),
    Index(None, "created_by_pk"),
)


def _membership_columns() -> list[Column[object] | CheckConstraint]:
    return [
        Column("role", Text, nullable=False),
        Column("status", Text, nullable=False),
        CheckConstraint("role IN ('owner', 'admin', 'member', 'guest')", name="role"),
        CheckConstraint("status IN ('pending', 'active')", name="status"),
    ]


workspace_memberships = fed_table(
    WORKSPACE_MEMBERSHIP,
    *_membership_columns(),
    Index(None, "people_pk", "workspace_pk"),
    Index(None, "workspace_pk"),
    # Who was a member is asked, too.
    *of_one("workspace_memberships", "people_pk", "people", also_dead=True),
)

workspace_group_memberships = table(
    "workspace_group_memberships",
    *references(WORKSPACE_GROUP_MEMBERSHIP),
    *_membership_columns(),
    one_live(WORKSPACE_GROUP_MEMBERSHIP.unique, "people_pk", "workspace_group_pk"),
    Index(None, "workspace_group_pk"),
    *indexes("workspace_group_memberships", "workspace_group_pk", "group"),
    *of_one("workspace_group_memberships", "people_pk", "people", also_dead=True),
    *indexes("workspace_group_memberships", None, ""),
)
