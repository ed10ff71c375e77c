"""`run.completed`: a run is whole when all of its messages are applied, and says so (contract, section 5)."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from maintenance.prune import handler as prune
from maintenance.settle import handler as settle
from tests.support.api import Context, post, service
from tests.support.queue import Body, completed, consume, invalidated, reverted, synced
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Tenant, ids

# Time stands still in a transaction that is rolled back, and rows are known by their time: each has its own here.
pytestmark = pytest.mark.usefixtures("fresh_database")

PIPELINE = service("sync:write", "system:read")


def of_run(body: Body, run: str = "nightly") -> Body:
    return body | {"run": run}


def fate(ledger: Ledger, body: Body) -> tuple[str, str | None]:
    row = ledger.messages()[body["id"]]
    return row.outcome, row.reason


def applied(*bodies: Body) -> None:
    for body in bodies:
        assert consume(body) == []


def run_of(world: World, connector: Row, name: str = "nightly") -> Any:
    found = world.database.owner.execute(
        text("SELECT * FROM wellspring.sync_runs WHERE workspace_connector_pk = :pk AND run = :run"),
        {"pk": connector.pk, "run": name},
    ).one_or_none()
    world.database.commit()
    return found


def waits_for(world: World) -> set[tuple[str, str]]:
    rows = world.database.owner.exec_driver_sql("SELECT type, id::text FROM wellspring.waiting_for").all()
    world.database.commit()
    return {tuple(row) for row in rows}


def release(ledger: Ledger, body: Body) -> Any:
    return post(f"/v1/sync-messages/{ledger.messages()[body['id']].id}/release", PIPELINE, None)


def dismiss(ledger: Ledger, id_: object) -> Any:
    return post(f"/v1/sync-messages/{id_}/dismiss", PIPELINE, {"meta": {"note": "A mistake."}})


def test_the_first_message_of_a_run_makes_its_row_and_others_count_in_it(
    world: World, ours: Tenant, ledger: Ledger
) -> None:
    absent = Row("company", 0, uuid4())
    first, second = (of_run(synced(ours.connector, ours.mixed, mode="relink")) for _ in range(2))
    third = of_run(synced(ours.connector, [absent]))
    assert consume(first, second, synced(ours.other_connector, ours.mixed)) == []
    applied(third, first)
    run = run_of(world, ours.connector)
    assert (run.state, run.messages_applied, run.messages_parked, run.messages_expected) == ("open", 2, 1, None)
    each = {"named": 2, "made": 0, "linked": 2, "ended": 1}
    assert run.counts == dict.fromkeys(("account", "company", "people"), each)
    of = {body["id"]: row.sync_run_pk for body in (first, second, third) for row in [ledger.messages()[body["id"]]]}
    assert set(of.values()) == {run.pk}
    # What is parked counts no more once it is applied, or dismissed.
    world.record("company", ours.workspace, id=absent.id)
    settle({}, Context())
    run = run_of(world, ours.connector)
    assert (run.messages_applied, run.messages_parked) == (3, 0)
    odd = of_run(synced(ours.connector, [Row("company", 0, uuid4())]))
    applied(odd)
    assert run_of(world, ours.connector).messages_parked == 1
    assert dismiss(ledger, ledger.messages()[odd["id"]].id).status == 200
    assert run_of(world, ours.connector).messages_parked == 0


def test_a_run_is_complete_when_all_of_its_messages_are_applied(world: World, ours: Tenant, ledger: Ledger) -> None:
    first, second = (of_run(synced(ours.connector, ours.mixed)) for _ in range(2))
    end = completed(ours.connector, "nightly", first["id"], second["id"])
    assert consume(first, second, end) == []
    assert fate(ledger, end) == ("applied", None)
    run = run_of(world, ours.connector)
    assert (run.state, run.messages_expected, run.messages_applied) == ("complete", 2, 2)
    assert run.completed_at is not None
    assert run.snapshot is None
    assert ledger.live() == ids([*ours.mixed, *ours.mixed])
    applied(end)
    # Of no messages at all.
    nothing = completed(ours.other_connector, "nightly")
    applied(nothing)
    assert run_of(world, ours.other_connector).state == "complete"


@pytest.mark.parametrize("missing", ["never sent", "parked", "of another run", "of another connector", "reverted"])
def test_a_run_that_misses_a_message_is_incomplete_and_its_end_waits_for_that(
    world: World, ours: Tenant, ledger: Ledger, missing: str
) -> None:
    there, absent = of_run(synced(ours.connector, ours.mixed)), Row("company", 0, uuid4())
    late = of_run(synced(ours.connector, [absent] if missing == "parked" else ours.mixed))
    applied(there)
    if missing == "of another run":
        applied(of_run(late, "weekly"))
    elif missing == "of another connector":
        applied(late | {"workspace_connector_id": str(ours.other_connector.id)})
    elif missing != "never sent":
        applied(late)
    if missing == "reverted":
        applied(reverted(ours.connector, late["id"]))
    end = completed(ours.connector, "nightly", there["id"], late["id"])
    applied(end, end)
    settle({}, Context())
    assert fate(ledger, end) == ("parked", "incomplete_run")
    run = run_of(world, ours.connector)
    assert (run.state, run.messages_expected) == ("incomplete", 2)
    assert ("message", late["id"]) in waits_for(world)
    message = ledger.messages()[end["id"]]
    assert message.problems == [{"code": "incomplete_run", "type": "message", "id": late["id"]}]
    sums_are_right(world.database)


@pytest.mark.parametrize("by", ["its batch", "settle"])
def test_it_is_released_by_itself_once_what_it_misses_is_applied(
    world: World, ours: Tenant, ledger: Ledger, by: str
) -> None:
    absent = Row("company", 0, uuid4())
    there, late = of_run(synced(ours.connector, ours.mixed)), of_run(synced(ours.connector, [absent]))
    end = completed(ours.connector, "nightly", there["id"], late["id"])
    if by == "settle":
        assert consume(there, late, end) == []
        world.record("company", ours.workspace, id=absent.id)
        settle({}, Context())
        settle({}, Context())
    else:
        assert consume(there, end) == []
        assert fate(ledger, end) == ("parked", "incomplete_run")
        world.record("company", ours.workspace, id=absent.id)
        applied(late)
    assert fate(ledger, end) == ("applied", None)
    assert run_of(world, ours.connector).state == "complete"
    assert waits_for(world) == set()
    sums_are_right(world.database)


def test_a_reused_id_of_the_run_holds_it_up_until_it_is_dismissed(world: World, ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.companies[:1]))
    other = of_run(synced(ours.connector, ours.companies[1:2])) | {"id": first["id"]}
    end = completed(ours.connector, "nightly", first["id"])
    applied(first, other, end)
    assert fate(ledger, end) == ("parked", "incomplete_run")
    reused = next(
        row
        for row in world.database.owner.exec_driver_sql(
            "SELECT id FROM wellspring.sync_messages WHERE reason = 'reused_id'"
        )
    )
    world.database.commit()
    assert waits_for(world) == {("sync_message", str(reused.id))}
    settle({}, Context())
    assert fate(ledger, end) == ("parked", "incomplete_run")
    assert dismiss(ledger, reused.id).status == 200
    settle({}, Context())
    assert fate(ledger, end) == ("applied", None)


def test_later_messages_of_a_complete_run_are_parked(world: World, ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", first["id"])
    applied(first, end)
    late = [
        of_run(synced(ours.connector, ours.mixed)),
        of_run(invalidated(ours.connector, ours.mixed)),
        completed(ours.connector, "nightly"),
    ]
    applied(*late, first, end)
    assert {fate(ledger, body) for body in late} == {("parked", "completed_run")}
    assert {fate(ledger, body) for body in (first, end)} == {("applied", None)}
    assert ledger.live() == ids(ours.mixed)
    assert run_of(world, ours.connector).state == "complete"
    assert release(ledger, late[0]).data["attributes"]["reason"] == "completed_run"


def test_it_is_never_overtaken_and_overtakes_nobody_while_it_is_parked(
    world: World, ours: Tenant, ledger: Ledger
) -> None:
    absent = Row("company", 0, uuid4())
    waiting = synced(ours.connector, [absent], mode="relink")
    late = of_run(synced(ours.connector, ours.companies[:1]))
    end = completed(ours.connector, "nightly", late["id"])
    applied(waiting, end)
    assert fate(ledger, end) == ("parked", "incomplete_run")
    world.record("company", ours.workspace, id=absent.id)
    settle({}, Context())
    # The relink, before which nothing but the parked end of the run has come since.
    assert fate(ledger, waiting) == ("applied", None)
    applied(synced(ours.connector, ours.companies, mode="relink"), late)
    assert fate(ledger, end) == ("applied", None)


@pytest.mark.parametrize(
    ("mode", "types", "becomes"),
    [
        ("append", (), ("applied", None)),
        ("relink", (), ("parked", "overtaken")),
        ("append", ("company",), ("parked", "overtaken")),
    ],
)
def test_without_a_snapshot_it_counts_as_an_append(
    world: World, ours: Tenant, ledger: Ledger, mode: str, types: tuple[str, ...], becomes: tuple[str, str | None]
) -> None:
    absent = Row("company", 0, uuid4())
    waiting, end = synced(ours.connector, [absent], mode=mode), completed(ours.connector, "nightly", types=types)
    applied(waiting, end)
    assert fate(ledger, end) == ("applied", None)
    world.record("company", ours.workspace, id=absent.id)
    settle({}, Context())
    assert fate(ledger, waiting) == becomes


def test_a_run_of_thirty_days_is_expired(world: World, ours: Tenant, ledger: Ledger) -> None:
    late = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", late["id"])
    whole = completed(ours.other_connector, "nightly")
    applied(end, whole)
    owner = world.database.owner
    owner.exec_driver_sql("UPDATE wellspring.sync_runs SET started_at = now() - interval '31 days'")
    world.database.commit()
    # Nobody has written it down yet.
    later = completed(ours.connector, "nightly")
    applied(later)
    assert fate(ledger, later) == ("parked", "expired")
    assert ledger.messages()[later["id"]].body is None
    settle({}, Context())
    assert run_of(world, ours.connector).state == "expired"
    assert run_of(world, ours.other_connector).state == "complete"
    assert fate(ledger, end) == ("parked", "expired")
    assert waits_for(world) == set()
    assert release(ledger, end).status == 409
    applied(late, end)
    assert fate(ledger, late) == ("applied", None)
    assert fate(ledger, end) == ("parked", "expired")
    assert run_of(world, ours.connector).state == "expired"


def test_a_dismissed_end_leaves_its_run_open(world: World, ours: Tenant, ledger: Ledger) -> None:
    end = completed(ours.connector, "nightly", str(uuid4()))
    applied(end)
    assert dismiss(ledger, ledger.messages()[end["id"]].id).status == 200
    run = run_of(world, ours.connector)
    assert (run.state, run.messages_parked) == ("open", 0)
    again = completed(ours.connector, "nightly")
    applied(again)
    assert run_of(world, ours.connector).state == "complete"


def test_a_reverted_run_is_reverted_also_before_it_was_seen(world: World, ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", first["id"])
    undo = reverted(ours.connector, run="nightly")
    applied(first, end, undo)
    assert run_of(world, ours.connector).state == "reverted"
    assert not ledger.live()
    applied(reverted(ours.other_connector, run="nightly"))
    assert run_of(world, ours.other_connector).state == "reverted"
    late = completed(ours.other_connector, "nightly")
    applied(late)
    assert fate(ledger, late) == ("parked", "reverted_run")


def test_a_revert_of_single_messages_leaves_a_complete_run_complete(world: World, ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", first["id"])
    applied(first, end, reverted(ours.connector, first["id"]))
    assert run_of(world, ours.connector).state == "complete"
    applied(reverted(ours.connector, end["id"]))
    assert run_of(world, ours.connector).state == "reverted"


def test_a_run_goes_with_its_last_message(world: World, ours: Tenant, ledger: Ledger) -> None:
    first, second = (of_run(synced(ours.connector, ours.mixed)) for _ in range(2))
    applied(first, second, reverted(ours.other_connector, run="nightly"))
    owner = world.database.owner

    def make_old(which: str) -> None:
        owner.exec_driver_sql(f"UPDATE wellspring.sync_messages SET received_at = now() - interval '91 days' {which}")
        owner.exec_driver_sql("UPDATE wellspring.sync_runs SET started_at = now() - interval '91 days'")
        world.database.commit()
        prune({}, Context())

    make_old(f"WHERE message_id = '{first['id']}'")
    assert first["id"] not in ledger.messages()
    assert run_of(world, ours.connector) is not None
    make_old("WHERE message_type <> 'sync.reverted'")
    assert run_of(world, ours.connector) is None
    assert run_of(world, ours.other_connector) is not None
    make_old("")
    assert run_of(world, ours.other_connector) is None


@pytest.mark.parametrize(
    "members",
    [
        {"run": None},
        {"run": ""},
        {"message_ids": None},
        {"message_ids": ["x"]},
        {"message_ids": [str(uuid4())] * 5001},
        {"snapshot": {"direction": "input", "types": [], "read_since": "2026-05-10T08:14:22Z"}},
        {"snapshot": {"direction": "input", "types": ["workspace"], "read_since": "2026-05-10T08:14:22Z"}},
        {"snapshot": {"direction": None, "types": ["company"], "read_since": "2026-05-10T08:14:22Z"}},
        {"snapshot": {"direction": "input", "types": ["company"], "read_since": "2126-05-10T08:14:22Z"}},
        {"snapshot": {"direction": "input", "types": ["company"]}},
        {"occurred_at": None},
        {"id": "00000000-0000-0000-0000-000000000001", "message_ids": ["00000000-0000-0000-0000-000000000001"]},
    ],
    ids=[
        *("no run", "empty run", "no ids", "no uuids", "too many", "no types", "other types", "both directions"),
        *("future", "no time of reading", "no time", "itself"),
    ],
)
def test_what_says_not_which_run_it_ends_is_malformed(ours: Tenant, ledger: Ledger, members: dict[str, Any]) -> None:
    body = completed(ours.connector, "nightly") | members
    applied(body)
    assert fate(ledger, body) == ("parked", "malformed")
