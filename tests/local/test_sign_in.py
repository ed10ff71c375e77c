"""Sign-in at the local issuer: the Authorization Code flow with PKCE, as the console uses it."""

import base64
import hashlib
import json
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from local.demo_data import OWNER
from local.identity import Identity
from local.payload import Request, Response
from local.sign_in import CLIENT_ID, CODE_SECONDS, SignIn

VERIFIER = "v" * 43
HOME = "http://127.0.0.1:3000/console"
ASKED = {
    "response_type": "code",
    "client_id": CLIENT_ID,
    "redirect_uri": HOME,
    "scope": "openid",
    "state": "a state & more",
    "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("="),
    "code_challenge_method": "S256",
}
TAKEN = {
    "grant_type": "authorization_code",
    "client_id": CLIENT_ID,
    "redirect_uri": HOME,
    "code_verifier": VERIFIER,
}


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(tmp_path / "state", 3000)


@pytest.fixture
def sign_in(identity: Identity) -> SignIn:
    return SignIn(identity)


def authorize(sign_in: SignIn, *cookies: str, **changes: str) -> Response:
    query = urlencode({name: value for name, value in {**ASKED, **changes}.items() if value})
    headers = [("cookie", cookie) for cookie in cookies]
    answer = sign_in.answer(Request("GET", "/issuer/authorize", query, headers, b""), b"")
    assert answer is not None
    return answer


def take(sign_in: SignIn, code: str, **changes: str) -> tuple[int, dict[str, str]]:
    body = urlencode({**TAKEN, "code": code, **changes}).encode()
    answer = sign_in.answer(Request("POST", "/issuer/token", "", [], body), body)
    assert answer is not None
    assert dict(answer.headers)["cache-control"] == "no-store"
    return answer.status, json.loads(answer.body)


def code_of(answer: Response) -> str:
    return parse_qs(urlsplit(dict(answer.headers)["location"]).query)["code"][0]


def test_a_code_is_a_token_for_who_was_chosen_once(sign_in: SignIn, identity: Identity) -> None:
    answer = authorize(sign_in, **{"as": "owner"})
    back = urlsplit(dict(answer.headers)["location"])
    said = parse_qs(back.query)
    assert (answer.status, f"{back.scheme}://{back.netloc}{back.path}") == (302, HOME)
    assert (said["state"], said["iss"]) == ([ASKED["state"]], [identity.issuer])
    status, granted = take(sign_in, said["code"][0])
    assert (status, granted["token_type"]) == (200, "Bearer")
    claims = jwt.decode(granted["access_token"], options={"verify_signature": False})
    assert claims["sub"] == OWNER
    assert take(sign_in, said["code"][0]) == (
        400,
        {"error": "invalid_grant", "error_description": "Sign in again."},
    )


def test_a_code_is_nothing_for_another(sign_in: SignIn) -> None:
    others = {
        "code_verifier": "another",
        "redirect_uri": "http://localhost:3000/console",
        "client_id": "another",
        "grant_type": "password",
    }
    for change in others.items():
        status, said = take(sign_in, code_of(authorize(sign_in, **{"as": "owner"})), **dict([change]))
        assert (status, "access_token" in said) == (400, False), change


def test_a_code_is_good_for_a_minute(sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("local.sign_in.time.monotonic", lambda: now)
    code = code_of(authorize(sign_in, **{"as": "owner"}))
    now += CODE_SECONDS + 1
    assert take(sign_in, code)[0] == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("redirect_uri", uri)
            for uri in (
                "https://127.0.0.1:3000/console",
                "http://elsewhere.example/console",
                "http://127.0.0.1:3000@elsewhere.example/console",
                "http://127.0.0.1:3000/console/other",
                "http://127.0.0.1:3000/console?next=x",
                "",
            )
        ),
        ("client_id", "another"),
        ("response_type", "token"),
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
    ],
)
def test_nobody_is_sent_where_the_console_is_not(sign_in: SignIn, name: str, value: str) -> None:
    answer = authorize(sign_in, **{"as": "owner", name: value})
    assert (answer.status, "location" in dict(answer.headers)) == (400, False)


def test_what_is_asked_cannot_write_into_the_page(sign_in: SignIn) -> None:
    page = authorize(sign_in, state='"><script>alert(1)</script>').body.decode()
    assert "<script" not in page
