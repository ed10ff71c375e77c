"""Publishing what is in the outbox, in portions: taken in one transaction, sent in none, noted in another.

A bus that is away, or refuses an event, holds up no effect and no other event (docs/adr/0055).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wellspring.bus import CALL_SECONDS, MOST_BYTES, MOST_ENTRIES, Bus, BusAway, EntriesRefused, size_of
from wellspring.database.retry import Deadline, with_retries
from wellspring.ledger_events import BUS_SOURCE, envelope
from wellspring.observability import logger
from wellspring.repositories import outbox
from wellspring.repositories.outbox import TAKEN_SECONDS

# Events that are taken at once, and rows that one transaction forgets.
PORTION, CHUNK = 100, 5000
# What the last call of a portion and noting it may take.
SPARED_SECONDS = CALL_SECONDS + 3.0


@dataclass(frozen=True, slots=True)
class Published:
    """How many events of a portion were due, are on the bus, and were not taken; `is_away` where it did not answer."""

    due: int
    published: int
    refused: int
    is_away: bool


# An event's sequence, and the event as an entry of the bus.
type _Entry = tuple[int, Mapping[str, Any]]


def publish(bus: Bus, deadline: Deadline) -> Published:
    """Publish the next events that are due, a portion of them.

    Each is sent at least once: where this dies or raises between sending and noting, again, with the same id.
    """
    rows = with_retries(partial(outbox.take, most=PORTION), None, deadline)
    # Half of the time in which nobody else takes them, so that what is under way is noted before that is over.
    ours = Deadline(min(deadline.seconds - SPARED_SECONDS, TAKEN_SECONDS / 2))
    published: list[int] = []
    refused: list[int] = []
    untried: list[int] = []
    is_away = False
    for batch in _batches(map(_entry, rows)):
        sequences = [sequence for sequence, _ in batch]
        if is_away or ours.has_passed:
            untried += sequences
            continue
        try:
            codes = _put(bus, [content for _, content in batch])
        except BusAway as error:
            logger.warning("the bus is away, events wait", extra={"reason": str(error)})
            is_away = True
            refused += sequences
            continue
        for sequence, code in zip(sequences, codes, strict=True):
            (refused if code else published).append(sequence)
        if any(codes):
            logger.warning("events refused by the bus", extra={"codes": sorted({code for code in codes if code})})
    if rows:
        with_retries(partial(outbox.note, published=published, refused=refused, untried=untried), None, deadline)
    return Published(len(rows), len(published), len(refused), is_away)


def prune(deadline: Deadline) -> int:
    """Forget what is older than seven days; return how many were dropped, which were not published by then."""
    dropped, forgotten = 0, CHUNK
    while forgotten == CHUNK and not deadline.has_passed:
        forgotten, unpublished = with_retries(partial(outbox.prune, most=CHUNK), None, deadline)
        dropped += unpublished
    if dropped:
        logger.error("events dropped that were never published", extra={"events": dropped})
    return dropped


def oldest_age(deadline: Deadline) -> float:
    """Return how many seconds ago the first happened that is not published; 0 where all are."""
    return with_retries(outbox.oldest_age, None, deadline)


def _entry(row: Mapping[str, Any]) -> _Entry:
    detail = json.dumps(envelope(row), separators=(",", ":"))
    content = {"Source": BUS_SOURCE, "DetailType": row["type"], "Detail": detail, "Time": row["occurred_at"]}
    return row["sequence"], content


def _batches(entries: Iterable[_Entry]) -> Iterator[list[_Entry]]:
    """Yield entries as calls take them: at most ten, and so many bytes."""
    batch: list[_Entry] = []
    size = 0
    for entry in entries:
        more = size_of(entry[1])
        if batch and (len(batch) == MOST_ENTRIES or size + more > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += more
    if batch:
        yield batch


def _put(bus: Bus, batch: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Send entries together; where none is taken one by one, for it may be the fault of one. Raises `BusAway`."""
    try:
        return bus.put(batch)
    except EntriesRefused as error:
        if len(batch) == 1:
            return [str(error)]
        return [code for entry in batch for code in _put(bus, [entry])]
