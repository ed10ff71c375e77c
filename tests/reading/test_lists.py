"""Contract, section 4: lists, their filters, their order, what they include, and what they cost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support import databases
from tests.support.api import READER, get
from tests.support.databases import READER as READER_ROLE
from tests.support.databases import FreshDatabase, Statements
from tests.support.tenants import Tenant
from tests.support.wire import Flushes
from tests.support.world import World
from wellspring.services.ledger import cursors

COMPANIES = "/v1/company-workspace-connectors"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


class TestIncluding:
    def test_shows_nothing_of_the_row_beyond_the_page(self, world: World, ours: Tenant) -> None:
        """It is read, and leaves its ids, so that the page knows whether there are more."""
        world.provenances(world.companies(ours.workspace, 3), ours.connector)
        for query in ("", "&sort=created_at"):
            reply = get(f"{COMPANIES}?page[size]=2&include=company.workspace{query}", ours.caller)
            pointed_to = {item["relationships"]["company"]["data"]["id"] for item in reply.data}
            included = [item["id"] for item in reply.document["included"] if item["type"] == "company"]
            assert (len(included), set(included)) == (2, pointed_to)


class TestStatements:
    """One for the page and one for each included type, whatever the page's size."""

    def test_of_a_middle_page(self, world: World, ours: Tenant, statements: Statements) -> None:
        world.provenances(world.companies(ours.workspace, 10), ours.connector)
        following = get(f"{COMPANIES}?page[size]=3", ours.caller).document["links"]["next"]
        statements.clear()
        reply = get(following, ours.caller)
        assert reply.document["links"]["prev"] is not None
        assert len(statements) == 1


def test_a_read_is_one_round_trip_whatever_it_includes(
    fresh_database: FreshDatabase, ours: Tenant, flushes: Flushes
) -> None:
    """All statements together (docs/adr/0041), and COMMIT with them (docs/adr/0046)."""
    fresh_database.commit()
    get(COMPANIES, ours.caller)  # an engine first asks what is planned
    for query in (
        "",
        "include=company,workspace_connector",
        "include=company.workspace,workspace_connector.connector,workspace_connector.workspace,sync_message",
        "include=workspace_connector&fields[workspace_connector]=live_rows",
    ):
        for url in (
            f"{COMPANIES}?{query}",
            f"{COMPANIES}?page[total]=true&{query}".rstrip("&"),
            f"{COMPANIES}/{ours.provenance.id}?{query}",
        ):
            flushes.clear()
            reply = get(url, ours.caller)
            assert reply.status == 200, reply.document
            assert flushes.are(1), url
    flushes.clear()
    get(f"{COMPANIES}?include=company&filter[workspace]={ours.workspace.id}", ours.caller)
    # A claim is looked at before anything is read for it: time tells nothing of others' workspaces.
    assert flushes.are(2)


def test_without_pipelining_each_statement_leaves_alone_and_the_answers_are_the_same(
    fresh_database: FreshDatabase, ours: Tenant, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_database.commit()
    urls = [
        f"{COMPANIES}?include=company,workspace_connector.connector&page[total]=true",
        f"{COMPANIES}?filter[workspace]={ours.workspace.id}",
        f"{COMPANIES}/{ours.provenance.id}?include=company",
    ]
    answers: dict[str, list[Any]] = {}
    for mode in ("true", "false"):
        monkeypatch.setattr(databases, "pipelining", mode)
        fresh_database.engine(READER_ROLE).dispose()
        fresh_database._engines.clear()
        flushes.clear()
        answers[mode] = [get(url, ours.caller).document for url in urls]
    assert answers["false"] == answers["true"]
    assert max(kinds.count("E") for kinds in flushes) == 1


def test_so_is_the_first_of_a_process(
    fresh_database: FreshDatabase, world: World, ours: Tenant, flushes: Flushes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys of cursors, which it does not know, are in it. On AWS a list and a retrieve are two functions."""
    monkeypatch.setattr("wellspring.services.ledger.including.ledger.share", lambda _rows: 1)
    group = world.group(ours.owner)
    world.group_member(ours.owner, group)
    for workspace in (ours.workspace, world.workspace()):
        world.enrol(group, workspace)
    fresh_database.commit()
    get(f"{COMPANIES}/{ours.provenance.id}", ours.caller)  # an engine first asks what is planned
    for url in (
        COMPANIES,
        f"{COMPANIES}?include=company&page[total]=true",
        f"{COMPANIES}/{ours.provenance.id}",
        f"/v1/workspace-groups/{group.id}?include=workspaces",
    ):
        monkeypatch.setattr(cursors, "_keys", cursors._Keys())
        for time in ("first", "second"):
            flushes.clear()
            reply = get(url, ours.caller)
            assert (reply.status, flushes.are(1)) == (200, True), (url, time, reply.document)
    # More than it shows, whose cursor was signed.
    assert "meta" in reply.data["relationships"]["workspaces"]


class TestRetrieving:
    def test_an_id_may_be_in_capitals(self, ours: Tenant) -> None:
        assert get(f"{COMPANIES}/{str(ours.provenance.id).upper()}", ours.caller).status == 200


@pytest.mark.parametrize("gone", ["company", "workspace_connector"])
@pytest.mark.parametrize("name", ["company", "workspace_connector"])
def test_a_live_row_of_a_tombstoned_parent_is_not_there_and_a_dead_one_is(
    world: World, ours: Tenant, name: str, gone: str
) -> None:
    """By the record all rows are read together; by the connector either half by itself."""
    dead = world.provenance(ours.record, ours.connector, created_at=NOON, deleted_at=NOON)
    parents = {"company": ours.record, "workspace_connector": ours.connector}
    url = f"{COMPANIES}?filter[deleted]=include&filter[{name}]={parents[name].id}"
    assert set(get(url, ours.caller).ids) == {dead.id, ours.provenance.id}
    world.tombstone(parents[gone])
    for caller in (ours.caller, READER):
        assert get(url, caller).ids == [dead.id]


def test_a_workspace_seen_in_two_ways_shows_its_rows_once(world: World, ours: Tenant) -> None:
    group = world.group()
    world.group_member(ours.owner, group)
    world.enrol(group, ours.workspace)
    assert get(COMPANIES, ours.caller).ids == [ours.provenance.id]
