"""A line of metrics has the numbers it was given, whoever else writes one meanwhile."""

import json
from collections.abc import Iterable

import pytest

from wellspring.metrics import emit


class _Interrupted(dict[str, float]):
    """Numbers, between which another batch writes all of its own."""

    def items(self) -> Iterable[tuple[str, float]]:  # type: ignore[override]  # it is walked through, and no more
        for item in super().items():
            yield item
            emit({"Messages": 10})


def test_two_batches_at_once_write_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    emit(_Interrupted(Messages=1, Records=2))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["Messages"], line.get("Records")) for line in lines] == [([10], None), ([10], None), ([1], [2])]


def test_a_name_that_is_not_known_is_refused_and_leaves_nothing_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError):
        emit({"Messages": 1, "Unheard": 2})
    emit({"Records": 3})
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line.get("Messages"), line["Records"]) == (None, [3])
