"""How the document calls its parts."""

from wellspring.routes import Route

METHOD_NAMES = ("list", "retrieve", "create", "update", "delete")


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
    if operation not in METHOD_NAMES:
        return f"{folder}_{operation}"
    return f"{operation}_{folder}s" if operation == "list" else f"{operation}_{folder}"
