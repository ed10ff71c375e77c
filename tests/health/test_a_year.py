"""The rule, judged on a labelled year of 313 connectors: what it finds, and what it finds that is not there.

It is the database's own rule, at the moment before each sync of the year: only where more than a day has passed since
the one before, for nobody is late earlier.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text

from local.settings import ROOT
from tests.support.databases import FreshDatabase
from tests.support.world import Row, World

pytestmark = pytest.mark.long

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
YEAR = timedelta(days=364)
# How many there are of each rhythm.
NUMBERS = {"hourly": 80, "daily": 100, "weekdays": 70, "monthly": 23, "irregular": 40}
# The longest gap that each has while all is well: an outage is what lasts for longer than twice that.
RHYTHMS = {"hourly": HOUR, "daily": DAY, "weekdays": 3 * DAY, "monthly": 31 * DAY, "irregular": 4 * DAY}

# What a sync may be later than the one before at its time.
VARIES = 2 * HOUR


class History(NamedTuple):
    """A connector's year: when it synced, and when its last sync was before each outage.

    An outage is long that lasts for longer than twice the rhythm, and than the day that everybody has.
    """

    rhythm: str
    syncs: list[datetime]
    outages: dict[datetime, bool]


def _history(drawn: random.Random, rhythm: str) -> History:
    times = list(_times(drawn, rhythm))
    away: list[tuple[datetime, datetime]] = []
    # One short enough to be borne with, and one or two that somebody should be told of.
    lengths = [1.5] if rhythm == "monthly" else [0.9, 1.5]
    longest = max(RHYTHMS[rhythm], DAY / 2)
    parts = YEAR / (len(lengths) + 1)
    for number, length in enumerate(lengths):
        begin = START + parts * (number + drawn.uniform(0.55, 0.95))
        away.append((begin, begin + 2 * longest * length))
    kept = [at for at in times if not any(begin <= at < end for begin, end in away)]
    outages: dict[datetime, bool] = {}
    for begin, end in away:
        before = [at for at in kept if at < begin]
        after = [at for at in kept if at >= end]
        if before and after:
            away_for = after[0] - before[-1] - VARIES
            outages[before[-1]] = away_for > 2 * max(RHYTHMS[rhythm], DAY / 2)
    return History(rhythm, kept, outages)


def _times(drawn: random.Random, rhythm: str) -> Iterator[datetime]:
    """Yield when a connector syncs where nothing is wrong: about its own time of day, and some take longer."""
    at = START + drawn.uniform(0, 1) * DAY
    while at < START + YEAR:
        late = timedelta(minutes=drawn.expovariate(1 / 10))
        match rhythm:
            case "hourly":
                yield at + min(late, HOUR / 2)
                at += HOUR
            case "daily":
                yield at + late
                at += DAY
            case "weekdays":
                if at.weekday() < 5:
                    yield at + late
                at += DAY
            case "monthly":
                yield at + late
                month = at.month % 12 + 1
                at = at.replace(year=at.year + (month == 1), month=month, day=min(at.day, 28))
            case _:
                # Somebody presses a button, two to four times a week.
                yield at + late
                at += drawn.uniform(1.5, 4) * DAY


# Each gap of more than a day: whether the rule says that its connector is late when it comes again, and since when; and
# whether it would by twice the median and a day alone.
LATE = text("""
WITH gap AS MATERIALIZED (
  SELECT sync.pk, sync.number, sync.at, following.at AS next_at
    FROM said AS sync
    JOIN said AS following ON following.pk = sync.pk AND following.number = sync.number + 1
   WHERE following.at - sync.at > interval '1 day'
),
known AS MATERIALIZED (
  SELECT gap.*, syncs.known_syncs AS syncs
    FROM gap
   CROSS JOIN LATERAL wellspring.add_syncs('{}', '{}', ARRAY(
           SELECT said.at FROM said
            WHERE said.pk = gap.pk AND said.number <= gap.number AND said.number > gap.number - 21
            ORDER BY said.number), NULL) AS syncs
),
judged AS MATERIALIZED (
  SELECT known.*, known.at + of.longest AS expected_by,
         wellspring.health_of(jsonb_populate_record(NULL::wellspring.connector_state, jsonb_build_object(
           'workspace_connector_pk', known.pk, 'parked_messages', 0, 'last_synced_at', known.at,
           'expected_by', known.at + of.longest)), known.next_at - interval '1 ms') AS verdict
    FROM known
    LEFT JOIN LATERAL wellspring.rhythm(known.syncs) AS of ON true
)
SELECT pk, at, next_at, (verdict).health = 'late' AS is_late,
       (SELECT greatest(interval '1 day', 2 * percentile_cont(0.5) WITHIN GROUP (ORDER BY gap))
          FROM (SELECT sync - lag(sync) OVER (ORDER BY sync) AS gap FROM unnest(syncs) AS sync) AS gaps
         WHERE gap IS NOT NULL HAVING count(*) >= 3) < next_at - at AS is_late_by_the_median
  FROM judged""")


def judged(database: FreshDatabase, made: Sequence[Row], years: Sequence[History]) -> dict[int, list[Any]]:
    owner = database.owner
    owner.exec_driver_sql("DROP TABLE IF EXISTS said")
    owner.exec_driver_sql("CREATE TEMPORARY TABLE said (pk bigint, number bigint, at timestamptz)")
    said = text(
        "INSERT INTO said SELECT :pk, number, at"
        " FROM unnest(CAST(:times AS timestamptz[])) WITH ORDINALITY AS sync (at, number)"
    )
    for one, year in zip(made, years, strict=True):
        owner.execute(said, {"pk": one.pk, "times": year.syncs})
    owner.exec_driver_sql("CREATE UNIQUE INDEX ON said (pk, number)")
    owner.exec_driver_sql("ANALYZE said")
    found: dict[int, list[Any]] = defaultdict(list)
    for row in owner.execute(LATE):
        found[row.pk].append(row)
    database.commit()
    return found


def test_each_long_outage_is_found_and_nobody_is_called_late_twice_for_nothing(
    fresh_database: FreshDatabase, world: World
) -> None:
    drawn, workspace = random.Random(1), world.workspace()
    years = [_history(drawn, rhythm) for rhythm, number in NUMBERS.items() for _ in range(number)]
    made = [world.workspace_connector(workspace) for _ in years]
    count: dict[str, Counter[str]] = defaultdict(Counter)
    gaps = judged(fresh_database, made, years)
    for one, year in zip(made, years, strict=True):
        of, outages = count[year.rhythm], year.outages
        late = {gap.at for gap in gaps[one.pk] if gap.is_late}
        of["connectors"] += 1
        for since, is_long in outages.items():
            of["outages" if is_long else "short"] += 1
            of["found" if is_long else "short, told"] += since in late
        of["false"] += len(late - outages.keys())
        of["most"] = max(of["most"], len(late - outages.keys()))
        of["false by the median"] += len({gap.at for gap in gaps[one.pk] if gap.is_late_by_the_median} - outages.keys())
    assert all(of["outages"] for of in count.values())
    assert {rhythm: of["found"] for rhythm, of in count.items()} == {r: of["outages"] for r, of in count.items()}
    assert max(of["most"] for of in count.values()) <= 1
    assert table(count) in (ROOT / "docs" / "health.md").read_text(), "docs/health.md tells of another year"


def table(count: dict[str, Counter[str]]) -> str:
    columns = ("connectors", "outages", "found", "short", "short, told", "false", "most", "false by the median")
    lines = [f"| rhythm | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    lines += [f"| {rhythm} | {' | '.join(f'{of[name]:,}' for name in columns)} |" for rhythm, of in count.items()]
    return "\n".join(lines) + "\n"
