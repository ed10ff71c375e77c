"""Cursors of places in lists, signed with the keys that the database keeps."""

from collections.abc import Iterable

from wellspring.database import Transaction
from wellspring.database.flush import Flush, Query, Result
from wellspring.errors import InvalidCursor
from wellspring.queries import Position, Sort
from wellspring.repositories import cursor_keys
from wellspring.resources import Resource
from wellspring.services.ledger import cursors


class _Keys:
    """The cursor keys, read once for each process and again when a cursor of an unknown key turns up."""

    def __init__(self) -> None:
        self._known: tuple[bytes, ...] = ()

    @property
    def are_known(self) -> bool:
        return bool(self._known)

    def query(self) -> Query[tuple[bytes, ...]]:
        """Return the query for them; what it finds is kept."""
        query = cursor_keys.keys()

        def read(result: Result) -> tuple[bytes, ...]:
            self._known = query.read(result)
            return self._known

        return Query(query.statement, read)

    def all(self, transaction: Transaction, *, again: bool = False) -> tuple[bytes, ...]:
        return self.query().run(transaction) if again or not self._known else self._known


_keys = _Keys()


def ask_for_keys(flush: Flush) -> None:
    """Have the keys asked for with the rest, where this process does not know them: to sign asks nothing then."""
    if not _keys.are_known:
        flush.ask(_keys.query())


def signed(
    transaction: Transaction, resource: Resource, sort: Sort, positions: Iterable[Position | Position[str]]
) -> list[str]:
    """Return the cursors of positions in a list of `resource` under `sort`."""
    key = _keys.all(transaction)[0]
    return [cursors.sign(key, resource, sort, position) for position in positions]


def verified(transaction: Transaction, resource: Resource, sort: Sort, cursor: str, *, backward: bool) -> Position:
    """Return the position that a cursor stands for.

    Raises:
        InvalidCursor: it is not one of this list.
    """
    parameter = "page[before]" if backward else "page[after]"
    try:
        return cursors.verify(_keys.all(transaction), resource, sort, cursor, parameter)
    except InvalidCursor:
        # Its key may be newer than this process.
        return cursors.verify(_keys.all(transaction, again=True), resource, sort, cursor, parameter)
