"""`local/need-chromium`: finds, installs or asks for a Chromium, on machines made of a few fake programs."""

import subprocess
from pathlib import Path

import pytest

from tests.support.machines import program, run


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The only folder of programs of a machine that has neither Chromium nor apt-get, and whose user is root."""
    program(tmp_path, "id", "echo 0")
    return tmp_path


def need(machine: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(machine, "need-chromium", **environment)


@pytest.mark.parametrize("name", ["chromium", "chromium-browser"])
def test_a_chromium_on_the_path_is_found(machine: Path, name: str) -> None:
    program(machine, name)
    assert need(machine).stdout == f"{machine / name}\n"


def test_the_named_one_is_taken_and_no_other(machine: Path) -> None:
    program(machine, "chromium")
    program(machine, "other")
    assert need(machine, CHROMIUM="other").stdout == f"{machine / 'other'}\n"
    refused = need(machine, CHROMIUM="absent")
    assert refused.returncode == 1
    assert refused.stderr == "CHROMIUM=absent is no program\n"


def test_root_gets_it_installed(machine: Path) -> None:
    chromium = machine / "chromium"
    program(
        machine,
        "apt-get",
        "echo noise",
        f'case "$*" in *" install "*" chromium") echo "#!/bin/sh" >{chromium}; /bin/chmod +x {chromium};; esac',
    )
    done = need(machine)
    assert (done.returncode, done.stdout) == (0, f"{chromium}\n")


@pytest.mark.parametrize("why", ["not root", "no apt-get", "apt-get fails"])
def test_else_it_says_in_one_line_what_to_install(machine: Path, why: str) -> None:
    if why == "not root":
        program(machine, "id", "echo 1000")
    if why != "no apt-get":
        program(machine, "apt-get", "exit 100")
    refused = need(machine)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith("Chromium is missing: install it")
