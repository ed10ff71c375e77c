"""Statistics of the bench's samples."""

import pytest

from bench.__main__ import GROUPS
from bench.load.measuring import Ask
from bench.load.results import HEAD, LEFT, Load, Served, rows
from bench.load.servers import Place
from bench.measure import Curve, Result, compared, curve_rows, markdown, percentile, point, table

NAMES = [name for names, _ in GROUPS for name in names]


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


def test_samples_are_compared_by_their_medians() -> None:
    result = compared("name", [1.0, 9.0, 3.0], [2.0, 1.0, 60.0])
    assert (result.median, result.p95, result.floor, result.ratio) == (3.0, 9.0, 2.0, 1.5)


def test_a_curve_says_what_it_grows_with() -> None:
    curve = Curve("curve", "records", "ms", {"COPY": [point(10, [1.0, 2.0, 3.0])]})
    assert curve.as_json() == {
        "unit": "ms",
        "of": "records",
        "lines": {"COPY": [{"records": 10, "median": 2.0, "p95": 3.0}]},
    }
    assert curve_rows([curve]) == [("curve", "COPY", "10 records", "2", "3", "ms")]


def test_a_percentile_of_too_few_answers_is_not_given() -> None:
    assert Served([1.0] * 99, 1.0).percentile(99) is None
    assert Served([1.0] * 100, 1.0).percentile(99) == 1.0
    assert Served([], 1.0).percentile(50) is None


def test_a_load_says_of_each_server_what_it_bore() -> None:
    load = Load("http_x_8", 8, {"a": Served([float(number) for number in range(1, 21)], 4.0, errors=2), "b": Served()})
    assert load.as_json() == {
        "clients": 8,
        "unit": "ms",
        "servers": {
            "a": {"requests_per_second": 5.0, "p50": 10.0, "p95": 19.0, "p99": None, "requests": 20, "errors": 2},
            "b": {"requests_per_second": 0.0, "p50": None, "p95": None, "p99": None, "requests": 0, "errors": 0},
        },
    }
    assert rows([load]) == [
        ("http_x_8", "8", "a", "5", "10", "19", "", "2"),
        ("http_x_8", "8", "b", "0", "", "", "", "0"),
    ]


def test_a_table_is_shown_as_text_and_as_markdown() -> None:
    lines = [("one", "10"), ("two", "")]
    assert table(("name", "ms"), lines, (0,)) == "name  ms\none   10\ntwo"
    assert markdown(("name", "ms"), lines, (0,)) == "| name | ms |\n| --- | --: |\n| `one` | 10 |\n| `two` | |"
    assert len(HEAD) == len(rows([Load("x", 1, {"a": Served()})])[0])
    assert max(LEFT) < len(HEAD)


def test_a_request_is_written_out_for_the_load_generator() -> None:
    place = Place("127.0.0.1", 80)
    assert Ask("GET", "/v1/x?y=1", "abc").raw(place) == (
        "GET /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept: application/vnd.api+json\r\n"
        "Authorization: Bearer abc\r\n\r\n"
    )
    assert Ask("POST", "/v1/x", "abc", "{}").raw(place).endswith("Content-Length: 2\r\n\r\n{}")


def test_no_name_is_measured_twice() -> None:
    assert len(set(NAMES)) == len(NAMES)
