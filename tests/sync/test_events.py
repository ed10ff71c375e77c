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
from wellspring.example_ids import demo_id

EVENTS = Path(__file__).parents[2] / "events"
DEMO_ID = re.compile(r"01990000-(\d{3}[\dc])-7000-8000-([0abc])\d{11}")

# Of each event the positions of the messages that go back, and how many live rows it leaves in an empty ledger.
REPLAYED: dict[str, tuple[list[int], int]] = {
    "append": ([], 3),
    "relink": ([], 2),
    "malformed": ([], 0),
    "foreign_workspace": ([], 0),
    "poisoned_group": ([], 4),
    "invalidate": ([], 0),
    "disconnect": ([], 0),
    "match": ([], 0),
    "mixed": ([], 2),
    "unknown_connector": ([], 0),
    "unknown_record": ([], 0),
    "unknown_workspace": ([], 0),
    "unknown_provider": ([], 0),
    "complete": ([], 2),
    "incomplete": ([], 1),
}


def event(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EVENTS / f"sync_{name}.json").read_text())
    return read


@pytest.fixture
def demo(world: World) -> dict[str, Row]:
    """What the events speak of, by id: the last group of a demo id begins with its workspace's letter."""
    made: dict[str, Row] = {}
    workspaces = {letter: world.workspace(letter, id=UUID(demo_id("workspace", letter))) for letter in "abc"}
    makers: dict[str, Callable[..., Row]] = {
        "0002": world.people,
        "0003": world.company,
        "0004": world.account,
        "0006": world.workspace_connector,
    }
    text = "".join(path.read_text() for path in EVENTS.glob("sync_*.json"))
    for found in set(DEMO_ID.finditer(text)):
        kind, letter = found.groups()
        if found.group() in made:
            continue
        if kind == "000c":
            made[found.group()] = world.provider(found.group(), id=UUID(found.group()))
        elif kind in makers:
            made[found.group()] = makers[kind](workspaces[letter], id=UUID(found.group()))
    return made


@pytest.mark.parametrize(("name", "failed", "written"), [(name, *effect) for name, effect in REPLAYED.items()])
def test_an_event_does_what_its_name_says(
    demo: dict[str, Row], ledger: Ledger, name: str, failed: list[int], written: int
) -> None:
    assert replay(event(name)) == failed
    rows = ledger.rows()
    assert sum(ledger.live().values()) == written
    assert replay(event(name)) == failed
    assert ledger.rows() == rows


def test_the_relink_event_ends_what_the_append_event_wrote(demo: dict[str, Row], ledger: Ledger) -> None:
    replay(event("append"))
    replay(event("relink"))
    assert sorted(live for _, _, _, live in ledger.rows().elements()) == [False, True, True, True, True]


@pytest.mark.parametrize(("name", "ended"), [("invalidate", 2), ("disconnect", 3)])
def test_what_the_append_event_wrote_is_ended_by_the_event(
    demo: dict[str, Row], ledger: Ledger, name: str, ended: int
) -> None:
    replay(event("append"))
    written = sum(ledger.live().values())
    assert replay(event(name)) == []
    assert written - sum(ledger.live().values()) == ended


def test_the_match_event_matches_two_providers(demo: dict[str, Row], world: World) -> None:
    assert replay(event("match")) == []
    assert replay(event("match")) == []
    counted = world.database.owner.exec_driver_sql("SELECT is_matched, is_selected FROM core_api.workspace_providers")
    assert [tuple(row) for row in counted] == [(True, False)] * 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("malformed", "malformed"),
        ("foreign_workspace", "tenant_mismatch"),
        ("unknown_connector", "unknown_connector"),
        ("unknown_record", "unknown_record"),
        ("unknown_workspace", "unknown_workspace"),
        ("unknown_provider", "unknown_provider"),
        ("incomplete", "incomplete_run"),
    ],
)
def test_there_is_an_event_of_every_failure(
    demo: dict[str, Row], log: list[dict[str, Any]], name: str, reason: str
) -> None:
    replay(event(name))
    assert [line["reason"] for line in log if line["level"] == "ERROR"] == [reason]


def test_every_event_is_replayed() -> None:
    assert {
        name.removeprefix("sync_")
        for name in (path.stem for path in EVENTS.glob("sync_*.json"))
        if not name.startswith(("sync_message_", "sync_run_"))
    } == set(REPLAYED)
