"""Random worlds in which what is read is answered as the reference model does, with and without policies in force.

`WORLDS_SEED` and `WORLDS` in the environment ask for other worlds, and for more (CONTRIBUTING.md). Agreement means
nothing about what nobody asked for, so what was reached is counted too, by kind.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any

import pg8000.legacy
import pytest

from tests.access.model import Answer, Caller, List, Request
from tests.access.stage import Stage
from tests.access.worlds import Story, stories, worlds
from tests.support.databases import Database
from wellspring.observability import logger

pytestmark = pytest.mark.worlds

WORLDS = 1000
# How many times so many, where something was not asked for.
MORE = 3

# Its kind, and the rest of it.
type Outcome = tuple[str, ...]

# How many outcomes there are of each kind, all but a few of the rarest: of an operation, who was told what of which
# type, and where the problems were; of lists also what was included, and which parameters left rows on a page.
REACHED = {"list": 49, "retrieve": 30, "includes": 20, "parameter": 134}


@pytest.mark.parametrize("row_level_security", [True, False], ids=["with policies", "by the predicates alone"])
def test_whoever_asks_for_whatever_gets_the_models_answer(database: Database, *, row_level_security: bool) -> None:
    stage = Stage(database, row_level_security=row_level_security)
    reached: set[Outcome] = set()
    for more in range(MORE):
        # What is rare is not drawn in every thousand worlds.
        reached |= compared(stage, others=int(row_level_security) + 2 * more)
        counted = Counter(kind for kind, *_ in reached)
        if all(counted[kind] >= number for kind, number in REACHED.items()):
            return
    pytest.fail(f"With this seed {MORE * WORLDS} worlds reach only {counted} of {REACHED}")


def compared(stage: Stage, *, others: int) -> set[Outcome]:
    """Compare product and model in so many worlds; return what was reached."""
    reached: set[Outcome] = set()

    @worlds(stories(), WORLDS, others=others)
    def check(story: Story) -> None:
        with stage.set(story.world):
            for caller, request in story.asked:
                reached.update(outcomes(caller, request, stage.compare(story.world, caller, request)))

    with quiet(), _reading_statements_once():
        check()
    return reached


def outcomes(caller: Caller, request: Request, answer: Answer) -> Iterator[Outcome]:
    """Give what a request reached."""
    operation, type_ = type(request).__name__.lower(), request.type
    problems = sorted(" ".join(problem) for problem in answer.problems)
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
