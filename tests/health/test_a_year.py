"""The rule, judged on a labelled year of 313 connectors: what it finds, and what it finds that is not there.

It is the database's own rule, at the moment before each sync of the year: only where more than a day has passed since
the one before, for nobody is late earlier.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from local.settings import ROOT
from tests.health.simulation import NUMBERS, History, histories
from tests.support.databases import FreshDatabase
from tests.support.world import Row, World

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
