"""The large demo: what it consists of, and a small one of its kind in a running stack."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from local import demo_data, large, large_data
from local.settings import Settings
from tests.local.stack_process import StackProcess
from tests.support.stack import running

pytestmark = pytest.mark.long


def test_it_is_as_large_as_the_readme_says_and_of_a_year() -> None:
    now = datetime.now(UTC)
    syncs = large_data.syncs(now)
    # Beside the connectors of the demo that is there before.
    connectors = len(large_data.connections()) + sum(len(one.connectors) for one in demo_data.WORKSPACES)
    assert (large_data.WORKSPACES, connectors) == (40, 313)
    fed = sum(event["type"].split(".")[1] in large_data.AMOUNTS for event in large_data.events())
    linked = sum(len(sync.body["records"]) for sync in syncs if sync.body["type"] == "records.synced")
    assert 220_000 <= fed + linked < 230_000
    assert all(now - large_data.YEAR < sync.at < now for sync in syncs)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[StackProcess]:
    with running(tmp_path, LOCAL_VISIBILITY_TIMEOUT="1") as started:
        yield started


def test_a_running_stack_is_filled_once_and_its_sums_are_those_of_its_rows(
    stack: StackProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    amounts = {"company": 40, "people": 20, "account": 12}
    small = {"WORKSPACES": 4, "CONNECTORS": 24, "AMOUNTS": amounts, "OWNERS_WORKSPACES": 4}
    for name, value in small.items():
        monkeypatch.setattr(large_data, name, value)
    large_data.connections.cache_clear()
    settings = Settings(state=stack.state)
    try:
        large.fill(settings, "large")
        told = capsys.readouterr().out
        large.fill(settings, "large")
    finally:
        large_data.connections.cache_clear()
    # Whoever fills it again adds nothing.
    again = capsys.readouterr().out
    assert told.partition("done")[0].splitlines()[-4:-1] == again.partition("done")[0].splitlines()[-4:-1]
    with psycopg.connect(stack.facts["database_url"]) as owner:

        def ask(sql: LiteralString) -> list[tuple[Any, ...]]:
            return owner.execute(sql).fetchall()

        assert ask("SELECT count(*) FROM wellspring.recount(0, 1000000, false)") == [(0,)]
        ((first, last, days, ended),) = ask(
            "SELECT min(created_at), max(created_at), count(DISTINCT created_at::date), count(deleted_at)"
            " FROM core_api.company_workspace_connectors JOIN wellspring.sync_messages AS made"
            " ON made.pk = sync_message_pk WHERE made.message_id > '01990000-000b-7000-8000-e00000000000'"
        )
        assert last - first > timedelta(days=300)
        assert days > 30
        assert ended > 0
        # Its runs are whole, but for what failed; of last night's snapshots one ended a little, one is held.
        runs = ask(
            "SELECT run.state, ending.reason, run.snapshot IS NULL, count(*), min(run.started_at)"
            " FROM wellspring.sync_runs AS run"
            " JOIN wellspring.sync_messages AS ending ON ending.pk = run.completed_by_pk"
            " WHERE run.run NOT LIKE '%-nightly' GROUP BY 1, 2, 3"
        )
        found = {(state, reason, is_delta): (number, began) for state, reason, is_delta, number, began in runs}
        assert found.keys() == {
            ("complete", None, True),
            ("complete", None, False),
            ("incomplete", "incomplete_run", True),
            ("incomplete", "too_many_endings", False),
        }
        number, began = found["complete", None, True]
        assert number > 50
        assert datetime.now(UTC) - began > timedelta(days=300)
        ((ended,),) = ask(
            "SELECT sum((ending ->> 'records')::integer) FROM wellspring.sync_runs,"
            " jsonb_array_elements(snapshot -> 'endings') AS ending WHERE state = 'complete' AND run LIKE '% whole'"
        )
        assert ended > 0
        parked = ask("SELECT DISTINCT reason FROM wellspring.pending_events WHERE outcome = 'parked'")
        # In so small a file a resource and its move come together, and the later state is all there is.
        assert {reason for (reason,) in parked} == {"other_source"}
