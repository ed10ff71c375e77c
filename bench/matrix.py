"""Every list that is offered beside the plain page of the same caller: what the server takes, and what it looks at.

The cells are made from the declarations. What is measured here is asserted
on a smaller table by `tests/reading/test_matrix.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from statistics import median
from uuid import UUID

import psycopg
from sqlalchemy import Connection

from bench import product as handlers
from bench.data import GRAVEYARD, ONE, OTHER, READER, TWENTY, TWO_HUNDRED, Ledger, Tenant, scratch
from bench.measure import Result
from bench.product import Sent, enter, entering
from bench.run import Run
from wellspring.access.principal import SERVICE_SCOPE, Person, Principal, Service, scope_of
from wellspring.errors import WellspringError
from wellspring.jsonapi.query import DELETED, SORTABLE, parse_list
from wellspring.queries import MAX_PAGE_SIZE
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR, DIRECTIONS, Resource, resource_of
from wellspring.services.ledger import reading

NAMES = ("matrix_worst", "matrix_total", "matrix", "matrix_fleet")
AIM = 10.0
TOTAL_AIM_MILLISECONDS = 150.0
TENANTS = (ONE, TWENTY, TWO_HUNDRED, GRAVEYARD, OTHER)
ROUNDS = 3
_PLAIN = "sort=-created_at"
# What an operator asks of all workspaces (contract, section 4), of a hundred thousand connectors of which one of a
# hundred is late, of as many runs, and of a million messages of which one of a thousand is parked.
FLEET = (
    ("workspace_connector", "filter[health]=late"),
    ("workspace_connector", "filter[health]=late&filter[connector]={tool}"),
    ("sync_message", "filter[outcome]=parked"),
    ("sync_message", "filter[outcome]=parked&filter[reason]=unknown_record"),
    ("sync_run", "filter[state]=incomplete"),
    *(
        (type_, f"filter[name]{operator}={{name}}")
        for type_ in ("company", "people", "account", "workspace")
        for operator in ("", "[starts]")
    ),
)
_NAME = "Zephyr"
_FLEET = f"""
INSERT INTO core_api.workspaces (name)
SELECT * FROM (SELECT 'Workspace ' || n FROM generate_series(1, 5000) AS n UNION ALL VALUES ('{_NAME}')) AS named;
INSERT INTO core_api.companies (name, workspace_pk) SELECT name, pk FROM core_api.workspaces WHERE name = '{_NAME}';
INSERT INTO core_api.peoples (full_name, workspace_pk) SELECT name, pk FROM core_api.workspaces WHERE name = '{_NAME}';
INSERT INTO core_api.accounts (account_name, workspace_pk)
SELECT name, pk FROM core_api.workspaces WHERE name = '{_NAME}';
-- Foreign keys hold by construction, and nobody's health is judged.
SET session_replication_role = replica;
INSERT INTO core_api.workspace_connectors (workspace_pk, connector_pk, health)
SELECT pk, 1 + (pk + n) % 50, CASE WHEN hashint8(pk * 20 + n) % 100 = 0 THEN 'late' ELSE 'ok' END
  FROM core_api.workspaces, generate_series(1, 20) AS n WHERE name LIKE 'Workspace %';
INSERT INTO wellspring.sync_runs (workspace_connector_pk, workspace_pk, run, state, started_at)
SELECT pk, workspace_pk, 'nightly', CASE WHEN pk % 100 = 0 THEN 'incomplete' ELSE 'complete' END,
       now() - pk * interval '1 second'
  FROM core_api.workspace_connectors;
INSERT INTO wellspring.sync_messages
       (message_id, message_type, workspace_connector_pk, workspace_pk, occurred_at, received_at, outcome, reason)
SELECT uuidv7(), 'records.synced', pk, workspace_pk, at, at, CASE WHEN is_parked THEN 'parked' ELSE 'applied' END,
       CASE WHEN is_parked THEN (ARRAY['unknown_record', 'overtaken'])[1 + n % 2] END
  FROM core_api.workspace_connectors, generate_series(1, 10) AS n
 CROSS JOIN LATERAL (SELECT now() - (pk * 10 + n) * interval '1 second' AS at, (pk * 10 + n) % 1000 = n AS is_parked);
"""


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

    def cost(
        self, principal: Principal, query: str, resource: Resource = COMPANY_WORKSPACE_CONNECTOR, *, least: int = 0
    ) -> tuple[float, int]:
        """Return the milliseconds and the buffers of a page, which has so many rows at least.

        Raises `WellspringError` where it is refused.
        """
        asked = parse_list(resource, query)
        enter(self._transaction, scope_of(principal))
        with handlers.recorded(self._transaction.engine) as statements:
            page = reading.list_page(self._transaction, principal, asked)
        assert len(page.rows) >= least, query
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
    """Measure every cell on the big ledger: members of tenants of all kinds, a service, and what operators ask."""
    if run.wanted & {*NAMES[:3]}:
        yield from _every_list(run, run.big())
    if NAMES[3] in run.wanted:
        with scratch(run.big(), run.say) as copy:
            yield from _fleet(run, copy)


@contextmanager
def _asked_of(ledger: Ledger) -> Iterator[tuple[Connection, Callers]]:
    with ExitStack() as stack:
        engine = handlers.engine_of(ledger, READER)
        stack.callback(engine.dispose)
        transaction = handlers.snapshots(stack.enter_context(engine.connect()))
        yield transaction, Callers(transaction, stack.enter_context(ledger.connect(READER)))


def _fleet(run: Run, ledger: Ledger) -> Iterator[Result]:
    """Hold each list of all workspaces against a service's plain page of the ledger, by the buffers."""
    run.say("matrix_fleet: a hundred thousand connectors, a million messages")
    with ledger.connect() as connection:
        connection.execute(_FLEET.encode())
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM (ANALYZE)")
    (tool,) = ledger.ids("SELECT id FROM core_api.connectors WHERE pk = 1")
    service = Service("bench", frozenset({"system:read"}))
    with _asked_of(ledger) as (_, callers):
        callers.cost(service, _PLAIN)
        plain = callers.cost(service, _PLAIN)
        found = {}
        for type_, form in FLEET:
            query = form.format(tool=tool, name=_NAME)
            found[f"{type_}: {form}"] = cost = callers.cost(service, query, resource_of(type_), least=1)
            run.say(f"matrix_fleet: {type_}, {form}: {cost[0]:.1f} ms, {cost[1]} buffers; plain {plain[1]}")
    worst = max(cost[1] for cost in found.values()) / plain[1]
    yield Result("matrix_fleet", worst, worst, "x plain", 1.0, AIM, aims_at_value=True)


def _every_list(run: Run, ledger: Ledger) -> Iterator[Result | Matrix]:
    with _asked_of(ledger) as (transaction, callers):
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
