"""The HTTP events of events/*.json, given to the functions that they are named after, and the demo's rows."""

import importlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text, update

from local import demo_data
from local.template import Function, Template
from tests.support import own_rows
from tests.support.api import Context
from tests.support.databases import FEEDER, AnyDatabase, role_of_call
from tests.support.world import Row, World
from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.models import table_of
from wellspring.services import feed

EVENTS = Path(__file__).parents[2] / "events"
FUNCTIONS: dict[str, Function] = {
    function.handler.removesuffix(".handler").replace(".", "_"): function for function in Template().functions.values()
}


def event(name: str) -> Any:
    """Return what is in events/`name`.json."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def function_of(name: str) -> Function:
    """Return the function that the event is for: it has its name, but the consumer has several events."""
    for queue in ("sync", "feed"):
        if name.startswith(f"{queue}_") and name not in FUNCTIONS:
            return FUNCTIONS[f"{queue}_consume"]
    return FUNCTIONS[name]


def replay(name: str) -> dict[str, Any]:
    """Give the event to the function that it is named after, which runs with the role of the template."""
    function = FUNCTIONS[name]
    role: Any = function.environment["DB_USER"]
    token = role_of_call.set(role)
    try:
        answer: dict[str, Any] = importlib.import_module(function.handler.removesuffix(".handler")).handler(
            event(name), Context()
        )
    finally:
        role_of_call.reset(token)
    return answer


def load_demo(database: AnyDatabase) -> None:
    """Make the demo's parents, whose ids most events name, through the feed; and groups and choices."""
    told = role_of_call.set(FEEDER)
    try:
        verdicts = feed.apply(feed_events.parse(json.dumps(list(demo_data.events()))), Deadline(30))
    finally:
        role_of_call.reset(told)
    assert {verdict.status for verdict in verdicts} == {"applied"}
    for table, rows in own_rows.rows().items():
        statement = own_rows.insert_statement(table, own_rows.OWN[table])
        database.owner.execute(text(statement), {"rows": json.dumps(rows)})
    database.commit()


def identify(world: World, row: Row, id_: str) -> None:
    """Give a provenance row the id that an event names: in the demo, such rows come from the queue and have any."""
    table = table_of(f"{row.type}s")
    world.database.owner.execute(update(table).where(table.c.pk == row.pk).values(id=UUID(id_)))
    world.database.commit()
