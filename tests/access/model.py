"""The contract's section 3, said a second time in the plainest way: loops over a world that fits on a page.

Rows are objects that point to each other. `answer` says what the API must answer a caller, and does to the world what
the request does to the database. Nothing here is the product's, not even a constant, and there is no SQL: where the two
disagree, one of them is wrong. Where the contract leaves room, docs/adr/0008 decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

# ---- rows ----------------------------------------------------------------------------------------------

# What the server will number and name; the test says so when it has seen it.
UNNUMBERED, UNNAMED = 0, UUID(int=0)

type Role = Literal["owner", "admin", "member", "guest"]
type Status = Literal["active", "pending"]
type Direction = Literal["input", "output"]


@dataclass(eq=False, repr=False, kw_only=True)
class Row:
    """What every row has: `pk` says in what order rows were made."""

    type: str = field(default="", init=False)
    pk: int
    id: UUID
    created_at: datetime
    updated_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.deleted_at is None

    @property
    def last_updated_at(self) -> datetime:
        return self.updated_at or self.created_at

    def parents(self) -> Mapping[str, "Row | None"]:
        """The rows behind its to-one relationships, by name."""
        return {}

    def values(self) -> Mapping[str, object]:
        """Its columns beside times and parents."""
        return {}

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


@dataclass(eq=False, repr=False, kw_only=True)
class Workspace(Row):
    type: str = field(default="workspace", init=False)


@dataclass(eq=False, repr=False, kw_only=True)
class Tenanted(Row):
    """What belongs to one workspace."""

    workspace: Workspace

    def parents(self) -> Mapping[str, Row | None]:
        return {"workspace": self.workspace}


@dataclass(eq=False, repr=False, kw_only=True)
class People(Tenanted):
    """`source` says who has told of them; one of whom nobody did is a contact, and no token's."""

    type: str = field(default="people", init=False)
    source: str | None

    def values(self) -> Mapping[str, object]:
        return {"source": self.source}

    @property
    def is_identity(self) -> bool:
        return self.is_live and self.source is not None


@dataclass(eq=False, repr=False, kw_only=True)
class Company(Tenanted):
    type: str = field(default="company", init=False)


@dataclass(eq=False, repr=False, kw_only=True)
class Account(Tenanted):
    type: str = field(default="account", init=False)


type Record = People | Company | Account


@dataclass(eq=False, repr=False, kw_only=True)
class Connector(Row):
    type: str = field(default="connector", init=False)


@dataclass(eq=False, repr=False, kw_only=True)
class WorkspaceConnector(Tenanted):
    type: str = field(default="workspace_connector", init=False)
    connector: Connector

    def parents(self) -> Mapping[str, Row | None]:
        return {"workspace": self.workspace, "connector": self.connector}


@dataclass(eq=False, repr=False, kw_only=True)
class Provider(Row):
    type: str = field(default="provider", init=False)


@dataclass(eq=False, repr=False, kw_only=True)
class Group(Row):
    type: str = field(default="workspace_group", init=False)
    name: str = "Group"
    created_by: People | None

    def parents(self) -> Mapping[str, Row | None]:
        return {"created_by": self.created_by}

    def values(self) -> Mapping[str, object]:
        return {"name": self.name}


@dataclass(eq=False, repr=False, kw_only=True)
class Membership(Row):
    """Of a workspace."""

    type: str = field(default="workspace_membership", init=False)
    people: People
    workspace: Workspace
    role: Role
    status: Status

    def parents(self) -> Mapping[str, Row | None]:
        return {"people": self.people, "workspace": self.workspace}

    def values(self) -> Mapping[str, object]:
        return {"role": self.role, "status": self.status}


@dataclass(eq=False, repr=False, kw_only=True)
class GroupMembership(Row):
    type: str = field(default="workspace_group_membership", init=False)
    people: People
    workspace_group: Group
    role: Role
    status: Status

    def parents(self) -> Mapping[str, Row | None]:
        return {"people": self.people, "workspace_group": self.workspace_group}

    def values(self) -> Mapping[str, object]:
        return {"role": self.role, "status": self.status}


@dataclass(eq=False, repr=False, kw_only=True)
class Provenance(Row):
    """Which connector brought a record in, or carried it out."""

    record: Record
    workspace_connector: WorkspaceConnector
    direction: Direction

    def __post_init__(self) -> None:
        self.type = f"{self.record.type}_workspace_connector"

    def parents(self) -> Mapping[str, Row | None]:
        return {self.record.type: self.record, "workspace_connector": self.workspace_connector}

    def values(self) -> Mapping[str, object]:
        return {"direction": self.direction}


@dataclass(eq=False, repr=False, kw_only=True)
class Enrolment(Row):
    type: str = field(default="workspace_group_workspace", init=False)
    workspace_group: Group
    workspace: Workspace
    created_by: People | None

    def parents(self) -> Mapping[str, Row | None]:
        return {"workspace_group": self.workspace_group, "workspace": self.workspace, "created_by": self.created_by}


@dataclass(eq=False, repr=False, kw_only=True)
class Choice(Row):
    """A workspace's row of a provider."""

    type: str = field(default="workspace_provider", init=False)
    workspace: Workspace
    provider: Provider
    is_selected: bool
    is_matched: bool

    def parents(self) -> Mapping[str, Row | None]:
        return {"workspace": self.workspace, "provider": self.provider}

    def values(self) -> Mapping[str, object]:
        return {"is_selected": self.is_selected, "is_matched": self.is_matched}


@dataclass(kw_only=True)
class World:
    """All rows there are, each list in the order in which its rows were made."""

    now: datetime
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
        return {name: rows for name, rows in vars(self).items() if name != "now"}

    @property
    def memberships(self) -> "Sequence[Membership | GroupMembership]":
        """Of workspaces and of groups."""
        return [*self.workspace_memberships, *self.workspace_group_memberships]

    def of(self, type_: str) -> Sequence[Row]:
        """The rows of a JSON:API type."""
        lists: Mapping[str, Sequence[Row]] = {
            "workspace": self.workspaces,
            "people": self.peoples,
            "company": self.companies,
            "account": self.accounts,
            "workspace_connector": self.workspace_connectors,
            "provider": self.providers,
            "workspace_group": self.workspace_groups,
            "account_workspace_connector": self.account_workspace_connectors,
            "company_workspace_connector": self.company_workspace_connectors,
            "people_workspace_connector": self.people_workspace_connectors,
            "workspace_group_workspace": self.workspace_group_workspaces,
            "workspace_provider": self.workspace_providers,
        }
        return lists[type_]


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


@dataclass(frozen=True)
class Create:
    """`within` has the relationships that the path settles; `links` those that the document says."""

    type: str
    links: tuple[tuple[str, UUID], ...] = ()
    within: tuple[tuple[str, UUID], ...] = ()
    attributes: tuple[tuple[str, object], ...] = ()
    # Of a new group.
    workspaces: tuple[UUID, ...] = ()
    include: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Update:
    type: str
    id: UUID
    attributes: tuple[tuple[str, object], ...] = ()
    include: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Delete:
    """`id`, or `pair` where a path knows the row by its two parents."""

    type: str
    id: UUID | None = None
    pair: tuple[UUID, UUID] | None = None


type Request = List | Retrieve | Create | Update | Delete


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
    # Rows that this made, in the order of their making, the primary one first.
    made: tuple[Row, ...] = ()


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
    """Return what the API must answer, and change the world as the request does."""
    try:
        match request:
            case List():
                return _list(world, caller, request)
            case Retrieve():
                return _retrieve(world, caller, request)
            case Create():
                return _create(world, caller, request)
            case Update():
                return _update(world, caller, request)
            case Delete():
                return _delete(world, caller, request)
    except Refused as refused:
        return refused.answer


# ---- who sees what -------------------------------------------------------------------------------------


def workspaces_of(world: World, caller: Caller) -> list[Workspace]:
    """The workspaces that a caller sees: a service all; a person those of active memberships and of their groups."""
    live = [workspace for workspace in world.workspaces if workspace.is_live]
    if isinstance(caller, Service):
        return live
    groups = groups_of(world, caller)
    seen = []
    for workspace in live:
        enrolments = [row for row in world.workspace_group_workspaces if row.workspace is workspace and row.is_live]
        is_in_group = any(enrolment.workspace_group in groups for enrolment in enrolments)
        if is_in_group or roles_in_workspace(world, caller, workspace):
            seen.append(workspace)
    return seen


def groups_of(world: World, caller: Caller) -> list[Group]:
    """The groups that a caller sees: a service all; a person those of active memberships."""
    live = [group for group in world.workspace_groups if group.is_live]
    if isinstance(caller, Service):
        return live
    return [group for group in live if roles_in_group(world, caller, group)]


def roles_in_workspace(world: World, caller: Caller, workspace: Workspace) -> set[Role]:
    """The roles that a person holds in a workspace directly."""
    roles = set()
    for membership in world.workspace_memberships:
        if membership.workspace is workspace and _is_active(membership, caller):
            roles.add(membership.role)
    return roles


def roles_in_group(world: World, caller: Caller, group: Group) -> set[Role]:
    roles = set()
    for membership in world.workspace_group_memberships:
        if membership.workspace_group is group and _is_active(membership, caller):
            roles.add(membership.role)
    return roles


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
        """Whether a document or a path of the caller's may name this parent."""
        match row:
            case Workspace():
                return row in self.workspaces
            case Group():
                return row in self.groups
            case Tenanted():
                return row.is_live and row.workspace in self.workspaces
            case _:
                return row.is_live

    def shows(self, row: Row, leading: Row) -> bool:
        """Whether a row may be included beside one that the caller sees and that leads to it."""
        if isinstance(row, Group):
            # A withdrawn workspace's people are not told what the group is called by now.
            return row.is_live and (leading.is_live or row in self.groups)
        return self.has(row)

    def find(self, type_: str, id_: UUID) -> Row | None:
        """Return the parent of this type and id that a document or path of the caller's may name."""
        for row in self.world.of(type_):
            if row.id == id_ and self.has(row):
                return row
        return None


def sight_of(world: World, caller: Caller) -> Sight:
    return Sight(world, workspaces_of(world, caller), groups_of(world, caller))


def _age(row: Row) -> tuple[datetime, int]:
    return row.created_at, row.pk


def linked(world: World, row: Row, name: str) -> list[Row]:
    """Return the rows behind a relationship, live or not."""
    if isinstance(row, Group) and name == "workspaces":
        return [
            enrolment.workspace
            for enrolment in sorted(world.workspace_group_workspaces, key=_age)
            if enrolment.workspace_group is row and enrolment.is_live and enrolment.workspace.is_live
        ]
    if isinstance(row, Group) and name == "memberships":
        members = sorted(world.workspace_group_memberships, key=_age)
        return [membership for membership in members if membership.workspace_group is row and membership.is_live]
    # A message is behind no row of these worlds.
    parent = row.parents().get(name)
    return [] if parent is None else [parent]


def _included(sight: Sight, rows: Iterable[Row], paths: tuple[str, ...] | None) -> tuple[Row, ...] | None:
    if paths is None:
        return None
    found: list[Row] = []
    for path in paths:
        here = list(rows)
        for name in path.split("."):
            here = [other for row in here for other in linked(sight.world, row, name) if sight.shows(other, row)]
            found.extend(other for other in here if other not in found)
    # A row that two paths lead to is there once.
    return tuple(dict.fromkeys(found))


# ---- reading -------------------------------------------------------------------------------------------


def _may_read(caller: Caller, where: str = "") -> None:
    if isinstance(caller, Service) and "system:read" not in caller.scopes:
        raise _forbidden(where)


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
    if isinstance(caller, Service) and driving and not names_parents:
        wanted = dict(request.related).get(OF_ONE.get(request.type, ""), ())
        if len(set(wanted)) == 1 and not request.equal:
            refused = "sort" if request.sort != "created_at" else "filter[deleted]"
            if request.sort != "created_at" or request.deleted != "exclude":
                raise Refused(400, ("INVALID_QUERY_PARAMETER", f"parameter {refused}"))
            return
        asked = [f"filter[{name}]" for name, _ in (*request.related, *request.equal)]
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
    return Answer(
        200,
        rows=tuple(page),
        included=_included(sight, page, paths),
        total=total,
        # Where nothing is on the page, there is nothing that a link could stand beside.
        before=bool(before and page),
        after=bool(after and page),
    )


def _matches(row: Row, request: List) -> bool:
    if request.deleted == ("only" if row.is_live else "exclude"):
        return False
    parents = row.parents()
    if request.within is not None and _id(parents["workspace"]) != request.within:
        return False
    if request.workspaces and not _is_in(row, request.workspaces):
        return False
    for name, ids in request.related:
        if _id(parents[name]) not in ids:
            return False
    for name, value in request.equal:
        if row.values()[name] != value:
            return False
    return request.since is None or row.created_at >= request.since


def _id(row: Row | None) -> UUID | None:
    return None if row is None else row.id


def _is_in(row: Row, workspaces: tuple[UUID, ...]) -> bool:
    """Whether a row is of these workspaces: provenance with both of its parents."""
    if isinstance(row, Provenance):
        return row.record.workspace.id in workspaces and row.workspace_connector.workspace.id in workspaces
    return _id(row.parents()["workspace"]) in workspaces


def _retrieve(world: World, caller: Caller, request: Retrieve) -> Answer:
    _may_read(caller)
    sight = sight_of(world, caller)
    for row in world.of(request.type):
        if row.id == request.id and row.is_live and sight.sees(row):
            return Answer(200, rows=(row,), included=_included(sight, [row], request.include))
    raise _absent(request.type)


# ---- changing ------------------------------------------------------------------------------------------


def _new(world: World) -> dict[str, Any]:
    return {"pk": UNNUMBERED, "id": UNNAMED, "created_at": world.now, "updated_at": world.now}


def _is_provenance(type_: str) -> bool:
    return type_ in {"account_workspace_connector", "company_workspace_connector", "people_workspace_connector"}


def _may_write(caller: Caller, request: Create | Update | Delete) -> None:
    """Refuse who may never do this, whatever the rows are."""
    if _is_provenance(request.type):
        allowed = isinstance(caller, Service) and "sync:write" in caller.scopes
    elif request.type == "workspace_group_workspace" and isinstance(request, Update):
        allowed = False
    elif request.type == "workspace_provider" and not isinstance(request, Delete):
        allowed = isinstance(caller, Person) or "providers:match" in caller.scopes
    else:
        allowed = isinstance(caller, Person)
    if not allowed:
        raise _forbidden()
    # Its answer shows what the caller may read.
    if not isinstance(request, Delete) and request.include:
        _may_read(caller, "parameter include")


def _require_keeper(world: World, caller: Caller, group: Group) -> None:
    if not group.is_live or not roles_in_group(world, caller, group) & {"owner", "admin"}:
        raise _forbidden()


def _require_selector(world: World, caller: Caller, workspace: Workspace) -> None:
    if isinstance(caller, Person) and not roles_in_workspace(world, caller, workspace) & {"owner", "admin", "member"}:
        raise _forbidden()


def _caller_row(world: World, caller: Caller) -> People | None:
    for people in world.peoples:
        if isinstance(caller, Person) and people.id == caller.id and people.is_identity:
            return people
    return None


def _create(world: World, caller: Caller, request: Create) -> Answer:
    _may_write(caller, request)
    found = _named(sight_of(world, caller), request)
    if request.type == "workspace_group":
        made = _make_group(world, caller, request, found)
    elif request.type == "workspace_group_workspace":
        made = _enrol(world, caller, found)
    elif request.type == "workspace_provider":
        return _choose(world, caller, request, found)
    else:
        made = _write_provenance(world, request, found)
    included = _included(sight_of(world, caller), made[:1], request.include)
    return Answer(201, rows=tuple(made[:1]), included=included, made=tuple(made))


def _named(sight: Sight, request: Create) -> dict[str, Row]:
    """Return what the path and the document name; to-many ones as `name/number`."""
    found: dict[str, Row] = {}
    for name, id_ in request.within:
        parent = sight.find(name, id_)
        if parent is None:
            raise _absent(name)
        found[name] = parent
    problems = []
    said = [(name, name, id_, name) for name, id_ in request.links]
    said += [
        (f"workspaces/{number}", "workspace", id_, f"workspaces/data/{number}")
        for number, id_ in enumerate(request.workspaces)
    ]
    for name, type_, id_, place in said:
        parent = sight.find(type_, id_)
        if parent is None:
            step = place if "/" in place else f"{place}/data"
            problems.append((f"{type_.upper()}_NOT_FOUND", f"pointer /data/relationships/{step}/id"))
        else:
            found[name] = parent
    if problems:
        raise Refused(404, *problems)
    return found


def _write_provenance(world: World, request: Create, found: Mapping[str, Row]) -> list[Row]:
    connector = found["workspace_connector"]
    (record,) = (row for name, row in found.items() if name != "workspace_connector")
    if not isinstance(connector, WorkspaceConnector) or not isinstance(record, People | Company | Account):
        raise TypeError(found)
    if record.workspace is not connector.workspace:
        raise Refused(409, ("TENANT_MISMATCH", "pointer /data/relationships"))
    direction: Direction = "input" if dict(request.attributes)["direction"] == "input" else "output"
    row = Provenance(record=record, workspace_connector=connector, direction=direction, **_new(world))
    lists: Mapping[str, list[Provenance]] = {
        "account": world.account_workspace_connectors,
        "company": world.company_workspace_connectors,
        "people": world.people_workspace_connectors,
    }
    lists[record.type].append(row)
    return [row]


def _enrol(world: World, caller: Caller, found: Mapping[str, Row]) -> list[Row]:
    group, workspace = found["workspace_group"], found["workspace"]
    if not isinstance(group, Group) or not isinstance(workspace, Workspace):
        raise TypeError(found)
    _require_keeper(world, caller, group)
    if not roles_in_workspace(world, caller, workspace) & {"owner", "admin"}:
        raise _forbidden("pointer /data/relationships/workspace/data/id")
    for enrolment in world.workspace_group_workspaces:
        if enrolment.is_live and enrolment.workspace_group is group and enrolment.workspace is workspace:
            raise Refused(409, ("WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS", ""))
    row = Enrolment(workspace_group=group, workspace=workspace, created_by=_caller_row(world, caller), **_new(world))
    world.workspace_group_workspaces.append(row)
    return [row]


def _make_group(world: World, caller: Caller, request: Create, found: Mapping[str, Row]) -> list[Row]:
    workspaces: list[Workspace] = []
    problems = []
    for number in range(len(request.workspaces)):
        workspace = found[f"workspaces/{number}"]
        if not isinstance(workspace, Workspace):
            raise TypeError(found)
        if not roles_in_workspace(world, caller, workspace) & {"owner", "admin"}:
            problems.append(("FORBIDDEN", f"pointer /data/relationships/workspaces/data/{number}/id"))
        if workspace not in workspaces:
            workspaces.append(workspace)
    if problems:
        raise Refused(403, *problems)
    owner = _caller_row(world, caller)
    if owner is None:
        raise _forbidden()
    group = Group(created_by=owner, name=str(dict(request.attributes)["name"]), **_new(world))
    membership = GroupMembership(people=owner, workspace_group=group, role="owner", status="active", **_new(world))
    enrolments = [
        Enrolment(workspace_group=group, workspace=workspace, created_by=owner, **_new(world))
        for workspace in workspaces
    ]
    world.workspace_groups.append(group)
    world.workspace_group_memberships.append(membership)
    world.workspace_group_workspaces.extend(enrolments)
    return [group, membership, *enrolments]


def _choose(world: World, caller: Caller, request: Create, found: Mapping[str, Row]) -> Answer:
    workspace, provider = found["workspace"], found["provider"]
    if not isinstance(workspace, Workspace) or not isinstance(provider, Provider):
        raise TypeError(found)
    _require_selector(world, caller, workspace)
    said = dict(request.attributes)
    if isinstance(caller, Service):
        if "is_selected" in said:
            raise _forbidden("pointer /data/attributes/is_selected")
        said.setdefault("is_matched", True)
    else:
        said.setdefault("is_selected", True)
    for row in world.workspace_providers:
        if row.is_live and row.workspace is workspace and row.provider is provider:
            _set_choice(world, row, said)
            return Answer(200, rows=(row,), included=_included(sight_of(world, caller), [row], request.include))
    row = Choice(workspace=workspace, provider=provider, is_selected=False, is_matched=False, **_new(world))
    _set_choice(world, row, said)
    world.workspace_providers.append(row)
    included = _included(sight_of(world, caller), [row], request.include)
    return Answer(201, rows=(row,), included=included, made=(row,))


def _set_choice(world: World, row: Choice, said: Mapping[str, object]) -> None:
    selected = bool(said.get("is_selected", row.is_selected))
    if selected and said.get("is_matched") is False:
        raise Refused(409, ("CONFLICT", "pointer /data/attributes/is_matched"))
    matched = selected or bool(said.get("is_matched", row.is_matched))
    if (selected, matched) != (row.is_selected, row.is_matched):
        row.is_selected, row.is_matched, row.updated_at = selected, matched, world.now


def _state(row: Row) -> tuple[object, ...]:
    """Return what an update may change."""
    return (row.deleted_at, row.is_selected, row.is_matched) if isinstance(row, Choice) else (row.deleted_at,)


def _update(world: World, caller: Caller, request: Update) -> Answer:
    _may_write(caller, request)
    sight = sight_of(world, caller)
    said = dict(request.attributes)
    for row in world.of(request.type):
        # The pipeline restores what is tombstoned; nobody else's update finds it.
        if row.id == request.id and sight.sees(row) and (row.is_live or _is_provenance(request.type)):
            break
    else:
        raise _absent(request.type)
    before = _state(row)
    if isinstance(row, Choice):
        _require_selector(world, caller, row.workspace)
        if isinstance(caller, Service) and "is_selected" in said:
            raise _forbidden("pointer /data/attributes/is_selected")
        _set_choice(world, row, said)
    elif "deleted_at" in said and said["deleted_at"] != row.deleted_at:
        when = said["deleted_at"]
        if when is None and not all(parent is None or parent.is_live for parent in row.parents().values()):
            raise Refused(409, ("CONFLICT", "pointer /data/attributes/deleted_at"))
        if isinstance(when, datetime) and not row.created_at <= when <= world.now:
            raise Refused(422, ("SCHEMA_VALIDATION_ERROR", "pointer /data/attributes/deleted_at"))
        row.deleted_at = when if isinstance(when, datetime) else None
        row.updated_at = world.now
    if _state(row) == before:
        _may_read(caller)
    return Answer(200, rows=(row,), included=_included(sight_of(world, caller), [row], request.include))


def _delete(world: World, caller: Caller, request: Delete) -> Answer:
    _may_write(caller, request)
    sight = sight_of(world, caller)
    for row in world.of(request.type):
        if row.is_live and sight.sees(row) and _is_meant(row, request):
            break
    else:
        raise _absent(request.type)
    if isinstance(row, Enrolment) and not roles_in_workspace(world, caller, row.workspace) & {"owner", "admin"}:
        _require_keeper(world, caller, row.workspace_group)
    if isinstance(row, Choice):
        _require_selector(world, caller, row.workspace)
        row.is_selected = False
    row.deleted_at = row.updated_at = world.now
    return Answer(204)


def _is_meant(row: Row, request: Delete) -> bool:
    if request.pair is None:
        return row.id == request.id
    first, second = list(row.parents().values())[:2]
    return request.pair == (_id(first), _id(second))
