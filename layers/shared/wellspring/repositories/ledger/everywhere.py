"""Pages of a service that names no parent, and of what is for everybody: a walk along an index of all rows.

Never for a person where rows have tenants: how far theirs lie behind others' rows in such an index is for the others to
say.
"""

from wellspring.models.walks import ListIndex, covering_indexes, declared
from wellspring.repositories.ledger.building import COUNTED, PageBuilder


class Everywhere(PageBuilder):
    """Reads all rows of the table in their order; those that the caller does not see are passed."""

    @property
    def is_sorted(self) -> bool:
        """Whether indexes of all rows have them in the list's order."""
        there = declared(self.table)
        return all(index in there for index in self._indexes())

    def page(self) -> str:
        """Return the query of the first rows ahead of the cursor."""
        # Of a filter that has no such index the service refuses to list all rows (`services.reading`).
        return self._first_rows(self._indexes(), ":rows", full=True)

    def row_behind(self) -> str:
        """Return the query of the nearest row at and behind the cursor."""
        return self._first_rows(self._indexes(), "1", full=False, behind=True)

    def any_rows(self) -> str:
        """Return the query of the newest rows."""
        return self._first_rows(self._indexes(), COUNTED, full=False)

    def _indexes(self) -> list[ListIndex]:
        return covering_indexes(self.table, None, self.shape.sort.name, self.shape.halves, self.shape.direction)
