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


def test_what_is_no_folder_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Fault, match="is no folder of the stack's state"):
        clean(file)
    assert file.exists()


def test_a_folder_of_somebody_does_not_become_the_stacks_by_being_used(folder: Path) -> None:
    assert Identity(folder, 3000).token("owner")
    with pytest.raises(Fault, match="is no folder of the stack's state"):
        clean(folder)
    assert (folder / "logs" / "mine.log").exists()


def test_whatever_the_stack_writes_first_the_folder_is_its_own(tmp_path: Path) -> None:
    state = tmp_path / "above" / "state"
    assert Identity(state, 3000).token("owner")
    clean(state)
    assert not state.exists()
    make_state_folder(state)
    clean(state)
    assert not state.exists()


def test_an_empty_folder_goes_and_a_missing_one_is_no_fault(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    for _ in range(2):
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
