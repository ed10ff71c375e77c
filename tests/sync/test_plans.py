"""Plans and sizes of the write path: its tables have no statistics here, and the plan must be good without any."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import MetaData, text

from tests.support.databases import Database
from tests.support.world import Row, World
from tests.sync.conftest import Tenant
from wellspring.database.flush import Statement
from wellspring.messages import Change, Problem, ProvidersMatched, RecordsInvalidated, RecordsSynced, receive
from wellspring.repositories.sync import completing
from wellspring.repositories.sync.arrays import array, array_of_arrays
from wellspring.repositories.sync.disconnecting import end_rows
from wellspring.repositories.sync.effects import Effect, effects, end_statement
from wellspring.repositories.sync.messages import Entry, Known, known, lock, proceed, write
from wellspring.repositories.sync.resolving import PROVIDER, Resolved, questions
from wellspring.repositories.sync.tables import RECORDS, RecordTables


def explained(database: Database, asked: Statement) -> dict[str, Any]:
    with database.connection() as writer:
        (found,) = writer.execute(text(f"EXPLAIN (FORMAT JSON) {asked.statement}"), asked.parameters).scalar_one()
    plan: dict[str, Any] = found["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def part(plan: dict[str, Any], cte: str) -> list[dict[str, Any]]:
    (top,) = [node for node in nodes(plan) if node.get("Subplan Name") == f"CTE {cte}"]
    return list(nodes(top))


def ways_into(found: list[dict[str, Any]], table: str) -> set[str]:
    """Return how a table is read; what a policy looks up beside it is not asked for."""
    return {node["Node Type"] for node in found if node.get("Relation Name") == table}


def indexes(found: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in found if "Index Name" in node}


@pytest.fixture
def companies(world: World, ours: Tenant) -> list[Row]:
    companies = world.companies(ours.workspace, 2000)
    for _ in range(5):
        world.provenances(companies, ours.connector)
    return companies


@pytest.fixture
def ending(untouched_database: Database, ours: Tenant, companies: list[Row]) -> dict[str, Any]:
    """The plan of what a relink of all of them does first."""
    pks = array_of_arrays([array(row.pk for row in companies)])
    values = {"messages": "{0}", "parents": array([ours.connector.pk]), "directions": "{input}", "named": pks}
    return explained(untouched_database, Statement(end_statement("company"), values))


LEDGER = "company_workspace_connectors"


def test_records_are_found_by_their_id_alone(untouched_database: Database, ours: Tenant, companies: list[Row]) -> None:
    named: dict[str, Any] = {"records": {"company": dict.fromkeys(str(row.id) for row in companies)}}
    message = RecordsSynced.model_construct(workspace_connector_id=str(ours.connector.id), direction="input", **named)
    plan = list(nodes(explained(untouched_database, questions([message])["company"])))
    assert indexes(plan) == {"uq_companies_id", "uq_workspace_connectors_id", "pk_workspaces"}
    assert ways_into(plan, "companies") == {"Index Scan"}


def test_what_a_relink_ends_is_found_by_record_never_by_connector(ending: dict[str, Any]) -> None:
    # By connector it would read all of the connector's rows for each record: minutes instead of milliseconds.
    # By all rows of the record it would read the record's whole history.
    found = part(ending, "stale")
    # The policy on the ledger looks up the parents of what was found by their keys.
    by_key = {"pk_workspaces", "pk_workspace_connectors", "pk_companies"}
    assert indexes(found) - by_key == {
        "idx_company_workspace_connectors_record_input_live",
        "idx_company_workspace_connectors_record_output_live",
    }
    assert ways_into(found, LEDGER) <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}


def test_what_a_relink_ends_is_joined_with_nothing(ending: dict[str, Any]) -> None:
    # Where the statistics say that the ledger is empty, each of its rows would be compared with each of these.
    assert not [node for node in part(ending, "ended") if "Join Type" in node]


def test_a_disconnect_walks_an_index_unsorted(untouched_database: Database, ours: Tenant, companies: list[Row]) -> None:
    # Knowing whose rows they are, the planner would read and sort all of them, for each chunk.
    there = {"there": {"at": "infinity", "company": 2**62}}
    found = part(explained(untouched_database, end_rows("company", 1, ours.connector.pk, there, 5000)), "stale")
    assert "idx_company_workspace_connectors_wc_created_at" in indexes(found)
    assert ways_into(found, LEDGER) <= {"Index Scan", "Index Only Scan"}
    assert not {node["Node Type"] for node in found} & {"Sort", "Incremental Sort"}


SNAPSHOT = {
    "run": 1,
    "time": "-infinity",
    "pk": 0,
    "read_since": "2126-01-01T00:00:00Z",
    "last_pk": 2**62,
    "there_at": "infinity",
    "since": "-infinity",
    "walked": 5000,
}


@pytest.mark.parametrize("way", ["counts", "ends"])
def test_a_snapshot_looks_at_its_connectors_rows_in_their_order_and_at_each_records_own(
    untouched_database: Database, ours: Tenant, companies: list[Row], way: str
) -> None:
    values = {**SNAPSHOT, "connector": ours.connector.pk}
    if way == "counts":
        asked = Statement(completing.count_rows("company", "input"), values)
    else:
        asked = Statement(completing.end_rows("company", "input"), {**values, "most": 5000, "message": 1})
    plan = explained(untouched_database, asked)
    walked = part(plan, "walked")
    assert "idx_company_workspace_connectors_wc_created_at" in indexes(walked)
    assert not {node["Node Type"] for node in walked} & {"Sort", "Incremental Sort", "Seq Scan"}
    # What a record has is found by the record, never by walking its connector once more.
    beside = part(plan, "gone" if way == "counts" else "stale")
    assert indexes(beside) - {"pk_sync_messages", "pk_workspaces", "pk_workspace_connectors", "pk_companies"} == {
        "idx_company_workspace_connectors_record_input_live",
        "idx_company_workspace_connectors_record_created_dead",
    }
    assert "Seq Scan" not in ways_into(beside, LEDGER)


MOST_CHARACTERS = 4096
SCRATCH = [f"scratch_record_of_type_{number}" for number in range(8)]


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    company = RECORDS["company"]
    for name in SCRATCH:
        metadata = MetaData()
        records = company.records.to_metadata(metadata, name=f"{name}s")
        provenance = company.provenance.to_metadata(metadata, name=f"{name}_workspace_connectors")
        monkeypatch.setitem(RECORDS, name, RecordTables(records, provenance))
    return list(RECORDS)


def test_no_statement_is_longer_than_four_kilobytes_however_many_types_there_are(types: list[str]) -> None:
    records = {type_: {str(uuid4()): None} for type_ in types}
    of_connector: dict[str, Any] = {"workspace_connector_id": str(uuid4()), "records": records}
    of_workspace: dict[str, Any] = {"workspace_id": str(uuid4()), "provider_ids": [str(uuid4())]}
    unit: list[Change] = [
        RecordsInvalidated.model_construct(direction=None, **of_connector),
        RecordsSynced.model_construct(direction="input", mode="relink", **of_connector),
        ProvidersMatched.model_construct(**of_workspace),
    ]
    asked = questions(unit)
    found = Resolved(parent_pk=1, workspace_pk=1, pks=dict.fromkeys([*types, PROVIDER], "{1}"), problems=())
    written = effects([Effect(number, item, found) for number, item in enumerate(unit)])
    received = [receive("{}", group="group") for _ in unit]
    there = {"there": {"at": "infinity", **dict.fromkeys(types, 1)}}
    chunk = [end_rows(type_, 1, 1, there, 5000) for type_ in types]
    # The providers, and each type; each type twice, and the providers.
    assert len(asked) == 1 + len(types)
    assert len(written) == 1 + 2 * len(types)
    problems = (Problem("unknown_record", "company", str(uuid4())),)
    is_same, has_connector, is_overtaken = True, False, False
    was = Known(1, "parked", "unknown_record", is_same, has_connector, is_overtaken, run_state=None, progress={})
    entry = Entry(message=received[0], was=was, outcome="parked", connector_pk=1, problems=problems)
    noted = [known(received), lock([str(uuid4())]), proceed(1, {}), *write([entry])]
    # The lock of people, the row with its connector's state, what it waited for, and what it waits for.
    assert len(noted) == 3 + 4
    statements = [str(each.statement) for each in (*asked.values(), *(each for _, each in written), *chunk, *noted)]
    of_runs = (completing.count_rows, completing.end_rows)
    statements += [str(statement(type_, "output")) for statement in of_runs for type_ in types]
    assert max(map(len, statements)) <= MOST_CHARACTERS
