"""The Makefile's Python and virtual environments."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.settings import ROOT
from local.venv import is_sound


def find_python(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "local/find-python"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    """A folder whose `python3.13` says, as pyenv's shim does without a chosen version, that it cannot run."""
    path = tmp_path / "python3.13"
    path.write_text("#!/bin/sh\necho 'pyenv: python3.13: command not found' >&2\nexit 127\n")
    path.chmod(0o755)
    return tmp_path


def test_without_a_python_there_is_one_line_that_says_what_is_missing(fake: Path) -> None:
    found = find_python(PATH=str(fake), HOME=str(fake))
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        "Python 3.13 with venv is missing: install it (pyenv install 3.13), or set PYTHON to its path\n"
    )


def test_a_python_that_was_named_is_not_replaced_by_another(fake: Path) -> None:
    found = find_python(PATH=os.environ["PATH"], HOME=str(fake), PYTHON=str(fake / "python3.13"))
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == f"PYTHON={fake / 'python3.13'} is no Python 3.13 with venv\n"


def test_pyenvs_own_is_found_behind_a_shim_that_does_not_run(fake: Path) -> None:
    folder = fake / ".pyenv" / "versions" / "3.13.99" / "bin"
    folder.mkdir(parents=True)
    (folder / "python3.13").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / "python3.13").chmod(0o755)
    found = find_python(PATH=str(fake), HOME=str(fake))
    assert found.stdout == f"{folder / 'python3.13'}\n"


@pytest.mark.long
def test_an_environment_that_was_moved_or_lost_its_python_is_not_sound(tmp_path: Path) -> None:
    made, moved = tmp_path / "a folder" / "made", tmp_path / "moved"
    subprocess.run([sys.executable, "-m", "venv", made], check=True)
    assert is_sound(made)
    shutil.copytree(made, moved, symlinks=True)
    assert not is_sound(moved)
    (made / "bin" / "python").unlink()
    assert not is_sound(made)
    assert not is_sound(tmp_path / "nowhere")


def test_the_makefiles_scripts_are_short() -> None:
    for name in ("find-python", "venv"):
        assert len((ROOT / "local" / name).read_text().splitlines()) < 20, name
