"""The document of `GET /console`, the settings in it, and the policy under which a browser runs it (docs/adr/0035)."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from html import escape
from urllib.parse import urlsplit

from wellspring.resources import ledgers, resource_of
from wellspring_console.assets import assets

# The module that starts the page.
START = "main.js"
STYLE = "style.css"
# What ends a source of a policy, or makes it more than one address.
FORBIDDEN = frozenset(" \t\r\n;,'*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How the page signs a person in, by the Authorization Code flow with PKCE.

    Attributes:
        issuer: whose OpenID configuration names where to sign in.
        client_id: of a public client at the issuer; empty where nobody has made one, and the page says so.
        scope: what it asks for.
        person_claim: the claim that names a person, as the API reads it too.
        operator_claim, operator_value: what makes a person an operator, as the API reads it too; empty where nobody is.
        parameters: what else the issuer wants to be asked, as a query: `audience=wellspring` at Auth0.
        token_endpoint: the issuer's, where it is on another host than the issuer is: at Cognito.
    """

    issuer: str = ""
    client_id: str = ""
    scope: str = "openid"
    parameters: str = ""
    person_claim: str = "sub"
    operator_claim: str = ""
    operator_value: str = ""
    token_endpoint: str = ""


def read_sign_in(environment: Mapping[str, str]) -> SignIn:
    """Build `SignIn` from CONSOLE_ISSUER and so on, and the claims that the API reads; what is empty is not there."""
    claims = ("person_claim", "operator_claim", "operator_value")
    names = {each.name: ("" if each.name in claims else "CONSOLE_") + each.name.upper() for each in fields(SignIn)}
    return SignIn(**{name: environment[variable] for name, variable in names.items() if environment.get(variable)})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def _address(url: str) -> str:
    """Return the one address of a host that a page may connect to; empty where `url` is not exactly one."""
    parts = urlsplit(url)
    is_exact = parts.scheme == "https" and parts.netloc and parts.path.strip("/") and not set(url) & FORBIDDEN
    return f"https://{parts.netloc}{parts.path}" if is_exact else ""


def content_security_policy(sign_in: SignIn) -> str:
    """Return the policy: nothing but the page's own files, this API, the issuer, and its token endpoint."""
    connect = " ".join(filter(None, ["'self'", _origin(sign_in.issuer), _address(sign_in.token_endpoint)]))
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src {connect}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def record_types() -> list[dict[str, object]]:
    """Return what the page must know of each type of record that can be read: routes, words, its name's attribute."""
    found = []
    for type_, ledger in ledgers().items():
        record = resource_of(type_)
        label = record.named
        if record.route and label is not None:
            others = [each.name for each in record.told if each.kind == "text" and each is not label]
            described: dict[str, object] = {"type": record.type, "route": record.route, "links": ledger.route}
            found.append(
                described | {"name": record.name, "names": record.names, "label": label.name, "others": others}
            )
    return found


def document(sign_in: SignIn) -> str:
    """Return the page, an HTML document that holds nothing but its settings and the names of its files."""
    files = assets()
    page_settings = asdict(sign_in) | {"records": record_types()}
    # Which only the policy needs.
    del page_settings["token_endpoint"]
    # In HTML, only `<` could end the element.
    settings = json.dumps(page_settings).replace("<", "\\u003c")
    modules = "\n".join(
        f'<link rel="modulepreload" href="/console/{escape(asset.name)}">'
        for name, asset in files.items()
        if name.endswith(".js")
    )
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Wellspring</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/console/{escape(files[STYLE].name)}">
{modules}
<script type="application/json" id="settings">{settings}</script>
<script type="module" src="/console/{escape(files[START].name)}"></script>
</head>
<body>
<div id="app"></div>
<noscript><p>The console needs JavaScript. Its API is described at <a href="/docs">/docs</a>.</p></noscript>
</body>
</html>
"""


@cache
def page() -> tuple[str, str]:
    """Return this deployment's page and its policy; made once."""
    sign_in = read_sign_in(os.environ)
    return document(sign_in), content_security_policy(sign_in)
