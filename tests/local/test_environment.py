"""The Makefile's Python and virtual environments."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.settings import ROOT
from local.venv import is_sound

MISSING = "Python 3.13 with venv is missing: install it (pyenv install 3.13), or set PYTHON to its path\n"


def find_python(home: Path, **environment: str) -> tuple[int, str, str]:
    command, given = ["/bin/sh", "local/find-python"], {"PATH": str(home), "HOME": str(home)} | environment
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_python_is_found_on_the_path_or_at_pyenv_or_one_line_says_what_is_missing(tmp_path: Path) -> None:
    # As pyenv's shim does without a chosen version.
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert find_python(tmp_path) == (1, "", MISSING)
    asked = find_python(tmp_path, PATH=os.environ["PATH"], PYTHON=str(shim))
    assert asked == (1, "", f"PYTHON={shim} is no Python 3.13 with venv\n")
    pyenv = tmp_path / ".pyenv/versions/3.13.99/bin/python3.13"
    pyenv.parent.mkdir(parents=True)
    pyenv.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    pyenv.chmod(0o755)
    assert find_python(tmp_path) == (0, f"{pyenv}\n", "")
    shutil.copy(pyenv, shim)
    assert find_python(tmp_path) == (0, f"{shim}\n", "")


@pytest.mark.long
def test_an_environment_that_was_moved_or_lost_its_python_is_not_sound(tmp_path: Path) -> None:
    made, moved = tmp_path / "a folder" / "made", tmp_path / "moved"
    subprocess.run([sys.executable, "-m", "venv", made], check=True)
    assert is_sound(made)
    shutil.copytree(made, moved, symlinks=True)
    assert not is_sound(moved)
    (made / "bin" / "python").unlink()
    assert not is_sound(made)
