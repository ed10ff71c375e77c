"""`python -m bench.messages`: how large the history of messages gets, and what forgetting and listing it cost then.

Makes a table of so many messages, by the server itself, as a million a day would: of connectors of all sizes, evenly
over the days for which they are kept. What they are made of is computed: a server without OpenSSL opens a file for each
random uuid. Then it forgets by the pruning's own function, and asks the history's lists
through the functions; the same of a table of a hundredth, whose pages are the floor. Not a part of `make bench`: 30
million messages take half an hour of a quiet machine, and 30 GB of disk while it runs.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import psycopg

from bench import product
from bench.data import READER, Ledger, tuned
from bench.measure import milliseconds
from local.errors import Fault
from local.postgres import Cluster
from local.settings import make_state_folder, state_folder
from migrations import run
from wellspring.access.principal import principal_of, scope_of
from wellspring.database import engine as engines
from wellspring.services.pruning import CHUNK
from wellspring.settings import CallerSettings

ROWS = 30_000_000
SMALLER = 100
STEP = 500_000
# Days for which messages are kept, and one of which they are to be forgotten.
DAYS = 90
# Bytes that a message takes with its indexes, and room to build them.
BYTES = 1000
# In turns, so that what slows the machine down hits both tables.
TURNS, ROUNDS = 4, 5
PRUNED = 10
ROUTE = "/v1/sync-messages"
WORKSPACES, CONNECTORS = 40, 320
# Of a thousand messages so many are parked, and so many were dismissed.
PARKED, DISMISSED = 2, 1

# Every hundredth connector has a fifth of all; the others share the rest.
_PARENTS = f"""
INSERT INTO core_api.workspaces (name) SELECT 'Workspace ' || n FROM generate_series(1, {WORKSPACES}) AS n;
INSERT INTO core_api.peoples (full_name, workspace_pk, source) SELECT name, pk, '/bench' FROM core_api.workspaces;
INSERT INTO core_api.workspace_memberships (people_pk, workspace_pk, role, status)
SELECT pk, workspace_pk, 'owner', 'active' FROM core_api.peoples;
INSERT INTO core_api.connectors (name, provider, direction) VALUES ('Bank', 'bank', 'input');
INSERT INTO core_api.workspace_connectors (workspace_pk, connector_pk, status)
SELECT workspace.pk, connector.pk, 'active'
  FROM core_api.workspaces AS workspace, core_api.connectors AS connector,
       generate_series(1, {CONNECTORS // WORKSPACES});
"""
_MESSAGES = """
INSERT INTO wellspring.sync_messages
       (pk, id, message_id, subject_id, workspace_connector_pk, workspace_pk, group_id, message_type, direction, mode,
        run, digest, occurred_at, sent_at, received_at, processed_at, counts, outcome, reason, problems, problem_count,
        body)
SELECT told.n, (told.milliseconds || '7' || substr(told.digits, 1, 3) || '8' || right(told.digits, 15))::uuid,
       told.digits::uuid, connector.id, connector.pk, connector.workspace_pk,
       connector.id::text, 'records.synced', 'input', 'append', to_char(told.at, 'YYYY-MM-DD') || '-nightly',
       sha256(int8send(told.n)),
       told.at - interval '5 seconds', told.at - interval '1 second', told.at,
       CASE told.outcome WHEN 'parked' THEN NULL ELSE told.at END,
       '{"company": {"named": 100, "made": 0, "linked": 100, "ended": 0}}', told.outcome,
       CASE WHEN told.outcome <> 'applied' THEN 'unknown_record' END,
       CASE WHEN told.outcome <> 'applied' THEN jsonb_build_array(jsonb_build_object(
         'code', 'unknown_record', 'type', 'company', 'id', told.digits::uuid)) ELSE '[]' END,
       CASE WHEN told.outcome <> 'applied' THEN 1 ELSE 0 END,
       CASE WHEN told.outcome = 'parked' THEN repeat('x', 7000) END
  FROM (SELECT n, at, md5(n::text) AS digits,
               lpad(to_hex((1000 * extract(epoch FROM at))::bigint), 12, '0') AS milliseconds,
               CASE WHEN n %% 1000 < %(parked)s THEN 'parked'
                    WHEN n %% 1000 < %(parked)s + %(dismissed)s THEN 'dismissed' ELSE 'applied' END AS outcome,
               CASE WHEN hashint8(n) %% 5 = 0 THEN 0 ELSE abs(hashint8(n * 31)) %% %(connectors)s END AS place
          FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
         CROSS JOIN LATERAL (
            SELECT now() + (n::float8 / %(rows)s - 1) * make_interval(days => %(days)s + 1) AS at) AS place) AS told
  JOIN (SELECT pk, id, workspace_pk, row_number() OVER (ORDER BY pk) - 1 AS place FROM core_api.workspace_connectors)
    AS connector USING (place)
 ORDER BY told.n
"""
# What the primary key and constraints stand on is left alone.
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
 WHERE schemaname = 'wellspring' AND tablename = 'sync_messages'
   AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE conrelid = 'wellspring.sync_messages'::regclass)
"""
_SIZES = """
WITH messages AS (SELECT oid, relname, reltoastrelid FROM pg_class WHERE oid = 'wellspring.sync_messages'::regclass)
SELECT relname, pg_relation_size(oid) FROM messages
 UNION ALL
SELECT 'bodies and problems (TOAST)', pg_total_relation_size(reltoastrelid) FROM messages
 UNION ALL
SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index JOIN messages ON indrelid = messages.oid
 ORDER BY 2 DESC
"""

# What is asked of the history, by whom; the connector and the workspace are the largest ones.
_LISTS = {
    "of a workspace, newest first": ("person", "filter[workspace]={workspace}"),
    "of a connector": ("person", "filter[workspace_connector]={connector}"),
    "of a connector, parked": ("person", "filter[workspace_connector]={connector}&filter[outcome]=parked"),
    "of a connector, by reason": ("person", "filter[workspace_connector]={connector}&filter[reason]=unknown_record"),
    "of a connector, of a run": ("person", "filter[workspace_connector]={connector}&filter[run]={run}"),
    "of a connector, since yesterday": (
        "person",
        "filter[workspace_connector]={connector}&filter[received_at][gte]={since}",
    ),
    "of a workspace, by occurred_at": ("person", "filter[workspace]={workspace}&sort=-occurred_at"),
    "of a workspace, by processed_at": ("person", "filter[workspace]={workspace}&sort=-processed_at"),
    "of all that a person sees": ("person", ""),
    "of everybody": ("service", ""),
    "of everybody, parked, oldest first": ("service", "filter[outcome]=parked&sort=received_at"),
}
# One of them by its id, asked as a list is.
ONE = "one by its id"


def main() -> int:
    """Measure, print tables for docs/performance/tables.md and write `.local/bench-messages.json`; return 0, or 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.messages", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"messages in the table (default {ROWS:,})")
    rows = parser.parse_args().rows
    begin = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begin:7.1f} s  {text}", flush=True)

    try:
        found = measure(rows, say)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 1
    (state_folder() / "bench-messages.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"\n{_shown(found)}")
    return 0


def measure(rows: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Return what there is to tell. Raises Fault where the disk has no room."""
    with _cluster() as cluster:
        free = shutil.disk_usage(state_folder()).free
        if free < rows * BYTES:
            raise Fault(f"{rows:,} messages need {rows * BYTES / 1e9:.0f} GB of disk, and {free / 1e9:.0f} are free")
        small, large = (_filled(cluster, number, say) for number in (rows // SMALLER, rows))
        found: dict[str, Any] = {"rows": rows, "sizes": _sizes(large)}
        lists: dict[str, dict[str, list[float]]] = {name: {"small": [], "large": []} for name in (*_LISTS, ONE)}
        buffers: dict[str, dict[str, int]] = {name: {} for name in lists}
        for turn in range(TURNS):
            say(f"lists, {turn + 1} of {TURNS}")
            for size, place in (("small", small), ("large", large)):
                for name, (samples, looked_at) in _listed(place).items():
                    lists[name][size] += samples
                    buffers[name][size] = looked_at
        found["lists"] = {
            name: {size: median(samples) for size, samples in each.items()} for name, each in lists.items()
        }
        found["buffers"] = buffers
        say("forgetting")
        found["pruning"] = _pruned(large)
        return found


@contextmanager
def _cluster() -> Iterator[Cluster]:
    make_state_folder(state_folder())
    home = Path(tempfile.mkdtemp(prefix="bench-messages-", dir=state_folder()))
    try:
        with Cluster(home, durable=False) as cluster:
            yield tuned(cluster)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _filled(cluster: Cluster, rows: int, say: Callable[[str], None]) -> Ledger:
    """Return a database with so many messages; indexes are built when all are there."""
    made = Ledger(cluster, f"messages_{rows}", rows)
    cluster.create_database(made.name)
    run.upgrade(cluster.url(made.name))
    cluster.let_in(*run.ROLES)
    numbers = {"rows": rows, "days": DAYS, "connectors": CONNECTORS, "parked": PARKED, "dismissed": DISMISSED}
    with made.connect() as connection:
        connection.execute(_PARENTS.encode())
        # What they name is there, and the sums are not asked for: their triggers take four fifths of the time.
        connection.execute("SET LOCAL session_replication_role = replica")
        # Emptied and filled in one transaction it needs no write-ahead log (`wal_level = minimal`).
        connection.execute("TRUNCATE wellspring.sync_messages CASCADE")
        indexes = connection.execute(_INDEXES.encode()).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX wellspring.{name}".encode())
        for first in range(1, rows + 1, STEP):
            connection.execute(_MESSAGES.encode(), {**numbers, "first": first, "last": min(rows, first + STEP - 1)})
            say(f"{min(rows, first + STEP - 1):,} of {rows:,} messages")
        for name, definition in indexes:
            connection.execute(definition.encode())
            say(f"index {name}")
        connection.execute("SELECT setval('wellspring.sync_messages_pk_seq', %s)", (rows,))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE) wellspring.sync_messages")
        connection.execute("ANALYZE")
    return made


def _sizes(ledger: Ledger) -> Mapping[str, int]:
    with ledger.connect() as connection:
        return dict(connection.execute(_SIZES.encode()).fetchall())


def _listed(ledger: Ledger) -> Mapping[str, tuple[list[float], int]]:
    """Return of each list the milliseconds of some first pages, through its function, and the buffers of one."""
    named = _named(ledger)
    with product.functions(ledger, READER), ledger.connect(READER) as explaining:
        found = {}
        for name, (who, query) in _LISTS.items():
            event = _event(who, query.format(**named), named["person"])
            found[name] = _asked("sync_message.list", event, explaining)
        event = _event("service", "", named["person"], named["message"])
        found[ONE] = _asked("sync_message.retrieve", event, explaining)
        return found


def _asked(module: str, event: Mapping[str, Any], explaining: psycopg.Connection) -> tuple[list[float], int]:
    handler = product.handler(module)

    def ask() -> None:
        product.body_of(handler(event, None))

    with product.recorded(engines.engine()) as statements:
        ask()
    principal = principal_of(event["requestContext"]["authorizer"]["jwt"]["claims"], CallerSettings())
    looked_at = sum(_buffers(explaining, statement, scope_of(principal)) for statement in statements)
    return [milliseconds(ask) for _ in range(ROUNDS)], looked_at


def _buffers(explaining: psycopg.Connection, statement: product.Sent, scope: str) -> int:
    """Return how many buffers a statement looks at; what it looks at before it begins is not counted."""
    explaining.execute(product.entering(scope).sql, (scope,))
    explained = b"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) " + statement.sql
    row = explaining.execute(explained, statement.parameters).fetchone()
    explaining.commit()
    assert row is not None
    plan = row[0][0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _named(ledger: Ledger) -> Mapping[str, str]:
    """Return the ids that the lists name: of the largest connector, its workspace, a member of it, and a run of it."""
    with ledger.connect() as connection:
        row = connection.execute(
            "SELECT connector.id, workspace.id, people.id FROM core_api.workspace_connectors AS connector"
            "  JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk"
            "  JOIN core_api.peoples AS people ON people.workspace_pk = workspace.pk ORDER BY connector.pk LIMIT 1"
        ).fetchone()
        times = connection.execute(
            "SELECT to_char(now() - interval '1 day', 'YYYY-MM-DD'),"
            " to_char(now() - interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), id"
            "  FROM wellspring.sync_messages WHERE pk = %s",
            (ledger.rows // 2,),
        ).fetchone()
    assert row is not None
    assert times is not None
    connector, workspace, person = map(str, row)
    day, since, message = times
    return {
        "connector": connector,
        "workspace": workspace,
        "person": person,
        "run": f"{day}-nightly",
        "since": since,
        "message": str(message),
    }


def _event(who: str, query: str, person: str, id_: str | None = None) -> Mapping[str, Any]:
    route = ROUTE if id_ is None else f"{ROUTE}/{{id}}"
    event = product.asked(UUID(person), route, query, None if id_ is None else UUID(id_))
    if who == "service":
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
        claims |= {"sub": "bench", "client_id": "bench", "scope": "system:read"}
    return event


def _pruned(ledger: Ledger) -> Mapping[str, float]:
    """Forget the oldest messages, a step of pruning at a time; return what a step costs."""
    times: list[float] = []
    buffers: list[int] = []
    forgotten = 0
    left = "SELECT count(*) FROM wellspring.sync_messages WHERE received_at < now() - make_interval(days => %s)"
    with ledger.connect() as connection:

        def step() -> None:
            # What a function looks at is counted as its caller's.
            row = connection.execute(
                "EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON)"
                " SELECT wellspring.prune('sync_messages', make_interval(days => %s), %s)",
                (DAYS, CHUNK),
            ).fetchone()
            connection.commit()
            assert row is not None
            plan = row[0][0]["Plan"]
            buffers.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

        before = _one(connection, left)
        while not times or (len(times) < PRUNED and before - forgotten >= CHUNK):
            times.append(milliseconds(step))
            forgotten = before - _one(connection, left)
    return {
        "steps": len(times),
        "forgotten": forgotten,
        "median": median(times),
        "most": max(times),
        "buffers": median(buffers),
    }


def _one(connection: psycopg.Connection, counting: str) -> int:
    row = connection.execute(counting.encode(), (DAYS,)).fetchone()
    assert row is not None
    return int(row[0])


def _shown(found: Mapping[str, Any]) -> str:
    """Return the tables as docs/performance/tables.md has them."""
    rows, sizes = found["rows"], found["sizes"]
    lines = [f"| {rows:,} messages | GB | bytes a message |", "| --- | --: | --: |"]
    lines += [f"| `{name}` | {size / 1e9:.2f} | {size / rows:.0f} |" for name, size in sizes.items()]
    lines += [
        _total(sizes, rows),
        "",
        f"| list | {rows // SMALLER:,} | {rows:,} | ratio | buffers |",
        "| --- | --: | --: | --: | --: |",
    ]
    lines += [
        f"| {name} | {each['small']:.1f} ms | {each['large']:.1f} ms | {each['large'] / each['small']:.2f} x |"
        f" {found['buffers'][name]['small']:,} and {found['buffers'][name]['large']:,} |"
        for name, each in found["lists"].items()
    ]
    pruning = found["pruning"]
    lines += [
        "",
        f"forgetting {CHUNK:,}: {pruning['median']:.0f} ms, {pruning['most']:.0f} at most ({pruning['steps']} steps)",
        f"buffers of a step: {pruning['buffers']:,.0f}",
    ]
    return "\n".join(lines)


def _total(sizes: Mapping[str, int], rows: int) -> str:
    together: Sequence[int] = list(sizes.values())
    return f"| **together** | **{sum(together) / 1e9:.2f}** | **{sum(together) / rows:.0f}** |"


if __name__ == "__main__":
    sys.exit(main())
