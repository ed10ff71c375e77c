"""openapi-typescript makes a client of docs/openapi.json as it is; a program with it compiles strictly and works."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.generated import DOCUMENT, cast, check
from tests.local.stack_process import StackProcess
from tests.support.node import installed

pytestmark = pytest.mark.outside

PROGRAM = Path(__file__).with_name("typed.ts")
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


@pytest.fixture(scope="module")
def workshop() -> Iterator[Path]:
    """A folder beneath `node_modules`' own, where imports are found; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="typed-", dir=installed(Path(__file__).parent).parent))
    yield folder
    shutil.rmtree(folder)


def run(folder: Path, program: str, *arguments: str) -> str:
    """Run a program of npm in `folder`; return what it printed."""
    command = [str(folder.parent / "node_modules/.bin" / program), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_client_compiles_strictly_walks_creates_and_understands_refusals(
    workshop: Path, stack: StackProcess
) -> None:
    run(workshop, "openapi-typescript", str(DOCUMENT), "--output", "api.ts")
    shutil.copyfile(PROGRAM, workshop / PROGRAM.name)
    (workshop / "package.json").write_text('{"type": "module"}')
    (workshop / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "include": ["*.ts"]}))
    run(workshop, "tsc", "--project", ".")
    before = stack.rows("owner", "company")
    done = subprocess.run(
        ["node", "js/typed.js", cast(stack)], cwd=workshop, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    check(json.loads(done.stdout), stack, before)


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ('direction: "input"', 'direction: "sideways"'),
        ('company: { data: { type: "company"', 'company: { data: { type: "people"'),
        ('"fields[company]": ["name"', '"fields[company]": ["salary"'),
        ("company: { data:", "firm: { data:"),
    ],
)
def test_what_the_server_would_refuse_does_not_compile(workshop: Path, written: str, wrong: str) -> None:
    program = PROGRAM.read_text()
    assert written in program
    if not (workshop / "api.ts").exists():
        run(workshop, "openapi-typescript", str(DOCUMENT), "--output", "api.ts")
    (workshop / "package.json").write_text('{"type": "module"}')
    (workshop / "wrong.ts").write_text(program.replace(written, wrong))
    (workshop / "wrong.json").write_text(
        json.dumps({"compilerOptions": STRICT | {"noEmit": True}, "include": ["wrong.ts"]})
    )
    command = [str(workshop.parent / "node_modules/.bin/tsc"), "--project", "wrong.json"]
    done = subprocess.run(command, cwd=workshop, capture_output=True, text=True, check=False)
    (workshop / "wrong.ts").unlink()
    assert done.returncode != 0
    assert "wrong.ts" in done.stdout
