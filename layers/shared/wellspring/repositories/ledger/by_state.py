"""Pages in the order of what is kept about connectors: those of named workspaces are read and sorted.

No index has that order; the service asks first how many connectors the workspaces have (docs/adr/0025).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, literal_column, select

from wellspring.models import listed_from
from wellspring.models.messages import connector_state
from wellspring.repositories.ledger.shapes import Shape
from wellspring.repositories.ledger.whole import WholeSorted

# Before every time that a message may tell: what never happened is older than all.
NEVER: ColumnElement[datetime] = literal_column("'0001-01-02 00:00:00+00'::timestamptz")


class SortedByState(WholeSorted):
    """Reads all visible connectors of the workspaces that a query names, and sorts them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        listed, state, name = listed_from(shape.resource).alias("listed"), connector_state, shape.sort.name
        known = case((state.c[name].is_(None), NEVER), else_=state.c[name]).label(name)
        beside = listed.outerjoin(state, state.c.workspace_connector_pk == listed.c.pk)
        self.rows = select(*listed.c, known).select_from(beside).subquery("with_state")

    def _sorted_by(self) -> list[ColumnElement[Any]]:
        return [self.row.c[self.shape.sort.name]]
