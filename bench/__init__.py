"""Measures each promise beside its floor, in one run: `python -m bench`.

docs/performance/tables.md says what the names mean.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What Lambda puts on the path: the functions and the layer.
PRODUCT_PATH = (str(ROOT / "layers" / "shared"), str(ROOT / "functions"))
# Syncs are measured as a producer sends them.
sys.path[:0] = (*PRODUCT_PATH, str(ROOT / "producer"))
