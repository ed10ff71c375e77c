"""The rule: what a connector's health is, of what is kept about it, and when that changes by itself (docs/adr/0052)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from sqlalchemy import text

from tests.health.conftest import MADE, Kept
from tests.support.databases import Database
from tests.support.world import World

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def judged(world: World, database: Database) -> Callable[..., tuple[str, list[Any], datetime | None]]:
    """Make a connector of which something is kept, and return its health, the reasons and when that changes."""

    def judge(
        *, syncs: Sequence[datetime] = (), of: dict[str, Any] | None = None, **kept: Any
    ) -> tuple[str, list[Any], datetime | None]:
        connector = world.workspace_connector(world.workspace(), **(of or {}))
        kept |= {"syncs": list(syncs), "last_synced_at": syncs[-1] if syncs else None}
        sets = ", ".join(f"{name} = :{name}" for name in kept)
        asked = text(f"UPDATE wellspring.connector_state SET {sets} WHERE workspace_connector_pk = :pk")
        database.owner.execute(MADE, {"pks": [connector.pk]})
        database.owner.execute(asked, {"pk": connector.pk, **kept})
        found = Kept(database, connector)
        return found.health, found.codes, found.row().changes_at

    return judge


def every(gap: timedelta, number: int, until: datetime) -> list[datetime]:
    return [until - gap * back for back in reversed(range(number))]


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
def test_how_long_a_connector_has_until_it_is_late(
    database: Database, gaps: Sequence[timedelta], longest: timedelta | None
) -> None:
    times = list(accumulate(gaps, initial=START))
    found = database.owner.execute(
        text("SELECT max(longest) FROM wellspring.rhythm(CAST(:times AS timestamptz[]))"), {"times": times}
    )
    assert found.scalar_one() == longest


class TestSyncs:
    """Which messages are syncs."""

    @pytest.fixture
    def add(self, database: Database) -> Callable[..., list[timedelta]]:
        def add(*messages: tuple[timedelta, str | None], known: int = 0) -> list[timedelta]:
            before = [START - timedelta(days=back) for back in reversed(range(1, known + 1))]
            found = database.owner.execute(
                text(
                    "SELECT known_syncs, known_runs FROM wellspring.add_syncs(CAST(:syncs AS timestamptz[]),"
                    " CAST(:runs AS integer[]), CAST(:times AS timestamptz[]), CAST(:names AS text[]))"
                ),
                {
                    "syncs": before,
                    "runs": [None] * known,
                    "times": [START + at for at, _ in messages],
                    "names": [run for _, run in messages],
                },
            ).one()
            assert len(found.known_syncs) == len(found.known_runs)
            return [at - START for at in found.known_syncs]

        return add

    def test_a_message_is_one_more_than_15_minutes_after_the_last(self, add: Callable[..., list[timedelta]]) -> None:
        minutes = [timedelta(minutes=minute) for minute in (0, 5, 15, 16, 30, 32)]
        assert add(*((minute, None) for minute in minutes)) == [minutes[0], minutes[3], minutes[5]]

    def test_a_run_is_one_however_long_it_takes(self, add: Callable[..., list[timedelta]]) -> None:
        messages = [(0 * HOUR, "a"), (HOUR, "a"), (2 * HOUR, "b"), (3 * HOUR, "a"), (3 * HOUR, "b"), (4 * HOUR, "c")]
        assert add(*messages) == [0 * HOUR, 2 * HOUR, 4 * HOUR]

    def test_runs_may_follow_one_another_closely(self, add: Callable[..., list[timedelta]]) -> None:
        minute = timedelta(minutes=1)
        assert add((0 * minute, "a"), (minute, "b"), (2 * minute, None)) == [0 * minute, minute]

    def test_what_is_older_than_the_last_is_none(self, add: Callable[..., list[timedelta]]) -> None:
        assert add((2 * HOUR, None), (HOUR, None), (HOUR, "a")) == [2 * HOUR]

    def test_the_last_21_are_known(self, add: Callable[..., list[timedelta]]) -> None:
        assert add((0 * DAY, None), (DAY, "a"), known=21) == [day * DAY for day in range(-19, 2)]


class TestHealth:
    """The first that holds, and all that hold."""

    def test_new_is_what_never_synced(self, judged: Callable[..., Any]) -> None:
        assert judged(last_failed_at=None) == ("new", ["new"], None)

    def test_ok_is_what_came_when_it_was_due(self, judged: Callable[..., Any], now: datetime) -> None:
        assert judged(syncs=every(DAY, 5, now - HOUR)) == ("ok", [], now - HOUR + 2 * DAY)

    def test_late_is_what_has_not_come(self, judged: Callable[..., Any], now: datetime) -> None:
        assert judged(syncs=every(DAY, 5, now - 3 * DAY)) == ("late", ["late"], None)

    def test_nothing_is_late_before_its_rhythm_is_known(self, judged: Callable[..., Any], now: datetime) -> None:
        assert judged(syncs=every(DAY, 3, now - 90 * DAY)) == ("ok", [], None)

    def test_a_consent_is_told_of_30_days_before_it_ends(self, judged: Callable[..., Any], now: datetime) -> None:
        ends = now + 100 * DAY
        assert judged(syncs=[now], of={"consent_expires_at": ends}) == ("ok", [], ends - 30 * DAY)
        ends = now + 30 * DAY
        assert judged(syncs=[now], of={"consent_expires_at": ends}) == ("consent_expires", ["consent_expires"], ends)
        assert judged(syncs=[now], of={"consent_expires_at": now}) == ("consent_expired", ["consent_expired"], None)

    def test_failing_is_what_the_platform_says(self, judged: Callable[..., Any], now: datetime) -> None:
        assert judged(syncs=[now], of={"status": "error"}) == ("failing", ["failing"], None)

    def test_failing_is_what_was_parked_since_the_last_sync(self, judged: Callable[..., Any], now: datetime) -> None:
        def health(**kept: Any) -> str:
            found: str = judged(syncs=[now - DAY], applied_at=now - DAY, **kept)[0]
            return found

        assert health(parked_messages=1, last_failed_at=now) == "failing"
        assert health(parked_messages=1, last_failed_at=now - 2 * DAY) == "ok"
        assert health(parked_messages=0, last_failed_at=now) == "ok"

    def test_disconnected_is_what_is_deleted_or_was_disconnected(
        self, judged: Callable[..., Any], now: datetime
    ) -> None:
        assert judged(syncs=[now], of={"deleted_at": now})[0] == "disconnected"
        assert judged(syncs=[now], disconnected_at=now)[0] == "disconnected"

    def test_all_that_hold_are_told_in_their_order(self, judged: Callable[..., Any], now: datetime) -> None:
        of = {"status": "error", "consent_expires_at": now + DAY, "deleted_at": now}
        expected = ["disconnected", "failing", "late", "consent_expires"]
        assert judged(syncs=every(DAY, 5, now - WEEK), of=of) == ("disconnected", expected, now + DAY)
        assert judged(parked_messages=1, last_failed_at=now) == ("failing", ["failing", "new"], None)


class TestSilence:
    """While all are silent nobody becomes late."""

    def fleet(self, database: Database, **values: Any) -> None:
        sets = ", ".join(f"{name} = :{name}" for name in values)
        database.owner.execute(text(f"UPDATE wellspring.fleet SET {sets}"), values)

    def test_nobody_becomes_late(self, judged: Callable[..., Any], database: Database, now: datetime) -> None:
        self.fleet(database, is_silent=True)
        due = now - HOUR
        assert judged(syncs=every(DAY, 5, due - 2 * DAY)) == ("ok", [], due)

    def test_who_was_late_stays_so(self, judged: Callable[..., Any], database: Database, now: datetime) -> None:
        reasons = "SELECT health_reasons FROM wellspring.connector_state ORDER BY workspace_connector_pk DESC LIMIT 1"
        syncs = every(DAY, 5, now - 3 * DAY)
        assert judged(syncs=syncs)[0] == "late"
        self.fleet(database, is_silent=True)
        known = database.owner.exec_driver_sql(reasons).scalar_one()
        database.owner.exec_driver_sql("UPDATE wellspring.connector_state SET parked_messages = 1")
        assert database.owner.exec_driver_sql(reasons).scalar_one()[-1] == known[-1]

    def test_after_it_everybody_has_as_long_as_ever(
        self, judged: Callable[..., Any], database: Database, now: datetime
    ) -> None:
        self.fleet(database, is_silent=False, silent_until=now - HOUR)
        assert judged(syncs=every(DAY, 5, now - 9 * DAY)) == ("ok", [], now - HOUR + 2 * DAY)
        self.fleet(database, silent_until=now - 2 * DAY)
        assert judged(syncs=every(DAY, 5, now - 9 * DAY))[0] == "late"
