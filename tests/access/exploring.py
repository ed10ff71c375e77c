"""Worlds in which product and model are compared: what `test_worlds` and `test_worlds_predicates` share.

Agreement means nothing about what nobody asked for, so what was reached is counted too, by kind.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any

import pg8000.legacy
import pytest

from tests.access.model import Answer, Caller, Create, Delete, List, Request
from tests.access.stage import Stage
from tests.access.worlds import OPERATIONS, Story, stories, worlds
from tests.support.databases import Database
from wellspring.observability import logger

WORLDS = 1000
# How many times so many, where something was not asked for.
MORE = 3

# Its kind, and the rest of it.
type Outcome = tuple[str, ...]

# How many outcomes there are of each kind, all but a few of the rarest: of an operation, who was told what of which
# type, and where the problems were; of lists also what was included, and which parameters left rows on a page.
REACHED = {
    "list": 49,
    "retrieve": 30,
    "create": 53,
    "create by path": 21,
    "update": 31,
    "delete": 20,
    "delete by path": 8,
    "includes": 20,
    "parameter": 134,
}


def explore(database: Database, *, row_level_security: bool) -> None:
    """Compare product and model in a thousand worlds, and see that all there is was asked for."""
    reached: set[Outcome] = set()
    for more in range(MORE):
        # What is rare is not drawn in every thousand worlds.
        reached |= compare(database, WORLDS, row_level_security=row_level_security, more=more)
        counted = Counter(kind for kind, *_ in reached)
        if all(counted[kind] >= number for kind, number in REACHED.items()):
            return
    pytest.fail(f"With this seed {MORE * WORLDS} worlds reach only {counted} of {REACHED}")


def compare(
    database: Database,
    count: int,
    *,
    row_level_security: bool,
    operations: Sequence[tuple[str, str]] = OPERATIONS,
    shrink: bool = True,
    more: int = 0,
) -> set[Outcome]:
    """Compare product and model in so many worlds; return what was reached."""
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


def outcomes(caller: Caller, request: Request, answer: Answer) -> Iterator[Outcome]:
    """Give what a request reached."""
    operation, type_ = type(request).__name__.lower(), request.type
    if isinstance(request, Create | Delete) and (request.within if isinstance(request, Create) else request.pair):
        operation += " by path"
    # A problem that several parts of a document have is one.
    problems = sorted({re.sub(r"\d+", "N", " ".join(problem)) for problem in answer.problems})
    yield operation, type(caller).__name__, type_, str(answer.status), *problems
    if isinstance(request, List) and answer.rows:
        yield from (("includes", type_, row.type) for row in answer.included or ())
        said = {each.name: getattr(request, each.name) for each in fields(request)}
        for name in ("workspaces", "since", "within", "total", "cursor"):
            yield "parameter", type_, name, str(bool(said[name]))
        for name in ("deleted", "descending", "sort", "backward"):
            yield "parameter", type_, name, str(said[name])
        yield from (("parameter", type_, "filter", name) for name, _ in (*request.related, *request.equal))
        yield "parameter", type_, "pages on both sides", str(answer.before and answer.after)


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
