"""Statistics of the bench's samples."""

import pytest

from bench.load.results import Served
from bench.measure import Result, percentile


@pytest.mark.parametrize(
    ("share", "samples", "wanted"),
    [
        (50, [3.0, 1.0, 2.0], 2.0),
        (95, [float(number) for number in range(1, 21)], 19.0),
        (99, [float(number) for number in range(1, 101)], 99.0),
        (95, [7.0], 7.0),
    ],
)
def test_a_percentile_is_the_sample_of_the_nearest_rank(share: int, samples: list[float], wanted: float) -> None:
    assert percentile(samples, share) == wanted


@pytest.mark.parametrize(
    ("floor", "aim", "aims_at_value", "verdict"),
    [
        (2.0, 1.5, False, "ok"),
        (2.0, 1.4, False, "missed"),
        (2.0, 3.0, True, "ok"),
        (2.0, 2.9, True, "missed"),
        (2.0, None, False, ""),
        (None, 1.0, False, ""),
    ],
)
def test_a_verdict_compares_the_ratio_or_the_value_with_the_aim(
    floor: float | None, aim: float | None, *, aims_at_value: bool, verdict: str
) -> None:
    assert Result("name", 3.0, 4.0, "ms", floor, aim, aims_at_value=aims_at_value).verdict == verdict


def test_a_percentile_of_too_few_answers_is_not_given() -> None:
    assert Served([1.0] * 99, 1.0).percentile(99) is None
    assert Served([1.0] * 100, 1.0).percentile(99) == 1.0
    assert Served([], 1.0).percentile(50) is None
