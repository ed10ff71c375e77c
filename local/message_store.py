"""The messages of the local SQS: one SQLite file, so that memory stays flat and a restart finds what there was.

Whatever is asked costs the same with ten messages as with a hundred thousand, in one group or in as many: a *line* is
what goes out in order (a FIFO group; of a standard queue each message by itself), and `lines` holds of each where it
begins and until when a message of it is out.
"""

import base64
import heapq
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

# "If a message with a particular message deduplication ID is successfully sent, any messages sent with the same message
# deduplication ID are accepted successfully but aren't delivered during the 5-minute deduplication interval"
# (SQS developer guide, "Exactly-once processing").
DEDUPLICATION_MILLISECONDS = 300_000

# `synchronous` is off: a process that is killed loses nothing, only a machine that loses power.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, line TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, attributes TEXT NOT NULL, system_attributes TEXT NOT NULL,
    group_id TEXT, deduplication_id TEXT, sent_at INTEGER NOT NULL, visible_at INTEGER NOT NULL,
    first_received_at INTEGER, receives INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS messages_by_line ON messages (queue, line, sequence);
CREATE INDEX IF NOT EXISTS messages_of_line_by_time ON messages (queue, line, visible_at);
CREATE INDEX IF NOT EXISTS messages_by_time ON messages (queue, visible_at, receives);
CREATE TABLE IF NOT EXISTS lines (
    queue TEXT NOT NULL, line TEXT NOT NULL, first INTEGER, hidden_until INTEGER, PRIMARY KEY (queue, line)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lines_in_order ON lines (queue, first, hidden_until);
CREATE TABLE IF NOT EXISTS recent (
    queue TEXT NOT NULL, line TEXT NOT NULL, deduplication_id TEXT NOT NULL, id TEXT NOT NULL,
    sequence INTEGER NOT NULL, sent_at INTEGER NOT NULL, PRIMARY KEY (queue, line, deduplication_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS recent_by_time ON recent (sent_at);
"""
# Whoever had a message has gone with the server.
_RESUME = """
UPDATE messages SET visible_at = 1 WHERE visible_at > 1;
UPDATE lines SET hidden_until = 1 WHERE hidden_until > 1;
VACUUM;
"""
_ADD = """
INSERT INTO messages
    (queue, line, id, body, attributes, system_attributes, group_id, deduplication_id, sent_at, visible_at)
VALUES
    (:queue, :line, :id, :body, :attributes, :system_attributes, :group_id, :deduplication_id, :sent_at, :visible_at)
RETURNING sequence
"""
_REMEMBER = "INSERT INTO recent VALUES (:queue, :line, :deduplication_id, :id, :sequence, :sent_at)"
_LOOK_AGAIN = """
INSERT OR REPLACE INTO lines VALUES (
    :queue, :line,
    (SELECT min(sequence) FROM messages WHERE queue = :queue AND line = :line),
    (SELECT max(visible_at) FROM messages WHERE queue = :queue AND line = :line)
)
"""
_RECEIVE = """
UPDATE messages SET receives = receives + 1, visible_at = ?, first_received_at = coalesce(first_received_at, ?)
WHERE sequence = ? RETURNING *
"""


def now() -> int:
    """Return the milliseconds since 1970; asked once for a request, which sees all messages at one moment."""
    return int(time.time() * 1000)


class MessageStore:
    """The messages of every queue in the file at `path`; a file that cannot be read is set aside.

    Not thread-safe. A receipt names the message and how often it had been received: another receive makes it stale.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._open(path)
        except sqlite3.DatabaseError:
            self._database.close()
            path.replace(path.with_suffix(".unreadable"))
            for companion in ("-wal", "-shm"):
                path.with_name(path.name + companion).unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(_SCHEMA + _RESUME)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def duplicate(self, queue: str, line: str, deduplication_id: str) -> sqlite3.Row | None:
        """Return `id` and `sequence` of what was sent under that id for deduplication in the last five minutes."""
        with self._database:
            self._database.execute("DELETE FROM recent WHERE sent_at <= ?", (now() - DEDUPLICATION_MILLISECONDS,))
        found: sqlite3.Row | None = self._database.execute(
            "SELECT id, sequence FROM recent WHERE queue = ? AND line = ? AND deduplication_id = ?",
            (queue, line, deduplication_id),
        ).fetchone()
        return found

    def add(self, queue: str, line: str, message: Mapping[str, Any], delay_seconds: int = 0) -> int:
        """Put a message at the end; return its sequence, which grows.

        `message` has id, body, attributes, system_attributes, group_id and deduplication_id.
        """
        sent_at = now()
        added = {
            **message,
            "queue": queue,
            "line": line,
            "attributes": _packed(message["attributes"]),
            "system_attributes": _packed(message["system_attributes"]),
            "sent_at": sent_at,
            "visible_at": sent_at + 1000 * delay_seconds if delay_seconds else 0,
        }
        with self._database:
            (sequence,) = self._database.execute(_ADD, added).fetchone()
            if message["deduplication_id"]:
                self._database.execute(_REMEMBER, added | {"sequence": sequence})
            self._look_again(queue, [line])
        return int(sequence)

    def receive(self, queue: str, most: int, hidden_seconds: int) -> list[dict[str, Any]]:
        """Return up to `most` messages, the oldest of the lines of which none is out, and hide them for so long."""
        moment = now()
        with self._database:
            lines = self._database.execute(
                "SELECT line FROM lines WHERE queue = ? AND hidden_until <= ? ORDER BY first LIMIT ?",
                (queue, moment, most),
            ).fetchall()
            oldest = heapq.nsmallest(most, (one for (line,) in lines for one in self._begin(queue, line, most)))
            until = moment + 1000 * hidden_seconds
            received = [self._database.execute(_RECEIVE, (until, moment, sequence)).fetchone() for sequence in oldest]
            self._look_again(queue, {row["line"] for row in received})
        return [_unpacked(row) for row in received]

    def move_dead_letters(self, queue: str, dead_letters: str, most_receives: int) -> bool:
        """Move what was received so often, and came back with its whole line; say whether there was any."""
        moment = now()
        with self._database:
            dead = self._database.execute(
                "SELECT sequence, line FROM messages JOIN lines USING (queue, line)"
                " WHERE queue = ? AND visible_at BETWEEN 1 AND ? AND receives >= ? AND hidden_until <= ?",
                (queue, moment, most_receives, moment),
            ).fetchall()
            self._database.executemany(
                "UPDATE messages SET queue = ? WHERE sequence = ?", [(dead_letters, row["sequence"]) for row in dead]
            )
            for place in (queue, dead_letters):
                self._look_again(place, {row["line"] for row in dead})
        return bool(dead)

    def delete(self, queue: str, held: str) -> None:
        """Delete the message of the receipt `held`, if it is the last one; raise ValueError for what is no receipt.

        "You must provide the most recently received ReceiptHandle for the message (otherwise, the request succeeds, but
        the message will not be deleted)" (SQS API reference, DeleteMessage).
        """
        with self._database:
            deleted = self._database.execute(
                "DELETE FROM messages WHERE queue = ? AND sequence = ? AND receives = ? RETURNING line",
                (queue, *_read(held)),
            ).fetchall()
            self._look_again(queue, [row["line"] for row in deleted])

    def hide(self, queue: str, held: str, seconds: int) -> bool:
        """Hide the message of the receipt `held` for so long from now; say whether it was out under that still."""
        moment = now()
        with self._database:
            hidden = self._database.execute(
                "UPDATE messages SET visible_at = ?"
                " WHERE queue = ? AND sequence = ? AND receives = ? AND visible_at > ? RETURNING line",
                (moment + 1000 * seconds, queue, *_read(held), moment),
            ).fetchall()
            self._look_again(queue, [row["line"] for row in hidden])
        return bool(hidden)

    def purge(self, queue: str) -> None:
        """Delete every message of the queue."""
        with self._database:
            self._database.execute("DELETE FROM messages WHERE queue = ?", (queue,))
            self._database.execute("DELETE FROM lines WHERE queue = ?", (queue,))

    def expire(self, queue: str, seconds: int) -> None:
        """Delete what was sent to the queue longer ago than that. SQS does so all the time, here whoever starts."""
        with self._database:
            gone = self._database.execute(
                "DELETE FROM messages WHERE queue = ? AND sent_at < ? RETURNING line", (queue, now() - 1000 * seconds)
            ).fetchall()
            self._look_again(queue, {row["line"] for row in gone})

    def counts(self, queue: str) -> tuple[int, int, int]:
        """Return how many messages can be received, are delayed, are out."""
        counted: tuple[int, int, int] = tuple(
            self._database.execute(
                "SELECT count(*) FILTER (WHERE visible_at <= :now),"
                " count(*) FILTER (WHERE visible_at > :now AND receives = 0),"
                " count(*) FILTER (WHERE visible_at > :now AND receives > 0) FROM messages WHERE queue = :queue",
                {"queue": queue, "now": now()},
            ).fetchone()
        )
        return counted

    def _begin(self, queue: str, line: str, most: int) -> Iterator[int]:
        for (sequence,) in self._database.execute(
            "SELECT sequence FROM messages WHERE queue = ? AND line = ? ORDER BY sequence LIMIT ?", (queue, line, most)
        ):
            yield sequence

    def _look_again(self, queue: str, lines: Iterable[str]) -> None:
        touched = [{"queue": queue, "line": line} for line in lines]
        self._database.executemany(_LOOK_AGAIN, touched)
        self._database.execute("DELETE FROM lines WHERE queue = ? AND first IS NULL", (queue,))


def receipt(message: Mapping[str, Any]) -> str:
    """Return the receipt of a message that was received."""
    return f"{message['sequence']}:{message['receives']}"


def _packed(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes, default=lambda binary: base64.b64encode(binary).decode())


def _unpacked(row: sqlite3.Row) -> dict[str, Any]:
    message = dict(row)
    for name in ("attributes", "system_attributes"):
        message[name] = json.loads(message[name])
        for value in message[name].values():
            if "BinaryValue" in value:
                value["BinaryValue"] = base64.b64decode(value["BinaryValue"])
    return message


def _read(held: str) -> tuple[int, int]:
    sequence, _, receives = held.partition(":")
    return int(sequence), int(receives)
