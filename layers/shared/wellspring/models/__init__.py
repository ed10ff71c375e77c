"""Tables. `table_of(name)` finds the one that a declaration names."""

from sqlalchemy import Table

from wellspring.models import feed, infrastructure, junctions, parents
from wellspring.models.base import SCHEMA, metadata

__all__ = ["feed", "infrastructure", "junctions", "metadata", "parents", "table_of"]


def table_of(name: str) -> Table:
    """Return the table called `name`. Raises `KeyError`."""
    return metadata.tables[f"{SCHEMA}.{name}"]
