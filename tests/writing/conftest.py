"""Two tenants with everything that is written to, and races that are no matter of luck."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Executable, func, select

from tests.support.api import NOWHERE, PIPELINE, READER, TYPES, Caller, Reply, call, draft, get, post
from tests.support.databases import WRITER, AnyDatabase, FreshDatabase
from tests.support.sums import sums_are_right
from tests.support.tenants import Tenant, tenant
from tests.support.world import Row, World
from wellspring.models import table_of
from wellspring.resources import resource_of

GROUPS = "/v1/workspace-groups"
MEMBERSHIPS = "/v1/workspace-group-memberships"
ENROLMENTS = "/v1/workspace-group-workspaces"
CHOICES = "/v1/workspace-providers"
COMPANIES = "/v1/company-workspace-connectors"
# Enrolments are made by either of two routes.
BY_ROW, BY_GROUP = "by the row", "by the group"

PATIENCE_SECONDS = 20
PAUSE_SECONDS = 0.005


@pytest.fixture
def ours(world: World) -> Tenant:
    """The caller's tenant."""
    return tenant(world)


@pytest.fixture
def theirs(world: World) -> Tenant:
    """A foreign tenant."""
    return tenant(world)


@pytest.fixture
def group(world: World, ours: Tenant) -> Row:
    """A group whose owner is ours."""
    made = world.group(ours.owner)
    world.group_member(ours.owner, made, "owner")
    return made


# The ways to a row of the ledger, each type's of provenance apart: two routes make enrolments, and two make choices.
WAYS = ("enrolment", "enrolment by the group", "choice", "choice by the workspace")
KEY = "5f3a1e0c-retry"


@dataclass(frozen=True)
class Subject:
    """A request that makes a row: where it goes, from whom, with which document, and what it makes."""

    ours: Tenant
    type: str
    caller: Caller
    document: Any
    url: str
    # Where what it made is removed; empty where that is by its id.
    path: str = ""

    @property
    def table(self) -> str:
        return resource_of(self.type).table

    def send(self, key: str | None = KEY, caller: Caller | None = None, query: str = "", url: str = "") -> Reply:
        headers = {"idempotency-key": key} if key is not None else {}
        return call("POST", (url or self.url) + query, caller or self.caller, self.document, headers=headers)

    def listed(self, deleted: str) -> list[UUID]:
        return get(f"{resource_of(self.type).route}?filter[deleted]={deleted}", READER).ids


def subject_of(world: World, way: str) -> Subject:
    """Return what makes a row of provenance of a record type, a group, or what is one of the `WAYS`."""
    ours = tenant(world)
    if way in TYPES:
        return Subject(ours, f"{way}_workspace_connector", PIPELINE, ours.draft(way), route_of(way))
    if way == "group":
        return Subject(ours, "workspace_group", ours.caller, group_of(ours.workspace), GROUPS)
    kind, _, by_parent = way.partition(" by the ")
    if kind == "enrolment":
        group = world.group()
        world.group_member(ours.owner, group, "owner")
        document = draft("workspace_group_workspace", workspace_group=group, workspace=ours.workspace)
        route, url, last = ENROLMENTS, f"{GROUPS}/{group.id}/workspaces", ours.workspace
    else:
        provider = world.provider("stripe")
        document = draft("workspace_provider", workspace=ours.workspace, provider=provider)
        route, url, last = CHOICES, ours.providers, provider
    path = f"{url}/{last.id}" if by_parent else ""
    return Subject(ours, document["data"]["type"], ours.caller, document, url if by_parent else route, path)


@pytest.fixture
def subject(world: World, way: str) -> Subject:
    return subject_of(world, way)


def route_of(type_: str) -> str:
    """Return the collection of the provenance rows of a record type."""
    return f"/v1/{type_}-workspace-connectors"


def identifier(row: Row) -> dict[str, str]:
    """Return the resource identifier object of a row."""
    return {"type": row.type, "id": str(row.id)}


def linked(row: Row) -> dict[str, object]:
    """Return a to-one relationship whose row can be read by who sees the relationship (contract, section 4)."""
    route = resource_of(row.type).route
    return {"data": identifier(row), **({"links": {"related": f"{route}/{row.id}"}} if route else {})}


def group_of(*workspaces: Row, name: str = "Holding") -> Any:
    """Return the document that asks for a group of these workspaces."""
    document = draft("workspace_group", {"name": name})
    if workspaces:
        document["data"]["relationships"] = {"workspaces": {"data": [*map(identifier, workspaces)]}}
    return document


def enrol(group: Row, workspace: Row, caller: Caller, way: str = BY_ROW) -> Reply:
    """Enrol a workspace through one of the two routes."""
    if way == BY_GROUP:
        document = draft("workspace_group_workspace", workspace=workspace)
        return post(f"{GROUPS}/{group.id}/workspaces", caller, document)
    return post(ENROLMENTS, caller, draft("workspace_group_workspace", workspace_group=group, workspace=workspace))


def add(people: Row, group: Row, caller: Caller, role: str = "member") -> Reply:
    """Add a person to a group."""
    document = draft("workspace_group_membership", {"role": role}, people=people, workspace_group=group)
    return post(MEMBERSHIPS, caller, document)


def is_shown_whole(reply: Reply, reader: Caller, relationships: Mapping[str, Any], **attributes: object) -> None:
    """Assert that what was made is answered whole, and is read alike where the answer says."""
    id_, type_, at = reply.data["id"], reply.data["type"], reply.data["attributes"]["created_at"]
    path, times = f"{resource_of(type_).route}/{id_}", {"created_at": at, "updated_at": at, "deleted_at": None}
    data = {"type": type_, "id": id_, "attributes": attributes | times, "relationships": relationships}
    assert reply.document == {
        "jsonapi": {"version": "1.1"},
        "links": {"self": path},
        "data": data | {"links": {"self": path}},
    }
    assert (reply.status, reply.headers["location"]) == (201, path)
    read = get(path, reader)
    assert (read.document, read.headers["etag"]) == (reply.document, reply.headers["etag"])


SOMEBODY = {"data": {"type": "workspace", "id": NOWHERE}}
# What is taken out of a document.
GONE: Any = object()
# Where in the resource object, what is said there, the status and code, and the pointer.
type Wrong = tuple[str, Any, str, str]


def wrong(code: str, paths: str, *values: Any, at: str = "") -> list[Wrong]:
    """Return a line for each value that is wrong in a place, or in several; the pointer is that place, unless `at`."""
    way, slash, names = paths.rpartition("/")
    places = [f"{way}{slash}{name}" for name in names.split(" ")]
    return [(place, value, code, at or f"/data/{place}") for place in places for value in values]


def put(document: Any, path: str, value: Any) -> Any:
    """Put something into one place of a document's resource object, or take away what is there."""
    *way, name = path.split("/")
    place = document["data"]
    for step in way:
        place = place[step]
    if value is GONE:
        del place[name]
    else:
        place[name] = value
    return document


def told(reply: Reply) -> list[tuple[str, str, object]]:
    """Return what each error says: its status, its code, and its place."""
    return [(error["status"], error["code"], error.get("source", {}).get("pointer")) for error in reply.errors]


def count(database: AnyDatabase, table: str) -> int:
    """Return how many rows a table of the ledger has, the tombstoned ones too."""
    number = database.owner.execute(select(func.count()).select_from(table_of(table))).scalar_one()
    database.commit()
    return number


def held(row: Row) -> Executable:
    """Return the statement that holds a row."""
    table = table_of(resource_of(row.type).table)
    return select(table.c.pk).where(table.c.pk == row.pk).with_for_update()


def race[Result](
    database: FreshDatabase, hold: Executable, *calls: Callable[[], Result], meanwhile: Sequence[Executable] = ()
) -> list[Result]:
    """Let requests meet: each waits for what `hold` holds in a transaction of the owner's, one behind the other."""
    database.engine(WRITER)  # made before several threads ask for it
    database.owner.execute(hold)
    with ThreadPoolExecutor(len(calls)) as pool:
        replies = []
        try:
            for number, request in enumerate(calls, 1):
                replies.append(pool.submit(request))
                assert wait_until_all_wait(database, number), "they never met"
            for statement in meanwhile:
                database.owner.execute(statement)
            if meanwhile:
                database.owner.commit()
        finally:
            database.owner.rollback()
        answers = [reply.result(PATIENCE_SECONDS) for reply in replies]
    sums_are_right(database)
    return answers


def wait_until_all_wait(database: FreshDatabase, sessions: int) -> bool:
    """Wait until so many sessions wait for a lock; say whether they do."""
    for _ in range(int(PATIENCE_SECONDS / PAUSE_SECONDS)):
        waiting = database.owner.exec_driver_sql("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        if waiting.scalar_one() == sessions:
            return True
        Event().wait(PAUSE_SECONDS)
    return False
