"""Checkpoints of files, in the transactions of what was loaded, and what was rejected."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from wellspring.errors import WellspringError
from wellspring.models import feed

COUNTS = ("applied", "stale", "waiting", "parked", "rejected")

# A turn that ends without a checkpoint leaves its mark behind; the first checkpoint takes it away.
_BEGIN = text(f"""
INSERT INTO {feed.loads} AS old (key, object_version, idle_turns) VALUES (:key, :object_version, 1)
    ON CONFLICT (key, object_version) DO UPDATE
   SET idle_turns = CASE WHEN old.outcome = 'in_progress' THEN old.idle_turns + 1 ELSE old.idle_turns END,
       updated_at = now()
RETURNING pk, outcome = 'in_progress', lines, place, idle_turns""")

_CHECK = text(f"""
UPDATE {feed.loads}
   SET lines = :lines, place = :place, idle_turns = 0, updated_at = now(),
       {", ".join(f"{name} = {name} + :{name}" for name in COUNTS)}
 WHERE pk = :pk AND lines = :before AND outcome = 'in_progress'
RETURNING pk""")

_REJECT = text(f"""
INSERT INTO {feed.load_rejects} (load_pk, line, code, pointer)
SELECT :pk, line, code, pointer
  FROM jsonb_to_recordset(CAST(:rejects AS jsonb)) AS reject (line bigint, code text, pointer text)
    ON CONFLICT DO NOTHING""")

_REJECTS = text(f"""
SELECT line, code, pointer FROM {feed.load_rejects} WHERE load_pk = :pk AND line > :after ORDER BY line LIMIT :most""")

_FINISH = text(f"""
UPDATE {feed.loads} SET outcome = :outcome, finished_at = now(), updated_at = now() WHERE pk = :pk""")

_SUMMARY = text(f"""
SELECT key, object_version, outcome, lines, applied, stale, waiting, parked, rejected, started_at, now() AS finished_at
  FROM {feed.loads} WHERE pk = :pk""")

_PAGE = 10_000


class Overtaken(WellspringError):
    """Another turn of the same file has gone on meanwhile."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a turn begins, in a file with something left to do if `is_open`.

    So many lines are done, which take `place` bytes; so many turns, this one included, have begun here.
    """

    pk: int
    is_open: bool
    lines: int
    place: int
    idle_turns: int


class Reject(NamedTuple):
    """A line that is not applied."""

    line: int
    code: str
    pointer: str


def begin(transaction: Connection, key: str, object_version: str) -> Checkpoint:
    """Begin a turn of a file, the first or another one."""
    return Checkpoint(*transaction.execute(_BEGIN, {"key": key, "object_version": object_version}).one())


def check(transaction: Connection, pk: int, done: Mapping[str, int], rejects: Sequence[Reject]) -> None:
    """Write down that lines are done: from `before` to `lines`, which end at `place`, and how many of each of `COUNTS`.

    Raises `Overtaken` where another turn has done so: what this one did with them must be rolled back.
    """
    if transaction.execute(_CHECK, {"pk": pk, **done}).one_or_none() is None:
        raise Overtaken("Another turn of the same file has gone on meanwhile.")
    if rejects:
        transaction.execute(_REJECT, {"pk": pk, "rejects": json.dumps([reject._asdict() for reject in rejects])})


def rejects(transaction: Connection, pk: int) -> Iterator[Reject]:
    """Yield the rejects of a file in the order of its lines, a page at a time."""
    after = 0
    while True:
        rows = transaction.execute(_REJECTS, {"pk": pk, "after": after, "most": _PAGE}).all()
        yield from (Reject(*row) for row in rows)
        if len(rows) < _PAGE:
            return
        after = rows[-1].line


def summary(transaction: Connection, pk: int) -> dict[str, Any]:
    """Return what became of a file, as its summary says it."""
    sums = transaction.execute(_SUMMARY, {"pk": pk}).mappings().one()
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in sums.items()}


def finish(transaction: Connection, pk: int, outcome: str) -> None:
    """Close a file: `done`, or `failed`."""
    transaction.execute(_FINISH, {"pk": pk, "outcome": outcome})
