"""Sign-in at the local issuer: the Authorization Code flow with PKCE, in which one chooses a principal of the demo.

So the console signs in here as it does at a real issuer, and nothing that is deployed knows of the demo. Whoever can
reach the port may sign in as anybody, as `make token` lets them.
"""

import base64
import hashlib
import html
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from local.demo_data import PRINCIPALS
from local.identity import AUDIENCE, LIFETIME_SECONDS, Identity, base64url
from local.payload import Request, Response, as_json

CLIENT_ID = "wellspring-console"
CODE_SECONDS = 60.0
# Who was chosen last: an issuer remembers it too, and signs in again without asking.
COOKIE = "demo_principal"
AT_HOME = frozenset({"127.0.0.1", "localhost", "[::1]"})
PRINCIPAL_WORDS = {
    "owner": "Claire Verdier: owner of Verdier Foods and of the Verdier Group, admin of Verdier Logistics",
    "member": "Malik Haddad: member of Verdier Foods and of the Verdier Group",
    "guest": "Greta Lindqvist: guest of Verdier Foods",
    "outsider": "Olga Brandt: member of Northwind Studio, which is in no group",
    "operator": "Tara Quinn: an operator, in no workspace: reads all workspaces, writes nothing",
    "pipeline": "the sync pipeline, a service: reads all workspaces, writes provenance, releases messages",
    "matcher": "the provider matcher, a service: reads all workspaces, matches providers",
}
STYLE = """\
:root{color-scheme:light dark;background:light-dark(#fdfdfc,#141619);color:light-dark(#1b1c1e,#e7e8ea)}
body{font:15px/24px system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}
h1{font-size:20px;line-height:28px}ul{padding:0;list-style:none}li{margin:.75rem 0}a{font-weight:600;
color:light-dark(#0b57a4,#8cbcf5)}"""


@dataclass(frozen=True)
class _Grant:
    """What a code stands for until it is taken."""

    principal: str
    challenge: str
    redirect_uri: str
    until: float


class SignIn:
    """The two endpoints of the flow. Codes live in memory, for a minute, and are taken once."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._grants: dict[str, _Grant] = {}

    def answer(self, request: Request, body: bytes) -> Response | None:
        """Return the answer to a request for either endpoint, None where it is for none."""
        match request.method, request.path:
            case "GET", "/issuer/authorize":
                return self._authorize(request)
            case "POST", "/issuer/token":
                return self._token(dict(parse_qsl(body.decode(errors="replace"))))
        return None

    def _authorize(self, request: Request) -> Response:
        asked = dict(parse_qsl(request.query))
        redirect_uri = asked.get("redirect_uri", "")
        problem = _problem(asked)
        if problem:
            # Never to an address that nobody knows.
            return _page(400, f"<h1>Sign-in is not possible</h1><p>{html.escape(problem)}</p>")
        chosen = asked.get("as") or ("" if asked.get("prompt") == "login" else _remembered(request))
        if chosen not in PRINCIPALS:
            return _page(200, _choice(asked))
        code = secrets.token_urlsafe(24)
        now = time.monotonic()
        self._grants = {known: grant for known, grant in self._grants.items() if grant.until > now}
        self._grants[code] = _Grant(chosen, asked["code_challenge"], redirect_uri, now + CODE_SECONDS)
        said = {"code": code, "state": asked.get("state", ""), "iss": self._identity.issuer}
        cookie = f"{COOKIE}={chosen}; Path=/issuer; HttpOnly; SameSite=Lax"
        return Response(
            302,
            (
                ("location", f"{redirect_uri}?{urlencode(said)}"),
                ("set-cookie", cookie),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
            ),
            b"",
        )

    def _token(self, asked: Mapping[str, str]) -> Response:
        # RFC 6749, section 5.2; RFC 7636, section 4.6.
        grant = self._grants.pop(asked.get("code", ""), None)
        verified = base64url(hashlib.sha256(asked.get("code_verifier", "").encode()).digest())
        headers = (("cache-control", "no-store"), ("access-control-allow-origin", "*"))
        if asked.get("grant_type") != "authorization_code" or asked.get("client_id") != CLIENT_ID:
            return as_json(400, {"error": "invalid_request"}, *headers)
        if (
            grant is None
            or grant.until < time.monotonic()
            or grant.redirect_uri != asked.get("redirect_uri")
            or not secrets.compare_digest(grant.challenge, verified)
        ):
            return as_json(400, {"error": "invalid_grant", "error_description": "Sign in again."}, *headers)
        said = {"access_token": self._identity.token(grant.principal), "token_type": "Bearer"}
        return as_json(200, {**said, "expires_in": LIFETIME_SECONDS, "scope": f"openid {AUDIENCE}"}, *headers)


def _problem(asked: Mapping[str, str]) -> str:
    """Return what is wrong with a request to sign in; empty where nothing is."""
    back = urlsplit(asked.get("redirect_uri", ""))
    host = back.netloc.rpartition(":")[0] if back.port else back.netloc
    if back.scheme != "http" or host not in AT_HOME or back.path != "/console" or back.query or back.fragment:
        return "redirect_uri is not the console of this machine."
    if asked.get("client_id") != CLIENT_ID or asked.get("response_type") != "code":
        return "This issuer knows one client, and signs it in by code."
    if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
        return "The client must send a code_challenge, by S256."
    return ""


def _remembered(request: Request) -> str:
    try:
        cookies = SimpleCookie(request.header("cookie") or "")
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _choice(asked: Mapping[str, str]) -> str:
    links = "\n".join(
        f'<li><a href="/issuer/authorize?{html.escape(urlencode({**asked, "as": name}))}">{name}</a>'
        f"<br>{html.escape(PRINCIPAL_WORDS[name])}</li>"
        for name in PRINCIPALS
    )
    return f"<h1>Sign in to the demo as</h1>\n<ul>\n{links}\n</ul>\n<p>This choice exists on this machine only.</p>"


def _page(status: int, body: str) -> Response:
    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Sign in to the demo</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    )
    return Response(status, headers, page.encode())
