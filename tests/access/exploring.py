"""Worlds in which product and model are compared: what `test_worlds` and `test_worlds_predicates` share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pg8000.legacy
import pytest

from tests.access.reach import Outcome, outcomes, wanted
from tests.access.stage import Stage
from tests.access.worlds import OPERATIONS, Story, stories, worlds
from tests.support.databases import Database
from wellspring.observability import logger

WORLDS = 1000
# How many times so many, where something was not asked for.
MORE = 3


def explore(database: Database, *, row_level_security: bool) -> None:
    """Compare product and model in a thousand worlds, and see that all there is was asked for."""
    missing = wanted()
    for more in range(MORE):
        # What is rare is not drawn in every thousand worlds.
        missing -= compare(database, WORLDS, row_level_security=row_level_security, more=more)
        if not missing:
            return
    pytest.fail(f"Never reached with this seed in {MORE * WORLDS} worlds or more: {sorted(missing)}")


def compare(
    database: Database,
    count: int,
    *,
    row_level_security: bool,
    operations: Sequence[tuple[str, str]] = OPERATIONS,
    shrink: bool = True,
    more: int = 0,
) -> set[Outcome]:
    """Compare product and model in so many worlds."""
    stage = Stage(database, row_level_security=row_level_security)
    reached: set[Outcome] = set()

    @worlds(stories(stage.now, operations), count, others=int(row_level_security) + 2 * more, shrink=shrink)
    def check(story: Story) -> None:
        with stage.set(story.world):
            for caller, request in story.asked:
                reached.update(outcomes(caller, request, stage.compare(story.world, caller, request)))
            # Also what refused requests and lists should have left alone.
            stage.compare_tables(story.world)

    with quiet(), _reading_statements_once():
        check()
    return reached


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the lines of ten thousand answers out of a failure's report."""
    level = logger.log_level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _reading_statements_once() -> Iterator[None]:
    """Let pg8000 look for the parameters in a statement once: it goes through it letter by letter, for long."""
    real = pg8000.legacy.convert_paramstyle

    @cache
    def converted(style: str, statement: str) -> str:
        return str(real(style, statement, ())[0])

    def convert(style: str, statement: str, values: Any) -> tuple[str, Any]:
        return converted(style, statement), values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pg8000.legacy, "convert_paramstyle", convert)
        yield
