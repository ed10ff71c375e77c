"""JSON:API 1.1, "Content Negotiation"; RFC 9110, sections 8.3 and 12.5.1."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.jsonapi.conftest import LISTS, ROUTES, Tenant, list_url, of_every_type, refusal
from tests.support.api import PIPELINE, READER, Reply, call, delete, get, post, service
from tests.support.databases import Database
from wellspring.jsonapi.values import CURSOR_PAGINATION, MEDIA_TYPE, PROFILED

COMPANIES = "/v1/company-workspace-connectors"
EXT = "https://example.com/ext"
OTHER = "https://example.com/profile"


def test_what_is_spoken_is_settled_before_what_may_be_done(ours: Tenant) -> None:
    never = service("sync:write")
    assert get(COMPANIES, never).codes == ["FORBIDDEN"]
    assert get(COMPANIES, never, accept="text/html").codes == ["NOT_ACCEPTABLE"]
    reply = call("POST", COMPANIES, ours.caller, body="{}", headers={"content-type": "application/json"})
    assert reply.codes == ["UNSUPPORTED_MEDIA_TYPE"]


ACCEPTABLE = {
    "nothing said": "",
    "anything": "*/*",
    "any application": "application/*",
    "the media type": MEDIA_TYPE,
    "in capitals": MEDIA_TYPE.upper(),
    "with a weight": f"{MEDIA_TYPE};q=0.001",
    "with a weight in capitals and blanks": f"{MEDIA_TYPE} ; Q=0.5",
    "with an unknown profile": f'{MEDIA_TYPE};profile="{OTHER}"',
    "with several profiles": f'{MEDIA_TYPE};profile="{OTHER} {CURSOR_PAGINATION}"',
    "with a profile that is a token": f"{MEDIA_TYPE};profile=plain",
    "with an empty list of extensions": f'{MEDIA_TYPE};ext=""',
    "with an empty parameter": f"{MEDIA_TYPE};",
    "among others": f"text/html, {MEDIA_TYPE};q=0.1",
    "among empty elements": f", ,{MEDIA_TYPE},",
    "beside an instance with a foreign parameter": f"{MEDIA_TYPE};charset=utf-8, {MEDIA_TYPE}",
    "beside an instance with an extension": f'{MEDIA_TYPE};ext="{EXT}", {MEDIA_TYPE};profile="{OTHER}"',
    "unweighted beside a refusal of a profile": f'{MEDIA_TYPE};profile="{OTHER}";q=0, {MEDIA_TYPE}',
    "by wildcard after others": "text/html, application/json;q=0.9, */*;q=0.1",
    "by the wildcard that is more specific": "*/*;q=0, application/*",
    "named, though wildcards refuse": f"*/*;q=0, application/*;q=0, {MEDIA_TYPE}",
    "with a comma inside a quoted value": f'{MEDIA_TYPE};profile="https://example.com/a,b"',
    "with an escaped quote inside a quoted value": rf'{MEDIA_TYPE};profile="a\", text/html"',
    "after a quoted value that names another": rf'text/html;a="x\", {MEDIA_TYPE};ext=\"y", {MEDIA_TYPE}',
}
REFUSED = {
    "JSON alone": "application/json",
    "HTML alone": "text/html",
    "several others": "text/html, application/json;q=0.5, image/*",
    "what begins alike": f"{MEDIA_TYPE}-seq",
    "no media range at all": "json",
    "a foreign parameter": f"{MEDIA_TYPE};charset=utf-8",
    "a version": f"{MEDIA_TYPE};version=1.1",
    "a foreign parameter beside a profile": f'{MEDIA_TYPE};profile="{OTHER}";charset=utf-8',
    "an unsupported extension": f'{MEDIA_TYPE};ext="{EXT}"',
    "an unsupported extension and a profile": f'{MEDIA_TYPE};profile="{CURSOR_PAGINATION}"; EXT="{EXT} {OTHER}"',
    "a foreign parameter in one instance and an extension in the other": (
        f'{MEDIA_TYPE};charset=utf-8, {MEDIA_TYPE};ext="{EXT}"'
    ),
    "a foreign parameter, whatever a wildcard says": f"{MEDIA_TYPE};charset=utf-8, */*",
    "an extension, whatever a wildcard says": f'{MEDIA_TYPE};ext="{EXT}", application/*, */*',
    "a weight of zero": f"{MEDIA_TYPE};q=0",
    "a weight of zero in three decimals": f"{MEDIA_TYPE};q=0.000",
    "a weight of zero, whatever a wildcard says": f"{MEDIA_TYPE};q=0, application/*, */*",
    "a wildcard of weight zero": "*/*;q=0",
    "the more specific wildcard of weight zero": "application/*;q=0, */*",
    "the media type inside a quoted value": f'text/html;a="{MEDIA_TYPE}"',
    "the media type behind a comma inside a quoted value": f'text/html;a="b, {MEDIA_TYPE}"',
    "the media type behind an escaped quote": rf'text/html;a="b\", {MEDIA_TYPE}"',
    "a weight that is none": f"{MEDIA_TYPE};q=high",
}


@pytest.mark.parametrize("accept", ACCEPTABLE.values(), ids=ACCEPTABLE)
def test_an_acceptable_answer_is_sent_to_who_accepts(database: Database, accept: str) -> None:
    for url, status in ((COMPANIES, 200), (f"{COMPANIES}/{uuid4()}", 404)):
        reply = get(url, READER, accept=accept)
        assert reply.status == status
        assert reply.headers["content-type"].partition(";")[0] == MEDIA_TYPE


@pytest.mark.parametrize("accept", REFUSED.values(), ids=REFUSED)
def test_who_accepts_nothing_that_is_spoken_here_is_told_406(accept: str) -> None:
    for url in (COMPANIES, f"{COMPANIES}/{uuid4()}", *ROUTES):
        reply = get(url, READER, accept=accept)
        assert refusal(reply) == (406, "NOT_ACCEPTABLE", {"header": "Accept"})
        # There is no other language to say it in.
        assert reply.headers["content-type"] == MEDIA_TYPE


def test_406_changes_nothing(ours: Tenant) -> None:
    before = get(COMPANIES, READER).ids
    url = ours.url("company_workspace_connector")
    assert post(COMPANIES, PIPELINE, ours.draft(), accept="text/html").status == 406
    assert delete(url, PIPELINE, accept="text/html").status == 406
    assert get(COMPANIES, READER).ids == before


SPOKEN = {
    "the media type": MEDIA_TYPE,
    "in capitals": MEDIA_TYPE.upper(),
    "with an unknown profile": f'{MEDIA_TYPE};profile="{OTHER}"',
    "with the profile of lists": PROFILED,
    "with a quoted comma and an escaped quote": rf'{MEDIA_TYPE}; profile="a,b\"c"',
    "with an empty list of extensions": f'{MEDIA_TYPE};ext=""',
}
WITH_PARAMETERS = {
    "a charset": f"{MEDIA_TYPE};charset=utf-8",
    "a version": f"{MEDIA_TYPE}; version=1.1",
    "a foreign parameter beside a profile": f'{MEDIA_TYPE};profile="{OTHER}";charset="utf-8"',
    "an extension": f'{MEDIA_TYPE};ext="{EXT}"',
    "an extension beside a profile": f'{MEDIA_TYPE};profile="{OTHER}"; ext="{EXT}"',
    "an extension that is a token": f"{MEDIA_TYPE};ext=https",
}
FOREIGN = {
    "JSON": "application/json",
    "a form": "application/x-www-form-urlencoded",
    "nothing": "",
    "what begins alike": f"{MEDIA_TYPE}-seq",
    "no media type at all": "json",
    "two media types": f"{MEDIA_TYPE}, {MEDIA_TYPE}",
    "the media type inside a quoted value": f'text/plain;a="{MEDIA_TYPE}"',
}


@pytest.mark.parametrize("content_type", SPOKEN.values(), ids=SPOKEN)
def test_a_body_of_the_media_type_is_read(ours: Tenant, content_type: str) -> None:
    assert post(COMPANIES, PIPELINE, ours.draft(), content_type=content_type).status == 201


@pytest.mark.parametrize(
    "content_type", [*WITH_PARAMETERS.values(), *FOREIGN.values()], ids=[*WITH_PARAMETERS, *FOREIGN]
)
def test_a_body_of_another_type_is_415(content_type: str) -> None:
    for method, url in (("POST", COMPANIES), ("PATCH", f"{COMPANIES}/{uuid4()}"), ("POST", "/v1/workspace-groups")):
        reply = call(method, url, PIPELINE, body="{}", headers={"content-type": content_type})
        assert refusal(reply) == (415, "UNSUPPORTED_MEDIA_TYPE", {"header": "Content-Type"})


@pytest.mark.parametrize("content_type", WITH_PARAMETERS.values(), ids=WITH_PARAMETERS)
def test_the_media_type_with_parameters_is_415_without_a_body_too(content_type: str) -> None:
    url = f"{COMPANIES}/{uuid4()}"
    for method, path in (("GET", COMPANIES), ("GET", url), ("DELETE", url)):
        reply = call(method, path, PIPELINE, headers={"content-type": content_type})
        assert (reply.status, reply.error["source"]) == (415, {"header": "Content-Type"})


@pytest.mark.parametrize("content_type", [*SPOKEN.values(), "application/json", "text/plain; charset=utf-8"])
def test_what_a_request_without_a_body_says_of_it_does_not_matter(database: Database, content_type: str) -> None:
    url = f"{COMPANIES}/{uuid4()}"
    for method, path, status in (("GET", COMPANIES, 200), ("GET", url, 404), ("DELETE", url, 404)):
        assert call(method, path, PIPELINE, headers={"content-type": content_type}).status == status


def test_the_body_does_not_negotiate(ours: Tenant) -> None:
    document = ours.draft() | {"jsonapi": {"version": "9.9", "ext": [EXT], "profile": [OTHER]}}
    assert post(COMPANIES, PIPELINE, document).status == 201


ASKING = {
    "alone": PROFILED,
    "among several": f'{MEDIA_TYPE}; profile="{OTHER} {CURSOR_PAGINATION}"',
    "in another instance": f"text/html, {MEDIA_TYPE}, {PROFILED}",
    "as the better of two": f"{MEDIA_TYPE};q=0.5, {PROFILED};q=0.9",
}
NOT_ASKING = {
    "at all": MEDIA_TYPE,
    "by wildcard": "*/*",
    "but for another": f'{MEDIA_TYPE};profile="{OTHER}"',
    "but for what begins alike": f'{MEDIA_TYPE};profile="{CURSOR_PAGINATION}x"',
    "because it is the worse of two": f"{MEDIA_TYPE}, {PROFILED};q=0.9",
    "because it is refused": f"{MEDIA_TYPE};q=0.1, {PROFILED};q=0",
    "because that instance is ignored": f"{PROFILED};charset=utf-8, {MEDIA_TYPE}",
}


@pytest.mark.parametrize("accept", ASKING.values(), ids=ASKING)
def test_a_list_applies_the_profile_that_is_asked_for_and_says_so(ours: Tenant, accept: str) -> None:
    for name in LISTS:
        reply = get(list_url(name, ours), ours.caller, accept=accept)
        assert reply.headers["content-type"] == PROFILED
        assert reply.document["jsonapi"] == {"version": "1.1", "profile": [CURSOR_PAGINATION]}
        # "If a document has extensions or profiles applied to it, this link SHOULD be represented by a link object with
        # the `type` target attribute specifying the JSON:API media type with all applicable parameters" ("Top Level").
        assert reply.document["links"]["self"] == {"href": list_url(name, ours), "type": PROFILED}


@pytest.mark.parametrize("accept", NOT_ASKING.values(), ids=NOT_ASKING)
def test_what_names_no_profile_in_its_type_names_none_in_itself(ours: Tenant, accept: str) -> None:
    for name in LISTS:
        reply = get(list_url(name, ours), ours.caller, accept=accept)
        assert reply.headers["content-type"] == MEDIA_TYPE
        assert reply.document["jsonapi"] == {"version": "1.1"}
        assert reply.document["links"]["self"] == list_url(name, ours)


@of_every_type
def test_what_is_no_list_has_no_profile(ours: Tenant, type_: str) -> None:
    reply = get(ours.url(type_), ours.caller, accept=PROFILED)
    assert reply.headers["content-type"] == MEDIA_TYPE
    assert reply.document["jsonapi"] == {"version": "1.1"}
    assert get(f"{COMPANIES}?page[size]=0", ours.caller, accept=PROFILED).headers["content-type"] == MEDIA_TYPE


def test_the_list_is_the_same_with_the_profile_and_without(ours: Tenant) -> None:
    with_profile, without = (get(COMPANIES, ours.caller, accept=accept).document for accept in (PROFILED, MEDIA_TYPE))
    assert with_profile.pop("jsonapi") != without.pop("jsonapi")
    assert with_profile["links"].pop("self")["href"] == without["links"].pop("self")
    assert with_profile == without


def _fresh(ours: Tenant) -> Reply:
    url = ours.url("company_workspace_connector")
    return get(url, ours.caller, if_none_match=get(url, ours.caller).headers["etag"])


# Those that are errors are in test_error_codes.py.
ANSWERS: dict[int, Callable[[Tenant], Reply]] = {
    200: lambda ours: get(COMPANIES, ours.caller),
    201: lambda ours: post(COMPANIES, PIPELINE, ours.draft()),
    204: lambda ours: delete(ours.url("company_workspace_connector"), PIPELINE),
    304: _fresh,
    308: lambda ours: get(f"{COMPANIES}/", ours.caller),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_every_answer_says_that_it_depends_on_accept(ours: Tenant, status: int) -> None:
    reply = ANSWERS[status](ours)
    assert reply.status == status
    assert reply.headers["vary"] == "Accept"
    assert reply.headers.get("content-type") == (MEDIA_TYPE if reply.body else None)
