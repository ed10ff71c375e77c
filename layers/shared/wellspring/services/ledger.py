"""Reading the ledger: lists and single rows, with what they include."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from wellspring.access.principal import Principal, require_read
from wellspring.database import Transaction
from wellspring.errors import InvalidCursor, NotFound
from wellspring.queries import ListQuery, Position
from wellspring.repositories import cursor_keys, ledger
from wellspring.repositories.ledger import Row
from wellspring.resources import Resource, resource_of
from wellspring.services import cursors

__all__ = ["Found", "Included", "Page", "Row", "list_page", "retrieve"]

type Included = Mapping[str, list[Row]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        rows: what is on it.
        cursors: the cursor of each row.
        included: the rows included, by type.
        more_before: whether there is a page before it.
        more_after: whether there is a page after it.
    """

    rows: list[Row]
    cursors: list[str]
    included: Included
    more_before: bool
    more_after: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One row.

    Attributes:
        row: what was read.
        included: the rows included, by type.
    """

    row: Row
    included: Included


class _Keys:
    """The cursor keys, read once for each process and again when a cursor of an unknown key turns up."""

    def __init__(self) -> None:
        self._known: tuple[bytes, ...] = ()

    def all(self, transaction: Transaction, *, again: bool = False) -> tuple[bytes, ...]:
        if again or not self._known:
            self._known = cursor_keys.keys(transaction)
        return self._known


_keys = _Keys()


def list_page(transaction: Transaction, principal: Principal, query: ListQuery) -> Page:
    """Return the page that `query` asks for, of the rows that `principal` sees.

    Raises:
        Forbidden: the caller may never read.
        InvalidCursor: the query's cursor is not one of this list.
    """
    require_read(principal)
    position = _position(transaction, query)
    found = ledger.page(transaction, principal, query, position)
    key = _keys.all(transaction)[0]
    return Page(
        rows=found.rows,
        cursors=[
            cursors.seal(key, query.resource, query.sort, Position(row[query.sort.name], row["id"]))
            for row in found.rows
        ],
        included=_include(transaction, query.resource, found.rows, query.include),
        more_before=found.more_before,
        more_after=found.more_after,
    )


def retrieve(
    transaction: Transaction, principal: Principal, resource: Resource, id_: UUID | None, include: Iterable[str]
) -> Found:
    """Return one live row and what it includes.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        resource: the row's type.
        id_: its public id; None where the path held something that is no uuid.
        include: relationship paths.

    Raises:
        Forbidden: the caller may never read.
        NotFound: there is no such row, or the caller may not see it.
    """
    require_read(principal)
    row = ledger.one(transaction, principal, resource, id_) if id_ is not None else None
    if row is None:
        raise NotFound(f"There is no such {resource.type}.", resource_type=resource.type)
    return Found(row, _include(transaction, resource, [row], include))


def _position(transaction: Transaction, query: ListQuery) -> Position | None:
    if query.cursor is None:
        return None
    parameter = "page[before]" if query.backward else "page[after]"
    try:
        return cursors.unseal(_keys.all(transaction), query.resource, query.sort, query.cursor, parameter)
    except InvalidCursor:
        # Its key may be newer than this process.
        keys = _keys.all(transaction, again=True)
        return cursors.unseal(keys, query.resource, query.sort, query.cursor, parameter)


def _include(
    transaction: Transaction, resource: Resource, rows: list[Row], paths: Iterable[str]
) -> dict[str, list[Row]]:
    """Read what `paths` name, with one query for each type that has rows."""
    wanted: dict[str, dict[UUID, None]] = {}
    for path in paths:
        relationship = resource.relationship(path)
        if relationship is not None:
            ids = wanted.setdefault(relationship.target, {})
            ids.update((row[f"{relationship.name}_id"], None) for row in rows)
    return {type_: ledger.related(transaction, resource_of(type_), list(ids)) for type_, ids in wanted.items() if ids}
