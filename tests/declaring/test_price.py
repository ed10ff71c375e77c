"""The price of what is new, paid in a copy of the repository: what is written by hand there, and that it works.

Of a sixth junction: `invoice` is a record type that the product does not know (docs/architecture.md, "Adding a junction
object"). Of an attribute of the catalogue, and of a reason why a message is parked: docs/adding-an-attribute.md. The
generators write the rest, and the copy's own tests judge it.
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
MOST_OF_AN_ATTRIBUTE = (2, 25)
MOST_OF_A_REASON = (1, 10)

pytestmark = pytest.mark.price

GENERATORS: Mapping[str, str] = {
    "local.openapi": "",
    "local.asyncapi": "",
    "wellspring.messages": "docs/messages.schema.json",
    "local.generate.events": "",
    "local.generate.docs": "",
    "wellspring.feed_events": "docs/feed.schema.json",
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
# Where every type is tried, of which the new one is tried.
OF_EVERY_TYPE = ("tests/jsonapi", "tests/writing")

REVISION = '''"""Invoices, and which connector brought one in or carried it out."""

from migrations.support import create_ledger, create_record, drop_ledger, emit_writes, recount

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_record("invoices", "number text NOT NULL")
    create_ledger("invoice", "invoices")
    emit_writes("invoice")
    recount("invoice")


def downgrade() -> None:
    recount("invoice", is_dropped=True)
    drop_ledger("invoice", "invoices")
'''
# In resources.py: what stands before it, and what is written there.
DECLARED = (
    (
        "\n\nACCOUNT_WORKSPACE_CONNECTOR",
        '\nINVOICE = record("invoice", "invoices", text("number", example="2026-001", required=True))',
    ),
    ("\n\nWORKSPACE_GROUP_WORKSPACE = ", '\nINVOICE_WORKSPACE_CONNECTOR = provenance(INVOICE, "workspace")'),
    ("    WORKSPACE_GROUP_WORKSPACE,\n", "    INVOICE_WORKSPACE_CONNECTOR,\n"),
    ("    SYNC_MESSAGE,\n", "    INVOICE,\n"),
)

PAGE = ROOT / "docs/adding-an-attribute.md"
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
OF_MOTTOS = '''"""Mottos of providers."""

from alembic import op

from migrations.support import add_attribute

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_attribute("providers", "motto text")


def downgrade() -> None:
    op.drop_column("providers", "motto", schema="core_api")
'''
TEST_OF_MOTTOS = '''"""A motto comes through the feed and is shown."""

from tests.feed.conftest import Tables
from tests.support.api import READER, get
from tests.support.feed import statuses, upserted


def test_it(tables: Tables) -> None:
    provider = "01990000-0000-7000-8000-000000000001"
    assert statuses(upserted("provider", provider, slug="qonto", motto="Plain")) == ["applied"]
    assert get(f"/v1/providers/{provider}", READER).data["attributes"]["motto"] == "Plain"
'''
DESCRIBED = (
    "tests/truth/test_generated.py",
    "tests/truth/test_openapi.py::test_the_document_is_valid",
)
AFFECTED_BY_ATTRIBUTES = (
    *DESCRIBED,
    "tests/feed/test_motto.py",
    "tests/schema/test_catalogue.py",
    "tests/schema/test_frozen.py",
    "tests/schema/test_migrations.py::test_the_migrated_database_is_what_the_models_say",
    "tests/truth/test_feed.py",
)
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
AFFECTED_BY_REASONS = (
    *DESCRIBED,
    "tests/sync/test_releasing_by_hand.py",
    "tests/truth/test_statements.py",
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


def by_hand(folder: Path) -> dict[str, str]:
    """Return the files that the author of a new type writes, as they are afterwards."""
    written = {
        f"functions/invoice_workspace_connector/{path.name}": of_invoices(path.read_text())
        for path in (folder / "functions/company_workspace_connector").glob("*.py")
    }
    last, revision = revisions(folder)
    written[f"migrations/versions/{revision}_invoices.py"] = REVISION.format(revision=revision, before=last)
    written["layers/shared/wellspring/resources.py"] = inserted(
        folder / "layers/shared/wellspring/resources.py", *DECLARED
    )
    written["template.yaml"] = template_with_invoices((folder / "template.yaml").read_text())
    return written


def revisions(folder: Path) -> tuple[str, str]:
    """Return the number of the last revision, and of the next one."""
    last = max(path.name[:4] for path in (folder / "migrations/versions").glob("[0-9]*.py"))
    return last, f"{int(last) + 1:04}"


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


def run(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": "layers/shared:functions:."}
    # Of this run of pytest, not of that one.
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def pay(copy: Path, written: Mapping[str, str], most: tuple[int, int], capsys: pytest.CaptureFixture[str]) -> None:
    """Write what an author writes, in so many files and lines at most, and let the generators write the rest."""
    lines = 0
    for name, text in written.items():
        path = copy / name
        lines += added_lines(path.read_text() if path.exists() else "", text)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with capsys.disabled():
        sys.stdout.write(f"by hand: {len(written)} files, {lines} lines\n")
    assert len(written) <= most[0]
    assert lines <= most[1]
    for module, target in GENERATORS.items():
        said = run(copy, "-m", module)
        if target:
            (copy / target).write_text(said)
    run(copy, "-m", "ruff", "check", "--no-cache", *(name for name in written if name.endswith(".py")))


def judge(copy: Path, *tests: str) -> None:
    """Run tests of the copy."""
    run(copy, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider", *tests)


def test_a_sixth_junction_with_a_new_parent_costs_ten_files_and_120_lines(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pay(copy, by_hand(copy), (MOST_FILES, MOST_LINES), capsys)
    assert f"at most {MOST_FILES} files and {MOST_LINES} lines" in (ROOT / "docs/architecture.md").read_text()
    assert "/v1/invoice-workspace-connectors" in (copy / "README.md").read_text()
    assert "`invoice`" in (copy / "docs/messages.md").read_text()
    judge(copy, *AFFECTED)
    judge(copy, "-k", "invoice", *OF_EVERY_TYPE)


def test_an_attribute_of_a_provider_costs_its_declaration_and_a_revision(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last, revision = revisions(copy)
    declared = "layers/shared/wellspring/resources.py"
    written = {
        declared: inserted(copy / declared, MOTTO),
        f"migrations/versions/{revision}_mottos.py": OF_MOTTOS.format(revision=revision, before=last),
    }
    pay(copy, written, MOST_OF_AN_ATTRIBUTE, capsys)
    most_files, most_lines = MOST_OF_AN_ATTRIBUTE
    assert f"at most {most_files} files and {most_lines} lines" in PAGE.read_text()
    for name in ("openapi.json", "feed.schema.json"):
        assert '"motto"' in (copy / "docs" / name).read_text()
    (copy / "tests/feed/test_motto.py").write_text(TEST_OF_MOTTOS)
    judge(copy, *AFFECTED_BY_ATTRIBUTES)


def test_a_reason_costs_its_declaration_and_its_words(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declared = "layers/shared/wellspring/reasons.py"
    pay(copy, {declared: inserted(copy / declared, FULL_MOON)}, MOST_OF_A_REASON, capsys)
    assert f"at most {MOST_OF_A_REASON[1]} lines of one file" in PAGE.read_text()
    for name in ("docs/openapi.json", "docs/messages.md", "layers/console/wellspring_console/static/reasons.js"):
        assert "full_moon" in (copy / name).read_text(), name
    judge(copy, *AFFECTED_BY_REASONS)
