"""The HTTP events of events/*.json, replayed as API Gateway would deliver them."""

import importlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.support.api import TYPES, Context
from tests.support.databases import Database
from tests.support.world import RecordType, Row, World
from wellspring.models import table_of

EVENTS = Path(__file__).parents[2] / "events"


def replay(name: str) -> dict[str, Any]:
    """Give the event to the function that it is named after."""
    resource, _, operation = name.rpartition("_")
    module = importlib.import_module(f"{resource}.{operation}")
    answer: dict[str, Any] = module.handler(json.loads((EVENTS / f"{name}.json").read_text()), Context())
    return answer


def subject_of(name: str) -> UUID:
    event = json.loads((EVENTS / f"{name}.json").read_text())
    return UUID(event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"])


def seen_by(world: World, type_: RecordType, subject: UUID) -> Row:
    """Make a person with that id, who sees one row."""
    workspace = world.workspace()
    person = world.people(workspace, id=subject)
    world.member(person, workspace)
    return world.provenance(world.record(type_, workspace), world.workspace_connector(workspace))


@pytest.mark.parametrize("type_", TYPES)
def test_a_list_event_is_answered_with_the_callers_rows(world: World, type_: RecordType) -> None:
    name = f"{type_}_workspace_connector_list"
    row = seen_by(world, type_, subject_of(name))
    answer = replay(name)
    document = json.loads(answer["body"])
    assert (answer["statusCode"], [item["id"] for item in document["data"]]) == (200, [str(row.id)])
    assert {item["type"] for item in document["included"]} == {type_, "workspace_connector"}


@pytest.mark.parametrize("type_", TYPES)
def test_a_retrieve_event_is_answered_with_its_row(world: World, database: Database, type_: RecordType) -> None:
    name = f"{type_}_workspace_connector_retrieve"
    row = seen_by(world, type_, subject_of(name))
    assert replay(name)["statusCode"] == 404
    wanted = json.loads((EVENTS / f"{name}.json").read_text())["pathParameters"]["id"]
    table = table_of(f"{row.type}s")
    database.owner.execute(update(table).where(table.c.pk == row.pk).values(id=UUID(wanted)))
    answer = replay(name)
    assert (answer["statusCode"], json.loads(answer["body"])["data"]["id"]) == (200, wanted)


def test_the_health_event_is_answered_from_the_database(database: Database) -> None:
    answer = replay("health_check")
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})
