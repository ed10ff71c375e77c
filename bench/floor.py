"""The floor: psycopg 3, its C implementation, doing the same work in the database."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg

from bench.product import Sent, entering


def reading(connection: psycopg.Connection, statements: Sequence[Sent], document: Any) -> None:
    """Send the same statements in one transaction, take all rows as Python values, and write a ready document.

    The document is made beforehand: the floor pays for `json.dumps`, not for shaping what it writes.
    """
    for statement in statements:
        connection.execute(statement.sql, statement.parameters).fetchall()
    connection.commit()
    json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def server_milliseconds(connection: psycopg.Connection, statement: Sent, scope: str) -> tuple[float, float]:
    """Return how long the server says that it planned and ran `statement`, in the transaction of `scope`."""
    enter = entering(scope)
    connection.execute(enter.sql, enter.parameters)
    explained = b"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON) " + statement.sql
    row = connection.execute(explained, statement.parameters).fetchone()
    connection.commit()
    assert row is not None
    plan = row[0][0]
    return plan["Planning Time"], plan["Execution Time"]
