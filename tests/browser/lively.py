"""A demo in which something happens: six weeks of syncs through the queue, some parked, spread over their days.

The rows are written as the pipeline writes them. Then their times are set back to when their messages say that it was,
which no message can do; the database's own triggers keep the sums.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from local.example_ids import demo_id
from tests.local.stack_process import StackProcess
from tests.support.feed import upserted
from wellspring.resources import ledgers, resource_of
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
    sent = list(messages())
    for message in sent:
        stack.send(message)
    with psycopg.connect(stack.facts["database_url"], autocommit=True) as connection:
        _wait(connection, [message["id"] for message in sent])
        _set_back(connection)


def _wait(connection: Any, ids: list[str]) -> None:
    taken = (
        "SELECT (SELECT count(*) FROM wellspring.sync_messages WHERE message_id = ANY(CAST(%s AS uuid[]))),"
        " (SELECT count(*) FROM core_api.companies WHERE id = %s)"
    )
    wait_until(lambda: connection.execute(taken, (ids, MARKUP)).fetchone() == (len(ids), 1))


def _set_back(connection: Any) -> None:
    # What the demo itself brought was there before all of it.
    before = f"now() - interval '{DAYS + 20} days'"
    # An ending has no time of its own.
    happened = f"coalesce(m.occurred_at, now() - interval '{DAYS + 1} days')"
    came = f"CASE WHEN m.run IS NULL AND m.outcome = 'applied' THEN {before} ELSE {happened} END"
    for type_ in ledgers():
        table = resource_of(f"{type_}_workspace_connector").table
        connection.execute(
            f"UPDATE core_api.{table} r SET created_at = {came}, updated_at = {came} "
            "FROM wellspring.sync_messages m WHERE m.pk = r.sync_message_pk"
        )
        connection.execute(
            f"UPDATE core_api.{table} r SET deleted_at = {came}, updated_at = {came} "
            "FROM wellspring.sync_messages m WHERE m.pk = r.ended_by_pk"
        )
    connection.execute(f"UPDATE wellspring.sync_messages m SET received_at = {came}, processed_at = {came}")
    connection.execute(
        "UPDATE wellspring.connector_state s SET last_changed_at = s.last_synced_at, last_failed_at = ("
        "SELECT max(m.received_at) FROM wellspring.sync_messages m "
        "WHERE m.workspace_connector_pk = s.workspace_connector_pk AND m.outcome = 'parked'), applied_at = ("
        "SELECT max(m.processed_at) FROM wellspring.sync_messages m WHERE m.outcome = 'applied' "
        "AND m.workspace_connector_pk = s.workspace_connector_pk AND m.message_type = 'records.synced')"
    )
