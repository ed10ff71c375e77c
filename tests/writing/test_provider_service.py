"""The provider service (contract, sections 3 and 4): what a workspace has selected, or was matched to."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from tests.support.api import MATCHER, Caller, Reply, call, draft, get, post
from tests.support.databases import Database, FreshDatabase
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from tests.writing.conftest import CHOICES, count, held, is_shown_whole, linked, race, told
from wellspring.models import table_of

MATCHED, SELECTED = "/data/attributes/is_matched", "/data/attributes/is_selected"
BY_ROW, BY_WORKSPACE = "by the row", "by the workspace"
each_way = pytest.mark.parametrize("way", [BY_ROW, BY_WORKSPACE])


def choose(way: str, workspace: Row, provider: Row, caller: Caller, query: str = "", **said: object) -> Reply:
    """Choose a provider through one of the two routes."""
    if way == BY_WORKSPACE:
        url = f"/v1/workspaces/{workspace.id}/providers{query}"
        return post(url, caller, draft("workspace_provider", said or None, provider=provider))
    document = draft("workspace_provider", said or None, workspace=workspace, provider=provider)
    return post(f"{CHOICES}{query}", caller, document)


def flags(reply: Reply) -> tuple[bool, bool]:
    attributes = reply.data["attributes"]
    return attributes["is_selected"], attributes["is_matched"]


@pytest.fixture
def stripe(world: World) -> Row:
    return world.provider("stripe")


class TestTheList:
    def test_includes_what_is_asked_for_instead(self, world: World, ours: Tenant, stripe: Row) -> None:
        world.choose(ours.workspace, stripe)
        for include, types in (
            ("", set()),
            ("workspace", {"workspace"}),
            ("provider,workspace", {"provider", "workspace"}),
        ):
            reply = get(f"{ours.providers}?include={include}", ours.caller)
            assert {item["type"] for item in reply.document["included"]} == types


@each_way
class TestAFirstChoice:
    def test_is_a_new_row(self, ours: Tenant, stripe: Row, way: str) -> None:
        reply = choose(way, ours.workspace, stripe, ours.caller)
        relationships = {"workspace": linked(ours.workspace), "provider": linked(stripe)}
        is_shown_whole(reply, ours.caller, relationships, is_selected=True, is_matched=True)
        assert get(ours.providers, ours.caller).ids == [UUID(reply.data["id"])]


@each_way
class TestASecondChoice:
    def test_finds_the_live_row(self, database: Database, ours: Tenant, stripe: Row, way: str) -> None:
        first = choose(way, ours.workspace, stripe, ours.caller)
        for again in (BY_ROW, BY_WORKSPACE):
            second = choose(again, ours.workspace, stripe, ours.caller)
            assert second.status == 200
            assert "location" not in second.headers
            assert (second.document, second.headers["etag"]) == (first.document, first.headers["etag"])
        assert count(database, "workspace_providers") == 1

    def test_of_one_that_was_never_updated_shows_when_it_was_made(
        self, world: World, ours: Tenant, stripe: Row, way: str
    ) -> None:
        row = world.choose(ours.workspace, stripe, is_selected=True, is_matched=True, updated_at=None)
        reply = choose(way, ours.workspace, stripe, ours.caller)
        assert reply.data["attributes"]["updated_at"] == reply.data["attributes"]["created_at"]
        read = get(f"{CHOICES}/{row.id}", ours.caller)
        assert (read.document, read.headers["etag"]) == (reply.document, reply.headers["etag"])

    def test_moves_the_time_of_the_update_where_it_changes_something(
        self, fresh_database: FreshDatabase, ours: Tenant, stripe: Row, way: str
    ) -> None:
        made = choose(way, ours.workspace, stripe, ours.caller).data["attributes"]
        same = choose(way, ours.workspace, stripe, ours.caller).data["attributes"]
        assert same == made
        table = table_of("workspace_providers")
        fresh_database.owner.exec_driver_sql(
            f"UPDATE core_api.{table.name} SET created_at = created_at - interval '1 day',"
            " updated_at = updated_at - interval '1 day'"
        )
        fresh_database.commit()
        changed = choose(way, ours.workspace, stripe, ours.caller, is_selected=False).data["attributes"]
        assert changed["updated_at"] > changed["created_at"]


class TestARemoval:
    def test_is_not_by_the_rows_id(self, world: World, ours: Tenant, stripe: Row) -> None:
        row = world.choose(ours.workspace, stripe)
        reply = call("DELETE", f"{ours.providers}/{row.id}", ours.caller)
        assert told(reply) == [("404", "WORKSPACE_PROVIDER_NOT_FOUND", None)]

    def test_leaves_the_other_workspaces_choice(self, world: World, ours: Tenant, theirs: Tenant, stripe: Row) -> None:
        world.choose(ours.workspace, stripe)
        kept = world.choose(theirs.workspace, stripe)
        assert call("DELETE", f"{ours.providers}/{stripe.id}", ours.caller).status == 204
        assert get(theirs.providers, theirs.caller).ids == [kept.id]


LONG_AGO = dict.fromkeys(("created_at", "updated_at"), datetime(2026, 1, 1, tzinfo=UTC))
# Who says what of a provider that was selected and matched so, or not chosen; and what it becomes, or a conflict.
OWNER, CONFLICT = "owner", None
SAID: list[tuple[str, tuple[bool, bool] | None, dict[str, Any], tuple[bool, bool] | None]] = [
    (OWNER, None, {"is_matched": False}, CONFLICT),
    (OWNER, None, {"is_selected": True, "is_matched": False}, CONFLICT),
    (OWNER, (False, False), {}, (True, True)),
    (OWNER, (False, True), {}, (True, True)),
    (OWNER, (True, True), {}, (True, True)),
    (OWNER, (True, True), {"is_selected": False}, (False, True)),
    (OWNER, (True, True), {"is_selected": False, "is_matched": False}, (False, False)),
    (OWNER, (False, True), {"is_selected": False}, (False, True)),
    (OWNER, (False, True), {"is_selected": False, "is_matched": False}, (False, False)),
    # The matcher marks, and selects nothing.
    ("matcher", None, {}, (False, True)),
    ("matcher", (False, True), {"is_matched": True}, (False, True)),
    ("matcher", (True, True), {}, (True, True)),
    ("matcher", (True, True), {"is_matched": False}, CONFLICT),
    ("matcher", (False, True), {"is_matched": False}, (False, False)),
]


@each_way
@pytest.mark.parametrize(("who", "was", "said", "becomes"), SAID)
def test_a_choice_is_what_is_said(
    world: World,
    database: Database,
    ours: Tenant,
    stripe: Row,
    way: str,
    who: str,
    was: tuple[bool, bool] | None,
    said: dict[str, Any],
    becomes: tuple[bool, bool] | None,
) -> None:
    row, before = None, None
    if was:
        row = world.choose(ours.workspace, stripe, is_selected=was[0], is_matched=was[1], **LONG_AGO)
        before = get(f"{CHOICES}/{row.id}", ours.caller).document
    reply = choose(way, ours.workspace, stripe, ours.caller if who == OWNER else MATCHER, **said)
    if becomes is None:
        assert told(reply) == [("409", "CONFLICT", MATCHED)]
        assert count(database, "workspace_providers") == (row is not None)
        return
    assert (reply.status, flags(reply)) == (200 if row else 201, becomes)
    assert row is None or reply.data["id"] == str(row.id)
    assert (reply.document == before) == (was == becomes)
    assert get(f"{CHOICES}/{reply.data['id']}", ours.caller).document == reply.document


@each_way
class TestTheMatcher:
    def test_does_not_say_what_is_selected(
        self, world: World, database: Database, ours: Tenant, stripe: Row, way: str
    ) -> None:
        row = world.choose(ours.workspace, world.provider("qonto"), is_matched=True)
        for is_selected in (True, False):
            reply = choose(way, ours.workspace, stripe, MATCHER, is_selected=is_selected, is_matched=True)
            assert told(reply) == [("403", "FORBIDDEN", SELECTED)]
            change = draft(row.type, {"is_selected": is_selected}, row.id)
            assert told(call("PATCH", f"{CHOICES}/{row.id}", MATCHER, change)) == [("403", "FORBIDDEN", SELECTED)]
        assert count(database, "workspace_providers") == 1


class TestTwoAtOnce:
    @pytest.mark.parametrize("matches", [False, True])
    def test_are_one_row_with_what_both_say(
        self, fresh_database: FreshDatabase, ours: Tenant, stripe: Row, *, matches: bool
    ) -> None:
        replies = race(
            fresh_database,
            insert(table_of("workspace_providers")).values(workspace_pk=ours.workspace.pk, provider_pk=stripe.pk),
            lambda: choose(BY_WORKSPACE, ours.workspace, stripe, ours.caller),
            lambda: choose(BY_ROW, ours.workspace, stripe, MATCHER if matches else ours.caller),
        )
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert len({reply.data["id"] for reply in replies}) == 1
        assert count(fresh_database, "workspace_providers") == 1
        (row,) = get(ours.providers, ours.caller).data
        assert (row["attributes"]["is_selected"], row["attributes"]["is_matched"]) == (True, True)

    def test_a_removal_and_a_choice_take_turns(
        self, world: World, fresh_database: FreshDatabase, ours: Tenant, stripe: Row
    ) -> None:
        row = world.choose(ours.workspace, stripe)
        removed, chosen = race(
            fresh_database,
            held(row),
            lambda: call("DELETE", f"{ours.providers}/{stripe.id}", ours.caller),
            lambda: choose(BY_WORKSPACE, ours.workspace, stripe, ours.caller),
        )
        assert removed.status == 204
        live = get(ours.providers, ours.caller).ids
        # The choice found the row before its removal, or made a new one after it.
        assert (chosen.status, len(live)) in {(200, 0), (201, 1)}
