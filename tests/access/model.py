"""The contract's section 3, said a second time in the plainest way: loops over a world that fits on a page.

Rows are objects that point to each other. `answer` says what the API must answer a caller who reads. Nothing here is
the product's, not even a constant, and there is no SQL: where the two disagree, one of them is wrong. Where the
contract leaves room, docs/adr/0008 decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID


# ---- rows ----------------------------------------------------------------------------------------------
@dataclass(eq=False, repr=False, kw_only=True)
class Row:
    """A row of any type.

    Attributes:
        pk: says in what order rows were made.
        parents: the rows behind its to-one relationships, by name; None behind one that leads nowhere.
        values: its columns beside times and parents.
    """

    type: str
    pk: int
    id: UUID
    created_at: datetime
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    parents: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        return self.deleted_at is None

    @property
    def is_provenance(self) -> bool:
        """Whether it says which connector brought a record in, or carried it out."""
        return self.type.endswith("_workspace_connector")

    @property
    def last_updated_at(self) -> datetime:
        return self.updated_at or self.created_at

    def __repr__(self) -> str:
        of = [f"{name}={parent and parent.id}" for name, parent in self.parents.items()]
        said = [f"{name}={value}" for name, value in self.values.items()]
        times = {"created": self.created_at, "updated": self.updated_at, "deleted": self.deleted_at}
        when = [f"{name} {value:%d.%m. %H:%M}" for name, value in times.items() if value]
        return f"\n<{self.type} {self.id}: {', '.join([*of, *said, *when])}>"


@dataclass
class World:
    """All rows there are by their type, in the order in which they were made."""

    rows: dict[str, list[Row]]

    def of(self, type_: str) -> list[Row]:
        return self.rows[type_]

    @property
    def memberships(self) -> Sequence[Row]:
        """Of workspaces and of groups."""
        return [*self.of("workspace_membership"), *self.of("workspace_group_membership")]


# ---- callers -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Person:
    """Somebody; the platform may know them or not. What their token's `scope` says is nobody's business."""

    id: UUID
    scope: str = ""


@dataclass(frozen=True)
class Service:
    scopes: frozenset[str]


type Caller = Person | Service


# ---- what is asked -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class List:
    """A page of a list.

    `within` is the workspace of the provider service's path. `cursor` is a row beside which the page stands: after it
    in the list's order, or before it where `backward`. `include` None is a request that does not say.
    """

    type: str
    within: UUID | None = None
    deleted: Literal["exclude", "include", "only"] = "exclude"
    workspaces: tuple[UUID, ...] = ()
    related: tuple[tuple[str, tuple[UUID, ...]], ...] = ()
    equal: tuple[tuple[str, object], ...] = ()
    since: datetime | None = None
    sort: Literal["created_at", "updated_at"] = "created_at"
    descending: bool = True
    size: int = 20
    cursor: Row | None = None
    backward: bool = False
    total: bool = False
    include: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Retrieve:
    type: str
    id: UUID
    include: tuple[str, ...] | None = None


type Request = List | Retrieve


@dataclass(frozen=True)
class Result:
    """What the API must say.

    `problems` are code and source of each error; `rows` are the primary data; `included` None is an answer without the
    member; `before` and `after` say whether there is a page.
    """

    status: int
    problems: tuple[tuple[str, str], ...] = ()
    rows: tuple[Row, ...] = ()
    included: tuple[Row, ...] | None = None
    total: int | None = None
    before: bool = False
    after: bool = False


def instant(value: datetime) -> str:
    """Return how a time is written."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Refused(Exception):
    """The answer is these problems."""

    def __init__(self, status: int, *problems: tuple[str, str]) -> None:
        super().__init__(status, problems)
        self.answer = Result(status, tuple(sorted(problems)))


def _forbidden(where: str = "") -> Refused:
    return Refused(403, ("FORBIDDEN", where))


def _absent(type_: str) -> Refused:
    return Refused(404, (f"{type_.upper()}_NOT_FOUND", ""))


def answer(world: World, caller: Caller, request: Request) -> Result:
    """Return what the API must answer."""
    try:
        match request:
            case List():
                return _list(world, caller, request)
            case Retrieve():
                return _retrieve(world, caller, request)
    except Refused as refused:
        return refused.answer


# ---- who sees what -------------------------------------------------------------------------------------
def workspaces_of(world: World, caller: Caller) -> list[Row]:
    """The workspaces that a caller sees: a service all; a person those of active memberships and of their groups."""
    groups = groups_of(world, caller)
    enrolled = [
        row.parents["workspace"]
        for row in world.of("workspace_group_workspace")
        if row.is_live and row.parents["workspace_group"] in groups
    ]
    return [
        workspace
        for workspace in world.of("workspace")
        if workspace.is_live
        and (isinstance(caller, Service) or workspace in enrolled or _is_member(world, caller, workspace))
    ]


def groups_of(world: World, caller: Caller) -> list[Row]:
    """The groups that a caller sees: a service all; a person those of active memberships."""
    live = [group for group in world.of("workspace_group") if group.is_live]
    return [group for group in live if isinstance(caller, Service) or _is_member(world, caller, group)]


def _is_member(world: World, caller: Person, place: Row) -> bool:
    """Whether a person is an active member of a group, or of a workspace directly.

    Of whom nobody has told is a contact, and no token's.
    """
    return any(
        place in membership.parents.values()
        and membership.is_live
        and membership.values["status"] == "active"
        and membership.parents["people"].id == caller.id
        and membership.parents["people"].is_live
        and membership.parents["people"].values["source"] is not None
        for membership in world.memberships
    )


@dataclass(frozen=True)
class Sight:
    """What one caller sees at one time."""

    world: World
    workspaces: list[Row]
    groups: list[Row]

    def sees(self, row: Row) -> bool:
        """Whether a ledger row, live or tombstoned itself, or a group, is there for the caller."""
        parents = row.parents
        match row.type:
            case "workspace_group":
                return row in self.groups
            case "workspace_group_workspace":
                group, workspace = parents["workspace_group"], parents["workspace"]
                both_live = workspace.is_live and (group.is_live or not row.is_live)
                return both_live and (group in self.groups or workspace in self.workspaces)
            case "workspace_provider":
                return (parents["provider"].is_live or not row.is_live) and parents["workspace"] in self.workspaces
            case _:
                # What is dead outlives its parents, but not their workspaces.
                both_live = not row.is_live or all(parent.is_live for parent in parents.values())
                return both_live and all(parent.parents["workspace"] in self.workspaces for parent in parents.values())

    def has(self, row: Row) -> bool:
        """Whether what leads to this parent may show it to the caller."""
        match row.type:
            case "workspace":
                return row in self.workspaces
            case "workspace_group":
                return row in self.groups
            case _:
                return row.is_live and ("workspace" not in row.parents or row.parents["workspace"] in self.workspaces)

    def included(self, rows: Iterable[Row], paths: tuple[str, ...] | None) -> tuple[Row, ...] | None:
        """Return what is included beside rows that the caller sees."""
        if paths is None:
            return None
        found: list[Row] = []
        for path in paths:
            here = list(rows)
            for name in path.split("."):
                here = [other for row in here for other in linked(self.world, row, name) if self._shows(other, row)]
                found += here
        # A row that two paths lead to is there once.
        return tuple(dict.fromkeys(found))

    def _shows(self, row: Row, leading: Row) -> bool:
        if row.type == "workspace_group":
            # A withdrawn workspace's people are not told what the group is called by now.
            return row.is_live and (leading.is_live or row in self.groups)
        return self.has(row)


def sight_of(world: World, caller: Caller) -> Sight:
    return Sight(world, workspaces_of(world, caller), groups_of(world, caller))


def linked(world: World, row: Row, name: str) -> Sequence[Row]:
    """Return the rows behind a relationship, live or not."""
    if row.type == "workspace_group" and name in {"workspaces", "memberships"}:
        of = world.of("workspace_group_workspace" if name == "workspaces" else "workspace_group_membership")
        live = [other for other in of if other.parents["workspace_group"] is row and other.is_live]
        live.sort(key=lambda other: (other.created_at, other.pk))
        if name == "memberships":
            return live
        return [other.parents["workspace"] for other in live if other.parents["workspace"].is_live]
    # A message is behind no row of these worlds.
    parent = row.parents.get(name)
    return [] if parent is None else [parent]


# ---- reading -------------------------------------------------------------------------------------------
def _may_read(caller: Caller) -> None:
    if isinstance(caller, Service) and "system:read" not in caller.scopes:
        raise _forbidden()


# By whose parents rows can be read.
DRIVING: Mapping[str, frozenset[str]] = {
    "account_workspace_connector": frozenset({"account", "workspace_connector"}),
    "company_workspace_connector": frozenset({"company", "workspace_connector"}),
    "people_workspace_connector": frozenset({"people", "workspace_connector"}),
    "workspace_group_workspace": frozenset({"workspace_group", "workspace"}),
    "workspace_provider": frozenset({"workspace", "provider"}),
}
# Of one of which a service is told in all workspaces: what is live, in the order of its making.
OF_ONE = {"workspace_group_workspace": "created_by"}


def _require_bounded(caller: Caller, request: List) -> None:
    """Refuse a service what no index has together: all rows that a filter leaves, but for their times."""
    driving = DRIVING.get(request.type, frozenset())
    names_parents = request.within or request.workspaces or {name for name, _ in request.related} & driving
    if isinstance(caller, Person) or not driving or names_parents:
        return
    asked = [f"filter[{name}]" for name, _ in (*request.related, *request.equal)]
    wanted = dict(request.related).get(OF_ONE.get(request.type, ""), ())
    if len(set(wanted)) == 1 and not request.equal:
        asked = ["filter[deleted]"] if request.deleted != "exclude" else []
        asked = ["sort"] if request.sort != "created_at" else asked
    if asked:
        raise Refused(400, *(("INVALID_QUERY_PARAMETER", f"parameter {parameter}") for parameter in asked))


def _list(world: World, caller: Caller, request: List) -> Result:
    _may_read(caller)
    if request.since is not None and request.sort != "created_at":
        raise Refused(400, ("INVALID_QUERY_PARAMETER", "parameter filter[created_at][gte]"))
    sight = sight_of(world, caller)
    ids_seen = [workspace.id for workspace in sight.workspaces]
    if request.within is not None and request.within not in ids_seen:
        raise _absent("workspace")
    _require_bounded(caller, request)
    if any(id_ not in ids_seen for id_ in request.workspaces):
        raise _forbidden("parameter filter[workspace]")
    rows = [row for row in world.of(request.type) if sight.sees(row) and _matches(row, request)]

    def place(row: Row) -> tuple[datetime, int]:
        return (row.created_at if request.sort == "created_at" else row.last_updated_at, row.pk)

    rows.sort(key=place, reverse=request.descending)
    total = len(rows) if request.total else None
    before: Sequence[Row] = []
    after: Sequence[Row] = []
    if request.cursor is None:
        page, after = rows[: request.size], rows[request.size :]
    else:
        mark = place(request.cursor)
        ahead = [row for row in rows if (place(row) < mark if request.descending else place(row) > mark)]
        behind = [row for row in rows if (place(row) > mark if request.descending else place(row) < mark)]
        on_it = [row for row in rows if place(row) == mark]
        if request.backward:
            page, before, after = behind[-request.size :], behind[: -request.size], on_it + ahead
        else:
            page, before, after = ahead[: request.size], behind + on_it, ahead[request.size :]
    paths = ("provider",) if request.include is None and request.within is not None else request.include
    # Where nothing is on the page, there is nothing that a link could stand beside.
    sides = bool(before and page), bool(after and page)
    return Result(200, (), tuple(page), sight.included(page, paths), total, *sides)


def _matches(row: Row, request: List) -> bool:
    if request.deleted == ("only" if row.is_live else "exclude"):
        return False
    ids = {name: parent and parent.id for name, parent in row.parents.items()}
    return (
        (request.within is None or ids["workspace"] == request.within)
        and (not request.workspaces or _is_in(row, request.workspaces))
        and all(ids[name] in wanted for name, wanted in request.related)
        and all(row.values[name] == value for name, value in request.equal)
        and (request.since is None or row.created_at >= request.since)
    )


def _is_in(row: Row, workspaces: tuple[UUID, ...]) -> bool:
    """Whether a row is of these workspaces: provenance with both of its parents."""
    of = row.parents.values() if row.is_provenance else [row]
    return all(each.parents["workspace"].id in workspaces for each in of)


def _retrieve(world: World, caller: Caller, request: Retrieve) -> Result:
    _may_read(caller)
    sight = sight_of(world, caller)
    for row in world.of(request.type):
        if row.id == request.id and row.is_live and sight.sees(row):
            return Result(200, rows=(row,), included=sight.included([row], request.include))
    raise _absent(request.type)
