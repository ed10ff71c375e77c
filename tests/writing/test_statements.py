"""Statement counts of each writing operation: they do not grow with what is written."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.support.api import MATCHER, PIPELINE, Reply, call, draft, of_every_ledger, post
from tests.support.databases import Statements
from tests.support.tenants import Tenant, tenant
from tests.support.world import Row, World
from tests.writing.conftest import BY_GROUP, BY_ROW, CHOICES, ENROLMENTS, GROUPS, enrol, group_of, route_of

MADE = datetime(2026, 1, 1, tzinfo=UTC)
AT = "2026-05-10T08:14:22.000Z"


def sent(statements: Statements, request: Callable[[], Reply], status: int) -> int:
    """Return how many statements a request sends that is answered with `status`, beside the one that says who wrote."""
    statements.clear()
    assert request().status == status
    noted = sum("wellspring.audit" in statement for statement in statements)
    assert noted <= (status < 300)
    return len(statements) - noted


@of_every_ledger
class TestAProvenanceRow:
    # The parents in one statement, then the row; where something is included, the ids that they leave, and each type.
    @pytest.mark.parametrize(
        ("query", "expected"),
        [("", 2), ("?include=workspace_connector", 4), ("?include=workspace_connector.connector", 5)],
    )
    def test_is_made(self, ours: Tenant, statements: Statements, type_: str, query: str, expected: int) -> None:
        url, document = route_of(type_) + query, ours.draft(type_)
        assert sent(statements, lambda: post(url, PIPELINE, document), 201) == expected

    # The row, held, then its change.
    def test_is_changed_and_deleted(self, world: World, ours: Tenant, statements: Statements, type_: str) -> None:
        row = world.provenance(ours.records[type_], ours.connector, created_at=MADE)
        url = f"{route_of(type_)}/{row.id}"
        document = draft(row.type, {"deleted_at": AT}, row.id)
        assert sent(statements, lambda: call("PATCH", url, PIPELINE, document), 200) == 2
        # Said again, it is no change.
        assert sent(statements, lambda: call("PATCH", url, PIPELINE, document), 200) == 1
        document["data"]["attributes"]["deleted_at"] = None
        # Its parents are asked for in between, for they may have gone since.
        assert sent(statements, lambda: call("PATCH", url, PIPELINE, document), 200) == 3
        assert sent(statements, lambda: call("DELETE", url, PIPELINE), 204) == 2


@pytest.mark.parametrize("way", [BY_ROW, BY_GROUP])
def test_an_enrolment_is_made_and_withdrawn(
    world: World, ours: Tenant, group: Row, statements: Statements, way: str
) -> None:
    # Both parents with the caller's roles, the caller's own row, the enrolment.
    assert sent(statements, lambda: enrol(group, ours.workspace, ours.caller, way), 201) == 3
    # The row, held; the caller's roles in the group; the change.
    second = world.workspace()
    row = world.enrol(group, second)
    url = f"{GROUPS}/{group.id}/workspaces/{second.id}" if way == BY_GROUP else f"{ENROLMENTS}/{row.id}"
    assert sent(statements, lambda: call("DELETE", url, ours.caller), 204) == 3


class TestAGroup:
    # The workspaces with the caller's roles, the caller's own row, the group, its owner, the enrolments; where they are
    # asked for, the id that the group leaves, the linkage and each included type.
    @pytest.mark.parametrize("workspaces", [1, 50])
    def test_is_made_with_any_number_of_workspaces(
        self, world: World, ours: Tenant, statements: Statements, workspaces: int
    ) -> None:
        enrolled = [ours.workspace]
        for _ in range(workspaces - 1):
            enrolled.append(world.workspace())
            world.member(ours.owner, enrolled[-1], "owner")
        document = group_of(*enrolled)
        assert sent(statements, lambda: post(GROUPS, ours.caller, document), 201) == 5
        included = f"{GROUPS}?include=workspaces,memberships,created_by"
        assert sent(statements, lambda: post(included, ours.caller, document), 201) == 10

    def test_is_made_with_none_and_refused_after_one_look(
        self, world: World, ours: Tenant, statements: Statements
    ) -> None:
        assert sent(statements, lambda: post(GROUPS, ours.caller, group_of()), 201) == 3
        for workspaces in (1, 50):
            document = group_of(*(world.workspace() for _ in range(workspaces)))
            assert sent(statements, partial(post, GROUPS, ours.caller, document), 404) == 1


class TestAChoice:
    # The parents in one statement, then the row, whether it is there or not.
    def test_is_made_and_made_again(self, world: World, ours: Tenant, statements: Statements) -> None:
        provider = world.provider("stripe")
        by_row = draft("workspace_provider", workspace=ours.workspace, provider=provider)
        by_workspace = draft("workspace_provider", provider=provider)
        assert sent(statements, lambda: post(CHOICES, ours.caller, by_row), 201) == 2
        assert sent(statements, lambda: post(CHOICES, ours.caller, by_row), 200) == 2
        assert sent(statements, lambda: post(ours.providers, ours.caller, by_workspace), 200) == 2
        assert sent(statements, lambda: post(ours.providers, MATCHER, by_workspace), 200) == 2

    # The row, held; the caller's roles in the workspace; the change.
    def test_is_changed_and_removed(self, world: World, ours: Tenant, statements: Statements) -> None:
        provider = world.provider("stripe")
        row = world.choose(ours.workspace, provider)
        url, document = f"{CHOICES}/{row.id}", draft("workspace_provider", {"is_selected": True}, row.id)
        assert sent(statements, lambda: call("PATCH", url, ours.caller, document), 200) == 3
        assert sent(statements, lambda: call("PATCH", url, ours.caller, document), 200) == 2
        assert sent(statements, lambda: call("DELETE", url, ours.caller), 204) == 3
        post(ours.providers, ours.caller, draft("workspace_provider", provider=provider))
        assert sent(statements, lambda: call("DELETE", f"{ours.providers}/{provider.id}", ours.caller), 204) == 3


class TestAKey:
    """Taking it and keeping the answer are a statement each; a retry is the taking and the reading."""

    @pytest.mark.parametrize("what", ["company", "group", "choice"])
    def test_costs_two(self, world: World, statements: Statements, what: str) -> None:
        ours = tenant(world)
        provider = world.provider("stripe")
        url, caller, document, alone = {
            "company": (route_of("company"), PIPELINE, ours.draft(), 2),
            "group": (GROUPS, ours.caller, group_of(ours.workspace), 5),
            "choice": (ours.providers, ours.caller, draft("workspace_provider", provider=provider), 2),
        }[what]
        headers = {"idempotency-key": "once"}
        assert sent(statements, lambda: call("POST", url, caller, document, headers=headers), 201) == alone + 2
        assert sent(statements, lambda: call("POST", url, caller, document, headers=headers), 201) == 2
