"""What makes one statement about the ledger differ from another, and the values that it is executed with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wellspring.access.predicates import parameters
from wellspring.access.principal import Person, Principal
from wellspring.queries import Deleted, Filter, ListQuery, Operator, Sort
from wellspring.resources import Resource

type Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes one list statement differ from another; the values are bound later."""

    resource: Resource
    person: bool
    conditions: tuple[tuple[str, Operator], ...]
    deleted: Deleted
    claimed: bool
    sort: Sort
    cursor: bool
    backward: bool


def shape_of(principal: Principal, query: ListQuery, *, cursor: bool, backward: bool) -> Shape:
    """Return the shape of a caller's query."""
    claims = bool(query.workspaces)
    # Where the workspace is one of the row's own parents, claiming it is filtering by it.
    own = claims and query.resource.relationship("workspace") is not None
    # In one order, whatever the query string's, so that what is asked alike is one statement.
    conditions = tuple(sorted((condition.name, condition.operator) for condition in query.filters))
    return Shape(
        resource=query.resource,
        person=isinstance(principal, Person),
        conditions=(*conditions, ("workspace", "in")) if own else conditions,
        deleted=query.deleted,
        claimed=claims and not own,
        sort=query.sort,
        cursor=cursor,
        backward=backward,
    )


def values_of(principal: Principal, query: ListQuery) -> dict[str, object]:
    """Return what a statement of a query's shape needs bound."""
    values = parameters(principal, query.workspaces) | filter_values(query.filters)
    return values | ({parameter_name("workspace", "in"): list(query.workspaces)} if query.workspaces else {})


def filter_values(filters: Sequence[Filter]) -> dict[str, object]:
    """Return the values of conditions, by the names of their parameters."""
    return {
        parameter_name(condition.name, condition.operator): (
            list(condition.value) if isinstance(condition.value, tuple) else condition.value
        )
        for condition in filters
    }


def parameter_name(name: str, operator: Operator) -> str:
    """Return the name of the bound parameter of a condition."""
    return f"{name}_{operator}"
