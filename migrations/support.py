"""What several revisions need: tables of one kind, made with all that belongs to them.

A helper makes what the models say today. A revision that changes every table of a kind changes its helper too, and asks
IF NOT EXISTS where a table may come from the changed helper. Revisions 0001 to 0006 are older than these helpers.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import op

from wellspring.models.walks import DIRECTIONS, ListIndex, name_of, walks

READER, WRITER, FEEDER = "wellspring_reader", "wellspring_writer", "wellspring_feeder"
CONSUMER, EXPORTER = "wellspring_consumer", "wellspring_exporter"


@contextmanager
def outside_transaction() -> Iterator[None]:
    """Run the block's statements each on its own, as CREATE INDEX CONCURRENTLY demands.

    Alembic asks for the isolation level before it switches to autocommit; under pg8000 that question opens a
    transaction which autocommit then leaves open, so it is closed here.
    """
    with op.get_context().autocommit_block():
        op.execute("COMMIT")
        yield


def build_index(name: str, table: str, covers: str) -> None:
    """Build an index without blocking writers, `outside_transaction`; one of its name was cut short, or is older.

    Args:
        name: of the index.
        table: with its schema.
        covers: columns and condition, as CREATE INDEX has them.
    """
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {table.partition('.')[0]}.{name}")
    op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {table} {covers}")


def module_of(revision: str) -> Any:
    """Return the module of another revision, by its file's name without the ending: what it made is replaced."""
    path = Path(__file__).parent / "versions" / f"{revision}.py"
    spec = importlib.util.spec_from_file_location(f"revision_{revision}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def create_role(role: str) -> None:
    """Create a role that writes, unless another database of the cluster has brought it already.

    Its limits are set here because RDS Proxy takes none at connection time (revision 0003).
    """
    op.execute(
        f"""
        DO $$ BEGIN
          IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
            CREATE ROLE {role} LOGIN NOINHERIT;
            ALTER ROLE {role} SET statement_timeout = '25s';
            ALTER ROLE {role} SET lock_timeout = '5s';
            ALTER ROLE {role} SET idle_in_transaction_session_timeout = '25s';
            ALTER ROLE {role} SET jit = off;
          END IF;
        END $$
        """
    )


def create_record(table: str, *columns: str) -> None:
    """Create the table of a record type, of a workspace; the functions read it, the platform's feed writes it.

    Args:
        table: its name (`invoices`).
        columns: definitions of what it has beside the standard columns and its workspace (`number text NOT NULL`).
    """
    fed = ("source text", "source_version bigint NOT NULL DEFAULT 0")
    _create_table(table, *fed, *columns, _reference(table, "workspace_pk", "workspaces"))
    op.execute(f"CREATE INDEX idx_{table}_workspace_pk ON core_api.{table} (workspace_pk)")
    op.execute(f"GRANT SELECT ON core_api.{table} TO {READER}, {WRITER}, {CONSUMER}, {FEEDER}, {EXPORTER}")
    op.execute(
        f"CREATE TRIGGER workspace_is_immutable BEFORE UPDATE OF workspace_pk ON core_api.{table}"
        " FOR EACH ROW WHEN (OLD.workspace_pk IS DISTINCT FROM NEW.workspace_pk)"
        " EXECUTE FUNCTION core_api.refuse_change_of_workspace()"
    )
    # A message may bring a record that was never there.
    op.execute(f"GRANT INSERT ON core_api.{table} TO {CONSUMER}")
    # A tenant never moves: the workspace is not among them.
    changed = ", ".join(definition.split()[0] for definition in (*fed, *columns))
    op.execute(f"GRANT INSERT, UPDATE ({changed}, updated_at, deleted_at) ON core_api.{table} TO {FEEDER}")


def create_ledger(record: str, records: str) -> None:
    """Create the provenance of a record type: table, trigger, indexes, grants, policies of callers and of the pipeline.

    Args:
        record: the record's JSON:API type (`invoice`).
        records: the record's table (`invoices`).
    """
    table = ledger_of(record)
    _create_table(
        table,
        _reference(table, f"{record}_pk", records),
        _reference(table, "workspace_connector_pk", "workspace_connectors"),
        "direction core_api.direction_enum NOT NULL",
        # Which message wrote the row, and which one ended it: no foreign keys, for messages are forgotten.
        "sync_message_pk bigint",
        "ended_by_pk bigint",
    )
    op.execute(
        f"CREATE TRIGGER direction_is_immutable BEFORE UPDATE OF direction ON core_api.{table}"
        " FOR EACH ROW WHEN (OLD.direction IS DISTINCT FROM NEW.direction)"
        " EXECUTE FUNCTION core_api.refuse_change_of_direction()"
    )
    op.execute(f"CREATE INDEX idx_{table}_record_created ON core_api.{table} ({record}_pk, created_at, pk)")
    _create_index(f"idx_{table}_record_created_dead", table, ListIndex(f"{record}_pk", "created_at", live=False))
    for direction in DIRECTIONS:
        op.execute(
            f"CREATE INDEX idx_{table}_record_{direction}_live ON core_api.{table}"
            f" ({record}_pk, workspace_connector_pk, created_at, pk)"
            f" WHERE deleted_at IS NULL AND direction = '{direction}'"
        )
    parent = "workspace_connector_pk"
    _create_index(f"idx_{table}_wc_created_at", table, ListIndex(parent, "created_at", live=True))
    for walk in walks(parent, directed=True):
        _create_index(name_of(table, "wc", walk), table, walk)
    for walk in walks(None, directed=False):
        _create_index(name_of(table, "", walk), table, walk)
    for change, rows in (("insert", "NEW"), ("update", "OLD NEW"), ("delete", "OLD")):
        seen = " ".join(f"{which} TABLE AS {which.lower()}_rows" for which in rows.split())
        op.execute(
            f"CREATE TRIGGER sums_after_{change} AFTER {change} ON core_api.{table}"
            f" REFERENCING {seen} FOR EACH STATEMENT EXECUTE FUNCTION wellspring.add_up_{change}('{record}')"
        )
    op.execute(f"GRANT SELECT ON core_api.{table} TO {READER}, {WRITER}, {CONSUMER}")
    op.execute(
        f"GRANT INSERT, UPDATE (updated_at, deleted_at, ended_by_pk) ON core_api.{table} TO {WRITER}, {CONSUMER}"
    )
    # A revived parent notes the last row (docs/adr/0033), and so does a disconnect (docs/adr/0012).
    op.execute(f"GRANT SELECT ON SEQUENCE core_api.{table}_pk_seq TO {FEEDER}, {CONSUMER}")
    visible = (
        f"{_seen_parent(table, 'workspace_connectors', 'workspace_connector_pk')}"
        f" AND {_seen_parent(table, records, f'{record}_pk')}"
    )
    op.execute(f"ALTER TABLE core_api.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY {table}_of_the_caller ON core_api.{table} FOR ALL TO {READER}, {WRITER}"
        f" USING ({visible}) WITH CHECK ({_IS_SERVICE})"
    )
    op.execute(
        f"CREATE POLICY {table}_of_the_pipeline ON core_api.{table} FOR ALL TO {WRITER}, {CONSUMER}"
        " USING ((SELECT wellspring.is_pipeline()))"
    )
    export_ledger(record, records)
    create_newest(record)


def export_ledger(record: str, records: str) -> None:
    """Let the exporter read the provenance whose record and connector are of the workspace that its transaction names.

    Args:
        record: the record's JSON:API type.
        records: the record's table.
    """
    table = ledger_of(record)
    op.execute(f"GRANT SELECT ON core_api.{table} TO {EXPORTER}")
    tenants = (
        f"(SELECT p.workspace_pk FROM core_api.{parents} AS p WHERE p.pk = {pk}) = (SELECT wellspring.exported())"
        for parents, pk in (("workspace_connectors", "workspace_connector_pk"), (records, f"{record}_pk"))
    )
    op.execute(
        f"CREATE POLICY {table}_of_the_export ON core_api.{table} FOR SELECT TO {EXPORTER}"
        f" USING ({' AND '.join(tenants)})"
    )


def create_newest(record: str) -> None:
    """Create the function that says when connectors of the caller's brought or took their last live rows.

    It is a bound, and shows nothing: of rows whose records the caller does not see it says when they are, too. It
    answers nothing where there is nothing to gain, and to whoever has more workspaces than are listed (docs/adr/0045).

    To find a connector's last row is to read the page of its index down to the connector's first, so it is looked for
    from a time on that some connectors have passed, a few of which are asked first. That time is in a row without a
    connector: no connector that is not named has a row at or after it. Without such a row every connector that has
    rows is named.

    Args:
        record: the record's JSON:API type.
    """
    table = ledger_of(record)
    newest = f"""SELECT row.created_at, row.pk FROM core_api.{table} AS row
                    WHERE row.workspace_connector_pk = connector.pk AND row.deleted_at IS NULL
                      AND (row.created_at, row.pk) < ($2, $3){{}}
                    ORDER BY row.created_at DESC, row.pk DESC LIMIT 1"""
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION wellspring.newest_of_{table}(wanted integer, at timestamptz, pk bigint)
        RETURNS TABLE (connector_pk bigint, newest_at timestamptz, newest_pk bigint)
        LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 500 SET search_path = ''
        SET plan_cache_mode = force_generic_plan AS $$
        #variable_conflict use_column
        DECLARE
          own bigint[];
          number bigint;
          asked bigint;
          since timestamptz;
        BEGIN
          IF wanted IS NULL THEN
            RETURN;
          END IF;
          own := ARRAY(SELECT connector.pk FROM core_api.workspace_connectors AS connector
                        WHERE connector.workspace_pk = ANY {_WORKSPACES} AND connector.deleted_at IS NULL);
          number := cardinality(own);
          asked := least({_ASKED_FIRST}, number / 8);
          SELECT newest.created_at INTO since
            FROM generate_series(1, asked) AS turn
           CROSS JOIN LATERAL (SELECT own[1 + turn * {_STRIDE} % number] AS pk) AS connector
           CROSS JOIN LATERAL ({newest.format("")}) AS newest
           ORDER BY newest.created_at DESC OFFSET 1 + 2 * wanted * asked / greatest(number, 1) LIMIT 1;
          RETURN QUERY
          SELECT connector.pk, newest.created_at, newest.pk
            FROM unnest(own) AS connector (pk)
           CROSS JOIN LATERAL (
                   {newest.format(" AND row.created_at >= coalesce(since, '-infinity')")}
                 ) AS newest
           UNION ALL
          SELECT NULL, since, NULL WHERE since IS NOT NULL;
        END $$
        """
    )
    op.execute(f"REVOKE ALL ON FUNCTION wellspring.newest_of_{table} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.newest_of_{table} TO {READER}, {WRITER}")


def drop_newest(record: str) -> None:
    """Drop what `create_newest` made."""
    op.execute(f"DROP FUNCTION wellspring.newest_of_{ledger_of(record)}")


def drop_ledger(record: str, records: str) -> None:
    """Drop what `create_ledger` and `create_record` made, with all rows."""
    drop_newest(record)
    op.execute(f"DROP TABLE core_api.{ledger_of(record)}")
    op.execute(f"DROP TABLE core_api.{records}")


def ledger_of(record: str) -> str:
    """Return the name of the table of a record type's provenance."""
    return f"{record}_workspace_connectors"


# How many connectors are asked at the most when they brought their last row, before all are; and a prime, so that these
# lie apart.
_ASKED_FIRST, _STRIDE = 64, 7919
# Each is computed once for a statement, not once for a row.
_IS_SERVICE = "(SELECT wellspring.is_service())"
_WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"


def _create_index(name: str, table: str, walk: ListIndex) -> None:
    op.execute(f"CREATE INDEX {name} ON core_api.{table} ({', '.join(walk.columns)}) WHERE {walk.where}")


def _seen_parent(ledger: str, table: str, pk: str) -> str:
    """Return the condition that a parent is in a workspace that the caller sees, and live where its row is.

    Scalar sub-queries and not EXISTS, which the planner would rather answer from a hash of the whole table.
    """
    live = "(SELECT true FROM core_api.workspaces AS w WHERE w.pk = p.workspace_pk AND w.deleted_at IS NULL)"
    own = f"coalesce(p.workspace_pk = ANY {_WORKSPACES}, wellspring.sees_workspace(p.workspace_pk))"
    seen = f"({own} OR {_IS_SERVICE} AND {live})"
    outlived = f"(p.deleted_at IS NULL OR {ledger}.deleted_at IS NOT NULL)"
    return f"(SELECT {seen} FROM core_api.{table} AS p WHERE p.pk = {ledger}.{pk} AND {outlived})"


def _create_table(name: str, *definitions: str) -> None:
    """Create a table with the five standard columns (`models.base.standard_columns`) and `definitions`."""
    body = ", ".join(definitions)
    op.execute(
        f"""
        CREATE TABLE core_api.{name} (
          pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_{name} PRIMARY KEY,
          id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT uq_{name}_id UNIQUE,
          created_at timestamptz(3) NOT NULL DEFAULT now(),
          updated_at timestamptz(3) DEFAULT now(),
          deleted_at timestamptz(3),
          {body}
        )
        """
    )


def _reference(table: str, column: str, target: str) -> str:
    """Return the definition of a foreign key column of `table`."""
    key = f"CONSTRAINT fk_{table}_{column} REFERENCES core_api.{target} (pk) ON UPDATE CASCADE"
    return f"{column} bigint NOT NULL {key}"
