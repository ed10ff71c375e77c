"""Loading a file of events: some thousand lines a transaction, with a checkpoint in each (contract, section 6).

A turn goes on where the one before has stopped, or was killed. Lines may be in any order, as events may.
"""

import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from wellspring.database import Transaction
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import ServiceUnavailable
from wellspring.files import Bucket, File, Line, UnreadableFile
from wellspring.observability import describe, logger
from wellspring.repositories.feed import loads
from wellspring.repositories.feed.loads import Checkpoint, Overtaken, Reject
from wellspring.repositories.feed.work import Malformed, Told, Verdict
from wellspring.services.feed.applying import apply_at_once, apply_chunk, settle

# What one transaction applies: so many lines, or so many bytes.
LINES = 2000
BYTES = 4 * 1024 * 1024
# A chunk and the writing of the results take less.
LEAST_SECONDS = 20.0
# Turns in a row that come no further.
IDLE_TURNS = 2
RESULTS = "results/"
LOAD = "load/"

type Parse = Callable[[bytes], Told]


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many lines of a file are done, and whether all is: `done`, `failed` or `in_progress`."""

    lines: int
    outcome: str

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do with the file."""
        return self.outcome != "in_progress"


@dataclass(slots=True)
class _Chunk:
    """Lines that are applied together."""

    # By the number of the line.
    told: dict[int, Told] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    size: int = 0
    lines: int = 0
    place: int = 0


def load(bucket: Bucket, file: File, parse: Parse, deadline: Deadline) -> Loaded:
    """Take a turn at a file, until some time before the deadline.

    Raises `WellspringError`; the next turn goes on at the last checkpoint.
    """
    checkpoint = with_retries(lambda transaction: loads.begin(transaction, file.key, file.identity), None, deadline)
    if not checkpoint.is_open:
        return Loaded(checkpoint.lines, "done")
    if checkpoint.idle_turns > IDLE_TURNS:
        return _finish(bucket, file, checkpoint, "failed", deadline)
    try:
        lines, is_whole = _apply_lines(bucket, file, parse, checkpoint, deadline)
    except UnreadableFile as error:
        logger.error("file cannot be read", extra={"key": file.key, "reason": str(error)})
        return _finish(bucket, file, checkpoint, "failed", deadline)
    except Overtaken:
        return Loaded(checkpoint.lines, "in_progress")
    if not is_whole:
        return Loaded(lines, "in_progress")
    settle(deadline)
    return _finish(bucket, file, checkpoint, "done", deadline)


def _apply_lines(
    bucket: Bucket, file: File, parse: Parse, checkpoint: Checkpoint, deadline: Deadline
) -> tuple[int, bool]:
    """Apply lines until there are none or the time is over; return how many are done, and whether they are all."""
    before = checkpoint.lines
    for chunk in _chunks(bucket.lines(file, checkpoint.lines, checkpoint.place), parse):
        if deadline.seconds < LEAST_SECONDS or not _apply_chunk(chunk, checkpoint.pk, before, deadline):
            return before, False
        before = chunk.lines
    return before, True


def _chunks(lines: Iterator[Line], parse: Parse) -> Iterator[_Chunk]:
    chunk = _Chunk()
    for line in lines:
        chunk.lines, chunk.place = line.number, line.end
        if line.content is None:
            chunk.rejects.append(Reject(line.number, "line_too_long", ""))
        elif content := line.content.strip():
            chunk.size += len(content)
            told = parse(content)
            if isinstance(told, Malformed):
                # A line has one row: of its first problem.
                problem = told.problems[0]
                chunk.rejects.append(Reject(line.number, problem["code"], problem.get("pointer", "")))
            else:
                chunk.told[line.number] = told
        if len(chunk.told) + len(chunk.rejects) >= LINES or chunk.size >= BYTES:
            yield chunk
            chunk = _Chunk()
    if chunk.lines:
        yield chunk


def _apply_chunk(chunk: _Chunk, pk: int, before: int, deadline: Deadline) -> bool:
    """Apply a chunk with its checkpoint; return False where the database refused part of it for the moment."""

    def write_checkpoint(transaction: Transaction, verdicts: Sequence[Verdict]) -> None:
        numbered = zip(chunk.told, verdicts, strict=True)
        parked = [Reject(number, str(told.reason), "") for number, told in numbered if told.status == "parked"]
        counts = Counter[str](verdict.status for verdict in verdicts)
        counts["rejected"] = len(chunk.rejects)
        done = {name: counts[name] for name in loads.COUNTS}
        done |= {"before": before, "lines": chunk.lines, "place": chunk.place}
        loads.check(transaction, pk, done, sorted([*chunk.rejects, *parked]))

    told = [*chunk.told.values()]
    try:
        apply_at_once(told, deadline, write_checkpoint)
    except (ServiceUnavailable, Overtaken):
        raise
    except Exception as error:  # noqa: BLE001  (whatever it is, it may concern one line only)
        logger.error("lines are applied one by one", extra={"line": before + 1} | describe(error.__cause__ or error))
        verdicts = apply_chunk(told, deadline, is_last_try=True)
        if any(verdict.status == "returned" for verdict in verdicts):
            return False
        with_retries(partial(write_checkpoint, verdicts=verdicts), None, deadline)
    return True


def _finish(bucket: Bucket, file: File, checkpoint: Checkpoint, outcome: str, deadline: Deadline) -> Loaded:
    """Write the results, and only then close the file: whoever is killed in between writes them again."""
    name = f"{RESULTS}{file.key.removeprefix(LOAD)}"
    with tempfile.TemporaryFile() as rejects:

        def read(transaction: Transaction) -> dict[str, object]:
            rejects.seek(0)
            rejects.truncate()
            for reject in loads.rejects(transaction, checkpoint.pk):
                rejects.write(json.dumps(reject._asdict()).encode() + b"\n")
            return loads.summary(transaction, checkpoint.pk)

        summary = with_retries(read, None, deadline) | {"outcome": outcome}
        rejects.seek(0)
        bucket.put(file.bucket, f"{name}.rejects.jsonl", rejects)
    bucket.put(file.bucket, f"{name}.summary.json", io.BytesIO(json.dumps(summary, indent=2).encode() + b"\n"))
    with_retries(lambda transaction: loads.finish(transaction, checkpoint.pk, outcome), None, deadline)
    logger.info("file loaded", extra={"key": file.key, "outcome": outcome, "lines": summary["lines"]})
    return Loaded(int(str(summary["lines"])), outcome)
