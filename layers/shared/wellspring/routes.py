"""Every HTTP route as data: what `$default` answers from, what the OpenAPI document describes.

`template.yaml` wires the same routes to the same functions; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wellspring.resources import WORKSPACE_GROUP, WORKSPACE_GROUP_WORKSPACE, WORKSPACE_PROVIDER, Resource, resources

type Operation = Literal["list", "retrieve", "create", "update", "delete", "health", "openapi", "docs"]

METHODS: Mapping[str, str] = {"list": "GET", "retrieve": "GET", "create": "POST", "update": "PATCH", "delete": "DELETE"}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    Attributes:
        method: the HTTP method.
        path: the path, with `{names}` for what varies.
        function: the handler's module beneath `functions/`.
        operation: what it does.
        resource: what it does it to; None for what is no JSON:API.
        within: names of the path that stand for a relationship of the resource: `{workspace_id}` for `workspace`.
        summary: what it does, in a few words.
        open_to_all: whether it needs no token.
    """

    method: str
    path: str
    function: str
    operation: Operation
    resource: Resource | None
    summary: str
    within: Mapping[str, str] = field(default_factory=dict)
    open_to_all: bool = False


def _of_object(resource: Resource) -> tuple[Route, ...]:
    one = f"{resource.route}/{{id}}"
    name = resource.name
    a_name = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    return (
        Route("GET", resource.route, f"{resource.type}.list", "list", resource, f"List {name}s"),
        Route("POST", resource.route, f"{resource.type}.create", "create", resource, f"Create {a_name}"),
        Route("GET", one, f"{resource.type}.retrieve", "retrieve", resource, f"Retrieve {a_name}"),
        Route("PATCH", one, f"{resource.type}.update", "update", resource, f"Update {a_name}"),
        Route("DELETE", one, f"{resource.type}.delete", "delete", resource, f"Delete {a_name}"),
    )


_GROUPS, _GROUP = WORKSPACE_GROUP.route, f"{WORKSPACE_GROUP.route}/{{id}}"
_PROVIDERS = "/v1/workspaces/{workspace_id}/providers"
_IN_WORKSPACE = {"workspace_id": "workspace"}

SERVICES = (
    Route(
        "GET",
        _PROVIDERS,
        "workspace.list_providers",
        "list",
        WORKSPACE_PROVIDER,
        "List the providers of a workspace",
        _IN_WORKSPACE,
    ),
    Route(
        "POST",
        _PROVIDERS,
        "workspace.select_provider",
        "create",
        WORKSPACE_PROVIDER,
        "Select a provider for a workspace",
        _IN_WORKSPACE,
    ),
    Route(
        "DELETE",
        f"{_PROVIDERS}/{{provider_id}}",
        "workspace.remove_provider",
        "delete",
        WORKSPACE_PROVIDER,
        "Remove a provider from a workspace",
        {**_IN_WORKSPACE, "provider_id": "provider"},
    ),
    Route("GET", _GROUPS, "workspace_group.list", "list", WORKSPACE_GROUP, "List the groups of the caller"),
    Route("POST", _GROUPS, "workspace_group.create", "create", WORKSPACE_GROUP, "Make a group and enrol workspaces"),
    Route("GET", _GROUP, "workspace_group.retrieve", "retrieve", WORKSPACE_GROUP, "Retrieve a group"),
    Route(
        "POST",
        f"{_GROUP}/workspaces",
        "workspace_group.enrol",
        "create",
        WORKSPACE_GROUP_WORKSPACE,
        "Enrol a workspace in a group",
        {"id": "workspace_group"},
    ),
    Route(
        "DELETE",
        f"{_GROUP}/workspaces/{{workspace_id}}",
        "workspace_group.withdraw",
        "delete",
        WORKSPACE_GROUP_WORKSPACE,
        "Withdraw a workspace from a group",
        {"id": "workspace_group", **_IN_WORKSPACE},
    ),
)

OPEN = (
    Route("GET", "/health", "health.check", "health", None, "Whether the service is ready", open_to_all=True),
    Route("GET", "/v1/openapi.json", "openapi.document", "openapi", None, "This document", open_to_all=True),
    Route("GET", "/docs", "docs.page", "docs", None, "This document, to read and to try", open_to_all=True),
)


def objects() -> tuple[Resource, ...]:
    """Return the objects of the ledger: those with all five operations."""
    return tuple(found for found in resources() if found.policy in {"provenance", "enrolment", "selection"})


def routes() -> tuple[Route, ...]:
    """Return every route but `$default`."""
    return (*(route for resource in objects() for route in _of_object(resource)), *SERVICES, *OPEN)
