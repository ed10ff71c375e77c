"""The write path: a batch of messages through the sync handler, beside COPY of the rows that it makes.

And beside itself: what it costs to write events into the outbox, whatever publishes them.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench import product
from bench.data import CONSUMER, SYNC, scratch
from bench.measure import Curve, Result, Timed, compared, interleaved, milliseconds, point
from bench.run import Run
from wellspring_producer.messages import RecordsSynced

HANDLED = ("sync_by_records", "sync_10k", "sync_10x100", "sync_1", "sync_10", "sync_100", "sync_1000")
# With events going out, beside the same without.
EVENTS = {"sync_10k_events": ("sync_10k", 1.05), "sync_1_events": ("sync_1", 1.1)}
NAMES = (*HANDLED, *EVENTS)
AIMS = {"sync_10k": 1.8, "sync_10x100": 2.5}
# Records in each message of a batch. One message holds 3,000 at most.
BATCHES = {"sync_10k": (3000, 3000, 3000, 1000), "sync_10x100": (100,) * 10, "sync_1": (1,)}
BATCHES |= {f"sync_{number}": (number,) for number in (10, 100, 1000)}
ROUNDS = {"sync_10k": 15, "sync_10x100": 45, "sync_1": 150, "sync_10": 150, "sync_100": 90, "sync_1000": 45}
# Ten messages of a hundred are beside one of a thousand, not on the way to it.
PLOTTED = ("sync_10", "sync_100", "sync_1000", "sync_10k")
_COPY = b"COPY core_api.company_workspace_connectors (company_pk, workspace_connector_pk, direction) FROM STDIN"


@dataclass(frozen=True, slots=True)
class Company:
    """A record that is synced."""

    pk: int
    id: UUID


@dataclass(frozen=True, slots=True)
class Connector:
    """The connector that brings it in."""

    pk: int
    id: UUID


def measure(run: Run) -> Iterator[Result | Curve]:
    """Measure batches into a copy of the big ledger, as `wellspring_consumer`; the copy is dropped afterwards."""
    with scratch(run.big(), run.say) as copy:
        with copy.connect() as connection:
            connector, companies = parents(connection)
            # What the copying has left to write is written now, not in a sample.
            connection.commit()
            connection.autocommit = True
            connection.execute("CHECKPOINT")
        # The owner: Postgres refuses COPY to a role that policies bind. The floor pays for no policy.
        with product.functions(copy, CONSUMER), copy.connect() as copying:
            taken: dict[str, list[list[float]]] = {}
            for name, sizes in BATCHES.items():
                run.say(f"{name}: {sum(sizes):,} records")
                samples = taken[name] = interleaved(
                    [handled(connector, companies, sizes), _copied(copying, connector, companies[: sum(sizes)])],
                    rounds=run.samples(ROUNDS[name]),
                    warm_up=2,
                )
                yield compared(name, *samples, aim=AIMS.get(name))
            _check(copying, connector)
            for name, (of, aim) in EVENTS.items():
                run.say(name)
                both = [_switched(bus, handled(connector, companies, BATCHES[of])) for bus in ("wellspring", "")]
                yield compared(name, *interleaved(both, rounds=run.samples(ROUNDS[of]), warm_up=2), aim=aim)
    lines = {
        line: [point(sum(BATCHES[name]), taken[name][place]) for name in PLOTTED]
        for place, line in enumerate(("sync handler", "COPY"))
    }
    yield Curve("sync_by_records", "records", "ms", lines)


def parents(connection: psycopg.Connection) -> tuple[Connector, list[Company]]:
    """Return the tenant's connector, and its companies in an order that is not the table's."""
    found = connection.execute(
        "SELECT connector.pk, connector.id, workspace.pk FROM core_api.workspaces AS workspace"
        "  JOIN core_api.workspace_connectors AS connector ON connector.workspace_pk = workspace.pk"
        " WHERE workspace.name = %s",
        (SYNC,),
    ).fetchone()
    assert found is not None
    pk, id_, workspace_pk = found
    rows = connection.execute(
        "SELECT pk, id FROM core_api.companies WHERE workspace_pk = %s ORDER BY sha256(uuid_send(id))", (workspace_pk,)
    )
    return Connector(pk, id_), [Company(*row) for row in rows]


def handled(connector: Connector, companies: Sequence[Company], sizes: Sequence[int], run: str | None = None) -> Timed:
    """Return a sampler of the handler: JSON in, validation, inbox, tenancy, rows, commit, answer.

    Its messages belong to `run`; None: to none.
    """
    handler = product.handler(product.SYNC)

    def sample() -> float:
        event = _event(connector, companies, sizes, run)
        answers: list[Any] = []
        # Metrics are written to standard output, where Lambda reads them.
        with redirect_stdout(StringIO()):
            elapsed = milliseconds(lambda: answers.append(handler(event, None)))
        assert answers == [{"batchItemFailures": []}]
        return elapsed

    return sample


def _switched(bus: str, timed: Timed) -> Timed:
    """Return a sampler with events going out to a bus, or to none."""

    def sample() -> float:
        os.environ["EVENT_BUS"] = bus
        try:
            return timed()
        finally:
            del os.environ["EVENT_BUS"]

    return sample


def _copied(connection: psycopg.Connection, connector: Connector, companies: Sequence[Company]) -> Timed:
    """Return a sampler of the floor: the same rows, their keys known and their text ready, by COPY and COMMIT.

    They are marked as output, to be told apart from the handler's.
    """
    rows = "".join(f"{company.pk}\t{connector.pk}\toutput\n" for company in companies).encode()

    def copy() -> None:
        with connection.cursor() as cursor, cursor.copy(_COPY) as stream:
            stream.write(rows)
        connection.commit()

    return lambda: milliseconds(copy)


def _check(connection: psycopg.Connection, connector: Connector) -> None:
    """Make sure that the handler has written as many rows (input) as the floor (output)."""
    counted = connection.execute(
        "SELECT direction, count(*) FROM core_api.company_workspace_connectors"
        " WHERE workspace_connector_pk = %s GROUP BY direction",
        (connector.pk,),
    )
    found: dict[str, int] = dict(counted.fetchall())
    assert found["input"] == found["output"], found


def _event(connector: Connector, companies: Sequence[Company], sizes: Sequence[int], run: str | None) -> dict[str, Any]:
    """Return SQS's event for one group's messages, each new; together they name each company once."""
    bodies = []
    begin = 0
    for size in sizes:
        said = {} if run is None else {"run": run}
        body = RecordsSynced(
            id=uuid4(),
            workspace_connector_id=connector.id,
            direction="input",
            records=[{"type": "company", "id": company.id} for company in companies[begin : begin + size]],
            occurred_at="2026-05-10T08:14:22.000Z",
            **said,
        )
        begin += size
        bodies.append(body.entry().body)
    return event_of(connector.id, bodies)


def event_of(group: UUID, bodies: Iterable[str]) -> dict[str, Any]:
    """Return SQS's event for one group's messages."""
    return {
        "Records": [
            {
                "messageId": str(uuid4()),
                "receiptHandle": "receipt",
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1778400862113",
                    "MessageGroupId": str(group),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:wellspring-sync.fifo",
                "awsRegion": "eu-west-1",
            }
            for body in bodies
        ]
    }
