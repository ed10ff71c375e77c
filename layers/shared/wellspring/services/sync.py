"""Applying sync messages: which of them go into the database together, and which are not tried at all."""

from collections.abc import Iterator, Sequence

from wellspring.database import Transaction
from wellspring.repositories import sync
from wellspring.repositories.sync import Direction, Problem, RecordType, Synced, Verdict

__all__ = ["Direction", "Problem", "RecordType", "Synced", "Verdict", "apply"]


def apply(transaction: Transaction, batch: Sequence[Synced]) -> list[Verdict]:
    """Apply the messages of `batch` in their order and return a verdict for each.

    A message that can never succeed leaves no trace and no row; the later ones of its group are held, all others
    are applied. Normally this is one statement (see `waves`).

    Raises SQLAlchemy's `DBAPIError`; nothing of the batch may be committed then.
    """
    verdicts: list[Verdict] = []
    failed_groups: set[str] = set()
    for wave in waves(batch):
        tried = [item for item in wave if item.group not in failed_groups]
        found = iter(sync.apply_synced(transaction, tried) if tried else ())
        decided = [Verdict(status="held") if item.group in failed_groups else next(found) for item in wave]
        failed_groups |= {item.group for item, verdict in zip(wave, decided, strict=True) if verdict.status == "failed"}
        verdicts += decided
    return verdicts


def waves(batch: Sequence[Synced]) -> Iterator[list[Synced]]:
    """Cut `batch` into runs whose messages need not see each other's rows, so that each is one statement.

    A cut is needed before a relink that may have to tombstone what the run inserts, and before a message whose id
    the run holds already (SQS may deliver one twice in a batch).
    """
    any_relink = any(item.relink for item in batch)
    wave: list[Synced] = []
    ids: set[str] = set()
    inserted: dict[tuple[str, Direction], set[str]] = {}
    for item in batch:
        place = (item.workspace_connector_id, item.direction)
        if item.id in ids or (item.relink and _overlaps(item, inserted.get(place, set()))):
            yield wave
            wave, ids, inserted = [], set(), {}
        wave.append(item)
        ids.add(item.id)
        if any_relink:
            inserted.setdefault(place, set()).update(*item.records.values())
    if wave:
        yield wave


def _overlaps(item: Synced, records: set[str]) -> bool:
    return any(not records.isdisjoint(found) for found in item.records.values())
