"""Log and metrics of a batch: a line for each message, one for the batch."""

import subprocess
import sys
import time
from typing import Any

import pytest

from local.settings import ROOT
from tests.support.api import Context
from tests.support.queue import consume, delivery, disconnected, invalidated, matched, replay, synced
from tests.support.world import World
from tests.sync.conftest import Log, Tenant, absent, emitted

COUNTS = ("records", "inserted", "tombstoned", "matched")


@pytest.fixture
def mixed(ours: Tenant, theirs: Tenant, world: World) -> list[Any]:
    """A batch in which something of everything happens."""
    done = synced(theirs.connector, theirs.mixed)
    consume(done)
    provider = world.provider("provider")
    return [
        synced(ours.connector, ours.mixed),
        invalidated(ours.connector, ours.mixed[:2]),
        matched(ours.workspace, [provider]),
        disconnected(ours.other_connector),
        done,
        synced(theirs.other_connector, [absent()]),
        disconnected(theirs.other_connector),
    ]


def test_there_is_a_line_for_each_message(mixed: list[Any], log: Log) -> None:
    log.clear()
    assert consume(*mixed) == []
    lines = [line for line in log if "outcome" in line]
    assert [line["message_id"] for line in lines] == [message["id"] for message in mixed]
    assert [line["outcome"] for line in lines] == [*["applied"] * 4, "duplicate", "parked", "applied"]
    assert [tuple(line[name] for name in COUNTS) for line in lines] == [
        (3, 3, 0, 0),
        (2, 0, 2, 0),
        (1, 0, 0, 1),
        (0, 0, 0, 0),
        (3, 0, 0, 0),
        (1, 0, 0, 0),
        (0, 0, 0, 0),
    ]
    assert {line["request_id"] for line in log} == {Context().aws_request_id}
    (batch,) = [line for line in log if line["message"] == "batch done"]
    summed = ("messages", "applied", "duplicate", "parked", "records", "inserted", "tombstoned")
    assert tuple(batch[name] for name in summed) == (7, 5, 1, 1, 10, 3, 2)


def test_the_metrics_say_what_became_of_them(mixed: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    consume(*mixed)
    values = emitted(capsys)
    assert values.pop("RecordsPerSecond") > 0
    assert values.pop("OldestMessageAge") > 0
    assert values == {
        "Messages": 7,
        "Records": 6,
        "Tombstones": 2,
        "DuplicatesSkipped": 1,
        "Parked": 1,
        "TransientFailures": 0,
    }


def test_the_metrics_count_what_is_returned(ours: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    consume("not json")
    capsys.readouterr()
    consume(synced(ours.connector, ours.mixed), "not json", context=Context(milliseconds=0))
    values = emitted(capsys)
    assert (values["Messages"], values["Records"]) == (2, 0)
    assert (values["Parked"], values["TransientFailures"]) == (0, 2)
    assert "RecordsPerSecond" not in values


def test_the_age_is_that_of_the_oldest_message(
    ours: Tenant, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("wellspring.handlers.sync_report.time.time", lambda: now)
    records = [delivery(synced(ours.connector, ours.mixed)) for _ in range(3)]
    for record, age in zip(records, (5, 90, 1), strict=True):
        record["attributes"]["SentTimestamp"] = str(int((now - age) * 1000))
    replay({"Records": records})
    assert emitted(capsys)["OldestMessageAge"] == pytest.approx(90, abs=0.01)


def test_only_the_consumer_imports_the_metrics() -> None:
    program = (
        "import sys; from company_workspace_connector.list import handler; from maintenance.prune import handler;"
        "print([name for name in sys.modules if name == 'wellspring.metrics'])"
    )
    path = {"PYTHONPATH": f"{ROOT / 'layers/shared'}:{ROOT / 'functions'}"}
    done = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
