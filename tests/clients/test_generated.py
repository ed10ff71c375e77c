"""Clients that are generated from docs/openapi.json as it is: a program with one passes its compiler and works.

By openapi-python-client for mypy's strict settings, and by openapi-typescript for those of tsc.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.settings import ROOT
from tests.clients.conftest import COMPANY, CONNECTOR
from tests.local.stack_process import StackProcess
from tests.support.node import installed

pytestmark = pytest.mark.outside

HERE = Path(__file__).parent
DOCUMENT = str(ROOT / "docs/openapi.json")
VENV = ".local/clients-venv"
# One more type costs three or four: itself, its attributes, a document, a collection.
MOST_CLASSES = 144
# In every client that this generator makes, whatever the document.
OF_THE_GENERATOR = "[mypy-ledger.client]\ndisable_error_code = arg-type\n"
STRICT = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noImplicitOverride": True,
    "noPropertyAccessFromIndexSignature": True,
    "noUncheckedIndexedAccess": True,
    "noUnusedLocals": True,
    "skipLibCheck": False,
    "target": "es2023",
    "module": "nodenext",
    "outDir": "js",
}

type Run = Callable[..., str]


def runner(folder: Path, programs: Path) -> Run:
    """Return what runs a program in `folder`, which finds others beside itself, and returns what it printed."""

    def run(program: str, *arguments: str) -> str:
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        found = str(programs / program) if (programs / program).exists() else program
        command = [found, *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def works(stack: StackProcess, program: Callable[[str], str]) -> None:
    """Check what a program tells of the stack: its walk of all pages, its create and 412, and its 401 of the gateway.

    It is told where the API is, and of whom it speaks.
    """
    tokens = {name: stack.token(name) for name in ("owner", "pipeline")}
    cast = {"url": stack.facts["api_url"], "tokens": tokens, "company": COMPANY, "connector": CONNECTOR}
    before = [row["id"] for row in stack.rows("owner", "company")]
    told: dict[str, Any] = json.loads(program(json.dumps(cast)))
    assert told["walk"]["ids"] == before
    assert len(before) > 100
    assert "Alder Trading" in told["walk"]["names"]
    statuses = {"status": 201, "first": 200, "stale": 412}
    assert told["write"] == {"direction": "input", "code": "PRECONDITION_FAILED"} | statuses
    assert told["stranger"] == {"status": 401, "message": "Unauthorized"}
    # What the program wrote and ended is a dead row now.
    assert [row["id"] for row in stack.rows("owner", "company")] == before


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The folder of the generated package `ledger`, of which the generator has nothing to warn, and what runs there."""
    subprocess.run(["sh", "local/venv", VENV, "local/requirements/clients.txt"], cwd=ROOT, check=True)
    folder = tmp_path_factory.mktemp("generated")
    run = runner(folder, ROOT / VENV / "bin")
    options = ["--meta", "none", "--output-path", "ledger", "--custom-template-path", str(ROOT / "docs/clients/python")]
    run("openapi-python-client", "generate", "--path", DOCUMENT, *options, "--fail-on-warning")
    return folder, run


@pytest.fixture(scope="module")
def typescript() -> Iterator[tuple[Path, Run]]:
    """A folder with the generated client beneath `node_modules`' own, where imports are found; gone afterwards."""
    modules = installed(HERE)
    folder = Path(tempfile.mkdtemp(prefix="typed-", dir=modules.parent))
    run = runner(folder, modules / ".bin")
    run("openapi-typescript", DOCUMENT, "--output", "api.ts")
    (folder / "package.json").write_text('{"type": "module"}')
    yield folder, run
    shutil.rmtree(folder)


def test_the_python_client_passes_mypy_walks_creates_and_understands_refusals(
    python: tuple[Path, Run], stack: StackProcess
) -> None:
    folder, run = python
    shutil.copy(HERE / "typed_client.py", folder)
    (folder / "mypy.ini").write_text(f"[mypy]\nstrict = True\n{OF_THE_GENERATOR}")
    run("mypy", "typed_client.py", "ledger")
    works(stack, lambda cast: run("python", "typed_client.py", cast))


def test_its_models_are_of_the_types_and_not_of_each_operations_errors(python: tuple[Path, Run]) -> None:
    models = [path.stem for path in (python[0] / "ledger/models").glob("*.py") if path.stem != "__init__"]
    # None is of one operation's error or parameter, nor one of several for the same words.
    assert [name for name in models if re.search(r"_response_[45]|_filter|_type_\d", name)] == []
    assert [name for name in models if "error" in name] != []
    assert len(models) <= MOST_CLASSES


def test_its_parameters_can_be_read(python: tuple[Path, Run]) -> None:
    api = (python[0] / "ledger/api/provenance_of_companies/list_company_workspace_connectors.py").read_text()
    for name in ("page_size", "page_after", "filter_workspace_connector", "filter_created_at_gte", "fields_company"):
        assert re.search(rf"^    {name}: ", api, re.MULTILINE), name


def compiles(folder: Path, run: Run, program: str, **options: object) -> str:
    """Compile a program strictly; return what the compiler said."""
    (folder / "program.ts").write_text(program)
    settings = {"compilerOptions": STRICT | options, "include": ["program.ts"]}
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    return run("tsc", "--project", ".")


def test_the_typescript_client_compiles_strictly_walks_creates_and_understands_refusals(
    typescript: tuple[Path, Run], stack: StackProcess
) -> None:
    folder, run = typescript
    compiles(folder, run, (HERE / "typed.ts").read_text())
    works(stack, lambda cast: run("node", "js/program.js", cast))


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ('direction: "input"', 'direction: "sideways"'),
        ('company: { data: { type: "company"', 'company: { data: { type: "people"'),
        ('"fields[company]": ["name"', '"fields[company]": ["salary"'),
        ("company: { data:", "firm: { data:"),
    ],
)
def test_what_the_server_would_refuse_does_not_compile(typescript: tuple[Path, Run], written: str, wrong: str) -> None:
    program = (HERE / "typed.ts").read_text()
    assert written in program
    with pytest.raises(AssertionError, match=r"program\.ts"):
        compiles(*typescript, program.replace(written, wrong), noEmit=True)
