"""Runs: what a message costs more that belongs to one, and what it costs to close one, beside a disconnect."""

import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from itertools import batched
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench import product
from bench.data import CONSUMER, SYNC, Ledger, scratch
from bench.measure import Result, compared, interleaved, milliseconds
from bench.run import Run
from bench.sync import Connector, event_of, handled, parents
from local.demo_data import Kept
from wellspring_producer import Connector as Producer
from wellspring_producer import Snapshot
from wellspring_producer.messages import ConnectorDisconnected, write

NAMES = ("run_1000", "run_10x100", "run_close", "run_close_memory")
MESSAGES = {"run_1000": (1000,), "run_10x100": (100,) * 10}
ROUNDS = 90
MESSAGE_AIM, CLOSE_AIM = 1.05, 2.0
# Of so many records at most, or of as many as the bench's big table has rows.
RECORDS = 1_000_000
# Of ten records one is gone.
GONE = 10
# What closing one may take of Python's memory, in MiB, however many records it has.
MEMORY_AIM = 16.0
# Rows that are older than the producer's clock may be off.
_LINKED = """
INSERT INTO core_api.company_workspace_connectors
       (company_pk, workspace_connector_pk, direction, created_at, updated_at)
SELECT company.pk, connector.pk, 'input', now() - interval '1 day', now() - interval '1 day'
  FROM core_api.companies AS company
 CROSS JOIN core_api.workspace_connectors AS connector
 WHERE company.id = ANY (%s) AND connector.id = ANY (%s)
"""


def measure(run: Run) -> Iterator[Result]:
    """Measure in a copy of the small ledger, as `wellspring_consumer`; the copy is dropped afterwards."""
    with scratch(run.small(), run.say) as copy, product.functions(copy, CONSUMER):
        with copy.connect() as connection:
            connector, companies = parents(connection)
        for name, sizes in MESSAGES.items():
            if name in run.wanted:
                run.say(f"{name}: {sum(sizes):,} records")
                some = companies[: sum(sizes)]
                samplers = [handled(connector, some, sizes, "nightly"), handled(connector, some, sizes)]
                yield compared(name, *interleaved(samplers, rounds=run.samples(ROUNDS), warm_up=3), aim=MESSAGE_AIM)
        if run.wanted & {"run_close", "run_close_memory"}:
            yield from _closed(run, copy, min(run.rows, RECORDS))


def _closed(run: Run, copy: Ledger, number: int) -> Iterator[Result]:
    """Close a run that named so many records less a tenth, and disconnect a connector that has as many rows."""
    run.say(f"run_close: {number:,} records on two connectors")
    with copy.connect() as connection:
        whole, gone, companies = _linked(connection, number)
    kept = Kept()
    producer = Producer("", whole.id, sqs=kept, progress=lambda _: None)
    with producer.run("2026-05-10", mode="relink", snapshot=Snapshot("input", ["company"])) as sent:
        for place, company in enumerate(companies):
            if place % GONE:
                sent.company(company)
    *named, end = kept.bodies
    run.say(f"run_close: {len(named):,} messages, and the one that is measured")
    for several in batched(map(write, named), 3, strict=False):
        _handle(whole.id, several)
    with copy.connect() as connection:
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE core_api.company_workspace_connectors")
        connection.execute("CHECKPOINT")
    disconnect = ConnectorDisconnected(id=uuid4(), workspace_connector_id=gone.id).members()
    found = {}
    for connector, body in ((whole, end), (gone, disconnect)):
        tracemalloc.start()
        elapsed = milliseconds(partial(_handle, connector.id, [write(body)]))
        found[connector.id] = [elapsed], tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    with copy.connect() as connection:
        _check(connection, whole, gone, number)
    yield compared("run_close", found[whole.id][0], found[gone.id][0], aim=CLOSE_AIM)
    memory = found[whole.id][1]
    yield Result("run_close_memory", memory, memory, "MiB", found[gone.id][1], MEMORY_AIM, aims_at_value=True)


def _linked(connection: psycopg.Connection, number: int) -> tuple[Connector, Connector, Sequence[UUID]]:
    """Make two connectors of the tenant's and so many companies, with an old row of each on both."""
    of = connection.execute(
        "SELECT workspace.pk, connector.connector_pk FROM core_api.workspaces AS workspace"
        "  JOIN core_api.workspace_connectors AS connector ON connector.workspace_pk = workspace.pk"
        " WHERE workspace.name = %s",
        (SYNC,),
    ).fetchone()
    assert of is not None
    made = connection.execute(
        "INSERT INTO core_api.workspace_connectors (workspace_pk, connector_pk, status)"
        " SELECT %s, %s, 'active' FROM generate_series(1, 2) RETURNING pk, id",
        of,
    )
    whole, gone = (Connector(*row) for row in made)
    companies = connection.execute(
        "INSERT INTO core_api.companies (name, workspace_pk) SELECT 'Company ' || n, %s"
        " FROM generate_series(1, %s) AS n RETURNING id",
        (of[0], number),
    ).fetchall()
    ids = [id_ for (id_,) in companies]
    connection.execute(_LINKED, (ids, [whole.id, gone.id]))
    connection.commit()
    return whole, gone, ids


def _handle(group: UUID, bodies: Sequence[str]) -> None:
    """Have the consumer apply messages, as often as it gives some back."""
    handler = product.handler(product.SYNC)
    answer: dict[str, Any] = {"batchItemFailures": [True]}
    while answer["batchItemFailures"]:
        with redirect_stdout(StringIO()):
            answer = handler(event_of(group, bodies), None)


def _check(connection: psycopg.Connection, whole: Connector, gone: Connector, number: int) -> None:
    """Make sure that the one has ended a tenth, and the other all."""
    counted = connection.execute(
        "SELECT (SELECT count(*) FROM core_api.company_workspace_connectors"
        "         WHERE workspace_connector_pk = %s AND deleted_at IS NULL), (SELECT state FROM wellspring.sync_runs"
        "         WHERE workspace_connector_pk = %s), (SELECT count(*) FROM core_api.company_workspace_connectors"
        "         WHERE workspace_connector_pk = %s AND deleted_at IS NULL)",
        (whole.pk, whole.pk, gone.pk),
    ).fetchone()
    assert counted == (number - -(-number // GONE), "complete", 0), counted
