"""Memory and pauses of a function that has seen lists of very many shapes."""

from collections.abc import Iterator, Mapping

from bench import product
from bench.data import READER, TWENTY, Ledger
from bench.measure import MILLISECONDS, Result
from bench.processes import Program
from bench.run import Run
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR

NAMES = ("memory_random_lists", "longest_pause")
AIM = 1.5
LISTS, QUICK_LISTS, FRESH_LISTS = 20_000, 4_000, 20
SEED = 1
_PARENTS = {
    "company": "SELECT company.id FROM core_api.companies AS company"
    " JOIN core_api.workspaces AS workspace ON workspace.pk = company.workspace_pk WHERE workspace.name = %s LIMIT 20",
    "workspace_connector": "SELECT connector.id FROM core_api.workspace_connectors AS connector"
    " JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk WHERE workspace.name = %s",
}


def measure(run: Run) -> Iterator[Result]:
    """Measure a function after 20,000 random lists, beside one that has answered some."""
    ledger = run.small()
    lists = QUICK_LISTS if run.quick else LISTS
    run.say(f"memory after {lists:,} random lists")
    variables = product.environment(ledger, READER)
    (fresh, _), (worn, pause) = (
        Program("random_lists", variables, _argument(ledger, number)).mebibytes_and("paused")
        for number in (FRESH_LISTS, lists)
    )
    yield Result("memory_random_lists", worn, worn, "MiB", fresh, AIM)
    yield Result("longest_pause", pause * MILLISECONDS, pause * MILLISECONDS, "ms", None)


def _argument(ledger: Ledger, lists: int) -> object:
    parents: Mapping[str, list[str]] = {
        name: [str(id_) for id_ in ledger.ids(query, TWENTY.name)] for name, query in _PARENTS.items()
    }
    no_message = str(ledger.member(TWENTY))
    return {
        "module": product.LIST,
        "resource": COMPANY_WORKSPACE_CONNECTOR.type,
        "event": product.get(ledger.member(TWENTY)),
        "seed": SEED,
        "lists": lists,
        "parents": {**{trace.name: [no_message] for trace in COMPANY_WORKSPACE_CONNECTOR.traces}, **parents},
    }
