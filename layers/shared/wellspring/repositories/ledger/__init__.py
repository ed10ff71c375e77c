"""Reading the ledger's objects: one page, one row, how many there are, and the rows they point to.

`pages` decides how a page is read: `driven` parent by parent, `whole` sorted. `shapes` says what makes two statements
differ, `columns` and `visible` what they are made of. What rows point to is read behind them in the same flush: `left`
says how.
"""

from wellspring.repositories.ledger.catalogue import choices
from wellspring.repositories.ledger.columns import own_columns
from wellspring.repositories.ledger.counts import count
from wellspring.repositories.ledger.includes import related
from wellspring.repositories.ledger.left import leave, place
from wellspring.repositories.ledger.linkage import Linkage, Linked, linkage, share
from wellspring.repositories.ledger.pages import Slice, is_sorted_by_an_index, page
from wellspring.repositories.ledger.searching import searched
from wellspring.repositories.ledger.shapes import Row
from wellspring.repositories.ledger.single import live_row, one

__all__ = [
    "Linkage",
    "Linked",
    "Row",
    "Slice",
    "choices",
    "count",
    "is_sorted_by_an_index",
    "leave",
    "linkage",
    "live_row",
    "one",
    "own_columns",
    "page",
    "place",
    "related",
    "searched",
    "share",
]
