"""Erasing a workspace: nobody sees it any more at once, its texts go in chunks, and nothing brings any of it back."""

import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from feed.settle import handler
from tests.feed.conftest import Tables, sync
from tests.feed.test_erasing import everything
from tests.support.api import READER, Context, get
from tests.support.databases import FEEDER
from tests.support.feed import SOURCE, Event, apply, deleted, event, settle, statuses, upserted
from tests.support.queue import synced
from tests.support.transactions import in_transaction
from tests.support.world import Row, World
from tests.sync.conftest import absent
from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.repositories.feed import erasures
from wellspring.services import feed

# Stands in every text of the workspace that is erased, and in none of another.
NAME = "Quille"
OTHER = "/well/other"


def erased(workspace: Row | UUID, version: int = 9, source: str = SOURCE) -> Event:
    return event("workspace", "erased", workspace, version, source=source)


def erase(world: World) -> None:
    """Erase as the schedule does, a minute later, until it is done."""
    world.database.role = FEEDER
    later = "UPDATE wellspring.erasures SET erased_at = erased_at - interval '61 seconds' WHERE done_at IS NULL"
    world.database.owner.exec_driver_sql(later)
    world.database.commit()
    for _ in range(3):
        feed.erase(Deadline(30.0))


def is_done(tables: Tables) -> bool:
    return bool(tables.value("SELECT done_at IS NOT NULL FROM wellspring.erasures"))


@pytest.fixture
def workspace(world: World) -> Row:
    """A workspace whose name stands wherever the ledger keeps a text, beside another with as much."""
    _filled(world, f"{NAME} False")
    return _filled(world, f"{NAME} True")


def _filled(world: World, name: str) -> Row:
    workspace = world.workspace(name)
    owner = world.database.owner
    person, contact = world.people(workspace, name), world.people(workspace, f"{name} contact")
    world.member(person, workspace, "owner")
    connection = world.workspace_connector(workspace, status=name)
    company = world.company(workspace, name)
    world.provenance(company, connection)
    world.account(workspace, name)
    ended = world.company(workspace, f"{name} ended")
    owner.execute(text("UPDATE core_api.companies SET deleted_at = now() WHERE pk = :pk"), {"pk": ended.pk})
    elsewhere = world.workspace("Elsewhere")
    world.member(person, elsewhere)
    world.group_member(person, world.group(contact))
    body = json.dumps({"type": "records.synced", "workspace_connector_id": str(connection.id), "records": [name]})
    said = {"subject_id": connection.id, "run": name}
    world.message(connection, workspace, "parked", reason="unknown_record", body=body, **said)
    world.message(connection, workspace, "dismissed", note=name, **said)
    world.run(connection, workspace, name, state="incomplete")
    # Kept before its connector came, and one of another workspace that names the person.
    malformed = f'{{"workspace_connector_id": "{connection.id}", "records": "{name}'
    record = {"type": "people", "id": str(person.id), "attributes": {"full_name": name}}
    others = world.workspace_connector(elsewhere)
    theirs = json.dumps({"type": "records.synced", "workspace_connector_id": str(others.id), "records": [record]})
    for subject, reason, kept in ((connection, "malformed", malformed), (others, "unknown_record", theirs)):
        owner.exec_driver_sql(
            "INSERT INTO wellspring.sync_messages (subject_id, outcome, reason, body, digest, processed_at)"
            " VALUES (%s, 'parked', %s, %s, sha256(convert_to(%s, 'UTF8')), NULL)",
            (subject.id, reason, kept, kept),
        )
    owner.exec_driver_sql(
        "INSERT INTO wellspring.audit (caller, operation, resource_type, workspace_pk, note)"
        " VALUES ('service:a', 'dismiss', 'sync_message', %s, %s)",
        (workspace.pk, name),
    )
    # One whose document names the company alone, and one of nobody's.
    for id_, shown in ((company.id, name), (uuid4(), "Kept")):
        answer = {"body": json.dumps({"id": str(id_), "attributes": {"name": shown}})}
        owner.exec_driver_sql(
            "INSERT INTO wellspring.idempotency_keys (caller, key, fingerprint, answer)"
            " VALUES ('service:a', %s, '', %s)",
            (str(id_), json.dumps(answer)),
        )
    world.database.commit()
    # One waits for its person, one is another source's, and two are no events.
    told = upserted("company", company, 5, workspace_id=workspace, name=name)
    apply(
        told,
        upserted("workspace_membership", uuid4(), 5, workspace_id=workspace, people_id=uuid4()),
        told | {"source": OTHER},
        told | {"sequence": "none"},
    )
    feed.apply(feed_events.parse(json.dumps(told)[:-1]), Deadline(30.0))
    return workspace


def count_of(tables: Tables, name: str) -> int:
    return everything(tables).count(name)


def test_leaves_its_texts_nowhere_and_those_of_others_alone(tables: Tables, world: World, workspace: Row) -> None:
    before = count_of(tables, f"{NAME} False")
    assert count_of(tables, f"{NAME} True") == before > 15
    assert statuses(erased(workspace, 1)) == ["applied"]
    assert get(f"/v1/workspaces/{workspace.id}", READER).status == 404
    erase(world)
    assert count_of(tables, f"{NAME} True") == 0
    assert count_of(tables, f"{NAME} False") == before
    gone = {
        "account": 1,
        "company": 2,
        "feed_event": 4,
        "kept_answer": 1,
        "membership_elsewhere": 2,
        "message_elsewhere": 1,
        "note": 1,
        "people": 2,
        "sync_message": 3,
        "sync_run": 1,
        "workspace_connector": 1,
        "workspace_membership": 1,
    }
    (report,) = get("/v1/feed-status", READER).data["attributes"]["erasures"]
    assert report["workspace"] == str(workspace.id)
    assert report["done_at"] >= report["erased_at"]
    assert report["gone"] == [{"type": type_, "number": number} for type_, number in gone.items()]


@pytest.mark.parametrize("most", [1, 2])
def test_goes_on_where_it_was_killed(
    tables: Tables, world: World, workspace: Row, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHUNK", "LOOKED_AT", "BODIES"):
        monkeypatch.setattr(erasures, name, most)
    apply(erased(workspace))
    (pk,) = in_transaction(erasures.open_erasures, None)
    chunks = 0
    while in_transaction(lambda transaction: erasures.go_on(transaction, pk, 60.0), None):
        chunks += 1
    assert chunks > 20 / most
    assert count_of(tables, f"{NAME} True") == 0
    erase(world)
    assert is_done(tables)


def test_is_done_when_what_others_wrote_meanwhile_is_gone(tables: Tables, world: World, workspace: Row) -> None:
    apply(erased(workspace))
    assert feed.erase(Deadline(30.0)) > 0
    late = world.company(workspace, f"{NAME} True, late")
    assert feed.erase(Deadline(30.0)) == 0
    assert not is_done(tables)
    erase(world)
    assert is_done(tables)
    assert tables.resource("companies", late.id).name == "Erased"


def test_ends_what_is_in_it_and_the_sums_of_its_sources(tables: Tables, world: World) -> None:
    workspace, company, connector = uuid4(), uuid4(), world.connector()
    connection = uuid4()
    apply(
        upserted("workspace", workspace),
        upserted("company", company, workspace_id=workspace),
        upserted("workspace_connector", connection, workspace_id=workspace, connector_id=connector),
    )
    apply(erased(workspace))
    erase(world)
    assert tables.sql("SELECT DISTINCT live FROM wellspring.feed_sources") == [(0,)]
    ended = {row.type for row in tables.sql("SELECT type FROM wellspring.endings")}
    assert ended == {"company", "workspace_connector"}
    assert tables.resource("companies", company).deleted_at is not None


def test_takes_what_is_parked_off_the_count_of_its_connector(tables: Tables, world: World) -> None:
    workspace = world.workspace()
    connection = world.workspace_connector(workspace)
    body = synced(connection, [absent()])
    sync(body)
    apply(erased(workspace))
    erase(world)
    row = tables.one("SELECT * FROM wellspring.sync_messages WHERE message_id = :id", id=body["id"])
    assert (row.outcome, row.reason, row.problems, row.body) == ("dismissed", "unknown_record", [], None)
    assert tables.value("SELECT parked_messages FROM wellspring.connector_state") == 0
    assert tables.count("wellspring.waiting_for") == 0


def test_nothing_brings_any_of_it_back_and_nothing_of_it_is_kept(tables: Tables, world: World, workspace: Row) -> None:
    company = tables.value("SELECT id FROM core_api.companies WHERE workspace_pk = :pk LIMIT 1", pk=workspace.pk)
    person = tables.value("SELECT id FROM core_api.peoples WHERE workspace_pk = :pk LIMIT 1", pk=workspace.pk)
    apply(erased(workspace))
    name = f"{NAME} True"
    events = (
        upserted("workspace", workspace, 99, name=name),
        upserted("workspace", workspace, 99, name=name, source=OTHER),
        deleted("workspace", workspace, 99),
        upserted("company", company, 99, workspace_id=workspace, name=name),
        upserted("company", company, 99, workspace_id=uuid4(), name=name),
        upserted("people", person, 99, workspace_id=workspace, full_name=name, source=OTHER),
        upserted("company", uuid4(), 99, workspace_id=workspace, name=name),
        upserted("workspace_membership", uuid4(), 99, workspace_id=workspace, people_id=person),
    )
    assert statuses(*events) == ["stale"] * len(events)
    malformed = upserted("company", uuid4(), workspace_id=workspace, name=name) | {"sequence": "none"}
    assert statuses(malformed) == ["malformed"]
    connection = Row(
        "workspace_connector",
        0,
        tables.value("SELECT id FROM core_api.workspace_connectors WHERE workspace_pk = :pk", pk=workspace.pk),
    )
    told = synced(connection, [absent()])
    told["records"][0]["attributes"] = {"name": name}
    erase(world)
    sync(told, json.dumps(told | {"mode": "none", "id": str(uuid4())}))
    assert count_of(tables, name) == 0
    assert is_done(tables)


def test_of_one_that_was_never_seen_is_kept(tables: Tables, world: World) -> None:
    workspace, company = uuid4(), uuid4()
    waits = upserted("company", company, 5, workspace_id=workspace, name=NAME)
    assert statuses(waits) == ["waiting"]
    assert statuses(erased(workspace, 1)) == ["applied"]
    erase(world)
    assert (tables.pending(), count_of(tables, NAME)) == ([], 0)
    assert statuses(upserted("workspace", workspace, 9), waits) == ["stale", "stale"]
    assert settle() == 0
    assert tables.resource("workspaces", workspace) is None


def test_anothers_is_parked(tables: Tables) -> None:
    workspace = uuid4()
    apply(upserted("workspace", workspace, name=NAME))
    assert statuses(erased(workspace, source=OTHER)) == ["other_source"]
    assert tables.count("wellspring.erasures") == 0
    assert tables.resource("workspaces", workspace).name == NAME


def test_told_again_looks_again(tables: Tables, world: World, workspace: Row) -> None:
    apply(erased(workspace))
    erase(world)
    # As in a database that was restored in part.
    world.company(workspace, f"{NAME} True")
    assert statuses(erased(workspace, 10)) == ["stale"]
    assert not is_done(tables)
    erase(world)
    assert (is_done(tables), count_of(tables, f"{NAME} True")) == (True, 0)


def test_the_schedule_erases(tables: Tables, workspace: Row) -> None:
    apply(erased(workspace))
    assert handler({}, Context())["erased"] > 0  # type: ignore[operator]
    assert count_of(tables, f"{NAME} True") == 0
