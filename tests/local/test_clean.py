"""`make clean` removes a folder of the stack's state, and no other."""

from pathlib import Path

import pytest

from local.clean import clean
from local.errors import Fault
from local.identity import Identity
from local.postgres import locked
from local.settings import make_state_folder
from tests.local.stack_process import StackProcess


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that somebody else made, with something in it, even under a name that the stack uses too."""
    (tmp_path / "folder" / "logs").mkdir(parents=True)
    (tmp_path / "folder" / "logs" / "mine.log").touch()
    return tmp_path / "folder"


def test_a_folder_that_was_never_state_is_refused_in_one_line_and_kept(folder: Path) -> None:
    refused = StackProcess(folder).run("clean")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"{folder} is no folder of the stack's state")
    assert refused.stderr.count("\n") == 1
    assert (folder / "logs" / "mine.log").exists()


def test_a_file_or_a_folder_of_somebody_that_was_used_is_refused_and_kept(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert Identity(folder, 3000).token("owner")
    for somebodys in (file, folder):
        with pytest.raises(Fault, match="is no folder of the stack's state"):
            clean(somebodys)
    assert file.exists()
    assert (folder / "logs" / "mine.log").exists()


def test_whatever_the_stack_writes_first_the_folder_is_its_own_and_so_is_an_empty_one(tmp_path: Path) -> None:
    state = tmp_path / "above" / "state"
    for make in (lambda: Identity(state, 3000), lambda: make_state_folder(state), state.mkdir, lambda: None):
        make()
        clean(state)
        assert not state.exists()


def test_a_cluster_that_lies_elsewhere_goes_with_the_folder_that_points_at_it(tmp_path: Path) -> None:
    state, cluster = tmp_path / "state", tmp_path / "cluster"
    make_state_folder(state)
    cluster.mkdir()
    (state / "postgres").symlink_to(cluster)
    with locked(cluster / "lock"), pytest.raises(Fault, match="the stack is running"):
        clean(state)
    clean(state)
    assert not state.exists()
    assert not cluster.exists()
