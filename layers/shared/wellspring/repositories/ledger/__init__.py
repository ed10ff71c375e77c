"""Reading the ledger's objects: one page, one row, how many there are, and the rows they point to.

`pages` decides how a page is read: `driven` parent by parent, `whole` sorted. `shapes` says what makes two statements
differ, `columns` and `visible` what they are made of.
"""

from wellspring.repositories.ledger.columns import own_columns
from wellspring.repositories.ledger.counts import count
from wellspring.repositories.ledger.includes import related
from wellspring.repositories.ledger.pages import Slice, is_sorted_by_an_index, page
from wellspring.repositories.ledger.searching import searched
from wellspring.repositories.ledger.shapes import Row
from wellspring.repositories.ledger.single import one

__all__ = ["Row", "Slice", "count", "is_sorted_by_an_index", "one", "own_columns", "page", "related", "searched"]
