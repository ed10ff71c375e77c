"""The API under load over HTTP: 1, 8 and 64 clients, beside two JSON:API frameworks on the same tables."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench import ROOT, creates, product
from bench.data import ONE, OTHER, SYNC, TWENTY, Ledger, Tenant, scratch
from bench.load import servers
from bench.load.results import Load, Served
from bench.load.servers import SERVERS, Issuer, Place
from bench.run import Run
from local.errors import Fault
from wellspring.queries import DEFAULT_PAGE_SIZE

CLIENTS = (1, 8, 64)
# A framework that joins to find a page takes a second of a processor for it where a tenant has a million rows: with 64
# clients nothing but the queue would be measured.
CLIENTS_BIG = (1, 8)
NAMES = (
    *(f"http_{operation}_{clients}" for operation in ("retrieve", "list", "create") for clients in CLIENTS),
    *(f"http_list_big_{clients}" for clients in CLIENTS_BIG),
    "http_stack_8",
)
# Different rows and records, so that no one of them is waited for.
ASKED = 200
_ROWS = """
SELECT row.id FROM core_api.company_workspace_connectors AS row
  JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk
  JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk
 WHERE workspace.name = %s AND row.deleted_at IS NULL LIMIT %s
"""
_COMPANIES = """
SELECT company.id FROM core_api.companies AS company
  JOIN core_api.workspaces AS workspace ON workspace.pk = company.workspace_pk
 WHERE workspace.name = %s ORDER BY company.pk LIMIT %s
"""
_WRITTEN = """
SELECT row.id FROM core_api.company_workspace_connectors AS row
  JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk
 WHERE connector.id = %s
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, for any of the servers.

    Attributes:
        method: of HTTP.
        target: path and query.
        token: who asks.
        body: a document, or nothing.
    """

    method: str
    target: str
    token: str
    body: str = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """All but the host's name."""
        media = "application/vnd.api+json"
        said = {"Accept": media, "Authorization": f"Bearer {self.token}"}
        return said | ({"Content-Type": media, "Content-Length": str(len(self.body))} if self.body else {})

    def raw(self, place: Place) -> str:
        """Return what goes over the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {place.host}:{place.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", self.body])

    def send(self, place: Place, status: int) -> Any:
        """Send it once; return the document. Raises `Fault` for another status."""
        connection = HTTPConnection(place.host, place.port, timeout=60)
        try:
            connection.request(self.method, self.target, self.body or None, dict(self.headers))
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != status:
            raise Fault(f"http: {self.target} was answered {response.status}: {body[:500]!r}")
        return json.loads(body)


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked for again and again.

    Attributes:
        asks: requests, each with the ids that its answer must hold; none for a new row, None for any document.
        status: of a good answer.
        included: resources that each answer must include.
        servers: who is asked.
    """

    asks: Sequence[tuple[Ask, Sequence[str] | None]]
    status: int = 200
    included: int = 0
    servers: Sequence[str] = SERVERS


@dataclass(frozen=True, slots=True)
class Span:
    """How long one server is asked.

    Attributes:
        warm_up: seconds that do not count.
        seconds: during which requests are sent that count.
        turns: how often each server has its turn.
    """

    warm_up: float
    seconds: float
    turns: int


QUICK = Span(0.3, 1.0, 1)
FULL = Span(0.4, 1.75, 2)
# A page may take longer than all of that: none is left out to warm up.
QUICK_BIG = Span(0.0, 1.0, 1)
FULL_BIG = Span(0.0, 4.0, 1)
PRIMING = Span(0.9, 0.1, 1)
PRIMING_CLIENTS = 8


def measure(run: Run) -> Iterator[Load]:
    """Measure what is wanted, on a copy of the big ledger."""
    python = servers.python()
    issuer = Issuer()
    span, big_span = (QUICK, QUICK_BIG) if run.quick else (FULL, FULL_BIG)
    with scratch(run.big(), run.say) as ledger:
        servers.make_rival(ledger)
        with servers.serving(ledger, issuer) as places:
            bench = _Bench(run, places, python)
            retrieve = _retrieve(ledger, issuer, places)
            page, big_page = (_list(ledger, issuer, places, tenant) for tenant in (OTHER, TWENTY))
            bench.prime(retrieve)
            yield from bench.loads("retrieve", CLIENTS, retrieve, span)
            yield from bench.loads("list", CLIENTS, page, span)
            yield from bench.loads("list_big", CLIENTS_BIG, big_page, big_span)
            yield from _creating(bench, ledger, issuer, places, span)
            yield from bench.loads("stack", (8,), _nothing(ledger, issuer), span)


class _Bench:
    """Gives the servers their turns."""

    def __init__(self, run: Run, places: Mapping[str, Place], python: Path) -> None:
        self._run = run
        self._places = places
        self._python = python
        # Good answers of all loads, also of those that do not count.
        self.accepted = 0
        self.errors = 0

    def prime(self, operation: Operation) -> None:
        """Let each server make what it makes only when it is asked: environments, threads, connections."""
        for server in operation.servers:
            self._ask(server, operation, PRIMING_CLIENTS, PRIMING)

    def loads(self, name: str, clients: Sequence[int], operation: Operation, span: Span) -> Iterator[Load]:
        """Measure `operation` with as many `clients` as are wanted."""
        for number in clients:
            if f"http_{name}_{number}" not in self._run.wanted:
                continue
            self._run.say(f"http: {name}, {number} {'client' if number == 1 else 'clients'}")
            served = {server: Served() for server in operation.servers}
            for turn in range(span.turns):
                for server in operation.servers if turn % 2 == 0 else reversed(operation.servers):
                    answer = self._ask(server, operation, number, span)
                    served[server].milliseconds += answer["milliseconds"]
                    served[server].seconds += answer["seconds"]
                    served[server].errors += answer["errors"]
            yield Load(f"http_{name}_{number}", number, served)

    def _ask(self, server: str, operation: Operation, clients: int, span: Span) -> Any:
        place = self._places[server]
        job = {
            **asdict(place),
            "asks": [(ask.raw(place), ids) for ask, ids in operation.asks],
            "status": operation.status,
            "included": operation.included,
            "clients": clients,
            "warm_up": span.warm_up,
            "seconds": span.seconds,
        }
        command = [str(self._python), "-P", str(Path(__file__).with_name("client.py"))]
        done = subprocess.run(command, input=json.dumps(job), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Fault("http: the load generator failed")
        answer = json.loads(done.stdout)
        self.accepted += answer["accepted"]
        self.errors += answer["errors"]
        for problem in answer["problems"]:
            self._run.say(f"http: {server}: {problem}")
        return answer


def _retrieve(ledger: Ledger, issuer: Issuer, places: Mapping[str, Place]) -> Operation:
    """Return retrieves of rows which every server shows to a member of their workspace, and to nobody else."""
    token, foreign = (issuer.token(str(ledger.member(tenant))) for tenant in (TWENTY, ONE))
    ids = [str(id_) for id_ in ledger.ids(_ROWS, TWENTY.name, ASKED)]
    for place in places.values():
        target = f"{product.ROUTE}/{ids[0]}"
        _agree({ids[0], Ask("GET", target, token).send(place, 200)["data"]["id"]}, "the row of an id")
        Ask("GET", target, foreign).send(place, 404)
    return Operation([(Ask("GET", f"{product.ROUTE}/{id_}", token), [id_]) for id_ in ids])


def _list(ledger: Ledger, issuer: Issuer, places: Mapping[str, Place], tenant: Tenant) -> Operation:
    """Return the tenant's list of 20 with both includes, after every server has answered it with the same resources."""
    query = f"{product.INCLUDES}&page%5Bsize%5D={DEFAULT_PAGE_SIZE}"
    ask = Ask("GET", f"{product.ROUTE}?{query}", issuer.token(str(ledger.member(tenant))))
    documents = [ask.send(place, 200) for place in places.values()]
    for part in ("data", "included"):
        _agree({tuple(sorted((each["type"], each["id"]) for each in document[part])) for document in documents}, part)
    _agree({tuple(item["id"] for item in document["data"]) for document in documents}, "the order")
    ids = [item["id"] for item in documents[0]["data"]]
    assert len(ids) == DEFAULT_PAGE_SIZE
    return Operation([(ask, ids)], included=len(documents[0]["included"]))


def _nothing(ledger: Ledger, issuer: Issuer) -> Operation:
    """Return a request for a route that does not exist: a 404 from a function, without the database."""
    ask = Ask("GET", "/v1/nothing", issuer.token(str(ledger.member(TWENTY))))
    return Operation([(ask, None)], status=404, servers=(servers.PRODUCT,))


def _creating(bench: _Bench, ledger: Ledger, issuer: Issuer, places: Mapping[str, Place], span: Span) -> Iterator[Load]:
    """Measure a service's POST, and make sure that every row that a server has promised is there."""
    _, connector = creates.parents(ledger)
    token = issuer.token("bench", "system:read sync:write")
    drafts = [json.dumps(creates.draft(company, connector)) for company in ledger.ids(_COMPANIES, SYNC, ASKED)]
    operation = Operation([(Ask("POST", product.ROUTE, token, draft), []) for draft in drafts], status=201)
    for place in places.values():
        created = operation.asks[0][0].send(place, 201)["data"]
        _agree({"input", created["attributes"]["direction"]}, "what was created")
    before, bench.accepted, bench.errors = len(ledger.ids(_WRITTEN, connector)), 0, 0
    bench.prime(operation)
    yield from bench.loads("create", CLIENTS, operation, span)
    written = len(ledger.ids(_WRITTEN, connector)) - before
    if written != bench.accepted and not bench.errors:
        raise Fault(f"http: {written} rows were written, and {bench.accepted} promised")


def _agree(answers: AbstractSet[object], on: str) -> None:
    """Raise `Fault` unless all `answers` are the same: what differs is not to be compared."""
    if len(answers) != 1:
        raise Fault(f"http: the servers disagree on {on}")
