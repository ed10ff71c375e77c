"""The rule of health (docs/adr/0052), and changes by the clock alone: `settle` judges whose time has come."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from sqlalchemy import text

from tests.health.conftest import MADE, Kept, Tenant, let_have_synced, unjudged
from tests.support.databases import CONSUMER, AnyDatabase, Database, FreshDatabase, Statements
from tests.support.world import Row, World
from tests.sync.conftest import settle
from wellspring.repositories import fleet as repository
from wellspring.services import settling

DAY = timedelta(days=1)
UNSEEN = (
    text("""
UPDATE wellspring.connector_state SET health_reasons = '[]', health_changes_at = expected_by
 WHERE workspace_connector_pk = ANY (CAST(:pks AS bigint[]))"""),
    text("UPDATE core_api.workspace_connectors SET health = 'ok' WHERE pk = ANY (CAST(:pks AS bigint[]))"),
)


def daily(world: World, number: int, last: timedelta) -> list[Row]:
    """Make connectors that synced each day until so long ago; what time has passed since nobody has looked at."""
    workspace = world.workspace()
    made = [world.workspace_connector(workspace) for _ in range(number)]
    let_have_synced(world.database, made, [last + DAY * back for back in (3, 2, 1, 0)])
    world.database.commit()
    return made


def unseen(world: World, number: int, last: timedelta) -> list[Row]:
    """Make connectors as `daily` does that nobody has judged since they were well."""
    made = daily(world, number, last)
    with unjudged(world.database) as owner:
        for statement in UNSEEN:
            owner.execute(statement, {"pks": [one.pk for one in made]})
    world.database.commit()
    return made


def health(world: World, made: list[Row]) -> set[str]:
    return {Kept(world.database, one).health for one in made}


@pytest.fixture(autouse=True)
def as_consumer(world: World) -> None:
    world.database.role = CONSUMER


def test_who_has_not_come_becomes_late(world: World) -> None:
    late, well = unseen(world, 3, 3 * DAY), unseen(world, 3, DAY / 2)
    assert health(world, late) == health(world, well) == {"ok"}
    assert settle()["judge"] == {"connectors": 3, "is_silent": 0, "is_all": True}
    assert (health(world, late), health(world, well)) == ({"late"}, {"ok"})
    assert settle()["judge"]["connectors"] == 0


def test_a_consent_ends_by_itself(world: World, ours: Tenant, now: datetime) -> None:
    ours.sync(now)
    world.database.owner.exec_driver_sql(
        "UPDATE core_api.workspace_connectors SET consent_expires_at = now() - interval '1 ms'"
        f" WHERE pk = {ours.connector.pk}"
    )
    with unjudged(world.database) as owner:
        owner.exec_driver_sql(
            "UPDATE wellspring.connector_state SET health_changes_at = now() - interval '1 ms', health_reasons = '[]'"
            f" WHERE workspace_connector_pk = {ours.connector.pk}"
        )
    world.database.commit()
    assert settle()["judge"]["connectors"] == 1
    assert ours.kept.codes == ["consent_expired"]


def test_many_are_judged_in_steps(world: World, monkeypatch: pytest.MonkeyPatch, statements: Statements) -> None:
    monkeypatch.setattr(settling, "JUDGED", 4)
    late = unseen(world, 10, 3 * DAY)
    statements.clear()
    assert settle()["judge"] == {"connectors": 10, "is_silent": 0, "is_all": True}
    assert sum("judge_connectors" in one for one in statements) == 3
    assert health(world, late) == {"late"}


class TestSilence:
    def fleet(self, database: AnyDatabase) -> Any:
        found = database.owner.exec_driver_sql(
            "SELECT is_silent, silent_since IS NOT NULL, silent_until IS NOT NULL FROM wellspring.fleet"
        ).one()
        database.commit()
        return tuple(found)

    @pytest.mark.parametrize(
        ("number", "well", "gone", "is_silent"),
        [
            pytest.param(15, 14, 0, 1, id="most of twenty"),
            pytest.param(14, 14, 0, 0, id="half is their own fault"),
            pytest.param(19, 0, 0, 0, id="fewer than twenty say nothing of all"),
            pytest.param(5, 20, 40, 0, id="who never comes again silences nobody"),
        ],
    )
    def test_where_most_of_twenty_have_not_come_nobody_becomes_late(
        self, world: World, number: int, well: int, gone: int, is_silent: int
    ) -> None:
        daily(world, gone, 90 * DAY)
        missing, others = unseen(world, number, 3 * DAY), daily(world, well, DAY / 2)
        assert settle()["judge"] == {"connectors": 0 if is_silent else number, "is_silent": is_silent, "is_all": True}
        assert health(world, missing) == {"ok" if is_silent else "late"}
        assert health(world, others) <= {"ok"}
        if is_silent:
            assert self.fleet(world.database) == (True, True, False)

    def test_when_it_is_over_who_does_not_come_is_late_after_their_time(self, world: World) -> None:
        missing = unseen(world, 30, 3 * DAY)
        assert settle()["judge"]["is_silent"] == 1
        daily(world, 40, DAY / 2)
        assert settle()["judge"] == {"connectors": 30, "is_silent": 0, "is_all": True}
        assert self.fleet(world.database) == (False, True, True)
        assert health(world, missing) == {"ok"}
        rows = [Kept(world.database, one).row() for one in missing]
        assert {row.changes_at - row.expected_by for row in rows} == {3 * DAY}


@pytest.mark.long
def test_a_step_costs_what_it_judges_however_many_there_are(fresh_database: FreshDatabase, world: World) -> None:
    number, workspace, connector = 100_000, world.workspace(), world.connector()
    owner = fresh_database.owner
    owner.execute(
        text(
            "INSERT INTO core_api.workspace_connectors (workspace_pk, connector_pk)"
            " SELECT :workspace, :connector FROM generate_series(1, :number)"
        ),
        {"workspace": workspace.pk, "connector": connector.pk, "number": number},
    )
    owner.exec_driver_sql(
        "INSERT INTO wellspring.connector_state (workspace_connector_pk, syncs, sync_runs, last_synced_at, due_at,"
        " expected_by, health_reasons, health_changes_at)"
        " SELECT pk, ARRAY(SELECT now() - day * interval '1 day' FROM generate_series(21, 1, -1) AS day),"
        "        array_fill(1, ARRAY[21]), now() - interval '1 hour', now() + interval '23 hours', changes_at, '[]',"
        "        changes_at"
        "   FROM (SELECT pk, now() + (pk % 100 - 2) * interval '1 hour' AS changes_at"
        "           FROM core_api.workspace_connectors) AS made"
    )
    fresh_database.commit()
    owner.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
        "VACUUM ANALYZE wellspring.connector_state, core_api.workspace_connectors"
    )

    def buffers(statement: Any, **values: int) -> int:
        asked = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.text}")
        plan = owner.execute(asked, values).scalar_one()[0]["Plan"]
        return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    (pages,) = owner.exec_driver_sql(
        "SELECT sum(relpages) FROM pg_class WHERE relname IN ('connector_state', 'workspace_connectors')"
    ).one()
    # All connectors are counted once, and none is looked up by itself.
    assert buffers(repository._NOTE_SILENCE) < 2 * pages
    first = buffers(repository._JUDGE, most=100)
    assert buffers(repository._JUDGE, most=1000) < 12 * first
    assert first < 100 * 80


MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
NOW = timedelta()
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("gaps", "longest"),
    [
        pytest.param([DAY, DAY], None, id="unknown before four syncs"),
        pytest.param([DAY, DAY, DAY], 2 * DAY, id="of four syncs"),
        pytest.param([DAY, 3 * DAY, 2 * DAY, 3 * DAY], 5 * DAY, id="twice the median"),
        pytest.param([HOUR] * 20, DAY, id="at least a day"),
        pytest.param([*[DAY] * 12, 30 * DAY, *[DAY] * 7], 2 * DAY, id="one outage of many gaps"),
        pytest.param([DAY, DAY, 3 * DAY, DAY], 2 * DAY, id="one of four gaps may be an outage"),
        pytest.param([159 * DAY, WEEK, WEEK, WEEK, WEEK], 2 * WEEK, id="one of five that is no weekend"),
        pytest.param([DAY, DAY, DAY, DAY, 3 * DAY], 3.3 * DAY, id="its first weekend"),
        pytest.param([DAY, DAY, DAY, DAY, 3 * DAY] * 4, 3.3 * DAY, id="its weekends"),
    ],
)
def test_how_long_until_it_is_late(database: Database, gaps: Sequence[timedelta], longest: timedelta | None) -> None:
    times = list(accumulate(gaps, initial=START))
    found = database.owner.execute(
        text("SELECT max(longest) FROM wellspring.rhythm(CAST(:times AS timestamptz[]))"), {"times": times}
    )
    assert found.scalar_one() == longest


@pytest.mark.parametrize(
    ("known", "messages", "syncs"),
    [
        # One more than 15 minutes after the last.
        (0, [(at * MINUTE, None) for at in (0, 5, 15, 16, 30, 32)], [0 * MINUTE, 16 * MINUTE, 32 * MINUTE]),
        # A run is one however long it takes, and may follow another closely.
        (0, [(0 * DAY, "a"), (HOUR, "a"), (2 * HOUR, "b"), (3 * HOUR, "a"), (3 * HOUR, "b")], [0 * DAY, 2 * HOUR]),
        (0, [(0 * DAY, "a"), (MINUTE, "b"), (2 * MINUTE, None)], [0 * DAY, MINUTE]),
        # What is older than the last is none.
        (0, [(2 * HOUR, None), (HOUR, None), (HOUR, "a")], [2 * HOUR]),
        # The last 21 are known.
        (21, [(0 * DAY, None), (DAY, "a")], [day * DAY for day in range(-19, 2)]),
    ],
)
def test_which_messages_are_syncs(
    database: Database, known: int, messages: list[tuple[timedelta, str | None]], syncs: list[timedelta]
) -> None:
    times, names = zip(*messages, strict=True)
    found = database.owner.execute(
        text(
            "SELECT known_syncs, known_runs FROM wellspring.add_syncs(CAST(:syncs AS timestamptz[]),"
            " CAST(:runs AS integer[]), CAST(:times AS timestamptz[]), CAST(:names AS text[]))"
        ),
        {
            "syncs": [START - back * DAY for back in range(known, 0, -1)],
            "runs": [None] * known,
            "times": [START + at for at in times],
            "names": list(names),
        },
    ).one()
    assert [at - START for at in found.known_syncs] == syncs
    assert len(found.known_runs) == len(syncs)


type Judge = Callable[..., tuple[list[str], timedelta | None]]


@pytest.fixture
def judged(world: World, database: Database, now: datetime) -> Judge:
    """Make a connector of which something is kept, times as of now; return its reasons, and how soon that changes."""

    def judge(synced: Sequence[timedelta], of: Mapping[str, Any], **kept: Any) -> tuple[list[str], timedelta | None]:
        def timed(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: now + each if isinstance(each, timedelta) else each for name, each in values.items()}

        connector = world.workspace_connector(world.workspace(), **timed(of))
        syncs = [now - ago for ago in synced]
        said = timed(kept) | {"syncs": syncs, "last_synced_at": syncs[-1] if syncs else None}
        sets = ", ".join(f"{name} = :{name}" for name in said)
        asked = text(f"UPDATE wellspring.connector_state SET {sets} WHERE workspace_connector_pk = :pk")
        database.owner.execute(MADE, {"pks": [connector.pk]})
        database.owner.execute(asked, {"pk": connector.pk, **said})
        found = Kept(database, connector)
        assert found.health == (found.codes or ["ok"])[0]
        changes = found.row().changes_at
        return found.codes, changes and changes - now

    return judge


def each_day(last: timedelta, number: int = 5) -> list[timedelta]:
    return [last + back * DAY for back in range(number - 1, -1, -1)]


FAILED = {"parked_messages": 1, "last_failed_at": NOW}


@pytest.mark.parametrize(
    ("synced", "of", "kept", "expected"),
    [
        ([], {}, {}, (["new"], None)),
        (each_day(HOUR), {}, {}, ([], 2 * DAY - HOUR)),
        (each_day(3 * DAY), {}, {}, (["late"], None)),
        # Nothing is late before its rhythm is known.
        (each_day(90 * DAY, 3), {}, {}, ([], None)),
        # A consent is told of 30 days before it ends.
        ([NOW], {"consent_expires_at": 100 * DAY}, {}, ([], 70 * DAY)),
        ([NOW], {"consent_expires_at": 30 * DAY}, {}, (["consent_expires"], 30 * DAY)),
        ([NOW], {"consent_expires_at": NOW}, {}, (["consent_expired"], None)),
        # What the platform says, and what was parked since the last sync.
        ([NOW], {"status": "error"}, {}, (["failing"], None)),
        ([DAY], {}, FAILED | {"applied_at": -DAY}, (["failing"], None)),
        ([DAY], {}, FAILED | {"applied_at": -DAY, "last_failed_at": -2 * DAY}, ([], None)),
        ([DAY], {}, FAILED | {"applied_at": -DAY, "parked_messages": 0}, ([], None)),
        ([NOW], {"deleted_at": NOW}, {}, (["disconnected"], None)),
        ([NOW], {}, {"disconnected_at": NOW}, (["disconnected"], None)),
        # All that hold are told, in their order.
        (
            each_day(WEEK),
            {"status": "error", "consent_expires_at": DAY, "deleted_at": NOW},
            {},
            (["disconnected", "failing", "late", "consent_expires"], DAY),
        ),
        ([], {}, FAILED, (["failing", "new"], None)),
    ],
)
def test_the_first_that_holds_is_the_health(
    judged: Judge, synced: list[timedelta], of: dict[str, Any], kept: dict[str, Any], expected: object
) -> None:
    assert judged(synced, of, **kept) == expected


@pytest.mark.parametrize(
    ("fleet", "synced", "expected"),
    [
        # Nobody becomes late while all are silent, and after it everybody has as long as ever.
        ("is_silent = true", each_day(2 * DAY + HOUR), ([], -HOUR)),
        (
            "silent_until = date_trunc('milliseconds', now()) - interval '1 hour'",
            each_day(9 * DAY),
            ([], 2 * DAY - HOUR),
        ),
        ("silent_until = date_trunc('ms', now()) - interval '2 days'", each_day(9 * DAY), (["late"], None)),
    ],
)
def test_silence_makes_nobody_late(
    judged: Judge, database: Database, fleet: str, synced: list[timedelta], expected: object
) -> None:
    database.owner.exec_driver_sql(f"UPDATE wellspring.fleet SET {fleet}")
    assert judged(synced, {}) == expected


def test_who_was_late_stays_so_in_silence(judged: Judge, database: Database) -> None:
    reasons = "SELECT health_reasons FROM wellspring.connector_state ORDER BY workspace_connector_pk DESC LIMIT 1"
    assert judged(each_day(3 * DAY), {})[0] == ["late"]
    known = database.owner.exec_driver_sql(reasons).scalar_one()
    database.owner.exec_driver_sql("UPDATE wellspring.fleet SET is_silent = true")
    database.owner.exec_driver_sql("UPDATE wellspring.connector_state SET parked_messages = 1")
    assert database.owner.exec_driver_sql(reasons).scalar_one()[-1] == known[-1]
