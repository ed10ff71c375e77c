"""Every list that is offered beside the plain page of the same caller: what the server takes, and what it looks at.

The cells are made from the declarations. What is measured here is asserted
on a smaller table by `tests/reading/test_matrix.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from statistics import median
from uuid import UUID

import psycopg
from sqlalchemy import Connection

from bench import product as handlers
from bench.data import GRAVEYARD, ONE, OTHER, READER, TWENTY, TWO_HUNDRED, Ledger, Tenant
from bench.measure import Result
from bench.product import Sent, entering
from bench.run import Run
from wellspring.access.principal import SERVICE_SCOPE, Person, Principal, Service, scope_of
from wellspring.database.scope import enter
from wellspring.errors import WellspringError
from wellspring.jsonapi.query import DELETED, SORTABLE, parse_list
from wellspring.queries import MAX_PAGE_SIZE
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR, DIRECTIONS
from wellspring.services.ledger import reading

NAMES = ("matrix_worst", "matrix_total", "matrix")
AIM = 10.0
TOTAL_AIM_MILLISECONDS = 150.0
TENANTS = (ONE, TWENTY, TWO_HUNDRED, GRAVEYARD, OTHER)
ROUNDS = 3
_PLAIN = "sort=-created_at"


@dataclass(frozen=True, slots=True)
class Matrix:
    """What each cell costs.

    Attributes:
        name: as in docs/performance/tables.md.
        cells: for each caller and query the milliseconds and buffers, and their ratios to the plain page's; or the
            reason why it is refused.
    """

    name: str
    cells: Mapping[str, Mapping[str, object]]

    def as_json(self) -> Mapping[str, object]:
        """Return what `.local/bench.json` says of it."""
        return self.cells


class Callers:
    """Asks for lists as somebody, and has the server say what they cost."""

    def __init__(self, transaction: Connection, explaining: psycopg.Connection) -> None:
        self._transaction = transaction
        self._explaining = explaining

    def cost(self, principal: Principal, query: str) -> tuple[float, int]:
        """Return the milliseconds and the buffers of a page. Raises `WellspringError` where it is refused."""
        asked = parse_list(COMPANY_WORKSPACE_CONNECTOR, query)
        enter(self._transaction, scope_of(principal))
        with handlers.recorded(self._transaction.engine) as statements:
            reading.list_page(self._transaction, principal, asked)
        self._transaction.rollback()
        found = [self._explained(statement, scope_of(principal)) for statement in statements]
        return sum(each[0] for each in found), sum(each[1] for each in found)

    def _explained(self, statement: Sent, scope: str) -> tuple[float, int]:
        times, buffers = [], 0
        for _ in range(ROUNDS):
            self._explaining.execute(entering(scope).sql, (scope,))
            explained = b"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) " + statement.sql
            row = self._explaining.execute(explained, statement.parameters).fetchone()
            self._explaining.commit()
            assert row is not None
            plan = row[0][0]
            times.append(plan["Planning Time"] + plan["Execution Time"])
            buffers = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        return median(times), buffers


def measure(run: Run) -> Iterator[Result | Matrix]:
    """Measure every cell on the big ledger, as the members of tenants of all kinds and as a service."""
    ledger = run.big()
    with ExitStack() as stack:
        engine = handlers.engine_of(ledger, READER)
        stack.callback(engine.dispose)
        transaction = handlers.snapshots(stack.enter_context(engine.connect()))
        callers = Callers(transaction, stack.enter_context(ledger.connect(READER)))
        cells: dict[str, Mapping[str, object]] = {}
        ratios, totals = [0.0], [0.0]
        for who, principal, tenant in _asking(ledger):
            run.say(f"matrix: {who}")
            enter(transaction, scope_of(principal))
            reading.list_page(transaction, principal, parse_list(COMPANY_WORKSPACE_CONNECTOR, _PLAIN))
            transaction.rollback()
            plain = callers.cost(principal, _PLAIN)
            for query in _cells(ledger, tenant):
                try:
                    found = callers.cost(principal, query)
                except WellspringError as refused:
                    cells[f"{who}: {query}"] = {"refused": str(refused)}
                    continue
                times, looks = found[0] / plain[0], found[1] / plain[1]
                if "page[total]" in query:
                    totals.append(found[0])
                elif "page[size]" not in query:
                    ratios.append(min(times, looks))
                cells[f"{who}: {query}"] = {
                    "ms": round(found[0], 2),
                    "buffers": found[1],
                    "ms_ratio": round(times, 1),
                    "buffers_ratio": round(looks, 1),
                }
    yield Result("matrix_worst", max(ratios), max(ratios), "x plain", 1.0, AIM, aims_at_value=True)
    yield Result("matrix_total", max(totals), max(totals), "ms", None, TOTAL_AIM_MILLISECONDS, aims_at_value=True)
    yield Matrix("matrix", cells)


def _asking(ledger: Ledger) -> Iterator[tuple[str, Principal, Tenant]]:
    for tenant in TENANTS:
        yield tenant.name, Person(ledger.member(tenant)), tenant
    yield "all the small ones", Person(ledger.member_of_all()), OTHER
    yield SERVICE_SCOPE, Service("bench", frozenset({"system:read"})), TWENTY


def _cells(ledger: Ledger, tenant: Tenant) -> Iterator[str]:
    sorts = [f"{sign}{name}" for name in SORTABLE for sign in ("", "-")]
    for sort, deleted, asked in product(sorts, DELETED, _filters(ledger, tenant)):
        yield f"sort={sort}&filter[deleted]={deleted}&{asked}".rstrip("&")
    for deleted in DELETED:
        for size in (51, MAX_PAGE_SIZE):
            yield f"page[size]={size}&filter[deleted]={deleted}"
        yield f"page[total]=true&filter[deleted]={deleted}"


def _filters(ledger: Ledger, tenant: Tenant) -> Iterator[str]:
    yield ""
    yield from (f"filter[direction]={direction}" for direction in DIRECTIONS)
    companies, connectors = (_children(ledger, tenant, table) for table in ("companies", "workspace_connectors"))
    yield f"filter[company]={companies[0]}"
    yield f"filter[company]={','.join(map(str, companies[:100]))}"
    yield f"filter[workspace_connector]={connectors[0]}"
    for attribute in COMPANY_WORKSPACE_CONNECTOR.attributes:
        if attribute.kind == "instant":
            for at in (datetime(2025, 7, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)):
                bound = at.isoformat().replace("+00:00", "Z")
                yield from (f"filter[{attribute.name}][{operator}]={bound}" for operator in ("gte", "lt"))


def _children(ledger: Ledger, tenant: Tenant, table: str) -> Sequence[UUID]:
    return ledger.ids(
        f"SELECT child.id FROM core_api.{table} AS child"
        "  JOIN core_api.workspaces AS workspace ON workspace.pk = child.workspace_pk"
        " WHERE workspace.name = %s ORDER BY child.pk LIMIT 100",
        tenant.name,
    )
