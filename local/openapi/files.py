"""The files that hold the document: one for people, one that the layer serves."""

import json
from collections.abc import Mapping
from pathlib import Path

from local.openapi.document import document
from local.settings import ROOT
from wellspring import apidocs
from wellspring.handlers.http import render

READ = ROOT / "docs" / "openapi.json"
SERVED = Path(apidocs.__file__).with_name("openapi.json")


def written() -> Mapping[Path, str]:
    """Return what each file holds."""
    made = document()
    return {READ: json.dumps(made, indent=2, ensure_ascii=False) + "\n", SERVED: render(made)}
