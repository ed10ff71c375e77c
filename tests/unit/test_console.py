"""The console's page and files as its two functions answer them. A browser tries the rest."""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from wellspring_console.assets import STATIC, VENDOR, Asset, assets, by_served_name, imports
from wellspring_console.page import SignIn, content_security_policy, document, page, read_sign_in, record_types

from tests.support.events import event
from wellspring.handlers.open import KEPT_FOR_EVER, console_asset, console_page

# Contract, section 8, and the issue: what it may weigh in all.
LARGEST_BYTES = 120_000
ISSUER = "https://login.example.com/tenant"
OWN = [path for path in sorted(STATIC.iterdir()) if path.suffix == ".js"]


def links(html: str) -> tuple[list[str], list[str]]:
    """Return what a page names, and the attributes of its scripts; it has neither styles nor handlers of its own."""
    tags = re.findall(r"<(\w+)([^>]*)>", html)
    assert not [tag for tag in tags if re.search(r"\s(style|on\w+)\s*=", tag[1])]
    named = [url for _, attributes in tags for url in re.findall(r'(?:href|src)="([^"]+)"', attributes)]
    return named, [attributes for name, attributes in tags if name == "script"]


def settings(html: str) -> dict[str, Any]:
    """Return the settings in a page: whatever they hold, their element ends behind them."""
    (said,) = re.findall(r'<script[^>]* id="settings"[^>]*>(.*?)</script>', html, re.DOTALL)
    found: dict[str, Any] = json.loads(said)
    return found


@pytest.fixture
def fresh_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CONSOLE_ISSUER", ISSUER)
    monkeypatch.setenv("CONSOLE_CLIENT_ID", "console")
    page.cache_clear()
    yield
    page.cache_clear()


def asked_for(name: str, **headers: str) -> Any:
    asked = event("console_asset")
    asked["pathParameters"] = {"file": name}
    asked["headers"] |= headers
    return console_asset()(asked, None)


def unpacked(answer: Any) -> bytes:
    return gzip.decompress(base64.b64decode(answer["body"]))


@pytest.mark.usefixtures("fresh_page")
def test_the_page_is_compressed_html_that_caches_ask_for_each_time() -> None:
    answer = console_page()(event("console_page"), None)
    headers = answer["headers"]
    assert (answer["statusCode"], headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["cache-control"] == "no-cache"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == content_security_policy(SignIn(issuer=ISSUER))
    assert unpacked(answer).decode() == page()[0]
    conditional = event("console_page")
    conditional["headers"]["if-none-match"] = headers["etag"]
    assert console_page()(conditional, None)["statusCode"] == 304


def test_the_policy_names_this_origin_and_the_issuers_and_no_other() -> None:
    token_endpoint = "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/token"
    sign_in = SignIn(issuer=ISSUER, token_endpoint=token_endpoint)
    directives = dict(
        each.strip().partition(" ")[::2] for each in content_security_policy(sign_in).split(";") if each.strip()
    )
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["connect-src"] == f"'self' https://login.example.com {token_endpoint}"
    assert directives["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in str(directives)
    assert "connect-src 'self';" in content_security_policy(SignIn())


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://elsewhere.example",
        "https://elsewhere.example/",
        "http://elsewhere.example/oauth2/token",
        "https://*.example/oauth2/token",
        "https://elsewhere.example/token; script-src *",
        "https://elsewhere.example/token https://another.example/token",
    ],
)
def test_a_token_endpoint_is_one_address_or_none(endpoint: str) -> None:
    policy = content_security_policy(SignIn(issuer=ISSUER, token_endpoint=endpoint))
    assert "connect-src 'self' https://login.example.com;" in policy
    assert "elsewhere" not in policy


def test_the_page_names_its_files_by_hash_and_nothing_of_another_host() -> None:
    named, scripts = links(document(SignIn(issuer=ISSUER)))
    assert {url for url in named if url not in {"data:,", "/docs"}} == {f"/console/{name}" for name in by_served_name()}
    assert ["src=" in script for script in scripts] == [False, True]
    assert 'type="application/json"' in scripts[0]


def test_settings_cannot_end_their_element() -> None:
    hostile = "</script><script>alert(1)</script><!--"
    html = document(SignIn(issuer=ISSUER, client_id=hostile))
    assert settings(html)["client_id"] == hostile
    assert html.count("<script") == 2


def test_the_settings_are_the_deployments() -> None:
    said = {"CONSOLE_ISSUER": ISSUER, "CONSOLE_CLIENT_ID": "c", "CONSOLE_SCOPE": "", "PERSON_CLAIM": "person"}
    assert read_sign_in(said) == SignIn(issuer=ISSUER, client_id="c", scope="openid", person_claim="person")
    shown = settings(document(read_sign_in(said)))
    assert (shown["issuer"], shown["person_claim"]) == (ISSUER, "person")
    assert {one["type"]: one["label"] for one in record_types()}["people"] == "full_name"
    # By what an operator is known: nobody is one where nothing is said of it.
    assert (shown["operator_claim"], shown["operator_value"]) == ("", "")
    operators = said | {"OPERATOR_CLAIM": "groups", "OPERATOR_VALUE": "support"}
    shown_with_operators = settings(document(read_sign_in(operators)))
    assert (shown_with_operators["operator_claim"], shown_with_operators["operator_value"]) == ("groups", "support")
    # Whom the demo knows is not for a deployment to tell.
    assert "owner" not in json.dumps(shown)


@pytest.mark.parametrize("asset", assets().values(), ids=assets().keys())
def test_a_file_is_served_for_ever_under_the_hash_of_its_content(asset: Asset) -> None:
    answer = asked_for(asset.name)
    headers = answer["headers"]
    assert (answer["statusCode"], headers["content-type"]) == (200, asset.media_type)
    assert headers["cache-control"] == KEPT_FOR_EVER
    assert headers["content-encoding"] == "gzip"
    assert headers["x-content-type-options"] == "nosniff"
    content = unpacked(answer)
    assert content == asset.content
    assert hashlib.sha256(content).hexdigest().startswith(asset.name.split(".")[-2])
    plain = asked_for(asset.name, **{"accept-encoding": "identity"})
    assert plain["body"].encode() == content
    assert plain["headers"]["etag"] != headers["etag"]
    assert asked_for(asset.name, **{"if-none-match": headers["etag"]})["statusCode"] == 304


@pytest.mark.parametrize("name", ["main.js", "main.0000000000000000.js", "../page.py", "", "vendored.json"])
def test_what_the_page_does_not_name_is_404(name: str) -> None:
    answer = asked_for(name)
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["errors"][0]["code"] == "NOT_FOUND"
    assert "cache-control" not in answer["headers"] or "immutable" not in answer["headers"]["cache-control"]


def test_all_of_it_is_small() -> None:
    served = [document(SignIn()).encode(), *(asset.content for asset in assets().values())]
    assert sum(len(gzip.compress(content)) for content in served) < LARGEST_BYTES


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_our_modules_make_no_markup_no_code_and_keep_no_token(path: Any) -> None:
    text = path.read_text()
    assert not re.search(
        r"\beval\(|\bFunction\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\bimport\(", text
    )
    assert not re.search(r"https?://", text)
    assert "localStorage" not in text
    assert "cookie" not in text
    assert ("sessionStorage" in text) == (path.name == "session.js")


def test_every_module_of_ours_is_reached_from_the_first() -> None:
    reached: set[str] = set()
    ahead = ["main.js"]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            folder = STATIC if (STATIC / name).exists() else VENDOR
            ahead += imports((folder / name).read_text())
    assert reached == {name for name in assets() if name.endswith(".js")}
    for name in reached:
        assert set(imports(assets()[name].content.decode())) <= set(by_served_name()), name
