"""Settling: what was parked for something that has come is released, in its order, once; and an operator's verbs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from maintenance.settle import handler
from tests.support import events
from tests.support.api import Context
from tests.support.databases import FreshDatabase
from tests.support.queue import Body, consume, disconnected, invalidated, matched, synced
from tests.support.world import RECORDS, Row, World
from tests.sync.conftest import APPLIED, Ledger, Log, Tenant, absent, bringing, came_to, emitted, fail, ids, settle
from wellspring.database.retry import Deadline
from wellspring.errors import DatabaseBusy, InternalError, NotFound, ServiceUnavailable
from wellspring.repositories.sync.releasing import WAITING
from wellspring.services import recounting, settling
from wellspring.services.settling import Done
from wellspring.services.sync import releasing

# Events of this folder that are not the queue's.
REPLAYED = ["maintenance_settle"]

UNKNOWN = ("parked", "unknown_record")
OVERTAKEN = ("parked", "overtaken")
NOTHING = {"applied": 0, "parked": 0, "is_all": True}
ONE = NOTHING | {"applied": 1}


def release() -> Any:
    return settle()["release"]


@pytest.fixture
def company() -> Row:
    return absent()


@pytest.fixture
def waiting(ours: Tenant, company: Row) -> Body:
    body = synced(ours.connector, [company])
    assert consume(body) == []
    return body


@pytest.mark.parametrize(
    ("missing", "make"),
    [
        (["company", "account"], lambda ours, *missing: synced(ours.connector, missing)),
        (["company", "workspace_connector"], lambda _, company, connector: synced(connector, [company])),
        (["workspace_connector"], lambda _, connector: disconnected(connector)),
        (["workspace", "provider"], lambda _, workspace, provider: matched(workspace, [provider])),
    ],
    ids=["records", "a connector and its record", "a connector", "a workspace and a provider"],
)
def test_it_waits_for_all_of_it(ours: Tenant, ledger: Ledger, missing: list[str], make: Callable[..., Body]) -> None:
    rows = [absent(type_) for type_ in missing]
    body = make(ours, *rows)
    consume(body)
    before, made = ledger.messages()[body["id"]], []
    for row in rows:
        assert release() == NOTHING
        assert ledger.messages()[body["id"]] == before
        made.append(ours.come(row))
    assert release() == ONE
    assert ledger.fate(body) == APPLIED
    row = ledger.messages()[body["id"]]
    assert (row.body, row.problems, row.problem_count, ledger.waits_for()) == (None, [], 0, set())
    assert ledger.live() == ids([row for row in rows if row.type in RECORDS])
    if "provider" in missing:
        assert ledger.choices(made[0]) == {(rows[1].id, False, True, True): 1}


def test_a_message_of_an_unknown_connector_does_not_wait_for_what_it_makes_itself(ours: Tenant, ledger: Ledger) -> None:
    connector, made, missed = absent("workspace_connector"), absent(), absent()
    body = bringing(connector, made)
    body["records"] += synced(connector.id, [missed])["records"]
    consume(body)
    ours.come(connector)
    assert release() == NOTHING
    ours.come(missed)
    assert release() == ONE
    assert ledger.live() == ids([made, missed])
    assert ledger.messages()[body["id"]].counts["company"] == {"named": 2, "made": 1, "linked": 2, "ended": 0}


def test_what_it_would_make_and_is_gone_is_waited_for(world: World, ours: Tenant, ledger: Ledger, company: Row) -> None:
    connector = absent("workspace_connector")
    body = bringing(connector, company)
    consume(body)
    world.tombstone(ours.come(company))
    ours.come(connector)
    assert release() == NOTHING | {"parked": 1}
    assert ledger.fate(body) == UNKNOWN
    assert ledger.waits_for() == {("company", str(company.id))}
    assert release() == NOTHING
    ledger.sql("UPDATE core_api.companies SET deleted_at = NULL WHERE id = :id", id=company.id)
    assert release() == ONE
    assert ledger.live() == ids([company])


@pytest.mark.parametrize("missing", ["company", "workspace_connector"])
def test_what_is_gone_has_not_come_for_what_links_it(world: World, ours: Tenant, ledger: Ledger, missing: str) -> None:
    row = absent(missing)
    is_record = missing == "company"
    body = synced(ours.connector, [row]) if is_record else synced(row, ours.companies[:1])
    consume(body)
    before = ledger.messages()[body["id"]]
    come = ours.come(row)
    world.tombstone(come if is_record else ours.workspace)
    assert release() == NOTHING
    assert ledger.messages()[body["id"]] == before


def test_an_ending_is_released_by_what_came_and_went(world: World, ours: Tenant, ledger: Ledger, company: Row) -> None:
    body = invalidated(ours.connector, [company])
    consume(body)
    world.tombstone(ours.come(company))
    assert release() == ONE
    assert ledger.fate(body) == APPLIED


@pytest.mark.parametrize("is_last", [False, True], ids=["before", "behind"])
def test_an_append_links_behind_an_invalidation_and_not_before_it(
    ours: Tenant, ledger: Ledger, company: Row, *, is_last: bool
) -> None:
    append, invalidation = synced(ours.connector, [company]), invalidated(ours.connector, [company])
    first, last = (invalidation, append) if is_last else (append, invalidation)
    consume(first, last)
    ours.come(company)
    assert release() == ONE | {"parked": 1}
    assert [ledger.fate(first), ledger.fate(last)] == [OVERTAKEN, APPLIED]
    assert ledger.live() == (ids([company]) if is_last else {})
    # What was overtaken is not looked at again.
    assert release() == NOTHING


@pytest.mark.parametrize("mode", ["append", "relink"])
def test_nothing_is_released_over_what_was_applied_since(ours: Tenant, ledger: Ledger, company: Row, mode: str) -> None:
    parked = synced(ours.connector, [company, ours.companies[0]], mode=mode)
    consume(parked)
    consume(synced(ours.connector, ours.companies[:1], mode="relink"))
    ours.come(company)
    assert release() == NOTHING | {"parked": 1}
    assert ledger.fate(parked) == OVERTAKEN
    assert ledger.live() == ids(ours.companies[:1])


def test_appends_are_released_in_the_order_in_which_they_came(
    ours: Tenant, ledger: Ledger, company: Row, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releasing, "PAGE", 2)
    monkeypatch.setattr(releasing, "TOGETHER", 2)
    bodies = [synced(ours.connector, [company]) for _ in range(5)]
    consume(*bodies)
    ours.come(company)
    log.clear()
    assert release() == NOTHING | {"applied": 5}
    told = [line["message_id"] for line in log if line.get("outcome") == "applied"]
    assert told == [body["id"] for body in bodies]
    rows = ledger.sql(
        "SELECT message.message_id::text FROM core_api.company_workspace_connectors AS link"
        "  JOIN wellspring.sync_messages AS message ON message.pk = link.sync_message_pk ORDER BY link.pk"
    )
    assert [row[0] for row in rows] == told


def test_what_fails_for_a_reason_of_its_own_is_parked_as_such_and_its_neighbour_applied(
    ours: Tenant, theirs: Tenant, ledger: Ledger, company: Row, waiting: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = absent()
    good = synced(theirs.connector, [missing])
    consume(good)
    ours.come(company)
    theirs.come(missing)
    with monkeypatch.context() as meanwhile:
        fail(meanwhile, waiting)
        assert release() == ONE | {"parked": 1}
    assert list(map(ledger.fate, (waiting, good))) == [("parked", "unexpected"), APPLIED]
    assert ledger.parked_of(ours.connector) == 1
    # Its row knows its connector still, so that it is counted once, and not for ever.
    consume(waiting)
    assert ledger.fate(waiting) == APPLIED
    assert ledger.parked_of(ours.connector) == 0


def test_two_at_once_apply_it_once(fresh_database: FreshDatabase, ours: Tenant, ledger: Ledger, company: Row) -> None:
    bodies = [synced(ours.connector, [company]) for _ in range(12)]
    consume(*bodies)
    ours.come(company)
    both = threading.Barrier(2)

    def run(_: int) -> int:
        both.wait()
        return int(release()["applied"])

    with ThreadPoolExecutor(2) as runs:
        assert sum(runs.map(run, range(2))) == 12
    assert ledger.live() == {company.id: 12}
    assert set(map(ledger.fate, bodies)) == {APPLIED}


def test_a_run_without_time_leaves_all_and_says_so(ours: Tenant, ledger: Ledger, company: Row, waiting: Body) -> None:
    ours.come(company)
    settled = settling.settle(Deadline(0.5))
    assert settled.done["release"] == Done({"applied": 0, "parked": 0}, is_all=False, metrics={"Released": 0})
    assert ledger.fate(waiting) == UNKNOWN


class TestSteps:
    def test_one_that_fails_holds_up_nobody_and_counts_as_the_functions_failure(
        self, ours: Tenant, ledger: Ledger, company: Row, waiting: Body, log: Log, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> Done:
            raise ServiceUnavailable("away")

        def broken(*_: object) -> Done:
            raise ZeroDivisionError

        monkeypatch.setattr(settling, "STEPS", {"away": away, "broken": broken, **settling.STEPS})
        ours.come(company)
        with pytest.raises(InternalError, match="away, broken"):
            settle()
        assert ledger.fate(waiting) == APPLIED
        assert [line["step"] for line in log if line["level"] == "ERROR" and "step" in line] == ["away", "broken"]

    def test_one_that_meets_a_lock_is_left_to_the_next_run(self, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        def busy(*_: object) -> Done:
            raise DatabaseBusy("locked")

        monkeypatch.setattr(settling, "STEPS", {"busy": busy})
        assert settle() == {"busy": {"is_all": False}}
        assert [line["step"] for line in log if line["level"] == "WARNING"] == ["busy"]

    def test_each_has_a_share_of_the_time_and_what_others_spare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given: list[float] = []

        def quick(deadline: Deadline) -> Done:
            given.append(deadline.seconds)
            return Done({}, is_all=True)

        monkeypatch.setattr(settling, "STEPS", {str(number): quick for number in range(4)})
        settling.settle(Deadline(40))
        assert [round(seconds) for seconds in given] == [10, 13, 20, 40]

    @pytest.mark.usefixtures("waiting")
    def test_the_metrics_count_what_was_released_and_what_is_parked_for_more_than_15_minutes(
        self, ours: Tenant, company: Row, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # Of which the sums are wrong in the end.
        ledger = Ledger(ours.world.database)
        ours.come(company)
        old, dismissed, young = (synced(ours.connector, [absent()]) for _ in range(3))
        consume(old, dismissed, young)
        for body, age in ((old, "16 minutes"), (dismissed, "16 minutes"), (young, "14 minutes")):
            ledger.grow_old(age, body)
        ledger.sql(
            "UPDATE wellspring.sync_messages SET outcome = 'dismissed' WHERE message_id = :id", id=dismissed["id"]
        )
        capsys.readouterr()
        assert settle()["count"] == {"parked_too_long": 1, "is_all": True}
        told = emitted(capsys)
        assert (told["Released"], told["ParkedTooLong"]) == (1, 1)


def test_the_event_is_answered_by_the_role_of_the_template() -> None:
    assert events.replay("maintenance_settle") == {
        "release": NOTHING,
        "resume": {"applied": 0, "is_all": True},
        "sweep": {"rows": 0, "done": 0, "is_all": True},
        "expire": {"expired": 0, "is_all": True},
        "expire_runs": {"expired": 0, "is_all": True},
        "judge": {"connectors": 0, "is_silent": 0, "is_all": True},
        "count": {"parked_too_long": 0, "is_all": True},
        "fleet": {"connectors": 0, "is_all": True},
    }


def test_a_look_at_what_waits_is_bounded_however_many_messages_and_records_there_are(
    fresh_database: FreshDatabase, world: World, ours: Tenant, ledger: Ledger
) -> None:
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


def test_what_is_released_while_its_body_expires_is_applied(fresh_database: FreshDatabase, ours: Tenant) -> None:
    # Of which the sums are wrong in the end.
    ledger = Ledger(fresh_database)
    bodies = [synced(ours.connector, [absent()]) for _ in range(2)]
    consume(*bodies)
    ledger.grow_old("50 days")
    # Somebody releases the first one, and has not committed yet.
    released = (
        "UPDATE wellspring.sync_messages SET outcome = 'applied', reason = NULL, body = NULL WHERE message_id = :id"
    )
    fresh_database.owner.execute(text(released), {"id": bodies[0]["id"]})
    with ThreadPoolExecutor(1) as pool:
        expired = pool.submit(settling.STEPS["expire"], Deadline(20))
        assert expired.result(20).numbers == {"expired": 1}
        fresh_database.commit()
    assert list(map(ledger.fate, bodies)) == [APPLIED, ("parked", "expired")]


def reasons(ledger: Ledger) -> dict[str, int]:
    return {reason: number for reason, number in ledger.reasons().items() if reason}


class TestRelease:
    def test_of_all_tries_each_connectors_messages_and_those_of_none(self, ours: Tenant, ledger: Ledger) -> None:
        come, missing, nobody = absent(), absent(), absent("workspace_connector")
        consume(synced(ours.connector, [come]), synced(ours.other_connector, [missing]), synced(nobody, [come]))
        ours.come(come)
        assert settle(Verb="Release", DryRun=True) == came_to(3, 0, remaining=3)
        assert not ledger.live()
        assert settle(Verb="Release") == came_to(3, 1, 2)
        assert ledger.live() == ids([come])
        assert reasons(ledger) == {"unknown_record": 1, "unknown_connector": 1}

    def test_of_a_connector_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(NotFound):
            settle(Verb="Release", Connector=str(uuid4()))


class TestRecount:
    def test_finds_nothing_where_all_is_well_and_what_somebody_spoilt(self, ours: Tenant, ledger: Ledger) -> None:
        consume(synced(ours.connector, ours.mixed), synced(ours.connector, [absent()]))
        well = settle(Verb="Recount")
        assert (well["different"], well["differences"], well["is_all"]) == (0, [], True)
        assert well["connectors"] >= 2
        mine = f"WHERE workspace_connector_pk = {ours.connector.pk}"
        ledger.sql(f"UPDATE wellspring.connector_rows SET live = live + 2 {mine} AND type = 'company'")
        ledger.sql(f"UPDATE wellspring.connector_state SET parked_messages = 0, live_rows = 0 {mine}")
        found = settle(Verb="Recount")
        told = {"date": None, "connector_id": str(ours.connector.id)}
        assert found["different"] == 3
        assert found["differences"] == [
            {**told, "name": "live", "type": "company", "direction": "input", "counted": 1, "kept": 3},
            {**told, "name": "live_rows", "type": None, "direction": None, "counted": 3, "kept": 0},
            {**told, "name": "parked_messages", "type": None, "direction": None, "counted": 1, "kept": 0},
        ]
        # What is missing is added where the owner has it mended.
        span = f"{ours.connector.pk}, {ours.connector.pk + 1}"
        mended = ledger.sql(f"SELECT name FROM wellspring.recount({span}, true)")
        assert sorted(row.name for row in mended) == ["live", "live_rows", "parked_messages"]
        assert settle(Verb="Recount")["different"] == 0

    def test_goes_on_behind_the_connector_that_it_came_to(self, ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recounting, "TOGETHER", 1)
        all_of_them = settle(Verb="Recount")["connectors"]
        behind_ours = settle(Verb="Recount", After=str(ours.connector.id))["connectors"]
        assert 1 <= behind_ours < all_of_them
        none = handler({"Verb": "Recount"}, Context(milliseconds=0))
        assert (none["connectors"], none["is_all"], none["after"]) == (0, False, None)
        with pytest.raises(NotFound):
            settle(Verb="Recount", After=str(uuid4()))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"Verb": "Forget"}, "There is no verb 'Forget'; there are Release, Recount."),
        ({"Verb": "Recount", "Reason": "expired"}, "Recount does not take Reason; it takes After."),
        ({"Verb": "Release", "Reason": "bored"}, "There is no reason 'bored'"),
        ({"Verb": "Release", "DryRun": "yes"}, "DryRun is true or false."),
        ({"Verb": "Release", "Connector": "no-uuid"}, "Connector is the uuid of a workspace connector."),
        ({"Verb": "Recount", "After": 7}, "After is the uuid of a workspace connector."),
    ],
)
def test_what_it_does_not_know_is_refused_in_words(event: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace(".", r"\.")):
        handler(event, Context())
