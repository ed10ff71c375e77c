"""Changes by the clock alone: `settle` judges whose time has come, in bounded steps, unless all are silent."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from maintenance.settle import handler as settle
from tests.health.conftest import Kept, Tenant, let_have_synced, unjudged
from tests.support.api import Context
from tests.support.databases import CONSUMER, AnyDatabase, FreshDatabase, Statements
from tests.support.world import Row, World
from wellspring.repositories import connector_health as repository
from wellspring.services import settling

DAY = timedelta(days=1)
UNSEEN = (
    text("""
UPDATE wellspring.connector_state SET health_reasons = '[]', health_changes_at = expected_by
 WHERE workspace_connector_pk = ANY (CAST(:pks AS bigint[]))"""),
    text("UPDATE core_api.workspace_connectors SET health = 'ok' WHERE pk = ANY (CAST(:pks AS bigint[]))"),
)


def step() -> dict[str, Any]:
    done = settle({}, Context())["judge"]
    assert isinstance(done, dict)
    return done


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
    assert step() == {"connectors": 3, "is_silent": 0, "is_all": True}
    assert (health(world, late), health(world, well)) == ({"late"}, {"ok"})
    assert step()["connectors"] == 0


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
    assert step()["connectors"] == 1
    assert ours.kept.codes == ["consent_expired"]


def test_many_are_judged_in_steps(world: World, monkeypatch: pytest.MonkeyPatch, statements: Statements) -> None:
    monkeypatch.setattr(settling, "JUDGED", 4)
    late = unseen(world, 10, 3 * DAY)
    statements.clear()
    assert step() == {"connectors": 10, "is_silent": 0, "is_all": True}
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
        assert step() == {"connectors": 0 if is_silent else number, "is_silent": is_silent, "is_all": True}
        assert health(world, missing) == {"ok" if is_silent else "late"}
        assert health(world, others) <= {"ok"}
        if is_silent:
            assert self.fleet(world.database) == (True, True, False)

    def test_when_it_is_over_who_does_not_come_is_late_after_their_time(self, world: World) -> None:
        missing = unseen(world, 30, 3 * DAY)
        assert step()["is_silent"] == 1
        daily(world, 40, DAY / 2)
        assert step() == {"connectors": 30, "is_silent": 0, "is_all": True}
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
