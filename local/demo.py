"""Puts the demo's data where it belongs: parents into the database, provenance rows through the queue.

Everything has a fixed id, so loading it again adds nothing, and what a person did to it since stays.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import pg8000.native

from local import demo_data
from local.errors import Fault
from wellspring.resources import records

SECONDS_FOR_THE_CONSUMER = 90.0
PAUSE_SECONDS = 0.05

# Columns of each parent table and their types; a column that refers to another table names it.
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "workspaces": {"id": "uuid", "name": "text"},
    **{
        record.table: {"id": "uuid", "workspace": "workspaces"}
        | {said.name: "text" for said in record.attributes if said.kind == "text"}
        for record in records()
    },
    "connectors": {"id": "uuid", "name": "text", "provider": "text", "direction": "core_api.direction_enum"},
    "workspace_connectors": {
        "id": "uuid",
        "workspace": "workspaces",
        "connector": "connectors",
        "status": "text",
    },
    "workspace_groups": {"id": "uuid", "name": "text", "created_by": "peoples"},
    "workspace_memberships": {
        "id": "uuid",
        "people": "peoples",
        "workspace": "workspaces",
        "role": "text",
        "status": "text",
    },
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
    "providers": {"id": "uuid", "slug": "text", "name": "text", "url": "text", "countries": "text[]"},
    "workspace_providers": {
        "id": "uuid",
        "workspace": "workspaces",
        "provider": "providers",
        "is_selected": "boolean",
        "is_matched": "boolean",
    },
}


def insert_statement(table: str, columns: Mapping[str, str]) -> str:
    """Return the statement that inserts a JSON array of rows, given as `:rows`, and skips those that are there.

    They get their keys in the order of their ids: rows of one moment are listed in the order of their keys (ADR 0006).
    """
    targets, values, fields, joins = [], [], [], []
    for name, kind in columns.items():
        refers = kind in _COLUMNS
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
    """Loads the demo through the owner's `database_url` and the queue at `queue_url`."""

    def __init__(self, database_url: str, sqs: Any, queue_url: str) -> None:
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

    def close(self) -> None:
        """Close the database connection."""
        self._connection.close()

    def insert_parents(self) -> None:
        """Insert the parents that are not there yet, all or none."""
        self._connection.run("BEGIN")
        for table, rows in demo_data.rows().items():
            self._connection.run(insert_statement(table, _COLUMNS[table]), rows=json.dumps(rows))
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
        deadline = time.monotonic() + SECONDS_FOR_THE_CONSUMER
        while missing := set(ids) - self._processed(ids):
            if time.monotonic() > deadline:
                raise Fault(f"the sync consumer has not processed {len(missing)} of the demo's {len(ids)} messages")
            time.sleep(PAUSE_SECONDS)

    def _processed(self, ids: Sequence[str]) -> set[str]:
        rows = self._connection.run(
            "SELECT message_id::text FROM wellspring.sync_inbox WHERE message_id = ANY (CAST(:ids AS uuid[]))",
            ids=list(ids),
        )
        return {row[0] for row in rows or []}
