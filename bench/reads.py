"""Reading through the whole handler, in this process, beside psycopg sending the same SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from bench import floor, product
from bench.data import READER, TWENTY, Ledger, snapshots
from bench.measure import Result, compared, interleaved, timed
from bench.network import proxy
from bench.product import Handler, Sent
from bench.run import Run
from local.settings import HOST
from wellspring.database import engine as engines

NAMES = (
    "round_trips_read",
    "round_trips_list",
    "retrieve",
    "retrieve_prepared",
    "retrieve_1ms",
    "list",
    "list_prepared",
    "list_1ms",
)
AIMS = {
    "retrieve": 2.0,
    "list": 2.5,
    "retrieve_1ms": 0.7,
    "list_1ms": 0.8,
    "retrieve_prepared": 1.8,
    "list_prepared": 1.8,
}
TRIPS_AIM = 1.0


@dataclass(frozen=True, slots=True)
class Read:
    """One request, and what it takes.

    Attributes:
        name: of its measurement.
        handler: the function.
        event: the request.
        statements: what the handler sends for it, once it is warm.
        document: what it answers.
    """

    name: str
    handler: Handler
    event: dict[str, Any]
    statements: list[Sent]
    document: Any

    def ask(self) -> None:
        """Let the handler answer."""
        self.handler(self.event, None)


def measure(run: Run) -> Iterator[Result]:
    """Measure a retrieve and a list of 20 with both includes, as a member of the tenant with 20 connectors."""
    ledger = run.big()
    with product.functions(ledger, READER):
        reads = [_retrieve(ledger), _list(ledger)]
    # On another engine: one that was listened to goes on dispatching its events, which no function's does.
    with product.functions(ledger, READER):
        for read in reads:
            run.say(f"{read.name}: {len(read.statements)} statements")
            with ledger.connect(READER) as plain, _preparing(ledger) as prepared:
                samples = interleaved(
                    [
                        timed(read.ask),
                        timed(lambda: floor.reading(plain, read.statements, read.document)),  # noqa: B023  used at once
                        timed(lambda: floor.reading(prepared, read.statements, read.document)),  # noqa: B023  used at once
                    ],
                    rounds=run.samples(600),
                    warm_up=30,
                )
            yield compared(read.name, samples[0], samples[1], aim=AIMS[read.name])
            yield compared(f"{read.name}_prepared", samples[0], samples[2], aim=AIMS[f"{read.name}_prepared"])
    yield from _far_away(run, ledger, reads)


def _far_away(run: Run, ledger: Ledger, reads: list[Read]) -> Iterator[Result]:
    port = ledger.cluster.port
    with proxy(port, round_trip_ms=0) as counting, product.functions(ledger, READER, port=counting.port):
        for name, read in zip(("round_trips_read", "round_trips_list"), reads, strict=True):
            read.ask()
            counting.round_trips()
            read.ask()
            trips = counting.round_trips()
            yield Result(name, trips, trips, "round trips", 1.0, TRIPS_AIM, aims_at_value=True)
    with proxy(port, round_trip_ms=1) as far, product.functions(ledger, READER, port=far.port):
        for read in reads:
            name = f"{read.name}_1ms"
            with _at(ledger, far.port) as plain:
                samples = interleaved(
                    [
                        timed(read.ask),
                        timed(lambda: floor.reading(plain, read.statements, read.document)),  # noqa: B023  used at once
                    ],
                    rounds=run.samples(150),
                    warm_up=10,
                )
            yield compared(name, *samples, aim=AIMS[name])


def _retrieve(ledger: Ledger) -> Read:
    person = ledger.member(TWENTY)
    return _read("retrieve", product.RETRIEVE, person, product.get(person, id_=ledger.row_of(TWENTY)))


def _list(ledger: Ledger) -> Read:
    person = ledger.member(TWENTY)
    read = _read("list", product.LIST, person, product.get(person, product.INCLUDES))
    assert len(read.document["data"]) == 20
    assert {UUID(item["id"]) for item in read.document["included"]}
    return read


def _read(name: str, module: str, person: UUID, event: dict[str, Any]) -> Read:
    handler = product.handler(module)
    # Once to be warm: the first list of a process also reads the cursor keys.
    handler(event, None)
    with product.recorded(engines.engine()) as statements:
        answer = handler(event, None)
    return Read(name, handler, event, [product.entering(str(person)), *statements], product.body_of(answer))


@contextmanager
def _preparing(ledger: Ledger) -> Iterator[psycopg.Connection]:
    """Give a connection that prepares what it sends, as psycopg does by itself from the fifth time on."""
    with psycopg.connect(ledger.url(READER), sslmode="disable", prepare_threshold=0) as connection:
        yield snapshots(connection)


@contextmanager
def _at(ledger: Ledger, port: int) -> Iterator[psycopg.Connection]:
    with psycopg.connect(
        ledger.url(READER), host=HOST, port=port, sslmode="disable", prepare_threshold=None
    ) as connection:
        yield snapshots(connection)
