"""Agents' tools (contract, section 11) tell people of the scene what HTTP tells them, and refuse what it refuses."""

from collections import Counter
from typing import Any

import pytest

from tests.access.scene import Scene
from tests.access.test_predicates import SOME
from tests.agents.conftest import ask
from tests.support.api import Caller, get
from wellspring.resources import resource_of

DAYS = {"from": "2026-01-01", "to": "2026-12-31"}
SOURCES = ("direction", "first_at", "last_at", "rows", "live", "rows_is_capped")


def told(caller: Caller, tool: str, **arguments: Any) -> Any:
    """Use a tool until there is no more, and return all items; None where it is refused."""
    items: list[dict[str, Any]] = []
    given = arguments if tool == "impact" else {**arguments, "size": 100}
    while True:
        result = ask(caller, "tools/call", {"name": tool, "arguments": given}).document["result"]
        content = result.get("structuredContent")
        if content is None or result["isError"]:
            return None
        items += content["items"]
        if not content["next_cursor"]:
            return items
        given["cursor"] = content["next_cursor"]


def shown(caller: Caller, url: str) -> Any:
    """Return the data that HTTP answers; None where it is refused."""
    reply = get(url, caller)
    return reply.data if reply.status == 200 else None


type Seen = tuple[Any, Any]


def connectors(scene: Scene, caller: Caller, name: str) -> Seen:
    items = told(caller, "connectors", workspace=str(scene.workspaces[name].id))
    data = shown(caller, f"/v1/workspace-connectors?filter[workspace]={scene.workspaces[name].id}&sort=last_synced_at")
    return items and [item["id"] for item in items], data and [item["id"] for item in data]


def activity(scene: Scene, caller: Caller, name: str) -> Seen:
    items = told(caller, "activity", workspace=str(scene.workspaces[name].id), by="connector", **DAYS)
    within = f"filter[workspace]={scene.workspaces[name].id}&sum[by]=connector"
    range_ = f"filter[date][gte]={DAYS['from']}&filter[date][lte]={DAYS['to']}"
    data = shown(caller, f"/v1/connector-activity?{within}&{range_}")
    return (
        items and [(item["connector_id"], item["linked"], item["ended"]) for item in items],
        data and [(item["id"], item["attributes"]["linked"], item["attributes"]["ended"]) for item in data],
    )


def impact(scene: Scene, caller: Caller, name: str) -> Seen:
    items = told(caller, "impact", connector=str(scene.connectors[name].id))
    data = shown(caller, f"/v1/workspace-connectors/{scene.connectors[name].id}/impact")
    return (
        items and [{key: value for key, value in item.items() if key != "connector_id"} for item in items],
        data and [data["attributes"]],
    )


def sources(scene: Scene, caller: Caller, name: str) -> Seen:
    row = scene.records["company"][name]
    items = told(caller, "sources", record=str(row.id), type="company")
    data = shown(caller, f"{resource_of('company').route}/{row.id}/sources")
    return (
        items and [(item["connector_id"], *(item[key] for key in SOURCES)) for item in items],
        data and [(item["id"].split(":")[1], *(item["attributes"][key] for key in SOURCES)) for item in data],
    )


def groups(scene: Scene, caller: Caller, name: str) -> Seen:
    id_ = scene.groups[{"A": "G", "B": "F"}.get(name, "H")].id
    items = told(caller, "groups", group=str(id_))
    data = shown(caller, f"/v1/workspaces?filter[workspace_group]={id_}")
    return items and [item["id"] for item in items], data and [item["id"] for item in data]


def failures(_: Scene, caller: Caller, __: str) -> Seen:
    items = told(caller, "failures")
    data = shown(caller, "/v1/sync-messages?filter[outcome]=parked&page[size]=100")
    linked = data and Counter(
        ((item["relationships"]["workspace_connector"]["data"] or {}).get("id"), item["attributes"]["reason"])
        for item in data
    )
    return items and {(item["connector_id"], item["reason"]): item["messages"] for item in items}, linked


@pytest.mark.parametrize("tool", [connectors, activity, impact, sources, groups, failures])
def test_each_tool_tells_what_http_tells(scene: Scene, tool: Any) -> None:
    for name, row in scene.workspaces.items():
        for reason in ("malformed", "tenant_mismatch"):
            scene.world.message(scene.connectors[name], row, "parked", reason=reason)
    seen = Counter[str]()
    for who in SOME:
        for name in scene.workspaces:
            by_tool, by_http = tool(scene, scene.people[who].caller, name)
            assert (who, name, by_tool) == (who, name, by_http)
            seen["refused" if by_tool is None else "some" if by_tool else "none"] += 1
    assert seen["some"]
    assert seen["refused"] or tool in {groups, failures}
