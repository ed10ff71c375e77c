"""The package as a producer installs it: by pip, into an environment that has nothing else of Wellspring."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from local.settings import ROOT

PACKAGE = ROOT / "producer" / "wellspring_producer"
FILES = sorted(PACKAGE.rglob("*.py"))
# Whoever uses it has its types, without a plugin.
PROGRAM = """
from wellspring_producer import Connector, Snapshot, Workspace

class Sqs:
    def send_message_batch(self, **request: object) -> dict[str, list[dict[str, str]]]:
        return {"Successful": [{"Id": "0"}]}

sqs = Sqs()
told: list[int] = []
connector = Connector("url", "01990000-0006-7000-8000-a00000000001", sqs=sqs, progress=lambda p: told.append(p.records))
with connector.run("2026-11-23", snapshot=Snapshot("input", ["company"])) as run:
    run.company("01990000-0003-7000-8000-a00000000001", name="Alder Trading")
id_: str = Workspace("url", connector.id, sqs=sqs).match([connector.disconnect()])
print(run.message_ids == (run.message_ids[0],), told)
"""


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add((node.module or "").partition(".")[0])
    return found


def test_it_imports_what_it_asks_for_and_the_standard_library_and_has_its_types() -> None:
    project = tomllib.loads((ROOT / "producer/pyproject.toml").read_text())["project"]
    names = {re.split(r"[^\w.-]", wanted)[0] for wanted in project["dependencies"]}
    # botocore comes with boto3.
    others = set().union(*map(imported, FILES)) - sys.stdlib_module_names - {"wellspring_producer", "botocore"}
    assert others == names == {"boto3", "pydantic"}
    assert (PACKAGE / "py.typed").read_text() == ""


@pytest.mark.long
def test_pip_installs_it_and_a_typed_program_runs(tmp_path: Path) -> None:
    python = str(tmp_path / "venv/bin/python")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-qq", "--no-input", ROOT / "producer"], check=True)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    # Nothing of this checkout is in reach.
    done = subprocess.run([python, "-I", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True [1, 1, 1]\n", "")
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    installed = {line.partition("==")[0] for line in listed.stdout.split()}
    assert {"wellspring-producer", "boto3", "botocore", "pydantic"} <= installed
    types = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--python-executable={python}", str(program)]
    checked = subprocess.run(types, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
