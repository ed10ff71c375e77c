"""docs/performance.md has the plots that the bench draws, and the tables behind it know all that it measures."""

import re

import pytest

from bench import plots
from bench.__main__ import GROUPS
from local.settings import ROOT

PAPER = (ROOT / "docs" / "performance.md").read_text()
TABLES = (ROOT / "docs" / "performance" / "tables.md").read_text()


@pytest.mark.parametrize("name", [name for names, _ in GROUPS for name in names])
def test_every_measurement_is_in_the_tables(name: str) -> None:
    # An N stands for a number.
    patterns = [re.sub(r"(?<=_)N\b", "[0-9]+", said) for said in re.findall(r"`([a-zN0-9_]+)`", TABLES)]
    assert any(re.fullmatch(pattern, name) for pattern in patterns)


def test_the_page_leads_to_the_tables() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", said.lower()).replace(" ", "-")
        for said in re.findall(r"^#+ (.+)$", TABLES, re.MULTILINE)
    }
    led_to = set(re.findall(r"\(performance/tables\.md#([a-z0-9-]+)\)", PAPER))
    assert {"what-is-measured", "results"} <= led_to <= headings


def test_every_plot_is_in_the_paper() -> None:
    drawn = sorted(path.name for path in (ROOT / plots.FOLDER).glob("*.svg"))
    assert drawn
    for name in drawn:
        assert f"({plots.FOLDER.name}/{name})" in PAPER
