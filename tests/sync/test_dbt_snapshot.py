"""Another's oracle: after each night of complete snapshots the live records are the open rows of `dbt snapshot`.

dbt reads one table of what ten tools have, and Wellspring a run of each of them that names all it has: what is gone is
invalidated by the one (`hard_deletes: invalidate`) and ended by the other. Twenty nights are 200 runs.
"""

import os
import subprocess
from pathlib import Path
from random import Random
from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy import text

from local.demo_data import Kept
from local.settings import ROOT
from tests.support.api import PIPELINE, post
from tests.support.databases import CONSUMER, FreshDatabase
from tests.support.queue import consume
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from wellspring.resources import ledgers
from wellspring_producer import Connector, Snapshot
from wellspring_producer.messages import Mode

pytestmark = pytest.mark.outside

VENV = ".local/dbt-venv"
SEED = int(os.environ.get("DBT_SEED", "1"))
NIGHTS, TOOLS = 20, 10
TABLES = {"company": "companies", "people": "peoples"}
PROJECT = {
    "dbt_project.yml": """
name: oracle
version: "1.0.0"
profile: oracle
snapshot-paths: [snapshots]
flags:
  send_anonymous_usage_stats: false
""",
    "snapshots/had.sql": """
{% snapshot had %}
{{ config(target_schema="oracle", unique_key="key", strategy="check", check_cols=["version"],
          hard_deletes="invalidate") }}
select key, version from oracle.has
{% endsnapshot %}
""",
}
PROFILE = """
oracle:
  target: here
  outputs:
    here:
      {{type: postgres, host: "{host}", port: {port}, user: "{user}", password: "{password}", dbname: "{dbname}",
       schema: oracle, threads: 1}}
"""
LIVE = " UNION ALL ".join(
    f"SELECT connector.id::text || ' {type_} ' || record.id::text FROM core_api.{ledgers()[type_].table} AS row"
    f"  JOIN core_api.{table} AS record ON record.pk = row.{type_}_pk"
    "  JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk"
    " WHERE row.deleted_at IS NULL AND row.direction = 'input'"
    for type_, table in TABLES.items()
)


# Started once: most of the command's time is its start.
SERVED = """
import sys
from dbt.cli.main import dbtRunner
for asked in sys.stdin:
    done = dbtRunner().invoke(["--no-version-check", "--quiet", "snapshot", "--profiles-dir", "."])
    print("done" if done.success else f"failed: {done.exception or done.result}", file=sys.stderr, flush=True)
"""


class Dbt:
    """A project of one snapshot, in a virtual environment of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        of = urlsplit(url)
        said = {"host": of.hostname, "port": of.port, "user": unquote(of.username or "")}
        profile = PROFILE.format(**said, password=unquote(of.password or ""), dbname=of.path.lstrip("/"))
        for name, content in (PROJECT | {"profiles.yml": profile}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content)
        self._log = (folder / "dbt.log").open("w+")
        self._process = subprocess.Popen(
            [ROOT / VENV / "bin/python", "-c", SERVED],
            cwd=folder,
            env=os.environ | {"DO_NOT_TRACK": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def snapshot(self) -> None:
        """Have it run once."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.write("snapshot\n")
        said = next((line for line in self._process.stderr if line.startswith(("done", "failed"))), "it ended")
        assert said == "done\n", said + Path(self._log.name).read_text()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
        self._log.close()


class Tool:
    """What one tool has, and how the platform is told."""

    def __init__(self, connector: Row, records: list[Row], chance: Random) -> None:
        self.connector = connector
        self._records, self._chance = records, chance
        self.has = chance.sample(records, len(records) // 2)

    def goes_on(self) -> None:
        """Some come and some go: a few, or most of them."""
        share = self._chance.choice((0.05, 0.1, 0.3, 0.8))
        gone = {row.pk for row in self.has if self._chance.random() < share}
        come = [row for row in self._records if row not in self.has and self._chance.random() < 0.2]
        self.has = [row for row in self.has if row.pk not in gone] + come

    def sync(self, night: int) -> list[dict[str, str]]:
        """Return the messages of a run that names all the tool has."""
        kept = Kept()
        producer = Connector("", self.connector.id, sqs=kept, progress=lambda _: None)
        mode: Mode = self._chance.choice(("append", "relink"))
        with producer.run(f"2026-05-{night + 1:02}", mode=mode, snapshot=Snapshot("input", [*TABLES])) as run:
            for row in self.has:
                run.record(row.type, row.id)
        return kept.bodies


def a_day_passes(database: FreshDatabase) -> None:
    day = "interval '1 day'"
    for type_ in TABLES:
        database.owner.exec_driver_sql(
            f"UPDATE core_api.{ledgers()[type_].table} SET created_at = created_at - {day},"
            f" updated_at = updated_at - {day}, deleted_at = deleted_at - {day}"
        )
    database.commit()


def column(database: FreshDatabase, asked: str) -> set[str]:
    found = set(database.owner.execute(text(asked)).scalars())
    database.commit()
    return found


def release_what_is_held(database: FreshDatabase) -> int:
    """Carry out, by its id, each snapshot that would end too much: what is gone is gone."""
    held = column(database, "SELECT id FROM wellspring.sync_messages WHERE reason = 'too_many_endings'")
    for id_ in held:
        released = post(f"/v1/sync-messages/{id_}/release", PIPELINE, None)
        assert (released.status, released.data["attributes"]["outcome"]) == (200, "applied")
    return len(held)


def test_after_each_night_the_live_records_are_the_open_rows_of_a_dbt_snapshot(
    fresh_database: FreshDatabase, world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    subprocess.run(["sh", "local/venv", VENV, "local/requirements/dbt.txt"], cwd=ROOT, check=True)
    chance = Random(SEED)
    workspace = world.workspace()
    records = [*world.companies(workspace, 40), *world.peoples(workspace, 12)]
    tools = [Tool(world.workspace_connector(workspace), records, chance) for _ in range(TOOLS)]
    database, dbt = fresh_database, Dbt(tmp_path, fresh_database.url)
    request.addfinalizer(dbt.stop)
    database.role = CONSUMER
    database.owner.exec_driver_sql("CREATE SCHEMA oracle")
    database.owner.exec_driver_sql("CREATE TABLE oracle.has (key text PRIMARY KEY, version integer NOT NULL)")
    database.commit()
    held = gone = 0
    before: set[str] = set()
    for night in range(NIGHTS):
        a_day_passes(database)
        for tool in tools:
            assert consume(*tool.sync(night)) == []
        held += release_what_is_held(database)
        database.owner.exec_driver_sql("TRUNCATE oracle.has")
        had = [f"{tool.connector.id} {row.type} {row.id}" for tool in tools for row in tool.has]
        database.owner.execute(
            text("INSERT INTO oracle.has SELECT key, mod(:night, 3) FROM unnest(CAST(:keys AS text[])) AS key"),
            {"keys": had, "night": night},
        )
        database.commit()
        dbt.snapshot()
        open_rows = column(database, "SELECT key FROM oracle.had WHERE dbt_valid_to IS NULL")
        assert column(database, LIVE) == open_rows == {*had}, f"night {night} of seed {SEED}"
        gone += len(before - open_rows)
        before = open_rows
        for tool in tools:
            tool.goes_on()
    states = database.owner.exec_driver_sql("SELECT state, count(*) FROM wellspring.sync_runs GROUP BY state").all()
    database.commit()
    assert [tuple(row) for row in states] == [("complete", NIGHTS * TOOLS)]
    # Some were held, and much was ended.
    assert held > 0
    assert gone > NIGHTS * TOOLS
    sums_are_right(database)
