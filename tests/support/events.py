"""The HTTP events of events/*.json, given to the functions that they are named after, and the demo's rows."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from local import demo_data
from local.example_ids import demo_id
from local.template import Function, Template
from tests.support.api import invoked
from tests.support.databases import FEEDER, AnyDatabase, acting_as
from tests.support.feed import statuses
from tests.support.world import Row, World
from wellspring.models import table_of
from wellspring.resources import resource_of

EVENTS = Path(__file__).parents[2] / "events"
FUNCTIONS: dict[str, Function] = {
    function.handler.removesuffix(".handler").replace(".", "_"): function for function in Template().functions.values()
}


def event(name: str) -> Any:
    """Return what is in events/`name`.json."""
    return json.loads((EVENTS / f"{name}.json").read_text())


def function_of(name: str) -> Function:
    """Return the function that the event is for: it has its name, but some functions have several events."""
    name = name.removesuffix("_by_hand")
    for queue in ("sync", "feed"):
        if name.startswith(f"{queue}_") and name not in FUNCTIONS:
            return FUNCTIONS[f"{queue}_consume"]
    return FUNCTIONS[name]


def replay(name: str, headers: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """Give the event to the function that it is named after, which runs with the role of the template.

    Args:
        name: of the event.
        headers: beside those that it has; None takes one away.
    """
    function, asked = FUNCTIONS[name], event(name)
    if headers:
        changed = asked["headers"] | headers
        asked["headers"] = {header: value for header, value in changed.items() if value is not None}
    answer: dict[str, Any] = invoked(function, asked)
    return answer


def load_demo(database: AnyDatabase) -> None:
    """Make the demo's parents, whose ids most events name, through the feed; and its group and choices.

    Those come over HTTP and have ids of the server's making in the demo: here they have those that events name.
    """
    with acting_as(FEEDER):
        assert set(statuses(*demo_data.events())) == {"applied"}
    world = World(database)
    owner, member = (told_of(world, "people", id_) for id_ in (demo_data.OWNER, demo_data.MEMBER))
    group = world.group(owner, demo_data.GROUP_NAME, id=demo_id("workspace_group", "0"))
    for number, person, role in ((1, owner, "owner"), (2, member, "member")):
        world.group_member(person, group, role, id=demo_id("workspace_group_membership", "0", number))
    for letter in demo_data.GROUPED:
        workspace = told_of(world, "workspace", demo_id("workspace", letter))
        world.enrol(group, workspace, owner, id=demo_id("workspace_group_workspace", letter))
    for letter, number, is_selected in demo_data.CHOICES:
        workspace, provider = (
            told_of(world, type_, demo_id(type_, *of))
            for type_, *of in (("workspace", letter), ("provider", "0", number))
        )
        id_ = demo_id("workspace_provider", letter, number)
        world.choose(workspace, provider, is_selected=is_selected, is_matched=True, id=id_)


def told_of(world: World, type_: str, id_: object) -> Row:
    """Return the row of a type that has an id."""
    table, known = table_of(resource_of(type_).table), UUID(str(id_))
    pk = world.database.owner.execute(select(table.c.pk).where(table.c.id == known)).scalar_one()
    return Row(type_, pk, known)


def identify(world: World, row: Row, id_: str) -> None:
    """Give a provenance row the id that an event names: in the demo, such rows come from the queue and have any."""
    world.change(row, id=UUID(id_))
