"""The rule: what a connector's health is, of what is kept about it, and when that changes by itself (docs/adr/0052)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import pytest
from sqlalchemy import text

from tests.health.conftest import MADE, Kept
from tests.support.databases import Database
from tests.support.world import World

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


def daily(last: timedelta, number: int = 5) -> list[timedelta]:
    return [last + back * DAY for back in range(number - 1, -1, -1)]


FAILED = {"parked_messages": 1, "last_failed_at": NOW}


@pytest.mark.parametrize(
    ("synced", "of", "kept", "expected"),
    [
        ([], {}, {}, (["new"], None)),
        (daily(HOUR), {}, {}, ([], 2 * DAY - HOUR)),
        (daily(3 * DAY), {}, {}, (["late"], None)),
        # Nothing is late before its rhythm is known.
        (daily(90 * DAY, 3), {}, {}, ([], None)),
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
            daily(WEEK),
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
        ("is_silent = true", daily(2 * DAY + HOUR), ([], -HOUR)),
        ("silent_until = date_trunc('milliseconds', now()) - interval '1 hour'", daily(9 * DAY), ([], 2 * DAY - HOUR)),
        ("silent_until = date_trunc('milliseconds', now()) - interval '2 days'", daily(9 * DAY), (["late"], None)),
    ],
)
def test_silence_makes_nobody_late(
    judged: Judge, database: Database, fleet: str, synced: list[timedelta], expected: object
) -> None:
    database.owner.exec_driver_sql(f"UPDATE wellspring.fleet SET {fleet}")
    assert judged(synced, {}) == expected


def test_who_was_late_stays_so_in_silence(judged: Judge, database: Database) -> None:
    reasons = "SELECT health_reasons FROM wellspring.connector_state ORDER BY workspace_connector_pk DESC LIMIT 1"
    assert judged(daily(3 * DAY), {})[0] == ["late"]
    known = database.owner.exec_driver_sql(reasons).scalar_one()
    database.owner.exec_driver_sql("UPDATE wellspring.fleet SET is_silent = true")
    database.owner.exec_driver_sql("UPDATE wellspring.connector_state SET parked_messages = 1")
    assert database.owner.exec_driver_sql(reasons).scalar_one()[-1] == known[-1]
