"""Every declared record type is synced, listed, included and demonstrated, without a line of its own.

Nothing here names a type. tests/declaring/test_price.py runs it in a copy of the repository that declares one more.
"""

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from local import demo_data
from migrations import support
from tests.schema.conftest import Catalogue
from tests.schema.everything import everything
from tests.support.api import READER, get, person
from tests.support.databases import CONSUMER, Database
from tests.support.queue import consume, invalidated, synced
from tests.support.world import RecordType, World
from wellspring.resources import ledgers, resource_of

every_record_type = pytest.mark.parametrize("type_", list(ledgers()))


def shape(catalogue: Catalogue, record: str, records_table: str) -> list[str]:
    """Return all there is to know of the table of a record type's provenance, in the same words for each."""
    ledger = f"{record}_workspace_connectors"
    names = {ledger: "LEDGER", records_table: "RECORDS", f"{record}_pk": "RECORD_pk", f"('{record}')": "(RECORD)"}
    # Other functions tell of all ledgers.
    found = [
        line
        for line in everything(catalogue)
        if ledger in line and (not line.startswith("function ") or f"newest_of_{ledger}(" in line)
    ]
    for name, instead in names.items():
        found = [line.replace(name, instead) for line in found]
    return sorted(found)


@pytest.fixture
def consumer(world: World) -> None:
    """The consumer's role, which a function called over HTTP changes to its own."""
    world.database.role = CONSUMER


@pytest.mark.usefixtures("consumer")
@every_record_type
def test_a_record_is_synced_shown_and_ended(world: World, type_: RecordType) -> None:
    workspace = world.workspace()
    owner, connector = world.people(workspace), world.workspace_connector(workspace)
    world.member(owner, workspace)
    record = world.record(type_, workspace)
    assert consume(synced(connector, [record])) == []
    route = ledgers()[type_].route
    for caller in (person(owner), READER):
        page = get(f"{route}?include={type_},workspace_connector&filter[{type_}]={record.id}", caller)
        assert [item["relationships"][type_]["data"]["id"] for item in page.data] == [str(record.id)]
        assert {item["type"] for item in page.document["included"]} == {type_, "workspace_connector"}
        assert get(f"{route}/{page.data[0]['id']}", caller).status == 200
    assert consume(invalidated(connector, [record])) == []
    assert get(route, person(owner)).data == []


@pytest.mark.usefixtures("consumer")
@every_record_type
def test_a_record_of_a_foreign_workspace_is_not_synced(world: World, type_: RecordType) -> None:
    record = world.record(type_, world.workspace())
    assert consume(synced(world.workspace_connector(world.workspace()), [record])) == []
    kept = world.database.owner.exec_driver_sql("SELECT outcome, reason FROM wellspring.sync_messages").all()
    assert [tuple(row) for row in kept] == [("parked", "tenant_mismatch")]
    assert get(ledgers()[type_].route, READER).data == []


@every_record_type
def test_the_demo_brings_it_in_and_carries_it_out(type_: RecordType) -> None:
    sent = {
        message["direction"]
        for message in demo_data.messages()
        if type_ in {record["type"] for record in message.get("records", ())}
    }
    assert sent == {"input", "output"}
    there = {row["id"] for row in demo_data.rows()[resource_of(type_).table]}
    assert {
        record["id"]
        for message in demo_data.messages()
        for record in message.get("records", ())
        if record["type"] == type_
    } <= there


def test_its_tables_are_those_that_a_revision_would_make_today(database: Database) -> None:
    """Who changes all ledgers adds a function that changes one, and it is called here and for each new one."""
    catalogue = Catalogue(database.owner)
    context = MigrationContext.configure(database.owner)
    with Operations.context(context):
        support.create_record("scratches", "name text NOT NULL")
        support.create_ledger("scratch", "scratches")
        support.emit_writes("scratch")
        support.recount("scratch")
    counts = "SELECT prosrc FROM pg_proc WHERE proname = 'recount_rows'"
    assert all("core_api.scratch_workspace_connectors" in source for source in catalogue.column(counts))
    made = shape(catalogue, "scratch", "scratches")
    for type_, ledger in ledgers().items():
        assert shape(catalogue, type_, resource_of(type_).table) == made, ledger.table
    readable = "SELECT has_table_privilege('wellspring_reader', 'core_api.scratches', 'SELECT')"
    assert catalogue.column(readable) == [True]
    with Operations.context(context):
        support.recount("scratch", is_dropped=True)
        support.drop_ledger("scratch", "scratches")
    assert not any("scratch" in source for source in catalogue.column(counts))
    assert not catalogue.tables() & {"scratches", "scratch_workspace_connectors"}
