"""docs/jsonapi.md names a test for each MUST of JSON:API, and each test that it names is there."""

import pytest

from tests.support.named_tests import is_there, named_tests
from tests.truth.test_documentation import ROOT, read

PAGE = read("docs/jsonapi.md")
NAMED = named_tests(PAGE)
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| --- ")]
NOT_APPLYING = PAGE.partition("## What does not apply")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_the_table_names_is_there(name: str) -> None:
    assert is_there(name)


def test_every_must_has_a_test_or_a_reason() -> None:
    heads = [row for row in ROWS if row.startswith("| a server ")]
    assert len(heads) >= 9
    assert len(ROWS) - len(heads) > 80
    for row in ROWS:
        if row not in heads and row not in NOT_APPLYING:
            assert "::test_" in row, row


def test_no_must_is_said_twice() -> None:
    said = [row.split(" | ")[0] for row in ROWS if not row.startswith("| a server ")]
    assert len(said) == len(set(said))


def test_every_file_of_the_folder_shows_something() -> None:
    # It shows what fits into Lambda's answer, of which JSON:API knows nothing.
    others = {"test_largest_answers.py"}
    files = {path.name for path in (ROOT / "tests/jsonapi").glob("test_*.py")} - others
    assert files == {name.partition("::")[0].partition("/")[2] for name in NAMED if name.startswith("jsonapi/")}
