"""Vendors the parts of Swagger UI that the page `GET /docs` is made of.

`python local/vendor_docs.py FOLDER`, where FOLDER is the unpacked npm package `swagger-ui-dist`, writes them into the
layer: the script and the styles compressed, the licences as they are, and `vendored.json`, which says what they are.
"""

import base64
import hashlib
import json
import re
import sys
import zlib
from pathlib import Path

LAYER = Path(__file__).resolve().parents[1] / "layers/shared/wellspring/apidocs/swagger_ui"
COMPRESSED = ("swagger-ui-bundle.js", "swagger-ui.css")
PLAIN = ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt")

GZIP = 31
# Where HTML would end an element early, or not at all: its end tag, and a comment that is opened and never closed.
ENDS_EARLY = re.compile(rb"</(?:script|style)|\r|\0", re.IGNORECASE)
COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)


class NotEmbeddableError(Exception):
    """A file cannot stand in an HTML element as it is."""


def compressed(plain: bytes) -> bytes:
    """Return `plain` as a gzip file without a time, whose last block is empty.

    So all that says something ends at a whole byte, and the page can be put together without compressing again.
    """
    squeeze = zlib.compressobj(9, zlib.DEFLATED, GZIP)
    return squeeze.compress(plain) + squeeze.flush(zlib.Z_FULL_FLUSH) + squeeze.flush()


def check_embeddable(name: str, plain: bytes) -> None:
    """Raise NotEmbeddableError when `plain` inside `<script>` or `<style>` would not be read as it is."""
    if ENDS_EARLY.search(plain) or b"<!--" in COMMENT.sub(b"", plain):
        raise NotEmbeddableError(name)


def vendor(package: Path, layer: Path = LAYER) -> None:
    """Write what the page needs of `package` into `layer`; raise NotEmbeddableError where it cannot be embedded."""
    layer.mkdir(exist_ok=True)
    sha256: dict[str, str] = {}
    for name in COMPRESSED:
        plain = (package / name).read_bytes()
        check_embeddable(name, plain)
        (layer / f"{name}.gz").write_bytes(compressed(plain))
        sha256[name] = base64.b64encode(hashlib.sha256(plain).digest()).decode()
    for name in PLAIN:
        (layer / name).write_bytes((package / name).read_bytes())
    manifest = json.loads((package / "package.json").read_text())
    said = {"package": manifest["name"], "version": manifest["version"], "sha256": sha256}
    (layer / "vendored.json").write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    vendor(Path(sys.argv[1]))
