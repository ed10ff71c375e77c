"""Tables. `table_of(name)` finds the one that a declaration names."""

from functools import lru_cache

from sqlalchemy import MetaData, Table

from wellspring.models import feed, infrastructure, junctions, messages, parents
from wellspring.models.base import INFRASTRUCTURE, SCHEMA, metadata
from wellspring.resources import Resource

__all__ = ["feed", "infrastructure", "junctions", "listed_from", "messages", "metadata", "parents", "table_of"]


def table_of(name: str) -> Table:
    """Return the table called `name`: of the ledger, or else of the service itself. Raises `KeyError`."""
    found = metadata.tables.get(f"{SCHEMA}.{name}")
    return metadata.tables[f"{INFRASTRUCTURE}.{name}"] if found is None else found


@lru_cache
def listed_from(resource: Resource) -> Table:
    """Return what a type's rows are read from where they are asked for: its table, or the view that guards it.

    A parent has no row-level security, because rows that a caller sees point to parents that they do not; what is
    asked for comes from a view that shows a caller theirs, whatever the statement's predicate is (docs/adr/0038). Of
    messages a view shows each caller as much as they may know (docs/adr/0022).
    """
    if resource.tenancy == "message":
        return messages.sync_messages_of_caller
    table = table_of(resource.table)
    if resource.policy not in {"none", "member"} or resource.tenancy == "everybody":
        return table
    return table.to_metadata(MetaData(), schema=INFRASTRUCTURE, name=f"{table.name}_of_caller")
