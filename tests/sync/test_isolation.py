"""A failure that no check foresaw, and one that lasts: the messages that have no part in it are done all the same."""

import pytest
from sqlalchemy import Connection, event, text

from tests.support.api import Context
from tests.support.databases import CONSUMER, FreshDatabase, Statements
from tests.support.queue import consume, disconnected, synced
from tests.support.world import World
from tests.sync.conftest import Ledger, Log, Tenant, ids, outcomes, units
from wellspring.database.retry import TRIES

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
    """Let the database refuse every row of one company, with this SQLSTATE."""
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
    assert "refused" not in str(log)


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


def test_a_connector_whose_rows_are_refused_does_not_keep_others_from_ending(
    ours: Tenant, theirs: Tenant, ledger: Ledger, world: World, log: Log
) -> None:
    for of in (ours, theirs):
        world.provenances(of.companies, of.connector)
    refuse(world, ours.companies[0].pk, "P0001")
    assert consume(disconnected(ours.connector), disconnected(theirs.connector)) == [0]
    assert ledger.live() == ids(ours.companies)
    assert outcomes(log) == ["returned", "applied"]


def test_a_row_that_somebody_holds_makes_only_its_own_message_wait_in_vain(
    fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant, ledger: Ledger, world: World, log: Log
) -> None:
    for of in (ours, theirs):
        world.provenances(of.companies, of.connector)

    @event.listens_for(fresh_database.engine(CONSUMER), "begin")
    def wait_for_a_moment_only(connection: Connection) -> None:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")

    with fresh_database.session() as other:
        held = f"company_pk = {ours.companies[0].pk}"
        other.execute(text(f"UPDATE core_api.company_workspace_connectors SET deleted_at = NULL WHERE {held}"))
        relinks = [synced(of.connector, of.companies, mode="relink") for of in (ours, theirs)]
        assert consume(*relinks) == [0]
        other.rollback()
    assert outcomes(log) == ["returned", "applied"]
    assert consume(relinks[0]) == []
    assert ledger.live() == ids([*ours.companies, *theirs.companies])


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

    def test_is_never_more_than_the_roles_and_ends_with_the_transaction(
        self, fresh_database: FreshDatabase, ours: Tenant
    ) -> None:
        assert self._limits(fresh_database, 600_000, ours) == {"25s"}
        self._limits(fresh_database, 12_000, ours)
        with fresh_database.engine(CONSUMER).connect() as session:
            assert session.exec_driver_sql("SHOW statement_timeout").scalar_one() == "25s"
