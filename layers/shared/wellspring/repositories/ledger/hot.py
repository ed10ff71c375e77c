"""The statements of the ledger that are sent most often, which the database plans once (docs/adr/0030)."""

from collections.abc import Iterator

from wellspring.database import Compiled
from wellspring.repositories.ledger.building import Shape
from wellspring.repositories.ledger.pages import page_statement
from wellspring.repositories.ledger.rows import one_statement, related_statement
from wellspring.resources import ledgers, on_path, resource_of


def hot_statements() -> Iterator[tuple[str, Compiled]]:
    """Yield the statements, each with what it does.

    Of each object of the ledger a person's read of one row, of the first page, and of what its rows point to; of
    provenance, which programs read too, a service's read of one row, and a person's next page (`many_workspaces`).
    """
    objects = [*ledgers().values(), *map(resource_of, ("workspace_group_workspace", "workspace_provider"))]
    for resource in objects:
        yield f"retrieve {resource.type}", one_statement(resource, person=True)
        yield f"list {resource.type}", page_statement(Shape(resource, person=True))
        if resource.policy == "provenance":
            yield f"retrieve {resource.type} for a service", one_statement(resource, person=False)
            yield f"list {resource.type} onwards", page_statement(Shape(resource, person=True, cursor=True))
    paths = [(resource, path) for resource in objects for path in resource.includes]
    for type_ in dict.fromkeys(step.target for resource, path in paths for _, step in on_path(resource, path)):
        yield f"include {type_}", related_statement(resource_of(type_), person=True)
