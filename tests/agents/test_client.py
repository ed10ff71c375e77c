"""The official client of the protocol (PyPI), in both revisions, asks the questions of docs/agents.md."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.settings import ROOT
from tests.agents.test_readme_questions import OF_THE_PAGE
from tests.local.stack_process import StackProcess
from wellspring.agents.protocol import STATELESS, WITH_HANDSHAKE
from wellspring.agents.questions import BY_NAME

ASKED = [(tool, arguments) for _, tool, arguments, _ in OF_THE_PAGE]
VENV = ".local/agents-venv"
PROGRAM = Path(__file__).with_name("client.py")


@pytest.fixture(scope="module")
def python() -> str:
    """A virtual environment that is made once from its lock."""
    subprocess.run(["sh", "local/venv", VENV, "local/requirements/agents.txt"], cwd=ROOT, check=True)
    return str(ROOT / VENV / "bin" / "python")


def ask(stack: StackProcess, python: str, mode: str, who: str) -> Any:
    """Run the client as one of the demo's principals; return what it printed."""
    command = [python, str(PROGRAM), f"{stack.facts['api_url']}/mcp", mode, json.dumps(ASKED)]
    environment = os.environ | {"TOKEN": stack.token(who)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.outside
@pytest.mark.parametrize(
    ("mode", "revision"), [("auto", STATELESS), (STATELESS, STATELESS), ("legacy", WITH_HANDSHAKE)]
)
def test_it_is_answered_in_each_revision(stack: StackProcess, python: str, mode: str, revision: str) -> None:
    said = ask(stack, python, mode, "operator")
    assert (said["revision"], said["tools"]) == (revision, list(BY_NAME))
    told = {tool: answer for (tool, _), answer in zip(ASKED, said["answers"], strict=True)}
    assert [tool for tool, answer in told.items() if answer["is_error"]] == []
    # Of the demo nothing has failed yet, and all workspaces are counted each minute.
    assert {tool for tool, answer in told.items() if not answer["content"]["items"]} <= {"failures", "fleet"}


@pytest.mark.outside
def test_who_belongs_elsewhere_finds_nothing_of_it(stack: StackProcess, python: str) -> None:
    said = ask(stack, python, "auto", "outsider")
    catalogue = ASKED.index(("providers", {"category": "telecom", "country": "FR"}))
    assert said["answers"][catalogue]["content"]["items"]
    # The demo's ids tell of which workspace a thing is: A and B are the owner's.
    assert re.findall(r"-7000-8000-[ab]\w+", json.dumps(said["answers"])) == []
