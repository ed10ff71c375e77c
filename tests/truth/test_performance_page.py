"""docs/performance.md knows everything that the bench measures, and the plots that it draws."""

import re

import pytest

from bench import plots
from bench.__main__ import GROUPS
from local.settings import ROOT

PAPER = (ROOT / "docs" / "performance.md").read_text()


@pytest.mark.parametrize("name", [name for names, _ in GROUPS for name in names])
def test_every_measurement_is_in_the_paper(name: str) -> None:
    # An N stands for a number.
    patterns = [re.sub(r"(?<=_)N\b", "[0-9]+", said) for said in re.findall(r"`([a-zN0-9_]+)`", PAPER)]
    assert any(re.fullmatch(pattern, name) for pattern in patterns)


def test_every_plot_is_in_the_paper() -> None:
    drawn = sorted(path.name for path in (ROOT / plots.FOLDER).glob("*.svg"))
    assert drawn
    for name in drawn:
        assert f"({plots.FOLDER.name}/{name})" in PAPER
