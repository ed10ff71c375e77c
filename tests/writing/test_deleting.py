"""Contract, section 4, "Delete": soft, once, and history afterwards."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.support.api import PIPELINE, READER, Caller, Reply, call, draft, get, one_of_each_kind, person, post
from tests.support.databases import Database, FreshDatabase
from tests.support.tenants import Tenant, tenant
from tests.support.world import Row, World
from tests.writing.conftest import BY_GROUP, CHOICES, COMPANIES, ENROLMENTS, GROUPS, count, enrol, held, race, route_of
from wellspring.models import table_of
from wellspring.resources import ledgers

WAYS = ("enrolment", "choice", "enrolment by the group", "choice by the workspace")


class Subject:
    """A row that can be deleted, by whom, and where it is listed."""

    def __init__(self, world: World, way: str) -> None:
        self.world = world
        self.ours: Tenant = tenant(world)
        kind = way.partition(" ")[0]
        workspace = self.ours.workspace
        self.caller: Caller = self.ours.caller
        if kind == "enrolment":
            self.group = world.group()
            world.group_member(self.ours.owner, self.group, "owner")
            self.row = world.enrol(self.group, workspace, self.ours.owner)
            self.collection = ENROLMENTS
        elif kind == "choice":
            self.provider = world.provider("stripe")
            self.row = world.choose(workspace, self.provider, is_selected=True, is_matched=True)
            self.collection = CHOICES
        else:
            self.caller = PIPELINE
            self.row = world.provenance(self.ours.records[kind], self.ours.connector)
            self.collection = route_of(kind)
        self.url = f"{self.collection}/{self.row.id}"
        self.path = self.url
        if way == "enrolment by the group":
            self.path = f"{GROUPS}/{self.group.id}/workspaces/{workspace.id}"
        elif way == "choice by the workspace":
            self.path = f"{self.ours.providers}/{self.provider.id}"

    @property
    def table(self) -> str:
        return f"{self.row.type}s"

    def neighbour(self) -> Row:
        """Make a row that differs from it in nothing but, where there can be only one, one parent."""
        if self.collection == ENROLMENTS:
            return self.world.enrol(self.world.group(), self.ours.workspace)
        if self.collection == CHOICES:
            return self.world.choose(
                self.ours.workspace, self.world.provider("neighbour"), is_selected=True, is_matched=True
            )
        return self.world.provenance(
            self.ours.records[self.row.type.removesuffix("_workspace_connector")], self.ours.connector
        )

    def again(self) -> Reply:
        """Make the enrolment or the choice again."""
        if self.collection == ENROLMENTS:
            return enrol(self.group, self.ours.workspace, self.caller)
        return post(self.ours.providers, self.caller, draft("workspace_provider", provider=self.provider))

    def delete(self, caller: Caller | None = None, query: str = "", **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return call("DELETE", self.path + query, caller or self.caller, headers=sent)

    def listed(self, deleted: str) -> list[UUID]:
        return get(f"{self.collection}?filter[deleted]={deleted}", READER).ids


@pytest.fixture
def subject(world: World, way: str) -> Subject:
    return Subject(world, way)


each_way = pytest.mark.parametrize("way", [*one_of_each_kind(ledgers()), *WAYS])


@each_way
class TestARow:
    def test_is_gone_without_a_word(self, subject: Subject) -> None:
        reply = subject.delete()
        assert (reply.status, reply.body) == (204, "")
        assert "content-type" not in reply.headers

    def test_is_gone_once(self, subject: Subject) -> None:
        subject.delete()
        second = subject.delete()
        assert (second.status, second.error["code"]) == (404, f"{subject.row.type.upper()}_NOT_FOUND")

    def test_is_history_in_lists(self, subject: Subject) -> None:
        lists = ("exclude", "include", "only")
        row = [subject.row.id]
        assert [subject.listed(deleted) for deleted in lists] == [row, row, []]
        subject.delete()
        assert [subject.listed(deleted) for deleted in lists] == [[], row, row]
        (kept,) = get(f"{subject.collection}?filter[deleted]=only", READER).data
        assert kept["attributes"]["deleted_at"] == kept["attributes"]["updated_at"]

    def test_leaves_its_parents_and_neighbours(self, world: World, subject: Subject) -> None:
        neighbour = subject.neighbour()
        tables = ("workspaces", "workspace_groups", "providers", "companies", "workspace_connectors")
        before = {name: live(world, name) for name in tables}
        subject.delete()
        assert subject.listed("exclude") == [neighbour.id]
        assert {name: live(world, name) for name in tables} == before


@pytest.mark.parametrize("way", ["company"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [("{", "application/vnd.api+json"), ("nonsense", "text/plain"), ("\ud800", ""), ("x" * 2_000_000, "")],
    ids=lambda value: ascii(value[:20]),
)
def test_a_row_is_gone_whatever_the_body_says(subject: Subject, body: str, content_type: str) -> None:
    headers = {"content-type": content_type}
    assert call("DELETE", subject.path, subject.caller, body=body, headers=headers).status == 204
    assert subject.listed("exclude") == []


def live(world: World, table: str) -> list[Any]:
    """Return the ids of the live rows of a table."""
    found = table_of(table)
    return list(world.database.owner.execute(select(found.c.id).where(found.c.deleted_at.is_(None))).scalars())


class TestTwoAtOnce:
    @each_way
    def test_delete_it_once(self, fresh_database: FreshDatabase, subject: Subject) -> None:
        replies = race(fresh_database, held(subject.row), subject.delete, subject.delete)
        assert sorted(reply.status for reply in replies) == [204, 404]
        assert count(fresh_database, subject.table) == 1


def test_an_id_of_another_type_is_404_and_one_in_capitals_is_found(world: World, ours: Tenant) -> None:
    row = world.provenance(ours.records["company"], ours.connector)
    assert call("DELETE", f"{route_of('people')}/{row.id}", PIPELINE).status == 404
    assert get(f"{COMPANIES}/{row.id}", READER).status == 200
    assert call("DELETE", f"{COMPANIES}/{str(row.id).upper()}", PIPELINE).status == 204


class TestWhatIsMadeAgain:
    @pytest.mark.parametrize("way", WAYS)
    def test_after_its_removal_is_a_new_row(self, database: Database, subject: Subject) -> None:
        assert subject.delete().status == 204
        only = f"{subject.collection}?filter[deleted]=only"
        (old,) = get(only, subject.caller).data
        again = subject.again()
        assert (again.status, again.data["id"] != old["id"]) == (201, True)
        if subject.collection == CHOICES:
            # Removing unselects; that it was matched stays true.
            assert (old["attributes"]["is_selected"], old["attributes"]["is_matched"]) == (False, True)
            assert again.data["attributes"]["is_selected"] is True
            assert get(subject.ours.providers, subject.caller).ids == [UUID(again.data["id"])]
        assert set(subject.listed("include")) == {subject.row.id, UUID(again.data["id"])}
        assert subject.listed("only") == [subject.row.id]
        assert get(only, subject.caller).data[0]["attributes"] == old["attributes"]

    @pytest.mark.parametrize("way", ["choice by the workspace", "enrolment by the group"])
    def test_can_be_deleted_again_by_its_path(self, subject: Subject) -> None:
        """The path leads to the live row, however many rows of the same pair are history."""
        for _ in range(3):
            assert subject.delete().status == 204
            assert subject.delete().status == 404
            assert subject.again().status == 201
        assert (len(subject.listed("exclude")), len(subject.listed("only"))) == (1, 3)


class TestAWithdrawal:
    def test_closes_what_the_group_had_opened(self, world: World) -> None:
        subject = Subject(world, "enrolment by the group")
        colleague = world.people(world.workspace())
        world.group_member(colleague, subject.group)
        row = world.provenance(subject.ours.records["company"], subject.ours.connector)
        assert get(COMPANIES, person(colleague)).ids == [row.id]
        assert subject.delete().status == 204
        assert get(COMPANIES, person(colleague)).ids == []
        group = get(f"{GROUPS}/{subject.group.id}?include=workspaces", person(colleague)).data
        assert group["relationships"]["workspaces"]["data"] == []

    def test_of_a_keeper_who_is_no_member_of_the_workspace_is_theirs_to_make(self, world: World) -> None:
        subject = Subject(world, "enrolment by the group")
        keeper = world.people(world.workspace())
        world.group_member(keeper, subject.group, "admin")
        assert subject.delete(person(keeper)).status == 204
        # The last way to the workspace is closed, so that they cannot enrol it again.
        again = enrol(subject.group, subject.ours.workspace, person(keeper), BY_GROUP)
        assert again.error["code"] == "WORKSPACE_NOT_FOUND"
