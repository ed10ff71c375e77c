"""The ledger to measure on: made by the server itself, and kept from run to run.

Databases of 5 million, 500 and 50 thousand rows have the same shape: four tenants with fixed shares of the
rows among OTHERS small ones. Connectors sync in turns, BATCH rows of one time each, spread evenly over a year; rows are
in the table in the order of their time, as a service writes them.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import psycopg

from bench import ROOT
from local.postgres import SUPERUSER, Cluster
from migrations import run

READER = "wellspring_reader"
WRITER = "wellspring_writer"
FEEDER = "wellspring_feeder"
CONSUMER = "wellspring_consumer"

SMALL_ROWS = 50_000
BETWEEN_ROWS = 500_000
# Every slot of every tenant gets whole batches of a multiple of this many rows.
GRAIN = 1000
OTHERS = 500
SYNC = "sync"
SYNC_RECORDS = 10_000
# Room for the big ledger in the server's own memory, and no background work in the middle of a sample.
_SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "maintenance_work_mem": "512MB",
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace that is measured.

    Attributes:
        name: the workspace's.
        connectors: how many it has.
        slots: its rows, in twenty-fifths of the table's.
    """

    name: str
    connectors: int
    slots: int


ONE = Tenant("one", 1, 5)
TWENTY = Tenant("twenty", 20, 5)
TWO_HUNDRED = Tenant("two hundred", 200, 5)
# The newer half of its only connector's rows is tombstoned.
GRAVEYARD = Tenant("graveyard", 1, 2)
# What is asked of connectors and records beside their rows: the largest answers there may be.
ANSWERS = Tenant("answers", 100, 0)
# One of the small ones, which share what the others leave.
OTHER = Tenant("other 0", 5, 0)
TENANTS = (ONE, TWENTY, TWO_HUNDRED, GRAVEYARD)

_PARENTS = f"""
-- `slots` of 25; the small tenants share the last line.
CREATE TEMP TABLE tenant (number int, name text, connectors int, slots int, first_slot int, batches bigint,
                          workspaces int, first_connector bigint, companies bigint, first_company bigint);
INSERT INTO tenant (number, name, connectors, slots, workspaces)
VALUES {", ".join(f"({n}, '{t.name}', {t.connectors}, {t.slots}, 1)" for n, t in enumerate(TENANTS))},
       ({len(TENANTS)}, 'other', 5, {25 - sum(tenant.slots for tenant in TENANTS)}, {OTHERS}),
       ({len(TENANTS) + 1}, '{SYNC}', 1, 0, 1),
       ({len(TENANTS) + 2}, '{ANSWERS.name}', {ANSWERS.connectors}, {ANSWERS.slots}, 1);
UPDATE tenant SET first_slot = (SELECT coalesce(sum(before.slots), 0) FROM tenant AS before
                                 WHERE before.number < tenant.number);
-- A record comes back about fifty times.
UPDATE tenant SET companies = CASE WHEN slots = 0 THEN {SYNC_RECORDS}
                                   ELSE greatest(1, %(rows)s / 25 * slots / 50 / workspaces) END;

CREATE TEMP TABLE home AS
SELECT tenant.number, home, row_number() OVER (ORDER BY tenant.number, home) AS place
  FROM tenant, generate_series(0, workspaces - 1) AS home;
INSERT INTO core_api.workspaces (name)
SELECT name || CASE WHEN workspaces > 1 THEN ' ' || home ELSE '' END
  FROM home JOIN tenant USING (number) ORDER BY place;
CREATE TEMP TABLE workspace AS
SELECT number, home, place, pk
  FROM home JOIN (SELECT pk, row_number() OVER (ORDER BY pk) AS place FROM core_api.workspaces) AS made USING (place);

INSERT INTO core_api.peoples (full_name, workspace_pk, source)
SELECT 'Member ' || place, pk, '/bench' FROM workspace ORDER BY place;
INSERT INTO core_api.workspace_memberships (people_pk, workspace_pk, role, status)
SELECT pk, workspace_pk, 'member', 'active' FROM core_api.peoples ORDER BY pk;
WITH wide AS (INSERT INTO core_api.peoples (full_name, workspace_pk, source)
              SELECT 'Member of all the small ones', pk, '/bench' FROM workspace JOIN tenant USING (number)
               WHERE tenant.name = '{SYNC}' RETURNING pk)
INSERT INTO core_api.workspace_memberships (people_pk, workspace_pk, role, status)
SELECT wide.pk, workspace.pk, 'member', 'active'
  FROM wide, workspace JOIN tenant USING (number) WHERE tenant.workspaces > 1 ORDER BY workspace.pk;
INSERT INTO core_api.connectors (name, provider)
SELECT 'Connector ' || n, 'provider-' || n FROM generate_series(1, 50) AS n;
INSERT INTO core_api.workspace_connectors (workspace_pk, connector_pk)
SELECT pk, 1 + (place + n) %% 50
  FROM workspace JOIN tenant USING (number), generate_series(0, connectors - 1) AS n
 ORDER BY place, n;
INSERT INTO core_api.companies (name, workspace_pk)
SELECT 'Company ' || n, pk
  FROM workspace JOIN tenant USING (number), generate_series(0, companies - 1) AS n
 ORDER BY place, n;
UPDATE tenant SET first_connector = found.pk
  FROM (SELECT number, min(child.pk) AS pk FROM workspace JOIN core_api.workspace_connectors AS child
            ON child.workspace_pk = workspace.pk GROUP BY number) AS found WHERE found.number = tenant.number;
UPDATE tenant SET first_company = found.pk
  FROM (SELECT number, min(child.pk) AS pk FROM workspace JOIN core_api.companies AS child
            ON child.workspace_pk = workspace.pk GROUP BY number) AS found WHERE found.number = tenant.number;
CREATE TEMP TABLE slot AS
SELECT tenant.*, slot - first_slot AS offset_in_tenant, slot
  FROM tenant, generate_series(first_slot, first_slot + slots - 1) AS slot;
ANALYZE slot;
"""

BATCH = 20
# 7919 is a prime beyond any common factor: neighbours in time are strangers among the records.
_LEDGER = f"""
INSERT INTO core_api.company_workspace_connectors
       (company_pk, workspace_connector_pk, direction, created_at, updated_at, deleted_at)
SELECT slot.first_company + home * slot.companies + (turn * {BATCH} + row) * 7919 %% slot.companies,
       slot.first_connector + home * slot.connectors + turn %% slot.connectors,
       CASE WHEN (batch + row) %% 5 = 0 THEN 'output' ELSE 'input' END::core_api.direction_enum,
       at, at,
       CASE WHEN slot.name = '{GRAVEYARD.name}' AND batch >= %(rows)s / {BATCH} / 2 THEN at + interval '1 minute' END
  FROM generate_series(%(from)s::bigint, %(to)s::bigint - 1) AS batch
  JOIN slot ON slot.slot = batch %% 25
 CROSS JOIN LATERAL (SELECT batch / 25 * slot.slots + slot.offset_in_tenant AS n) AS nth
 CROSS JOIN LATERAL (SELECT n %% slot.workspaces AS home, n / slot.workspaces AS turn,
                            timestamptz '2025-01-01 00:00:00Z'
                              + batch * (interval '365 days' / (%(rows)s / {BATCH})) AS at) AS place
 CROSS JOIN generate_series(0, {BATCH - 1}) AS row
 ORDER BY batch, row
"""
ANSWERED = 10_000
DAYS = 400
# Of the tenant "answers": its first company has so many rows, each of a message and connector of its own; its first
# connector brought so many companies in, every other of which another connector did, too; and each connector linked a
# row of each type and direction on each of 400 days.
_ANSWERS = f"""
CREATE TEMP TABLE answers AS SELECT * FROM tenant WHERE name = '{ANSWERS.name}';
INSERT INTO core_api.accounts (account_name, workspace_pk)
SELECT 'Account ' || n, pk FROM answers JOIN workspace USING (number), generate_series(1, 100) AS n ORDER BY n;
INSERT INTO core_api.peoples (full_name, workspace_pk)
SELECT 'Contact ' || n, pk FROM answers JOIN workspace USING (number), generate_series(1, 100) AS n ORDER BY n;

INSERT INTO wellspring.sync_messages (message_id, message_type, workspace_connector_pk, workspace_pk, occurred_at)
SELECT uuidv7(), 'records.synced', first_connector + 1 + n %% {ANSWERS.connectors - 1}, workspace.pk,
       timestamptz '2025-06-01 00:00:00Z' + n * interval '1 minute'
  FROM answers JOIN workspace USING (number), generate_series(1, {ANSWERED}) AS n ORDER BY n;
INSERT INTO core_api.company_workspace_connectors
       (company_pk, workspace_connector_pk, direction, created_at, updated_at, sync_message_pk)
SELECT first_company, message.workspace_connector_pk,
       CASE WHEN message.pk %% 2 = 0 THEN 'input' ELSE 'output' END::core_api.direction_enum,
       message.occurred_at, message.occurred_at, message.pk
  FROM answers, wellspring.sync_messages AS message ORDER BY message.pk;

INSERT INTO core_api.company_workspace_connectors
       (company_pk, workspace_connector_pk, direction, created_at, updated_at)
SELECT first_company + n, connector, 'input', at, at
  FROM answers, generate_series(0, {ANSWERED - 1}) AS n
 CROSS JOIN LATERAL (VALUES (first_connector),
                            (CASE WHEN n %% 2 = 1 THEN first_connector + 1 + n %% {ANSWERS.connectors - 1} END))
         AS made (connector)
 CROSS JOIN LATERAL (SELECT timestamptz '2025-12-31 00:00:00Z' + n * interval '1 second' AS at) AS place
 WHERE connector IS NOT NULL;
""" + "".join(
    f"""
INSERT INTO core_api.{record}_workspace_connectors
       ({record}_pk, workspace_connector_pk, direction, created_at, updated_at)
SELECT record.pk, first_connector + n, direction, at, at
  FROM answers, generate_series(0, {ANSWERS.connectors - 1}) AS n, generate_series(0, {DAYS - 1}) AS day,
       unnest(enum_range(NULL::core_api.direction_enum)) AS direction
 CROSS JOIN LATERAL (SELECT timestamptz '2025-12-30 12:00:00Z' - day * interval '1 day' AS at) AS place
 CROSS JOIN LATERAL (SELECT max(mine.pk) - (n + day) %% 100 AS pk FROM core_api.{table} AS mine) AS record
 ORDER BY at, n;
"""
    for record, table in (("account", "accounts"), ("company", "companies"), ("people", "peoples"))
)
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
  FROM pg_index
 WHERE indrelid = 'core_api.company_workspace_connectors'::regclass AND NOT indisunique
"""
_STEPS = 10


@dataclass(frozen=True, slots=True)
class Ledger:
    """A database of the bench.

    Attributes:
        cluster: where it is.
        name: its name there.
        rows: provenance rows in it.
    """

    cluster: Cluster
    name: str
    rows: int

    def url(self, user: str = SUPERUSER) -> str:
        """Return the URL for `user`."""
        return self.cluster.url(self.name, user)

    def connect(self, user: str = SUPERUSER) -> psycopg.Connection:
        """Return a psycopg connection that prepares no statements, as the product prepares none; TLS is off.

        The reader's transactions read one state of the database, and change nothing, as the product's do.
        """
        connection = psycopg.connect(self.url(user), sslmode="disable", prepare_threshold=None)
        return snapshots(connection) if user == READER else connection

    def member(self, tenant: Tenant) -> UUID:
        """Return the public id of the person who is a member of `tenant`."""
        return self.ids(
            "SELECT people.id FROM core_api.peoples AS people"
            "  JOIN core_api.workspaces AS workspace ON workspace.pk = people.workspace_pk WHERE workspace.name = %s"
            " ORDER BY people.pk",
            tenant.name,
        )[0]

    def member_of_all(self) -> UUID:
        """Return the public id of the person who is a member of all the small workspaces."""
        return self.ids("SELECT id FROM core_api.peoples WHERE full_name = 'Member of all the small ones'")[0]

    def row_of(self, tenant: Tenant) -> UUID:
        """Return the public id of one of the tenant's live rows."""
        return self.ids(
            "SELECT row.id FROM core_api.company_workspace_connectors AS row"
            "  JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk"
            "  JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk"
            " WHERE workspace.name = %s AND row.deleted_at IS NULL LIMIT 1",
            tenant.name,
        )[0]

    def ids(self, query: str, *values: object) -> list[UUID]:
        """Return the first column of `query`."""
        with self.connect() as connection:
            # The queries are this package's own, written out beside their calls.
            return [row[0] for row in connection.execute(query.encode(), values)]


def snapshots(connection: psycopg.Connection) -> psycopg.Connection:
    """Return a connection whose transactions begin as the product begins them for a read."""
    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    return connection


def tuned(cluster: Cluster) -> Cluster:
    """Give the running `cluster` the settings of this bench; restarts it where they are new."""
    with psycopg.connect(cluster.url("postgres", SUPERUSER), autocommit=True) as connection:
        known = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in _SERVER}
        if all(value == (_SERVER[name],) for name, value in known.items()):
            return cluster
        for name, value in _SERVER.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
    cluster.stop()
    return cluster.start()


def server_version(cluster: Cluster) -> str:
    """Return the version of the running server."""
    with psycopg.connect(cluster.url("postgres", SUPERUSER)) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0]).partition(" ")[0]


def ledger(cluster: Cluster, rows: int, say: Callable[[str], None]) -> Ledger:
    """Return the ledger with `rows` rows, made now unless an earlier run has left it.

    It is known by what made it: these statements and the migrations. Others of this bench are dropped.
    """
    name = f"bench_{rows}_{_recipe()}"
    with psycopg.connect(cluster.url("postgres", SUPERUSER), autocommit=True) as connection:
        found = [row[0] for row in connection.execute("SELECT datname FROM pg_database WHERE datname ^@ 'bench_'")]
    for other in found:
        if not other.endswith(_recipe()):
            cluster.drop_database(other)
    made = Ledger(cluster, name, rows)
    if name not in found:
        begin = time.perf_counter()
        unfinished = Ledger(cluster, f"bench_{rows}_unfinished", rows)
        cluster.create_database(unfinished.name)
        run.upgrade(cluster.url(unfinished.name))
        _fill(unfinished, say)
        with psycopg.connect(cluster.url("postgres", SUPERUSER), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {unfinished.name} RENAME TO {name}".encode())
        say(f"{rows:,} rows made in {time.perf_counter() - begin:.0f} s; they are kept in .local for the next run")
    else:
        # The statements that are planned once may be others than when it was made.
        run.upgrade(cluster.url(name))
    cluster.let_in(*run.ROLES)
    return made


@cache
def _recipe() -> str:
    # Once for each run: a migration that is edited meanwhile belongs to the next.
    versions = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    parts = [_PARENTS.encode(), _LEDGER.encode(), _ANSWERS.encode(), *(path.read_bytes() for path in versions)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _fill(ledger: Ledger, say: Callable[[str], None]) -> None:
    """Make the rows of an empty, migrated ledger."""
    batches = ledger.rows // BATCH
    with ledger.connect() as connection:
        # Foreign keys hold by construction: their checks are switched off (which is why the superuser does this),
        # and the two wide indexes are built once at the end.
        connection.execute("SET session_replication_role = replica")
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute(_PARENTS.encode(), {"rows": ledger.rows})
        indexes = connection.execute(_INDEXES).fetchall()
        for index, _ in indexes:
            connection.execute(f"DROP INDEX {index}".encode())
        for step in range(_STEPS):
            span = {"from": batches * step // _STEPS, "to": batches * (step + 1) // _STEPS, "rows": ledger.rows}
            connection.execute(_LEDGER.encode(), span)
            if ledger.rows >= 1_000_000:
                say(f"making {ledger.rows:,} rows: {(step + 1) * 100 // (_STEPS + 2)} %")
        with psycopg.ClientCursor(connection) as cursor:
            cursor.execute(_ANSWERS.encode(), {})
        for _, definition in indexes:
            connection.execute(definition.encode())
        # No trigger has kept the sums.
        connection.execute("SELECT count(*) FROM wellspring.recount(0, 9223372036854775807, true)")
    with ledger.connect() as connection:
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


@contextmanager
def scratch(origin: Ledger, say: Callable[[str], None]) -> Iterator[Ledger]:
    """Give a copy of `origin` to write to; it is dropped afterwards."""
    copy = Ledger(origin.cluster, "bench_scratch", origin.rows)
    say("a copy of the ledger, to write to")
    origin.cluster.drop_database(copy.name)
    origin.cluster.create_database(copy.name, origin.name)
    try:
        with psycopg.connect(copy.url(), autocommit=True) as connection:
            # What the copying has left to write is written now, not in a sample.
            connection.execute("CHECKPOINT")
        yield copy
    finally:
        origin.cluster.drop_database(copy.name)
