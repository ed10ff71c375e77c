"""The events of events/sync_*.json, replayed on the demo's parents, as the local stack can replay them too."""

import pytest

from tests.support import events, queue
from tests.support.world import World
from tests.sync.conftest import Ledger, Log

pytestmark = pytest.mark.usefixtures("demo")

# Of each event how many live rows it leaves in an empty ledger, and why messages of it are parked. None goes back.
REPLAYED: dict[str, tuple[int, list[str]]] = {
    "append": (3, []),
    "relink": (2, []),
    "malformed": (0, ["malformed"]),
    "foreign_workspace": (0, ["tenant_mismatch"]),
    "poisoned_group": (4, ["malformed"]),
    "invalidate": (0, []),
    "disconnect": (0, []),
    "match": (0, []),
    "mixed": (2, []),
    "unknown_connector": (0, ["unknown_connector"]),
    "unknown_record": (0, ["unknown_record"]),
    "unknown_workspace": (0, ["unknown_workspace"]),
    "unknown_provider": (0, ["unknown_provider"]),
    "complete": (2, []),
    "incomplete": (1, ["incomplete_run"]),
}


@pytest.fixture
def demo(world: World) -> None:
    events.load_demo(world.database)


def replay(name: str) -> None:
    assert queue.replay(events.event(f"sync_{name}")) == []


@pytest.mark.parametrize("name", REPLAYED)
def test_an_event_does_what_its_name_says(ledger: Ledger, log: Log, name: str) -> None:
    written, reasons = REPLAYED[name]
    log.clear()
    replay(name)
    assert [line["reason"] for line in log if line["level"] == "ERROR"] == reasons
    rows = ledger.rows()
    assert sum(ledger.live().values()) == written
    replay(name)
    assert ledger.rows() == rows


def test_the_match_event_matches_two_providers(ledger: Ledger) -> None:
    ledger.sql("DELETE FROM core_api.workspace_providers")
    for _ in range(2):
        replay("match")
    choices = ledger.sql("SELECT is_matched, is_selected FROM core_api.workspace_providers")
    assert choices == [(True, False)] * 2
