"""Names of the document's parts."""

from collections.abc import Mapping

from wellspring.resources import EVERY_OPERATION, Policy, resource_of
from wellspring.routes import Route


def pascal(name: str) -> str:
    """Return `workspace_group.enrol` as `WorkspaceGroupEnrol`."""
    return "".join(part.capitalize() for part in name.replace(".", "_").split("_"))


def ref(kind: str, name: str) -> dict[str, str]:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def schema(name: str) -> dict[str, str]:
    """Return a reference to a schema."""
    return ref("schemas", name)


def operation_id(route: Route) -> str:
    """Return `list_company_workspace_connectors` for the operation of an object, `workspace_group_enrol` for others."""
    folder, _, operation = route.function.partition(".")
    if route.operation == "answers" and operation == "list":
        return f"list_{folder}"
    if operation not in EVERY_OPERATION:
        return f"{folder}_{operation}"
    if operation == "list" and route.resource is not None:
        # The path has the plural.
        return f"list_{route.resource.route.rpartition('/')[2].replace('-', '_')}"
    return f"{operation}_{folder}"


_TAGS: Mapping[Policy, str] = {
    "enrolment": "Enrolments",
    "selection": "Provider choices",
    "group": "Groups",
    "member": "Members of groups",
    "message": "Sync messages",
    "run": "Sync runs",
    "feed": "The platform's feed",
    "fleet": "All workspaces",
}


def tag(route: Route) -> str:
    """Return what a person calls what an operation is about: `Provenance of companies`, `Enrolments`, `Service`."""
    resource = route.resource
    if resource is None:
        return "Service"
    if resource.policy == "provenance":
        return f"Provenance of {resource_of(resource.to_one[0].target).names}"
    several = resource.names
    return _TAGS.get(resource.policy) or several[0].upper() + several[1:]
