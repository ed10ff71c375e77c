"""The price of a sixth junction, paid in a copy of the repository: what is written by hand there, and that it works.

`invoice` is a record type that the product does not know. `HAND_WRITTEN` and `INSERTED` are all that its author writes
(docs/architecture.md, "Adding a junction object"); the generators write the rest, and the copy's own tests judge it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

import pytest

from local.settings import ROOT

MOST_FILES = 10
MOST_LINES = 120

pytestmark = pytest.mark.price

GENERATORS: Mapping[str, str] = {
    "local.openapi": "",
    "wellspring.messages": "docs/messages.schema.json",
    "local.generate.events": "",
    "local.generate.docs": "",
    "tests.golden": "",
    "tests.schema.test_frozen": "",
}
# The copy's tests that say most about a new type, in the least time.
AFFECTED = (
    "tests/declaring/test_every_ledger.py",
    "tests/golden/test_golden.py",
    "tests/truth/test_generated.py",
    "tests/truth/test_documentation.py",
    "tests/truth/test_messages_schema.py",
    "tests/schema/test_catalogue.py",
    "tests/schema/test_frozen.py",
    "tests/schema/test_migrations.py::test_the_migrated_database_is_what_the_models_say",
    "tests/schema/test_migrations.py::test_down_leaves_nothing_and_up_again_makes_the_same",
    "tests/access/test_mutants.py",
    "tests/access/test_access_table.py",
    "tests/reading/test_events.py",
    "tests/writing/test_events.py",
)

FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "list": ("reading", "`GET /v1/invoice-workspace-connectors`: a page of the rows that the caller sees."),
    "retrieve": ("reading", "`GET /v1/invoice-workspace-connectors/{id}`: one row."),
    "create": ("writing", "`POST /v1/invoice-workspace-connectors`: record what a connector did, for the pipeline."),
    "update": ("writing", "`PATCH /v1/invoice-workspace-connectors/{id}`: tombstone or restore one, for the pipeline."),
    "delete": ("writing", "`DELETE /v1/invoice-workspace-connectors/{id}`: tombstone one row, for the pipeline."),
}
FUNCTION = '''"""{says}"""

from wellspring.handlers.{kind} import {operation}_of
from wellspring.resources import INVOICE_WORKSPACE_CONNECTOR

handler = {operation}_of(INVOICE_WORKSPACE_CONNECTOR)
'''
REVISION = '''"""Invoices, and which connector brought one in or carried it out."""

from migrations.support import create_ledger, create_record, drop_ledger

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_record("invoices", "number text NOT NULL")
    create_ledger("invoice", "invoices")


def downgrade() -> None:
    drop_ledger("invoice", "invoices")
'''
# In resources.py: what stands before it, and what is written there.
DECLARED = (
    (
        "\n\nACCOUNT_WORKSPACE_CONNECTOR",
        '\nINVOICE = record("invoice", "invoices", Attribute("number", "text", required=True, example="2026-001"))',
    ),
    ("\n\nWORKSPACE_GROUP_WORKSPACE = ", '\nINVOICE_WORKSPACE_CONNECTOR = provenance(INVOICE, "workspace")'),
    ("    WORKSPACE_GROUP_WORKSPACE,\n", "    INVOICE_WORKSPACE_CONNECTOR,\n"),
    ("    SYNC_MESSAGE,\n", "    INVOICE,\n"),
)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git knows of the repository, as it is in the working tree."""
    folder = tmp_path_factory.mktemp("copy")
    known = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, known.split("\0")):
        if os.path.lexists(ROOT / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def template_with_invoices(template: str) -> str:
    """Return the template with five more routes and functions, each like a company's."""
    for first, after in (
        ("          /v1/company-workspace-connectors:", "          /v1/people-workspace-connectors:"),
        ("  CompanyWorkspaceConnector", "  # ---- "),
    ):
        begin = template.index(first)
        end = template.index(after, begin)
        block = template[begin:end]
        invoices = block.replace("Company", "Invoice").replace("company", "invoice")
        template = template[:end] + invoices + template[end:]
    return template


def by_hand(folder: Path) -> dict[str, str]:
    """Return the files that the author of a new type writes, as they are afterwards."""
    written = {
        f"functions/invoice_workspace_connector/{operation}.py": FUNCTION.format(
            says=says, kind=kind, operation=operation
        )
        for operation, (kind, says) in FUNCTIONS.items()
    }
    last = max(path.name[:4] for path in (folder / "migrations/versions").glob("[0-9]*.py"))
    revision = f"{int(last) + 1:04}"
    written[f"migrations/versions/{revision}_invoices.py"] = REVISION.format(revision=revision, before=last)
    declared = (folder / "layers/shared/wellspring/resources.py").read_text()
    for before, line in DECLARED:
        assert declared.count(before) == 1, before
        declared = declared.replace(before, f"{line}{before}")
    written["layers/shared/wellspring/resources.py"] = declared
    written["template.yaml"] = template_with_invoices((folder / "template.yaml").read_text())
    return written


def added_lines(before: str, after: str) -> int:
    """Return how many lines were added or changed."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return sum(line.startswith("+") and not line.startswith("+++") for line in lines)


def run(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": "layers/shared:functions:."}
    # Of this run of pytest, not of that one.
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_a_sixth_junction_with_a_new_parent_costs_ten_files_and_120_lines(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = by_hand(copy)
    lines = {}
    for name, text in written.items():
        path = copy / name
        lines[name] = added_lines(path.read_text() if path.exists() else "", text)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert len(written) <= MOST_FILES
    assert sum(lines.values()) <= MOST_LINES, lines
    assert f"at most {MOST_FILES} files and {MOST_LINES} lines" in (ROOT / "docs/architecture.md").read_text()
    with capsys.disabled():
        sys.stdout.write(f"by hand: {len(written)} files, {sum(lines.values())} lines\n")
    for module, target in GENERATORS.items():
        said = run(copy, "-m", module)
        if target:
            (copy / target).write_text(said)
    assert "/v1/invoice-workspace-connectors" in (copy / "README.md").read_text()
    assert "`invoice`" in (copy / "docs/messages.md").read_text()
    run(copy, "-m", "ruff", "check", "--no-cache", *(name for name in written if name.endswith(".py")))
    run(copy, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *AFFECTED)
