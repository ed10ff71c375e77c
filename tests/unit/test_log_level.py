"""Log levels, where Lambda has a level of its own; and lines of metrics, whoever else writes one meanwhile."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

from local.settings import ROOT
from wellspring.metrics import emit

CODE = """
from wellspring.metrics import emit
from wellspring.observability import logger
for level in ("debug", "info", "warning", "error"):
    getattr(logger, level)(level)
emit({"Messages": 1})
"""


@pytest.mark.parametrize(
    ("level", "lambdas", "expected"),
    [
        ("DEBUG", "DEBUG", ["debug", "info", "warning", "error"]),
        ("INFO", "INFO", ["info", "warning", "error"]),
        ("ERROR", "INFO", ["error"]),
        ("", "", ["info", "warning", "error"]),
    ],
)
def test_what_is_less_severe_than_the_deployments_level_is_left_out_and_metrics_never(
    level: str, lambdas: str, expected: list[str]
) -> None:
    """Powertools would take Lambda's level, which template.yaml keeps at INFO or below for the metrics' sake."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "layers" / "shared"),
        **({"LOG_LEVEL": level, "AWS_LAMBDA_LOG_LEVEL": lambdas} if level else {}),
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_FUNCTION_NAME": "wellspring",
        "POWERTOOLS_SERVICE_NAME": "wellspring",
    }
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["message"] for line in lines if "message" in line] == expected
    assert [line["Messages"] for line in lines if "_aws" in line] == [[1.0]]


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
