"""Reading the ledger's objects: one page, one row, how many there are, and the rows they point to.

`pages` decides how a page is read: `per_parent`, along an index of all rows (`building`), or whole and sorted.
What rows point to is read behind them in the same flush: `stored_ids` says how.
"""

from wellspring.repositories.ledger.pages import Slice, choices, count, is_sorted_by_an_index, page, searched
from wellspring.repositories.ledger.rows import locked, one, related
from wellspring.repositories.ledger.stored_ids import place, store

__all__ = [
    "Slice",
    "choices",
    "count",
    "is_sorted_by_an_index",
    "locked",
    "one",
    "page",
    "place",
    "related",
    "searched",
    "store",
]
