"""Contract, section 3, for enrolments, groups and choices of providers: each step of each way, and all ways together.

The lists are compared with SQL that is written here from the contract, and shares nothing with the product's.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.jsonapi.conftest import Tenant, walk, walked
from tests.support.api import READER, Caller, Reply, get, person, service
from tests.support.world import Row, World

ENROLMENTS, GROUPS, PROVIDERS = "/v1/workspace-group-workspaces", "/v1/workspace-groups", "/v1/workspace-providers"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


def providers_of(workspace: Row) -> str:
    return f"/v1/workspaces/{workspace.id}/providers"


# ---- nobody, and others --------------------------------------------------------------------------------
def test_a_stranger_sees_nothing(ours: Tenant) -> None:
    for url in (ENROLMENTS, GROUPS, PROVIDERS, providers_of(ours.workspace)):
        assert get(url).codes == ["UNAUTHORIZED"]


def test_the_foreign_tenant_is_absent(ours: Tenant, theirs: Tenant) -> None:
    for url, type_ in (
        (ENROLMENTS, "workspace_group_workspace"),
        (GROUPS, "workspace_group"),
        (PROVIDERS, "workspace_provider"),
    ):
        assert get(url, ours.caller).ids == [ours.rows[type_].id]
        assert get(theirs.url(type_), ours.caller).codes == [f"{type_.upper()}_NOT_FOUND"]
    reply = get(providers_of(theirs.workspace), ours.caller)
    nowhere = uuid4()
    absent = get(f"/v1/workspaces/{nowhere}/providers", ours.caller)
    assert (reply.status, reply.codes) == (404, ["WORKSPACE_NOT_FOUND"])
    assert reply.without(theirs.workspace.id) == absent.without(nowhere)


def test_a_person_who_is_a_member_of_nothing_sees_empty_lists(world: World, ours: Tenant) -> None:
    for caller in (person(world.people(ours.workspace)), Caller({"sub": str(uuid4())})):
        for url in (ENROLMENTS, GROUPS, PROVIDERS):
            assert get(f"{url}?filter[deleted]=include", caller).ids == []
        assert get(providers_of(ours.workspace), caller).status == 404


@pytest.mark.parametrize("id_", ["7", "not-a-uuid", "%00", "{hex}"])
def test_a_workspace_that_is_no_id_is_404(ours: Tenant, id_: str) -> None:
    reply = get(f"/v1/workspaces/{id_.format(hex=ours.workspace.id.hex)}/providers", ours.caller)
    assert reply.codes == ["WORKSPACE_NOT_FOUND"]


# ---- services ------------------------------------------------------------------------------------------
def test_a_service_sees_all_that_is_live(ours: Tenant, theirs: Tenant) -> None:
    for url, type_ in (
        (ENROLMENTS, "workspace_group_workspace"),
        (GROUPS, "workspace_group"),
        (PROVIDERS, "workspace_provider"),
    ):
        assert set(get(url, READER).ids) == {ours.rows[type_].id, theirs.rows[type_].id}
        assert get(theirs.url(type_), READER).status == 200
    assert get(providers_of(theirs.workspace), READER).ids == [theirs.rows["workspace_provider"].id]


@pytest.mark.parametrize("scopes", [[], ["sync:write"], ["providers:match"]])
def test_a_service_without_the_scope_sees_nothing(ours: Tenant, scopes: list[str]) -> None:
    for url in (ENROLMENTS, GROUPS, PROVIDERS, providers_of(ours.workspace), ours.url("workspace_group")):
        assert get(url, service(*scopes)).codes == ["FORBIDDEN"]


# ---- one side only -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Way:
    """Somebody who came to see the tenant's rows one way, and what is on the way."""

    caller: Caller
    steps: Mapping[str, Row]


def through_the_group(world: World, ours: Tenant, **membership: str) -> Way:
    """A member of the group, and of no workspace."""
    colleague = world.people(world.workspace())
    member = world.group_member(colleague, ours.group, **membership)
    steps = {
        "person": colleague,
        "membership": member,
        "group": ours.group,
        "enrolment": ours.rows["workspace_group_workspace"],
        "workspace": ours.workspace,
    }
    return Way(person(colleague), steps)


def through_the_workspace(world: World, ours: Tenant, **membership: str) -> Way:
    """A member of the workspace, and of no group."""
    colleague = world.people(world.workspace())
    member = world.member(colleague, ours.workspace, **membership)
    steps = {"person": colleague, "membership": member, "group": ours.group, "workspace": ours.workspace}
    return Way(person(colleague), steps)


class TestAMemberOfTheGroupOnly:
    @pytest.mark.parametrize("role", ["owner", "admin", "member", "guest"])
    def test_sees_the_enrolment_the_group_and_the_choices(self, world: World, ours: Tenant, role: str) -> None:
        way = through_the_group(world, ours, role=role)
        assert get(ENROLMENTS, way.caller).ids == [ours.rows["workspace_group_workspace"].id]
        assert get(GROUPS, way.caller).ids == [ours.group.id]
        assert get(PROVIDERS, way.caller).ids == [ours.rows["workspace_provider"].id]
        assert get(providers_of(ours.workspace), way.caller).ids == [ours.rows["workspace_provider"].id]
        for type_ in ("workspace_group_workspace", "workspace_group", "workspace_provider"):
            assert get(ours.url(type_), way.caller).status == 200

    def test_sees_nothing_while_the_invitation_is_pending(self, world: World, ours: Tenant) -> None:
        way = through_the_group(world, ours, status="pending")
        for url in (ENROLMENTS, GROUPS, PROVIDERS):
            assert get(url, way.caller).ids == []
        assert get(ours.url("workspace_group"), way.caller).status == 404
        assert get(providers_of(ours.workspace), way.caller).status == 404

    @pytest.mark.parametrize("step", ["person", "membership", "group", "enrolment", "workspace"])
    def test_sees_nothing_of_the_workspace_behind_a_tombstone(self, world: World, ours: Tenant, step: str) -> None:
        way = through_the_group(world, ours)
        world.tombstone(way.steps[step])
        assert get(ENROLMENTS, way.caller).ids == []
        assert get(PROVIDERS, way.caller).ids == []
        assert get(providers_of(ours.workspace), way.caller).status == 404
        for type_ in ("workspace_group_workspace", "workspace_provider"):
            assert get(ours.url(type_), way.caller).status == 404

    @pytest.mark.parametrize(
        ("step", "seen"), [("person", 0), ("membership", 0), ("group", 0), ("enrolment", 1), ("workspace", 1)]
    )
    def test_sees_the_group_as_long_as_they_are_a_member(
        self, world: World, ours: Tenant, step: str, seen: int
    ) -> None:
        way = through_the_group(world, ours)
        world.tombstone(way.steps[step])
        assert len(get(GROUPS, way.caller).ids) == seen
        assert get(ours.url("workspace_group"), way.caller).status == (200 if seen else 404)

    def test_sees_the_enrolments_that_were_withdrawn_when_asked(self, world: World, ours: Tenant) -> None:
        way = through_the_group(world, ours)
        world.tombstone(ours.rows["workspace_group_workspace"])
        for value in ("include", "only"):
            reply = get(f"{ENROLMENTS}?filter[deleted]={value}&page[total]=true", way.caller)
            assert reply.ids == [ours.rows["workspace_group_workspace"].id]
            assert reply.document["meta"]["page"]["total"] == 1
        # The workspace itself is closed to them.
        assert get(f"{PROVIDERS}?filter[deleted]=include", way.caller).ids == []
        assert get(f"{ENROLMENTS}?filter[workspace]={ours.workspace.id}", way.caller).status == 403

    def test_sees_the_other_workspaces_of_the_group_too(self, world: World, ours: Tenant) -> None:
        way = through_the_group(world, ours)
        row = world.enrol(ours.group, world.workspace())
        assert set(get(ENROLMENTS, way.caller).ids) == {row.id, ours.rows["workspace_group_workspace"].id}

    def test_sees_an_enrolment_of_a_seen_workspace_in_another_group(self, world: World, ours: Tenant) -> None:
        way = through_the_group(world, ours)
        other = world.group()
        row = world.enrol(other, ours.workspace)
        assert set(get(ENROLMENTS, way.caller).ids) == {row.id, ours.rows["workspace_group_workspace"].id}
        assert get(GROUPS, way.caller).ids == [ours.group.id]
        world.tombstone(ours.rows["workspace_group_workspace"])
        assert get(ENROLMENTS, way.caller).ids == []


class TestAMemberOfTheWorkspaceOnly:
    @pytest.mark.parametrize("role", ["owner", "admin", "member", "guest"])
    def test_sees_the_enrolment_and_the_choices_and_not_the_group(self, world: World, ours: Tenant, role: str) -> None:
        way = through_the_workspace(world, ours, role=role)
        assert get(ENROLMENTS, way.caller).ids == [ours.rows["workspace_group_workspace"].id]
        assert get(ours.url("workspace_group_workspace"), way.caller).status == 200
        assert get(PROVIDERS, way.caller).ids == [ours.rows["workspace_provider"].id]
        assert get(GROUPS, way.caller).ids == []
        assert get(ours.url("workspace_group"), way.caller).codes == ["WORKSPACE_GROUP_NOT_FOUND"]

    def test_sees_nothing_while_the_invitation_is_pending(self, world: World, ours: Tenant) -> None:
        way = through_the_workspace(world, ours, status="pending")
        for url in (ENROLMENTS, PROVIDERS):
            assert get(url, way.caller).ids == []
        assert get(providers_of(ours.workspace), way.caller).status == 404

    @pytest.mark.parametrize("step", ["person", "membership", "workspace"])
    def test_sees_nothing_behind_a_tombstone(self, world: World, ours: Tenant, step: str) -> None:
        way = through_the_workspace(world, ours)
        world.tombstone(way.steps[step])
        for url in (ENROLMENTS, PROVIDERS):
            assert get(f"{url}?filter[deleted]=include", way.caller).ids == []
        assert get(providers_of(ours.workspace), way.caller).status == 404

    def test_sees_no_enrolment_in_a_group_that_is_gone(self, world: World, ours: Tenant) -> None:
        way = through_the_workspace(world, ours)
        world.tombstone(ours.group)
        assert get(ENROLMENTS, way.caller).ids == []
        assert get(ours.url("workspace_group_workspace"), way.caller).status == 404
        assert get(PROVIDERS, way.caller).ids == [ours.rows["workspace_provider"].id]

    def test_sees_the_enrolments_that_were_withdrawn_when_asked(self, world: World, ours: Tenant) -> None:
        way = through_the_workspace(world, ours)
        world.tombstone(ours.rows["workspace_group_workspace"])
        assert get(ENROLMENTS, way.caller).ids == []
        assert get(f"{ENROLMENTS}?filter[deleted]=only", way.caller).ids == [ours.rows["workspace_group_workspace"].id]

    def test_is_told_the_groups_name_by_a_live_enrolment_and_by_none_that_was_withdrawn(
        self, world: World, ours: Tenant
    ) -> None:
        way = through_the_workspace(world, ours)
        include = "include=workspace_group.created_by,workspace"
        assert "workspace_group" in included(get(f"{ENROLMENTS}?{include}", way.caller))
        world.tombstone(ours.rows["workspace_group_workspace"])
        for deleted in ("include", "only"):
            reply = get(f"{ENROLMENTS}?filter[deleted]={deleted}&{include}", way.caller)
            # Which group it was is still said, by its id alone.
            (row,) = reply.document["data"]
            assert row["relationships"]["workspace_group"]["data"]["id"] == str(ours.group.id)
            assert included(reply) == {"workspace"}
        for member in (through_the_group(world, ours).caller, READER):
            reply = get(f"{ENROLMENTS}?filter[deleted]=only&include=workspace_group", member)
            assert included(reply) == {"workspace_group"}

    def test_does_not_see_the_other_workspaces_of_the_group(self, world: World, ours: Tenant) -> None:
        way = through_the_workspace(world, ours)
        world.enrol(ours.group, world.workspace())
        assert get(ENROLMENTS, way.caller).ids == [ours.rows["workspace_group_workspace"].id]


def included(reply: Reply) -> set[str]:
    """Return the types of what an answer includes."""
    return {each["type"] for each in reply.document["included"]}


def test_who_sees_an_enrolment_from_both_sides_sees_it_once(ours: Tenant) -> None:
    for sort in ("created_at", "updated_at"):
        reply = get(f"{ENROLMENTS}?sort={sort}&page[total]=true", ours.caller)
        assert (len(reply.ids), reply.document["meta"]["page"]["total"]) == (1, 1)


def test_one_side_left_is_enough(world: World, ours: Tenant) -> None:
    colleague = world.people(world.workspace())
    member, group_member = world.member(colleague, ours.workspace), world.group_member(colleague, ours.group)
    world.tombstone(member)
    assert len(get(ENROLMENTS, person(colleague)).ids) == 1
    world.tombstone(group_member)
    assert get(ENROLMENTS, person(colleague)).ids == []


def test_a_provider_that_left_the_catalogue_takes_its_choices_with_it(world: World, ours: Tenant) -> None:
    world.tombstone(ours.parents["provider"])
    for caller in (ours.caller, READER):
        for url in (PROVIDERS, providers_of(ours.workspace)):
            assert get(url, caller).ids == []


def test_the_list_of_a_workspace_holds_its_own_choices_only(world: World, ours: Tenant, theirs: Tenant) -> None:
    world.member(ours.owner, theirs.workspace)
    assert len(get(PROVIDERS, ours.caller).ids) == 2
    for tenant in (ours, theirs):
        for caller in (ours.caller, READER):
            assert get(providers_of(tenant.workspace), caller).ids == [tenant.rows["workspace_provider"].id]


# ---- everything together -------------------------------------------------------------------------------
JOINED = """
    joined AS (
      SELECT g.pk FROM core_api.workspace_group_memberships m
        JOIN core_api.peoples p ON p.pk = m.people_pk
        JOIN core_api.workspace_groups g ON g.pk = m.workspace_group_pk
       WHERE p.id = CAST(:caller AS uuid) AND p.deleted_at IS NULL AND m.status = 'active' AND m.deleted_at IS NULL
         AND g.deleted_at IS NULL
    ),
    seen AS (
      SELECT w.pk FROM core_api.workspaces w
       WHERE w.deleted_at IS NULL
         AND (CAST(:all AS boolean) OR w.pk IN (
               SELECT m.workspace_pk FROM core_api.workspace_memberships m
                 JOIN core_api.peoples p ON p.pk = m.people_pk
                WHERE p.id = CAST(:caller AS uuid) AND p.deleted_at IS NULL
                  AND m.status = 'active' AND m.deleted_at IS NULL)
              OR w.pk IN (
               SELECT e.workspace_pk FROM core_api.workspace_group_workspaces e
                WHERE e.deleted_at IS NULL AND e.workspace_group_pk IN (SELECT pk FROM joined)))
    )
"""
# A dead row outlives its group or provider, and no workspace.
QUERIES = {
    ENROLMENTS: """
      SELECT r.id FROM core_api.workspace_group_workspaces r
        JOIN core_api.workspace_groups g ON g.pk = r.workspace_group_pk
         AND (g.deleted_at IS NULL OR r.deleted_at IS NOT NULL)
        JOIN core_api.workspaces w ON w.pk = r.workspace_pk AND w.deleted_at IS NULL
       WHERE (CAST(:all AS boolean) OR g.pk IN (SELECT pk FROM joined) OR w.pk IN (SELECT pk FROM seen))
    """,
    GROUPS: """
      SELECT r.id FROM core_api.workspace_groups r
       WHERE r.deleted_at IS NULL AND (CAST(:all AS boolean) OR r.pk IN (SELECT pk FROM joined))
    """,
    PROVIDERS: """
      SELECT r.id FROM core_api.workspace_providers r
        JOIN core_api.providers p ON p.pk = r.provider_pk
         AND (p.deleted_at IS NULL OR r.deleted_at IS NOT NULL)
       WHERE r.workspace_pk IN (SELECT pk FROM seen)
    """,
}
DELETED = {"exclude": "AND r.deleted_at IS NULL", "include": "", "only": "AND r.deleted_at IS NOT NULL"}
ORDERS = {
    "created_at": "r.created_at, r.pk",
    "-created_at": "r.created_at DESC, r.pk DESC",
    "updated_at": "coalesce(r.updated_at, r.created_at), r.pk",
    "-updated_at": "coalesce(r.updated_at, r.created_at) DESC, r.pk DESC",
}


@dataclass(frozen=True)
class Town:
    """People, groups and workspaces, thrown together by chance; some of everything is pending or gone."""

    world: World
    people: list[Row]
    workspaces: list[Row]

    def expected(self, url: str, caller: Row | None, deleted: str, sort: str) -> list[UUID]:
        """Return the ids that somebody, or a service, sees; by SQL."""
        statement = f"WITH {JOINED} {QUERIES[url]} {DELETED[deleted]} ORDER BY {ORDERS[sort]}"
        values = {"caller": caller.id if caller else uuid4(), "all": caller is None}
        return list(self.world.database.owner.execute(text(statement), values).scalars())


class Chance:
    """What fate has in store for each row."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def gone(self, share: float = 0.15) -> datetime | None:
        return NOON if self.random.random() < share else None

    def times(self) -> dict[str, Any]:
        created = NOON + timedelta(milliseconds=self.random.randrange(4))
        later = created + timedelta(milliseconds=self.random.randrange(4))
        return {"created_at": created, "updated_at": self.random.choice([None, created, later])}

    def membership(self) -> dict[str, Any]:
        return {"status": self.random.choice(["active", "active", "active", "pending"]), "deleted_at": self.gone()}


def town(world: World, seed: int) -> Town:
    chance = Chance(seed)
    home = world.workspace()
    workspaces = [world.workspace(deleted_at=chance.gone()) for _ in range(6)]
    people = [world.people(home, deleted_at=chance.gone()) for _ in range(4)]
    groups = [world.group(people[number], deleted_at=chance.gone(), **chance.times()) for number in range(4)]
    providers = [world.provider(f"town-{number}", deleted_at=chance.gone()) for number in range(3)]
    for one in people:
        for workspace in chance.random.sample(workspaces, 2):
            world.member(one, workspace, **chance.membership())
        for group in chance.random.sample(groups, 2):
            world.group_member(one, group, **chance.membership())
    for group, workspace in product(groups, workspaces):
        if chance.random.random() < 0.6:
            maker = chance.random.choice([*people, None])
            world.enrol(group, workspace, maker, deleted_at=chance.gone(0.35), **chance.times())
    for workspace, provider in product(workspaces, providers):
        world.choose(workspace, provider, is_matched=True, deleted_at=chance.gone(), **chance.times())
    return Town(world, people, workspaces)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3))])
def test_everybody_sees_what_the_contract_says_in_every_order_and_on_every_page(world: World, seed: int) -> None:
    there = town(world, seed)
    callers: list[tuple[Row | None, Caller]] = [(None, READER), *((one, person(one)) for one in there.people)]
    shown = 0
    for caller, claims in callers:
        for url in QUERIES:
            # Half of the combinations for each town; the next one has the other half.
            for number, (deleted, sort) in enumerate(list(product(DELETED, ORDERS))[seed % 2 :: 2]):
                expected = there.expected(url, caller, deleted, sort)
                query = f"{url}?filter[deleted]={deleted}&sort={sort}&page[total]=true"
                whole = get(f"{query}&page[size]=100", claims)
                assert whole.ids == expected, (caller, query)
                assert whole.document["meta"]["page"]["total"] == len(expected)
                shown += len(expected)
                if number == seed:
                    assert walked(f"{query}&page[size]=3", claims) == expected
    assert shown > 0


@pytest.mark.parametrize("seed", range(2))
def test_a_workspace_s_own_list_is_its_part_of_the_whole(world: World, seed: int) -> None:
    there = town(world, seed)
    for caller, claims in [(None, READER), *((one, person(one)) for one in there.people)]:
        seen = set(there.expected(PROVIDERS, caller, "include", "created_at"))
        found: set[UUID] = set()
        for workspace in there.workspaces:
            reply = get(f"{providers_of(workspace)}?filter[deleted]=include", claims)
            assert reply.status in {200, 404}
            found |= set(reply.ids) if reply.status == 200 else set()
        assert found == seen


@pytest.mark.parametrize("sort", ORDERS)
def test_a_walk_of_rows_seen_partly_from_either_side_goes_both_ways(world: World, ours: Tenant, sort: str) -> None:
    """Half of the rows are open through the group alone, half through the workspaces alone, some through both."""
    mine, elsewhere = [world.workspace() for _ in range(4)], [world.group() for _ in range(4)]
    for number, workspace in enumerate(mine):
        world.member(ours.owner, workspace, role="guest")
        for group in elsewhere:
            at = NOON + timedelta(milliseconds=number % 2)
            world.enrol(group, workspace, created_at=at, updated_at=at + timedelta(milliseconds=number))
    for number in range(7):
        at = NOON + timedelta(milliseconds=number % 3)
        world.enrol(ours.group, world.workspace(), created_at=at, updated_at=None)
    world.enrol(ours.group, mine[0], created_at=NOON, updated_at=NOON)
    expected = Town(world, [], []).expected(ENROLMENTS, ours.owner, "exclude", sort)
    assert len(expected) == 16 + 7 + 1 + 1
    pages = list(walk(f"{ENROLMENTS}?sort={sort}&page[size]=4&page[total]=true", ours.caller))
    assert [id_ for page in pages for id_ in page.ids] == expected
    assert {page.document["meta"]["page"]["total"] for page in pages} == {len(expected)}
    back = list(walk(pages[-1].document["links"]["self"], ours.caller, "prev"))
    assert [page.ids for page in back[::-1]] == [page.ids for page in pages]
