"""SECURITY.md, docs/jsonapi.md and docs/aws-evidence.md name tests for what they say, and each of these is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.truth.test_documentation import read

TESTS = Path(__file__).resolve().parents[1]
SECURITY, JSONAPI, AWS = (read(name) for name in ("SECURITY.md", "docs/jsonapi.md", "docs/aws-evidence.md"))
PROMISES = [line for line in SECURITY.splitlines() if line.startswith("| ")][2:]
ROWS = [line for line in JSONAPI.splitlines() if line.startswith("| ") and not line.startswith("| --- ")]
NOT_APPLYING = JSONAPI.partition("## What does not apply")[2].partition("\n## ")[0]


def named_tests(page: str) -> list[str]:
    """Return the tests that a page names, each once; fail where something that looks like a name is not seen as one."""
    named = sorted(set(re.findall(r"`([a-z_/]+/test_[a-z_]+\.py::[A-Za-z0-9_:]+)`", page)))
    assert page.count("::test_") == sum(page.count(f"`{name}`") for name in named)
    return named


def is_there(name: str) -> bool:
    """Say whether there is a test of that name."""
    file, _, test = name.partition("::")
    path = TESTS / file
    return path.exists() and test in _names_in(path)


@cache
def _names_in(path: Path) -> frozenset[str]:
    """Return the tests of a file, as functions and as methods of classes."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{child.name}" for child in node.body if isinstance(child, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


@pytest.mark.parametrize("name", sorted({name for page in (SECURITY, JSONAPI, AWS) for name in named_tests(page)}))
def test_every_test_that_a_page_names_is_there(name: str) -> None:
    assert is_there(name)


def test_every_test_that_the_makefile_names_is_there() -> None:
    named = re.findall(r"tests/[\w./]+", read("Makefile"))
    assert len(named) > 10
    assert [name for name in named if not (TESTS.parent / name).exists()] == []


# ---- the promises of SECURITY.md ------------------------------------------------------------------------
@pytest.mark.parametrize("promise", PROMISES, ids=lambda line: line.split("|")[1].strip())
def test_every_promise_has_a_test(promise: str) -> None:
    assert "::test_" in promise


def test_every_file_about_access_keeps_a_promise() -> None:
    paths = (path for name in ("access", "pooler") for path in (TESTS / name).glob("test_*.py"))
    files = {str(path.relative_to(TESTS)) for path in paths}
    assert files <= {name.partition("::")[0] for name in named_tests(SECURITY)}


def test_it_says_how_to_report_and_is_found_from_the_other_pages() -> None:
    assert "security advisories" in SECURITY
    for name in ("README.md", "CONTRIBUTING.md"):
        assert "(SECURITY.md)" in read(name)


# ---- the MUSTs of JSON:API ------------------------------------------------------------------------------
def test_every_must_has_a_test_or_a_reason() -> None:
    heads = [row for row in ROWS if row.startswith("| a server ")]
    assert len(heads) >= 9
    assert len(ROWS) - len(heads) > 80
    for row in ROWS:
        if row not in heads and row not in NOT_APPLYING:
            assert "::test_" in row, row


def test_every_file_of_the_folder_shows_something() -> None:
    files = {path.name for path in (TESTS / "jsonapi").glob("test_*.py")}
    assert files == {
        name.partition("::")[0].partition("/")[2] for name in named_tests(JSONAPI) if name.startswith("jsonapi/")
    }


# ---- what is known of AWS --------------------------------------------------------------------------------
def points(heading: str) -> list[tuple[str, str, str, str]]:
    """Return the points under a heading: number, name and source, tests, and what is unproven of each."""
    section = AWS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    point = r"^(\d+)\. (\*\*.+?) \*Tests\*: (.+?) \*Unproven\*: (.+?)$"
    return re.findall(point, re.sub(r"\n +", " ", section), re.MULTILINE)


@pytest.mark.parametrize(("heading", "last"), [("The first deployment", 17), ("The second deployment", 13)])
def test_every_point_has_a_source_a_test_and_says_what_is_unproven(heading: str, last: int) -> None:
    found = points(heading)
    assert [point[0] for point in found] == [str(number) for number in range(1, last + 1)]
    for _, source, tests, _ in found:
        assert re.search(r"\.\*\* \S", source)
        assert "::test_" in tests
