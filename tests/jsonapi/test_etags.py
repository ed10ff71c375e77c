"""Entity tags: `ETag`, `If-None-Match` and `If-Match` (RFC 9110, sections 8.8.3 and 13; contract, section 4)."""

import re

import pytest

from tests.jsonapi.conftest import LISTED, LISTS, Tenant, list_url, of_every_type, refusal
from tests.support.api import PIPELINE, READER, Reply, delete, draft, get, patch, post
from tests.support.world import World
from wellspring.resources import resource_of

STRONG = re.compile(r'"[A-Za-z0-9_.-]+"')
CONNECTOR = "company_workspace_connector"
VIEWS = ("", "?include=", "?include=company,workspace_connector.connector", f"?fields[{CONNECTOR}]=direction")


def tag_of(reply: Reply) -> str:
    assert reply.status in {200, 201}
    return str(reply.headers["etag"])


def change(ours: Tenant, *, to: object = None) -> dict[str, object]:
    """Return a document that restores or tombstones the company's row."""
    document: dict[str, object] = draft(CONNECTOR, {"deleted_at": to}, ours.rows[CONNECTOR].id)
    return document


@of_every_type
def test_a_single_resource_has_a_strong_tag(ours: Tenant, type_: str) -> None:
    for query in ("", f"?include={resource_of(type_).includes[0]}", f"?fields[{type_}]=created_at", "?include="):
        first, second = (get(f"{ours.url(type_)}{query}", ours.caller) for _ in range(2))
        assert STRONG.fullmatch(tag_of(first))
        assert tag_of(first) == tag_of(second)


def test_a_list_and_an_error_have_none(ours: Tenant) -> None:
    for name in LISTS:
        assert "etag" not in get(list_url(name, ours), ours.caller).headers
    assert "etag" not in get("/v1/workspace-groups/7", ours.caller).headers


def test_different_rows_have_different_tags(ours: Tenant, theirs: Tenant) -> None:
    tags = [tag_of(get(tenant.url(resource.type), READER)) for resource in LISTED for tenant in (ours, theirs)]
    assert len(set(tags)) == len(tags)


@of_every_type
def test_different_views_of_a_row_have_different_tags(ours: Tenant, type_: str) -> None:
    queries = ["", f"?fields[{type_}]=created_at", *(f"?include={path}" for path in ("", *resource_of(type_).includes))]
    tags = [tag_of(get(f"{ours.url(type_)}{query}", ours.caller)) for query in queries]
    assert len(set(tags)) == len(tags)


@of_every_type
def test_a_tag_changes_with_the_row(world: World, ours: Tenant, type_: str) -> None:
    before = [tag_of(get(f"{ours.url(type_)}{query}", ours.caller)) for query in ("", "?include=")]
    world.change(ours.rows[type_], updated_at="2030-01-01T00:00:00Z")
    after = [tag_of(get(f"{ours.url(type_)}{query}", ours.caller)) for query in ("", "?include=")]
    assert not set(before) & set(after)


def test_a_tag_of_an_include_changes_with_what_is_included(world: World, ours: Tenant) -> None:
    url = ours.url(CONNECTOR)
    plain, whole = tag_of(get(url, ours.caller)), tag_of(get(f"{url}?include=company", ours.caller))
    world.change(ours.rows["company"], name="Renamed")
    assert tag_of(get(url, ours.caller)) == plain
    assert tag_of(get(f"{url}?include=company", ours.caller)) != whole
    assert get(f"{url}?include=company", ours.caller, if_none_match=whole).status == 200


def test_a_tag_of_a_group_changes_with_its_workspaces_and_members(world: World, ours: Tenant) -> None:
    url = f"{ours.url('workspace_group')}?fields[workspace_group]=workspaces,memberships"
    tags = [tag_of(get(url, ours.caller))]
    world.enrol(ours.group, world.workspace())
    tags.append(tag_of(get(url, ours.caller)))
    world.group_member(world.people(ours.workspace), ours.group)
    tags.append(tag_of(get(url, ours.caller)))
    assert len(set(tags)) == 3
    # For `If-Match` the group itself is what it was: whoever reads less of it knows as much.
    assert len({tag.partition(".")[0].strip('"') for tag in tags}) == 1
    assert tag_of(get(ours.url("workspace_group"), ours.caller)).strip('"') == tags[0].partition(".")[0].strip('"')


@pytest.mark.parametrize("query", VIEWS)
def test_an_answer_to_a_write_has_the_view_and_the_tag_that_a_read_of_it_would_have(ours: Tenant, query: str) -> None:
    made = post(f"/v1/company-workspace-connectors{query}", PIPELINE, ours.draft())
    for reply in (made, patch(f"{ours.url(CONNECTOR)}{query}", PIPELINE, change(ours))):
        read = get(f"{reply.data['links']['self']}{query}", READER)
        assert (tag_of(reply), reply.data) == (tag_of(read), read.data)
        assert reply.document.get("included") == read.document.get("included")


@of_every_type
def test_what_the_client_has_is_304_with_nothing_but_headers(ours: Tenant, type_: str) -> None:
    for query in ("", f"?include={','.join(resource_of(type_).includes)}"):
        url = f"{ours.url(type_)}{query}"
        tag = tag_of(get(url, ours.caller))
        others = (f'"other", {tag}', f'"other",W/{tag},"third"', f" {tag} ,", f',"",{tag}')
        for condition in (tag, f"W/{tag}", "*", " * ", *others):
            reply = get(url, ours.caller, if_none_match=condition)
            assert (reply.status, reply.body) == (304, ""), condition
            assert (reply.headers["etag"], reply.headers["vary"]) == (tag, "Accept")
            assert reply.headers["cache-control"] == "private, no-cache"
            assert "content-type" not in reply.headers


@of_every_type
def test_what_the_client_does_not_have_is_200(ours: Tenant, type_: str) -> None:
    tag = tag_of(get(ours.url(type_), ours.caller))
    other_view = tag_of(get(f"{ours.url(type_)}?include=", ours.caller))
    for condition in ('"other"', 'W/"other"', '""', tag.replace('"', '"x', 1), '"*"', '"a,b"', other_view):
        assert get(ours.url(type_), ours.caller, if_none_match=condition).status == 200, condition


MALFORMED = ["x", "W/", '"', '"a" "b"', 'w/"a"', "'a'", '"a', ",", '*, "a"', "W/*", '"a";', '"a b"', '"\x7f"']


def test_a_condition_that_is_not_of_its_form_is_400(ours: Tenant) -> None:
    url, changed = ours.url(CONNECTOR), change(ours, to="2026-05-10T12:00:00Z")
    for condition in MALFORMED:
        for reply, header in (
            (get(url, ours.caller, if_none_match=condition), "If-None-Match"),
            (delete(url, PIPELINE, if_match=condition), "If-Match"),
            (patch(url, PIPELINE, changed, if_match=condition), "If-Match"),
        ):
            assert refusal(reply) == (400, "BAD_REQUEST", {"header": header}), condition
    assert get(url, ours.caller).status == 200


def test_a_write_that_knows_the_state_is_done_from_whichever_view_it_was_seen(ours: Tenant) -> None:
    url = ours.url(CONNECTOR)
    for query in VIEWS:
        tag = tag_of(get(f"{url}{query}", READER))
        assert patch(url, PIPELINE, change(ours), if_match=tag).status == 200
        assert patch(url, PIPELINE, change(ours), if_match=f'"other",, W/"b", "a,b", {tag}').status == 200
    assert patch(url, PIPELINE, change(ours), if_match="*").status == 200
    assert delete(url, PIPELINE, if_match=tag).status == 204


def test_a_write_that_knows_another_state_is_412_and_changes_nothing(world: World, ours: Tenant) -> None:
    url = ours.url(CONNECTOR)
    stale = [tag_of(get(f"{url}{query}", READER)) for query in ("", "?include=company")]
    world.change(ours.rows[CONNECTOR], updated_at="2030-01-01T00:00:00Z")
    now = get(url, READER)
    for condition in (*stale, '"other"', f'"other", {stale[0]}', '""', f'{tag_of(now)[:-1]}x"'):
        for reply in (
            delete(url, PIPELINE, if_match=condition),
            patch(url, PIPELINE, change(ours, to="2026-05-10T12:00:00Z"), if_match=condition),
        ):
            assert refusal(reply) == (412, "PRECONDITION_FAILED", {"header": "If-Match"})
            assert "etag" not in reply.headers
    assert get(url, READER).body == now.body


def test_a_weak_tag_never_allows_a_write(ours: Tenant) -> None:
    url = ours.url(CONNECTOR)
    assert delete(url, PIPELINE, if_match=f"W/{tag_of(get(url, READER))}").status == 412


def test_what_is_not_there_is_404_whatever_the_condition_says(ours: Tenant) -> None:
    url = ours.url("workspace_provider")
    assert delete(url, ours.caller).status == 204
    for condition in ("*", '"x"'):
        assert delete(url, ours.caller, if_match=condition).status == 404


def test_who_may_not_write_is_403_whatever_the_condition_says(ours: Tenant) -> None:
    assert delete(ours.url(CONNECTOR), ours.caller, if_match='"x"').status == 403


def test_a_removal_by_the_path_of_a_service_checks_the_state_too(ours: Tenant) -> None:
    url = f"/v1/workspaces/{ours.workspace.id}/providers/{ours.rows['provider'].id}"
    assert delete(url, ours.caller, if_match='"x"').status == 412
    assert delete(url, ours.caller, if_match=tag_of(get(ours.url("workspace_provider"), ours.caller))).status == 204
    enrolled = f"/v1/workspace-groups/{ours.group.id}/workspaces/{ours.workspace.id}"
    assert delete(enrolled, ours.caller, if_match='"x"').status == 412
    tag = tag_of(get(ours.url("workspace_group_workspace"), ours.caller))
    assert delete(enrolled, ours.caller, if_match=tag).status == 204
