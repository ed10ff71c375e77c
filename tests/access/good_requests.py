"""One request for each route that is as it should be, in a world whose names and keys cannot be mistaken.

Other tests spoil one part of it at a time. `secrets_in` says what no log line and no answer may hold, whatever is
asked.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Self

import pytest
from sqlalchemy import Transaction

from tests.support.api import ANONYMOUS, FUNCTIONS, PIPELINE, Caller, Reply, draft, event, person, send
from tests.support.databases import AnyDatabase
from tests.support.feed import park
from tests.support.tenants import one_of_each_type
from tests.support.world import World
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import READ, Resource, records
from wellspring.routes import Route, routes

# Where in a document.
type Path = tuple[str | int, ...]

DEFAULT = Route("/v1/nowhere", "default.answer", "retrieve", None, "What no route matches")
ROUTES = (*routes(), DEFAULT)
CLOSED = tuple(route for route in ROUTES if not route.open_to_all)
# A document whose data is a resource object; what others are told stands in `meta` (tests/feed/test_answers.py).
WITH_DOCUMENT = tuple(route for route in ROUTES if route.operation in {"create", "update"})

SOURCE = "/well/elsewhere"
# What a request of a function must say in its query.
QUERIES = {
    "connector_activity.list": "filter[workspace_connector]={}",
    "audit_entry.list": "filter[workspace]={}",
}
# What a creation and an update say, by the rules that they follow.
SAID_FIRST: Mapping[str, Mapping[str, Any]] = {
    "provenance": {"direction": "input"},
    "selection": {"is_selected": True},
    "member": {"role": "member"},
    "group": {"name": "New"},
}
SAID: Mapping[str, Mapping[str, Any]] = {
    "selection": {"is_matched": True},
    "member": {"role": "member"},
    "group": {"name": "Renamed"},
}

# In every name of the world, as every token in a request, and in every pk: none of them may be met again.
NAME = "Zanzibar"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJxdWV0emFsIn0.c2lnbmF0dXJl"
FIRST_PK = 7_700_000_000_000


def key_of(route: Route) -> str:
    """Return the route as the template names it."""
    return "$default" if route is DEFAULT else f"{route.method} {route.path}"


def named(route: Route) -> str:
    """Return the name of a test of this route."""
    return key_of(route).replace("/v1/", "")


# What is read of a request, and when, depends on what is done and on who may see it.
_SHAPES = {(route.operation, route.resource and route.resource.tenancy): route for route in ROUTES}


def of_routes(found: Iterable[Route]) -> pytest.MarkDecorator:
    """Try a test with each of these routes: in `make test` one of each shape of request, in `make long` the others."""
    tried = [pytest.param(route, marks=() if route in _SHAPES.values() else pytest.mark.long) for route in found]
    return pytest.mark.parametrize("route", tried, ids=named)


@dataclass(frozen=True)
class Good:
    """A request that is as it should be, and the status that it is answered with.

    `query` is undecoded; `headers` come beside those that every request has; `body` is text, instead of `document`.
    """

    route: Route
    caller: Caller
    status: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    document: Any = None
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None

    @property
    def path(self) -> str:
        return self.route.path.format(**self.parameters)

    @property
    def event(self) -> Any:
        """What API Gateway makes of it."""
        body = json.dumps(self.document) if self.document is not None else self.body
        usual = {"accept": MEDIA_TYPE, "authorization": f"Bearer {TOKEN}"}
        usual |= {"content-type": MEDIA_TYPE} if body is not None else {}
        return event(
            self.path,
            self.query,
            self.caller,
            self.parameters,
            method=self.route.method,
            route=key_of(self.route),
            headers={**usual, **self.headers},
            body=body,
        )

    def but(self, **changes: Any) -> Self:
        """Return it with something else in some of its parts."""
        return replace(self, **changes)

    def ask(self) -> Reply:
        """Give it to its function."""
        return send(self.event)


class Requests:
    """A tenant, and the good request for each route in it.

    Its owner owns a workspace, keeps a group in which the workspace is enrolled, and has a second workspace which is
    not. Both catalogues know more providers than were chosen.

    Attributes:
        rows: the row of each type that can be retrieved, and which the owner sees.
    """

    def __init__(self, world: World, database: AnyDatabase) -> None:
        self.world = world
        self.database = database
        _count_from(database, FIRST_PK)
        # Of what is no message any more: it stays parked for that.
        message = {"outcome": "parked", "reason": "malformed", "body": "none", "digest": sha256(b"none").digest()}
        self.rows = one_of_each_type(world, NAME, **message)
        self.owner = self.rows["people"]
        self.workspace, self.group = self.rows["workspace"], self.rows["workspace_group"]
        self.connector, self.bank = self.rows["workspace_connector"], self.rows["connector"]
        self.other = world.workspace(f"{NAME} Two")
        world.member(self.owner, self.other, "owner")
        self.outsider = world.people(self.other, f"Eve {NAME}")
        helper = world.people(self.workspace, f"Ned {NAME}")
        self.rows["workspace_group_membership"] = world.group_member(helper, self.group, "guest")
        self.unchosen = world.provider(f"{NAME.lower()}-2")
        self.rows["feed_event"] = park(database, SOURCE)
        self.records = {record.type: self.rows[record.type] for record in records()}
        database.commit()
        self._before: Transaction | None = None

    @property
    def caller(self) -> Caller:
        """The owner."""
        return person(self.owner)

    def good(self, route: Route) -> Good:
        """Return the good request for a route."""
        if route.resource is None:
            return self._of_no_resource(route)
        resource, operation = route.resource, route.operation
        of = {name: route.within.get(name, (route.of or resource).type) for name in re.findall(r"{(\w+)}", route.path)}
        is_told = resource.policy in {"feed", "fleet"} or operation in {"release", "dismiss", "release_many"}
        by_service = is_told or (resource.policy == "provenance" and operation not in READ)
        # Nobody changes an enrolment; what is said of it is not even read.
        refused = {"update": 403} if resource.policy == "enrolment" else {}
        named = self.connector if route.function == "connector_activity.list" else self.workspace
        return Good(
            route,
            PIPELINE if by_service else self.caller,
            {"create": 201, "delete": 204, **refused}.get(operation, 200),
            {name: str(self.rows[type_].id) for name, type_ in of.items()},
            self._document(route, resource),
            QUERIES.get(route.function, "").format(named.id),
        )

    def _of_no_resource(self, route: Route) -> Good:
        if route.operation == "mcp":
            params = {"name": "connectors", "arguments": {"workspace": str(self.workspace.id)}}
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
            headers = {"mcp-protocol-version": "2025-11-25", "content-type": "application/json", "accept": "*/*"}
            return Good(route, self.caller, 200, document=message, headers=headers)
        # A file's name holds a hash that nobody knows here.
        named = {"file": "main.0000000000000000.js"} if route.operation == "asset" else {}
        caller = ANONYMOUS if route.open_to_all else self.caller
        return Good(route, caller, 404 if route is DEFAULT or named else 200, named)

    def _document(self, route: Route, resource: Resource) -> Any:
        """Return what a request says."""
        match route.operation, resource.policy:
            case "dismiss", _:
                return {"meta": {"note": "Agreed."}}
            case "release_many", "feed":
                return {"meta": {"source": SOURCE, "reason": "other_source"}}
            case "release_many", _:
                return {"meta": {"workspace_connector": str(self.connector.id), "reason": "unknown_record"}}
            case "update", policy:
                return draft(resource.type, SAID.get(policy, {"deleted_at": None}), self.rows[resource.type].id)
            case "create", policy:
                said = SAID_FIRST.get(policy)
                others = (
                    {"provider": self.unchosen, "people": self.outsider} if policy in {"selection", "member"} else {}
                )
                others |= {"workspace": self.other} if policy == "enrolment" else {}
                named = [found.name for found in resource.relationships if found.written == "create" and not found.many]
                rows = {name: others.get(name, self.rows[name]) for name in named if name not in route.within.values()}
                document = draft(resource.type, said, **rows)
                if policy == "group":
                    other = {"type": "workspace", "id": str(self.other.id)}
                    document["data"]["relationships"] = {"workspaces": {"data": [other]}}
                return document
        return None

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Undo in the end what is done meanwhile."""
        whole = self.database.owner.begin_nested()
        try:
            yield
        finally:
            if self._before is not None:
                self._before.rollback()
                self._before = None
            whole.rollback()
            self.world.forget()

    def ask(self, good: Good) -> Reply:
        """Give a request to its function, and undo what it did; what was refused did nothing."""
        self._before = self._before or self.database.owner.begin_nested()
        reply = good.ask()
        if reply.status < HTTPStatus.BAD_REQUEST and good.route.method != "GET":
            self._before.rollback()
            self._before = None
        return reply


SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|FROM|WHERE|JOIN|VALUES|SAVEPOINT|core_api|pg_\w+|psycopg|sqlalchemy)\b")
PK = re.compile(rf"(?<!\d){FIRST_PK // 10**9}\d{{9}}(?!\d)")


def secrets_in(text: str, *more: str) -> list[str]:
    """Return what `text` holds that nobody outside may read: names, tokens, SQL, pks, and `more`."""
    words = [word for word in (NAME, NAME.lower(), TOKEN, TOKEN.rpartition(".")[2], *more) if word in text]
    return words + [found[0] for found in (*SQL.finditer(text), *PK.finditer(text))]


def pks_in(value: Any) -> list[str]:
    """Return what in a JSON document looks like a pk: members called so, and numbers of their size."""
    match value:
        case dict():
            names = [name for name in value if name == "pk" or name.endswith(("_pk", "_pks"))]
            return names + [found for member in value.values() for found in pks_in(member)]
        case list():
            return [found for item in value for found in pks_in(item)]
        case int() | float() if value >= FIRST_PK:
            return [str(value)]
        case str():
            return PK.findall(value)
    return []


def replaced(document: Any, path: Path, value: Any) -> Any:
    """Return a document with another value in one place; members on the way that are not there are made."""
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        return [replaced(item, tuple(rest), value) if at == step else item for at, item in enumerate(document)]
    known = document if isinstance(document, dict) else {}
    return {**known, step: replaced(known.get(step), tuple(rest), value)}


def places(document: Any) -> Iterator[tuple[Path, Any]]:
    """Give each value in a document, itself among them, and the path to it."""
    yield (), document
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, value in members:
        yield from (((step, *path), found) for path, found in places(value))


def _count_from(database: AnyDatabase, number: int) -> None:
    """Let the pks of all tables begin at numbers that mean nothing else; undone with the test."""
    tables = database.owner.exec_driver_sql(
        "SELECT table_schema || '.' || table_name FROM information_schema.columns"
        " WHERE is_identity = 'YES' AND column_name = 'pk' AND table_schema = 'core_api' ORDER BY 1"
    ).scalars()
    statements = (
        f"ALTER TABLE {table} ALTER COLUMN pk RESTART WITH {number + place * 1000 + 1}"
        for place, table in enumerate(tables)
    )
    database.owner.exec_driver_sql("; ".join(statements))


assert {key_of(route) for route in ROUTES} <= FUNCTIONS.keys()
