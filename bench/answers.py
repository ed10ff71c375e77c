"""The answers of several rows and sums (contract, section 7), each as large as it may be, as a person and as a service.

Measured are the handler in this process, and the processor time of the server's process meanwhile (names that end in
`_cpu`), which others on the machine do not lengthen. Of several such requests the slowest is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from bench import product
from bench.data import ANSWERED, ANSWERS, DAYS, ONE, READER, TWENTY, Ledger, Tenant
from bench.measure import Result, milliseconds, percentile
from bench.planned import Backend
from bench.product import Handler
from bench.run import Run
from wellspring.database import engine as engines

ANSWER_NAMES = ("sources", "impact", "sole_source_page", "activity_400_days")
NAMES = tuple(f"{name}{suffix}" for name in ANSWER_NAMES for suffix in ("", "_cpu"))
AIM_MILLISECONDS = 200.0
WARM_UP = 2
ROUNDS = 20
FIRST = date(2025, 12, 30) - timedelta(days=DAYS - 1)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one caller.

    Attributes:
        name: of its measurement.
        tenant: whose rows it is about.
        person: who asks; None for a service.
        handler: the function.
        event: what it is called with.
    """

    name: str
    tenant: Tenant
    person: UUID | None
    handler: Handler
    event: dict[str, Any]

    def ask(self) -> Any:
        """Return what the handler answers."""
        return product.body_of(self.handler(self.event, None))


def measure(run: Run) -> Iterator[Result]:
    """Measure each answer: a record of 10,000 rows, 10,000 records examined of a connector, 400 days of 100 of them."""
    ledger = run.big()
    with product.functions(ledger, READER):
        server = Backend(engines.engine())
        asked = list(_requests(ledger))
        for name in ANSWER_NAMES:
            found = [_measured(run, request, server) for request in asked if request.name == name]
            for place, suffix in enumerate(("", "_cpu")):
                slowest = max((samples[place] for samples in found), key=lambda samples: percentile(samples, 50))
                median, high = (percentile(slowest, share) for share in (50, 95))
                yield Result(f"{name}{suffix}", median, high, "ms", None, AIM_MILLISECONDS, aims_at_value=True)


def _measured(run: Run, request: Request, server: Backend) -> tuple[list[float], list[float]]:
    """Return samples of the whole time and of the server's processor time."""
    for _ in range(WARM_UP):
        _check(request, request.ask())
    times: list[float] = []
    spent: list[float] = []
    for _ in range(run.samples(ROUNDS)):
        before = server.cpu()
        times.append(milliseconds(request.ask))
        spent.append(server.cpu() - before)
    who = "a service" if request.person is None else "a person"
    said = f"{percentile(times, 50):.0f} ms, {percentile(spent, 50):.0f} ms of the server's processor"
    run.say(f"{request.name} of tenant {request.tenant.name}, {who}: {said}")
    return times, spent


def _requests(ledger: Ledger) -> Iterator[Request]:
    company = _children(ledger, ANSWERS, "companies")[0]
    all_connectors = ",".join(map(str, _children(ledger, ANSWERS, "workspace_connectors")))
    days = f"filter[date][gte]={FIRST}&filter[date][lt]={FIRST + timedelta(days=DAYS)}"
    activity = f"filter[workspace_connector]={all_connectors}&{days}"
    several: list[tuple[str, Tenant, str, str, str, UUID | None]] = [
        ("sources", ANSWERS, "company.sources", "/v1/companies/{id}/sources", "page[size]=500", company)
    ]
    for tenant in (ANSWERS, ONE, TWENTY):
        connector = _children(ledger, tenant, "workspace_connectors")[0]
        route = "/v1/workspace-connectors/{id}/impact"
        several.append(("impact", tenant, "workspace_connector.impact", route, "", connector))
        query = f"filter[sole_source]={connector}&page[size]=500"
        several.append(("sole_source_page", tenant, "company.list", "/v1/companies", query, None))
    for more in ("sum[by]=connector&page[size]=100", "page[size]=500"):
        route = "/v1/connector-activity"
        several.append(("activity_400_days", ANSWERS, "connector_activity.list", route, f"{activity}&{more}", None))
    for name, tenant, function, route, query, id_ in several:
        for person in (ledger.member(tenant), None):
            event = product.asked(person or UUID(int=0), route, query, id_)
            if person is None:
                service = {"sub": "bench", "client_id": "bench", "scope": "system:read"}
                event["requestContext"]["authorizer"]["jwt"]["claims"] |= service
            yield Request(name, tenant, person, product.handler(function), event)


def _check(request: Request, document: Any) -> None:
    """See that an answer is as large as it is meant to be."""
    if request.tenant is not ANSWERS:
        return
    match request.name:
        case "sources":
            assert sum(item["attributes"]["rows"] for item in document["data"]) >= ANSWERED - 1
        case "impact":
            assert document["data"]["attributes"]["examined"] >= ANSWERED - 1
        case _:
            assert len(document["data"]) in {ANSWERS.connectors, 500}


def _children(ledger: Ledger, tenant: Tenant, table: str) -> list[UUID]:
    return ledger.ids(
        f"SELECT child.id FROM core_api.{table} AS child"
        "  JOIN core_api.workspaces AS workspace ON workspace.pk = child.workspace_pk"
        " WHERE workspace.name = %s ORDER BY child.pk LIMIT 100",
        tenant.name,
    )
