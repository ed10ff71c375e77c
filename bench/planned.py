"""Statements that the database has planned before, beside their texts: CPU of the server process, and its memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bench import product
from bench.data import READER, TWENTY, Ledger
from bench.measure import Result, compared
from bench.run import Run
from wellspring.database import engine as engines
from wellspring.database import scope

NAMES = ("db_cpu_retrieve", "db_cpu_list", "db_memory")
# Four times less, and two and a half times.
AIMS = {"db_cpu_retrieve": 0.25, "db_cpu_list": 0.4}
BATCH = 40
MILLION = 1_000_000


class Backend:
    """The connection of one engine, and what its server process has used.

    Args:
        engine: with a pool of one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with engine.connect() as connection:
            self._process = Path(f"/proc/{connection.exec_driver_sql('SELECT pg_backend_pid()').scalar_one()}")

    def cpu(self) -> float:
        """Return the milliseconds on a processor so far."""
        return int((self._process / "schedstat").read_text().split()[0]) / MILLION

    def mebibytes(self) -> float:
        """Return the memory that is this process's alone."""
        status = (self._process / "status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) / 1024

    def spent(self, ask: Callable[[], object]) -> float:
        """Return the milliseconds that one request takes, of some asked one after the other."""
        scope.connection = self._engine.connect
        before = self.cpu()
        for _ in range(BATCH):
            ask()
        return (self.cpu() - before) / BATCH


def measure(run: Run) -> Iterator[Result]:
    """Measure whole requests of a member of the tenant with 20 connectors, in turns on two connections."""
    ledger = run.big()
    run.say("planned once: CPU of the server, with and without")
    with product.functions(ledger, READER), _backend(ledger, planned=True) as calls, _backend(ledger) as texts:
        for name, ask in _requests(ledger).items():
            for each in (calls, texts):
                each.spent(ask)
            samples: tuple[list[float], list[float]] = ([], [])
            for _ in range(run.samples(24)):
                samples[0].append(calls.spent(ask))
                samples[1].append(texts.spent(ask))
            yield compared(name, *samples, aim=AIMS[name])
        yield compared("db_memory", [calls.mebibytes()], [texts.mebibytes()], unit="MiB")


def _requests(ledger: Ledger) -> dict[str, Callable[[], object]]:
    member = ledger.member(TWENTY)
    return {
        "db_cpu_retrieve": _handled(product.RETRIEVE, product.get(member, id_=ledger.row_of(TWENTY))),
        "db_cpu_list": _handled(product.LIST, product.get(member, product.INCLUDES)),
    }


def _handled(module: str, event: dict[str, Any]) -> Callable[[], object]:
    handler = product.handler(module)

    def ask() -> None:
        assert handler(event, None)["statusCode"] == 200

    return ask


@contextmanager
def _backend(ledger: Ledger, *, planned: bool = False) -> Iterator[Backend]:
    usual, engines.USES_PLAN_CACHE = (scope.connection, engines.USES_PLAN_CACHE), planned
    engine = product.engine_of(ledger, READER)
    engines.USES_PLAN_CACHE = usual[1]
    try:
        yield Backend(engine)
    finally:
        scope.connection = usual[0]
        engine.dispose()
