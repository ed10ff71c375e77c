"""docs/jsonapi.md names a test for each MUST of JSON:API, and each test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.truth.test_the_papers import ROOT, read

PAGE = read("docs/jsonapi.md")
NAMED = sorted(set(re.findall(r"`([a-z_/]+/test_[a-z_]+\.py::[A-Za-z0-9_:]+)`", PAGE)))
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| --- ")]
NOT_APPLYING = PAGE.partition("## What does not apply")[2].partition("\n## ")[0]


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the tests of a file, as functions and as methods of classes."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{child.name}" for child in node.body if isinstance(child, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_the_table_names_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert test in names_in(ROOT / "tests" / file)


def test_every_must_has_a_test_or_a_reason() -> None:
    heads = [row for row in ROWS if row.startswith("| a server ")]
    assert len(heads) >= 9
    assert len(ROWS) - len(heads) > 80
    for row in ROWS:
        if row not in heads and row not in NOT_APPLYING:
            assert "::test_" in row, row


def test_nothing_that_looks_like_a_test_escapes_the_check() -> None:
    assert PAGE.count("::test_") == sum(PAGE.count(f"`{name}`") for name in NAMED)


def test_no_must_is_said_twice() -> None:
    said = [row.split(" | ")[0] for row in ROWS if not row.startswith("| a server ")]
    assert len(said) == len(set(said))


def test_every_file_of_the_folder_shows_something() -> None:
    # It shows that a declaration is enough, of which JSON:API knows nothing.
    others = {"test_sixth_object.py"}
    files = {path.name for path in (ROOT / "tests/jsonapi").glob("test_*.py")} - others
    assert files == {name.partition("::")[0].partition("/")[2] for name in NAMED if name.startswith("jsonapi/")}
