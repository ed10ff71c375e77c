"""The document of `GET /docs` and the policy under which a browser may run it.

Everything is in the one document, so that no other host is ever asked: `page.html`, and in it Swagger UI, which is put
in as compressed as it lies there: only our own few lines are compressed at run time.

Of `page.html`: Swagger UI fills in a parameter's example and sends it, so that the first try of a list would ask for
every filter at once: what is optional is left empty, and its example is only shown. Nothing is kept after the page is
left, tokens least of all. `validatorUrl` would ask another host. Swagger UI's own dark scheme hangs on a class.
"""

import base64
import gzip
import hashlib
import json
import re
import struct
import zlib
from functools import cache
from pathlib import Path

VENDORED = Path(__file__).parent / "swagger_ui"
OWN = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
# Where a file of Swagger UI stands, in an element of its own.
PLACE = re.compile(r"(?<=>)\{(swagger-ui[\w.-]++)\}(?=<)")


def _policy() -> str:
    """Return the policy that lets run what is vendored, and what is our own: the other element of each name."""
    allowed: dict[str, str] = {}
    vendored: dict[str, str] = json.loads((VENDORED / "vendored.json").read_text())["sha256"]
    for element, name in (("script", "swagger-ui-bundle.js"), ("style", "swagger-ui.css")):
        (own,) = (text for text in re.findall(f"<{element}>(.*?)</{element}>", OWN, re.DOTALL) if text[0] != "{")
        ours = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        allowed[element] = f"'sha256-{vendored[name]}' 'sha256-{ours}'"
    return (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


CONTENT_SECURITY_POLICY = _policy()

# The gzip format (RFC 1952) around deflated data: a header without a time, an empty last block, a trailer.
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
LAST_BLOCK = b"\x03\x00"
TRAILER = struct.Struct("<II")


# A piece of the page: as it is, and deflated up to a whole byte, so that pieces can be joined.
def _own(text: str) -> tuple[bytes, bytes]:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return text.encode(), squeeze.compress(text.encode()) + squeeze.flush(zlib.Z_FULL_FLUSH)


def _vendored(name: str) -> tuple[bytes, bytes]:
    packed = (VENDORED / f"{name}.gz").read_bytes()
    return gzip.decompress(packed), packed[len(GZIP_HEADER) : -len(LAST_BLOCK) - TRAILER.size]


@cache
def page() -> bytes:
    """Return the whole page, an HTML document in UTF-8, compressed by gzip; made once, at the first call."""
    checksum = size = 0
    deflated = b""
    for number, part in enumerate(PLACE.split(OWN)):
        plain, packed = _vendored(part) if number % 2 else _own(part)
        checksum = zlib.crc32(plain, checksum)
        size += len(plain)
        deflated += packed
    return GZIP_HEADER + deflated + LAST_BLOCK + TRAILER.pack(checksum, size)
