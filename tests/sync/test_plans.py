"""How Postgres carries the statement out. Its tables have no statistics here: the plan must be good without any."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import TextClause, text

from tests.support.databases import Database
from tests.support.world import World
from tests.sync.conftest import Tenant
from wellspring.repositories.disconnecting import Progress, end_chunk
from wellspring.repositories.sync import apply_changes
from wellspring.repositories.sync_work import Disconnected, RecordType, Synced


class Explaining:
    """Stands in for a transaction: explains the statement instead of running it, and returns `row` for its answer."""

    def __init__(self, database: Database, *row: object) -> None:
        self.database = database
        self.row = row
        self.plan: dict[str, Any] = {}

    def execute(self, statement: TextClause, parameters: dict[str, str]) -> "Explaining":
        with self.database.connection() as writer:
            explained = writer.execute(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), parameters).scalar_one()
        self.plan = explained[0]["Plan"]
        return self

    def all(self) -> list[Any]:
        return [self.row]

    def __iter__(self) -> Iterator[Any]:
        return iter([self.row])


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def part(plan: dict[str, Any], cte: str) -> list[dict[str, Any]]:
    """Return the nodes of the CTE called `cte`."""
    (top,) = [node for node in nodes(plan) if node.get("Subplan Name") == f"CTE {cte}"]
    return list(nodes(top))


def ways_into(found: list[dict[str, Any]], table: str) -> set[str]:
    """Return how a table is read; what a policy looks up beside it is not asked for."""
    return {node["Node Type"] for node in found if node.get("Relation Name") == table}


def indexes(found: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in found if "Index Name" in node}


@pytest.fixture
def plan(database: Database, world: World, ours: Tenant) -> dict[str, Any]:
    """The plan of a relink of two thousand companies of a connector that has ten thousand rows."""
    companies = world.companies(ours.workspace, 2000)
    for _ in range(5):
        world.provenances(companies, ours.connector)
    records: dict[RecordType, list[str]] = {"company": [str(row.id) for row in companies]}
    explaining = Explaining(database, "applied", 0, 0, None, 0)
    message = Synced(
        id=str(uuid4()),
        group="group",
        workspace_connector_id=str(ours.connector.id),
        direction="input",
        relink=True,
        records=records,
    )
    apply_changes(explaining, [message])  # type: ignore[arg-type]  # all that it uses is execute()
    return explaining.plan


LEDGER = "company_workspace_connectors"


def test_records_are_found_by_their_id_alone(plan: dict[str, Any]) -> None:
    assert indexes(part(plan, "company")) == {"uq_companies_id"}
    assert ways_into(part(plan, "company"), "companies") == {"Index Scan"}


def test_what_a_relink_ends_is_found_by_record_never_by_connector(plan: dict[str, Any]) -> None:
    # By connector it would read all of the connector's rows for each record: minutes instead of milliseconds.
    found = part(plan, "stale_company")
    # The policy on the ledger looks up the parents of what was found by their keys.
    by_key = {"pk_workspaces", "pk_workspace_connectors", "pk_companies"}
    assert indexes(found) - by_key == {"idx_company_workspace_connectors_record_created"}
    assert ways_into(found, LEDGER) <= {"Index Scan", "Bitmap Heap Scan"}


def test_what_a_relink_ends_is_joined_with_nothing(plan: dict[str, Any]) -> None:
    # Where the statistics say that the ledger is empty, each of its rows would be compared with each of these.
    assert not [node for node in part(plan, "ended_company") if "Join Type" in node]


def test_a_chunk_of_a_disconnect_walks_the_index_on_connectors_and_sorts_nothing(
    database: Database, world: World, ours: Tenant
) -> None:
    # Knowing whose rows they are, the planner would read and sort all of them, for each chunk.
    companies = world.companies(ours.workspace, 2000)
    for _ in range(5):
        world.provenances(companies, ours.connector)
    explaining = Explaining(database, "applied", 0, None)
    message = Disconnected(id=str(uuid4()), group="group", workspace_connector_id=str(ours.connector.id))
    end_chunk(explaining, [(message, Progress())], 5000)  # type: ignore[arg-type]  # as above
    found = part(explaining.plan, "stale_company")
    assert "idx_company_workspace_connectors_wc_created_at" in indexes(found)
    assert ways_into(found, LEDGER) == {"Index Scan"}
    assert not {node["Node Type"] for node in found} & {"Sort", "Incremental Sort"}
