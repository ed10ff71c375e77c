"""openapi-python-client makes a client of docs/openapi.json as it is; a program with it passes mypy and works."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from local.settings import ROOT
from tests.clients.generated import DOCUMENT, cast, check
from tests.local.stack_process import StackProcess

pytestmark = pytest.mark.outside

PROGRAM = Path(__file__).with_name("typed_client.py")
VENV = ".local/clients-venv"
# One more type costs three or four: itself, its attributes, a document, a collection.
MOST_CLASSES = 144
# In every client that this generator makes, whatever the document.
OF_THE_GENERATOR = "[mypy-ledger.client]\ndisable_error_code = arg-type\n"


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder of the generator's programs, in a virtual environment that is made once from its lock."""
    subprocess.run(["sh", "local/venv", VENV, "local/requirements/clients.txt"], cwd=ROOT, check=True)
    return ROOT / VENV / "bin"


def run(programs: Path, folder: Path, program: str, *arguments: str) -> str:
    """Run one of them in `folder`; return what it printed."""
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    command = [str(programs / program), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def generated(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the generated package `ledger`; the generator has nothing to warn of."""
    folder = tmp_path_factory.mktemp("generated")
    templates = ROOT / "docs/clients/python"
    options = ["--meta", "none", "--output-path", "ledger", "--custom-template-path", str(templates)]
    run(programs, folder, "openapi-python-client", "generate", "--path", str(DOCUMENT), *options, "--fail-on-warning")
    return folder


def test_its_client_passes_mypy_walks_creates_and_understands_refusals(
    programs: Path, generated: Path, stack: StackProcess
) -> None:
    (generated / PROGRAM.name).write_text(PROGRAM.read_text())
    (generated / "mypy.ini").write_text(f"[mypy]\nstrict = True\n{OF_THE_GENERATOR}")
    run(programs, generated, "mypy", PROGRAM.name, "ledger")
    before = stack.rows("owner", "company")
    check(json.loads(run(programs, generated, "python", PROGRAM.name, cast(stack))), stack, before)


def test_its_models_are_of_the_types_and_not_of_each_operations_errors(generated: Path) -> None:
    models = [path.stem for path in (generated / "ledger/models").glob("*.py") if path.stem != "__init__"]
    # None is of one operation's error or parameter, nor one of several for the same words.
    assert [name for name in models if re.search(r"_response_[45]|_filter|_type_\d", name)] == []
    assert [name for name in models if "error" in name] != []
    assert len(models) <= MOST_CLASSES


def test_its_parameters_can_be_read(generated: Path) -> None:
    api = (generated / "ledger/api/provenance_of_companies/list_company_workspace_connectors.py").read_text()
    for name in ("page_size", "page_after", "filter_workspace_connector", "filter_created_at_gte", "fields_company"):
        assert re.search(rf"^    {name}: ", api, re.MULTILINE), name
