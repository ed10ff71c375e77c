"""Does a test fail when a guard has a hole? Makes one hole at a time, runs the tests of access, and says which fails.

    make mutations ARGS="[part=I/N] word ..."

With words, only the mutants whose names hold all of them; with a part, each N-th of these, from the I-th on. Ends
with 1 where some mutant lives, where one dies of something else than a test that saw too much (invalid SQL, a broken
fixture), or where the predicates do not stand without the second guard.

Each mutant is a fork of this process, which has imported everything, and a copy of a migrated database.
"""

import multiprocessing
import os
import re
import signal
import sys
import tempfile
import textwrap
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from local import postgres
from local.postgres import Cluster
from migrations import run as migrations
from tests.access import scene
from tests.access.mutants import ALONE, Guard, Mutant, forget_statements, mutants, sites, watch
from tests.access.scene import Scene
from tests.support.api import FUNCTIONS
from tests.support.databases import FreshDatabase, Statements, engine_for
from tests.support.world import World
from wellspring.database import scope
from wellspring.database.sqlstate import sqlstate, translate

ROOT = Path(__file__).resolve().parents[2]
TESTS: dict[Guard, str] = {
    "first": "tests/access/test_predicates.py",
    "second": "tests/access/test_row_level_security.py",
}
# Migrated, and the scene is in it.
READY = "mutations"
PATIENCE_SECONDS = 300
TOLD_CHARACTERS = 2000
# A policy that does its work.
REFUSED = "42501"


@dataclass
class Verdict:
    """What became of a mutant.

    `failed` are the tests that failed because something was not as they say, `wrong` is what failed otherwise; `said`
    is the end of what pytest printed, where there is no verdict.
    """

    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    passed: int = 0
    seconds: float = 0.0
    said: str = ""

    def judge(self, mutant: Mutant) -> tuple[bool, str]:
        """Say whether it ended as it should, and how."""
        if self.wrong:
            return False, f"no verdict: {self.wrong[0]}"
        if mutant is ALONE:
            return bool(self.passed) and not self.failed, f"{self.passed} passed, failed: {self.failed or 'none'}"
        return bool(self.failed), self.failed[0] if self.failed else f"LIVES, {self.passed} tests passed"


# ---- in the process of one mutant ------------------------------------------------------------------------
class Lent(Cluster):
    """This process's cluster, for one mutant: its databases have names of their own, and a new one is ready."""

    def __init__(self, lender: Cluster, prefix: str) -> None:
        # Everything but the names is the lender's, which alone starts and stops.
        vars(self).update(vars(lender))
        self._prefix = prefix

    def url(self, dbname: str, user: str = postgres.OWNER) -> str:
        return super().url(self._prefix + dbname, user)

    def create_database(self, name: str, template: str | None = None) -> None:
        super().create_database(self._prefix + name, self._prefix + template if template else READY)

    def drop_database(self, name: str) -> None:
        super().drop_database(self._prefix + name)

    def let_in(self, *roles: str) -> None:
        """Do nothing: the lender has."""


def name_of(item: pytest.Item) -> str:
    return item.nodeid.rpartition("/")[2]


def words_of(name: str) -> set[str]:
    """Return the words of a name, singular and plural alike."""
    return {word.removesuffix("s") for word in re.findall(r"[a-z]{4,}", name.lower())}


class Watching:
    """A pytest plugin that runs what is likely to fail first, and tells a row too many from other failures.

    Likely is what failed for other mutants, the last one first, and then what shares words with this one's place.
    """

    def __init__(self, mutant: Mutant, likely: Sequence[str]) -> None:
        place = re.split(r"\(| without | asks ", mutant.name)[0]
        self._words, self._likely = words_of(f"everything {place}"), [*likely]
        self.verdict = Verdict()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: len(self._words & words_of(item.name)), reverse=True)
        items.sort(key=lambda item: [*self._likely, name_of(item)].index(name_of(item)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        name = name_of(item)
        if call.excinfo is None:
            self.verdict.passed += call.when == "call"
        elif call.when == "call" and call.excinfo.errisinstance((AssertionError, pytest.fail.Exception)):
            self.verdict.failed.append(name)
        else:
            self.verdict.wrong.append(f"{call.excinfo.exconly()[:200]} in {name} ({call.when})")
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.verdict.wrong.append(f"collecting {report.nodeid}")

    def watch_for_invalid_sql(self) -> None:
        """Take a statement that is no SQL any more for no verdict: it shows nobody a row too many."""

        @wraps(translate)
        def watched(error: Any, **options: Any) -> Any:
            state = sqlstate(error)
            # Class 42 is syntax, and access.
            if state.startswith("42") and state != REFUSED:
                self.verdict.wrong.append(f"SQLSTATE {state}")
            return translate(error, **options)

        scope.translate = watched  # type: ignore[attr-defined]


def test(mutant: Mutant, number: int, cluster: Cluster, built: Scene, likely: Sequence[str], answer: Any) -> None:
    """Run the tests of a mutant's guard until one fails, and send the verdict."""
    began = time.monotonic()
    # Whatever hangs: the default is to end the process.
    signal.alarm(PATIENCE_SECONDS)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    watching, asked = Watching(mutant, likely), set[str]()
    verdict = watching.verdict
    _lend(cluster, built, mutant, f"mutant_{number}_")
    watching.watch_for_invalid_sql()
    if mutant is ALONE:
        watch(asked)
    # The migration has composed statements to plan them (`migrations.run`): none of them has the hole.
    forget_statements()
    if mutant.spoil is not None:
        mutant.spoil()
    options = ["-q", "--tb=short", "--show-capture=no", "-p", "no:cacheprovider", *([] if mutant is ALONE else ["-x"])]
    with tempfile.TemporaryFile("w+") as said:
        for stream in (1, 2):
            os.dup2(said.fileno(), stream)
        code = pytest.main([*options, TESTS[mutant.guard]], plugins=[watching])
        sys.stdout.flush()
        if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            verdict.wrong.append(f"pytest ended with {code}")
        # What is read from the source is what is asked at run time.
        if mutant is ALONE and (strange := asked ^ {*sites()}):
            verdict.wrong.append(f"who asks, and who was thought to ask, differ by {sorted(strange)}")
        if verdict.wrong or (mutant is ALONE and verdict.failed):
            said.seek(0)
            verdict.said = said.read()[-TOLD_CHARACTERS:]
    verdict.seconds = time.monotonic() - began
    answer.send(verdict)


def _lend(cluster: Cluster, built: Scene, mutant: Mutant, prefix: str) -> None:
    @contextmanager
    def temporary(**_: object) -> Iterator[Cluster]:
        yield Lent(cluster, prefix)

    def upgrade(url: str, revision: str = "head") -> None:
        _as_owner(url, mutant.sql)

    def build(world: World) -> Scene:
        return replace(built, world=world)

    # Before the files `conftest.py` are imported, which take them from there.
    postgres.temporary = temporary
    migrations.upgrade = upgrade
    scene.build = build


def _as_owner(url: str, statements: Sequence[str]) -> None:
    engine = engine_for(url)
    with engine.begin() as owner:
        for statement in statements:
            owner.exec_driver_sql(statement)
    engine.dispose()


# ---- in this one -----------------------------------------------------------------------------------------
def prepared(cluster: Cluster) -> Scene:
    """Make the database that the mutants' are copies of, with what `tests/conftest.py` grants; return its scene."""
    cluster.create_database(READY)
    url = cluster.url(READY)
    migrations.upgrade(url)
    _as_owner(url, [f"GRANT {', '.join(migrations.ROLES)} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE"])
    cluster.let_in(*migrations.ROLES)
    builder = FreshDatabase(url, Statements())
    built = scene.build(World(builder))
    builder.close()
    return built


def verdicts(chosen: Sequence[Mutant], cluster: Cluster) -> Iterator[tuple[Mutant, Verdict]]:
    """Test the mutants, as many at a time as there are processors, and return each as it ends."""
    built = prepared(cluster)
    forks = multiprocessing.get_context("fork")
    waiting = deque(enumerate(chosen))
    running: dict[Connection, Mutant] = {}
    # What one failed for, the next of the same place will mostly fail for.
    likely: dict[str, None] = {}
    while waiting or running:
        while waiting and len(running) < (os.process_cpu_count() or 1):
            number, mutant = waiting.popleft()
            answer, sender = forks.Pipe(duplex=False)
            arguments = (mutant, number, cluster, built, [*reversed(likely)], sender)
            forks.Process(target=test, args=arguments, daemon=True).start()
            sender.close()
            running[answer] = mutant
        ready = set(wait(list(running)))
        for answer in [known for known in running if known in ready]:
            try:
                verdict = answer.recv()
            except EOFError:
                verdict = Verdict(wrong=["its process ended without a word"])
            # The catalogue is compared with what it was: a row too many is the better reason.
            for name in (name for name in verdict.failed if "TheCatalogue" not in name):
                likely.pop(name, None)
                likely[name] = None
            yield running.pop(answer), verdict


def main(words: Sequence[str]) -> int:
    """Run what is asked for, print a line for each, and return how the process ends."""
    os.chdir(ROOT)
    parts = [word.removeprefix("part=").split("/") for word in words if word.startswith("part=")]
    words = [word for word in words if not word.startswith("part=")]
    chosen = [mutant for mutant in mutants() if all(word in mutant.name for word in words)]
    for first, each in parts:
        chosen = chosen[int(first) - 1 :: int(each)]
    for function in FUNCTIONS.values():
        import_module(function.handler.removesuffix(".handler"))
    began, failures = time.monotonic(), []
    with postgres.temporary() as cluster:
        for mutant, verdict in verdicts(chosen, cluster):
            as_wanted, why = verdict.judge(mutant)
            print(f"{'ok' if as_wanted else 'NOT OK':6} {verdict.seconds:5.1f} s  {mutant.name}: {why}", flush=True)
            if not as_wanted:
                failures.append(mutant.name)
                print(textwrap.indent(verdict.said, "       "))
    print(f"{len(chosen)} mutants in {time.monotonic() - began:.0f} s, {len(failures)} not as they should be")
    for name in failures:
        print(f"  {name}")
    return 1 if failures or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
