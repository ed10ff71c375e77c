"""What revisions call, and as frozen as they are: a function that is here never changes what it makes.

Who changes all tables of a kind adds a function that changes one, and who makes another such table calls both
(tests/declaring/test_every_ledger.py). Nothing of the product is imported (tests/schema/test_frozen.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

READER, WRITER, FEEDER = "wellspring_reader", "wellspring_writer", "wellspring_feeder"
CONSUMER, EXPORTER = "wellspring_consumer", "wellspring_exporter"
# Each is computed once for a statement, not once for a row.
IS_SERVICE = "(SELECT wellspring.is_service())"
WORKSPACES = "((SELECT wellspring.workspaces_of_caller())::bigint[])"
# Not coalesce(), which counts as leaky: under row-level security it would never be an index condition.
UPDATED = "(CASE WHEN updated_at IS NULL THEN created_at ELSE updated_at END)"
LIVE, DEAD = "deleted_at IS NULL", "deleted_at IS NOT NULL"
DIRECTIONS = ("input", "output")
type Functions = dict[tuple[str, ...], dict[str, str]]


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


def create_functions(by_callers: Functions) -> None:
    """Create functions in the schema `wellspring`, each of which some roles may call, and nobody else.

    Args:
        by_callers: by the roles that may call them, by name and parameters (`caller()`): what follows those.
    """
    for roles, functions in by_callers.items():
        for signature, body in functions.items():
            op.execute(f"CREATE FUNCTION wellspring.{signature} {body}")
            name, _, parameters = signature.rstrip(")").partition("(")
            types = ", ".join(parameter.partition(" ")[2] for parameter in parameters.split(", "))
            op.execute(f"REVOKE ALL ON FUNCTION wellspring.{name}({types}) FROM PUBLIC")
            if roles:
                op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{name}({types}) TO {', '.join(roles)}")


def drop_functions(by_callers: Functions) -> None:
    """Drop functions, the last first."""
    for functions in reversed(by_callers.values()):
        for signature in reversed(functions):
            op.execute(f"DROP FUNCTION wellspring.{signature}")


def create_table(name: str, *definitions: str) -> None:
    """Create a table of the ledger with the five standard columns and `definitions`."""
    body = ", ".join(definitions)
    op.execute(
        f"""
        CREATE TABLE core_api.{name} ( pk bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_{name} PRIMARY KEY,
          id uuid NOT NULL DEFAULT uuidv7() CONSTRAINT uq_{name}_id UNIQUE,
          created_at timestamptz(3) NOT NULL DEFAULT now(),
          updated_at timestamptz(3) DEFAULT now(),
          deleted_at timestamptz(3),
          {body} )
        """
    )


def reference(table: str, column: str, target: str, rule: str = "ON UPDATE CASCADE", null: str = "NOT NULL") -> str:
    """Return the definition of a foreign key column of `table`."""
    return f"{column} bigint {null} CONSTRAINT fk_{table}_{column} REFERENCES core_api.{target} (pk) {rule}"


def keep_workspace(table: str) -> None:
    """Let no row of a table get another workspace: named on the columns of SET, so that no other change pays for it."""
    op.execute(
        f"CREATE TRIGGER workspace_is_immutable BEFORE UPDATE OF workspace_pk ON core_api.{table}"
        " FOR EACH ROW WHEN (OLD.workspace_pk IS DISTINCT FROM NEW.workspace_pk)"
        " EXECUTE FUNCTION core_api.refuse_change_of_workspace()"
    )


def list_indexes(table: str, short: str, *parents: str, directed: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the indexes by which a list in either half, by any time and of either direction is read (docs/adr/0029).

    Args:
        table: of the ledger.
        short: what the indexes' names call its parents; empty for the rows of all.
        parents: the columns whose rows stand together.
        directed: whether the table has a direction.

    Yields:
        A name, and what it is an index of: table, columns and predicate.
    """
    for time, column, half in (
        ("created_live", "created_at", LIVE),
        ("created_dead", "created_at", DEAD),
        ("updated_live", UPDATED, LIVE),
        ("updated_dead", UPDATED, DEAD),
        ("deleted_dead", "deleted_at", DEAD),
    ):
        for direction in DIRECTIONS if directed else ("",):
            name = "_".join(part for part in ("idx", table, short, time, direction) if part)
            where = f"{half} AND direction = '{direction}'" if direction else half
            yield name, f"{table} ({', '.join((*parents, column, 'pk'))}) WHERE {where}"


def opened(workspace_pk: str) -> str:
    """Return the condition that a live workspace is opened to the caller: looked up where theirs are not few."""
    return f"coalesce({workspace_pk} = ANY {WORKSPACES}, wellspring.sees_workspace({workspace_pk}))"


def is_live(workspace_pk: str) -> str:
    """Return the condition that a workspace is live."""
    return f"(SELECT true FROM core_api.workspaces AS w WHERE w.pk = {workspace_pk} AND w.deleted_at IS NULL)"


def seen(workspace_pk: str) -> str:
    """Return the condition that the caller sees a workspace, which is live then."""
    return f"({opened(workspace_pk)} OR {IS_SERVICE} AND {is_live(workspace_pk)})"


def look_up(table: str, parent: str, pk: str, condition: str) -> str:
    """Return the condition that a parent fulfils another, and is live where the row of `table` is.

    A scalar sub-query and not EXISTS, which the planner would rather answer from a hash of the whole table.
    """
    outlived = f"(p.deleted_at IS NULL OR {table}.deleted_at IS NOT NULL)"
    return f"(SELECT {condition} FROM core_api.{parent} AS p WHERE p.pk = {table}.{pk} AND {outlived})"


def create_policy(table: str, whose: str, of: str, conditions: str) -> None:
    """Create the policy `whose` on a table, which is given without its schema where it is of the ledger's."""
    schema, _, name = table.rpartition(".")
    op.execute(f"CREATE POLICY {name}_of_{whose} ON {schema or 'core_api'}.{name} {of} {conditions}")


def ledger_of(record: str) -> str:
    """Return the name of the table of a record type's provenance."""
    return f"{record}_workspace_connectors"


def add_attribute(table: str, definition: str) -> None:
    """Add a column to a table of the catalogue, whose resources the platform's feed tells of.

    Args:
        table: its name (`providers`).
        definition: of a column that may be null or has a constant default (`motto text`).
    """
    op.execute(f"ALTER TABLE core_api.{table} ADD COLUMN {definition}")
    op.execute(f"GRANT UPDATE ({definition.split(maxsplit=1)[0]}) ON core_api.{table} TO {FEEDER}")


def create_record(table: str, *columns: str) -> None:
    """Create the table of a record type, of a workspace; the functions read it, the platform's feed writes it.

    Args:
        table: its name (`invoices`).
        columns: definitions of what it has beside the standard columns and its workspace (`number text NOT NULL`).
    """
    fed = ("source text", "source_version bigint NOT NULL DEFAULT 0")
    create_table(table, *fed, *columns, reference(table, "workspace_pk", "workspaces"))
    op.execute(f"CREATE INDEX idx_{table}_workspace_pk ON core_api.{table} (workspace_pk)")
    op.execute(f"GRANT SELECT ON core_api.{table} TO {READER}, {WRITER}, {CONSUMER}, {FEEDER}, {EXPORTER}")
    keep_workspace(table)
    # A message may bring a record that was never there.
    op.execute(f"GRANT INSERT ON core_api.{table} TO {CONSUMER}")
    # A tenant never moves: the workspace is not among them.
    changed = ", ".join(definition.split()[0] for definition in (*fed, *columns))
    op.execute(f"GRANT INSERT, UPDATE ({changed}, updated_at, deleted_at) ON core_api.{table} TO {FEEDER}")


def create_ledger(record: str, records: str) -> None:
    """Create the provenance of a record type, with all that belongs to it.

    Args:
        record: the record's JSON:API type (`invoice`).
        records: the record's table (`invoices`).
    """
    create_provenance(record, records)
    guard_provenance(record, records)
    keep_sums(record)
    for name, covers in provenance_indexes(record):
        op.execute(f"CREATE INDEX {name} ON core_api.{covers}")
    create_newest(record)


def drop_ledger(record: str, records: str) -> None:
    """Drop what `create_ledger` and `create_record` made, with all rows."""
    drop_newest(record)
    op.execute(f"DROP TABLE core_api.{ledger_of(record)}")
    op.execute(f"DROP TABLE core_api.{records}")


def create_provenance(record: str, records: str) -> None:
    """Create the table that says which connector brought a record in or carried it out."""
    table = ledger_of(record)
    create_table(
        table,
        reference(table, f"{record}_pk", records),
        reference(table, "workspace_connector_pk", "workspace_connectors"),
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
    op.execute(
        f"CREATE INDEX idx_{table}_wc_created_at ON core_api.{table} (workspace_connector_pk, created_at, pk)"
        f" WHERE {LIVE}"
    )


def guard_provenance(record: str, records: str) -> None:
    """Say who reads and writes the provenance of a record type, and which rows of it.

    The callers, the pipeline, which ends rows whose parents are gone (docs/adr/0012), and the export of one workspace.
    """
    table = ledger_of(record)
    op.execute(f"GRANT SELECT ON core_api.{table} TO {READER}, {WRITER}, {CONSUMER}, {EXPORTER}")
    # Nothing else: a row's parents and its direction are history.
    op.execute(
        f"GRANT INSERT, UPDATE (updated_at, deleted_at, ended_by_pk) ON core_api.{table} TO {WRITER}, {CONSUMER}"
    )
    # A revived parent notes the last row (docs/adr/0033), and so does a disconnect (docs/adr/0012).
    op.execute(f"GRANT SELECT ON SEQUENCE core_api.{table}_pk_seq TO {FEEDER}, {CONSUMER}")
    parents = (("workspace_connectors", "workspace_connector_pk"), (records, f"{record}_pk"))
    visible = " AND ".join(look_up(table, parent, pk, seen("p.workspace_pk")) for parent, pk in parents)
    exported = " AND ".join(
        f"(SELECT p.workspace_pk FROM core_api.{parent} AS p WHERE p.pk = {pk}) = (SELECT wellspring.exported())"
        for parent, pk in parents
    )
    op.execute(f"ALTER TABLE core_api.{table} ENABLE ROW LEVEL SECURITY")
    create_policy(table, "the_caller", f"FOR ALL TO {READER}, {WRITER}", f"USING ({visible}) WITH CHECK ({IS_SERVICE})")
    create_policy(
        table, "the_pipeline", f"FOR ALL TO {WRITER}, {CONSUMER}", "USING ((SELECT wellspring.is_pipeline()))"
    )
    create_policy(table, "the_export", f"FOR SELECT TO {EXPORTER}", f"USING ({exported})")


def keep_sums(record: str) -> None:
    """Create the triggers that keep the sums of a record type's provenance (docs/adr/0021)."""
    for change, rows in (("insert", "NEW"), ("update", "OLD NEW"), ("delete", "OLD")):
        changed = " ".join(f"{which} TABLE AS {which.lower()}_rows" for which in rows.split())
        op.execute(
            f"CREATE TRIGGER sums_after_{change} AFTER {change} ON core_api.{ledger_of(record)}"
            f" REFERENCING {changed} FOR EACH STATEMENT EXECUTE FUNCTION wellspring.add_up_{change}('{record}')"
        )


def emit_writes(record: str) -> None:
    """Create the triggers that write what is done over HTTP to a record type's provenance into the outbox.

    What a message or a sweep does, which work for the pipeline, is one event for all of its rows (docs/adr/0055).
    """
    emits = (
        "current_setting('wellspring.emits', true) = 'on' AND current_setting('wellspring.scope', true) <> 'pipeline'"
    )
    for change, rows in (("insert", "NEW"), ("update", "OLD NEW")):
        changed = " ".join(f"{which} TABLE AS {which.lower()}_rows" for which in rows.split())
        op.execute(
            f"CREATE TRIGGER events_after_{change} AFTER {change} ON core_api.{ledger_of(record)}"
            f" REFERENCING {changed} FOR EACH STATEMENT WHEN ({emits})"
            f" EXECUTE FUNCTION wellspring.emit_writes_after_{change}('{record}')"
        )


def recount(record: str, *, is_dropped: bool = False) -> None:
    """Have `wellspring.recount_rows` count a record type's provenance, too, or no more: it would take its sums away."""
    begin = "WITH provenance AS MATERIALIZED ("
    counting = f"""{begin}SELECT workspace_connector_pk, '{record}' AS type, direction, created_at, deleted_at
    FROM core_api.{ledger_of(record)} WHERE workspace_connector_pk >= from_pk AND workspace_connector_pk < to_pk
     UNION ALL """
    old, new = (counting, begin) if is_dropped else (begin, counting)
    op.execute(f"""DO $do$ BEGIN EXECUTE replace(
      pg_get_functiondef('wellspring.recount_rows(bigint, bigint, boolean)'::regprocedure),
      $old${old}$old$, $new${new}$new$); END $do$""")


def provenance_indexes(record: str) -> Iterator[tuple[str, str]]:
    """Yield the indexes that lists and answers of a record type's provenance are read by, as `list_indexes` does."""
    table, pk = ledger_of(record), f"{record}_pk"
    yield f"idx_{table}_record_created_dead", f"{table} ({pk}, created_at, pk) WHERE {DEAD}"
    for direction in DIRECTIONS:
        covers = f"({pk}, workspace_connector_pk, created_at, pk) WHERE {LIVE} AND direction = '{direction}'"
        yield f"idx_{table}_record_{direction}_live", f"{table} {covers}"
    yield from list_indexes(table, "wc", "workspace_connector_pk", directed=True)
    yield from list_indexes(table, "")


def create_newest(record: str) -> None:
    """Create the function that says when connectors of the caller's brought or took their last live rows.

    It is a bound, and shows nothing: of rows whose records the caller does not see it says when they are, too. It
    answers nothing where there is nothing to gain, and to whoever has more workspaces than are listed (docs/adr/0045).

    To find a connector's last row is to read the page of its index down to the connector's first, so it is looked for
    from a time on that some connectors have passed, a few of which are asked first: 64 at the most, which lie apart by
    a prime. That time is in a row without a connector: no connector that is not named has a row at or after it. Without
    such a row every connector that has rows is named.

    Args:
        record: the record's JSON:API type.
    """
    table = ledger_of(record)
    newest = f"""SELECT row.created_at, row.pk FROM core_api.{table} AS row
                    WHERE row.workspace_connector_pk = connector.pk AND row.deleted_at IS NULL
                      AND (row.created_at, row.pk) < ($2, $3){{}}
                    ORDER BY row.created_at DESC, row.pk DESC LIMIT 1"""
    signature = f"newest_of_{table}(wanted integer, at timestamptz, pk bigint)"
    body = f"""
    RETURNS TABLE (connector_pk bigint, newest_at timestamptz, newest_pk bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 500 SET search_path = ''
    SET plan_cache_mode = force_generic_plan AS $$
    #variable_conflict use_column
    DECLARE own bigint[]; number bigint; asked bigint; since timestamptz;
    BEGIN
      IF wanted IS NULL THEN
        RETURN;
      END IF;
      own := ARRAY(SELECT connector.pk FROM core_api.workspace_connectors AS connector
                    WHERE connector.workspace_pk = ANY {WORKSPACES} AND connector.deleted_at IS NULL);
      number := cardinality(own);
      asked := least(64, number / 8);
      SELECT newest.created_at INTO since FROM generate_series(1, asked) AS turn
       CROSS JOIN LATERAL (SELECT own[1 + turn * 7919 % number] AS pk) AS connector
       CROSS JOIN LATERAL ({newest.format("")}) AS newest
       ORDER BY newest.created_at DESC OFFSET 1 + 2 * wanted * asked / greatest(number, 1) LIMIT 1;
      RETURN QUERY SELECT connector.pk, newest.created_at, newest.pk FROM unnest(own) AS connector (pk)
       CROSS JOIN LATERAL ( {newest.format(" AND row.created_at >= coalesce(since, '-infinity')")} ) AS newest
       UNION ALL SELECT NULL, since, NULL WHERE since IS NOT NULL;
    END $$
    """
    create_functions({(READER, WRITER): {signature: body}})


def drop_newest(record: str) -> None:
    """Drop what `create_newest` made."""
    op.execute(f"DROP FUNCTION wellspring.newest_of_{ledger_of(record)}")
