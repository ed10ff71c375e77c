"""SnapStart: what is in a snapshot, and what a copy of it begins with. The real registry, the real engine."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
import snapshot_restore_py

from local.settings import ROOT
from tests.support.databases import FreshDatabase
from wellspring.database import engine as module
from wellspring.database import snapshot
from wellspring.settings import Settings

SNAPSTART = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
NOWHERE = Settings(db_host="nowhere.invalid", db_user="wellspring_reader", aws_region="eu-west-1")


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    for hooks in (snapshot_restore_py.get_before_snapshot(), snapshot_restore_py.get_after_restore()):
        hooks.clear()
    yield
    for hooks in (snapshot_restore_py.get_before_snapshot(), snapshot_restore_py.get_after_restore()):
        hooks.clear()


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "settings", lambda: NOWHERE)
    module.engine.cache_clear()
    yield
    module.engine.cache_clear()


def take_and_restore() -> None:
    """Call the hooks as the runtime does: before the snapshot in reverse order, then after restoring in order."""
    for hook, positional, named in reversed(snapshot_restore_py.get_before_snapshot()):
        hook(*positional, **named)
    for hook, positional, named in snapshot_restore_py.get_after_restore():
        hook(*positional, **named)


def test_a_function_without_snapstart_registers_nothing() -> None:
    snapshot.register({"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"})
    snapshot.register({})
    assert not snapshot_restore_py.get_before_snapshot()
    assert not snapshot_restore_py.get_after_restore()


@pytest.mark.usefixtures("nowhere")
def test_a_snapshot_holds_no_connection() -> None:
    # It could not have opened one: there is nobody to connect to, and it did not try.
    snapshot.register(SNAPSTART)
    take_and_restore()
    assert module.engine().pool.checkedin() == 0  # type: ignore[attr-defined]  # a QueuePool has it


def test_a_copy_opens_a_connection_of_its_own(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    used = fresh_database.engine("wellspring_reader")
    for place in (snapshot, module):
        monkeypatch.setattr(place, "engine", lambda: used)
    ask = "SELECT pg_backend_pid()"
    with used.connect() as connection:
        first = connection.exec_driver_sql(ask).scalar_one()
        kept = connection.connection.dbapi_connection
    snapshot.register(SNAPSTART)
    take_and_restore()
    with used.connect() as connection:
        assert connection.exec_driver_sql(ask).scalar_one() != first
    # The other copies have the same one.
    alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    assert fresh_database.owner.exec_driver_sql(alive, (first,)).scalar_one() == 1
    assert kept is not None
    kept.close()


@pytest.mark.parametrize("handler", ["health.check", "sync.consume"])
def test_a_function_registers_both_when_it_is_imported(handler: str) -> None:
    check = (
        f"import sys, snapshot_restore_py as runtime, {handler};"
        "sys.exit((len(runtime.get_before_snapshot()), len(runtime.get_after_restore())) != (1, 1))"
    )
    paths = os.pathsep.join(str(ROOT / part) for part in ("layers/shared", "functions"))
    environment = os.environ | SNAPSTART | {"PYTHONPATH": paths}
    assert subprocess.run([sys.executable, "-c", check], env=environment, check=False).returncode == 0


def test_nothing_of_ours_takes_chance_from_where_copies_would_share_it() -> None:
    for path in (ROOT / "layers" / "shared" / "wellspring").rglob("*.py"):
        assert not re.search(r"^\s*(import random|from random)\b", path.read_text(), re.MULTILINE), path
