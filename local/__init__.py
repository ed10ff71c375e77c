"""The local stack: Wellspring on one machine, with no Docker, no AWS account and no network.

`python -m local` starts it; the Makefile wraps that as `make run`. docs/ says what it stands in for.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The demo is made from the declarations, which live in the layer, and is sent as a producer sends.
PATH = [str(ROOT / "layers" / "shared"), str(ROOT / "producer")]
sys.path[:0] = [folder for folder in PATH if folder not in sys.path]
