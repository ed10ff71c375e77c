"""Answers that are made while the world changes: each is that of one of the two worlds, and of no mixture.

Before one of the flushes of an answer a row of the world ends, in a transaction of somebody else's that commits. The
answer must be the model's for the world before, or for the world after.
"""

from collections import Counter
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from tests.access import model
from tests.access.exploring import quiet
from tests.access.model import Caller, Request, Row, World
from tests.access.stage import Stage
from tests.access.worlds import BEGINNING, OPERATIONS, Story, stories, worlds
from tests.support.databases import FreshDatabase
from wellspring.database import session
from wellspring.database.pipeline import PipelinedConnection

pytestmark = pytest.mark.worlds

WORLDS = 25
# Among so many is one whose answer takes two flushes with a row of both that ends between them: most take one.
MORE_WORLDS = 200
TRIED = 12
READS = tuple(asked for asked in OPERATIONS if asked[0] in {"list", "retrieve"})
ENDED = BEGINNING.replace(hour=5)
# Before the first, second or third flush of an answer. Most have one; where there is none more, the row ends after it.
MOMENTS = (1, 1, 2, 2, 2, 3)


class Race:
    """Ends a row while somebody is answered, and judges the answer."""

    def __init__(self, database: FreshDatabase) -> None:
        self._database = database
        self._stage = Stage(database, row_level_security=True)
        self.now = self._stage.now
        # How many flushes are left until the row ends, and its table.
        self._left = 0
        self._row: tuple[str, Row] | None = None
        self.seen: Counter[str] = Counter()

    def run(self, story: Story) -> None:
        """Ask all that a story asks, each time while another row ends."""
        # The same each time that hypothesis runs the story.
        chance = Random(repr(story.asked))
        self._stage.put(story.world)
        self._database.commit()
        for caller, request in story.asked:
            self._row, self._left = _ending(story.world, caller, request, chance), chance.choice(MOMENTS)
            if self._row is None:
                continue
            reply = self._stage.ask(caller, request)
            told = []
            for when in ("before", "after"):
                try:
                    self._stage.judge(story.world, caller, request, reply)
                    told.append(when)
                except AssertionError:
                    if when == "after" and not told:
                        raise
                self._row[1].deleted_at = ENDED
            if self._left > 0:
                self._end()
            self.seen[" or ".join(told)] += 1

    def before_flush(self) -> None:
        """End the row where this is the flush to do so at."""
        self._left -= 1
        if self._left == 0:
            self._end()

    def _end(self) -> None:
        assert self._row is not None
        table, row = self._row
        self._left = 0
        owner = self._database.owner
        owner.execute(text(f"UPDATE core_api.{table} SET deleted_at = :at WHERE pk = :pk"), {"at": ENDED, "pk": row.pk})
        self._database.commit()


def _ending(world: World, caller: Caller, request: Request, chance: Random) -> tuple[str, Row] | None:
    """Return a live row to end, of some the first whose end makes another answer; None where nothing lives."""
    lives = [(table, row) for table, rows in world.tables().items() for row in rows if row.is_live]
    chance.shuffle(lives)
    before = model.answer(world, caller, request)
    for table, row in lives[:TRIED]:
        row.deleted_at = ENDED
        after = model.answer(world, caller, request)
        row.deleted_at = None
        if after != before:
            return table, row
    return lives[0] if lives else None


def raced(database: FreshDatabase, number: int = WORLDS) -> Counter[str]:
    """Race in so many worlds; return how often the answer was that of which world."""
    race = Race(database)
    exchange = PipelinedConnection.exchange

    def exchanged(connection: PipelinedConnection, *messages: Any, **options: Any) -> None:
        race.before_flush()
        exchange(connection, *messages, **options)

    @worlds(stories(race.now, READS), number, others=2, shrink=False)
    def check(story: Story) -> None:
        race.run(story)

    with quiet(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(PipelinedConnection, "exchange", exchanged)
        check()
    return race.seen


def test_an_answer_is_of_one_of_the_worlds_of_its_time(fresh_database: FreshDatabase) -> None:
    seen = raced(fresh_database)
    assert seen["before"] > 5, seen
    assert seen["after"] > 5, seen


def test_answers_of_several_snapshots_are_found(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race is of no use if it cannot tell."""
    monkeypatch.setattr(session, "BEGIN_READ", session.BEGIN)
    with pytest.raises(AssertionError):
        raced(fresh_database, MORE_WORLDS)
