"""Reading the ledger: lists and single rows, with what they include."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.database.flush import Flush, Row
from wellspring.errors import Forbidden, InvalidQueryParameter, NotFound, WellspringError, raise_all
from wellspring.queries import MAX_SEARCHED, MAX_STATES, MAX_TOTAL, Filter, ListQuery, Position, Sort, View
from wellspring.repositories import groups, ledger, parents
from wellspring.repositories.answers import sole, states
from wellspring.resources import Resource
from wellspring.services.ledger.cursors import ask_for_keys, signed, verified
from wellspring.services.ledger.including import Included, IncludePlan
from wellspring.times import of_postgres

# Parents whose rows are read whole for one page, because no index has them in its order.
MOST_UNSORTED = 10
# Filters whose rows stand together in the order that they are asked for in.
IN_ORDER = ("gte", "gt", "lte", "lt", "named", "starts")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        cursors: of each row.
        total: how many rows the list has, at most `MAX_TOTAL`; None where nobody asked.
        ends: the cursors that the page before and the page after it are asked for with, where it is not its first and
            its last row's.
        choices: which values there are to filter by, by the filter; None where nobody asked.
    """

    rows: list[Row]
    cursors: list[str]
    included: Included
    more_before: bool
    more_after: bool
    total: int | None = None
    total_is_capped: bool = False
    ends: tuple[str | None, str | None] | None = None
    choices: Mapping[str, list[str]] | None = None


@dataclass(frozen=True, slots=True)
class RowWithIncludes:
    """One row, and the rows included with it, by type."""

    row: Row
    included: Included


def list_page(transaction: Transaction, principal: Principal, query: ListQuery) -> Page:
    """Return the page that `query` asks for, of the rows that `principal` sees.

    Raises what `require_claimed` and `verified` do, and `InvalidQueryParameter` where the query is of too many rows.
    """
    if query.enrolled_in is not None:
        return _enrolled_page(transaction, principal, query)
    if query.sole_source is None:
        raise_all(_unindexed(principal, query))
    if query.workspaces:
        # On its own: how long the page of a workspace takes would tell a foreign one from none.
        require_claimed(transaction, principal, query.workspaces)
    if query.sole_source is not None:
        return _sole_page(transaction, principal, query)
    if query.sort.name == query.resource.sorted_by:
        _require_few(transaction, query)
    _require_searchable(transaction, principal, query)
    position = verified(transaction, query.resource, query.sort, query)
    plan = IncludePlan.of(query.resource, query.view)
    flush = Flush(transaction)
    page = flush.ask(ledger.page(principal, query, position))
    found = plan.ask(flush, principal, query.size)
    total = flush.ask(ledger.count(principal, query)) if query.total else None
    choices = flush.ask(ledger.choices(query.resource)) if query.choices else None
    ask_for_keys(flush)
    flush.send(is_last=True)
    rows, included = found.shown(transaction, page.value.rows)
    return Page(
        rows=rows,
        cursors=signed(transaction, query.resource, query.sort, (_place(query.sort, row) for row in page.value.rows)),
        included=included,
        more_before=page.value.more_before,
        more_after=page.value.more_after,
        total=None if total is None else min(total.value, MAX_TOTAL),
        total_is_capped=total is not None and total.value > MAX_TOTAL,
        choices=None if choices is None else choices.value,
    )


def _place(sort: Sort, row: Row) -> Position[str]:
    """Return the place of a row, whose id and times are text (`ledger`)."""
    at = row[sort.name]
    return Position(at if sort.by_text else of_postgres(at), row["id"], row["pk"])


def _sole_page(transaction: Transaction, principal: Principal, query: ListQuery) -> Page:
    """Return records that nobody but one connector brings in; a page may be short where many others do as well."""
    position = verified(transaction, query.resource, query.sort, query)
    looked = sole.sole_page(transaction, principal, query, position)
    rows, way = looked.rows[: query.size], -1 if query.backward else 1
    places = [Position(row["at"], row["row_id"], row["row_pk"]) for row in rows]
    # As far as was looked: what lies beyond is another page, also where there is nothing to show on this one.
    ends = looked.first, places[-1] if len(looked.rows) > query.size else looked.last
    more_before, more_after = (looked.behind, ends[1] is not None)[::way]
    shown, included = include(transaction, principal, query.resource, rows[::way], query.view)
    first, last = (signed(transaction, query.resource, query.sort, [end])[0] if end else None for end in ends[::way])
    return Page(
        rows=shown,
        cursors=signed(transaction, query.resource, query.sort, places[::way]),
        included=included,
        more_before=more_before,
        more_after=more_after,
        ends=(first, last),
    )


def _enrolled_page(transaction: Transaction, principal: Principal, query: ListQuery) -> Page:
    """Return the workspaces of a group, in the order of their enrolment."""
    position = verified(transaction, query.resource, query.sort, query)
    slice_ = groups.page_of_workspaces(transaction, principal, query, position)
    places = (Position(row["enrolled_at"], row["enrolment_id"], row["place"]) for row in slice_.rows)
    counted = groups.count_workspaces(transaction, principal, query) if query.total else None
    return Page(
        rows=slice_.rows,
        cursors=signed(transaction, query.resource, query.sort, places),
        included=include(transaction, principal, query.resource, slice_.rows, query.view)[1],
        more_before=slice_.more_before,
        more_after=slice_.more_after,
        total=None if counted is None else min(counted, MAX_TOTAL),
        total_is_capped=counted is not None and counted > MAX_TOTAL,
    )


def require_claimed(transaction: Transaction, principal: Principal, workspaces: Sequence[UUID]) -> None:
    """Let through who sees the workspaces that a query claims to work in; raises `Forbidden`."""
    if len(parents.visible_workspaces(transaction, principal, workspaces)) < len(workspaces):
        raise Forbidden("There is no such workspace among yours.", parameter="filter[workspace]")


def _require_few(transaction: Transaction, query: ListQuery) -> None:
    """Let through an order that no index has, where there are few enough rows to sort."""
    if states.connectors_in(transaction, query.workspaces) > MAX_STATES:
        detail = f"Of more than {MAX_STATES:,} connectors there is no order of {query.sort.name}: ask for another sort."
        # Where it was not asked for, a filter brings it.
        brought = (found.parameter for found in query.filters if found.name == query.sort.name)
        raise InvalidQueryParameter(detail, parameter=next(brought, "sort"))


def _unindexed(principal: Principal, query: ListQuery) -> list[WellspringError]:
    """Return what a service asks of all rows that there are, and that no index has together (docs/adr/0029).

    Or of all rows of one parent that has its rows in one order only.
    """
    resource, is_person = query.resource, isinstance(principal, Person)
    ones = {each.name for each in resource.to_one if each.drives == "one_by_service"}
    by_parents = [each for each in query.filters if each.name in resource.driving]
    of_one = next((each for each in reversed(by_parents) if each.name in ones), None)
    if is_person or query.workspaces or any(each.name not in ones for each in by_parents):
        of_one = None
    if of_one is None:
        if query.names_parents and not ledger.is_sorted_by_index(principal, query):
            return _of_too_many(query)
        if is_person or not resource.driving or query.names_parents:
            return []
    ways, beside = ", ".join(resource.narrowing), f" beside {of_one.parameter}" if of_one else ""
    detail = f"This is not for the rows of all workspaces{beside}: ask for it with one of {ways}."
    asked = [each.parameter for each in query.filters if each is not of_one and not _stand_together(resource, each)]
    if resource.tenancy == "message" and query.sort.name != resource.times[0]:
        asked.append("sort")
    problems: list[WellspringError] = [InvalidQueryParameter(detail, parameter=parameter) for parameter in asked]
    if of_one and isinstance(of_one.value, tuple) and len(set(of_one.value)) > 1:
        detail = f"This is not for the rows of all workspaces but with one id: ask for one, or with one of {ways}."
        problems.append(InvalidQueryParameter(detail, parameter=of_one.parameter))
    if not problems and not ledger.is_sorted_by_index(principal, query):
        detail = f"The rows of all workspaces have no such order: ask for -created_at, or for it with one of {ways}."
        is_usual = query.sort.name == Sort().name if of_one else query.sort == Sort()
        problems.append(InvalidQueryParameter(detail, parameter="filter[deleted]" if is_usual else "sort"))
    return problems


def _of_too_many(query: ListQuery) -> list[WellspringError]:
    """Return the filters that name more parents than are sorted, where no index has their rows in the order."""
    detail = f"Of more than {MOST_UNSORTED} of these rows are listed by created_at only: ask for that, or name fewer."
    return [
        InvalidQueryParameter(detail, parameter=f"filter[{found.name}]")
        for found in query.filters
        if found.name in query.resource.driving and isinstance(found.value, tuple) and len(found.value) > MOST_UNSORTED
    ]


def _stand_together(resource: Resource, condition: Filter) -> bool:
    """Say whether the rows of all workspaces that a filter asks for stand together, in the order that it is asked in.

    A range is of the order's own time, and what begins so of the order of names (`jsonapi.query`). Of messages it is
    what few have: one id, a reason, an outcome that is rare.
    """
    attribute = resource.attribute(condition.name)
    if condition.operator in IN_ORDER or (attribute is not None and attribute.is_everywhere):
        return True
    if resource.tenancy != "message":
        return False
    return condition.name in {"message_id", "reason"} or (condition.name == "outcome" and condition.value != "applied")


def _require_searchable(transaction: Transaction, principal: Principal, query: ListQuery) -> None:
    """Let through a search for a part of a name where there are few enough names."""
    searches = any(found.operator == "contains" for found in query.filters)
    if searches and ledger.searched(transaction, principal, query) > MAX_SEARCHED:
        names, where = query.resource.names, "workspace" if query.workspaces else "list"
        detail = f"The {where} has more than {MAX_SEARCHED:,} {names}: ask for filter[name][starts]."
        raise InvalidQueryParameter(detail, parameter="filter[name][contains]")


def retrieve(
    transaction: Transaction, principal: Principal, resource: Resource, id_: UUID | None, view: View
) -> RowWithIncludes:
    """Return one live row and what it includes; raises `NotFound`. Its id is None where the path held no uuid."""
    if id_ is None:
        raise absent(resource.type, id_)
    plan = IncludePlan.of(resource, view)
    flush = Flush(transaction)
    row = flush.ask(ledger.one(principal, resource, {"id": id_}))
    read = plan.ask(flush, principal, 1)
    if plan.linked:
        # Linkage that is cut off says where it goes on.
        ask_for_keys(flush)
    flush.send(is_last=True)
    if row.value is None:
        raise absent(resource.type, id_)
    (shown,), included = read.shown(transaction, [row.value])
    return RowWithIncludes(shown, included)


def found(transaction: Transaction, principal: Principal, resource: Resource, row: Row, view: View) -> RowWithIncludes:
    """Return a row that was read or written, with its linkage and what it includes."""
    (shown,), included = include(transaction, principal, resource, [row], view)
    return RowWithIncludes(shown, included)


def require_workspace(transaction: Transaction, principal: Principal, id_: UUID | None) -> None:
    """Let through who sees the workspace that a path names; raises `NotFound`."""
    if id_ is None or not parents.visible_workspaces(transaction, principal, [id_]):
        raise absent("workspace", id_)


def absent(type_: str, *ids: UUID | None, pointer: str | None = None) -> NotFound:
    """Return the error of a resource that is not there, or that the caller may not see: the same for both.

    `ids` are its own, or those of the parents that it was looked for by; None for text that is none.
    """
    named = ", ".join(str(id_) if id_ else "the id is no uuid" for id_ in ids)
    return NotFound(f"There is no such {type_}: {named}.", resource_type=type_, pointer=pointer)


def include(
    transaction: Transaction, principal: Principal, resource: Resource, rows: Sequence[Row], view: View
) -> tuple[list[Row], Included]:
    """Return rows that are known already, with their linkage, and what the view's paths name of them, in one flush."""
    plan = IncludePlan.of(resource, view)
    stored = plan.stored_by(rows)
    if not rows or not stored:
        return list(rows), {}
    flush = Flush(transaction)
    flush.ask(ledger.store(stored))
    read = plan.ask(flush, principal, len(rows))
    flush.send()
    return read.shown(transaction, rows)
