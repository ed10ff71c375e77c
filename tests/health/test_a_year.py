"""The rule, judged on a labelled year of 313 connectors: what it finds, and what it finds that is not there.

It is the database's own rule, at the moment before each sync of the year: only where more than a day has passed since
the one before, for nobody is late earlier. The silence is lived through hour by hour, with the triggers and the step of
settling: what is written down grows an hour older each time.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from local.settings import ROOT
from tests.health.conftest import let_have_synced, unjudged
from tests.health.simulation import DAY, HOUR, NUMBERS, START, YEAR, History, histories
from tests.support.databases import FreshDatabase
from tests.support.world import Row, World
from wellspring.repositories import connector_health

pytestmark = pytest.mark.long

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


def connectors(world: World, number: int) -> list[Row]:
    workspace = world.workspace()
    return [world.workspace_connector(workspace) for _ in range(number)]


def judged(database: FreshDatabase, made: Sequence[Row], years: Sequence[History]) -> dict[int, list[Any]]:
    owner = database.owner
    owner.exec_driver_sql("DROP TABLE IF EXISTS said")
    owner.exec_driver_sql("CREATE TEMPORARY TABLE said (pk bigint, number bigint, at timestamptz)")
    for one, year in zip(made, years, strict=True):
        owner.execute(
            text(
                "INSERT INTO said SELECT :pk, number, at"
                " FROM unnest(CAST(:times AS timestamptz[])) WITH ORDINALITY AS sync (at, number)"
            ),
            {"pk": one.pk, "times": list(year.syncs)},
        )
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
    made, years = connectors(world, sum(NUMBERS.values())), histories(1)
    count: dict[str, Counter[str]] = defaultdict(Counter)
    gaps = judged(fresh_database, made, years)
    for one, year in zip(made, years, strict=True):
        of = count[year.rhythm]
        outages = {outage.since for outage in year.outages}
        late = {gap.at for gap in gaps[one.pk] if gap.is_late}
        of["connectors"] += 1
        of["outages"] += sum(outage.is_long for outage in year.outages)
        of["found"] += sum(outage.is_long and outage.since in late for outage in year.outages)
        of["short"] += sum(not outage.is_long for outage in year.outages)
        of["short, told"] += sum(not outage.is_long and outage.since in late for outage in year.outages)
        of["false"] += len(late - outages)
        of["most"] = max(of["most"], len(late - outages))
        of["false by the median"] += len({gap.at for gap in gaps[one.pk] if gap.is_late_by_the_median} - outages)
    assert all(of["outages"] for of in count.values())
    assert {rhythm: of["found"] for rhythm, of in count.items()} == {r: of["outages"] for r, of in count.items()}
    assert max(of["most"] for of in count.values()) <= 1
    assert table(count) in (ROOT / "docs" / "health.md").read_text(), "docs/health.md tells of another year"


def table(count: dict[str, Counter[str]]) -> str:
    columns = ("connectors", "outages", "found", "short", "short, told", "false", "most", "false by the median")
    lines = [f"| rhythm | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    lines += [f"| {rhythm} | {' | '.join(f'{of[name]:,}' for name in columns)} |" for rhythm, of in count.items()]
    return "\n".join(lines) + "\n"


# An hour passes: all that is written down is an hour older.
OLDER = (
    text("""
UPDATE wellspring.connector_state
   SET last_synced_at = last_synced_at - interval '1 hour', due_at = due_at - interval '1 hour',
       expected_by = expected_by - interval '1 hour', applied_at = applied_at - interval '1 hour',
       health_changes_at = health_changes_at - interval '1 hour',
       syncs = ARRAY(SELECT at - interval '1 hour' FROM unnest(syncs) WITH ORDINALITY AS known (at, n) ORDER BY n),
       health_reasons = (
         SELECT coalesce(jsonb_agg(jsonb_set(reason, '{at}', to_jsonb(to_char(
                  (CAST(reason ->> 'at' AS timestamptz) - interval '1 hour') AT TIME ZONE 'UTC',
                  'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))), '[]')
           FROM jsonb_array_elements(health_reasons) AS reason)"""),
    text("""
UPDATE wellspring.fleet
   SET silent_since = silent_since - interval '1 hour', silent_until = silent_until - interval '1 hour'"""),
)
# Syncs of an hour that ends now.
SYNCED = text("""
UPDATE wellspring.connector_state AS state
   SET last_synced_at = sync.at, applied_at = sync.at,
       (syncs, sync_runs) = (SELECT * FROM wellspring.add_syncs(state.syncs, state.sync_runs, ARRAY[sync.at], NULL))
  FROM unnest(CAST(:pks AS bigint[]), CAST(:ago AS interval[])) AS told (pk, ago)
 CROSS JOIN LATERAL (SELECT now() - told.ago AS at) AS sync
 WHERE state.workspace_connector_pk = told.pk""")


def test_85_hours_of_silence_of_all_are_one_verdict(fresh_database: FreshDatabase, world: World) -> None:
    begin = START + YEAR / 2 + 3 * HOUR
    silence = (begin, begin + 85 * HOUR)
    years = histories(7, silence, outages=False)
    made = connectors(world, len(years))
    owner = fresh_database.owner
    for one, year in zip(made, years, strict=True):
        let_have_synced(fresh_database, [one], [begin - DAY - at for at in year.syncs if at < begin - DAY][-21:])
    fresh_database.commit()
    verdicts: list[bool] = []
    late: Counter[int] = Counter()
    for number in range(24 + 85 + 5 * 24):
        until = begin - DAY + (number + 1) * HOUR
        with unjudged(fresh_database):
            for each in OLDER:
                owner.execute(each)
        came = [
            (one.pk, until - at)
            for one, year in zip(made, years, strict=True)
            if (at := max((at for at in year.syncs if until - HOUR <= at < until), default=None))
        ]
        if came:
            owner.execute(SYNCED, {"pks": [pk for pk, _ in came], "ago": [ago for _, ago in came]})
        verdicts.append(connector_health.note_silence(owner))
        if not verdicts[-1]:
            connector_health.judge_due(owner, 1000)
        late.update(
            owner.exec_driver_sql("SELECT pk FROM core_api.workspace_connectors WHERE health = 'late'").scalars()
        )
        fresh_database.commit()
    changes = [now for before, now in zip([False, *verdicts], verdicts, strict=False) if before != now]
    assert changes == [True, False]
    assert not late
