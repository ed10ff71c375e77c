"""No answer passes 5 MB, whatever a group holds and however long the texts are (contract, section 4).

A list is weighed when it is made, and is 400 where it is too large; one of something fits whatever it holds.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.jsonapi.conftest import Tenant
from tests.support.api import READER, Reply, call, get
from tests.support.databases import Database, Statements
from tests.support.world import World
from wellspring.handlers import http
from wellspring.handlers.http import LARGEST_ANSWER_BYTES, LARGEST_BODY_BYTES
from wellspring.handlers.reading import NARROWING
from wellspring.jsonapi.body import MAX_BODY_BYTES, MAX_FIELDS
from wellspring.queries import MAX_PAGE_SIZE, MOST_LINKED
from wellspring.routes import Route, routes

GROUPS = "/v1/workspace-groups"
COMPANIES = "/v1/company-workspace-connectors"
# The longest that a name may be, in characters that are four bytes each.
LONGEST = "\N{GRINNING FACE}" * 500
ENROL = text(
    "WITH made AS (INSERT INTO core_api.workspaces (name) SELECT :name FROM generate_series(1, :count) RETURNING pk)"
    " INSERT INTO core_api.workspace_group_workspaces (workspace_group_pk, workspace_pk) SELECT :group, pk FROM made"
)
JOIN = text(
    "WITH made AS (INSERT INTO core_api.peoples (full_name, workspace_pk)"
    " SELECT :name, :workspace FROM generate_series(1, :count) RETURNING pk)"
    " INSERT INTO core_api.workspace_group_memberships (people_pk, workspace_group_pk, role, status)"
    " SELECT pk, :group, 'member', 'active' FROM made"
)


def fill(world: World, ours: Tenant, group: Any, count: int) -> None:
    """Give a group so many workspaces and members, all of the longest names."""
    owner = world.database.owner
    owner.execute(ENROL, {"name": LONGEST, "count": count, "group": group.pk})
    owner.execute(JOIN, {"name": LONGEST, "count": count, "group": group.pk, "workspace": ours.workspace.pk})


def linked(item: Any) -> Iterator[tuple[str, int, bool]]:
    """Return of each to-many relationship that has data its name, how much it holds, and whether that is all."""
    for name in ("workspaces", "memberships"):
        said = item["relationships"].get(name, {})
        if "data" in said:
            yield name, len(said["data"]), "meta" not in said


def test_a_large_group_shows_no_linkage_that_nobody_asked_for(
    world: World, ours: Tenant, statements: Statements
) -> None:
    fill(world, ours, ours.group, 600)
    get(GROUPS, ours.caller)
    for url, query in ((GROUPS, ""), (f"{GROUPS}/{ours.group.id}", ""), (GROUPS, "?fields[workspace_group]=name")):
        statements.clear()
        reply = get(url + query, ours.caller)
        (item,) = reply.data if isinstance(reply.data, list) else [reply.data]
        shown = item.get("relationships", {})
        assert not any("data" in shown.get(name, {}) for name in ("workspaces", "memberships"))
        assert len(reply.body) < 2000
        assert len(statements) == 1


@pytest.mark.parametrize("query", ["include=workspaces,memberships", "fields[workspace_group]=workspaces,memberships"])
def test_a_large_group_shows_the_first_of_its_linkage_and_says_that_there_is_more(
    world: World, ours: Tenant, query: str
) -> None:
    fill(world, ours, ours.group, MOST_LINKED - 1)
    exact = get(f"{GROUPS}/{ours.group.id}?{query}", ours.caller)
    assert list(linked(exact.data)) == [("workspaces", MOST_LINKED, True), ("memberships", MOST_LINKED, True)]
    fill(world, ours, ours.group, 1)
    reply = get(f"{GROUPS}/{ours.group.id}?{query}", ours.caller)
    assert list(linked(reply.data)) == [("workspaces", MOST_LINKED, False), ("memberships", MOST_LINKED, False)]
    assert reply.data["relationships"]["workspaces"]["data"][0]["id"] == str(ours.workspace.id)
    for name in ("workspaces", "memberships"):
        related = reply.data["relationships"][name]
        (rest,) = get(related["links"]["next"], ours.caller).data
        assert rest["id"] not in {linked["id"] for linked in related["data"]}


def test_the_groups_of_a_page_share_what_an_answer_links_to(world: World, ours: Tenant) -> None:
    for _ in range(4):
        group = world.group()
        world.group_member(ours.owner, group)
        fill(world, ours, group, 150)
    reply = get(f"{GROUPS}?include=workspaces", ours.caller)
    found = [next(linked(item)) for item in reply.data]
    assert sorted(found) == [("workspaces", 1, True), *[("workspaces", MOST_LINKED // 5, False)] * 4]


def test_the_largest_page_of_the_largest_groups_with_all_that_it_includes_fits(
    database: Database, world: World, ours: Tenant
) -> None:
    for _ in range(MAX_PAGE_SIZE):
        group = world.group()
        world.group_member(ours.owner, group)
        fill(world, ours, group, 2)
    owner = database.owner
    owner.execute(
        text("UPDATE core_api.workspace_groups SET name = :name, created_by_pk = :pk"),
        {"name": LONGEST, "pk": ours.owner.pk},
    )
    reply = get(f"{GROUPS}?page[size]={MAX_PAGE_SIZE}&include=workspaces,memberships,created_by", ours.caller)
    assert (reply.status, len(reply.data)) == (200, MAX_PAGE_SIZE)
    assert len(reply.body.encode()) <= LARGEST_BODY_BYTES


@pytest.mark.parametrize("mark", ["\N{GRINNING FACE}", '"'])
def test_a_page_that_would_be_larger_is_400_and_says_how_to_ask_for_less(
    database: Database, world: World, ours: Tenant, mark: str
) -> None:
    companies = world.companies(ours.workspace, MAX_PAGE_SIZE)
    connector = ours.connector
    world.provenances(companies, connector)
    # No name of the API's own is so long: the database's columns hold more.
    database.owner.execute(text("UPDATE core_api.companies SET name = :name"), {"name": mark * 6000})
    reply = get(f"{COMPANIES}?page[size]={MAX_PAGE_SIZE}&include=company", READER)
    assert (reply.status, reply.codes) == (400, ["BAD_REQUEST"])
    assert reply.error["detail"].endswith(NARROWING)
    smaller = get(f"{COMPANIES}?page[size]=20&include=company", READER)
    assert smaller.status == 200
    assert of_lambda(smaller) <= LARGEST_ANSWER_BYTES


# What the queues let in: bytes of a message's body. In Lambda's answer a quotation mark is escaped twice, in base64 and
# beside a word a page's file has room for a link.
A_BODY, A_CHARACTER, A_PAGE_LINK = 256 * 1024, 4, 10_240
ROOT = Path(__file__).parents[2]


def of_lambda(reply: Reply) -> int:
    """Return how many bytes of Lambda's own answer a body takes."""
    return len(json.dumps(reply.body, ensure_ascii=False).encode(errors="surrogatepass"))


MANY = [route for route in routes() if route.operation in {"list", "answers"}]


def test_one_with_as_much_as_there_can_be_fits(world: World, database: Database, ours: Tenant) -> None:
    """A group of which all is included, and a message with its body in quotation marks."""
    owner = database.owner
    fill(world, ours, ours.group, MOST_LINKED - 1)
    path = f"/v1/workspace-groups/{ours.group.id}?include=workspaces,memberships,created_by"
    group = get(path, ours.caller)
    assert len(group.document["included"]) >= 2 * MOST_LINKED
    assert of_lambda(group) <= LARGEST_ANSWER_BYTES
    message = ours.rows["sync_message"]
    update = text(
        "UPDATE wellspring.sync_messages SET outcome = 'parked', reason = 'malformed', body = :body WHERE pk = :pk"
    )
    owner.execute(update, {"body": '"' * A_BODY, "pk": message.pk})
    shown = get(f"/v1/sync-messages/{message.id}?include=workspace,workspace_connector", READER)
    assert A_BODY * A_CHARACTER < of_lambda(shown) <= LARGEST_ANSWER_BYTES


@pytest.mark.parametrize("route", MANY, ids=lambda route: route.path)
def test_whatever_is_a_list_is_weighed(route: Route, ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    # Smaller than what has nothing in it.
    monkeypatch.setattr(http, "LARGEST_BODY_BYTES", 50)
    of = ours.rows[route.of.type].id if route.of else ""
    path = route.path.format(workspace_id=ours.workspace.id, id=of)
    query = f"?filter[workspace]={ours.workspace.id}" if route.operation == "answers" and not of else ""
    assert route.resource is not None
    reply = get(path + query, READER if route.resource.tenancy == "services" else ours.caller)
    assert (reply.status, reply.codes) == (400, ["BAD_REQUEST"]), reply.body
    assert reply.error["detail"].endswith(NARROWING)


@pytest.mark.parametrize("mark", ['"', "\\", "/", "\N{GRINNING FACE}", "\x01"])
def test_the_largest_document_has_no_larger_answer_of_all_that_is_wrong_with_it(ours: Tenant, mark: str) -> None:
    """Each unknown field is told by its name, twice."""
    long = (MAX_BODY_BYTES - 20_000) // (MAX_FIELDS - 1) // len(json.dumps(mark, ensure_ascii=False).encode()[1:-1])
    fields = {f"{number}{mark * long}": 0 for number in range(MAX_FIELDS - 1)}
    document = {"data": {"type": "workspace_group", "attributes": fields}}
    body = json.dumps(document, ensure_ascii=False)
    assert 0.9 * MAX_BODY_BYTES < len(body.encode()) <= MAX_BODY_BYTES
    reply = call("POST", "/v1/workspace-groups", ours.caller, body=body)
    assert reply.status == 422
    assert len(reply.document["errors"]) >= MAX_FIELDS - 1
    assert of_lambda(reply) <= LARGEST_ANSWER_BYTES


def test_what_is_open_to_all_fits(ours: Tenant) -> None:
    for route in routes():
        if route.open_to_all and "{" not in route.path and route.operation != "health":
            reply = get(route.path, ours.caller)
            assert (route.path, reply.status) == (route.path, 200)
            assert of_lambda(reply) <= LARGEST_ANSWER_BYTES
    for file in (ROOT / "layers/console/wellspring_console").rglob("*.*"):
        # In base64, and a word beside it.
        assert file.stat().st_size * 4 / 3 + A_PAGE_LINK <= LARGEST_ANSWER_BYTES
