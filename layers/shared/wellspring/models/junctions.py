"""Tables of the ledger's objects (contract, section 2; the seeds): provenance from its declaration, others by hand."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Table, false, text

from wellspring.models import list_indexes
from wellspring.models.base import direction_enum, index
from wellspring.models.list_indexes import ListIndex
from wellspring.models.parents import one_live, references, table
from wellspring.resources import DIRECTIONS, WORKSPACE_GROUP_WORKSPACE, WORKSPACE_PROVIDER, Resource, ledgers


def provenance_table(ledger: Resource) -> Table:
    """Return the table that says which connector brought a record in or carried it out.

    Tenancy is inherited from both parents, and duplicates are legal (seeds: account_, company_,
    people_workspace_connector). `migrations.support.create_ledger` makes it in a database.
    """
    record, connector = ledger.parents
    name = ledger.table
    return table(
        name,
        *references(ledger),
        Column("direction", direction_enum, nullable=False),
        # Which message wrote the row, and which one ended it: no foreign keys, for messages are forgotten.
        *(Column(trace.column, BigInteger) for trace in ledger.traces),
        # pk is the third column because a sync writes thousands of rows with one created_at.
        ListIndex(record.column, "created_at").index(f"idx_{name}_record_created"),
        # Of a record's history the dead rows by themselves, which cost a sync nothing (docs/adr/0029).
        ListIndex(record.column, "created_at", live=False).index(f"idx_{name}_record_created_dead"),
        # Whether somebody else brings a record in, and what a relink ends, however many dead rows the record has.
        *(
            Index(
                f"idx_{name}_record_{direction}_live",
                *(record.column, connector.column, "created_at", "pk"),
                postgresql_where=text(f"deleted_at IS NULL AND direction = '{direction}'::core_api.direction_enum"),
            )
            for direction in DIRECTIONS
        ),
        # The live half of the seed's index; the dead one is among the others (docs/adr/0029).
        ListIndex(connector.column, "created_at", live=True).index(f"idx_{name}_wc_created_at"),
        *list_indexes.indexes(name, connector.column, "wc", directed=True),
        *list_indexes.indexes(name, None, ""),
    )


for declared in ledgers().values():
    provenance_table(declared)


workspace_group_workspaces = table(
    "workspace_group_workspaces",
    *references(WORKSPACE_GROUP_WORKSPACE, workspace_group="RESTRICT", workspace="RESTRICT", created_by="SET NULL"),
    one_live(WORKSPACE_GROUP_WORKSPACE.unique, "workspace_group_pk", "workspace_pk"),
    index("idx_workspace_group_workspaces_group_created", "workspace_group_pk", "created_at", "pk"),
    *list_indexes.indexes("workspace_group_workspaces", "workspace_group_pk", "group"),
    index("idx_workspace_group_workspaces_workspace_created", "workspace_pk", "created_at", "pk"),
    *list_indexes.indexes("workspace_group_workspaces", "workspace_pk", "workspace"),
    *list_indexes.indexes("workspace_group_workspaces", "workspace_pk", "both", within="workspace_group_pk"),
    *list_indexes.indexes("workspace_group_workspaces", None, ""),
    *list_indexes.of_one("workspace_group_workspaces", "created_by_pk", "created_by"),
    Index(None, "created_by_pk"),
)

workspace_providers = table(
    "workspace_providers",
    *references(WORKSPACE_PROVIDER),
    Column("is_selected", Boolean, nullable=False, server_default=false()),
    Column("is_matched", Boolean, nullable=False, server_default=false()),
    CheckConstraint("NOT is_selected OR is_matched", name="selected_is_matched"),
    one_live(WORKSPACE_PROVIDER.unique, "workspace_pk", "provider_pk"),
    index("idx_workspace_providers_workspace_created", "workspace_pk", "created_at", "pk"),
    *list_indexes.indexes("workspace_providers", "workspace_pk", "workspace"),
    *list_indexes.indexes("workspace_providers", "provider_pk", "provider"),
    *list_indexes.indexes("workspace_providers", "workspace_pk", "both", within="provider_pk"),
    *list_indexes.indexes("workspace_providers", None, ""),
    index("idx_workspace_providers_provider_created", "provider_pk", "created_at", "pk"),
)
