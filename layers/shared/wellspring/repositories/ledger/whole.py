"""Pages of all visible rows, sorted: of what nobody sees many of."""

from wellspring.models.messages import connector_state
from wellspring.repositories.ledger.building import COUNTED, PageBuilder
from wellspring.repositories.ledger.columns import is_shown, row_filters
from wellspring.repositories.ledger.rows import visible_rows
from wellspring.repositories.ledger.shapes import Shape

# Before every time that a message may tell: what never happened is older than all.
NEVER = "'0001-01-02 00:00:00+00'::timestamptz"
# Connectors beside what is computed about them, by which they are sorted.
WITH_STATE = f"""
(SELECT listed.*, CASE WHEN state.{{name}} IS NULL THEN {NEVER} ELSE state.{{name}} END AS {{name}}
   FROM {{rows}} AS listed
   LEFT JOIN {connector_state} AS state ON state.workspace_connector_pk = listed.pk)
"""


class WholeSorted(PageBuilder):
    """Reads all visible rows, from the type's rows or what `source` says, and sorts them."""

    is_sorted = True
    source = ""

    def _page(self) -> str:
        return f"{self._rows(*self._beside_cursor())} ORDER BY {self._order(self.at, 'row.pk')} LIMIT :rows"

    def _row_behind(self) -> str:
        return self._rows(*self._beside_cursor(behind=True))

    def _any_rows(self) -> str:
        return f"{self._rows()} LIMIT {COUNTED}"

    def _rows(self, *beside: str) -> str:
        filters = row_filters(self.resource, self.columns, self.shape.conditions)
        return visible_rows(
            self.resource,
            self.visible,
            {"pk": "pk", **self.shown},
            source=self.source or str(self.rows),
            where=(*is_shown(self.columns, self.shape.deleted), *filters, *beside),
            parents=self.shape.conditions,
            outlived=self.shape.deleted != "exclude",
            leads=True,
        )


class SortedByState(WholeSorted):
    """Reads all visible connectors of the workspaces that a query names, and sorts them by what is computed about them.

    No index has that order; the service asks first how many connectors the workspaces have (docs/adr/0025).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        name = shape.sort.name
        self.columns[name], self.shown[name] = connector_state.c[name].type, name
        self.source = WITH_STATE.format(name=name, rows=self.rows)
