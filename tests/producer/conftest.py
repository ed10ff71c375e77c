"""No pause of a retry is waited for; how long each may be is kept."""

import random
import time

import pytest


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take the longest pause each time; return what was waited."""
    waited: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited
