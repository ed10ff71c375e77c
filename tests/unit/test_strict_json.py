"""One rule for all JSON that is sent to us: what two readers may understand differently is refused."""

import json
import math

import pytest

from wellspring import feed_events, messages, strict_json
from wellspring.errors import InvalidJson
from wellspring.jsonapi.body import parse_meta
from wellspring.services.feed import Malformed

REFUSED = (
    *('{"a":NaN}', '{"a":[Infinity]}', '{"a":-Infinity}', '{"a":' + "9" * 5000 + "}"),
    *(
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        '{"a":1,"\\u0061":2}',
        "[" * 100_000,
        "",
        "{",
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
