"""A demo in which something happens: six weeks of syncs through the queue, some parked, spread over their days.

As the large demo, it is written as the pipeline writes it, and then set back to when its messages say that it was.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from local.example_ids import demo_id
from local.large import LargeDemo
from local.large_data import Sync
from local.postgres import connected
from local.settings import Settings
from tests.local.stack_process import StackProcess
from tests.support.feed import upserted
from wellspring_producer.messages import RecordsInvalidated, RecordsSynced

WORKSPACE = demo_id("workspace", "a")
MARKUP = demo_id("company", "a", 900)
MARKUP_NAME = '<img src=x onerror="window.intruder=1"> & <b>Söns</b>'
PAYMENTS, MAIL, PAYROLL, CRM, ARCHIVE = (demo_id("workspace_connector", "a", number) for number in range(1, 6))
# Nothing has told of it, and nothing will.
NOWHERE = str(uuid.UUID(int=0x01990000_0003_7000_8000_A0000000FFFF))
DAYS = 42
SETTLED_SECONDS = 90.0

type Row = dict[str, Any]


def _message(connector: str, direction: str, named: list[tuple[str, int]], days: float, run: str | None = None) -> Row:
    return RecordsSynced(
        id=uuid.uuid4(),
        workspace_connector_id=connector,
        direction=direction,
        records=[{"type": type_, "id": demo_id(type_, "a", number)} for type_, number in named],
        occurred_at=datetime.now(UTC) - timedelta(days=days),
        run=run,
    ).members()


def _invalidated(connector: str, direction: str, companies: Iterable[int]) -> Row:
    records = [{"type": "company", "id": demo_id("company", "a", one)} for one in companies]
    of = {"direction": direction, "records": records, "run": "tidied"}
    return RecordsInvalidated(id=uuid.uuid4(), workspace_connector_id=connector, **of).members()


def messages() -> Iterator[Row]:
    """Yield what came: Payments and Mail by day, CRM by two, Archive by week, Payroll until nine days ago."""
    # What Mail had of some companies ends, so that Payments is their only source; and what Archive had of others.
    yield _invalidated(MAIL, "input", range(41, 73))
    yield _invalidated(ARCHIVE, "output", range(1, 9))
    dice = random.Random(18)
    for day in range(DAYS, 0, -1):
        weekend = (day % 7) in {2, 3}
        companies = sorted({1, *dice.sample(range(2, 73), 4 if weekend else dice.randint(12, 40))})
        at, run = day - 0.8, f"night-{day}"
        yield _message(PAYMENTS, "input", [("company", one) for one in companies], at, run)
        if not weekend:
            people = dice.sample(range(1, 13), dice.randint(3, 10))
            mailed = [("people", one) for one in people] + [("company", one) for one in range(1, dice.randint(3, 16))]
            yield _message(MAIL, "input", mailed, at - 0.05, run)
        if day % 2:
            yield _message(CRM, "output", [("company", one) for one in companies[:18]], at - 0.1, run)
        if day % 7 == 1:
            yield _message(ARCHIVE, "output", [("account", one) for one in range(1, 7)], at - 0.15, run)
        if day % 7 == 3 and day > 9:
            paid = [("people", one) for one in range(1, 13)] + [("account", 4)]
            yield _message(PAYROLL, "input", paid, at, run)
    for hours in (3.0, 2.5, 2.0):
        late = _message(PAYMENTS, "input", [("company", 3)], hours / 24, "today")
        late["records"].append({"type": "company", "id": NOWHERE})
        yield late
    other = _message(CRM, "output", [("company", 5)], 0.3)
    other["records"].append({"type": "company", "id": demo_id("company", "c", 1)})
    yield other


def wait_until(true: Callable[[], bool], seconds: float = SETTLED_SECONDS) -> None:
    """Wait until something is so; fail where it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.1)


def enliven(stack: StackProcess) -> None:
    """Send the messages and a company whose name is markup, wait until they have settled, set back the times."""
    event = upserted("company", MARKUP, source="/well/demo", name=MARKUP_NAME, workspace_id=WORKSPACE)
    stack.sqs(stack.facts["feed_queue_url"], "SendMessage", MessageBody=json.dumps(event))
    now = datetime.now(UTC)
    # An ending has no time of its own.
    ended = (now - timedelta(days=DAYS + 1)).isoformat()
    syncs = [Sync(datetime.fromisoformat(body.get("occurred_at", ended)), body) for body in messages()]
    with connected(stack.facts["database_url"]) as connection:
        demo = LargeDemo(Settings(state=stack.state), stack.facts, connection)
        # What the demo itself brought was there before all of it, but for its nights.
        connection.run(
            "CREATE TEMPORARY TABLE planned AS SELECT message_id, CASE WHEN run IS NULL"
            f" THEN now() - interval '{DAYS + 20} days' ELSE coalesce(occurred_at, received_at) END AS at"
            " FROM wellspring.sync_messages WHERE outcome = 'applied'"
        )
        connection.run("ALTER TABLE planned ADD PRIMARY KEY (message_id)")
        demo._send(syncs)
        demo._spread()
        wait_until(lambda: bool(connection.run("SELECT FROM core_api.companies WHERE id = :id", id=MARKUP)))
