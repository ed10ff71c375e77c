"""Settling: what was parked for something that has come is released, in its order, once, and nothing else is."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from maintenance.settle import handler
from tests.support import events
from tests.support.api import Context
from tests.support.databases import FreshDatabase
from tests.support.queue import Body, consume, disconnected, invalidated, matched, synced
from tests.support.world import Row, World
from tests.sync.conftest import APPLIED, Ledger, Log, Tenant, absent, come, ids, settle, tenant
from wellspring.database.retry import Deadline
from wellspring.errors import DatabaseBusy, InternalError, ServiceUnavailable
from wellspring.repositories.sync import applying
from wellspring.repositories.sync.releasing import WAITING
from wellspring.services import settling
from wellspring.services.settling import Done
from wellspring.services.sync import releasing

# Events of this folder that are not the queue's.
REPLAYED = ["maintenance_settle"]


def release() -> Any:
    """Run the function as its schedule does; return what it says of the release."""
    return settle()["release"]


UNKNOWN = ("parked", "unknown_record")
OVERTAKEN = ("parked", "overtaken")


def test_a_message_is_applied_when_what_it_missed_has_come(world: World, ours: Tenant, ledger: Ledger) -> None:
    company = absent()
    body = synced(ours.connector, [company, ours.accounts[0]])
    assert consume(body) == []
    assert ledger.fate(body) == UNKNOWN
    come(world, company, ours)
    assert release() == {"applied": 1, "parked": 0, "is_all": True}
    assert ledger.fate(body) == APPLIED
    assert ledger.live() == ids([company, ours.accounts[0]])
    row = ledger.messages()[body["id"]]
    assert (row.body, row.problems, row.problem_count) == (None, [], 0)
    assert row.counts["company"] == {"named": 1, "made": 0, "linked": 1, "ended": 0}
    assert not ledger.waits_for()
    assert release() == {"applied": 0, "parked": 0, "is_all": True}


def test_what_misses_something_still_stays_as_it_is(world: World, ours: Tenant, ledger: Ledger) -> None:
    first, second = absent(), absent("account")
    body = synced(ours.connector, [first, second])
    consume(body)
    before = ledger.messages()[body["id"]]
    come(world, first, ours)
    assert release() == {"applied": 0, "parked": 0, "is_all": True}
    assert ledger.messages()[body["id"]] == before
    come(world, second, ours)
    assert release()["applied"] == 1


def test_a_message_of_an_unknown_connector_waits_for_it_and_for_its_records(
    world: World, ours: Tenant, ledger: Ledger
) -> None:
    connector, company = absent("workspace_connector"), absent()
    body = synced(connector.id, [company])
    consume(body)
    come(world, company, ours)
    assert release()["applied"] == 0
    come(world, connector, ours)
    assert release()["applied"] == 1
    assert ledger.live() == ids([company])


def bringing(connector: Row, *records: Row) -> Body:
    """Return a message that says of each of these records what it is made of."""
    body = synced(connector.id, records)
    for record in body["records"]:
        record["attributes"] = {"name": "Brought along"}
    return body


def test_a_message_of_an_unknown_connector_does_not_wait_for_what_it_makes_itself(
    world: World, ours: Tenant, ledger: Ledger
) -> None:
    connector, made, missed = absent("workspace_connector"), absent(), absent()
    body = bringing(connector, made)
    body["records"] += synced(connector.id, [missed])["records"]
    consume(body)
    come(world, connector, ours)
    assert release()["applied"] == 0
    come(world, missed, ours)
    assert release()["applied"] == 1
    assert ledger.live() == ids([made, missed])
    assert ledger.messages()[body["id"]].counts["company"] == {"named": 2, "made": 1, "linked": 2, "ended": 0}


def test_what_it_would_make_is_waited_for_from_then_on_where_it_turns_out_to_be_gone(
    world: World, ours: Tenant, ledger: Ledger
) -> None:
    connector, company = absent("workspace_connector"), absent()
    body = bringing(connector, company)
    consume(body)
    world.tombstone(come(world, company, ours))
    come(world, connector, ours)
    assert release() == {"applied": 0, "parked": 1, "is_all": True}
    assert ledger.fate(body) == UNKNOWN
    assert ledger.waits_for() == {("company", str(company.id))}
    assert release() == {"applied": 0, "parked": 0, "is_all": True}
    ledger.sql("UPDATE core_api.companies SET deleted_at = NULL WHERE id = :id", id=company.id)
    assert release()["applied"] == 1
    assert ledger.live() == ids([company])


def test_a_disconnect_of_an_unknown_connector_is_applied_when_it_comes(
    world: World, ours: Tenant, ledger: Ledger
) -> None:
    connector = absent("workspace_connector")
    body = disconnected(connector.id)
    consume(body)
    come(world, connector, ours)
    assert release()["applied"] == 1
    assert ledger.fate(body) == APPLIED


def test_a_match_waits_for_its_workspace_and_its_providers(world: World, ledger: Ledger) -> None:
    workspace, provider = absent("workspace"), absent("provider")
    body = matched(workspace.id, [provider.id])
    consume(body)
    made = world.workspace(id=workspace.id)
    assert release()["applied"] == 0
    world.provider("later", id=provider.id)
    assert release()["applied"] == 1
    assert ledger.choices(made) == {(provider.id, False, True, True): 1}


def test_a_record_that_is_tombstoned_has_not_come_for_what_links_it(world: World, ours: Tenant, ledger: Ledger) -> None:
    company = absent()
    body = synced(ours.connector, [company])
    consume(body)
    world.tombstone(come(world, company, ours))
    before = ledger.messages()[body["id"]]
    assert release() == {"applied": 0, "parked": 0, "is_all": True}
    assert ledger.messages()[body["id"]] == before


def test_a_connector_of_a_workspace_that_is_gone_has_not_come_for_what_links(
    world: World, ours: Tenant, ledger: Ledger
) -> None:
    connector = absent("workspace_connector")
    body = synced(connector.id, ours.companies[:1])
    consume(body)
    come(world, connector, ours)
    world.tombstone(ours.workspace)
    assert release() == {"applied": 0, "parked": 0, "is_all": True}
    assert ledger.fate(body) == ("parked", "unknown_connector")


def test_an_invalidation_is_released_by_a_record_that_came_and_went(world: World, ours: Tenant, ledger: Ledger) -> None:
    company = absent()
    body = invalidated(ours.connector, [company])
    consume(body)
    world.tombstone(come(world, company, ours))
    assert release()["applied"] == 1
    assert ledger.fate(body) == APPLIED


@pytest.mark.parametrize("is_last", [False, True], ids=["before", "behind"])
def test_an_append_links_behind_an_invalidation_and_not_before_it(
    world: World, ours: Tenant, ledger: Ledger, *, is_last: bool
) -> None:
    company = absent()
    append, invalidation = synced(ours.connector, [company]), invalidated(ours.connector, [company])
    first, last = (invalidation, append) if is_last else (append, invalidation)
    consume(first, last)
    come(world, company, ours)
    assert release() == {"applied": 1, "parked": 1, "is_all": True}
    assert [ledger.fate(first), ledger.fate(last)] == [OVERTAKEN, APPLIED]
    assert ledger.live() == (ids([company]) if is_last else {})
    # What was overtaken is not looked at again.
    assert release() == {"applied": 0, "parked": 0, "is_all": True}


@pytest.mark.parametrize("mode", ["append", "relink"])
def test_a_message_is_not_released_over_what_was_applied_since(
    world: World, ours: Tenant, ledger: Ledger, mode: str
) -> None:
    company = absent()
    parked = synced(ours.connector, [company, ours.companies[0]], mode=mode)
    consume(parked)
    consume(synced(ours.connector, ours.companies[:1], mode="relink"))
    come(world, company, ours)
    assert release() == {"applied": 0, "parked": 1, "is_all": True}
    assert ledger.fate(parked) == OVERTAKEN
    assert ledger.live() == ids(ours.companies[:1])


def test_appends_are_released_in_the_order_in_which_they_came(
    world: World, ours: Tenant, ledger: Ledger, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "PAGE", 2)
    monkeypatch.setattr(releasing, "TOGETHER", 2)
    company = absent()
    bodies = [synced(ours.connector, [company]) for _ in range(5)]
    consume(*bodies)
    come(world, company, ours)
    log.clear()
    assert release() == {"applied": 5, "parked": 0, "is_all": True}
    told = [line["message_id"] for line in log if line.get("outcome") == "applied"]
    assert told == [body["id"] for body in bodies]
    rows = ledger.database.owner.execute(
        text(
            "SELECT message.message_id::text FROM core_api.company_workspace_connectors AS link"
            "  JOIN wellspring.sync_messages AS message ON message.pk = link.sync_message_pk ORDER BY link.pk"
        )
    )
    assert [row[0] for row in rows] == told


def test_what_turns_out_another_tenants_is_parked_for_that(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger
) -> None:
    company = absent()
    body = synced(ours.connector, [company])
    consume(body)
    come(world, company, theirs)
    assert release() == {"applied": 0, "parked": 1, "is_all": True}
    assert ledger.fate(body) == ("parked", "tenant_mismatch")
    assert release()["parked"] == 0


def test_the_connectors_count_of_parked_messages_goes_down(world: World, ours: Tenant, ledger: Ledger) -> None:
    state = "SELECT parked_messages, last_synced_at IS NOT NULL FROM wellspring.connector_state"
    company = absent()
    consume(synced(ours.connector, [company]))
    assert ledger.sql(state) == [(1, False)]
    come(world, company, ours)
    release()
    assert ledger.sql(state) == [(0, True)]


def test_what_fails_for_a_reason_of_its_own_is_parked_as_such_and_its_neighbour_applied(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = absent(), absent()
    bodies = [synced(ours.connector, [bad]), synced(theirs.connector, [good])]
    consume(*bodies)
    come(world, bad, ours)
    come(world, good, theirs)
    apply_unit = applying.apply_unit

    def failing(transaction: Any, unit: Any) -> Any:
        if any(arrival.message_id == bodies[0]["id"] for arrival in unit):
            raise ZeroDivisionError
        return apply_unit(transaction, unit)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(applying, "apply_unit", failing)
        assert release() == {"applied": 1, "parked": 1, "is_all": True}
    assert list(map(ledger.fate, bodies)) == [("parked", "unexpected"), APPLIED]
    assert ledger.parked_of(ours.connector) == 1
    # Its row knows its connector still, so that it is counted once, and not for ever.
    consume(bodies[0])
    assert ledger.fate(bodies[0]) == APPLIED
    assert ledger.parked_of(ours.connector) == 0


def test_two_runs_at_once_apply_a_message_once(fresh_database: FreshDatabase, world: World, ledger: Ledger) -> None:
    ours = tenant(world, "Ours")
    company = absent()
    bodies = [synced(ours.connector, [company]) for _ in range(12)]
    consume(*bodies)
    come(world, company, ours)
    both = threading.Barrier(2)

    def run(_: int) -> int:
        both.wait()
        return int(release()["applied"])

    with ThreadPoolExecutor(2) as runs:
        assert sum(runs.map(run, range(2))) == 12
    assert ledger.live() == {company.id: 12}
    assert set(map(ledger.fate, bodies)) == {APPLIED}


def test_a_run_that_has_no_time_leaves_all_and_says_so(world: World, ours: Tenant, ledger: Ledger) -> None:
    company = absent()
    body = synced(ours.connector, [company])
    consume(body)
    come(world, company, ours)
    settled = settling.settle(Deadline(0.5), lambda *_: pytest.fail("read"))
    assert [(done.is_all, done.said) for done in settled.done.values()][:1] == [(False, {"applied": 0, "parked": 0})]
    assert ledger.fate(body) == UNKNOWN


class TestSteps:
    def test_one_that_fails_holds_up_nobody_and_counts_as_the_functions_failure(
        self, world: World, ours: Tenant, ledger: Ledger, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> Done:
            raise ServiceUnavailable("away")

        def broken(*_: object) -> Done:
            raise ZeroDivisionError

        monkeypatch.setattr(settling, "STEPS", {"away": away, "broken": broken, **settling.STEPS})
        company = absent()
        body = synced(ours.connector, [company])
        consume(body)
        come(world, company, ours)
        with pytest.raises(InternalError, match="away, broken"):
            handler({}, Context())
        assert ledger.fate(body) == APPLIED
        assert [line["step"] for line in log if line["level"] == "ERROR" and "step" in line] == ["away", "broken"]

    def test_one_that_meets_a_lock_is_left_to_the_next_run_and_is_no_failure(
        self, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: object) -> Done:
            raise DatabaseBusy("locked")

        monkeypatch.setattr(settling, "STEPS", {"busy": busy})
        assert handler({}, Context()) == {"busy": {"is_all": False}}
        assert [line["step"] for line in log if line["level"] == "WARNING"] == ["busy"]

    def test_each_has_a_share_of_the_time_and_what_others_spare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given: list[float] = []

        def quick(deadline: Deadline, _: object) -> Done:
            given.append(deadline.seconds)
            return Done({}, is_all=True)

        monkeypatch.setattr(settling, "STEPS", {str(number): quick for number in range(4)})
        settling.settle(Deadline(40), lambda *_: pytest.fail("read"))
        assert [round(seconds) for seconds in given] == [10, 13, 20, 40]

    def test_the_metric_counts_what_was_released(
        self, world: World, ours: Tenant, capsys: pytest.CaptureFixture[str]
    ) -> None:
        company = absent()
        consume(synced(ours.connector, [company]))
        come(world, company, ours)
        capsys.readouterr()
        release()
        (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
        assert line["Released"] == [1.0]

    def test_what_is_parked_for_more_than_a_quarter_of_an_hour_is_counted(
        self, world: World, ours: Tenant, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old, dismissed, young = (synced(ours.connector, [absent()]) for _ in range(3))
        consume(old, dismissed, young)
        aged = (
            "UPDATE wellspring.sync_messages SET received_at = now() - make_interval(mins => :minutes), outcome = :now"
        )
        for body, minutes, outcome in ((old, 16, "parked"), (dismissed, 16, "dismissed"), (young, 14, "parked")):
            Ledger(world.database).sql(f"{aged} WHERE message_id = :id", minutes=minutes, now=outcome, id=body["id"])
        capsys.readouterr()
        assert settle()["count"] == {"parked_too_long": 1, "is_all": True}
        (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
        assert line["ParkedTooLong"] == [1.0]


def test_the_event_is_answered_by_the_role_of_the_template() -> None:
    assert events.replay("maintenance_settle") == {
        "release": {"applied": 0, "parked": 0, "is_all": True},
        "resume": {"applied": 0, "is_all": True},
        "sweep": {"rows": 0, "done": 0, "is_all": True},
        "expire": {"expired": 0, "is_all": True},
        "expire_runs": {"expired": 0, "is_all": True},
        "judge": {"connectors": 0, "is_silent": 0, "is_all": True},
        "count": {"parked_too_long": 0, "is_all": True},
        "fleet": {"connectors": 0, "is_all": True},
    }


def test_a_look_at_what_waits_is_bounded_however_many_messages_and_records_there_are(
    fresh_database: FreshDatabase, world: World, ledger: Ledger
) -> None:
    ours = tenant(world, "Ours")
    world.companies(ours.workspace, 5000)
    consume(*(synced(ours.connector, [absent() for _ in range(50)]) for _ in range(10)))
    assert len(ledger.waits_for()) == 500
    owner = fresh_database.owner
    ledger.sql(
        "INSERT INTO wellspring.sync_messages (message_id) SELECT gen_random_uuid() FROM generate_series(1, 20000)"
    )
    owner.exec_driver_sql("ANALYZE")
    explained = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {WAITING}")
    (found,) = owner.execute(explained, {"after": 0, "most": 500}).scalar_one()
    owner.rollback()
    plan = found["Plan"]
    assert plan["Actual Rows"] == 10
    # A message, the next one, the first thing that it misses, and that this is not there: each some pages of an index.
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 10 * 15


def test_what_is_released_while_its_body_expires_is_applied_and_not_expired(
    fresh_database: FreshDatabase, ours: Tenant
) -> None:
    bodies = [synced(ours.connector, [absent()]) for _ in range(2)]
    consume(*bodies)
    owner = fresh_database.owner
    owner.execute(text("UPDATE wellspring.sync_messages SET received_at = now() - interval '50 days'"))
    owner.commit()
    # Somebody releases the first one, and has not committed yet.
    released = (
        "UPDATE wellspring.sync_messages SET outcome = 'applied', reason = NULL, body = NULL WHERE message_id = :id"
    )
    owner.execute(text(released), {"id": bodies[0]["id"]})
    with ThreadPoolExecutor(1) as pool:
        expired = pool.submit(releasing.expire, Deadline(20))
        assert expired.result(20) == 1
        owner.commit()
    assert list(map(Ledger(fresh_database).fate, bodies)) == [APPLIED, ("parked", "expired")]
