"""Contract, section 3: who may enrol a workspace in a group, and in what roles are held.

All other writes are in `tests/access/test_access_table.py`.
"""

from collections.abc import Mapping

import pytest

from tests.support.api import call, draft, person
from tests.support.databases import Database
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from tests.writing.conftest import BY_GROUP, BY_ROW, count, enrol, told


@pytest.mark.parametrize("way", [BY_ROW, BY_GROUP])
class TestEnrolling:
    """Two gates: a keeper of the group, and a direct keeper of the workspace."""

    # What somebody is told, by what they are in the group and how they know the workspace. A group that is not seen
    # is 404, a workspace that is not seen is 404, and only who sees both is told which right is missing.
    IN_GROUP = ("owner", "admin", "member", "guest", "pending", "nobody")
    GATES: Mapping[str, str] = {
        #                    owner admin member guest pending nobody
        "owner": """          201   201   403    403   404     404""",
        "admin": """          201   201   403    403   404     404""",
        "member": """         403   403   403    403   404     404""",
        "guest": """          403   403   403    403   404     404""",
        "other group": """    403   403   403    403   404     404""",
        "pending": """        404   404   404    404   404     404""",
        "nobody": """         404   404   404    404   404     404""",
    }

    def stand(self, world: World, somebody: Row, group: Row, workspace: Row, in_group: str, known: str) -> None:
        def as_what(role: str) -> tuple[str, str]:
            return ("owner", "pending") if role == "pending" else (role, "active")

        if in_group != "nobody":
            world.group_member(somebody, group, *as_what(in_group))
        if known == "other group":
            other = world.group()
            world.group_member(somebody, other, "owner")
            world.enrol(other, workspace)
        elif known != "nobody":
            world.member(somebody, workspace, *as_what(known))

    def test_is_refused_with_the_reason_where_a_gate_is_shut(self, world: World, database: Database, way: str) -> None:
        wanted, told_of = {}, {}
        for known, row in self.GATES.items():
            for in_group, verdict in zip(self.IN_GROUP, row.split(), strict=True):
                group, workspace, somebody = world.group(), world.workspace(), world.people(world.workspace())
                self.stand(world, somebody, group, workspace, in_group, known)
                before, is_open = count(database, "workspace_group_workspaces"), verdict == "201"
                reply = enrol(group, workspace, person(somebody), way)
                told_of[in_group, known] = [] if reply.status == 201 else told(reply)
                wanted[in_group, known] = [] if is_open else self.reasons(way, in_group, known, verdict)
                assert count(database, "workspace_group_workspaces") == before + is_open
        assert told_of == wanted

    def reasons(self, way: str, in_group: str, known: str, verdict: str) -> list[tuple[str, str, object]]:
        """Return the errors of a refusal."""
        pointer = "/data/relationships/{}/data/id".format
        if verdict == "403":
            # The group's right is asked for first; the workspace's has a place in the document.
            return [("403", "FORBIDDEN", pointer("workspace") if in_group in {"owner", "admin"} else None)]
        group_is_seen, by_path = in_group not in {"pending", "nobody"}, way == BY_GROUP
        # A path that leads nowhere is all that is said; else each absent parent has its error.
        errors: list[tuple[str, str, object]] = []
        if not group_is_seen:
            errors.append(("404", "WORKSPACE_GROUP_NOT_FOUND", None if by_path else pointer("workspace_group")))
        if known in {"pending", "nobody"} and (group_is_seen or not by_path):
            errors.append(("404", "WORKSPACE_NOT_FOUND", pointer("workspace")))
        return errors

    def test_belonging_to_a_workspace_is_no_membership_of_it(self, world: World, ours: Tenant, way: str) -> None:
        contact, group, newcomer = world.people(ours.workspace), world.group(), world.workspace()
        world.enrol(group, ours.workspace)
        world.group_member(contact, group, "owner")
        assert enrol(group, newcomer, person(contact), way).codes == ["WORKSPACE_NOT_FOUND"]
        # Seen through the group that it is in already, and still not theirs to enrol.
        assert enrol(group, ours.workspace, person(contact), way).codes == ["FORBIDDEN"]

    @pytest.mark.parametrize("what", ["group membership", "membership", "group", "workspace"])
    def test_what_is_tombstoned_opens_no_gate(self, world: World, way: str, what: str) -> None:
        group, workspace = world.group(), world.workspace()
        somebody = world.people(world.workspace())
        rows = {
            "group": group,
            "workspace": workspace,
            "group membership": world.group_member(somebody, group, "owner"),
            "membership": world.member(somebody, workspace, "owner"),
        }
        world.tombstone(rows[what])
        assert enrol(group, workspace, person(somebody), way).status == 404


def test_roles_are_held_in_the_workspace_itself_and_several_memberships_add_up(world: World, ours: Tenant) -> None:
    """A role in one workspace says nothing of another, and one that was taken away is none."""
    elsewhere = world.workspace()
    document = draft("workspace_provider", provider=world.provider("free"))
    for roles, gone, here in ((("guest",), "", 403), (("guest", "member"), "", 201), (("guest",), "owner", 403)):
        somebody = world.people(world.workspace())
        world.member(somebody, elsewhere, "owner")
        for role in roles:
            world.member(somebody, ours.workspace, role)
        if gone:
            world.tombstone(world.member(somebody, ours.workspace, gone))
        assert call("POST", ours.providers, person(somebody), document).status == here
        assert call("POST", f"/v1/workspaces/{elsewhere.id}/providers", person(somebody), document).status in {200, 201}
