"""The client of docs/polling.md, as it stands there, while four writers write; and why it begins a poll earlier."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, text

from local.example_ids import demo_id
from local.settings import ROOT
from tests.clients.conftest import COMPANY, CONNECTOR, ledger_row
from tests.local.stack_process import StackProcess, call
from tests.support.databases import engine_for

PATH = "/v1/company-workspace-connectors"
MEDIA_TYPE = "application/vnd.api+json"
pytestmark = pytest.mark.long

WRITERS = 4
INSERT = text("""
INSERT INTO core_api.company_workspace_connectors (company_pk, workspace_connector_pk, direction)
SELECT c.pk, w.pk, 'input' FROM core_api.companies c, core_api.workspace_connectors w
 WHERE c.id = :company AND w.id = :connector
RETURNING id""")


@pytest.fixture
def client() -> dict[str, Any]:
    """The page's program, run as a module is."""
    (program,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/polling.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 30
    names: dict[str, Any] = {}
    exec(compile(program, "docs/polling.md", "exec"), names)  # noqa: S102  the program is the repository's own
    return names


@pytest.fixture
def owner(stack: StackProcess) -> Iterator[Connection]:
    engine = engine_for(stack.facts["database_url"])
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def poll(client: dict[str, Any], stack: StackProcess) -> Callable[[dict[str, Any], str | None], str | None]:
    """Poll as the owner."""
    url, token = stack.facts["api_url"], stack.token("owner")
    return lambda kept, since: client["poll"](url, token, kept, since)


def write(stack: StackProcess, connector: str, times: int) -> None:
    """Create rows of a connector, end every other one, and bring one of those back."""
    url, token = stack.facts["api_url"], stack.token("pipeline")
    data = ledger_row(connector=connector)
    headers = {"content-type": MEDIA_TYPE}
    for number in range(times):
        made = call(url + PATH, token=token, data=json.dumps({"data": data}).encode(), headers=headers)
        assert made.status == 201, made.body
        own = f"{url}{made.json['data']['links']['self']}"
        if number % 2:
            assert call(own, token=token, method="DELETE").status == 204
        if number % 4 == 3:
            back = {"data": {"type": data["type"], "id": made.json["data"]["id"], "attributes": {"deleted_at": None}}}
            restored = call(own, token=token, data=json.dumps(back).encode(), headers=headers, method="PATCH")
            assert restored.status == 200, restored.body


def test_it_has_every_row_as_it_is_after_four_writers_have_written(
    stack: StackProcess, poll: Callable[..., str | None]
) -> None:
    kept: dict[str, Any] = {}
    since = poll(kept, None)
    before, polls = len(kept), 0
    with ThreadPoolExecutor(WRITERS) as writers:
        # Each has a connector of its own, whose rows nobody else waits for.
        connectors = [demo_id("workspace_connector", "a", number + 1) for number in range(WRITERS)]
        writing = [writers.submit(write, stack, connector, 4) for connector in connectors]
        while not all(each.done() for each in writing):
            since = poll(kept, since)
            polls += 1
        for each in writing:
            each.result()
    poll(kept, since)
    assert polls > 1
    assert len(kept) == before + 4 * WRITERS
    there = stack.rows("owner", "company", "&filter[deleted]=include")
    shown = {id_: row["attributes"] for id_, row in kept.items()}
    assert shown == {row["id"]: row["attributes"] for row in there}
    assert len([row for row in shown.values() if row["deleted_at"]]) >= WRITERS


def test_it_sees_what_was_committed_late_only_because_it_begins_earlier(
    stack: StackProcess, client: dict[str, Any], owner: Connection, poll: Callable[..., str | None]
) -> None:
    kept: dict[str, Any] = {}
    poll(kept, None)
    # It begins first and is over last.
    late = str(owner.execute(INSERT, {"company": COMPANY, "connector": CONNECTOR}).scalar_one())
    write(stack, demo_id("workspace_connector", "a", 1), 1)
    overlapping = poll(kept, None)
    newest = max(row["attributes"]["updated_at"] for row in kept.values())
    assert late not in kept
    owner.commit()
    url, token = stack.facts["api_url"], stack.token("owner")
    assert late not in {row["id"] for row in client["changes"](url, token, newest)}
    poll(kept, overlapping)
    assert late in kept


def test_a_poll_without_changes_asks_from_the_same_time_again(poll: Callable[..., str | None]) -> None:
    kept: dict[str, Any] = {}
    later = "2100-01-01T00:00:00.000Z"
    assert (poll(kept, later), kept) == (later, {})
