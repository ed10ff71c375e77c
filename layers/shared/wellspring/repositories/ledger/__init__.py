"""Reading the ledger's objects: one page, one row, how many there are, and the rows they point to.

`pages` decides how a page is read: `per_parent`, along an index of all rows (`building`), or whole and sorted.
What rows point to is read behind them in the same flush: `composing` says how.
"""

from wellspring.repositories.ledger.composing import place, store
from wellspring.repositories.ledger.pages import choices, count, is_sorted_by_index, page, searched
from wellspring.repositories.ledger.rows import locked, one, related

__all__ = ["choices", "count", "is_sorted_by_index", "locked", "one", "page", "place", "related", "searched", "store"]
