"""JSON that is sent to us, one rule for all of it, and times of ISO 8601, finer than those of rows (RFC 3339)."""

import json
import math
import operator
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from wellspring import feed_events, messages, strict_json
from wellspring.errors import InvalidJson
from wellspring.jsonapi.body import parse_meta
from wellspring.jsonapi.values import parse_instant, render_instant
from wellspring.services.feed import Malformed

REFUSED = (
    *('{"a":NaN}', '{"a":[Infinity]}', '{"a":-Infinity}', '{"a":' + "9" * 5000 + "}"),
    *(
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        '{"a":1,"\\u0061":2}',
        "[" * 100_000,
        "",
        " " * 300_000,
        "{",
        '{"a":"\0"}',
        "\ufeff{}",
        '{"a":"\ud800"}',
    ),
)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text)[:24])
def test_what_is_no_json_for_one_is_none_for_any(text: str) -> None:
    raw = text.encode(errors="surrogatepass")
    for given in (text, raw):
        with pytest.raises(ValueError):  # noqa: PT011  (any: what it says is not told)
            strict_json.loads(given)
    with pytest.raises(messages.MalformedMessage, match="body: json_invalid"):
        messages.parse(text)
    for told in (*feed_events.parse(text), feed_events.parse_line(raw)):
        assert isinstance(told, Malformed)
        assert [problem["code"] for problem in told.problems] == ["json_invalid"]
    if raw.strip():
        with pytest.raises(InvalidJson):
            parse_meta(raw, ())


def test_a_number_that_no_float_holds_is_json() -> None:
    assert strict_json.loads('{"a":[1e400,-1e400]}') == {"a": [math.inf, -math.inf]}


@pytest.mark.parametrize("value", [{}, {"a": {"a": [1, 2.5, -1e300, None, True, "\u00e9\U0001f4a3"]}}, [], "", 7])
def test_what_is_json_is_read_as_python_does(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert strict_json.loads(text) == strict_json.loads(text.encode()) == value


NOON = datetime(2026, 5, 10, 12, 0, tzinfo=UTC)
FINE = (
    "0000000", "0000001", "000000999", "1234567", "123999999", "1239999", "124000000", "1240000", "12400000001",
    "124000001", "123456789", "1234999999", "1235000001", "999999999", "9990000000000000001",
)  # fmt: skip


@pytest.mark.parametrize("digits", FINE)
def test_a_time_finer_than_a_microsecond_compares_with_every_rows_as_it_is_written(digits: str) -> None:
    parsed = parse_instant(f"2026-05-10T12:00:00.{digits}Z")
    assert parsed is not None
    meant = Fraction(int(digits), 10 ** len(digits))
    for millisecond in range(1000):
        row = NOON + timedelta(milliseconds=millisecond)
        for compare in (operator.gt, operator.ge, operator.lt, operator.le):
            assert compare(row, parsed) is compare(Fraction(millisecond, 1000), meant)


@pytest.mark.parametrize("digits", FINE)
def test_it_is_within_a_microsecond_of_what_is_written(digits: str) -> None:
    parsed = parse_instant(f"2026-05-10T14:00:00,{digits}+02:00")
    assert parsed is not None
    distance = Fraction(int(digits), 10 ** len(digits)) - Fraction((parsed - NOON) // timedelta(microseconds=1), 10**6)
    assert abs(distance) < Fraction(1, 10**6)


@pytest.mark.parametrize(
    "text", ["2026-05-10T12:00:00.Z", "2026-05-10T12:00:00.1234567", "2026-05-10T12:00:00.12345678x9Z"]
)
def test_what_is_no_time_stays_none(text: str) -> None:
    assert parse_instant(text) is None


@pytest.mark.parametrize(
    ("of_postgres", "written"),
    [
        ("2026-05-10 08:14:22.123+00", "2026-05-10T08:14:22.123Z"),
        ("2026-05-10 08:14:22.1+00", "2026-05-10T08:14:22.100Z"),
        ("2026-05-10 08:14:22.02+00", "2026-05-10T08:14:22.020Z"),
        ("2026-05-10 08:14:22+00", "2026-05-10T08:14:22.000Z"),
        ("2026-05-10 08:14:22.123999+00", "2026-05-10T08:14:22.123Z"),
        ("2026-05-10 08:14:22.12+02", "2026-05-10T06:14:22.120Z"),
        ("2026-05-10 08:14:22.12+05:30", "2026-05-10T02:44:22.120Z"),
        ("0001-01-02 00:00:00+00", "0001-01-02T00:00:00.000Z"),
    ],
)
def test_a_time_of_postgres_is_written_as_the_time_that_it_is(of_postgres: str, written: str) -> None:
    assert render_instant(of_postgres) == written
    assert render_instant(datetime.fromisoformat(of_postgres)) == written
