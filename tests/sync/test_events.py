"""The events of events/sync_*.json, replayed. Their ids are the demo's, so the local stack can replay them too."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.support.queue import replay
from tests.support.world import Row, World
from tests.sync.conftest import Ledger

EVENTS = Path(__file__).parents[2] / "events"
DEMO_ID = re.compile(r"01990000-(\d{4})-7000-8000-([abc])\d{11}")


def event(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EVENTS / f"sync_{name}.json").read_text())
    return read


@pytest.fixture
def demo(world: World) -> dict[str, Row]:
    """What the events speak of, by id: the last group of a demo id begins with its workspace's letter."""
    made: dict[str, Row] = {}
    workspaces = {letter: world.workspace(letter) for letter in "abc"}
    makers: dict[str, Callable[..., Row]] = {
        "0002": world.people,
        "0003": world.company,
        "0004": world.account,
        "0006": world.workspace_connector,
    }
    text = "".join(path.read_text() for path in EVENTS.glob("sync_*.json"))
    for found in set(DEMO_ID.finditer(text)):
        kind, letter = found.groups()
        if kind in makers and found.group() not in made:
            made[found.group()] = makers[kind](workspaces[letter], id=UUID(found.group()))
    return made


@pytest.mark.parametrize(
    ("name", "failed", "written"),
    [
        ("append", [], 3),
        ("relink", [], 2),
        ("malformed", [0], 0),
        ("foreign_workspace", [0], 0),
        ("poisoned_group", [0, 2], 3),
    ],
)
def test_an_event_does_what_its_name_says(
    demo: dict[str, Row], ledger: Ledger, name: str, failed: list[int], written: int
) -> None:
    assert replay(event(name)) == failed
    assert sum(ledger.live().values()) == written
    assert replay(event(name)) == failed
    assert sum(ledger.rows().values()) == written


def test_the_relink_event_ends_what_the_append_event_wrote(demo: dict[str, Row], ledger: Ledger) -> None:
    replay(event("append"))
    replay(event("relink"))
    assert sorted(live for _, _, _, live in ledger.rows().elements()) == [False, True, True, True, True]


def test_every_event_is_replayed() -> None:
    tested = {"append", "relink", "malformed", "foreign_workspace", "poisoned_group"}
    assert {path.stem.removeprefix("sync_") for path in EVENTS.glob("sync_*.json")} == tested
