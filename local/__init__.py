"""The local stack: Wellspring on one machine, with no Docker, no AWS account and no network.

`python -m local` starts it; the Makefile wraps that as `make run`. docs/ says what it stands in for.
"""

import sys
from pathlib import Path

# The demo is made from the declarations, which live in the layer.
LAYER = str(Path(__file__).resolve().parents[1] / "layers" / "shared")
if LAYER not in sys.path:
    sys.path.insert(0, LAYER)
