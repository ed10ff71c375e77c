"""The members of a group: who adds, changes and removes whom, and who leaves (contract, section 3)."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tests.support.api import Caller, Reply, call, draft, get, person, post
from tests.support.databases import Database, FreshDatabase
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from tests.writing.conftest import GROUPS, MEMBERSHIPS, add, held, race, told
from wellspring.resources import ROLES

ROLE = "/data/attributes/role"


@pytest.fixture
def group(world: World, ours: Tenant) -> Row:
    """A group in which our workspace is enrolled, so that its members see our people."""
    made = world.group()
    world.enrol(made, ours.workspace)
    return made


@pytest.fixture
def member(world: World, group: Row) -> Callable[[str], tuple[Caller, Row]]:
    """Makes a member of the group, from a workspace of their own: who they are, and their membership."""

    def made(role: str) -> tuple[Caller, Row]:
        somebody = world.people(world.workspace())
        return person(somebody), world.group_member(somebody, group, role)

    return made


type Member = Callable[[str], tuple[Caller, Row]]


def change(membership: Row, caller: Caller, role: str) -> Reply:
    document: Any = draft("workspace_group_membership", {"role": role}, membership.id)
    return call("PATCH", f"{MEMBERSHIPS}/{membership.id}", caller, document)


def remove(membership: Row, caller: Caller) -> Reply:
    return call("DELETE", f"{MEMBERSHIPS}/{membership.id}", caller)


# What a keeper may do about somebody of each role, or make of them: no more than they are.
RANKS = [
    (mine, theirs, theirs in ROLES[ROLES.index(mine) :] if mine in {"owner", "admin"} else False)
    for mine in ROLES
    for theirs in ROLES
]
each_pair = pytest.mark.parametrize(("mine", "theirs", "may"), RANKS)


class TestAdding:
    @each_pair
    def test_for_a_keeper_and_no_more_than_they_are(
        self, world: World, ours: Tenant, group: Row, member: Member, mine: str, theirs: str, *, may: bool
    ) -> None:
        caller, _ = member(mine)
        newcomer = world.people(ours.workspace)
        reply = add(newcomer, group, caller, theirs)
        if may:
            assert (reply.status, reply.data["attributes"]["role"]) == (201, theirs)
            assert reply.data["attributes"]["status"] == "active"
            assert get(f"{GROUPS}/{group.id}", person(newcomer)).status == 200
        else:
            pointer = ROLE if mine == "admin" else None
            assert told(reply) == [("403", "FORBIDDEN", pointer)]
            assert get(f"{GROUPS}/{group.id}", person(newcomer)).status == 404

    def test_again_is_409(self, ours: Tenant, group: Row, member: Member) -> None:
        caller, _ = member("owner")
        first = add(ours.owner, group, caller, "guest")
        assert add(ours.owner, group, caller).codes == ["WORKSPACE_GROUP_MEMBERSHIP_ALREADY_EXISTS"]
        assert remove(Row("", 0, UUID(first.data["id"])), caller).status == 204
        assert add(ours.owner, group, caller).status == 201

    def test_the_status_is_the_systems_and_the_role_one_of_four(self, ours: Tenant, group: Row, member: Member) -> None:
        caller, _ = member("owner")
        said, related = {"role": "king", "status": "pending"}, {"people": ours.owner, "workspace_group": group}
        document = draft("workspace_group_membership", said, **related)
        reply = post(MEMBERSHIPS, caller, document)
        assert told(reply) == [
            ("422", "SCHEMA_VALIDATION_ERROR", ROLE),
            ("403", "SYSTEM_ATTRIBUTE", "/data/attributes/status"),
        ]
        del document["data"]["attributes"]
        assert told(post(MEMBERSHIPS, caller, document)) == [("422", "SCHEMA_VALIDATION_ERROR", "/data")]


class TestChanging:
    @each_pair
    def test_or_removing_for_a_keeper_who_is_no_less_than_somebody_is_or_would_be(
        self, member: Member, mine: str, theirs: str, *, may: bool
    ) -> None:
        member("owner")
        caller, _ = member(mine)
        replies = [
            change(member(theirs)[1], caller, "guest"),
            change(member("guest")[1], caller, theirs),
            remove(member(theirs)[1], caller),
        ]
        assert [reply.status for reply in replies] == ([200, 200, 204] if may else [403] * 3)

    def test_the_last_owner_stays_one(self, member: Member) -> None:
        caller, own = member("owner")
        assert told(change(own, caller, "admin")) == [("409", "CONFLICT", ROLE)]
        assert change(own, caller, "owner").status == 200
        member("owner")
        assert change(own, caller, "admin").status == 200

    def test_neither_the_person_nor_the_group_changes(self, ours: Tenant, member: Member) -> None:
        caller, own = member("owner")
        document: Any = draft("workspace_group_membership", None, own.id, people=ours.owner)
        reply = call("PATCH", f"{MEMBERSHIPS}/{own.id}", caller, document)
        assert told(reply) == [("403", "IMMUTABLE_ATTRIBUTE", "/data/relationships/people")]


class TestRemoving:
    @pytest.mark.parametrize("role", ROLES)
    def test_everybody_may_leave(self, group: Row, member: Member, role: str) -> None:
        member("owner")
        caller, own = member(role)
        assert remove(own, caller).status == 204
        assert get(f"{GROUPS}/{group.id}", caller).status == 404

    def test_the_last_owner_does_not(self, world: World, group: Row, member: Member) -> None:
        caller, own = member("owner")
        member("admin")
        gone, contact = world.people(world.workspace()), world.people(world.workspace(), source=None)
        for nobody in (gone, contact):
            world.group_member(nobody, group, "owner")
        world.tombstone(gone)
        assert told(remove(own, caller)) == [("409", "CONFLICT", None)]

    def test_of_two_owners_that_leave_at_once_one_stays(
        self, fresh_database: FreshDatabase, member: Member, group: Row
    ) -> None:
        both = [member("owner") for _ in range(2)]
        replies = race(fresh_database, held(group), *(partial(remove, own, caller) for caller, own in both))
        assert sorted(reply.status for reply in replies) == [204, 409]


class TestTheGroup:
    def test_is_deleted_with_all_that_is_of_it(
        self, world: World, database: Database, ours: Tenant, group: Row, member: Member
    ) -> None:
        other = world.group()
        world.enrol(other, ours.workspace)
        caller, _ = member("owner")
        colleague, _ = member("guest")
        row = world.provenance(ours.records["company"], ours.connector)
        url = f"/v1/company-workspace-connectors/{row.id}"
        assert get(url, colleague).status == 200
        assert call("DELETE", f"{GROUPS}/{group.id}", caller).status == 204
        assert get(url, colleague).status == 404
        live = "SELECT count(*) FROM core_api.{} WHERE deleted_at IS NULL AND workspace_group_pk = {}"
        run = database.owner.exec_driver_sql
        for table in ("workspace_group_memberships", "workspace_group_workspaces"):
            assert run(live.format(table, group.pk)).scalar_one() == 0
        assert run(live.format("workspace_group_workspaces", other.pk)).scalar_one() == 1
        assert call("DELETE", f"{GROUPS}/{group.id}", caller).codes == ["WORKSPACE_GROUP_NOT_FOUND"]
