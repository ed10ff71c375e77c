"""Contract, section 3, cell by cell: who may write what, and what they are told who may not."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import ANONYMOUS, Caller, Reply, call, draft, get, person, service
from tests.support.databases import Database, Statements
from tests.support.feed import park
from tests.support.queue import synced
from tests.support.world import FEED, Row, World
from tests.writing.conftest import CHOICES, ENROLMENTS, GROUPS, MEMBERSHIPS, Tenant, count, tenant, told, without_id
from wellspring.resources import FEED_EVENT, SYNC_MESSAGE, ledgers
from wellspring.routes import MCP_PATH, routes

SCOPES = "system:read sync:write providers:match"


@dataclass(frozen=True)
class Scene:
    """A tenant whose workspace is in a group and has chosen a provider; `free` is one that it has not."""

    world: World
    tenant: Tenant
    group: Row
    membership: Row
    enrolment: Row
    choice: Row
    chosen: Row
    free: Row
    parked: object
    message: Row
    provenance: Mapping[str, Row]


@pytest.fixture
def scene(world: World) -> Scene:
    made = tenant(world)
    group, chosen, free = world.group(), world.provider("chosen"), world.provider("free")
    return Scene(
        world=world,
        tenant=made,
        group=group,
        membership=world.group_member(world.people(made.workspace), group, "guest"),
        enrolment=world.enrol(group, made.workspace),
        choice=world.choose(made.workspace, chosen, is_matched=True),
        chosen=chosen,
        free=free,
        parked=park(world.database).id,
        message=parked_message(world, made),
        provenance={
            type_: world.provenance(record, made.connector, created_at=datetime(2026, 1, 1, tzinfo=UTC))
            for type_, record in made.records.items()
        },
    )


def parked_message(world: World, ours: Tenant) -> Row:
    """Keep a message that fails no more."""
    body = synced(ours.connector, [ours.records["company"]])
    text = json.dumps(body)
    said = {"reason": "unexpected", "body": text, "digest": sha256(text.encode()).digest()}
    of = {"group_id": str(ours.connector.id), "subject_id": ours.connector.id, "message_id": body["id"]}
    return world.message(ours.connector, ours.workspace, "parked", mode="append", **of, **said)


# ---- what is asked ---------------------------------------------------------------------------------------

Body = Callable[[Scene], Any]


@dataclass(frozen=True)
class Operation:
    """One writing route: what its path's names stand for, what is sent, and whose row of the table it follows."""

    rule: str
    method: str
    path: str
    names: Callable[[Scene], dict[str, object]] = lambda _scene: {}
    body: Body | None = None
    absent: str = ""

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def success(self) -> int:
        if self.path.startswith((FEED_EVENT.route, SYNC_MESSAGE.route)):
            return 200
        return {"POST": 201, "PATCH": 200, "DELETE": 204}[self.method]

    def ask(self, scene: Scene, caller: Caller, *, body: str | None = None, id_: object = None) -> Reply:
        """Send the request, or one like it: with another body, or with one id for all names of the path."""
        names = self.names(scene)
        path = self.path.format(**(names if id_ is None else dict.fromkeys(names, id_)))
        document = self.body(scene) if self.body and body is None else None
        return call(self.method, path, caller, document, body=body)


def provenance(type_: str) -> tuple[Operation, ...]:
    collection = f"/v1/{type_}-workspace-connectors"
    name = f"{type_}_workspace_connector"

    def row(scene: Scene) -> dict[str, object]:
        return {"id": scene.provenance[type_].id}

    def change(scene: Scene) -> Any:
        return draft(name, {"deleted_at": "2026-05-10T08:14:22.000Z"}, scene.provenance[type_].id)

    return (
        Operation("provenance", "POST", collection, body=lambda scene: scene.tenant.draft(type_)),
        Operation("provenance", "PATCH", f"{collection}/{{id}}", row, change),
        Operation("provenance", "DELETE", f"{collection}/{{id}}", row),
    )


def enrolment_id(scene: Scene) -> dict[str, object]:
    return {"id": scene.enrolment.id}


def choice_id(scene: Scene) -> dict[str, object]:
    return {"id": scene.choice.id}


OPERATIONS = (
    *(operation for type_ in ledgers() for operation in provenance(type_)),
    Operation("make a group", "POST", GROUPS, body=lambda _: draft("workspace_group", {"name": "Made"})),
    Operation(
        "change an enrolment",
        "PATCH",
        f"{ENROLMENTS}/{{id}}",
        enrolment_id,
        lambda scene: draft("workspace_group_workspace", None, scene.enrolment.id),
    ),
    Operation("withdraw", "DELETE", f"{ENROLMENTS}/{{id}}", enrolment_id, absent="WORKSPACE_GROUP_WORKSPACE_NOT_FOUND"),
    Operation(
        "withdraw",
        "DELETE",
        f"{GROUPS}/{{id}}/workspaces/{{workspace_id}}",
        lambda scene: {"id": scene.group.id, "workspace_id": scene.tenant.workspace.id},
        absent="WORKSPACE_GROUP_WORKSPACE_NOT_FOUND",
    ),
    Operation(
        "rename a group",
        "PATCH",
        f"{GROUPS}/{{id}}",
        lambda scene: {"id": scene.group.id},
        lambda scene: draft("workspace_group", {"name": "Renamed"}, scene.group.id),
        absent="WORKSPACE_GROUP_NOT_FOUND",
    ),
    Operation(
        "delete a group",
        "DELETE",
        f"{GROUPS}/{{id}}",
        lambda scene: {"id": scene.group.id},
        absent="WORKSPACE_GROUP_NOT_FOUND",
    ),
    Operation(
        "keep a member",
        "PATCH",
        f"{MEMBERSHIPS}/{{id}}",
        lambda scene: {"id": scene.membership.id},
        lambda scene: draft("workspace_group_membership", {"role": "member"}, scene.membership.id),
        absent="WORKSPACE_GROUP_MEMBERSHIP_NOT_FOUND",
    ),
    Operation(
        "keep a member",
        "DELETE",
        f"{MEMBERSHIPS}/{{id}}",
        lambda scene: {"id": scene.membership.id},
        absent="WORKSPACE_GROUP_MEMBERSHIP_NOT_FOUND",
    ),
    Operation(
        "choose",
        "POST",
        CHOICES,
        body=lambda scene: draft("workspace_provider", workspace=scene.tenant.workspace, provider=scene.free),
        absent="WORKSPACE_NOT_FOUND",
    ),
    Operation(
        "choose",
        "POST",
        "/v1/workspaces/{workspace_id}/providers",
        lambda scene: {"workspace_id": scene.tenant.workspace.id},
        lambda scene: draft("workspace_provider", provider=scene.free),
        absent="WORKSPACE_NOT_FOUND",
    ),
    Operation(
        "change a choice",
        "PATCH",
        f"{CHOICES}/{{id}}",
        choice_id,
        lambda scene: draft("workspace_provider", {"is_matched": False}, scene.choice.id),
        absent="WORKSPACE_PROVIDER_NOT_FOUND",
    ),
    Operation("remove a choice", "DELETE", f"{CHOICES}/{{id}}", choice_id, absent="WORKSPACE_PROVIDER_NOT_FOUND"),
    Operation("release", "POST", f"{SYNC_MESSAGE.route}/{{id}}/release", lambda scene: {"id": scene.message.id}),
    Operation(
        "release",
        "POST",
        f"{SYNC_MESSAGE.route}/{{id}}/dismiss",
        lambda scene: {"id": scene.message.id},
        lambda _: {"meta": {"note": "Agreed."}},
    ),
    Operation(
        "release",
        "POST",
        f"{SYNC_MESSAGE.route}/release",
        body=lambda scene: {"meta": {"workspace_connector": str(scene.tenant.connector.id), "reason": "unexpected"}},
    ),
    Operation("release", "POST", f"{FEED_EVENT.route}/{{id}}/release", lambda scene: {"id": scene.parked}),
    Operation(
        "release",
        "POST",
        f"{FEED_EVENT.route}/{{id}}/dismiss",
        lambda scene: {"id": scene.parked},
        lambda _: {"meta": {"note": "Agreed."}},
    ),
    Operation(
        "release",
        "POST",
        f"{FEED_EVENT.route}/release",
        body=lambda _: {"meta": {"source": "/well/test", "reason": "other_source"}},
    ),
    Operation(
        "remove a choice",
        "DELETE",
        "/v1/workspaces/{workspace_id}/providers/{provider_id}",
        lambda scene: {"workspace_id": scene.tenant.workspace.id, "provider_id": scene.chosen.id},
        absent="WORKSPACE_PROVIDER_NOT_FOUND",
    ),
)
# Two gates and two ways to each: a table of their own, below.
ENROLLING = {
    f"POST {ENROLMENTS}": lambda group, workspace, caller: call(
        "POST", ENROLMENTS, caller, draft("workspace_group_workspace", workspace_group=group, workspace=workspace)
    ),
    f"POST {GROUPS}/{{id}}/workspaces": lambda group, workspace, caller: call(
        "POST", f"{GROUPS}/{group.id}/workspaces", caller, draft("workspace_group_workspace", workspace=workspace)
    ),
}
# What has a table of its own: these, the adding of members (tests/writing/test_group_members.py), and what agents ask,
# which only reads (tests/agents).
OF_THEIR_OWN = {*ENROLLING, f"POST {MEMBERSHIPS}", f"POST {MCP_PATH}"}
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.key)

# ---- who asks --------------------------------------------------------------------------------------------

CALLERS = (
    "owner",
    "admin",
    "member",
    "guest",
    "group owner",
    "group admin",
    "group member",
    "group guest",
    "pending",
    "foreign",
    "contact",
    "unknown",
    "made by a sync",
    "owner with every scope",
    "foreign with every scope",
    "service",
    "service system:read",
    "service sync:write",
    "service providers:match",
    f"service {SCOPES}",
)


def caller_of(scene: Scene, name: str) -> Caller:
    """Return who is called so; people have a workspace of their own, in which they are owners."""
    kind, _, rest = name.partition(" ")
    if kind == "service":
        return service(*rest.split())
    if kind == "unknown":
        return Caller({"sub": str(uuid4())})
    world, workspace, group = scene.world, scene.tenant.workspace, scene.group
    home = world.workspace()
    # One that only a sync made is a member of both, and nobody's identity.
    source = None if kind == "made" else FEED
    somebody = world.people(workspace if kind == "contact" else home, source=source)
    world.member(somebody, home, "owner")
    if kind == "group":
        world.group_member(somebody, group, rest)
    elif kind == "made":
        world.member(somebody, workspace, "owner")
        world.group_member(somebody, group, "owner")
    elif kind == "pending":
        world.member(somebody, workspace, "owner", status="pending")
        world.group_member(somebody, group, "owner", status="pending")
    elif kind not in {"foreign", "contact"}:
        world.member(somebody, workspace, kind)
    return person(somebody, scope=SCOPES) if rest == "with every scope" else person(somebody)


# What each of CALLERS is told, in their order: ok is the operation's own success.
TABLE = {
    #                     direct            | in the group      | nobody here           | scoped | services
    "provenance": """       403 403 403 403   403 403 403 403   403 403 403 403 403   403 403  403 403  ok 403 ok""",
    "make a group": """      ok  ok  ok  ok    ok  ok  ok  ok    ok  ok  ok 403 403    ok  ok  403 403 403 403 403""",
    "change an enrolment": """403 403 403 403   403 403 403 403   403 403 403 403 403   403 403  403 403 403 403 403""",
    "withdraw": """          ok  ok 403 403    ok  ok 403 403   404 404 404 404 404    ok 404  403 403 403 403 403""",
    "rename a group": """   404 404 404 404    ok  ok 403 403   404 404 404 404 404   404 404  403 403 403 403 403""",
    "delete a group": """   404 404 404 404    ok 403 403 403   404 404 404 404 404   404 404  403 403 403 403 403""",
    "keep a member": """    404 404 404 404    ok  ok 403 403   404 404 404 404 404   404 404  403 403 403 403 403""",
    "choose": """            ok  ok  ok 403   403 403 403 403   404 404 404 404 404    ok 404  403 403 403  ok  ok""",
    "change a choice": """   ok  ok  ok 403   403 403 403 403   404 404 404 404 404    ok 404  403 403 403  ok  ok""",
    "remove a choice": """   ok  ok  ok 403   403 403 403 403   404 404 404 404 404    ok 404  403 403 403 403 403""",
    "release": """          403 403 403 403   403 403 403 403   403 403 403 403 403   403 403   403 403  ok 403  ok""",
}
VERDICTS = {rule: dict(zip(CALLERS, row.split(), strict=True)) for rule, row in TABLE.items()}

# Who is refused for what their claims say, whatever there is.
NEVER = {
    "provenance": ["owner", "owner with every scope", "service", "service system:read", "service providers:match"],
    "make a group": ["service", f"service {SCOPES}"],
    "change an enrolment": ["group owner", "unknown", f"service {SCOPES}"],
    "withdraw": ["service", f"service {SCOPES}"],
    "rename a group": ["service", f"service {SCOPES}"],
    "delete a group": ["service", f"service {SCOPES}"],
    "keep a member": ["service", f"service {SCOPES}"],
    "choose": ["service", "service system:read", "service sync:write"],
    "change a choice": ["service", "service system:read", "service sync:write"],
    "remove a choice": ["service", "service providers:match", f"service {SCOPES}"],
    "release": ["owner", "owner with every scope", "service", "service system:read", "service providers:match"],
}


@each_operation
def test_without_claims_it_is_401_and_nothing_is_asked(
    scene: Scene, operation: Operation, statements: Statements
) -> None:
    reply = operation.ask(scene, ANONYMOUS)
    assert (reply.status, reply.error["code"]) == (401, "UNAUTHORIZED")
    assert len(statements) == 0


@pytest.mark.parametrize("operation", [found for found in OPERATIONS if found.absent], ids=lambda found: found.key)
def test_a_foreign_tenant_looks_like_one_that_is_not_there(scene: Scene, operation: Operation) -> None:
    foreign = operation.ask(scene, caller_of(scene, "foreign"))
    scene.world.tombstone(scene.tenant.workspace)
    scene.world.tombstone(scene.group)
    absent = operation.ask(scene, caller_of(scene, "foreign"))
    assert foreign.status == 404
    assert without_id(foreign) == without_id(absent)


def test_the_table_has_every_writing_route() -> None:
    writing = {f"{route.method} {route.path}" for route in routes() if not route.open_to_all and route.method != "GET"}
    assert {operation.key for operation in OPERATIONS} | OF_THEIR_OWN == writing


@each_operation
def test_each_cell_that_refuses(scene: Scene, operation: Operation, database: Database) -> None:
    """All of them on one scene, which stays as it is."""
    verdicts = {name: verdict for name, verdict in VERDICTS[operation.rule].items() if verdict != "ok"}
    callers = {name: caller_of(scene, name) for name in verdicts}
    before = state(database)
    replies = {name: operation.ask(scene, caller) for name, caller in callers.items()}
    codes = {"403": "FORBIDDEN", "404": operation.absent}
    assert {name: (reply.status, reply.error["code"]) for name, reply in replies.items()} == {
        name: (int(verdict), codes[verdict]) for name, verdict in verdicts.items()
    }
    assert state(database) == before


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        pytest.param(operation, name, id=f"{operation.key}-{name}")
        for operation in OPERATIONS
        for name, verdict in VERDICTS[operation.rule].items()
        if verdict == "ok"
    ],
)
def test_each_cell_that_lets_through(scene: Scene, operation: Operation, name: str, database: Database) -> None:
    caller = caller_of(scene, name)
    before = state(database)
    assert operation.ask(scene, caller).status == operation.success
    assert state(database) != before


def state(database: Database) -> list[Any]:
    """Return all that these operations could change."""
    return [
        database.owner.exec_driver_sql(f"SELECT * FROM {table} ORDER BY pk").all()
        for table in (
            "wellspring.pending_events",
            "wellspring.sync_messages",
            "core_api.account_workspace_connectors",
            "core_api.company_workspace_connectors",
            "core_api.people_workspace_connectors",
            "core_api.workspace_groups",
            "core_api.workspace_group_memberships",
            "core_api.workspace_group_workspaces",
            "core_api.workspace_providers",
        )
    ]


@each_operation
def test_who_may_never_do_it_is_403_before_anything_is_looked_at(
    scene: Scene, operation: Operation, statements: Statements
) -> None:
    for name in NEVER[operation.rule]:
        caller = caller_of(scene, name)
        replies = [
            operation.ask(scene, caller),
            operation.ask(scene, caller, id_=uuid4()),
            operation.ask(scene, caller, id_="nonsense"),
            operation.ask(scene, caller, body="{"),
            operation.ask(scene, caller, body='{"data": {"type": "nonsense", "attributes": {"nonsense": 1}}}'),
        ]
        assert {(reply.status, reply.error["code"]) for reply in replies} == {(403, "FORBIDDEN")}, name
        assert len({without_id(reply) for reply in replies}) == 1
    assert len(statements) == 0


class TestEnrolling:
    """Two gates: a keeper of the group, and a direct keeper of the workspace."""

    # What somebody is told, by what they are in the group and how they know the workspace. A group that is not seen
    # is 404, a workspace that is not seen is 404, and only who sees both is told which right is missing.
    IN_GROUP = ("owner", "admin", "member", "guest", "pending", "nobody")
    GATES: Mapping[str, str] = {
        #                    owner admin member guest pending nobody
        "owner": """          201   201   403    403   404     404""",
        "admin": """          201   201   403    403   404     404""",
        "member": """         403   403   403    403   404     404""",
        "guest": """          403   403   403    403   404     404""",
        "other group": """    403   403   403    403   404     404""",
        "pending": """        404   404   404    404   404     404""",
        "nobody": """         404   404   404    404   404     404""",
    }

    def stand(self, world: World, somebody: Row, group: Row, workspace: Row, in_group: str, known: str) -> None:
        if in_group != "nobody":
            pending = in_group == "pending"
            status = "pending" if pending else "active"
            world.group_member(somebody, group, "owner" if pending else in_group, status=status)
        if known == "other group":
            other = world.group()
            world.group_member(somebody, other, "owner")
            world.enrol(other, workspace)
        elif known != "nobody":
            pending = known == "pending"
            status = "pending" if pending else "active"
            world.member(somebody, workspace, "owner" if pending else known, status=status)

    @pytest.mark.parametrize("way", ENROLLING)
    def test_without_claims_is_401(self, scene: Scene, way: str) -> None:
        assert ENROLLING[way](scene.group, scene.tenant.workspace, ANONYMOUS).error["code"] == "UNAUTHORIZED"

    @pytest.mark.parametrize("way", ENROLLING)
    def test_is_refused_with_the_reason_where_a_gate_is_shut(self, world: World, database: Database, way: str) -> None:
        group, workspace = world.group(), world.workspace()
        wanted, replies = {}, {}
        for known, row in self.GATES.items():
            for in_group, verdict in zip(self.IN_GROUP, row.split(), strict=True):
                if verdict == "201":
                    continue
                somebody = world.people(world.workspace())
                self.stand(world, somebody, group, workspace, in_group, known)
                before = count(database, "workspace_group_workspaces")
                replies[in_group, known] = told(ENROLLING[way](group, workspace, person(somebody)))
                wanted[in_group, known] = self.reasons(way, in_group, known, verdict)
                assert count(database, "workspace_group_workspaces") == before
        assert replies == wanted

    def reasons(self, way: str, in_group: str, known: str, verdict: str) -> list[tuple[str, str, object]]:
        """Return the errors of a refusal."""
        pointer = "/data/relationships/{}/data/id".format
        if verdict == "403":
            # The group's right is asked for first; the workspace's has a place in the document.
            return [("403", "FORBIDDEN", pointer("workspace") if in_group in {"owner", "admin"} else None)]
        group_is_seen, by_path = in_group not in {"pending", "nobody"}, "{id}" in way
        # A path that leads nowhere is all that is said; else each absent parent has its error.
        errors: list[tuple[str, str, object]] = []
        if not group_is_seen:
            errors.append(("404", "WORKSPACE_GROUP_NOT_FOUND", None if by_path else pointer("workspace_group")))
        if known in {"pending", "nobody"} and (group_is_seen or not by_path):
            errors.append(("404", "WORKSPACE_NOT_FOUND", pointer("workspace")))
        return errors

    @pytest.mark.parametrize("way", ENROLLING)
    @pytest.mark.parametrize("in_group", ["owner", "admin"])
    @pytest.mark.parametrize("known", ["owner", "admin"])
    def test_is_done_where_both_are_open(
        self, world: World, database: Database, way: str, in_group: str, known: str
    ) -> None:
        assert self.GATES[known].split()[self.IN_GROUP.index(in_group)] == "201"
        group, workspace = world.group(), world.workspace()
        somebody = world.people(world.workspace())
        self.stand(world, somebody, group, workspace, in_group, known)
        assert ENROLLING[way](group, workspace, person(somebody)).status == 201
        assert count(database, "workspace_group_workspaces") == 1

    @pytest.mark.parametrize("way", ENROLLING)
    @pytest.mark.parametrize("scopes", ["", "system:read", "sync:write", "providers:match", SCOPES])
    def test_is_nothing_for_a_service(self, scene: Scene, way: str, scopes: str, statements: Statements) -> None:
        for group, workspace in ((scene.group, scene.tenant.workspace), (Row("", 0, uuid4()), Row("", 0, uuid4()))):
            reply = ENROLLING[way](group, workspace, service(*scopes.split()))
            assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")
        assert len(statements) == 0

    @pytest.mark.parametrize("way", ENROLLING)
    def test_belonging_to_a_workspace_is_no_membership_of_it(self, scene: Scene, way: str) -> None:
        contact = scene.world.people(scene.tenant.workspace)
        newcomer = scene.world.workspace()
        scene.world.group_member(contact, scene.group, "owner")
        assert ENROLLING[way](scene.group, newcomer, person(contact)).error["code"] == "WORKSPACE_NOT_FOUND"
        # Seen through the group that it is in already, and still not theirs to enrol.
        assert ENROLLING[way](scene.group, scene.tenant.workspace, person(contact)).error["code"] == "FORBIDDEN"

    @pytest.mark.parametrize("way", ENROLLING)
    @pytest.mark.parametrize("what", ["group membership", "membership", "group", "workspace"])
    def test_what_is_tombstoned_opens_no_gate(self, world: World, way: str, what: str) -> None:
        group, workspace = world.group(), world.workspace()
        somebody = world.people(world.workspace())
        rows = {
            "group": group,
            "workspace": workspace,
            "group membership": world.group_member(somebody, group, "owner"),
            "membership": world.member(somebody, workspace, "owner"),
        }
        world.tombstone(rows[what])
        assert ENROLLING[way](group, workspace, person(somebody)).status == 404


class TestAPersonIsNeverAService:
    def test_though_the_uuid_is_in_capitals(self, scene: Scene) -> None:
        caller = Caller({"sub": str(scene.tenant.owner.id).upper(), "scope": SCOPES})
        reply = call("POST", "/v1/company-workspace-connectors", caller, scene.tenant.draft())
        assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")

    @pytest.mark.parametrize("spelling", [lambda text: text.replace("-", ""), "urn:uuid:{}".format])
    def test_and_a_uuid_in_another_spelling_is_nobody(self, scene: Scene, spelling: Callable[[str], str]) -> None:
        caller = Caller({"sub": spelling(str(scene.tenant.owner.id)), "scope": SCOPES})
        reply = call("POST", "/v1/company-workspace-connectors", caller, scene.tenant.draft())
        assert (reply.status, reply.error["code"]) == (401, "UNAUTHORIZED")

    @pytest.mark.parametrize("scope", ["SYNC:WRITE", "sync:writer", "sync", "write", "sync:write,system:read"])
    def test_and_a_scope_is_a_whole_word(self, scene: Scene, scope: str) -> None:
        reply = call("POST", "/v1/company-workspace-connectors", service(scope), scene.tenant.draft())
        assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")


class TestRolesAreHeldInTheWorkspaceItself:
    """A role in one workspace says nothing of another; several memberships add up."""

    def test_an_owner_elsewhere_is_a_guest_here(self, scene: Scene) -> None:
        guest = scene.world.people(scene.world.workspace())
        scene.world.member(guest, scene.tenant.workspace, "guest")
        elsewhere = scene.world.workspace()
        scene.world.member(guest, elsewhere, "owner")
        document = draft("workspace_provider", provider=scene.free)
        here = call("POST", scene.tenant.providers, person(guest), document)
        assert (here.status, here.error["code"]) == (403, "FORBIDDEN")
        assert call("POST", f"/v1/workspaces/{elsewhere.id}/providers", person(guest), document).status == 201

    def test_a_guest_who_is_also_a_member_may(self, scene: Scene) -> None:
        both = scene.world.people(scene.world.workspace())
        scene.world.member(both, scene.tenant.workspace, "guest")
        scene.world.member(both, scene.tenant.workspace, "member")
        document = draft("workspace_provider", provider=scene.free)
        assert call("POST", scene.tenant.providers, person(both), document).status == 201

    def test_a_role_that_was_taken_away_is_none(self, scene: Scene) -> None:
        former = scene.world.people(scene.world.workspace())
        scene.world.tombstone(scene.world.member(former, scene.tenant.workspace, "owner"))
        scene.world.member(former, scene.tenant.workspace, "guest")
        document = draft("workspace_provider", provider=scene.free)
        assert call("POST", scene.tenant.providers, person(former), document).error["code"] == "FORBIDDEN"


def test_who_may_not_write_may_still_read(scene: Scene) -> None:
    guest = caller_of(scene, "guest")
    urls = [f"/v1/{type_}-workspace-connectors/{row.id}" for type_, row in scene.provenance.items()]
    urls += [f"{ENROLMENTS}/{scene.enrolment.id}", f"{CHOICES}/{scene.choice.id}", scene.tenant.providers]
    assert {get(url, guest).status for url in urls} == {200}
