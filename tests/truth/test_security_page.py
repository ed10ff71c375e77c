"""SECURITY.md names tests for each promise, and each test that it names is there."""

import pytest

from tests.support.named_tests import TESTS, is_there, named_tests
from tests.truth.test_documentation import read

PAGE = read("SECURITY.md")
NAMED = named_tests(PAGE)
PROMISES = [line for line in PAGE.splitlines() if line.startswith("| ")][2:]


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_it_names_is_there(name: str) -> None:
    assert is_there(name)


@pytest.mark.parametrize("name", ["access/test_tokens.py::test_nothing", "access/test_no_file.py::test_nothing"])
def test_one_that_is_not_there_would_be_noticed(name: str) -> None:
    assert not is_there(name)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda line: line.split("|")[1].strip())
def test_every_promise_has_a_test(promise: str) -> None:
    assert "::test_" in promise


def test_every_file_about_access_keeps_a_promise() -> None:
    paths = (path for name in ("access", "pooler") for path in (TESTS / name).glob("test_*.py"))
    files = {str(path.relative_to(TESTS)) for path in paths}
    assert files <= {name.partition("::")[0] for name in NAMED}


def test_it_says_how_to_report_and_is_found_from_the_other_pages() -> None:
    assert "security advisories" in PAGE
    for name in ("README.md", "CONTRIBUTING.md"):
        assert "(SECURITY.md)" in read(name)
