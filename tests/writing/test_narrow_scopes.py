"""A service that may write and not read: its answers show the resource that it wrote, and nothing else."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.api import Caller, Reply, draft, patch, post, service
from tests.support.tenants import Tenant
from tests.support.world import World
from tests.writing.conftest import CHOICES, COMPANIES

WRITES = service("sync:write")
MATCHES = service("providers:match", client_id="provider-matcher")
ALL = service("system:read", "sync:write", "providers:match")
EARLY = datetime(2026, 5, 9, tzinfo=UTC)
DELETED = "2026-05-10T08:14:22.123Z"


@dataclass(frozen=True)
class Narrow:
    """What one scope may write: a creation, and changes of a row that is there, one of which changes nothing."""

    caller: Caller
    route: str
    include: str
    new: Any
    same: Any
    other: Any

    def change(self, caller: Caller, document: Any, query: str = "") -> Reply:
        return patch(f"{self.route}/{document['data']['id']}{query}", caller, document)


@pytest.fixture(params=["sync:write", "providers:match"])
def narrow(request: pytest.FixtureRequest, world: World, ours: Tenant) -> Narrow:
    if request.param == "sync:write":
        row = world.provenance(ours.records["company"], ours.connector)
        type_ = "company_workspace_connector"
        same, other = ({"deleted_at": at} for at in (None, DELETED))
        return Narrow(
            WRITES,
            COMPANIES,
            "company",
            ours.draft(),
            draft(type_, same, row.id),
            draft(type_, other, world.provenance(ours.records["company"], ours.connector, created_at=EARLY).id),
        )
    choice = world.choose(ours.workspace, world.provider("stripe"), is_matched=True)
    type_ = "workspace_provider"
    new = draft(type_, {"is_matched": True}, workspace=ours.workspace, provider=world.provider("qonto"))
    same, other = (draft(type_, {"is_matched": matched}, choice.id) for matched in (True, False))
    return Narrow(MATCHES, CHOICES, "workspace", new, same, other)


def test_is_shown_the_resource_that_it_wrote(narrow: Narrow) -> None:
    made = post(narrow.route, narrow.caller, narrow.new)
    changed = narrow.change(narrow.caller, narrow.other)
    assert (made.status, changed.status) == (201, 200)
    assert "included" not in made.document
    assert changed.data["id"] == narrow.other["data"]["id"]


def test_includes_nothing_and_reads_nothing_by_changing_nothing(narrow: Narrow) -> None:
    query = f"?include={narrow.include}"
    for refused in (
        post(f"{narrow.route}{query}", narrow.caller, narrow.new),
        narrow.change(narrow.caller, narrow.other, query),
        narrow.change(narrow.caller, narrow.same, query),
    ):
        assert (refused.status, refused.codes) == (403, ["FORBIDDEN"])
        assert refused.error["source"] == {"parameter": "include"}
    assert post(f"{narrow.route}{query}", ALL, narrow.new).document["included"]
    assert narrow.change(ALL, narrow.same, query).document["included"]
    assert narrow.change(narrow.caller, narrow.same).codes == ["FORBIDDEN"]
    assert narrow.change(ALL, narrow.same).status == 200
