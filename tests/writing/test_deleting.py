"""Contract, section 4, "Delete": soft, once, and history afterwards."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from tests.support.api import PIPELINE, READER, Reply, call, get, one_of_each_kind
from tests.support.databases import FreshDatabase
from tests.support.tenants import Tenant
from tests.support.world import World
from tests.writing.conftest import COMPANIES, WAYS, Subject, count, identifier, race, route_of
from wellspring.models import table_of
from wellspring.resources import ledgers, resource_of


@pytest.fixture
def made(subject: Subject) -> UUID:
    """The row that can be deleted."""
    reply = subject.send(key=None)
    assert reply.status == 201, reply.body
    return UUID(reply.data["id"])


def delete(subject: Subject, id_: UUID) -> Reply:
    return call("DELETE", subject.path or f"{resource_of(subject.type).route}/{id_}", subject.caller)


@pytest.mark.parametrize("way", [*one_of_each_kind(ledgers()), *WAYS])
class TestARow:
    def test_is_gone_once_without_a_word_and_history_in_lists(self, subject: Subject, made: UUID) -> None:
        lists = ("exclude", "include", "only")
        assert [subject.listed(deleted) for deleted in lists] == [[made], [made], []]
        first, second = (delete(subject, made) for _ in range(2))
        assert (first.status, first.body) == (204, "")
        assert "content-type" not in first.headers
        assert (second.status, second.error["code"]) == (404, f"{subject.type.upper()}_NOT_FOUND")
        assert [subject.listed(deleted) for deleted in lists] == [[], [made], [made]]

    def test_leaves_its_parents_and_neighbours(self, world: World, subject: Subject, made: UUID) -> None:
        # The neighbour differs from it in nothing but, where there can be only one, one parent.
        related = subject.document["data"]["relationships"]
        for name, other in (("workspace_group", world.group()), ("provider", world.provider("neighbour"))):
            if name in related:
                related[name]["data"] = identifier(other)
                if name == "workspace_group":
                    world.group_member(subject.ours.owner, other, "owner")
        neighbour = subject.send(key=None, url=resource_of(subject.type).route)
        tables = ("workspaces", "workspace_groups", "providers", "companies", "workspace_connectors")
        before = {name: live(world, name) for name in tables}
        delete(subject, made)
        assert subject.listed("exclude") == [UUID(neighbour.data["id"])]
        assert {name: live(world, name) for name in tables} == before

    def test_is_deleted_once_by_two_at_once(self, fresh_database: FreshDatabase, subject: Subject, made: UUID) -> None:
        hold = text(f"SELECT pk FROM core_api.{subject.table} WHERE id = '{made}' FOR UPDATE")
        replies = race(fresh_database, hold, *[lambda: delete(subject, made)] * 2)
        assert sorted(reply.status for reply in replies) == [204, 404]
        assert count(fresh_database, subject.table) == 1


def live(world: World, table: str) -> list[Any]:
    """Return the ids of the live rows of a table."""
    found = table_of(table)
    return list(world.database.owner.execute(select(found.c.id).where(found.c.deleted_at.is_(None))).scalars())


def test_an_id_of_another_type_is_404_and_one_in_capitals_is_found(world: World, ours: Tenant) -> None:
    row = world.provenance(ours.records["company"], ours.connector)
    assert call("DELETE", f"{route_of('people')}/{row.id}", PIPELINE).status == 404
    assert get(f"{COMPANIES}/{row.id}", READER).status == 200
    assert call("DELETE", f"{COMPANIES}/{str(row.id).upper()}", PIPELINE).status == 204


@pytest.mark.parametrize("way", WAYS)
def test_what_is_made_again_is_a_new_row(subject: Subject, made: UUID) -> None:
    assert delete(subject, made).status == 204
    only = f"{resource_of(subject.type).route}?filter[deleted]=only"
    (old,) = get(only, subject.caller).data
    again = subject.send(key=None)
    assert (again.status, again.data["id"] != str(made)) == (201, True)
    if subject.type == "workspace_provider":
        # Removing unselects; that it was matched stays true.
        assert (old["attributes"]["is_selected"], old["attributes"]["is_matched"]) == (False, True)
        assert again.data["attributes"]["is_selected"] is True
    assert get(only, subject.caller).data[0]["attributes"] == old["attributes"]
    if subject.path:
        # The path leads to the live row, however many rows of the same pair are history.
        assert [delete(subject, made).status for _ in range(2)] == [204, 404]
        assert subject.send(key=None).status == 201
    assert (len(subject.listed("exclude")), len(subject.listed("only"))) == (1, 2 if subject.path else 1)
