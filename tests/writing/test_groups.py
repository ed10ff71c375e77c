"""The group service (contract, sections 3 and 4): making a group with its first enrolments, and enrolling later."""

import re
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from tests.support.api import NOWHERE, call, get, person, post
from tests.support.databases import Database, FreshDatabase
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from tests.writing.conftest import (
    BY_GROUP,
    BY_ROW,
    ENROLMENTS,
    GROUPS,
    MEMBERSHIPS,
    Subject,
    count,
    enrol,
    group_of,
    identifier,
    is_shown_whole,
    linked,
    race,
    told,
)
from wellspring.models import table_of

TABLES = ("workspace_groups", "workspace_group_memberships", "workspace_group_workspaces")
WORKSPACES = "/data/relationships/workspaces/data"


def counts(database: Database) -> list[int]:
    return [count(database, table) for table in TABLES]


class TestANewGroup:
    def test_is_shown_whole(self, world: World, ours: Tenant) -> None:
        second = world.workspace()
        world.member(ours.owner, second, "admin")
        made = post(GROUPS, ours.caller, group_of(ours.workspace, second))
        linked_by = f"filter%5Bworkspace_group%5D={made.data['id']}"
        relationships = {
            "created_by": {"data": identifier(ours.owner)},
            "workspaces": {"links": {"related": f"/v1/workspaces?{linked_by}"}},
            "memberships": {"links": {"related": f"{MEMBERSHIPS}?{linked_by}"}},
        }
        is_shown_whole(made, ours.caller, relationships, name="Holding")

    def test_has_its_maker_as_its_only_and_active_owner_who_enrols(self, ours: Tenant) -> None:
        made = post(f"{GROUPS}?include=memberships,created_by,workspaces", ours.caller, group_of(ours.workspace))
        included = {item["type"]: item for item in made.document["included"]}
        membership = included["workspace_group_membership"]
        assert membership["attributes"]["role"] == "owner"
        assert membership["attributes"]["status"] == "active"
        assert membership["relationships"]["people"]["data"] == identifier(ours.owner)
        assert membership["relationships"]["workspace_group"]["data"]["id"] == made.data["id"]
        assert included["people"]["id"] == str(ours.owner.id)
        assert included["workspace"]["id"] == str(ours.workspace.id)
        (enrolment,) = get(ENROLMENTS, ours.caller).data
        related = {name: value["data"] for name, value in enrolment["relationships"].items()}
        assert related == {
            "workspace_group": {"type": "workspace_group", "id": made.data["id"]},
            "workspace": identifier(ours.workspace),
            "created_by": identifier(ours.owner),
        }
        # With the owner's rights at once.
        url = f"{made.headers['location']}/workspaces/{ours.workspace.id}"
        assert call("DELETE", url, ours.caller).status == 204

    @pytest.mark.parametrize("relationships", [None, {}, {"workspaces": {"data": []}}])
    def test_may_be_empty(self, database: Database, ours: Tenant, relationships: object) -> None:
        document = group_of()
        if relationships is not None:
            document["data"]["relationships"] = relationships
        made = post(f"{GROUPS}?include=workspaces", ours.caller, document)
        assert (made.status, made.data["relationships"]["workspaces"]["data"]) == (201, [])
        assert counts(database) == [1, 1, 0]

    def test_takes_a_workspace_once_however_often_it_is_named(self, database: Database, ours: Tenant) -> None:
        document = group_of(ours.workspace, ours.workspace, ours.workspace)
        document["data"]["relationships"]["workspaces"]["data"][1]["id"] = str(ours.workspace.id).upper()
        made = post(f"{GROUPS}?include=workspaces", ours.caller, document)
        assert made.status == 201
        assert made.data["relationships"]["workspaces"]["data"] == [identifier(ours.workspace)]
        assert counts(database) == [1, 1, 1]

    def test_takes_workspaces_in_their_order(self, world: World, ours: Tenant) -> None:
        more = [world.workspace() for _ in range(4)]
        for workspace in more:
            world.member(ours.owner, workspace, "owner")
        chosen = [more[2], ours.workspace, more[3], more[0]]
        made = post(f"{GROUPS}?include=workspaces", ours.caller, group_of(*chosen))
        linkage = made.data["relationships"]["workspaces"]["data"]
        assert linkage == [identifier(workspace) for workspace in chosen]
        read = get(f"{made.headers['location']}?include=workspaces", ours.caller)
        assert read.data["relationships"]["workspaces"]["data"] == linkage

    def test_may_have_a_workspace_of_another(self, database: Database, ours: Tenant) -> None:
        assert [post(GROUPS, ours.caller, group_of(ours.workspace)).status for _ in range(2)] == [201, 201]
        assert counts(database) == [2, 2, 2]


class TestAllOrNone:
    def test_one_that_is_not_to_be_had_leaves_nothing(self, database: Database, ours: Tenant, theirs: Tenant) -> None:
        absent = Row("workspace", 0, uuid4())
        no_id = group_of(ours.workspace, ours.workspace)
        no_id["data"]["relationships"]["workspaces"]["data"][1]["id"] = "nonsense"
        for document, code, places in (
            (group_of(absent, ours.workspace, theirs.workspace), "404 WORKSPACE_NOT_FOUND", ["0/id", "2/id"]),
            (no_id, "404 WORKSPACE_NOT_FOUND", ["1/id"]),
            (group_of(ours.workspace, ours.owner), "422 SCHEMA_VALIDATION_ERROR", ["1/type"]),
        ):
            reply = post(GROUPS, ours.caller, document)
            assert told(reply) == [(*code.split(), f"{WORKSPACES}/{place}") for place in places]
        assert counts(database) == [0, 0, 0]

    def test_one_seen_through_a_group_alone_is_403(
        self, world: World, database: Database, ours: Tenant, theirs: Tenant
    ) -> None:
        other = world.group()
        world.group_member(ours.owner, other, "owner")
        world.enrol(other, theirs.workspace)
        before = counts(database)
        reply = post(GROUPS, ours.caller, group_of(ours.workspace, theirs.workspace))
        assert told(reply) == [("403", "FORBIDDEN", f"{WORKSPACES}/1/id")]
        named_twice = post(GROUPS, ours.caller, group_of(theirs.workspace, ours.workspace, theirs.workspace))
        assert named_twice.status == 403
        assert told(named_twice) == [("403", "FORBIDDEN", f"{WORKSPACES}/{number}/id") for number in (0, 2)]
        assert counts(database) == before

    def test_a_failure_in_the_middle_leaves_nothing(
        self, fresh_database: FreshDatabase, ours: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a database with real commits: what was written before the failure must not stay."""

        def fail(*_: object) -> None:
            raise RuntimeError("after the group, its owner and its enrolments")

        monkeypatch.setattr("wellspring.services.ledger.including.linkage", fail)
        reply = post(f"{GROUPS}?include=workspaces", ours.caller, group_of(ours.workspace))
        assert (reply.status, reply.error["code"]) == (500, "INTERNAL_ERROR")
        assert [count(fresh_database, table) for table in TABLES] == [0, 0, 0]


@pytest.mark.parametrize("way", [BY_ROW, BY_GROUP])
class TestEnrolling:
    def test_makes_a_row_that_says_who_made_it(self, world: World, ours: Tenant, group: Row, way: str) -> None:
        admin = world.people(world.workspace())
        world.group_member(admin, group, "admin")
        world.member(admin, ours.workspace, "admin")
        # Who sees an enrolment sees its workspace, and perhaps neither its group nor who made it.
        relationships = {
            "workspace_group": {"data": identifier(group)},
            "workspace": linked(ours.workspace),
            "created_by": {"data": identifier(admin)},
        }
        is_shown_whole(enrol(group, ours.workspace, person(admin), way), ours.caller, relationships)

    def test_again_is_409(self, database: Database, ours: Tenant, group: Row, way: str) -> None:
        enrol(group, ours.workspace, ours.caller, way)
        for again in (BY_ROW, BY_GROUP):
            reply = enrol(group, ours.workspace, ours.caller, again)
            assert reply.status == 409
            assert reply.error["code"] == "WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS"
            assert reply.error["title"] == "Workspace group workspace already exists"
            assert "active_unique" not in reply.body
        assert count(database, "workspace_group_workspaces") == 1

    def test_twice_at_once_makes_one_row(
        self, fresh_database: FreshDatabase, ours: Tenant, group: Row, way: str
    ) -> None:
        other_way = BY_GROUP if way == BY_ROW else BY_ROW
        hold = insert(table_of("workspace_group_workspaces")).values(
            workspace_group_pk=group.pk, workspace_pk=ours.workspace.pk
        )
        replies = race(
            fresh_database,
            hold,
            lambda: enrol(group, ours.workspace, ours.caller, way),
            lambda: enrol(group, ours.workspace, ours.caller, other_way),
        )
        assert sorted(reply.status for reply in replies) == [201, 409]
        (lost,) = (reply for reply in replies if reply.status == 409)
        assert lost.error["code"] == "WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS"
        assert count(fresh_database, "workspace_group_workspaces") == 1


@pytest.mark.parametrize(
    ("way", "parent", "absent"),
    [
        ("enrolment by the group", "workspace_group", "WORKSPACE_GROUP_NOT_FOUND"),
        ("choice by the workspace", "workspace", "WORKSPACE_NOT_FOUND"),
    ],
)
class TestThePath:
    """`POST /v1/workspace-groups/{id}/workspaces`, and of providers: the path has settled a parent."""

    @pytest.fixture
    def said(self, subject: Subject, parent: str) -> dict[str, str]:
        """What the body says of it."""
        found: dict[str, str] = subject.document["data"]["relationships"][parent]["data"]
        return found

    def test_may_be_repeated_in_the_body_or_left_out(
        self, subject: Subject, said: dict[str, str], parent: str, absent: str
    ) -> None:
        said["id"] = said["id"].upper()
        assert subject.send(key=None).status == 201
        del subject.document["data"]["relationships"][parent]
        assert subject.send(key=None).status in {200, 409}

    def test_contradicted_by_the_body_is_409(
        self, world: World, subject: Subject, said: dict[str, str], parent: str, absent: str
    ) -> None:
        """Whether there is such another or not: the two say different things."""
        group, workspace = world.group(), world.workspace()
        world.group_member(subject.ours.owner, group, "owner")
        world.member(subject.ours.owner, workspace, "owner")
        for other in (group if parent == "workspace_group" else workspace, Row(parent, 0, uuid4())):
            said["id"] = str(other.id)
            place = f"/data/relationships/{parent}/data"
            assert told(subject.send(key=None)) == [("409", "CONFLICT", f"{place}/id")]
        said["type"] = "company"
        assert told(subject.send(key=None)) == [("422", "SCHEMA_VALIDATION_ERROR", f"{place}/type")]
        assert count(world.database, subject.table) == 0

    @pytest.mark.parametrize("id_", [NOWHERE, "nonsense", "%00", "%C3%A9"])
    def test_that_leads_nowhere_is_404_and_nothing_else(
        self, subject: Subject, parent: str, absent: str, id_: str
    ) -> None:
        url = re.sub("[0-9a-f-]{36}", id_, subject.url)
        linkages: list[dict[str, object]] = [subject.document["data"]["relationships"], {}]
        for relationships in linkages:
            subject.document["data"] |= {"relationships": relationships, "attributes": {}}
            assert told(subject.send(key=None, url=url)) == [("404", absent, None)]

    def test_needs_the_other_in_the_body(self, subject: Subject, parent: str, absent: str) -> None:
        subject.document["data"]["relationships"] = {}
        assert told(subject.send(key=None)) == [("422", "SCHEMA_VALIDATION_ERROR", "/data")]


def test_whoever_made_an_enrolment_may_be_gone(world: World, database: Database, ours: Tenant, group: Row) -> None:
    enrol(group, ours.workspace, ours.caller)
    keeper = world.people(world.workspace())
    world.group_member(keeper, group, "owner")
    world.tombstone(ours.owner)
    (row,) = get(f"{ENROLMENTS}?include=created_by", person(keeper)).data
    assert row["relationships"]["created_by"]["data"] == identifier(ours.owner)
    table = table_of("workspace_group_workspaces")
    assert database.owner.execute(select(table.c.created_by_pk)).scalar_one() == ours.owner.pk
    assert call("DELETE", f"{ENROLMENTS}/{row['id']}", person(keeper)).status == 204
