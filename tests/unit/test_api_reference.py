"""The page `GET /docs` as a file: whole, small, and allowed to run by its own policy. A browser tries the rest."""

import base64
import gzip
import hashlib
import re
from urllib.parse import unquote

from local.openapi import document
from wellspring.apidocs.page import CONTENT_SECURITY_POLICY, page

HTML = gzip.decompress(page()).decode()
LAMBDAS_LIMIT = 6 * 1024 * 1024


def elements(name: str) -> list[str]:
    return re.findall(rf"<{name}>(.*?)</{name}>", HTML, re.DOTALL)


def allowed(directive: str) -> set[str]:
    directives = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    return set(directives[directive].split())


def hashes(texts: list[str]) -> set[str]:
    return {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts}


def test_the_policy_allows_exactly_the_scripts_and_styles_of_the_page() -> None:
    assert allowed("default-src") == {"'none'"}
    # Swagger UI holds the text `<script>` itself, so that only the page's own two are taken.
    _, _, body = HTML.partition("<main")
    scripts = re.split(r"</script>\n<script>|</script>\n</body>", body[body.index("<script>") + len("<script>") :])[:-1]
    assert len(scripts) == 2
    assert allowed("script-src") == hashes(scripts)
    assert len(elements("style")) == 2
    assert allowed("style-src") == hashes(elements("style"))


def test_the_page_asks_nobody_but_its_own_origin() -> None:
    assert allowed("connect-src") == {"'self'"}
    assert allowed("img-src") == {"data:"}
    markup = re.sub(r"<(style|script)>.*?</\1>", "", HTML, flags=re.DOTALL)
    followed = re.findall(r'(?:src|href)="([^"]*)"', markup)
    assert [link for link in followed if not link.startswith("#")] == ["data:,", "/v1/openapi.json"]


def test_every_task_leads_to_an_operation_under_its_tag() -> None:
    described = {
        operation["operationId"]: operation["tags"]
        for item in document()["paths"].values()
        for operation in item.values()
    }
    tasks = re.findall(r'<li><a href="#/([^/]+)/(\w+)">[^<]+</a></li>', HTML)
    assert len(tasks) == HTML.partition("<main")[0].count("<li>") > 10
    assert {operation: [unquote(tag)] for tag, operation in tasks}.items() <= described.items()


def test_the_page_says_its_language_and_title_and_where_its_source_is_without_a_script() -> None:
    assert HTML.startswith('<!doctype html>\n<html lang="en">')
    assert elements("title") == ["Wellspring API"]
    (without_script,) = elements("noscript")
    assert '<a href="/v1/openapi.json">' in without_script


def test_the_answer_stays_far_below_what_a_function_may_answer() -> None:
    assert len(base64.b64encode(page())) < LAMBDAS_LIMIT / 6
