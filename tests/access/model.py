"""The contract's section 3, said a second time in the plainest way: loops over a world that fits on a page.

Rows are objects that point to each other. `answer` says what the API must answer a caller who reads. Nothing here is
the product's, not even a constant, and there is no SQL: where the two disagree, one of them is wrong. Where the
contract leaves room, docs/adr/0008 decides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, cast, dataclass_transform
from uuid import UUID

# ---- rows ----------------------------------------------------------------------------------------------

type Role = Literal["owner", "admin", "member", "guest"]
type Status = Literal["active", "pending"]
type Direction = Literal["input", "output"]


@dataclass(eq=False, repr=False, kw_only=True)
class Row:
    """What every row has: `pk` says in what order rows were made."""

    declared: ClassVar[tuple[str, Sequence[str], Sequence[str]]]

    pk: int
    id: UUID
    created_at: datetime
    updated_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def type(self) -> str:
        return self.declared[0]

    @property
    def is_live(self) -> bool:
        return self.deleted_at is None

    @property
    def last_updated_at(self) -> datetime:
        return self.updated_at or self.created_at

    def parents(self) -> "Mapping[str, Row | None]":
        """The rows behind its to-one relationships, by name."""
        return {name: getattr(self, name) for name in self.declared[1]}

    def values(self) -> Mapping[str, object]:
        """Its columns beside times and parents."""
        return {name: getattr(self, name) for name in self.declared[2]}

    @property
    def nickname(self) -> str:
        """What to call it among people."""
        return f"{self.type} {self.pk}"

    def __repr__(self) -> str:
        of = [f"{name}={parent and parent.nickname}" for name, parent in self.parents().items()]
        said = [f"{name}={value}" for name, value in self.values().items()]
        times = {"created": self.created_at, "updated": self.updated_at, "deleted": self.deleted_at}
        when = [f"{name} {value:%d.%m. %H:%M}" for name, value in times.items() if value]
        return f"<{self.nickname}: {', '.join([*of, *said, *when])}>"


@dataclass_transform(kw_only_default=True, eq_default=False)
def rows_of[Kind: Row](
    type_: str, parents: Sequence[str] = (), values: Sequence[str] = ()
) -> Callable[[type[Kind]], type[Kind]]:
    """Declare rows of a type: the fields that are parents, and those that are other columns."""

    def declare(kind: type[Kind]) -> type[Kind]:
        kind.declared = type_, parents, values
        return dataclass(eq=False, repr=False, kw_only=True)(kind)

    return declare


@rows_of("workspace")
class Workspace(Row): ...


@dataclass(eq=False, repr=False, kw_only=True)
class Tenanted(Row):
    """What belongs to one workspace."""

    workspace: Workspace


@rows_of("people", ["workspace"], ["source"])
class People(Tenanted):
    """`source` says who has told of them; one of whom nobody did is a contact, and no token's."""

    source: str | None

    @property
    def is_identity(self) -> bool:
        return self.is_live and self.source is not None


@rows_of("company", ["workspace"])
class Company(Tenanted): ...


@rows_of("account", ["workspace"])
class Account(Tenanted): ...


type Record = People | Company | Account


@rows_of("connector")
class Connector(Row): ...


@rows_of("workspace_connector", ["workspace", "connector"])
class WorkspaceConnector(Tenanted):
    connector: Connector


@rows_of("provider")
class Provider(Row): ...


@rows_of("workspace_group", ["created_by"], ["name"])
class Group(Row):
    name: str = "Group"
    created_by: People | None


@rows_of("workspace_membership", ["people", "workspace"], ["role", "status"])
class Membership(Row):
    people: People
    workspace: Workspace
    role: Role
    status: Status


@rows_of("workspace_group_membership", ["people", "workspace_group"], ["role", "status"])
class GroupMembership(Row):
    people: People
    workspace_group: Group
    role: Role
    status: Status


@rows_of("", values=["direction"])
class Provenance(Row):
    """Which connector brought a record in, or carried it out."""

    record: Record
    workspace_connector: WorkspaceConnector
    direction: Direction

    @property
    def type(self) -> str:
        return f"{self.record.type}_workspace_connector"

    def parents(self) -> Mapping[str, Row | None]:
        return {self.record.type: self.record, "workspace_connector": self.workspace_connector}


@rows_of("workspace_group_workspace", ["workspace_group", "workspace", "created_by"])
class Enrolment(Row):
    workspace_group: Group
    workspace: Workspace
    created_by: People | None


@rows_of("workspace_provider", ["workspace", "provider"], ["is_selected", "is_matched"])
class Choice(Row):
    """A workspace's row of a provider."""

    workspace: Workspace
    provider: Provider
    is_selected: bool
    is_matched: bool


@dataclass(kw_only=True)
class World:
    """All rows there are, each list in the order in which its rows were made."""

    workspaces: list[Workspace] = field(default_factory=list)
    peoples: list[People] = field(default_factory=list)
    companies: list[Company] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    connectors: list[Connector] = field(default_factory=list)
    workspace_connectors: list[WorkspaceConnector] = field(default_factory=list)
    providers: list[Provider] = field(default_factory=list)
    workspace_groups: list[Group] = field(default_factory=list)
    workspace_memberships: list[Membership] = field(default_factory=list)
    workspace_group_memberships: list[GroupMembership] = field(default_factory=list)
    account_workspace_connectors: list[Provenance] = field(default_factory=list)
    company_workspace_connectors: list[Provenance] = field(default_factory=list)
    people_workspace_connectors: list[Provenance] = field(default_factory=list)
    workspace_group_workspaces: list[Enrolment] = field(default_factory=list)
    workspace_providers: list[Choice] = field(default_factory=list)

    def tables(self) -> dict[str, list[Row]]:
        """All rows, by table; no row comes before one that it points to."""
        return dict(vars(self))

    @property
    def memberships(self) -> "Sequence[Membership | GroupMembership]":
        """Of workspaces and of groups."""
        return [*self.workspace_memberships, *self.workspace_group_memberships]

    def of(self, type_: str) -> list[Any]:
        """The rows of a JSON:API type."""
        return self.tables()["companies" if type_ == "company" else f"{type_}s"]


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
class Answer:
    """What the API must say.

    `problems` are code and source of each error; `rows` are the primary data; `links` what each shows as its to-many
    relationships; `included` None is an answer without the member; `before` and `after` say whether there is a page.
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
        self.answer = Answer(status, tuple(sorted(problems)))


def _forbidden(where: str = "") -> Refused:
    return Refused(403, ("FORBIDDEN", where))


def _absent(type_: str) -> Refused:
    return Refused(404, (f"{type_.upper()}_NOT_FOUND", ""))


def answer(world: World, caller: Caller, request: Request) -> Answer:
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
def workspaces_of(world: World, caller: Caller) -> list[Workspace]:
    """The workspaces that a caller sees: a service all; a person those of active memberships and of their groups."""
    groups = groups_of(world, caller)
    enrolled = [
        row.workspace for row in world.workspace_group_workspaces if row.is_live and row.workspace_group in groups
    ]
    return [
        workspace
        for workspace in world.workspaces
        if workspace.is_live
        and (isinstance(caller, Service) or workspace in enrolled or roles_in(world, caller, workspace))
    ]


def groups_of(world: World, caller: Caller) -> list[Group]:
    """The groups that a caller sees: a service all; a person those of active memberships."""
    live = [group for group in world.workspace_groups if group.is_live]
    return [group for group in live if isinstance(caller, Service) or roles_in(world, caller, group)]


def roles_in(world: World, caller: Caller, place: Workspace | Group) -> set[Role]:
    """The roles that a person holds in a group, or in a workspace directly."""
    return {
        membership.role
        for membership in world.memberships
        if place in membership.parents().values() and _is_active(membership, caller)
    }


def _is_active(membership: Membership | GroupMembership, caller: Caller) -> bool:
    return (
        isinstance(caller, Person)
        and membership.people.id == caller.id
        and membership.people.is_identity
        and membership.is_live
        and membership.status == "active"
    )


@dataclass(frozen=True)
class Sight:
    """What one caller sees at one time."""

    world: World
    workspaces: list[Workspace]
    groups: list[Group]

    def sees(self, row: Row) -> bool:
        """Whether a ledger row, live or tombstoned itself, or a group, is there for the caller."""
        match row:
            case Provenance():
                record, connector = row.record, row.workspace_connector
                # What is dead outlives its parents, but not their workspaces.
                both_live = not row.is_live or (record.is_live and connector.is_live)
                return both_live and record.workspace in self.workspaces and connector.workspace in self.workspaces
            case Enrolment():
                both_live = row.workspace.is_live and (row.workspace_group.is_live or not row.is_live)
                return both_live and (row.workspace_group in self.groups or row.workspace in self.workspaces)
            case Choice():
                return (row.provider.is_live or not row.is_live) and row.workspace in self.workspaces
            case _:
                return row in self.groups

    def has(self, row: Row) -> bool:
        """Whether what leads to this parent may show it to the caller."""
        match row:
            case Workspace():
                return row in self.workspaces
            case Group():
                return row in self.groups
            case Tenanted():
                return row.is_live and row.workspace in self.workspaces
            case _:
                return row.is_live

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
        if isinstance(row, Group):
            # A withdrawn workspace's people are not told what the group is called by now.
            return row.is_live and (leading.is_live or row in self.groups)
        return self.has(row)


def sight_of(world: World, caller: Caller) -> Sight:
    return Sight(world, workspaces_of(world, caller), groups_of(world, caller))


def _of_group[Kind: Enrolment | GroupMembership](group: Group, rows: list[Kind]) -> list[Kind]:
    return sorted(
        (row for row in rows if row.workspace_group is group and row.is_live), key=lambda row: (row.created_at, row.pk)
    )


def linked(world: World, row: Row, name: str) -> Sequence[Row]:
    """Return the rows behind a relationship, live or not."""
    if isinstance(row, Group) and name == "workspaces":
        enrolments = _of_group(row, world.workspace_group_workspaces)
        return [enrolment.workspace for enrolment in enrolments if enrolment.workspace.is_live]
    if isinstance(row, Group) and name == "memberships":
        return _of_group(row, world.workspace_group_memberships)
    # A message is behind no row of these worlds.
    parent = row.parents().get(name)
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


def _list(world: World, caller: Caller, request: List) -> Answer:
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
    return Answer(200, (), tuple(page), sight.included(page, paths), total, *sides)


def _matches(row: Row, request: List) -> bool:
    if request.deleted == ("only" if row.is_live else "exclude"):
        return False
    ids = {name: parent and parent.id for name, parent in row.parents().items()}
    return (
        (request.within is None or ids["workspace"] == request.within)
        and (not request.workspaces or _is_in(row, request.workspaces))
        and all(ids[name] in wanted for name, wanted in request.related)
        and all(row.values()[name] == value for name, value in request.equal)
        and (request.since is None or row.created_at >= request.since)
    )


def _is_in(row: Row, workspaces: tuple[UUID, ...]) -> bool:
    """Whether a row is of these workspaces: provenance with both of its parents."""
    if isinstance(row, Provenance):
        return row.record.workspace.id in workspaces and row.workspace_connector.workspace.id in workspaces
    return cast(Tenanted, row).workspace.id in workspaces


def _retrieve(world: World, caller: Caller, request: Retrieve) -> Answer:
    _may_read(caller)
    sight = sight_of(world, caller)
    for row in world.of(request.type):
        if row.id == request.id and row.is_live and sight.sees(row):
            return Answer(200, rows=(row,), included=sight.included([row], request.include))
    raise _absent(request.type)
