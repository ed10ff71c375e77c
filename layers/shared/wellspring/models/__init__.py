"""Tables. `table_of(type)` finds the one behind a JSON:API type."""

from sqlalchemy import Table

from wellspring.models import infrastructure, junctions, parents
from wellspring.models.base import metadata

__all__ = ["infrastructure", "junctions", "metadata", "parents", "table_of"]

_TABLES = {table.name: table for table in metadata.tables.values()}


def table_of(name: str) -> Table:
    """Return the table called `name` (without its schema)."""
    return _TABLES[name]
