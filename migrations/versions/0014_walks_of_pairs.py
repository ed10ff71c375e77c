"""The indexes by which lists of two parents are read, and the dead rows of one record (docs/adr/0028).

What a workspace has of one provider, or has had in one group, stands together, and a group's workspaces can be told
without reading all of its enrolments. Each index is built without blocking writers, and anew where a build was cut
short; the functions of the release before need none of them.
"""

from collections.abc import Iterator

from alembic import op

from migrations.support import build_index, outside_transaction

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RECORDS = ("account", "company", "people")
READERS = "wellspring_reader, wellspring_writer"
UPDATED = "(CASE WHEN updated_at IS NULL THEN created_at ELSE updated_at END)"
HALVES = {"live": "deleted_at IS NULL", "dead": "deleted_at IS NOT NULL"}
TIMES = (
    ("created", "created_at", "live"),
    ("created", "created_at", "dead"),
    ("updated", UPDATED, "live"),
    ("updated", UPDATED, "dead"),
    ("deleted", "deleted_at", "dead"),
)
PAIRS = {
    "workspace_group_workspaces": "workspace_group_pk, workspace_pk",
    "workspace_providers": "provider_pk, workspace_pk",
}
# Past the policies, under which the rows of workspaces that are gone would be walked one by one. It tells keys, which
# no answer shows, and nothing of the rows; each row is asked about by the policies when it is read.
WORKSPACES_LEFT = """
CREATE FUNCTION wellspring.workspaces_left("group" bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER ROWS 20 SET search_path = '' AS $$
  WITH RECURSIVE found (pk) AS (
    (SELECT workspace_pk FROM core_api.workspace_group_workspaces
      WHERE workspace_group_pk = $1 AND deleted_at IS NOT NULL
      ORDER BY workspace_pk LIMIT 1)
    UNION ALL
    SELECT (SELECT workspace_pk FROM core_api.workspace_group_workspaces
             WHERE workspace_group_pk = $1 AND deleted_at IS NOT NULL AND workspace_pk > found.pk
             ORDER BY workspace_pk LIMIT 1)
      FROM found WHERE found.pk IS NOT NULL)
  SELECT pk FROM found WHERE pk IS NOT NULL
$$
"""


def indexes() -> Iterator[tuple[str, str, str, str]]:
    """Yield the new indexes: name, table, columns and predicate."""
    for record in RECORDS:
        table = f"{record}_workspace_connectors"
        yield f"idx_{table}_record_created_dead", table, f"{record}_pk, created_at, pk", HALVES["dead"]
    for table, parents in PAIRS.items():
        for time, column, half in TIMES:
            yield f"idx_{table}_both_{time}_{half}", table, f"{parents}, {column}, pk", HALVES[half]


def upgrade() -> None:
    op.execute(WORKSPACES_LEFT)
    op.execute("REVOKE ALL ON FUNCTION wellspring.workspaces_left FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.workspaces_left TO {READERS}")
    with outside_transaction():
        for name, table, columns, where in indexes():
            build_index(name, f"core_api.{table}", f"({columns}) WHERE {where}")


def downgrade() -> None:
    with outside_transaction():
        for name, _, _, _ in indexes():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS core_api.{name}")
    op.execute("DROP FUNCTION wellspring.workspaces_left")
