"""Hostile input in every part of a request: a 4xx that says nothing back, and a log that says nothing at all.

Each test takes the good request of a route and spoils one part of it with each value of a table; what is done all the
same is undone. What is spoilt is never repeated in an answer, but for the names that `source` points with.
"""

import base64
import importlib
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

import wellspring
from local.lambdas import LARGEST_PAYLOAD
from local.openapi.parameters import WITH_VIEW
from local.openapi.parameters import parameters as declared
from tests.access.good_requests import (
    CLOSED,
    ROUTES,
    WITH_DOCUMENT,
    Good,
    Path,
    Requests,
    named,
    of_routes,
    pks_in,
    places,
    replaced,
    secrets_in,
)
from tests.support.api import NOWHERE, PIPELINE, Reply, call, event, send
from wellspring.errors import AlreadyExists, NotFound, WellspringError
from wellspring.jsonapi.body import MAX_BODY_BYTES, MAX_FIELDS
from wellspring.jsonapi.query import CURSORS, RANGE_OPERATORS
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import resources
from wellspring.routes import Route

# In whatever is long enough to be told from an answer's own words.
MARK = "quetzal"
LONG = 20_000
DEEP = 100_000
SIX_MEGABYTES = 6_000_000

# One of each kind; the rest goes where all of a table can be said at once.
FEW = (
    *(
        f"{NOWHERE}\x00",
        f"{MARK}\ud800",
        MARK * (LONG // len(MARK)),
        f"{NOWHERE}\n",
        f"<script>alert('{MARK}')</script>",
    ),
    *(f"{NOWHERE}'; DROP TABLE core_api.{MARK}; /*", f'{MARK}\r\n{{"level":"ERROR","message":"{MARK}"}}'),
)
TEXTS = (
    *FEW,
    *("\x00", " ", f"\udfff{MARK}", f"{MARK}\udc00\ud800", f"{MARK}\U0001f4a3\U0010ffff", f"{{{NOWHERE}}}"),
    *(f"urn:uuid:{NOWHERE}", UUID(NOWHERE).hex, NOWHERE.replace("3", "\uff13"), ",".join([NOWHERE] * (LONG // 37))),
    *(f"{MARK}' OR '1'='1' --", f"$${MARK}$$; SELECT pg_sleep(10)", f"{MARK}\\' \\\\ \\x00 \\u0000", f"%{MARK}_*"),
    *(f"%s %(id)s :id $1 ? {{0}} {{0.__class__}} {MARK}", f"{MARK}\r\nset-cookie: sid={MARK}"),
    *(f"{MARK}\u2028\u2029\x85\x0b\x0c", f"\x1b[2J\x1b]0;{MARK}\x07\x9b31m", f'"}}]}},"{MARK}":{{"'),
    *(f"${{jndi:ldap://{MARK}.example/}}", f"../../../{MARK}", f"//{MARK}.example/"),
)
INSTANTS = (
    *("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "294277-01-09T04:00:55Z", "-4713-11-24T00:00:00Z"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"),
    *(f"2026-05-10T12:00:00{offset}" for offset in ("+99:99", "+24:00", "", "EST")),
    *("2026-02-30T00:00:00Z", "2026-05-10T24:00:01Z", "2026-05-10T12:00:00.Z", "infinity", "now()"),
)
# The first and the last that there are.
EDGES = ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999Z")
NUMBERS = ("-1", "0", "501", "9223372036854775808", "9" * LONG, "1e400", "1_0", "\u0663", "NaN")
VALUES = (*TEXTS, *INSTANTS, *NUMBERS)
# What has no place in a name, and what no answer can repeat.
NO_TEXTS = tuple(text for text in TEXTS if re.search("[\ud800-\udfff]", text))
NAMES = (
    *(*TEXTS, *(MARK + bracket for bracket in ("[", "]", "[]", "[][]", "[a]b", "][", "[a][b][c]"))),
    # What others call a parameter, and how clients write one that is known.
    *("foo", "limit", "cursor", "offset", "q", "search", "Include", "sort[created_at]", "include[]", "ext:param", "é"),
)
QUERY_STRINGS = (
    *("&" * 10, "=", "==", "=&=", "+", ";", "?", "#", "[", "]", "[]", "page", "page[", "page[]", "page[size"),
    *("filter", "filter[]", "filter[[", "filter[]]", "fields", "fields[]", "fields[[]]", "sort[]"),
    *("sort=&sort=", "include=&include=", "page[size]=1&" * LONG, "&".join(f"a{number}" for number in range(101))),
    *(character * LONG for character in ("&", "a&", "=", "%", "%00", "[", "+")),
)
FORMS = ("{}", "filter[{}]", "filter[created_at][{}]", "fields[{}]", "page[{}]")
# What JSON can say where a text or an object belongs.
ODDITIES: tuple[Any, ...] = (
    *(None, 10**400, [], {"data": {}}, {f"{MARK}{number}": 0 for number in range(1000)}),
    {"data": [{"type": MARK, "id": MARK}] * 501},
)
# As they stand in a URL.
ENCODED = (
    *("%", "%zz", "%0", "%ff", "%fe%ff", "%c0%af", "%c0%80", "%e0%80%af", "%f4%90%80%80", "%ed%a0%80", "%c3"),
    *("%00", "%0d%0aset-cookie:%20a=b", "%u0041", "%25%30%30", "%2e%2e%2f"),
)
# What takes a careless regular expression longer than anybody waits.
RIDDLES = (
    *('"a"' + ", " * LONG + "x", '"a"' + " " * LONG + "x", "," * LONG, ";" * LONG, '"\\' * LONG, '"' * LONG),
    *("W/" * LONG, 'W/"' * LONG, 'a/b;c="' * LONG, "a" * LONG, "a/" * LONG, "a/b" + "; a=b" * LONG),
    *(f"{MEDIA_TYPE};" + " " * LONG + '"', " " * LONG + "x", '*/*;q="' + "\\" * LONG, "*/*;q=" + "9" * LONG),
    *("*/*;q=nan", "*/*;q=-inf", f'{MEDIA_TYPE};profile="{" " * LONG}'),
)


def _kinds(error: type[WellspringError]) -> Iterator[type[WellspringError]]:
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)


TITLES = {kind.code: kind.title for kind in _kinds(WellspringError)} | {
    error.code: error.title
    for resource in resources()
    for error in (NotFound("", resource_type=resource.type), AlreadyExists("", resource_type=resource.type))
}


@pytest.fixture(autouse=True)
def the_log_tells_nothing(log: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail each test in whose log there is anything of the requests, or of the world."""
    yield
    written = json.dumps(log, ensure_ascii=False) + caplog.text
    assert secrets_in(written, MARK, NOWHERE, "set-cookie", "<script") == []
    assert all(re.fullmatch(r"[\x20-\x7e]*", str(value)) for line in log for value in line.values())


@lru_cache(maxsize=64)
def faults_of(body: str) -> list[str]:
    """Return what no body may have; one and the same, such as the API's description, is looked at once."""
    try:
        # A lone surrogate is no text, and no transport's.
        body.encode()
    except UnicodeEncodeError as error:
        return [error.reason]
    too_large = ["too large"] if len(json.dumps(body)) >= LARGEST_PAYLOAD else []
    return too_large + (pks_in(json.loads(body)) if body.startswith("{") else [])


def told(reply: Reply, *, name: bool = False) -> None:
    """Check what every answer to a spoilt request is like."""
    assert 200 <= reply.status < 500
    for value in reply.headers.values():
        assert re.fullmatch(r"[\x20-\x7e]*", value)
    assert faults_of(reply.body) == []
    if reply.status < 400:
        return
    assert reply.headers["content-type"] == MEDIA_TYPE
    assert not {"etag", "location", "set-cookie"} & reply.headers.keys()
    assert reply.document.keys() == {"jsonapi", "errors"}
    said = deepcopy(reply.document)
    for error in said["errors"]:
        assert error["id"] == reply.request_id
        assert error["status"] == str(reply.status) or reply.status == 400
        assert error["title"] == TITLES[error["code"]]
        source = error.get("source", {})
        assert all(isinstance(value, str) for value in source.values())
        assert source.keys() <= {"pointer", "parameter", "header"}
        if name:
            error.pop("source", None)
    assert secrets_in(json.dumps(said, ensure_ascii=False), MARK, NOWHERE) == []


def spoilt(requests: Requests, good: Good, *, name: bool = False, **changes: Any) -> Reply:
    """Ask with something else in some parts of a good request, and check the answer as `told` does."""
    reply = requests.ask(good.but(**changes))
    try:
        told(reply, name=name)
    except AssertionError as error:
        error.add_note(f"{reply.status} {reply.body:.300}")
        error.add_note(ascii(changes)[:500])
        raise
    return reply


def with_all(document: Any, paths: Iterable[Path], value: Any) -> Any:
    """Return a document with the same value in several places."""
    for path in paths:
        document = replaced(document, path, value)
    return document


def fields(route: Route) -> Iterator[tuple[str, ...]]:
    """Give the path to each field that the route's resource has, whoever may say it."""
    assert route.resource is not None
    for attribute in route.resource.attributes:
        yield ("data", "attributes", attribute.name)
    for relationship in route.resource.relationships:
        for rest in ((), ("data",), ("data", "id"), ("data", "type")):
            yield ("data", "relationships", relationship.name, *rest)


def parameters(route: Route) -> list[str]:
    """Return the query parameters of a route whose values have a form; for one that knows none, a name."""
    if route.resource is None or route.operation not in WITH_VIEW:
        return ["x"]
    known = [found for _, found in declared(route, route.resource) if found["in"] == "query"]
    items = {found["name"]: found["schema"].get("items", found["schema"]) for found in known}
    free = {
        name
        for name, said in items.items()
        if said.get("type") == "string" and not {"enum", "const", "format"} & {*said}
    }
    return [name for name in items if name in CURSORS or name not in free]


def encoded(text: str) -> str:
    """Return a text as it stands in a query string."""
    return quote(text, safe="", errors="surrogatepass")


def refusal(good: Good, status: int) -> int:
    """Return the status of a request that is wrong in a way that has a status of its own.

    What asks nothing of a request is not spoilt by it, and 403 comes before everything.
    """
    return good.status if good.route.resource is None or good.status == 403 else status


of_every_route = of_routes(ROUTES)
of_each_with_a_path = of_routes(route for route in ROUTES if "{" in route.path)
of_each_with_a_document = of_routes(WITH_DOCUMENT)
of_each_without = of_routes(route for route in ROUTES if route.method not in {"POST", "PATCH"})
# Which parts of these are read does not depend on the resource.
OF_EACH_OPERATION = {(route.operation, bool(route.resource)): route for route in CLOSED}.values()
of_each_operation = pytest.mark.parametrize(
    "route",
    [
        pytest.param(route, marks=() if route.operation in {"list", "create"} else pytest.mark.long)
        for route in OF_EACH_OPERATION
    ],
    ids=named,
)


# ---- the good requests ---------------------------------------------------------------------------------
@of_every_route
def test_what_is_spoilt_below_is_good(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    assert spoilt(requests, good).status == good.status


# ---- paths ---------------------------------------------------------------------------------------------
@of_each_with_a_path
def test_what_is_no_id_in_a_path_is_absent(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    # A document that says the id too contradicts the path.
    expected = refusal(good, 409 if route.operation == "update" else 404)
    for name in good.parameters:
        for value in VALUES:
            assert spoilt(requests, good, parameters={**good.parameters, name: value}).status == expected
        for value in ENCODED:
            url = route.path.format(**{**good.parameters, name: value})
            reply = call(route.method, url, good.caller, good.document)
            told(reply)
            assert reply.status in {403, 404, 409}


PATHS = (
    *("/{}", "{}", "/v1/{}", "/v1/{}/", "/v1/workspace-groups/{}/", "/v1/workspace-groups/{}/workspaces/{}/"),
    *("/v1/workspace-groups//{}/", "//{}/v1/workspace-groups/", "/v1/workspace-groups/{}////", "/docs/{}"),
)


@pytest.mark.parametrize("pattern", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "BREW\r\n"])
def test_a_path_that_no_route_has_is_404_405_or_308_without_a_word_of_it(pattern: str, method: str) -> None:
    for value in (*VALUES, "/" * LONG, "a/" * LONG):
        reply = send(event(pattern.replace("{}", value), "", PIPELINE, method=method, route="$default"))
        told(reply)
        assert reply.status in {404, 405, 308}
        location = reply.headers.get("location", "/v1/")
        assert location.startswith("/v1/") or location == "/docs"
        assert re.fullmatch(r"[\w/%.~?=&:-]*", location, re.ASCII)


# ---- queries -------------------------------------------------------------------------------------------
@of_every_route
def test_a_value_of_no_form_in_a_query_is_400_and_names_its_parameter(requests: Requests, route: Route) -> None:
    good, known = requests.good(route), parameters(route)
    # One cursor at a time; all others tell their problems together.
    for asked in ([name for name in known if name not in CURSORS], *([name] for name in known if name in CURSORS)):
        for value in VALUES if route.resource else FEW:
            given = good.query if good.query.partition("=")[0] not in asked else ""
            reply = spoilt(requests, good, query="&".join([given, *(f"{name}={encoded(value)}" for name in asked)]))
            assert reply.status == refusal(good, 400)
            if reply.status == 400 and value not in NO_TEXTS:
                # Whose activity it is may be said in one way, so both have a problem more.
                both = ["filter[workspace]"] if {"filter[date][gte]", "filter[workspace]"} <= {*asked} else []
                assert reply.sources == [{"parameter": name} for name in (*asked, *both)]
    for value in (*ENCODED, *NO_TEXTS):
        query = "&".join(f"{name}={value}" for name in known if name != "page[before]")
        assert spoilt(requests, good, query=query).status == refusal(good, 400)


@of_every_route
def test_a_name_in_a_query_comes_back_in_its_source_and_nowhere_else(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    for form in FORMS:
        written = [form.replace("{}", name) for name in NAMES if name not in NO_TEXTS]
        query = "&".join([good.query, *(f"{encoded(name)}=1" for name in written)])
        reply = spoilt(requests, good, name=True, query=query)
        assert reply.status == refusal(good, 400)
        if reply.status == 400:
            assert reply.sources == [{"parameter": name} for name in written]
        for name in NO_TEXTS:
            assert spoilt(requests, good, query=f"{encoded(form.replace('{}', name))}=1").status == refusal(good, 400)


@of_every_route
def test_a_query_string_of_no_form_is_400_or_means_nothing(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    # A person who names no workspace reads no audit.
    expected = {good.status, 400, *([403] if route.function == "audit_entry.list" else [])}
    # Names as no gateway would send them: which are read does not depend on the resource.
    raw = [form.replace("{}", name).replace("&", "") for name in NAMES for form in FORMS[:2]]
    for query in (*QUERY_STRINGS, *(raw if route.resource and route in OF_EACH_OPERATION else ())):
        assert spoilt(requests, good, name=True, query=query).status in expected


@of_routes(route for route in ROUTES if route.operation == "list")
def test_the_first_and_the_last_times_there_are_are_times(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    # A range is read in its own order, and that of the deleted has the deleted only.
    assert route.resource is not None
    for name in route.resource.times:
        deleted = "&filter[deleted]=only" if name == "deleted_at" else ""
        for edge in EDGES:
            ranges = "&".join(f"filter[{name}][{operator}]={edge}" for operator in RANGE_OPERATORS)
            for sort in (name, f"-{name}"):
                assert spoilt(requests, good, query=f"sort={sort}{deleted}&{ranges}").status == 200


# ---- headers -------------------------------------------------------------------------------------------
IGNORED = (
    *("authorization", "cookie", "host", "user-agent", "referer", "origin", "forwarded", "x-forwarded-for"),
    *("x-forwarded-host", "x-request-id", "x-amzn-trace-id", "x-http-method-override", "x-original-url", "prefer"),
    *("range", "expect", "transfer-encoding", "accept-language", "accept-encoding", "accept-charset"),
)


@of_every_route
def test_headers_that_mean_nothing_here_change_nothing(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    for first in range(0, len(TEXTS), len(IGNORED)):
        values = TEXTS[first : first + len(IGNORED)]
        headers = dict(zip(IGNORED, values * len(IGNORED), strict=False)) | {value: value for value in values}
        if route.operation == "mcp":
            # Its protocol has it checked.
            del headers["origin"]
        assert spoilt(requests, good, headers={**good.headers, **headers}).status == good.status


@pytest.mark.parametrize("function", ["docs.page", "openapi.document"])
def test_codings_and_tags_of_no_form_are_refused_or_change_nothing(requests: Requests, function: str) -> None:
    (route,) = (route for route in ROUTES if route.function == function)
    good = requests.good(route)
    for value in (*TEXTS, *RIDDLES):
        reply = spoilt(requests, good, headers={"accept-encoding": value})
        assert (reply.status, "content-encoding" in reply.headers) == (200, False)
        assert spoilt(requests, good, headers={"accept-encoding": f"gzip;q={value}"}).status == 200
        assert spoilt(requests, good, headers={"if-none-match": value}).status in {200, 400}


@of_each_operation
def test_a_header_of_no_form_is_refused_or_changes_nothing(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    if route.operation == "mcp":
        pytest.skip("its headers are the protocol's: tests/agents/test_protocol.py")
    refusals = {"accept": {406}, "content-type": {415}, "if-match": {400, 412}, "if-none-match": {400}}
    for header, statuses in (refusals | {"idempotency-key": {400}}).items():
        for value in (*FEW, *RIDDLES):
            reply = spoilt(requests, good, headers={header: value})
            assert reply.status in statuses | {good.status}
            if reply.status in statuses - {good.status}:
                assert [source["header"].lower() for source in reply.sources] == [header]


def test_no_regular_expression_can_be_made_to_try_again_and_again() -> None:
    """Each repeat without bound is possessive: what it took it never gives back, so nothing is read twice."""
    known = {
        f"{module.name}.{name}": value
        for module in pkgutil.walk_packages(wellspring.__path__, "wellspring.")
        if not module.name.endswith("__main__")
        for name, value in vars(importlib.import_module(module.name)).items()
        if isinstance(value, re.Pattern)
    }
    assert {"wellspring.handlers.preconditions._TAGS", "wellspring.jsonapi.media._ELEMENT"} <= known.keys()
    assert {name: pattern.pattern for name, pattern in known.items() if gives_back(pattern)} == {}
    assert all(gives_back(re.compile(careless)) for careless in (r"a*", r"(?:a|b)+?", r"x(?:,a{2,})*+"))
    assert not gives_back(re.compile(r"(?:,\s*+[a-z]{1,9})*+x?"))


def gives_back(pattern: re.Pattern[str]) -> bool:
    """Say whether a regular expression has a repeat without bound that may give back what it took."""
    parser = importlib.import_module("re._parser")

    def steps(tree: Any) -> Iterator[tuple[Any, Any]]:
        for step in tree:
            match step:
                case parser.SubPattern() | list() | tuple():
                    if isinstance(step, tuple) and len(step) == 2:
                        yield step
                    yield from steps(step)

    greedy = {parser.MAX_REPEAT, parser.MIN_REPEAT}
    parsed = steps(parser.parse(pattern.pattern, pattern.flags))
    return any(operation in greedy and argument[1] is parser.MAXREPEAT for operation, argument in parsed)


# ---- bodies --------------------------------------------------------------------------------------------
@of_each_with_a_document
def test_a_value_of_no_form_in_a_document_is_refused(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    for path in dict.fromkeys([*dict(places(good.document)), *fields(route)]):
        for value in FEW:
            reply = spoilt(requests, good, document=replaced(good.document, path, value))
            if path[-1:] == ("name",) and reply.status in {200, 201}:
                # A text like any other, and it is kept to the letter.
                assert reply.data["attributes"]["name"] == value
            else:
                assert 400 <= reply.status < 500
        for value in ODDITIES:
            spoilt(requests, good, name=True, document=replaced(good.document, path, value))


@of_each_with_a_document
def test_values_of_no_form_in_a_document_are_pointed_to_together(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    said = [path for path, _ in places(good.document) if path[1:2] == ("attributes",) and len(path) == 3]
    related = [path for path, _ in places(good.document) if path[1:2] == ("relationships",) and path[-1] == "id"]
    for value in VALUES:
        reply = spoilt(requests, good, document=with_all(good.document, (*said, *related), value))
        is_name = ("data", "attributes", "name") in said and re.fullmatch(
            r"(?!\s*$)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,500}", value
        )
        wrong = related if is_name else (*said, *related)
        if not wrong:
            assert reply.status == 200
            continue
        assert reply.status == 403 or {source["pointer"] for source in reply.sources} == {
            "/" + "/".join(map(str, path)) for path in wrong
        }


@of_each_with_a_document
def test_fields_that_nobody_knows_are_pointed_to_and_other_members_are_ignored(
    requests: Requests, route: Route
) -> None:
    good = requests.good(route)
    tokens = [name.encode(errors="replace").decode().replace("~", "~0").replace("/", "~1") for name in NAMES]
    for place in (("data", "attributes"), ("data", "relationships"), (), ("data",)):
        document = with_all(good.document, [(*place, name) for name in NAMES], MARK)
        reply = spoilt(requests, good, name=True, document=document)
        assert reply.status == (refusal(good, 422) if place[1:] else good.status)
        if reply.status == 422:
            assert reply.sources == [{"pointer": f"/{'/'.join(place)}/{token}"} for token in tokens]


def bodies(good: Good) -> Iterator[str]:
    """Give texts that are no document for a route; what is no JSON for any is in tests/unit/test_strict_json.py."""
    text = json.dumps(good.document)
    yield from ("", " ", "{", "[]", "null", "0", '""', "undefined", "[" * DEEP, "[" * DEEP + "]" * DEEP, text + text)
    yield from (text[:-1], text + "\x00", "\ufeff" + text, text.replace('"', "\u201d"), text.replace(" ", "\xa0"))
    yield from ('{"data":' * DEEP + "{}" + "}" * DEEP, text.replace('{"data"', '{"x": NaN, "data"', 1))
    yield from (text.replace('{"data"', f'{{"{name}": null, "data"', 1) for name in ("data", "\\u0064ata", "\ud800"))
    yield text.replace('{"type"', '{"type": null, "type"', 1)


@of_each_with_a_document
def test_what_is_no_document_is_415_413_or_400(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    for value in TEXTS:
        assert spoilt(requests, good, headers={"content-type": value}).status == 415
    for body in bodies(good):
        assert spoilt(requests, good, document=None, body=body).status == refusal(good, 400)
    spaces = json.dumps(good.document) + " " * SIX_MEGABYTES
    for body in (spaces, f'"{"a" * SIX_MEGABYTES}"', "[" * SIX_MEGABYTES, MARK * SIX_MEGABYTES):
        reply = spoilt(requests, good, document=None, body=body[:SIX_MEGABYTES])
        assert reply.status == refusal(good, 413)
        assert reply.codes == ["FORBIDDEN" if good.status == 403 else "PAYLOAD_TOO_LARGE"]


NO_UTF8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3", b"\xe2\x82")


@of_each_with_a_document
def test_bytes_that_are_no_utf8_are_400(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    text, sent = json.dumps(good.document), good.event
    encodings = [text.encode(encoding) for encoding in ("utf-16", "utf-32", "utf-8-sig")]
    for body in (*encodings, *(text.encode().replace(b'{"data"', b'{"' + bad + b'": 0, "data"', 1) for bad in NO_UTF8)):
        written = base64.b64encode(body).decode()
        for spoilt_so in (written, written[:-1] + "é", "\ud800", "=", "a"):
            reply = send(sent | {"body": spoilt_so, "isBase64Encoded": True})
            told(reply)
            assert reply.status == refusal(good, 400)


@of_each_with_a_document
def test_a_document_full_of_problems_is_told_one_for_all_of_a_kind(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    for member in ("attributes", "relationships"):
        for count, length in ((MAX_FIELDS + 1, 1), (90_000, 1), (MAX_FIELDS, MAX_BODY_BYTES // MAX_FIELDS - 100)):
            flood = {f"{number:x}".rjust(length, "~"): 0 for number in range(count)}
            reply = spoilt(requests, good, name=True, document=replaced(good.document, ("data", member), flood))
            assert reply.status == refusal(good, 422)
            if reply.status == 422 and count > MAX_FIELDS:
                assert {"pointer": f"/data/{member}"} in reply.sources
                assert len(reply.errors) < 10


@of_each_without
def test_a_body_that_nobody_reads_changes_nothing(requests: Requests, route: Route) -> None:
    good = requests.good(route)
    for body in (MARK * (SIX_MEGABYTES // len(MARK)), "[" * DEEP, "\x00", "\ud800", '{"data": {"id": 1}}', "NaN"):
        assert spoilt(requests, good, body=body).status == good.status
