"""The plots of docs/performance.md, drawn by matplotlib in a virtual environment of its own."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench import ROOT
from bench.measure import Curve
from local.errors import Fault

FOLDER = Path("docs", "performance")
VENV = Path(".local", "plots-venv")
LOCK = Path("local", "requirements", "plots.txt")


def draw(curves: Sequence[Curve]) -> None:
    """Write a file for each of `curves`. Raises `Fault`."""
    made = subprocess.run(["sh", "local/venv", str(VENV), str(LOCK)], cwd=ROOT, check=False)
    if made.returncode:
        raise Fault(f"{LOCK} could not be installed")
    command = [str(ROOT / VENV / "bin" / "python"), "-P", str(Path(__file__).with_name("draw.py")), str(ROOT / FOLDER)]
    said = json.dumps({curve.name: curve.as_json() for curve in curves})
    drawn = subprocess.run(command, input=said, cwd=ROOT, text=True, check=False)
    if drawn.returncode:
        raise Fault("the plots could not be drawn")
