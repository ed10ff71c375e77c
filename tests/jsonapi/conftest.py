"""Tenants that have a row of every type, and the lists and includes that the declarations promise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import pytest

from tests.jsonapi.structure import check
from tests.support import api, tenants
from tests.support.api import Context, Reply, one_of_each_kind
from tests.support.world import RECORDS, Row, World
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import Resource, on_path, resource_of, resources

# The parents that can be read have tests of their own (tests/reading/test_parents.py).
# So has the feed (tests/feed/test_answers.py).
# And messages and runs (tests/reading/test_sync_messages.py, tests/reading/test_sync_runs.py).
# And members of groups (tests/writing/test_group_members.py).
ELSEWHERE = {"none", "feed", "fleet", "member", "message", "run"}
LISTED = tuple(resource for resource in resources() if resource.route and resource.policy not in ELSEWHERE)
of_every_type = pytest.mark.parametrize("type_", one_of_each_kind(resource.type for resource in LISTED))


@pytest.fixture(autouse=True)
def _each_answer_is_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is answered as JSON:API in a test of this folder has its structure."""
    plain = api.send

    def send(sent: Any, context: Context) -> Reply:
        reply = plain(sent, context)
        if reply.headers.get("content-type", "").startswith(MEDIA_TYPE):
            check(reply.document, is_sparse="fields[" in unquote(sent["rawQueryString"]))
        return reply

    monkeypatch.setattr(api, "send", send)


def refusal(reply: Reply) -> tuple[int, str, Any]:
    """Return the status of an answer, the code of its only error, and what is at fault."""
    return reply.status, reply.error["code"], reply.error.get("source")


@dataclass(frozen=True)
class Tenant(tenants.Tenant):
    """A tenant with one row of every type."""

    group: Row
    rows: Mapping[str, Row]

    def url(self, type_: str) -> str:
        """Return the path of the row of `type_`."""
        return f"{resource_of(type_).route}/{self.rows[type_].id}"


def tenant(world: World) -> Tenant:
    rows = tenants.one_of_each_type(world, uuid4().hex)
    made = {type_: rows[f"{type_}_workspace_connector"] for type_ in RECORDS}
    for row in made.values():
        world.change(row, **dict.fromkeys(("sync_message_pk", "ended_by_pk"), rows["sync_message"].pk))
    workspace, owner, connector = (rows[type_] for type_ in ("workspace", "people", "workspace_connector"))
    records, group = {type_: rows[type_] for type_ in RECORDS}, rows["workspace_group"]
    return Tenant(workspace, owner, rows["workspace_membership"], connector, records, made, group, rows)


@pytest.fixture
def ours(world: World) -> Tenant:
    """The caller's tenant."""
    return tenant(world)


@pytest.fixture
def theirs(world: World) -> Tenant:
    """A tenant that the caller sees nothing of."""
    return tenant(world)


def add(world: World, ours: Tenant, type_: str, **values: Any) -> Row:
    """Make one more row of `type_` that the owner sees, with new parents where it needs some and `values` say none."""
    match type_:
        case "workspace_group":
            group = world.group(**{"created_by": ours.owner, **values})
            world.group_member(ours.owner, group)
            return group
        case "workspace_group_workspace":
            parents = {"group": values.pop("workspace_group", ours.group), "created_by": ours.owner}
            return world.enrol(**{**parents, "workspace": values.pop("workspace", None) or world.workspace(), **values})
        case "workspace_provider":
            provider = values.pop("provider", None) or world.provider(f"provider-{world.workspace().pk}")
            return world.choose(**{"workspace": ours.workspace, "provider": provider, "is_matched": True, **values})
        case _:
            record = type_.removesuffix("_workspace_connector")
            rows = {name: values.pop(name, ours.rows[name]) for name in (record, "workspace_connector", "sync_message")}
            keys = {f"{name}_pk": row.pk for name, row in rows.items()}
            return world.make(type_, **{"direction": "input", **keys, **values})


PROVIDERS = "providers of a workspace"
LISTS = {resource.type: resource for resource in LISTED} | {PROVIDERS: resource_of("workspace_provider")}
of_every_list = pytest.mark.parametrize("name", [*one_of_each_kind(resource.type for resource in LISTED), PROVIDERS])
# Of lists that nothing is read from: what a query string says is settled before a connection is needed.
ROUTES = (*(resource.route for resource in LISTED), f"/v1/workspaces/{uuid4()}/providers")


def list_url(name: str, ours: Tenant) -> str:
    """Return the path of the list called `name`."""
    return ours.providers if name == PROVIDERS else LISTS[name].route


def types_on(resource: Resource, *paths: str) -> set[str]:
    """Return the types that these include paths go through, the last and the intermediate ones."""
    return {relationship.target for path in paths for _, relationship in on_path(resource, path)}


def included(reply: Reply) -> list[tuple[str, UUID]]:
    """Return what a document includes."""
    return [(item["type"], UUID(item["id"])) for item in reply.document["included"]]
