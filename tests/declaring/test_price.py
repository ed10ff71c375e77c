"""The price of what is new, paid in a copy of the repository: what is written by hand there, and that it works.

Of a sixth junction: `invoice` is a record type that the product does not know (docs/architecture.md, "Adding a junction
object"). Of an attribute of the catalogue, and of a reason why a message is parked: docs/adding-an-attribute.md. The
commands that these pages name write the rest, and the copy's own tests judge it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

import pytest

from local.settings import ROOT

RESOURCES, REASONS = "layers/shared/wellspring/resources.py", "layers/shared/wellspring/reasons.py"

PYTHON = (sys.executable, "-m")
KEPT = ("--old-file", "stack-venv", "--old-file", "dev-venv")

pytestmark = pytest.mark.price

# The copy's tests that say most about what is new, in the least time: of all that is declared, of what has a table,
# and of each kind.
DESCRIBED = ("tests/truth/test_generated.py",)
STORED = (
    "tests/schema/test_catalogue.py",
    "tests/schema/test_frozen.py",
    "tests/schema/test_migrations.py::test_the_migrated_database_is_what_the_models_say",
)
AFFECTED = (
    *(*DESCRIBED, *STORED),
    "tests/declaring/test_every_ledger.py",
    "tests/golden/test_golden.py",
    "tests/truth/test_documentation.py",
    "tests/truth/test_messages_schema.py",
    "tests/schema/test_migrations.py::test_down_leaves_nothing_and_up_again_makes_the_same",
    "tests/access/test_mutants.py",
    "tests/access/test_access_table.py",
    "tests/reading/test_events.py",
    "tests/writing/test_events.py",
)
VALID = "tests/truth/test_openapi.py::test_the_document_is_valid"
AFFECTED_BY_ATTRIBUTES = (*DESCRIBED, *STORED, VALID, "tests/feed/test_motto.py", "tests/truth/test_feed.py")
AFFECTED_BY_REASONS = (*DESCRIBED, VALID, "tests/sync/test_releasing_by_hand.py", "tests/truth/test_statements.py")
# Where every type is tried, of which the new one is tried.
OF_EVERY_TYPE = ("tests/jsonapi", "tests/writing")

REVISION = '''"""{title}."""

{imports}

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''
INVOICES = {
    "title": "Invoices, and which connector brought one in or carried it out",
    "imports": "from migrations.support import create_ledger, create_record, drop_ledger, emit_writes, recount",
    "upgrade": """create_record("invoices", "number text NOT NULL")
    create_ledger("invoice", "invoices")
    emit_writes("invoice")
    recount("invoice")""",
    "downgrade": """recount("invoice", is_dropped=True)
    drop_ledger("invoice", "invoices")""",
}
# In resources.py: what stands before it, and what is written there.
INVOICE = (
    (
        "\n\nACCOUNT_WORKSPACE_CONNECTOR",
        '\nINVOICE = record("invoice", "invoices", text("number", example="2026-001", required=True))',
    ),
    ("\n\nWORKSPACE_GROUP_WORKSPACE = ", '\nINVOICE_WORKSPACE_CONNECTOR = provenance(INVOICE, "workspace")'),
    ("    WORKSPACE_GROUP_WORKSPACE,\n", "    INVOICE_WORKSPACE_CONNECTOR,\n"),
    ("    SYNC_MESSAGE,\n", "    INVOICE,\n"),
)

MOTTOS = {
    "title": "Mottos of providers",
    "imports": "from alembic import op\n\nfrom migrations.support import add_attribute",
    "upgrade": 'add_attribute("providers", "motto text")',
    "downgrade": 'op.drop_column("providers", "motto", schema="core_api")',
}
# In resources.py, behind the attributes of a provider.
MOTTO = (
    """    *TIMES,
    OWNER,
    tenancy="everybody",
    operations=READ,
    example=47,
""",
    """    text("motto", "What it says of itself.", "Payments made plain"),
""",
)
TEST_OF_MOTTOS = '''"""A motto comes through the feed and is shown."""

from tests.feed.conftest import Tables
from tests.support.api import READER, get
from tests.support.feed import statuses, upserted


def test_it(tables: Tables) -> None:
    provider = "01990000-0000-7000-8000-000000000001"
    assert statuses(upserted("provider", provider, slug="qonto", motto="Plain")) == ["applied"]
    assert get(f"/v1/providers/{provider}", READER).data["attributes"]["motto"] == "Plain"
'''
# In reasons.py, behind the reasons of messages.
FULL_MOON = (
    """)
# Of the platform's feed (docs/feed.md).
""",
    """    Reason(
        "full_moon",
        "it came at full moon",
        "It came at full moon.",
        "Wait for the morning, and send it with a new id.",
    ),
""",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What git knows of the repository, as it is in the working tree."""
    folder = tmp_path / "copy"
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


def of_invoices(text: str) -> str:
    """Return what a text says of companies, of invoices."""
    for said, instead in (("company", "invoice"), ("Company", "Invoice"), ("COMPANY", "INVOICE")):
        text = text.replace(said, instead)
    return text


def template_with_invoices(template: str) -> str:
    """Return the template with five more routes and functions, each like a company's."""
    for first, after in (
        ("          /v1/company-workspace-connectors:", "          /v1/people-workspace-connectors:"),
        ("  CompanyWorkspaceConnector", "  # ---- "),
    ):
        begin = template.index(first)
        end = template.index(after, begin)
        block = template[begin:end]
        template = template[:end] + of_invoices(block) + template[end:]
    return template


def revision(folder: Path, name: str, **said: str) -> dict[str, str]:
    """Return the next revision, by its file."""
    last = max(path.name[:4] for path in (folder / "migrations/versions").glob("[0-9]*.py"))
    number = f"{int(last) + 1:04}"
    return {f"migrations/versions/{number}_{name}.py": REVISION.format(revision=number, before=last, **said)}


def inserted(path: Path, *lines: tuple[str, str]) -> str:
    """Return the text of a file with lines written in, each before a text that is there once."""
    text = path.read_text()
    for before, line in lines:
        assert text.count(before) == 1, before
        text = text.replace(before, f"{line}{before}")
    return text


def added_lines(before: str, after: str) -> int:
    """Return how many lines were added or changed."""
    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return sum(line.startswith("+") and not line.startswith("+++") for line in lines)


def run(folder: Path, *command: str) -> None:
    environment = os.environ | {"PYTHONPATH": "layers/shared:functions:."}
    # Of this run of pytest, not of that one.
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def part(page: str, heading: str) -> str:
    """Return what a page of docs/ says under a heading."""
    return (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def pay(
    copy: Path, written: Mapping[str, str], most: tuple[int, int], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Write what an author writes, in so many files and lines at most, and let the command that is `said` do the rest.

    The page says how much that is, and may not come to say more by itself.
    """
    lines = 0
    for name, text in written.items():
        path = copy / name
        lines += added_lines(path.read_text() if path.exists() else "", text)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with capsys.disabled():
        sys.stdout.write(f"by hand: {len(written)} files, {lines} lines\n")
    ((most_files, most_lines),) = re.findall(r"at most (?:(\d+) files and )?(\d+) lines", said)
    assert (int(most_files or 1), int(most_lines)) == most
    assert len(written) <= most[0]
    assert lines <= most[1]
    (targets,) = re.findall(r"`make ([a-z -]+)` writes", said)
    # Their virtual environment is this one.
    run(copy, "make", *KEPT, f"PYTHON_IN={sys.executable}", *targets.split())
    run(copy, *PYTHON, "tests.schema.test_frozen")
    run(copy, *PYTHON, "ruff", "check", "--no-cache", *(name for name in written if name.endswith(".py")))


def judge(copy: Path, *tests: str) -> None:
    """Run tests of the copy."""
    run(copy, *PYTHON, "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *tests)


def test_a_sixth_junction_with_a_new_parent_costs_ten_files_and_120_lines(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = {
        f"functions/invoice_workspace_connector/{path.name}": of_invoices(path.read_text())
        for path in (copy / "functions/company_workspace_connector").glob("*.py")
    }
    written |= revision(copy, "invoices", **INVOICES) | {RESOURCES: inserted(copy / RESOURCES, *INVOICE)}
    written["template.yaml"] = template_with_invoices((copy / "template.yaml").read_text())
    pay(copy, written, (10, 120), part("architecture.md", "Adding a junction object"), capsys)
    assert "/v1/invoice-workspace-connectors" in (copy / "README.md").read_text()
    assert "`invoice`" in (copy / "docs/messages.md").read_text()
    judge(copy, *AFFECTED)
    judge(copy, "-k", "invoice", *OF_EVERY_TYPE)


def test_an_attribute_of_a_provider_costs_its_declaration_and_a_revision(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = revision(copy, "mottos", **MOTTOS) | {RESOURCES: inserted(copy / RESOURCES, MOTTO)}
    pay(copy, written, (2, 25), part("adding-an-attribute.md", "An attribute of the catalogue"), capsys)
    for name in ("openapi.json", "feed.schema.json"):
        assert '"motto"' in (copy / "docs" / name).read_text()
    (copy / "tests/feed/test_motto.py").write_text(TEST_OF_MOTTOS)
    judge(copy, *AFFECTED_BY_ATTRIBUTES)


def test_a_reason_costs_its_declaration_and_its_words(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pay(
        copy,
        {REASONS: inserted(copy / REASONS, FULL_MOON)},
        (1, 10),
        part("adding-an-attribute.md", "A reason"),
        capsys,
    )
    for name in ("docs/openapi.json", "docs/messages.md", "layers/console/wellspring_console/static/reasons.js"):
        assert "full_moon" in (copy / name).read_text(), name
    judge(copy, *AFFECTED_BY_REASONS)
