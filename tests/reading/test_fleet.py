"""`GET /v1/fleet`: how well all connectors are, what is parked and what is incomplete, as it was counted last."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import update

from maintenance.settle import handler as settle
from tests.support.api import READER, Context, event, get, send
from tests.support.databases import AnyDatabase, Database, FreshDatabase, Statements
from tests.support.plans import sent_for
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from wellspring.access.principal import PIPELINE_SCOPE
from wellspring.database import Deadline, in_transaction
from wellspring.models.messages import fleet as fleet_table
from wellspring.repositories import fleet
from wellspring.repositories.fleet import MOST_TOOLS
from wellspring.resources import HEALTH
from wellspring.services.settling import STEPS

FLEET = "/v1/fleet"


def count(database: AnyDatabase) -> int:
    """Do what `settle` does each minute."""
    database.commit()
    was, database.role = database.role, "wellspring_consumer"
    try:
        return in_transaction(fleet.count, PIPELINE_SCOPE, deadline=Deadline(20))
    finally:
        database.role = was


def judged(world: World, workspace: Row, tool: Row, health: str) -> Row:
    """Make a connector of a workspace to a tool, that is so well."""
    row = world.workspace_connector(workspace, tool)
    world.change(row, health=health)
    return row


def shown() -> dict[str, Any]:
    reply = get(FLEET, READER)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.data["attributes"]
    return found


def by_health(found: dict[str, Any]) -> dict[str, int]:
    return {each["health"]: each["number"] for each in found["connectors"] if each["number"]}


def test_before_it_was_counted_there_is_nothing_and_it_says_so(database: Database, ours: Tenant) -> None:
    found = shown()
    assert found["as_of"] is None
    assert found["connectors"] == [{"health": health, "number": 0} for health in HEALTH]
    assert (found["tools"], found["parked"], found["runs_incomplete"], found["is_silent"]) == ([], [], 0, False)


def test_connectors_are_counted_by_health_and_tool_the_most_ill_first(database: Database, world: World) -> None:
    mail, bank, idle = world.connector("Mail"), world.connector("Bank"), world.connector("Idle")
    for tool, health in ((mail, "late"), (mail, "late"), (mail, "ok"), (bank, "failing"), (bank, "ok"), (bank, "new")):
        judged(world, world.workspace(), tool, health)
    gone, hidden = world.workspace_connector(world.workspace(), idle), world.workspace()
    judged(world, hidden, bank, "failing")
    world.tombstone(gone)
    world.tombstone(hidden)
    assert count(database) == 6
    found = shown()
    # What lists do not show is not counted: what is tombstoned, and what is of a workspace that is.
    assert by_health(found) == {"late": 2, "failing": 1, "ok": 2, "new": 1}
    assert [(tool["connector"], tool["name"], tool["number"]) for tool in found["tools"]] == [
        (str(mail.id), "Mail", 3),
        (str(bank.id), "Bank", 3),
    ]
    assert {health: found["tools"][0][health] for health in HEALTH} == dict.fromkeys(HEALTH, 0) | {"late": 2, "ok": 1}


def test_what_is_parked_is_counted_by_reason_with_the_oldest(database: Database, world: World, ours: Tenant) -> None:
    connector = world.workspace_connector(ours.workspace)
    times = ("2026-05-01T00:00:00Z", "2026-05-03T00:00:00Z", "2026-05-02T00:00:00Z")
    for reason, at in zip(("unknown_record", "unknown_record", "malformed"), times, strict=True):
        world.message(connector, ours.workspace, "parked", reason=reason, received_at=datetime.fromisoformat(at))
    world.message(connector, ours.workspace, "dismissed", reason="malformed")
    world.run(connector, ours.workspace, state="incomplete")
    world.run(connector, ours.workspace, "another", state="open")
    count(database)
    found = shown()
    assert found["parked"] == [
        {"reason": "unknown_record", "number": 2, "oldest_at": "2026-05-01T00:00:00.000Z"},
        {"reason": "malformed", "number": 1, "oldest_at": "2026-05-02T00:00:00.000Z"},
    ]
    assert found["runs_incomplete"] == 1
    for each in found["parked"]:
        url = f"/v1/sync-messages?filter[outcome]=parked&filter[reason]={each['reason']}&page[total]=true"
        assert get(url, READER).document["meta"]["page"]["total"] == each["number"]
    assert len(get("/v1/sync-runs?filter[state]=incomplete", READER).ids) == 1


def test_silence_is_told_with_its_beginning_while_it_lasts(database: Database, ours: Tenant) -> None:
    since = "2026-05-01T08:00:00.000Z"
    values = {"is_silent": True, "silent_since": datetime.fromisoformat(since)}
    database.owner.execute(update(fleet_table).values(**values))
    assert (shown()["is_silent"], shown()["silent_since"]) == (True, since)
    database.owner.execute(update(fleet_table).values(is_silent=False))
    assert (shown()["is_silent"], shown()["silent_since"]) == (False, None)


def test_it_is_as_it_was_counted_until_it_is_counted_again(database: Database, world: World) -> None:
    row = judged(world, world.workspace(), world.connector(), "ok")
    count(database)
    world.change(row, health="late")
    assert by_health(shown()) == {"ok": 1}
    assert shown()["as_of"] is not None
    count(database)
    assert by_health(shown()) == {"late": 1}


def test_a_tool_that_has_gone_since_is_none(database: Database, world: World) -> None:
    tools = [world.connector(f"Tool {number}") for number in range(2)]
    for tool in tools:
        world.workspace_connector(world.workspace(), tool)
    count(database)
    database.owner.exec_driver_sql(
        "UPDATE wellspring.fleet SET counted = jsonb_set(counted, '{tools,0,connector_pk}', '0')"
    )
    assert len(shown()["tools"]) == 1


def test_it_takes_three_statements_whatever_there_is(database: Database, world: World, statements: Statements) -> None:
    for number in range(MOST_TOOLS + 3):
        world.workspace_connector(world.workspace(), world.connector(f"Tool {number}"))
    count(database)
    assert sent_for(statements, FLEET, READER)[0] == 3
    found = shown()
    assert len(found["tools"]) == MOST_TOOLS
    assert sum(by_health(found).values()) == MOST_TOOLS + 3


def test_it_answers_head(database: Database) -> None:
    asked = event(FLEET, caller=READER)
    asked["requestContext"]["http"]["method"] = "HEAD"
    assert send(asked).status == 200


def test_settle_counts_it_behind_all_else(fresh_database: FreshDatabase, world: World) -> None:
    assert [*STEPS][-1] == "fleet"
    judged(world, world.workspace(), world.connector(), "late")
    fresh_database.role = "wellspring_consumer"
    settled = settle({}, Context())
    fresh_database.role = "wellspring_reader"
    assert settled["fleet"] == {"connectors": 1, "is_all": True}
    assert by_health(shown()) == {"late": 1}
    assert len(shown()["tools"]) == 1


@pytest.mark.long
def test_of_100_000_connectors_it_is_counted_in_a_second(fresh_database: FreshDatabase, world: World) -> None:
    tool = world.connector()
    world.workspaces(1000)
    world.fill(
        "core_api.workspace_connectors",
        "core_api.workspaces AS w CROSS JOIN generate_series(1, 100) AS n",
        workspace_pk="w.pk",
        connector_pk=tool.pk,
        health="CASE n % 10 WHEN 0 THEN 'late' ELSE 'ok' END",
    )
    assert count(fresh_database) == 100_000
    assert by_health(shown()) == {"late": 10_000, "ok": 90_000}
