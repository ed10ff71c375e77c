"""The workspaces of a group: a list in the order of their enrolment, to which the group's linkage leads."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text

from tests.support.api import READER, get, walked_both_ways, walked_text
from tests.support.databases import Database, Statements
from tests.support.plans import rows_read, sent_for
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from wellspring.services.ledger import reading

URL = "/v1/workspaces"
GROUPS = "/v1/workspace-groups"
NOWHERE = "01990000-0000-7000-8000-000000000000"


@pytest.fixture
def group(world: World, ours: Tenant) -> Row:
    """A group of the caller's."""
    made = world.group()
    world.group_member(ours.owner, made)
    return made


@pytest.fixture
def enrolled(world: World, group: Row) -> Sequence[Row]:
    """Workspaces of the group in the order of their enrolment, which is not that of their making."""
    workspaces = [world.workspace() for _ in range(5)][::-1]
    for workspace in workspaces:
        world.enrol(group, workspace)
    return workspaces


def url(group: Row | str, query: str = "") -> str:
    return f"{URL}?filter[workspace_group]={group if isinstance(group, str) else group.id}{query}"


@pytest.mark.parametrize("size", [1, 2, 20])
def test_they_are_listed_as_they_were_enrolled(ours: Tenant, group: Row, enrolled: Sequence[Row], size: int) -> None:
    for caller in (ours.caller, READER):
        assert walked_both_ways(url(group), caller, size) == [str(row.id) for row in enrolled]


def test_each_is_shown_as_in_every_list_of_workspaces(ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    listed = {item["id"]: item for item in get(f"{URL}?page[size]=500", ours.caller).data}
    for item in get(url(group), ours.caller).data:
        other = listed[item["id"]]
        assert {**item, "meta": None} == {**other, "meta": None}
    (named, *_) = get(url(group, "&fields[workspace]=name"), ours.caller).data
    assert named["attributes"].keys() == {"name"}


def test_a_group_links_to_them(ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    for path in (f"{GROUPS}/{group.id}", f"{GROUPS}/{group.id}?include=workspaces"):
        said = get(path, ours.caller).data["relationships"]["workspaces"]
        assert get(said["links"]["related"], ours.caller).ids == [row.id for row in enrolled]
        assert "next" not in said["links"]


def test_a_walk_goes_on_where_one_has_left(world: World, ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    page = get(url(group, "&page[size]=2"), ours.caller).document
    (row,) = get(f"/v1/workspace-group-workspaces?filter[workspace]={enrolled[1].id}&page[size]=1", ours.caller).data
    world.database.owner.execute(
        text("UPDATE core_api.workspace_group_workspaces SET deleted_at = now() WHERE id = :id"), {"id": row["id"]}
    )
    world.database.commit()
    assert walked_text(page["links"]["next"], ours.caller) == [str(each.id) for each in enrolled[2:]]


def test_one_enrolled_again_is_the_last(world: World, ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    world.database.owner.execute(
        text("UPDATE core_api.workspace_group_workspaces SET deleted_at = now() WHERE workspace_pk = :pk"),
        {"pk": enrolled[0].pk},
    )
    world.enrol(group, enrolled[0])
    assert get(url(group), ours.caller).ids == [row.id for row in (*enrolled[1:], enrolled[0])]


def test_they_are_counted_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, ours: Tenant, group: Row, enrolled: Sequence[Row]
) -> None:
    counted = url(group, "&page[total]=true&page[size]=1")
    assert get(counted, ours.caller).document["meta"] == {"page": {"total": len(enrolled)}}
    monkeypatch.setattr(reading, "MAX_TOTAL", 3)
    assert get(counted, ours.caller).document["meta"] == {"page": {"total": 3, "total_is_capped": True}}


def test_of_a_foreign_group_and_of_none_there_is_nothing(world: World, ours: Tenant, theirs: Tenant) -> None:
    foreign = world.group()
    world.group_member(theirs.owner, foreign)
    world.enrol(foreign, theirs.workspace)
    # A workspace that the caller sees, in a group that they do not.
    world.enrol(foreign, ours.workspace)
    for named in (str(foreign.id), NOWHERE):
        reply = get(url(named, "&page[total]=true"), ours.caller)
        assert (reply.status, reply.ids, reply.document["meta"]["page"]["total"]) == (200, [], 0)
    assert get(url(foreign), theirs.caller).ids == [theirs.workspace.id, ours.workspace.id]


def test_a_cursor_of_another_order_is_refused(ours: Tenant, group: Row, enrolled: Sequence[Row]) -> None:
    cursor = get(f"{URL}?sort=created_at", ours.caller).data[0]["meta"]["page"]["cursor"]
    for other in (cursor, "AAAA"):
        reply = get(url(group, f"&page[after]={other}"), ours.caller)
        assert (reply.codes, reply.sources) == (["INVALID_CURSOR"], [{"parameter": "page[after]"}])


@pytest.mark.usefixtures("enrolled")
def test_a_page_is_one_statement_that_reads_so_many_enrolments(
    untouched_database: Database, world: World, ours: Tenant, group: Row, statements: Statements
) -> None:
    database = untouched_database
    database.owner.execute(
        text(
            "WITH made AS (INSERT INTO core_api.workspaces (name) SELECT 'Many' FROM generate_series(1, 3000)"
            " RETURNING pk) INSERT INTO core_api.workspace_group_workspaces"
            " (workspace_group_pk, workspace_pk, created_at)"
            " SELECT enrolling, pk, now() + pk * interval '1 second'"
            "   FROM made, unnest(CAST(:groups AS bigint[])) AS enrolling WHERE enrolling = :group OR mod(pk, 10) = 0"
        ),
        # For one group alone, or at one time, an index of all groups would do as well.
        {"groups": [group.pk, *(world.group().pk for _ in range(20))], "group": group.pk},
    )
    world.analyze("core_api.workspace_group_workspaces", "core_api.workspaces")
    deep = get(url(group, "&page[size]=500"), READER).document["links"]["next"]
    for path in (url(group, "&page[size]=10"), deep.replace("%5Bsize%5D=500", "%5Bsize%5D=10")):
        assert sent_for(statements, path, READER)[0] == 1
        looked_at, reply = rows_read(database, path, READER, "core_api")
        assert len(reply.data) == 10
        assert looked_at < 150
