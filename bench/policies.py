"""Cost of row-level security: the same requests as the functions' role, and as one that no policy binds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine

from bench import product
from bench.data import READER, TWENTY, TWO_HUNDRED, Ledger
from bench.measure import Result, Timed, compared, interleaved, milliseconds
from bench.run import Run
from local.postgres import SUPERUSER
from wellspring.access.principal import Person, scope_of
from wellspring.database import Deadline, in_transaction, scope
from wellspring.queries import ListQuery
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR
from wellspring.services.ledger import reading as service

NAMES = ("rls_retrieve", "rls_list", "rls_page_200")
# The reader in all but that.
UNBOUND = "bench_unbound"


def measure(run: Run) -> Iterator[Result]:
    """Measure a retrieve, a list of 20 with both includes, and a page of the tenant with 200 connectors."""
    ledger = run.big()
    run.say("policies: with and without")
    _make_unbound(ledger)
    with product.functions(ledger, READER), _engine(ledger, READER) as bound, _engine(ledger, UNBOUND) as unbound:
        for name, action in zip(NAMES, _requests(ledger), strict=True):
            samples = interleaved(
                [_sampler(bound, action), _sampler(unbound, action)], rounds=run.samples(600), warm_up=30
            )
            yield compared(name, *samples)


def _requests(ledger: Ledger) -> Iterator[Callable[[], object]]:
    member = ledger.member(TWENTY)
    yield _handled(product.RETRIEVE, product.get(member, id_=ledger.row_of(TWENTY)))
    yield _handled(product.LIST, product.get(member, product.INCLUDES))
    yield _page(ledger.member(TWO_HUNDRED))


def _handled(module: str, event: dict[str, Any]) -> Callable[[], object]:
    handler = product.handler(module)

    def ask() -> None:
        assert handler(event, None)["statusCode"] == 200

    return ask


def _page(member: UUID) -> Callable[[], object]:
    person, query = Person(member), ListQuery(resource=COMPANY_WORKSPACE_CONNECTOR)

    def read() -> None:
        page = in_transaction(
            lambda transaction: service.list_page(transaction, person, query), scope_of(person), deadline=Deadline(25)
        )
        assert len(page.rows) == query.size

    return read


def _sampler(engine: Engine, action: Callable[[], object]) -> Timed:
    """Return a sampler of `action` on the connections of `engine`."""

    def sample() -> float:
        scope.connection = engine.connect
        return milliseconds(action)

    return sample


@contextmanager
def _engine(ledger: Ledger, user: str) -> Iterator[Engine]:
    usual = scope.connection
    engine = product.engine_of(ledger, user)
    try:
        yield engine
    finally:
        scope.connection = usual
        engine.dispose()


def _make_unbound(ledger: Ledger) -> None:
    with psycopg.connect(ledger.cluster.url("postgres", SUPERUSER), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (UNBOUND,)).fetchone():
            connection.execute(f"CREATE ROLE {UNBOUND} LOGIN BYPASSRLS IN ROLE {READER}".encode())
            connection.execute(f"ALTER ROLE {UNBOUND} SET jit = off".encode())
    ledger.cluster.let_in(UNBOUND)
