"""Log levels, where Lambda has a level of its own."""

import json
import os
import subprocess
import sys

import pytest

from local.settings import ROOT

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
