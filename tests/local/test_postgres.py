"""The runner of Postgres, by what a machine does to it: crashes, kills, twins, closed folders."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pg8000.native
import pytest

from local import postgres
from local.clean import clean
from local.errors import Fault
from local.postgres import OWNER, SUPERUSER, Cluster
from local.settings import make_state_folder

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster's folder, made once and used by each test in turn."""
    state = tmp_path_factory.mktemp("state")
    make_state_folder(state)
    yield state / "postgres"
    clean(state)


def ask(cluster: Cluster, sql: str, *, user: str = OWNER, database: str = "postgres") -> object:
    connection = pg8000.native.Connection(
        user, host="127.0.0.1", port=cluster.port, password=cluster.password, database=database
    )
    try:
        return connection.run(sql)
    finally:
        connection.close()


def test_the_owner_is_no_superuser(folder: Path) -> None:
    with Cluster(folder) as cluster:
        roles = ask(cluster, "SELECT rolname, rolsuper FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1")
        assert roles == [[SUPERUSER, True], [OWNER, False]]


def test_a_wrong_password_is_refused_and_the_right_one_is_for_the_user_alone(folder: Path) -> None:
    with Cluster(folder) as cluster:
        with pytest.raises(pg8000.exceptions.DatabaseError) as refused:
            pg8000.native.Connection(OWNER, host="127.0.0.1", port=cluster.port, password="wrong")
        assert refused.value.args[0]["C"] == "28P01"
        assert (folder / "password").stat().st_mode & 0o777 == 0o600


def test_a_second_cluster_on_the_same_folder_is_refused(folder: Path) -> None:
    with Cluster(folder), pytest.raises(Fault, match=f"already in use by process {os.getpid()}"), Cluster(folder):
        pass


def test_it_starts_right_after_the_server_itself_was_killed(folder: Path) -> None:
    with Cluster(folder) as cluster:
        assert cluster.pid is not None
        os.kill(cluster.pid, signal.SIGKILL)
    with Cluster(folder) as cluster:
        assert ask(cluster, "SELECT 1") == [[1]]


def test_a_pid_file_from_before_a_restart_of_the_machine_does_not_keep_it_from_starting(folder: Path) -> None:
    with Cluster(folder):
        pass
    # The number now belongs to a process that is no Postgres: this one.
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n1\n1\n\n127.0.0.1\n1 1\nready\n")
    with Cluster(folder) as cluster:
        assert ask(cluster, "SELECT 1") == [[1]]


def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    make_state_folder(tmp_path)
    home = tmp_path / "postgres"
    with Cluster(home, durable=False) as cluster:
        cluster.create_database("forgotten")
    # As if the first start had been interrupted: neither of the two folders is whole.
    (home / "data" / "PG_VERSION").unlink()
    (home / "data.unfinished").mkdir()
    with Cluster(home, durable=False) as cluster:
        assert not cluster.has_database("forgotten")
        assert ask(cluster, "SELECT 1") == [[1]]
    clean(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to another user")
@pytest.mark.parametrize(("name", "user"), [("postgres", "the stack"), ("bench-pg", "a bench")])
def test_under_a_closed_folder_the_cluster_lives_elsewhere_until_cleaned(tmp_path: Path, name: str, user: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    state = closed / "state"
    make_state_folder(state)
    with Cluster(state / name, durable=False) as cluster:
        assert ask(cluster, "SELECT 1") == [[1]]
        assert closed.stat().st_mode & 0o777 == 0o700
        with pytest.raises(Fault, match=f"{user} is running .process {os.getpid()}.; stop it first"):
            clean(state)
    elsewhere = (state / name).readlink()
    assert elsewhere.stat().st_uid == 0
    clean(state)
    assert not elsewhere.exists()
    assert not state.exists()


def test_what_a_killed_test_run_left_is_swept_up(tmp_path: Path) -> None:
    old, held, fresh = (tmp_path / f"{postgres.TEMPORARY_PREFIX}{name}" for name in ("old", "held", "fresh"))
    for folder in (old, held, fresh):
        folder.mkdir()
    for folder in (old, held):
        os.utime(folder, (1, 1))
    with postgres.locked(held / "lock"):
        os.utime(held, (1, 1))
        postgres.sweep(tmp_path)
    assert [folder.exists() for folder in (old, held, fresh)] == [False, True, True]
