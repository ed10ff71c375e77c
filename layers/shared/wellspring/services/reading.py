"""Reading the ledger: lists and single rows, with what they include."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.errors import Forbidden, InvalidCursor, InvalidQueryParameter, NotFound, WellspringError, raise_all
from wellspring.queries import (
    BY_ENROLMENT,
    MAX_SEARCHED,
    MAX_STATES,
    MAX_TOTAL,
    MOST_LINKED,
    Filter,
    ListQuery,
    Position,
    Sort,
    View,
    parameter_of,
)
from wellspring.repositories import cursor_keys, groups, ledger, parents
from wellspring.repositories.answers import sole, states
from wellspring.repositories.ledger import Row
from wellspring.resources import Resource, resource_of
from wellspring.services import cursors

__all__ = [
    "Found",
    "Included",
    "Page",
    "Row",
    "absent",
    "found",
    "include",
    "list_page",
    "require_claimed",
    "require_workspace",
    "retrieve",
    "signed",
    "verified",
]

# Parents whose rows are read whole for one page, because no index has them in its order.
MOST_UNSORTED = 10
RANGES = ("gte", "gt", "lte", "lt")

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
        total: how many rows the list has, at most `MAX_TOTAL`; None where nobody asked.
        total_is_capped: whether it has more than `total`.
        ends: the cursors that the page before and the page after it are asked for with, where it is not its first and
            its last row's.
    """

    rows: list[Row]
    cursors: list[str]
    included: Included
    more_before: bool
    more_after: bool
    total: int | None = None
    total_is_capped: bool = False
    ends: tuple[str | None, str | None] | None = None


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
        Forbidden: the query claims a workspace that the caller does not see.
        InvalidCursor: the query's cursor is not one of this list.
        InvalidQueryParameter: the query is of too many rows; or `Problems` of several.
    """
    if query.enrolled_in is not None:
        return _enrolled_page(transaction, principal, query)
    if query.sole_source is None:
        raise_all(_unbounded(principal, query))
    if query.workspaces:
        require_claimed(transaction, principal, query.workspaces)
    if query.sole_source is not None:
        return _sole_page(transaction, principal, query)
    if query.sort.name == query.resource.sorted_by:
        _require_few(transaction, query)
    _require_searchable(transaction, principal, query)
    position = _position(transaction, query)
    slice_ = ledger.page(transaction, principal, query, position)
    rows = _with_linkage(transaction, query.resource, slice_.rows, query.view)
    rows = _with_states(transaction, principal, query.resource, rows, query.view, primary=True)
    counted = ledger.count(transaction, principal, query) if query.total else None
    return Page(
        rows=rows,
        cursors=signed(
            transaction,
            query.resource,
            query.sort,
            (Position(row[query.sort.name], row["id"]) for row in slice_.rows),
        ),
        included=include(transaction, principal, query.resource, rows, query.view),
        more_before=slice_.more_before,
        more_after=slice_.more_after,
        total=None if counted is None else min(counted, MAX_TOTAL),
        total_is_capped=counted is not None and counted > MAX_TOTAL,
    )


def _sole_page(transaction: Transaction, principal: Principal, query: ListQuery) -> Page:
    """Return records that nobody but one connector brings in; a page may be short where many others do as well."""
    position = _position(transaction, query)
    looked = sole.sole_page(transaction, principal, query, position)
    is_full = len(looked.rows) > query.size
    rows = looked.rows[: query.size]
    places = [Position(row["at"], row["row_id"]) for row in rows]
    # As far as was looked: what lies beyond is another page, also where there is nothing to show on this one.
    near, far = looked.first, places[-1] if is_full else looked.last
    ahead = far is not None
    if query.backward:
        rows.reverse()
        places.reverse()
        near, far = far, near
    first, last = (signed(transaction, query.resource, query.sort, [end])[0] if end else None for end in (near, far))
    return Page(
        rows=rows,
        cursors=signed(transaction, query.resource, query.sort, places),
        included=include(transaction, principal, query.resource, rows, query.view),
        more_before=ahead if query.backward else looked.behind,
        more_after=looked.behind if query.backward else ahead,
        ends=(first, last),
    )


def _enrolled_page(transaction: Transaction, principal: Principal, query: ListQuery) -> Page:
    """Return the workspaces of a group, in the order of their enrolment."""
    slice_ = groups.workspaces_page(transaction, principal, query, _position(transaction, query))
    places = (Position(row["enrolled_at"], row["enrolment_id"]) for row in slice_.rows)
    counted = groups.workspaces_counted(transaction, principal, query) if query.total else None
    return Page(
        rows=slice_.rows,
        cursors=signed(transaction, query.resource, query.sort, places),
        included=include(transaction, principal, query.resource, slice_.rows, query.view),
        more_before=slice_.more_before,
        more_after=slice_.more_after,
        total=None if counted is None else min(counted, MAX_TOTAL),
        total_is_capped=counted is not None and counted > MAX_TOTAL,
    )


def require_claimed(transaction: Transaction, principal: Principal, workspaces: Sequence[UUID]) -> None:
    """Let through who sees the workspaces that a query claims to work in.

    Raises:
        Forbidden: one of them is not there, or the caller may not see it.
    """
    if len(parents.visible_workspaces(transaction, principal, workspaces)) < len(workspaces):
        raise Forbidden("There is no such workspace among yours.", parameter="filter[workspace]")


def _require_few(transaction: Transaction, query: ListQuery) -> None:
    """Let through an order that no index has, where there are few enough rows to sort.

    Raises:
        InvalidQueryParameter: there are more.
    """
    if states.connectors_in(transaction, query.workspaces) > MAX_STATES:
        detail = f"Of more than {MAX_STATES:,} connectors there is no order of {query.sort.name}: ask for another sort."
        raise InvalidQueryParameter(detail, parameter="sort")


def _unbounded(principal: Principal, query: ListQuery) -> list[WellspringError]:
    """Return what a service asks of all rows that there are, and that no index has together (docs/adr/0029)."""
    driving = query.resource.driving
    if query.names_parents and not ledger.is_sorted_by_an_index(principal, query):
        named = (found for found in query.filters if found.name in driving and isinstance(found.value, tuple))
        detail = (
            f"Of more than {MOST_UNSORTED} of these rows are listed by created_at only: ask for that, or name fewer."
        )
        return [
            InvalidQueryParameter(detail, parameter=f"filter[{found.name}]")
            for found in named
            if isinstance(found.value, tuple) and len(found.value) > MOST_UNSORTED
        ]
    if isinstance(principal, Person) or not driving or query.names_parents:
        return []
    # A range is of the order's own time (`jsonapi.query`), which an index has.
    asked = [
        parameter_of(query.resource, found)
        for found in query.filters
        if found.operator not in RANGES and not _is_of_few_messages(query.resource, found)
    ]
    if query.resource.tenancy == "message" and query.sort.name != query.resource.times[0]:
        asked.append("sort")
    ways = ", ".join(f"filter[{name}]" for name in dict.fromkeys(("workspace", *driving)))
    detail = f"This is not for the rows of all workspaces: ask for it with one of {ways}."
    problems: list[WellspringError] = [InvalidQueryParameter(detail, parameter=parameter) for parameter in asked]
    # Names that are found come in their own order: where the filter is refused, so is that.
    if not problems and not ledger.is_sorted_by_an_index(principal, query):
        detail = f"The rows of all workspaces have no such order: ask for -created_at, or for it with one of {ways}."
        parameter = "sort" if query.sort != Sort() else "filter[deleted]"
        problems.append(InvalidQueryParameter(detail, parameter=parameter))
    return problems


def _is_of_few_messages(resource: Resource, condition: Filter) -> bool:
    """Say whether a filter is of an outcome that few messages have; those of all workspaces stand together."""
    return resource.tenancy == "message" and condition.name == "outcome" and condition.value != "applied"


def _require_searchable(transaction: Transaction, principal: Principal, query: ListQuery) -> None:
    """Let through a search for a part of a name where there are few enough names.

    Raises:
        InvalidQueryParameter: there are more.
    """
    if query.searches and ledger.searched(transaction, principal, query) > MAX_SEARCHED:
        names, where = query.resource.names, "workspace" if query.workspaces else "list"
        detail = f"The {where} has more than {MAX_SEARCHED:,} {names}: ask for filter[name][starts]."
        raise InvalidQueryParameter(detail, parameter="filter[name][contains]")


def retrieve(transaction: Transaction, principal: Principal, resource: Resource, id_: UUID | None, view: View) -> Found:
    """Return one live row and what it includes.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        resource: the row's type.
        id_: its public id; None where the path held something that is no uuid.
        view: what of it to show.

    Raises:
        NotFound: there is no such row, or the caller may not see it.
    """
    row = ledger.one(transaction, principal, resource, {"id": id_}) if id_ is not None else None
    if row is None:
        raise absent(resource.type)
    return found(transaction, principal, resource, row, view)


def found(transaction: Transaction, principal: Principal, resource: Resource, row: Row, view: View) -> Found:
    """Return a row that was read or written, with its linkage and what it includes."""
    (row,) = _with_linkage(transaction, resource, [row], view)
    (row,) = _with_states(transaction, principal, resource, [row], view, primary=True)
    return Found(row, include(transaction, principal, resource, [row], view))


def require_workspace(transaction: Transaction, principal: Principal, id_: UUID | None) -> None:
    """Let through who sees the workspace that a path names.

    Raises:
        NotFound: there is no such workspace, or the caller may not see it.
    """
    if id_ is None or not parents.visible_workspaces(transaction, principal, [id_]):
        raise absent("workspace")


def absent(type_: str, pointer: str | None = None) -> NotFound:
    """Return the error of a resource that is not there, or that the caller may not see: the same for both."""
    return NotFound(f"There is no such {type_}.", resource_type=type_, pointer=pointer)


def _position(transaction: Transaction, query: ListQuery) -> Position | None:
    if query.cursor is None:
        return None
    return verified(transaction, query.resource, query.sort, query.cursor, backward=query.backward)


def signed(transaction: Transaction, resource: Resource, sort: Sort, positions: Iterable[Position]) -> list[str]:
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


def include(
    transaction: Transaction, principal: Principal, resource: Resource, rows: Sequence[Row], view: View
) -> dict[str, list[Row]]:
    """Read what the view's paths name, with one query for each type that has rows.

    A type is read when all the types that lead to it have been, so that it is read once whatever the paths.
    """
    included: dict[str, list[Row]] = {}
    known: dict[str, Sequence[Row]] = {resource.type: rows}
    steps = _steps(resource, view.include or ())
    while steps:
        waiting = {target for _, _, target in steps}
        type_ = next(target for _, _, target in steps if not any(s in waiting for s, _, t in steps if t == target))
        ids: dict[UUID, None] = {}
        for source, name, target in steps:
            if target == type_:
                ids.update((id_, None) for row in known[source] for id_ in _linked(row, name))
        known[type_] = ledger.related(transaction, principal, resource_of(type_), list(ids)) if ids else []
        if ids:
            included[type_] = _with_states(
                transaction, principal, resource_of(type_), known[type_], view, primary=False
            )
        steps = [step for step in steps if step[2] != type_]
    return included


def _steps(resource: Resource, paths: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return what the paths go through, each as (type, relationship, type); a path includes its intermediate stops."""
    steps: dict[tuple[str, str, str], None] = {}
    for path in paths:
        source = resource
        for name in path.split("."):
            relationship = source.relationship(name)
            if relationship is None:
                raise KeyError(path)
            steps[source.type, name, relationship.target] = None
            source = resource_of(relationship.target)
    return list(steps)


def _linked(row: Row, name: str) -> Iterable[UUID]:
    if f"{name}_ids" in row:
        return list(row[f"{name}_ids"])
    id_ = row[f"{name}_id"]
    return [] if id_ is None else [id_]


def _with_linkage(transaction: Transaction, resource: Resource, rows: Sequence[Row], view: View) -> list[Row]:
    """Add the ids behind the to-many relationships that the view asks for, read in one statement for all rows.

    An answer has at most `MOST_LINKED` of each relationship; the rows of a page share them evenly. A row that has more
    than its share has the names of such relationships in `capped`, each with the cursor of what follows in the list of
    what is at its other end, or None where no list is of one row's.
    """
    names = [relationship.name for relationship in resource.relationships if relationship.many]
    asked = {path.partition(".")[0] for path in view.include or ()} | view.fields.get(resource.type, frozenset())
    names = [name for name in names if name in asked]
    if not rows or not names:
        return list(rows)
    share = max(1, MOST_LINKED // len(rows))
    linked = groups.linkage(transaction, [row["id"] for row in rows], names, share + 1)
    return [{**row, **_share(transaction, resource, linked[row["id"]], share)} for row in rows]


def _with_states(
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    rows: Sequence[Row],
    view: View,
    *,
    primary: bool,
) -> list[Row]:
    """Add what is kept about rows, read in one statement for all of them, where the view shows it.

    Args:
        transaction: the scope to read in.
        principal: the caller.
        resource: the rows' type.
        rows: what was read.
        view: what is shown.
        primary: whether the rows are what was asked for; what is included with it says it only where it is named.
    """
    named = view.fields.get(resource.type)
    links = set(resource.kept_links if primary else ()) if named is None else named.intersection(resource.kept_links)
    # What is included is linked to, also where that is not shown.
    links |= set(resource.kept_links).intersection((view.include or ()) if primary else ())
    is_shown = primary if named is None else not named.isdisjoint(resource.kept)
    if not rows or not (links or (is_shown and resource.kept)):
        return list(rows)
    known = states.states(transaction, principal, [row["id"] for row in rows], failures=bool(links))
    return [{**row, **known.get(row["id"], {})} for row in rows]


def _share(
    transaction: Transaction, resource: Resource, linked: Mapping[str, list[groups.Linked]], share: int
) -> dict[str, object]:
    capped: dict[str, str | None] = {}
    for name, found in linked.items():
        relationship = resource.relationship(name)
        if len(found) > share and relationship is not None:
            capped[name] = _cursor_of_list(transaction, resource, resource_of(relationship.target), found[share - 1])
    return {
        **{f"{name}_ids": [each.id for each in found[:share]] for name, found in linked.items()},
        "capped": capped,
    }


def _cursor_of_list(transaction: Transaction, resource: Resource, target: Resource, last: groups.Linked) -> str | None:
    """Return the cursor of one of what a row holds in the list of that; None where there is no such list."""
    if target.enrolled_in == resource.type:
        order = Sort(BY_ENROLMENT, descending=False)
    elif any(back.target == resource.type for back in target.to_one):
        order = Sort(descending=False)
    else:
        return None
    return signed(transaction, target, order, [last.place])[0]
