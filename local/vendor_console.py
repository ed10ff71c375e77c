"""Vendors the two libraries that the console's page is made with: Preact, and htm, which writes its elements.

`python local/vendor_console.py FOLDER`, where FOLDER is a `node_modules` that holds both, writes their modules and
licences into the console's layer, byte by byte, and `vendored.json`, which says what they are.
"""

import base64
import hashlib
import json
import shutil
import sys
from pathlib import Path

LAYER = Path(__file__).resolve().parents[1] / "layers/console/wellspring_console/vendor"
# What each is called in the layer, and where its package has it.
FILES = {
    "preact.js": ("preact", "dist/preact.module.js"),
    "hooks.js": ("preact", "hooks/dist/hooks.module.js"),
    "htm.js": ("htm", "dist/htm.module.js"),
    "LICENSE-preact": ("preact", "LICENSE"),
    "LICENSE-htm": ("htm", "LICENSE"),
}


def vendor(modules: Path, layer: Path = LAYER) -> None:
    """Write what the page needs of the folder `modules` into `layer`."""
    layer.mkdir(exist_ok=True)
    sha256: dict[str, str] = {}
    versions: dict[str, str] = {}
    for name, (package, path) in FILES.items():
        shutil.copyfile(modules / package / path, layer / name)
        sha256[name] = base64.b64encode(hashlib.sha256((layer / name).read_bytes()).digest()).decode()
        versions[package] = json.loads((modules / package / "package.json").read_text())["version"]
    said = {"packages": versions, "sha256": sha256}
    (layer / "vendored.json").write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    vendor(Path(sys.argv[1]))
