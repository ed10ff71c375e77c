"""Puts the demo's data where it belongs: parents through the feed, provenance rows through the sync queue.

Everything has a fixed id, so loading it again adds nothing, and what a person did to it since stays.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import pg8000.native

from local import demo_data
from local.errors import Fault

SECONDS_FOR_THE_CONSUMER = 90.0
PAUSE_SECONDS = 0.05
# Well below the 256 KiB of a body.
EVENTS_IN_A_BODY = 400

# What is this system's own and comes over HTTP only, with ids of the server's making: the demo's have fixed ones.
# Columns of each table and their types; a column that refers to another table names it.
_OWN: Mapping[str, Mapping[str, str]] = {
    "workspace_groups": {"id": "uuid", "name": "text", "created_by": "peoples"},
    "workspace_group_memberships": {
        "id": "uuid",
        "people": "peoples",
        "workspace_group": "workspace_groups",
        "role": "text",
        "status": "text",
    },
    "workspace_group_workspaces": {
        "id": "uuid",
        "workspace_group": "workspace_groups",
        "workspace": "workspaces",
        "created_by": "peoples",
    },
    "workspace_providers": {
        "id": "uuid",
        "workspace": "workspaces",
        "provider": "providers",
        "is_selected": "boolean",
        "is_matched": "boolean",
    },
}
_REFERRED = {"peoples", "workspaces", "providers", "workspace_groups"}


def insert_statement(table: str, columns: Mapping[str, str]) -> str:
    """Return the statement that inserts a JSON array of rows, given as `:rows`, and skips those that are there.

    They get their keys in the order of their ids: rows of one moment are listed in the order of their keys (ADR 0006).
    """
    targets, values, fields, joins = [], [], [], []
    for name, kind in columns.items():
        refers = kind in _REFERRED
        targets.append(f"{name}_pk" if refers else name)
        values.append(f"{name}_.pk" if refers else f"row_.{name}")
        fields.append(f"{name} {'uuid' if refers else kind}")
        if refers:
            joins.append(f" JOIN core_api.{kind} {name}_ ON {name}_.id = row_.{name}")
    return (
        f"INSERT INTO core_api.{table} ({', '.join(targets)}) SELECT {', '.join(values)}"
        f" FROM jsonb_to_recordset(:rows) AS row_({', '.join(fields)}){''.join(joins)} ORDER BY row_.id"
        " ON CONFLICT DO NOTHING"
    )


class Demo:
    """Loads the demo through the two queues; looks, and makes groups, through the owner's `database_url`."""

    def __init__(self, database_url: str, sqs: Any, queue_url: str, feed_queue_url: str) -> None:
        url = urlsplit(database_url)
        self._connection = pg8000.native.Connection(
            unquote(url.username or ""),
            host=url.hostname,
            port=url.port,
            database=url.path.lstrip("/"),
            password=unquote(url.password or ""),
        )
        self._sqs = sqs
        self._queue_url = queue_url
        self._feed_queue_url = feed_queue_url

    def close(self) -> None:
        """Close the database connection."""
        self._connection.close()

    def send_events(self) -> int:
        """Tell the feed of the parents that are not there; return of how many."""
        there = self._there()
        missing = [event for event in demo_data.events() if event["subject"] not in there]
        for begin in range(0, len(missing), EVENTS_IN_A_BODY):
            body = json.dumps(missing[begin : begin + EVENTS_IN_A_BODY])
            self._sqs.send_message(QueueUrl=self._feed_queue_url, MessageBody=body)
        return len(missing)

    def wait_for_parents(self) -> None:
        """Wait until all parents are there; Fault after a minute and a half."""
        told = {event["subject"] for event in demo_data.events()}
        self._wait("the feed's consumer has not applied", "events", lambda: len(told - self._there()))

    def insert_groups(self) -> None:
        """Insert the groups, enrolments and choices that are not there yet, all or none."""
        self._connection.run("BEGIN")
        for table, columns in _OWN.items():
            self._connection.run(insert_statement(table, columns), rows=json.dumps(demo_data.rows()[table]))
        self._connection.run("COMMIT")

    def send_messages(self) -> int:
        """Send the sync messages whose effect is not in the database; return how many."""
        messages = list(demo_data.messages())
        done = self._processed([message["id"] for message in messages])
        missing = [message for message in messages if message["id"] not in done]
        for message in missing:
            self._sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=json.dumps(message),
                MessageGroupId=message["workspace_connector_id"],
                MessageDeduplicationId=message["id"],
            )
        return len(missing)

    def wait(self) -> None:
        """Wait until every message's effect is there; Fault after a minute and a half."""
        ids = [message["id"] for message in demo_data.messages()]
        missing = set(ids)
        self._wait(
            "the sync consumer has not processed", "messages", lambda: len(missing - self._processed(list(missing)))
        )

    def _wait(self, complaint: str, names: str, missing: Callable[[], int]) -> None:
        deadline = time.monotonic() + SECONDS_FOR_THE_CONSUMER
        while number := missing():
            if time.monotonic() > deadline:
                raise Fault(f"{complaint} {number} of the demo's {names}")
            time.sleep(PAUSE_SECONDS)

    def _there(self) -> set[str]:
        """Return the ids of the demo's parents that are there."""
        tables = sorted(demo_data.rows().keys() - _OWN.keys())
        selects = " UNION ALL ".join(
            f"SELECT id::text FROM core_api.{table} WHERE id = ANY (CAST(:ids AS uuid[]))" for table in tables
        )
        rows = self._connection.run(selects, ids=[event["subject"] for event in demo_data.events()])
        return {row[0] for row in rows or []}

    def _processed(self, ids: Sequence[str]) -> set[str]:
        rows = self._connection.run(
            "SELECT message_id::text FROM wellspring.sync_inbox WHERE message_id = ANY (CAST(:ids AS uuid[]))",
            ids=list(ids),
        )
        return {row[0] for row in rows or []}
