"""The document of `GET /docs` and the policy under which a browser may run it.

Everything is in the one document, so that nothing else has to be served and no other host is ever asked. Swagger UI
comes compressed and is put into the page as it lies there: only our own few lines are compressed at run time.
"""

import base64
import hashlib
import json
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

VENDORED = Path(__file__).parent / "swagger_ui"
DOCUMENT = "/v1/openapi.json"

STYLE = "body{margin:0;background:#fafafa}noscript p{margin:2rem;font:1rem/1.5 sans-serif}"
# Swagger UI fills in a parameter's example and sends it, so that the first try of a list would ask for every filter at
# once: what is optional is left empty, and its example is only shown. Nothing is kept after the page is left, tokens
# least of all. `validatorUrl` would ask another host.
START = f"""\
const exampleOnlyShown = (select) => (_state, ...asked) => {{
  const parameter = select(...asked);
  if (!parameter || parameter.get("required")) return parameter;
  return parameter.delete("example").delete("examples").deleteIn(["schema", "example"]);
}};
SwaggerUIBundle({{
  url: "{DOCUMENT}",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
  plugins: [{{
    statePlugins: {{spec: {{wrapSelectors: {{parameterWithMetaByIdentity: exampleOnlyShown}}}}}},
  }}],
}});
"""
HEAD = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Wellspring API</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
<style>"""
BODY = f"""\
</style>
</head>
<body>
<main id="reference"></main>
<noscript><p>This page needs JavaScript. The description of the API that it shows is an OpenAPI document:
<a href="{DOCUMENT}">{DOCUMENT}</a>.</p></noscript>
<script>"""
THEN = f"</script>\n<script>{START}</script>\n</body>\n</html>\n"


def _source(sha256: str) -> str:
    return f"'sha256-{sha256}'"


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _policy() -> str:
    vendored: dict[str, str] = json.loads((VENDORED / "vendored.json").read_text())["sha256"]
    scripts = f"{_source(vendored['swagger-ui-bundle.js'])} {_source(_sha256(START))}"
    styles = f"{_source(vendored['swagger-ui.css'])} {_source(_sha256(STYLE))}"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


CONTENT_SECURITY_POLICY = _policy()

# The gzip format (RFC 1952) around deflated data: a header without a time, an empty last block, a trailer.
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
LAST_BLOCK = b"\x03\x00"
TRAILER = struct.Struct("<II")


class _Piece(NamedTuple):
    """A piece of the page: as it is, and deflated up to a whole byte, so that pieces can be joined."""

    plain: bytes
    deflated: bytes


def _own(text: str) -> _Piece:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return _Piece(text.encode(), squeeze.compress(text.encode()) + squeeze.flush(zlib.Z_FULL_FLUSH))


def _vendored(name: str) -> _Piece:
    packed = (VENDORED / f"{name}.gz").read_bytes()
    return _Piece(
        zlib.decompress(packed, zlib.MAX_WBITS | 16),
        packed[len(GZIP_HEADER) : -len(LAST_BLOCK) - TRAILER.size],
    )


@cache
def page() -> bytes:
    """Return the whole page, an HTML document in UTF-8, compressed by gzip; made once, at the first call."""
    pieces = (_own(HEAD), _vendored("swagger-ui.css"), _own(BODY), _vendored("swagger-ui-bundle.js"), _own(THEN))
    checksum = size = 0
    for piece in pieces:
        checksum = zlib.crc32(piece.plain, checksum)
        size += len(piece.plain)
    deflated = b"".join(piece.deflated for piece in pieces)
    return GZIP_HEADER + deflated + LAST_BLOCK + TRAILER.pack(checksum, size)
