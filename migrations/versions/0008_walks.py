"""The indexes that lists are read by, and dead rows that outlive their parents (docs/adr/0029, contract, section 3).

The seed's index on (workspace_connector_pk, created_at) lives on in two halves: the live rows under its name, the dead
ones beside it. Each index is built without blocking writers, and anew where a build was cut short. While it is done the
functions of the release before find the live rows in one or the other.

A dead row is seen where the workspaces of its parents are live and seen, also when the parents are gone.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RECORDS = {"account": "accounts", "company": "companies", "people": "peoples"}
ROLES = "wellspring_reader, wellspring_writer"
DIRECTIONS = ("input", "output")
UPDATED = "(CASE WHEN updated_at IS NULL THEN created_at ELSE updated_at END)"
HALVES = {"live": "deleted_at IS NULL", "dead": "deleted_at IS NOT NULL"}
# Of which times there is an index of which half.
TIMES = (
    ("created", "created_at", "live"),
    ("created", "created_at", "dead"),
    ("updated", UPDATED, "live"),
    ("updated", UPDATED, "dead"),
    ("deleted", "deleted_at", "dead"),
)
# The tables without a direction, with what their indexes call a parent.
JUNCTIONS = {
    "workspace_group_workspaces": {"group": "workspace_group_pk", "workspace": "workspace_pk"},
    "workspace_providers": {"workspace": "workspace_pk", "provider": "provider_pk"},
}


def indexes() -> Iterator[tuple[str, str, str, str]]:
    """Yield the new indexes: name, table, columns and predicate."""
    for record in RECORDS:
        table = f"{record}_workspace_connectors"
        for time, column, half in TIMES:
            for direction in DIRECTIONS:
                where = f"{HALVES[half]} AND direction = '{direction}'::core_api.direction_enum"
                columns = f"workspace_connector_pk, {column}, pk"
                yield f"idx_{table}_wc_{time}_{half}_{direction}", table, columns, where
    for table, parents in JUNCTIONS.items():
        for short, parent in parents.items():
            for time, column, half in TIMES:
                yield f"idx_{table}_{short}_{time}_{half}", table, f"{parent}, {column}, pk", HALVES[half]
    # For services alone: whose rows are the newest of all is nothing that a person's page may depend on.
    for table in (*(f"{record}_workspace_connectors" for record in RECORDS), *JUNCTIONS):
        for time, column, half in TIMES:
            yield f"idx_{table}_{time}_{half}", table, f"{column}, pk", HALVES[half]


def build(name: str, table: str, columns: str, where: str) -> None:
    """Build an index; one of its name that is there was cut short, or is of a build before."""
    build_index(name, f"core_api.{table}", f"({columns})" + (f" WHERE {where}" if where else ""))


def replace(name: str, table: str, columns: str, where: str) -> None:
    """Put another index in the place of `name`, so that there is one at every moment."""
    build(f"{name}_next", table, columns, where)
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.{name}")
    op.execute(f"ALTER INDEX core_api.{name}_next RENAME TO {name}")


# ---- row-level security --------------------------------------------------------------------------------

_IS_SERVICE = "(SELECT wellspring.is_service())"
_WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"
_GROUPS = "((SELECT wellspring.groups_of_caller())::bigint[])"


def look_up(table: str, parent: str, pk: str, condition: str) -> str:
    """Return the condition that a parent fulfils another, and is live where the row of `table` is.

    A scalar sub-query and not EXISTS, which the planner would rather answer from a hash of the whole table.
    """
    outlived = f"(p.deleted_at IS NULL OR {table}.deleted_at IS NOT NULL)"
    return f"(SELECT {condition} FROM core_api.{parent} AS p WHERE p.pk = {table}.{pk} AND {outlived})"


def is_live(workspace_pk: str) -> str:
    """Return the condition that a workspace is live."""
    return f"(SELECT true FROM core_api.workspaces AS w WHERE w.pk = {workspace_pk} AND w.deleted_at IS NULL)"


def seen(workspace_pk: str) -> str:
    """Return the condition that the caller sees a workspace, which is live then."""
    return f"({workspace_pk} = ANY {_WORKSPACES} OR {_IS_SERVICE} AND {is_live(workspace_pk)})"


def provenance(record: str, records: str) -> tuple[str, str]:
    """Return which rows of a record type's ledger are there, and which may be written."""
    table = f"{record}_workspace_connectors"
    tenants = (
        look_up(table, "workspace_connectors", "workspace_connector_pk", seen("p.workspace_pk")),
        look_up(table, records, f"{record}_pk", seen("p.workspace_pk")),
    )
    return " AND ".join(tenants), _IS_SERVICE


def enrolment() -> tuple[str, str]:
    """Return which enrolments are there, and which may be written."""
    of_member, of_tenant = f"workspace_group_pk = ANY {_GROUPS}", f"workspace_pk = ANY {_WORKSPACES}"
    group = look_up("workspace_group_workspaces", "workspace_groups", "workspace_group_pk", "true")
    live = (group, is_live("workspace_pk"))
    return " AND ".join((*live, f"({of_member} OR {of_tenant} OR {_IS_SERVICE})")), f"{of_member} AND {of_tenant}"


def selection() -> tuple[str, str]:
    """Return which choices of providers are there, and which may be written."""
    tenant = seen("workspace_pk")
    return f"{tenant} AND {look_up('workspace_providers', 'providers', 'provider_pk', 'true')}", tenant


POLICIES = {
    **{f"{record}_workspace_connectors": provenance(record, records) for record, records in RECORDS.items()},
    "workspace_group_workspaces": enrolment(),
    "workspace_providers": selection(),
}


def the_policies_before() -> Any:
    """Return the revision that made the policies."""
    path = Path(__file__).with_name("0005_row_level_security.py")
    spec = importlib.util.spec_from_file_location("revision_0005", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.POLICIES


def replace_policies(policies: dict[str, tuple[str, str]]) -> None:
    """Give the callers' policies these conditions."""
    for table, (visible, writable) in policies.items():
        policy = f"{table}_of_the_caller ON core_api.{table}"
        op.execute(f"DROP POLICY {policy}")
        op.execute(f"CREATE POLICY {policy} FOR ALL TO {ROLES} USING ({visible}) WITH CHECK ({writable})")


def upgrade() -> None:
    with outside_transaction():
        for name, table, columns, where in indexes():
            build(name, table, columns, where)
        for record in RECORDS:
            table = f"{record}_workspace_connectors"
            replace(f"idx_{table}_wc_created_at", table, "workspace_connector_pk, created_at, pk", HALVES["live"])
    replace_policies(POLICIES)


def downgrade() -> None:
    replace_policies(the_policies_before())
    with outside_transaction():
        for record in RECORDS:
            table = f"{record}_workspace_connectors"
            replace(f"idx_{table}_wc_created_at", table, "workspace_connector_pk, created_at, pk", "")
        for name, _, _, _ in indexes():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.{name}")
