"""Messages that can never succeed are parked, told in one line, and hold up nobody; nor does what no check foresaw."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, event

from tests.support.api import Context
from tests.support.databases import CONSUMER, FreshDatabase, Statements
from tests.support.queue import Body, consume, delivery, disconnected, invalidated, matched, replay, synced
from tests.support.wire import Flushes
from tests.support.world import Row, World
from tests.sync.conftest import APPLIED, Ledger, Log, Tenant, absent, fail, ids, of_run, outcomes, units
from wellspring.database.retry import TRIES

UNKNOWN = UUID("0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e99")


def hopeless(world: World, ours: Tenant, theirs: Tenant) -> list[tuple[Body, str]]:
    """Return messages, each with its reason and what the first of its problems begins with."""

    def gone(row: Row) -> Row:
        world.tombstone(row)
        return row

    company, provider = world.company(ours.workspace), world.provider("one")
    account, lost_provider = gone(world.account(ours.workspace)), gone(world.provider("gone"))
    connector, workspace = gone(world.workspace_connector(ours.workspace)), world.workspace()
    of_gone = world.workspace_connector(gone(workspace))
    no_person = Row("people", 0, UNKNOWN)
    return [
        (synced(ours.connector, [*ours.companies, no_person]), f"unknown_record: people {UNKNOWN}"),
        # Under another type.
        (synced(ours.connector, [Row("account", 0, company.id), *ours.mixed]), f"unknown_record: account {company.id}"),
        (synced(ours.connector, [account, *ours.mixed], mode="relink"), f"unknown_record: account {account.id}"),
        (synced(UNKNOWN, ours.mixed), f"unknown_connector: workspace_connector {UNKNOWN}"),
        (synced(connector, ours.mixed), f"unknown_connector: workspace_connector {connector.id}"),
        (synced(of_gone, ours.mixed), f"unknown_connector: workspace_connector {of_gone.id}"),
        (synced(theirs.connector, ours.companies), "tenant_mismatch: company"),
        (invalidated(ours.connector, [*ours.companies, no_person]), f"unknown_record: people {UNKNOWN}"),
        (invalidated(UNKNOWN, ours.companies), f"unknown_connector: workspace_connector {UNKNOWN}"),
        (invalidated(ours.workspace, ours.companies), "unknown_connector: workspace_connector"),
        (invalidated(ours.connector, theirs.companies[:1]), "tenant_mismatch: company"),
        (disconnected(UNKNOWN), f"unknown_connector: workspace_connector {UNKNOWN}"),
        (matched(UNKNOWN, [provider]), f"unknown_workspace: workspace {UNKNOWN}"),
        (matched(workspace, [provider]), f"unknown_workspace: workspace {workspace.id}"),
        (matched(ours.connector, [provider]), "unknown_workspace: workspace"),
        (matched(ours.workspace, [provider, UNKNOWN]), f"unknown_provider: provider {UNKNOWN}"),
        (matched(ours.workspace, [provider, lost_provider]), f"unknown_provider: provider {lost_provider.id}"),
    ]


def parked(body: Body, ledger: Ledger, log: Log) -> dict[str, Any]:
    """Send what cannot succeed, and return the line that tells of it."""
    before = ledger.rows()
    assert consume(body) == []
    assert (ledger.rows(), ledger.inbox()) == (before, set())
    (line,) = [line for line in log if line["level"] == "ERROR"]
    assert line["message"] == "message parked, it cannot succeed by itself"
    assert (line["message_id"], line["outcome"]) == (body["id"], "parked")
    return line


def test_a_message_is_parked_with_its_reason_and_leaves_nothing_behind(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log
) -> None:
    for of in (ours, theirs):
        world.provenance(of.companies[0], of.connector)
    for body, problem in hopeless(world, ours, theirs):
        log.clear()
        line = parked(body, ledger, log)
        assert line["problems"][0].startswith(problem)
        assert line["reason"] == problem.partition(":")[0]
        assert not ledger.choices(ours.workspace)


@pytest.mark.parametrize("mode", ["append", "relink"])
@pytest.mark.parametrize("type_", ["account", "company", "people"])
def test_a_record_of_another_workspace_is_a_mismatch(
    world: World, ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log, type_: str, mode: str
) -> None:
    foreign = next(row for row in theirs.mixed if row.type == type_)
    world.provenance(foreign, theirs.connector)
    line = parked(synced(ours.connector, [*ours.companies, foreign], mode=mode), ledger, log)
    assert (line["reason"], line["problems"]) == ("tenant_mismatch", [f"tenant_mismatch: {type_} {foreign.id}"])


def test_the_first_problems_are_told_and_all_counted(ours: Tenant, theirs: Tenant, ledger: Ledger, log: Log) -> None:
    unknown = [absent() for _ in range(40)]
    line = parked(synced(ours.connector, [*theirs.mixed, *ours.mixed, *unknown]), ledger, log)
    assert (line["reason"], len(line["problems"]), line["problem_count"]) == ("unknown_record", 5, 43)
    log.clear()
    line = parked(synced(uuid4(), unknown), ledger, log)
    assert (line["reason"], line["problem_count"]) == ("unknown_connector", 41)


def test_of_a_malformed_body_it_is_told_where(ours: Tenant, ledger: Ledger, log: Log) -> None:
    line = parked(synced(ours.connector, ours.mixed) | {"direction": "sideways"}, ledger, log)
    assert (line["reason"], line["problems"]) == ("malformed", ["records.synced.direction: literal_error"])
    assert line["receives"] == "1"


@pytest.mark.parametrize("reason", ["unknown_record", "wrong_group", "malformed"])
def test_what_is_parked_is_its_connectors_and_counted_once(ours: Tenant, ledger: Ledger, reason: str) -> None:
    missing = absent()
    body = {
        "unknown_record": of_run(synced(ours.connector, [missing, ours.companies[0]], mode="relink")),
        "wrong_group": disconnected(ours.connector),
        "malformed": of_run(synced(ours.connector, ours.companies)) | {"direction": "sideways"},
    }[reason]
    group = "another" if reason == "wrong_group" else str(ours.connector.id)
    # Missing a record it keeps its reason behind what would overtake it.
    behind = [synced(ours.connector, ours.companies)] if reason == "unknown_record" else []
    for _ in range(2):
        assert consume(body, *behind, groups=[group, *[str(ours.connector.id)] * len(behind)]) == []
        row = ledger.messages()[body["id"]]
        assert (row.outcome, row.reason, row.run) == ("parked", reason, body.get("run"))
        assert (row.workspace_connector_pk, row.workspace_pk) == (ours.connector.pk, ours.workspace.pk)
        assert ledger.parked_of(ours.connector) == 1
        assert ledger.waits_for() == ({("company", str(missing.id))} if reason == "unknown_record" else set())
    if reason == "wrong_group":
        assert consume(body) == []
        assert (ledger.fate(body), ledger.parked_of(ours.connector)) == (APPLIED, 0)


@pytest.mark.parametrize("spelling", [str.upper, str.title])
def test_a_group_is_the_id_as_it_is_written_in_lower_case_for_sqs_takes_another_spelling_for_another_group(
    ours: Tenant, ledger: Ledger, spelling: Callable[[str], str]
) -> None:
    message, choice = synced(ours.connector, ours.companies), matched(ours.workspace, [uuid4()])
    groups = [spelling(str(row.id)) for row in (ours.connector, ours.workspace)]
    assert groups[0] != str(ours.connector.id)
    assert consume(message, choice, groups=groups) == []
    assert not ledger.live()
    assert ledger.messages()[message["id"]].reason == "wrong_group"


class TestWhatIsMalformed:
    def test_overtakes_nothing_that_waits(self, ours: Tenant, ledger: Ledger) -> None:
        missing = absent()
        message = synced(ours.connector, [missing], mode="relink")
        assert consume(message, synced(ours.connector, ours.companies) | {"direction": None}) == []
        ours.come(missing)
        assert consume(message) == []
        assert ledger.live() == ids([missing])

    def test_takes_no_round_trip_of_its_own(self, ours: Tenant, flushes: Flushes) -> None:
        good, bad = synced(ours.connector, ours.companies), synced(ours.connector, ours.companies) | {"direction": 1}
        consume(good)
        of_good = len(flushes)
        flushes.clear()
        consume(synced(ours.connector, ours.companies), bad)
        assert flushes.are(of_good)


def received(body: Body, times: int) -> dict[str, Any]:
    record = delivery(body)
    return record | {"attributes": record["attributes"] | {"ApproximateReceiveCount": str(times)}}


def test_a_message_that_fails_for_a_reason_of_its_own_is_parked_at_its_fourth_receive_as_its_connectors(
    ours: Tenant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = synced(ours.connector, ours.mixed), synced(ours.connector, ours.companies)
    fail(monkeypatch, bad)
    assert replay({"Records": [received(bad, 3), received(good, 3)]}) == [0, 1]
    assert not ledger.messages()
    assert replay({"Records": [received(bad, 4), received(good, 4)]}) == []
    assert ledger.live() == ids(ours.companies)
    row = ledger.messages()[bad["id"]]
    assert (row.outcome, row.reason) == ("parked", "unexpected")
    assert (row.workspace_connector_pk, row.workspace_pk) == (ours.connector.pk, ours.workspace.pk)
    assert ledger.parked_of(ours.connector) == 1


REFUSE_ONE_COMPANY = """
CREATE FUNCTION core_api.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (TG_OP = 'INSERT' AND NEW.company_pk = {pk}) OR (TG_OP = 'UPDATE' AND OLD.company_pk = {pk}) THEN
    RAISE EXCEPTION 'refused' USING ERRCODE = '{code}';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON core_api.company_workspace_connectors
  FOR EACH ROW EXECUTE FUNCTION core_api.refuse()
"""


def refuse(world: World, pk: int, code: str) -> None:
    world.database.owner.exec_driver_sql(REFUSE_ONE_COMPANY.format(pk=pk, code=code))
    world.database.commit()


@pytest.mark.parametrize(
    ("code", "level", "reason"),
    [
        ("P0001", "ERROR", "UNEXPECTED"),
        ("22003", "ERROR", "UNEXPECTED"),
        ("23514", "ERROR", "UNEXPECTED"),
        ("57014", "WARNING", "SERVICE_UNAVAILABLE"),
        ("55P03", "WARNING", "SERVICE_UNAVAILABLE"),
        ("40P01", "WARNING", "SERVICE_UNAVAILABLE"),
    ],
)
def test_a_message_that_the_database_refuses_takes_only_its_own_group_along(
    ours: Tenant,
    theirs: Tenant,
    ledger: Ledger,
    world: World,
    log: Log,
    no_pauses: list[float],
    code: str,
    level: str,
    reason: str,
) -> None:
    poison, *good = ours.companies
    refuse(world, poison.pk, code)
    batch = [
        synced(ours.connector, good[:1]),
        synced(ours.connector, [poison]),
        synced(ours.connector, good[1:2]),
        synced(theirs.connector, theirs.mixed),
        synced(ours.other_connector, good),
    ]
    assert consume(*batch) == [1, 2]
    assert ledger.live() == ids([*good[:1], *theirs.mixed, *good])
    assert outcomes(log) == ["applied", "returned", "held", "applied", "applied"]
    (line,) = [line for line in log if line.get("outcome") == "returned"]
    assert (line["level"], line["reason"], line["sqlstate"]) == (level, reason, code)
    assert not [word for word in ("refused", "INSERT", "core_api", str(poison.id)) if word in str(log)]


def test_what_can_be_foreseen_costs_no_second_transaction(ours: Tenant, theirs: Tenant, statements: Statements) -> None:
    bad = synced(theirs.connector, ours.companies)
    assert consume(bad, *(synced(ours.connector, ours.mixed) for _ in range(9))) == []
    assert units(statements) == 1


@pytest.mark.parametrize(("code", "tries"), [("40001", TRIES), ("40P01", TRIES), ("57014", 1), ("P0001", 1)])
def test_only_what_may_pass_at_once_is_tried_again_with_pauses_that_grow(
    ours: Tenant,
    world: World,
    statements: Statements,
    no_pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    tries: int,
) -> None:
    monkeypatch.setattr("wellspring.database.retry._chance.uniform", lambda _, most: most)
    refuse(world, ours.companies[0].pk, code)
    assert consume(synced(ours.connector, ours.companies)) == [0]
    assert units(statements) == tries
    assert no_pauses == [0.2 * 2**number for number in range(tries - 1)]


def test_nothing_is_tried_again_for_which_there_would_be_no_time(
    ours: Tenant, world: World, statements: Statements, no_pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wellspring.database.retry._chance.uniform", lambda *_: 60.0)
    refuse(world, ours.companies[0].pk, "40001")
    assert consume(synced(ours.connector, ours.companies)) == [0]
    assert (units(statements), no_pauses) == (1, [])


def test_a_refused_disconnect_is_alone(ours: Tenant, theirs: Tenant, ledger: Ledger, world: World, log: Log) -> None:
    for of in (ours, theirs):
        world.provenances(of.companies, of.connector)
    refuse(world, ours.companies[0].pk, "P0001")
    assert consume(disconnected(ours.connector), disconnected(theirs.connector)) == [0]
    assert ledger.live() == ids(ours.companies)
    assert outcomes(log) == ["returned", "applied"]


class TestTheTimeOfAStatement:
    def _limits(self, database: FreshDatabase, milliseconds: int, ours: Tenant) -> set[str]:
        found: set[str] = set()

        @event.listens_for(database.engine(CONSUMER), "commit")
        def look(connection: Connection) -> None:
            own = connection.connection.cursor()
            own.execute("SHOW statement_timeout")
            found.update(row[0] for row in own.fetchall())

        consume(synced(ours.connector, ours.mixed), context=Context(milliseconds=milliseconds))
        return found

    def test_is_what_is_left_of_the_functions(self, fresh_database: FreshDatabase, ours: Tenant) -> None:
        (limit,) = self._limits(fresh_database, 12_000, ours)
        assert limit.endswith("ms")
        assert 5_000 < int(limit.removesuffix("ms")) <= 10_000

    def test_is_at_most_the_roles_and_ends_with_it(self, fresh_database: FreshDatabase, ours: Tenant) -> None:
        assert self._limits(fresh_database, 600_000, ours) == {"25s"}
        self._limits(fresh_database, 12_000, ours)
        with fresh_database.engine(CONSUMER).connect() as session:
            assert session.exec_driver_sql("SHOW statement_timeout").scalar_one() == "25s"
