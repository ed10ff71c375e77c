"""One page of a tenant's rows: what it costs as the table, the depth and the number of connectors grow.

Measured twice: through the service, as a handler calls it (one statement; the client's work on the rows is in it),
and as the server's own account of planning and running that statement (names that end in `_server`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from uuid import UUID

import psycopg
from sqlalchemy import Connection

from bench import floor, product
from bench.data import GRAVEYARD, ONE, OTHER, READER, TWENTY, TWO_HUNDRED, Ledger, Tenant
from bench.measure import Curve, Result, Timed, compared, interleaved, point, timed, worst
from bench.product import Sent
from bench.run import Run
from wellspring.access.principal import Person, scope_of
from wellspring.queries import DEFAULT_PAGE_SIZE, ListQuery, Position
from wellspring.repositories import infrastructure
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR
from wellspring.services.ledger import cursors
from wellspring.services.ledger import reading as service

WIDTHS = (ONE, TWENTY, TWO_HUNDRED)
GROWTH_AIM = 1.2
DEPTH_AIM = 1.2
WIDTH_AIM = 15.0
TOMBSTONES_AIM = 1.5
WORKSPACES_AIM = 5.0
NAMES = (
    "page_by_rows",
    "page_growth",
    "page_spread",
    *(f"page_growth_{tenant.connectors}" for tenant in WIDTHS),
    *(f"page_growth_{tenant.connectors}_server" for tenant in WIDTHS),
    "page_depth",
    *(f"page_depth_{tenant.connectors}" for tenant in WIDTHS),
    *(f"page_depth_{tenant.connectors}_server" for tenant in WIDTHS),
    "page_width",
    "page_width_server",
    "page_tombstones",
    "page_tombstones_server",
    "page_workspaces",
    "page_workspaces_server",
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a tenant, ready to be read again and again.

    Attributes:
        read: reads it through the service.
        on_server: returns the milliseconds that the server takes for its statement.
    """

    read: Callable[[], object]
    on_server: Timed


class Reader:
    """Reads pages of one ledger, as its tenants' members."""

    def __init__(self, ledger: Ledger, transaction: Connection, explaining: psycopg.Connection) -> None:
        self._ledger = ledger
        self._transaction = transaction
        self._explaining = explaining
        # Finding the middle of a million rows takes seconds; it is asked for again.
        self._positions: dict[tuple[Tenant, str], Position] = {}

    def first(self, tenant: Tenant) -> Page:
        """Return the tenant's newest page, asked for without a cursor."""
        return self._page(tenant, None)

    def of_all(self) -> Page:
        """Return the newest page of who is a member of all the small workspaces."""
        return self._page_of(Person(self._ledger.member_of_all()), None)

    def middle(self, tenant: Tenant) -> Page:
        """Return the page after the row that half of the tenant's rows are newer than."""
        return self._page(tenant, self._position(tenant, "ORDER BY row.created_at DESC, row.pk DESC OFFSET %(half)s"))

    def last(self, tenant: Tenant) -> Page:
        """Return the tenant's oldest full page."""
        return self._page(tenant, self._position(tenant, f"ORDER BY row.created_at, row.pk OFFSET {DEFAULT_PAGE_SIZE}"))

    def _page(self, tenant: Tenant, position: Position | None) -> Page:
        return self._page_of(Person(self._ledger.member(tenant)), position)

    def _page_of(self, person: Person, position: Position | None) -> Page:
        query = ListQuery(resource=COMPANY_WORKSPACE_CONNECTOR)
        if position is not None:
            key = infrastructure.signing_keys().run(self._transaction)[0]
            cursor = cursors.sign(key, query.resource, query.sort, position)
            query = ListQuery(resource=COMPANY_WORKSPACE_CONNECTOR, cursor=cursor)

        def read() -> service.Page:
            product.enter(self._transaction, scope_of(person))
            page = service.list_page(self._transaction, person, query)
            self._transaction.commit()
            return page

        found = read()
        assert len(found.rows) == DEFAULT_PAGE_SIZE
        assert found.more_before is (position is not None)
        with product.recorded(self._transaction.engine) as statements:
            read()
        assert len(statements) == 1
        return Page(read, self._server(statements[0], scope_of(person)))

    def _server(self, statement: Sent, scope: str) -> Timed:
        return lambda: sum(floor.server_milliseconds(self._explaining, statement, scope))

    def _position(self, tenant: Tenant, place: str) -> Position:
        if (tenant, place) not in self._positions:
            self._positions[tenant, place] = self._found(tenant, place)
        return self._positions[tenant, place]

    def _found(self, tenant: Tenant, place: str) -> Position:
        mine = """
            FROM core_api.company_workspace_connectors AS row
            JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk
            JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk
           WHERE workspace.name = %(name)s AND row.deleted_at IS NULL
        """
        query = f"SELECT row.created_at, row.id, row.pk {mine} {place} LIMIT 1"
        values = {"name": tenant.name}
        with self._ledger.connect() as owner:
            counted = owner.execute(f"SELECT count(*) {mine}".encode(), values).fetchone()
            assert counted is not None
            row = owner.execute(query.encode(), values | {"half": counted[0] // 2}).fetchone()
        assert row is not None
        at, id_, pk = row
        assert isinstance(id_, UUID)
        return Position(at, id_, pk)


def measure(run: Run) -> Iterator[Result | Curve]:
    """Measure pages of 20 as the members of tenants with 1, 20 and 200 connectors; everything is in memory."""
    with ExitStack() as stack:
        ledgers = (run.big(), run.between(), run.small())
        big, between, small = (_reader(stack, ledger) for ledger in ledgers)
        run.say("pages: in the middle of tables of three sizes")
        grown: list[Result] = []
        spreads: list[Result] = []
        lines: dict[str, list[tuple[int, float, float]]] = {}
        for tenant in WIDTHS:
            name = f"page_growth_{tenant.connectors}"
            pages = [reader.middle(tenant) for reader in (big, between, small)]
            through_service = _through_service(run, pages)
            on_server = _on_server(run, pages)
            grown += _lines(name, [through_service[0], through_service[2]], [on_server[0], on_server[2]], GROWTH_AIM)
            # Of two equal sizes, as in a quick run, one.
            sampled = {ledger.rows: samples for ledger, samples in zip(ledgers, through_service, strict=True)}
            name = f"{tenant.connectors} connector{'s' if tenant.connectors > 1 else ''}"
            lines[name] = [point(rows, sampled[rows]) for rows in sorted(sampled)]
            ordered = sorted(through_service, key=median)
            spreads.append(compared("page_spread", ordered[-1], ordered[0], aim=GROWTH_AIM))
        run.say("pages: the last and the first")
        deep = [
            line
            for tenant in WIDTHS
            for line in _pair(
                run, f"page_depth_{tenant.connectors}", big.last(tenant), big.first(tenant), aim=DEPTH_AIM
            )
        ]
        run.say("pages: wide tenants and tombstones")
        wide = _pair(run, "page_width", big.middle(TWO_HUNDRED), big.middle(ONE), aim=WIDTH_AIM)
        buried = _pair(run, "page_tombstones", big.first(GRAVEYARD), big.first(ONE), aim=TOMBSTONES_AIM)
        run.say("pages: of hundreds of workspaces, and of one")
        many = _pair(run, "page_workspaces", big.of_all(), big.first(OTHER), aim=WORKSPACES_AIM)
    yield Curve("page_by_rows", "rows", "ms", lines)
    yield worst("page_growth", [line for line in grown if not line.name.endswith("_server")])
    yield worst("page_spread", spreads)
    yield from grown
    yield worst("page_depth", [line for line in deep if not line.name.endswith("_server")])
    yield from deep
    yield from wide
    yield from buried
    yield from many


def _reader(stack: ExitStack, ledger: Ledger) -> Reader:
    engine = product.engine_of(ledger, READER)
    stack.callback(engine.dispose)
    transaction = product.snapshots(stack.enter_context(engine.connect()))
    # One transaction for all samples, which lies idle while others are taken; the role would end it.
    transaction.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
    transaction.commit()
    return Reader(ledger, transaction, stack.enter_context(ledger.connect(READER)))


def _pair(run: Run, name: str, page: Page, other: Page, *, aim: float | None = None) -> list[Result]:
    pages = [page, other]
    return _lines(name, _through_service(run, pages), _on_server(run, pages), aim)


def _lines(
    name: str, through_service: Sequence[Sequence[float]], on_server: Sequence[Sequence[float]], aim: float | None
) -> list[Result]:
    return [compared(name, *through_service, aim=aim), compared(f"{name}_server", *on_server)]


def _through_service(run: Run, pages: Sequence[Page]) -> list[list[float]]:
    return interleaved([timed(page.read) for page in pages], rounds=run.samples(240), warm_up=10)


def _on_server(run: Run, pages: Sequence[Page]) -> list[list[float]]:
    return interleaved([page.on_server for page in pages], rounds=run.samples(90), warm_up=5)
