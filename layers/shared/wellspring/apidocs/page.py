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
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

VENDORED = Path(__file__).parent / "swagger_ui"
DOCUMENT = "/v1/openapi.json"

# Swagger UI's own dark scheme hangs on the class of the element `html`.
STYLE = """\
:root{color-scheme:light dark;--page:#fafafa;--text:#3b4151;--link:#1a5fb4;--line:#c9ced6}
html.dark-mode{--page:#1c2022;--text:#e4e6e9;--link:#8ab8ff;--line:#4b525c}
body{margin:0;background:var(--page);color:var(--text);font:1rem/1.5 sans-serif}
noscript p{margin:2rem}
nav{box-sizing:border-box;max-width:1460px;margin:0 auto;padding:1.5rem 20px 0}
nav h2{font-size:1.25rem;margin:0 0 .5rem}
nav ul{margin:0;padding:0;list-style:none;
display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:.25rem 1.5rem}
nav a{color:var(--link)}
.few tr[data-param-name]:not(:has(.required)),.few .table-container:not(:has(.required)){display:none}
.swagger-ui .parameters-more{margin:.75rem 20px 1rem;padding:.4rem .8rem;border:1px solid var(--line);border-radius:4px;
background:none;color:inherit;font:inherit;cursor:pointer}
.parameters-more:focus-visible,nav a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
@media (max-width:40rem){body .swagger-ui .opblock-tag{flex-wrap:wrap}
body .swagger-ui .opblock-tag>a{flex:1;min-width:0}
body .swagger-ui .opblock-tag small{order:1;flex-basis:100%;padding:0 0 .5rem}
body .swagger-ui .responses-table,body .swagger-ui .responses-table tbody{display:block}
body .swagger-ui .responses-table thead,body .swagger-ui .response>td.response-col_links{display:none}
body .swagger-ui .responses-table .response{display:block;padding-bottom:1rem}
body .swagger-ui .responses-table .response>td{display:block;width:auto;padding:.25rem 0}}
"""
# What people come for, and the tag and the operation that answer it.
TASKS = (
    ("Find my workspace", "Workspaces", "list_workspaces"),
    ("Look a company up by its name", "Companies", "list_companies"),
    ("Where did this company come from, and where did it go?", "Record sources", "company_sources"),
    ("Did everything sync, and which connector is late?", "Workspace connectors", "list_workspace_connectors"),
    ("What did last night's sync bring, and what failed?", "Sync messages", "list_sync_messages"),
    ("Try a failed sync message again (a service)", "Sync messages", "sync_message_release"),
    ("How much did a connector bring, by day?", "Connector activity", "list_connector_activity"),
    ("What is lost if a connector is disconnected?", "Connector impacts", "workspace_connector_impact"),
    ("Which people came in or changed since yesterday?", "Provenance of people", "list_people_workspace_connectors"),
    ("Record what a connector brought in (a service)", "Provenance of companies", "create_company_workspace_connector"),
    ("See the catalogue of providers", "Providers", "list_providers"),
    ("Choose a provider for a workspace", "Provider choices", "workspace_select_provider"),
    ("Make a group of workspaces", "Groups", "create_workspace_group"),
    ("Enrol a workspace in a group", "Enrolments", "workspace_group_enrol"),
    ("Add a person to a group", "Members of groups", "create_workspace_group_membership"),
    ("Is the service ready?", "Service", "health_check"),
)
# More optional parameters than these are folded.
SHOWN_PARAMETERS = 4
# Swagger UI fills in a parameter's example and sends it, so that the first try of a list would ask for every filter at
# once: what is optional is left empty, and its example is only shown. Nothing is kept after the page is left, tokens
# least of all. `validatorUrl` would ask another host.
START = f"""\
const exampleOnlyShown = (select) => (_state, ...asked) => {{
  const parameter = select(...asked);
  if (!parameter || parameter.get("required")) return parameter;
  return parameter.delete("example").delete("examples").deleteIn(["schema", "example"]);
}};
// Optional parameters fold, so that what must be said is seen first.
const folded = (Parameters, {{React}}) => class extends React.Component {{
  state = {{open: false}};
  render() {{
    const optional = this.props.parameters.filter((one) => !one.get("required")).size;
    const shown = React.createElement(Parameters, this.props);
    if (optional <= {SHOWN_PARAMETERS}) return shown;
    const {{open}} = this.state;
    return React.createElement("div", {{className: open ? "parameters" : "parameters few"}}, shown,
      React.createElement("button", {{type: "button", className: "parameters-more", "aria-expanded": open,
        onClick: () => this.setState({{open: !open}})}},
        open ? "Hide the optional parameters" : `Show the ${{optional}} optional parameters`));
  }}
}};
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();
const page = SwaggerUIBundle({{
  url: "{DOCUMENT}",
  dom_id: "#reference",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
  // A token is pasted as it was found: alone, with its scheme, or as the whole header.
  requestInterceptor: (request) => {{
    const said = request.headers.Authorization;
    const pasted = /^Bearer\\s+(Authorization:\\s*)?(Bearer\\s+)?/i;
    if (said) request.headers.Authorization = said.replace(pasted, "Bearer ").trim();
    return request;
  }},
  plugins: [{{
    statePlugins: {{spec: {{wrapSelectors: {{parameterWithMetaByIdentity: exampleOnlyShown}}}}}},
    wrapComponents: {{parameters: folded}},
  }}],
}});
// Swagger UI reads the address when it starts, and not when a link on the page changes it.
addEventListener("hashchange", () => {{
  const [tag, operation] = location.hash.slice(2).split("/").map(decodeURIComponent);
  const {{layoutActions}} = page.getSystem();
  layoutActions.show(["operations-tag", tag], true);
  layoutActions.show(["operations", tag, operation], true);
  const block = document.getElementById(`operations-${{tag.replaceAll(" ", "_")}}-${{operation}}`);
  if (block) {{
    block.scrollIntoView();
    block.querySelector(".opblock-summary-control").focus({{preventScroll: true}});
  }}
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


def _links() -> str:
    """Return the list of the tasks, each a link to its operation in Swagger UI's way."""
    items = (f'<li><a href="#/{quote(tag)}/{operation}">{escape(task)}</a></li>' for task, tag, operation in TASKS)
    return "\n".join(items)


BODY = f"""\
</style>
</head>
<body>
<nav aria-labelledby="tasks">
<h2 id="tasks">What do you want to do?</h2>
<ul>
{_links()}
</ul>
</nav>
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
