"""docs/aws-evidence.md names a source and a test for each point, and each test that it names is there."""

import re

import pytest

from tests.support.named_tests import is_there, named_tests
from tests.truth.test_documentation import read

PAGE = read("docs/aws-evidence.md")


def points(heading: str) -> list[tuple[str, str, str, str]]:
    """Return the points under a heading: number, name and source, tests, and what is unproven of each."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    point = r"^(\d+)\. (\*\*.+?) \*Tests\*: (.+?) \*Unproven\*: (.+?)$"
    return re.findall(point, re.sub(r"\n +", " ", section), re.MULTILINE)


@pytest.mark.parametrize("name", named_tests(PAGE))
def test_every_test_that_it_names_is_there(name: str) -> None:
    assert is_there(name)


@pytest.mark.parametrize(("heading", "last"), [("The first deployment", 17), ("The second deployment", 13)])
def test_every_point_has_a_source_a_test_and_says_what_is_unproven(heading: str, last: int) -> None:
    found = points(heading)
    assert [point[0] for point in found] == [str(number) for number in range(1, last + 1)]
    for _, source, tests, _ in found:
        assert re.search(r"\.\*\* \S", source)
        assert "::test_" in tests


def test_the_other_pages_lead_to_it() -> None:
    for name in ("README.md", "docs/operations.md"):
        assert "aws-evidence.md" in read(name)
