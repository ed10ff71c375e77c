"""Very many events that wait for one resource are applied a bounded step at a time, in as many runs as it takes.

`WAITING=100000` asks for as many events.
"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection

from local.settings import number
from tests.feed.conftest import Tables
from tests.support.databases import FEEDER, FreshDatabase, tuples_read
from tests.support.feed import apply, settle, upserted
from wellspring.repositories.feed import pending
from wellspring.services.feed.applying import CHUNK

pytestmark = pytest.mark.long

WORKSPACE = UUID(int=1)
BATCH = 1000
WAITING = "wellspring.pending_events"


def test_very_many_that_wait_for_one_are_settled_in_bounded_steps(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_database.role = FEEDER
    tables, waiting = Tables(fresh_database), number("WAITING", 5 * BATCH, 10**7)
    for begin in range(0, waiting, BATCH):
        some = range(begin, min(begin + BATCH, waiting))
        apply(*(upserted("company", UUID(int=one + 10), workspace_id=WORKSPACE) for one in some))
    apply(upserted("workspace", WORKSPACE))
    steps: list[tuple[int, int]] = []
    take = pending.take

    def counted(transaction: Connection, *given: Any) -> Any:
        before = tuples_read(transaction, WAITING)
        taken = take(transaction, *given)
        steps.append((len(taken), (tuples_read(transaction, WAITING) - before).total()))
        return taken

    monkeypatch.setattr(pending, "take", counted)
    settled = 0
    while done := settle():
        settled += done
    assert settled == waiting
    assert tables.count("core_api.companies") == waiting
    assert tables.count(WAITING) == 0
    # No step takes more, and what is settled is not read again.
    sizes, reads = zip(*steps, strict=True)
    assert (max(sizes), sum(sizes)) == (min(CHUNK, waiting), waiting)
    assert max(reads) <= 5 * CHUNK
