"""Every HTTP route as data: what `$default` answers from, what the OpenAPI document describes.

Most come from the operations that a resource declares; here are those of other paths. `template.yaml` wires the same
routes to the same functions; a test compares the two.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from wellspring import resources

# `answers`: pages of what no table has, `answer`: one of it (contract, section 7).
type Service = Literal["answers", "answer", "release", "dismiss", "release_many", "status"]
type Operation = (
    resources.Operation | Service | Literal["mcp", "metadata", "health", "openapi", "docs", "console", "asset"]
)

_METHODS: Mapping[Operation, str] = {
    **dict.fromkeys(("create", "release", "dismiss", "release_many", "mcp"), "POST"),
    "update": "PATCH",
    "delete": "DELETE",
}
# These are of one resource, whose id ends the path.
OF_ONE = frozenset({"retrieve", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path.

    Attributes:
        function: the handler's module beneath `functions/`.
        resource: what the operation is done to; None for what is no JSON:API.
        within: names of the path that stand for a relationship of the resource: `{workspace_id}` for `workspace`.
        open_to_all: whether it needs no token.
        of: the resource that the path's `{id}` names, where it is not the one that is answered.
    """

    path: str
    function: str
    operation: Operation
    resource: resources.Resource | None
    summary: str
    within: Mapping[str, str] = field(default_factory=dict)
    open_to_all: bool = False
    of: resources.Resource | None = None

    @property
    def method(self) -> str:
        """The HTTP method."""
        return _METHODS.get(self.operation, "GET")


def _declared(resource: resources.Resource) -> Iterator[Route]:
    """Yield the routes of the operations that a resource offers."""
    a_name = f"{'an' if resource.name[0] in 'aeiou' else 'a'} {resource.name}"
    for operation in resource.operations:
        what = resource.names if operation == "list" else a_name
        yield Route(
            f"{resource.route}/{{id}}" if operation in OF_ONE else resource.route,
            f"{resource.type}.{operation}",
            operation,
            resource,
            resource.summaries.get(operation, f"{operation.title()} {what}"),
        )


def _services() -> Iterator[Route]:
    """Yield the routes of the provider service and of enrolment."""
    path, within = "/v1/workspaces/{workspace_id}/providers", {"workspace_id": "workspace"}
    of, which = resources.WORKSPACE_PROVIDER, {**within, "provider_id": "provider"}
    yield Route(path, "workspace.list_providers", "list", of, "List the providers of a workspace", within)
    yield Route(path, "workspace.select_provider", "create", of, "Select a provider for a workspace", within)
    path = f"{path}/{{provider_id}}"
    yield Route(path, "workspace.remove_provider", "delete", of, "Remove a provider from a workspace", which)
    path, group = f"{resources.WORKSPACE_GROUP.route}/{{id}}/workspaces", {"id": "workspace_group"}
    of, which = resources.WORKSPACE_GROUP_WORKSPACE, {**group, **within}
    yield Route(path, "workspace_group.enrol", "create", of, "Enrol a workspace in a group", group)
    path = f"{path}/{{workspace_id}}"
    yield Route(path, "workspace_group.withdraw", "delete", of, "Withdraw a workspace from a group", which)


def _parked() -> Iterator[Route]:
    """Yield the routes that release and dismiss what is parked, each alone or all that have something in common."""
    parked = (resources.SYNC_MESSAGE, "message", "connector"), (resources.FEED_EVENT, "event", "source")
    for of, what, common in parked:
        one, many = f"{of.route}/{{id}}", f"Release parked {what}s of a {common}"
        yield Route(f"{one}/release", f"{of.type}.release", "release", of, f"Release a parked {what}")
        yield Route(f"{one}/dismiss", f"{of.type}.dismiss", "dismiss", of, f"Dismiss a parked {what}")
        yield Route(f"{of.route}/release", f"{of.type}.release_many", "release_many", of, many)


def _answers() -> Iterator[Route]:
    """Yield the routes of what is answered from sums and from several rows."""
    of, summary = resources.CONNECTOR_ACTIVITY, "How much connectors linked and ended"
    yield Route(of.route, "connector_activity.list", "answers", of, summary)
    yield Route(resources.AUDIT_ENTRY.route, "audit_entry.list", "answers", resources.AUDIT_ENTRY, "Who did what")
    for record in resources.records():
        if record.is_readable:
            path, summary = f"{record.route}/{{id}}/sources", f"Where {record.names} came from and went to"
            yield Route(path, f"{record.type}.sources", "answers", resources.RECORD_SOURCE, summary, of=record)
    of, path = resources.WORKSPACE_CONNECTOR, f"{resources.WORKSPACE_CONNECTOR.route}/{{id}}/impact"
    summary = "What is lost without a connector"
    yield Route(path, "workspace_connector.impact", "answer", resources.CONNECTOR_IMPACT, summary, of=of)


STATUS = (
    Route(resources.FEED_STATUS.route, "feed_status.retrieve", "status", resources.FEED_STATUS, "How far the feed is"),
    Route(resources.FLEET.route, "fleet.retrieve", "status", resources.FLEET, "Whether all is well"),
)
# For agents (contract, section 11): the protocol's endpoint, and where its tokens come from (RFC 9728).
MCP_PATH = "/mcp"
_TOKENS = f"/.well-known/oauth-protected-resource{MCP_PATH}"
OTHERS = (
    Route(MCP_PATH, "agents.mcp", "mcp", None, "The ledger's answers, for agents"),
    Route(_TOKENS, "agents.metadata", "metadata", None, "Where tokens for agents come from", open_to_all=True),
    Route("/health", "health.check", "health", None, "Whether the service is ready", open_to_all=True),
    Route("/v1/openapi.json", "openapi.document", "openapi", None, "This document", open_to_all=True),
    Route("/docs", "docs.page", "docs", None, "This document, to read and to try", open_to_all=True),
    Route("/console", "console.page", "console", None, "The ledger, to look at", open_to_all=True),
    Route("/console/{file}", "console.asset", "asset", None, "A file of the console", open_to_all=True),
)


def routes() -> tuple[Route, ...]:
    """Return every route but `$default`."""
    declared = (route for resource in resources.resources() for route in _declared(resource))
    return (*declared, *_answers(), *_services(), *_parked(), *STATUS, *OTHERS)
