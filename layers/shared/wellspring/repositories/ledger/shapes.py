"""Shapes of statements about the ledger, and the values that it is executed with."""

from dataclasses import dataclass, field

from wellspring.access.predicates import parameters
from wellspring.access.principal import Person, Principal
from wellspring.queries import Deleted, ListQuery, Operator, Sort
from wellspring.resources import Resource

# Every larger page asks first, by all its heads' parents, how far it reaches; of others do those that have a
# bound of the newest rows (docs/adr/0045).
SMALL_PAGE = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """What makes one list statement differ from another; the values are bound later.

    Attributes:
        conditions: the filters' fields and operators, in one order whatever the request's.
        direction: the direction that a filter names. It stands in the statement, for an index of one direction.
        claimed: whether the caller claims to work in some workspaces only.
        cursor: whether the page continues from a row; `backward`: whether it ends there.
        large: whether the page is larger than a `SMALL_PAGE`.
    """

    resource: Resource
    person: bool
    conditions: tuple[tuple[str, Operator], ...] = ()
    direction: str | None = None
    deleted: Deleted = "exclude"
    claimed: bool = False
    sort: Sort = field(default_factory=Sort)
    cursor: bool = False
    backward: bool = False
    large: bool = False

    @property
    def halves(self) -> tuple[bool, ...]:
        """Live rows, dead ones, or both: those first."""
        return {"exclude": (True,), "only": (False,), "include": (True, False)}[self.deleted]

    @property
    def is_plain(self) -> bool:
        """Whether it is a person's plain page of provenance (`many_workspaces`), planned once (`ledger.hot`)."""
        return self.resource.policy == "provenance" and self == Shape(self.resource, person=True, cursor=self.cursor)

    @property
    def is_narrow(self) -> bool:
        """Whether it is of few parents: a person's, or those that the request names."""
        return self.person or self.claimed or any(name in self.resource.driving for name, _ in self.conditions)


def shape_of(principal: Principal, query: ListQuery, *, cursor: bool, backward: bool) -> Shape:
    """Return the shape of a caller's query."""
    # Where the workspace is one of the row's own parents, claiming it is filtering by it.
    own = bool(query.workspaces) and query.resource.relationship("workspace") is not None
    directions = {said.name for said in query.resource.attributes if said.kind == "direction"}
    conditions = {(found.name, found.operator) for found in query.filters if found.name not in directions}
    return Shape(
        resource=query.resource,
        person=isinstance(principal, Person),
        conditions=tuple(sorted(conditions | {("workspace", "in")} if own else conditions)),
        direction=next((str(found.value) for found in query.filters if found.name in directions), None),
        deleted=query.deleted,
        claimed=bool(query.workspaces) and not own,
        sort=query.sort,
        cursor=cursor,
        backward=backward,
        large=query.size > SMALL_PAGE,
    )


def values_of(principal: Principal, query: ListQuery) -> dict[str, object]:
    """Return what a statement of a query's shape needs bound, and more."""
    bound = {
        parameter_name(found.name, found.operator): list(found.value) if isinstance(found.value, tuple) else found.value
        for found in query.filters
    }
    claimed = {parameter_name("workspace", "in"): list(query.workspaces)} if query.workspaces else {}
    return parameters(principal, query.workspaces) | bound | claimed


def parameter_name(name: str, operator: Operator) -> str:
    """Return the name of the bound parameter of a condition."""
    return f"{name}_{operator}"
