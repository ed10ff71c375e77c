"""Records that were never there, made of what a message says of them: in its connector's workspace, all or none."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.api import draft, get, person, post
from tests.support.databases import CONSUMER, FEEDER, FreshDatabase, acting_as
from tests.support.feed import Event, event, statuses, upserted
from tests.support.queue import Body, consume, invalidated, synced
from tests.support.world import RECORDS, Row, World
from tests.sync.conftest import APPLIED, ATTRIBUTES, Ledger, Tenant, absent, bringing
from wellspring.repositories.sync import making


def told(event: Event) -> None:
    with acting_as(FEEDER):
        assert statuses(event) == ["applied"]


def record(ledger: Ledger, row: Row) -> Any:
    found = ledger.sql(
        f"SELECT record.*, workspace.id AS workspace_id FROM {RECORDS[row.type]} AS record"
        " JOIN core_api.workspaces AS workspace ON workspace.pk = record.workspace_pk WHERE record.id = :id",
        id=row.id,
    )
    return next(iter(found), None)


@pytest.mark.parametrize(("type_", "name"), [("company", "name"), ("account", "account_name"), ("people", "full_name")])
def test_a_record_that_was_never_there_is_made(ours: Tenant, ledger: Ledger, type_: str, name: str) -> None:
    row, known = absent(type_), ours.companies[0]
    body = bringing(ours.connector, row)
    body["records"].append({"type": "company", "id": str(known.id), "attributes": {"name": "Another name"}})
    assert consume(body) == []
    made = record(ledger, row)
    assert (made.workspace_id, getattr(made, name)) == (ours.workspace.id, ATTRIBUTES[type_][name])
    assert (made.source, made.source_version, made.folded_name) == (None, 0, str(ATTRIBUTES[type_][name]).lower())
    assert record(ledger, known).name != "Another name"
    assert ledger.live() == {row.id: 1, known.id: 1}
    counts = ledger.messages()[body["id"]].counts
    assert (counts[type_]["made"], counts[type_]["linked"]) == (1, 2 if type_ == "company" else 1)
    # A second one finds it there.
    again = bringing(ours.other_connector, row)
    assert consume(again) == []
    assert ledger.messages()[again["id"]].counts[type_]["made"] == 0


def test_a_person_that_a_sync_made_is_nobodys_identity_until_the_feed_tells_of_them(ours: Tenant) -> None:
    contact = absent("people")
    assert consume(bringing(ours.connector, contact)) == []
    # They are there, so a membership that the feed tells of need not wait for them.
    told(upserted("workspace_membership", uuid4(), role="owner", people_id=contact, workspace_id=ours.workspace))
    group = draft("workspace_group", {"name": "New"})

    def shown() -> tuple[list[UUID], list[UUID], int, int]:
        companies, workspaces = get("/v1/companies", person(contact)), get("/v1/workspaces", person(contact))
        one = get(f"/v1/workspaces/{ours.workspace.id}", person(contact))
        return companies.ids, workspaces.ids, one.status, post("/v1/workspace-groups", person(contact), group).status

    assert shown() == ([], [], 404, 403)
    told(upserted("people", contact, workspace_id=ours.workspace))
    companies, workspaces, one, made = shown()
    assert (set(companies), workspaces) == ({row.id for row in ours.companies}, [ours.workspace.id])
    assert (one, made) == (200, 201)


@pytest.mark.parametrize("way", ["tombstoned", "buried", "erased", "foreign"])
def test_the_gone_and_anothers_are_parked(world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, way: str) -> None:
    row = absent("people")
    if way == "tombstoned":
        world.tombstone(made := world.record("people", ours.workspace, id=row.id))
        assert made.id == row.id
    elif way == "foreign":
        world.record("people", theirs.workspace, id=row.id)
    else:
        told(event("people", "deleted" if way == "buried" else "erased", row))
    other = absent()
    body = bringing(ours.connector, row)
    body["records"].append({"type": "company", "id": str(other.id), "attributes": {"name": "Never made"}})
    assert consume(body) == []
    assert ledger.fate(body) == ("parked", "tenant_mismatch" if way == "foreign" else "unknown_record")
    assert [problem["id"] for problem in ledger.messages()[body["id"]].problems] == [str(row.id)]
    # All or nothing.
    assert record(ledger, other) is None
    assert not ledger.live()


def test_what_a_batch_makes_is_there_for_what_comes_behind_it(
    ours: Tenant, theirs: Tenant, ledger: Ledger, no_pauses: list[float]
) -> None:
    row = absent()
    batch = [
        bringing(ours.connector, row),
        synced(ours.connector, [row]),
        synced(ours.other_connector, [row], mode="relink"),
        invalidated(ours.connector, [row]),
        bringing(theirs.connector, row),
        bringing(ours.connector, row, name="Another name"),
    ]
    assert consume(*batch) == []
    # Not because the database refused them together, and they were tried again one by one.
    assert no_pauses == []
    assert list(map(ledger.fate, batch)) == [*[APPLIED] * 4, ("parked", "tenant_mismatch"), APPLIED]
    assert ledger.live(ours.connector) == {row.id: 1}
    assert record(ledger, row).name == "Alder Trading"
    making = (ledger.messages()[body["id"]].counts["company"]["made"] for body in (batch[0], batch[-1]))
    assert list(making) == [1, 0]


def test_two_may_make_the_same_records_at_once(fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger) -> None:
    rows = [absent() for _ in range(200)]
    bodies = [
        bringing(connector, *order)
        for connector in (ours.connector, ours.other_connector)
        for order in (rows, rows[::-1])
    ]

    def deliver(body: Body) -> list[int]:
        with acting_as(CONSUMER):
            return consume(body)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(deliver, bodies)) == [[]] * 4
    messages = ledger.messages()
    assert sum(messages[body["id"]].counts["company"]["made"] for body in bodies) == 200
    assert ledger.live() == {row.id: 4 for row in rows}


def test_what_another_makes_between_the_look_and_the_lock_is_no_reason_to_park_a_message(
    fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, own = absent(), absent("people")
    body, other = bringing(ours.connector, both, own), bringing(ours.other_connector, both)
    creatable_records = making.creatable_records
    meanwhile: list[list[int]] = []

    def overtaken(*asked: Any) -> Any:
        if not meanwhile:
            meanwhile.append([])
            with ThreadPoolExecutor(1) as threads:
                assert threads.submit(copy_context().run, consume, other).result(30) == []
        return creatable_records(*asked)

    monkeypatch.setattr(making, "creatable_records", overtaken)
    assert consume(body) == []
    assert meanwhile
    messages = ledger.messages()
    assert [ledger.fate(each) for each in (other, body)] == [APPLIED, APPLIED]
    assert [messages[each["id"]].counts["company"]["made"] for each in (other, body)] == [1, 0]
    assert ledger.live() == {both.id: 2, own.id: 1}
