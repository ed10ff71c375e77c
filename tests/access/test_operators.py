"""Operators: persons who read what a service reads, write what any person writes, and leave a trace of where they look.

Contract, section 3; docs/adr/0053.
"""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.access.good_requests import CLOSED, Good, Requests, of_routes
from tests.support.api import ANONYMOUS, READER, Caller, get, person, post, send
from tests.support.databases import READER as READER_ROLE
from tests.support.databases import WRITER, Database, FreshDatabase
from tests.support.operators import CLAIM, VALUE, noted, operator
from tests.support.wire import Flushes
from tests.support.world import Row, World
from wellspring.resources import AUDIT_ENTRY, AUDITED
from wellspring.routes import MCP_PATH, Route

COMPANIES, GROUPS, WORKSPACES = "/v1/companies", "/v1/workspace-groups", "/v1/workspaces"
READS = tuple(route for route in CLOSED if route.method == "GET" and route.resource is not None)
# What agents ask comes as POST, and only reads: tests/agents/test_operators.py.
WRITES = tuple(route for route in CLOSED if route.method != "GET" and route.path != MCP_PATH)
OF_NOBODY = {"provider", "connector"}
pytestmark = pytest.mark.usefixtures("operators")


@pytest.fixture
def requests(world: World, database: Database) -> Requests:
    return Requests(world, database)


@pytest.fixture
def someone(requests: Requests) -> Row:
    """A person of a workspace of nobody else, and a member of it."""
    workspace = requests.world.workspace("Support")
    row = requests.world.people(workspace)
    requests.world.member(row, workspace, "owner")
    return row


def test_to_a_person_without_the_value_other_tenants_are_not_there(
    database: Database, requests: Requests, someone: Row
) -> None:
    for caller in (person(someone), person(someone, **{CLAIM: "[staff]"}), person(someone, scope="system:read")):
        assert get(COMPANIES, caller).ids == []
        assert get(f"{COMPANIES}/{requests.records['company'].id}", caller).status == 404
        assert get(f"{COMPANIES}?filter[workspace]={requests.workspace.id}", caller).status == 403
    assert noted(database, someone) == []


@of_routes(READS)
def test_an_operator_reads_what_a_service_reads_and_it_is_kept(
    database: Database, requests: Requests, someone: Row, route: Route
) -> None:
    good = requests.good(route)
    # In this order: a page of the audit shows the reading that it is, first.
    found, service = good.but(caller=operator(someone)).ask(), good.but(caller=READER).ask()
    assert (found.status, found.without(uuid4())) == (service.status, service.without(uuid4()))
    assert found.status == 200
    kept = noted(database, someone)
    assert route.resource is not None
    if route.resource.type in OF_NOBODY:
        assert kept == []
        return
    path = good.parameters
    of_workspace = path.get("workspace_id") or (path["id"] if route.path == "/v1/workspaces/{id}" else "")
    of_workspace = of_workspace or good.query.partition("filter[workspace]=")[2]
    operation = route.function.rpartition(".")[2] if not route.within else "list"
    assert operation in AUDITED
    ids = [UUID(id_) if id_ else None for id_ in (path.get("id"), of_workspace)]
    assert kept == [(operation, (route.of or route.resource).type, *ids)]


@of_routes(WRITES)
def test_an_operator_writes_what_the_person_might_anyway(requests: Requests, someone: Row, route: Route) -> None:
    good = requests.good(route)

    def told(caller: Caller) -> tuple[int, list[str]]:
        with requests.undone():
            reply = requests.ask(good.but(caller=caller))
        return reply.status, reply.codes if reply.status >= 400 else []

    assert told(operator(someone)) == told(person(someone))
    # And who might, may still.
    if isinstance(good.caller.claims, dict) and "client_id" not in good.caller.claims:
        assert told(Caller({**good.caller.claims, CLAIM: VALUE}))[0] == good.status


def test_an_operator_makes_a_group_as_anybody_does(database: Database, someone: Row) -> None:
    reply = post(GROUPS, operator(someone), {"data": {"type": "workspace_group", "attributes": {"name": "Ours"}}})
    assert reply.status == 201
    assert noted(database, someone) == [("create", "workspace_group", UUID(reply.data["id"]), None)]


def test_within_their_own_workspaces_nothing_is_kept(
    database: Database, requests: Requests, someone: Row, world: World
) -> None:
    (own,) = get(WORKSPACES, person(someone)).ids
    (pk,) = database.owner.execute(text("SELECT pk FROM core_api.workspaces WHERE id = :id"), {"id": own}).scalars()
    mine = world.record("company", Row("workspace", pk, own), name="Mine")
    theirs = requests.records["company"]
    caller = operator(someone)
    for url in (
        f"{COMPANIES}?filter[workspace]={own}",
        f"{COMPANIES}/{mine.id}",
        f"{COMPANIES}/{mine.id}/sources",
        f"{WORKSPACES}/{own}",
        f"{WORKSPACES}/{own}/providers",
        "/v1/providers",
    ):
        assert get(url, caller).status == 200, url
        assert noted(database, someone) == [], url
    both = f"{COMPANIES}?filter[workspace]={own},{requests.workspace.id}"
    assert {mine.id, theirs.id} == {*get(both, caller).ids}
    # One for each workspace that was named.
    assert noted(database, someone) == [("list", "company", None, named) for named in (own, requests.workspace.id)]


def test_who_keeps_a_workspace_reads_that_somebody_looked_at_it_and_services_read_who(
    requests: Requests, someone: Row, world: World
) -> None:
    foreign, keeper = requests.workspace, world.people(requests.workspace)
    world.member(keeper, foreign, "owner")
    url = f"{AUDIT_ENTRY.route}?filter[workspace]={foreign.id}"
    assert get(url, ANONYMOUS).status == 401
    assert get(f"{COMPANIES}?filter[workspace]={foreign.id}", operator(someone)).status == 200
    assert get(url, person(someone)).status == 403

    def told(caller: Caller) -> list[tuple[object, ...]]:
        entries = get(url, caller).data
        said = [(entry["attributes"], entry["relationships"]["caller"]["data"]) for entry in entries]
        return [(each["operation"], each["resource"], who and who["id"]) for each, who in said]

    company = {"type": "company", "id": None}
    assert told(person(keeper)) == [("list", company, None)]
    assert told(READER) == [("list", company, str(someone.id))]
    # An operator's reading of the audit is what they read first.
    audit_entry = {"type": "audit_entry", "id": None}
    assert [read for *read, _ in told(operator(someone))] == [["list", audit_entry], ["list", company]]


def test_what_is_not_there_and_what_is_asked_wrongly_are_told_as_to_a_service(database: Database, someone: Row) -> None:
    caller, unknown = operator(someone), uuid4()
    for url, status in (
        (f"{COMPANIES}/{unknown}", 404),
        (f"{COMPANIES}/none", 404),
        (f"{COMPANIES}?filter[workspace]={unknown}", 403),
        (f"{COMPANIES}?sort=updated_at", 400),
        (f"{COMPANIES}?filter[colour]=red", 400),
    ):
        found, service = get(url, caller), get(url, READER)
        assert (found.status, found.without(unknown)) == (status, service.without(unknown)), url
    # Where it failed in its transaction, nothing was read, and nothing is kept.
    assert noted(database, someone) == []


def test_head_is_kept_as_get(database: Database, someone: Row) -> None:
    route = next(route for route in READS if route.path == COMPANIES)
    event = Good(route, operator(someone), 200).event
    event["requestContext"]["http"]["method"] = "HEAD"
    assert send(event).status == 200
    assert noted(database, someone) == [("list", "company", None, None)]


@pytest.mark.parametrize("end", ["deleted_at = now()", "source = NULL", "erased_at = now(), deleted_at = now()"])
def test_who_is_gone_or_was_never_told_of_reads_nothing(
    database: Database, requests: Requests, someone: Row, end: str
) -> None:
    database.owner.exec_driver_sql(f"UPDATE core_api.peoples SET {end} WHERE pk = {someone.pk}")
    for caller in (operator(someone), person(Row("people", 0, uuid4()), **{CLAIM: VALUE})):
        for url in (COMPANIES, f"{COMPANIES}/{requests.records['company'].id}", "/v1/feed-status"):
            assert get(url, caller).status == 403, url
    assert noted(database, someone) == []


# ---- the second guard ------------------------------------------------------------------------------------------
def test_nothing_but_the_reader_may_work_for_an_operator(database: Database) -> None:
    """So that whatever a statement asks for, nothing is written for one."""
    for enter in ("enter('operator:x')", "enter_within('operator:x', 1000)", "enter_emitting('operator:x', 1000)"):
        database.role = WRITER
        refused = pytest.raises(DBAPIError, match="an operator only reads")
        with refused, database.connection() as held, held.begin_nested():
            held.exec_driver_sql(f"SELECT wellspring.{enter}")


def test_only_an_operator_is_noted_and_by_their_own_name(requests: Requests, database: Database, someone: Row) -> None:
    world = requests.world
    contact, gone = world.people(world.workspace(), source=None), world.people(world.workspace())
    world.tombstone(gone)

    def note(said: str) -> None:
        with database.connection() as held, held.begin_nested():
            held.exec_driver_sql("SELECT wellspring.enter(%s)", (said,))
            held.exec_driver_sql("SELECT wellspring.note_reading('list', 'company', NULL, '{}')")

    database.role = READER_ROLE
    operators = (f"operator:{id_}" for id_ in (uuid4(), contact.id, gone.id))
    for said in ("", str(someone.id), "service:x", *operators):
        with pytest.raises(DBAPIError, match="for operators"):
            note(said)
    note(f"operator:{someone.id}")
    assert noted(database, someone) == [("list", "company", None, None)]


# ---- transactions ----------------------------------------------------------------------------------------------
def test_a_read_and_its_trace_are_one_snapshot_and_one_flush(
    fresh_database: FreshDatabase, world: World, flushes: Flushes
) -> None:
    someone, company = world.people(world.workspace()), world.record("company", world.workspace(), name="Theirs")
    fresh_database.commit()
    caller = operator(someone)
    assert get(COMPANIES, caller).ids == [company.id]
    flushes.clear()
    assert get(COMPANIES, caller).ids == [company.id]
    # Whose it is, which ends with its own COMMIT; and the page with what it is kept by.
    assert len(flushes) == 3
    assert noted(fresh_database, someone) == [("list", "company", None, None)] * 2


def test_what_could_not_be_kept_is_not_answered(fresh_database: FreshDatabase, world: World) -> None:
    someone = world.people(world.workspace())
    world.record("company", world.workspace(), name="Theirs")
    full_up = "ALTER TABLE wellspring.audit ADD CONSTRAINT full_up CHECK (operation <> 'list')"
    fresh_database.owner.exec_driver_sql(full_up)
    fresh_database.commit()
    reply = get(COMPANIES, operator(someone))
    assert reply.status == 500
    assert "Theirs" not in reply.body
