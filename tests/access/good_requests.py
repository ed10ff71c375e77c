"""One request for each route that is as it should be, in a world whose names and keys cannot be mistaken.

Other tests spoil one part of it at a time. `secrets_in` says what no log line and no answer may hold, whatever is
asked.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Self

import pytest
from sqlalchemy import Transaction

from tests.support.api import ANONYMOUS, FUNCTIONS, PIPELINE, Caller, Reply, draft, event, person, send
from tests.support.databases import Database
from tests.support.feed import park
from tests.support.world import Row, World
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import READ, Resource, records
from wellspring.routes import Route, routes

DEFAULT = Route("/v1/nowhere", "default.answer", "retrieve", None, "What no route matches")
ROUTES = (*routes(), DEFAULT)
CLOSED = tuple(route for route in ROUTES if not route.open_to_all)
# A document whose data is a resource object; what others are told stands in `meta` (tests/feed/test_answers.py).
WITH_DOCUMENT = tuple(route for route in ROUTES if route.operation in {"create", "update"})

SOURCE = "/well/elsewhere"
META: Mapping[str, Any] = {
    "dismiss": {"meta": {"note": "Agreed."}},
    "release_many": {"meta": {"source": SOURCE, "reason": "other_source"}},
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
    """A request that is as it should be.

    Attributes:
        route: what it is for.
        caller: who may do it.
        status: what it is answered with.
        parameters: what stands for the names in the path.
        document: the body, as JSON values; None for none.
        query: the query string, undecoded.
        headers: beside those that every request has.
        body: the body as text, instead of `document`.
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
        """The path, decoded."""
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
    """

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        self.database = database
        _count_from(database, FIRST_PK)
        self.workspace, self.other = world.workspace(f"{NAME} One"), world.workspace(f"{NAME} Two")
        self.owner = world.people(self.workspace, f"Ada {NAME}")
        self.membership = world.member(self.owner, self.workspace, "owner")
        world.member(self.owner, self.other, "owner")
        self.outsider = world.people(self.other, f"Eve {NAME}")
        self.group = world.group(self.owner, f"{NAME} Group")
        world.group_member(self.owner, self.group, "owner")
        self.helper = world.group_member(world.people(self.workspace, f"Ned {NAME}"), self.group, "guest")
        self.enrolment = world.enrol(self.group, self.workspace, self.owner)
        self.provider, self.unchosen = (world.provider(f"{NAME.lower()}-{number}") for number in (1, 2))
        self.choice = world.choose(self.workspace, self.provider, is_matched=True)
        self.bank = world.connector(f"{NAME} Bank")
        self.connector = world.workspace_connector(self.workspace, self.bank)
        self.records: dict[str, Row] = {
            record.type: world.record(
                record.type, self.workspace, **{record.attributes[0].name: f"{NAME} {record.name}"}
            )
            for record in records()
        }
        # Of what is no message any more: it stays parked for that.
        self.message = world.message(
            self.connector,
            self.workspace,
            "parked",
            reason="malformed",
            body="none",
            group_id=str(self.connector.id),
            digest=sha256(b"none").digest(),
        )
        self.run = world.run(self.connector, self.workspace)
        self.provenance = {name: world.provenance(row, self.connector) for name, row in self.records.items()}
        self.parked = park(database, SOURCE)
        database.commit()
        self._before: Transaction | None = None

    @property
    def rows(self) -> Mapping[str, Row]:
        """The row of each type that can be retrieved, and which the owner sees."""
        found = (
            *self.provenance.values(),
            *self.records.values(),
            self.enrolment,
            self.helper,
            self.choice,
            self.group,
            self.workspace,
            self.membership,
            self.connector,
            self.bank,
            self.provider,
            self.message,
            self.run,
            self.parked,
        )
        return {row.type: row for row in found}

    @property
    def caller(self) -> Caller:
        """The owner."""
        return person(self.owner)

    def good(self, route: Route) -> Good:
        """Return the good request for a route."""
        if route.operation in {"answers", "answer"}:
            return self._of_answers(route)
        if route.resource is None:
            return self._of_no_resource(route)
        if route.resource.policy in {"feed", "fleet"}:
            return self._of_feed(route)
        if route.operation in {"release", "dismiss", "release_many"}:
            return self._of_messages(route)
        if route.within or route.resource.policy == "group":
            return self._of_service(route)
        return self._of_object(route, route.resource)

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

    def _of_answers(self, route: Route) -> Good:
        if route.of is not None:
            return Good(route, self.caller, 200, {"id": str(self.rows[route.of.type].id)})
        query = {
            "connector_activity.list": f"filter[workspace_connector]={self.connector.id}",
            "audit_entry.list": f"filter[workspace]={self.workspace.id}",
        }
        return Good(route, self.caller, 200, query=query[route.function])

    def _of_object(self, route: Route, resource: Resource) -> Good:
        type_ = resource.type
        writer = PIPELINE if resource.policy == "provenance" else self.caller
        one = {"id": str(self.rows[type_].id)}
        said: Mapping[str, Mapping[str, Any]] = {"selection": {"is_matched": True}, "member": {"role": "member"}}
        values = said.get(resource.policy, {"deleted_at": None})
        if route.operation in READ:
            return Good(route, self.caller, 200, one if route.operation == "retrieve" else {})
        return {
            "create": Good(route, writer, 201, document=self._draft(type_)),
            # Nobody changes an enrolment; what is said of it is not even read.
            "update": Good(
                route, writer, 403 if resource.policy == "enrolment" else 200, one, draft(type_, values, one["id"])
            ),
            "delete": Good(route, writer, 204, one),
        }[route.operation]

    def _of_feed(self, route: Route) -> Good:
        one = {"id": str(self.parked.id)} if "{id}" in route.path else {}
        return Good(route, PIPELINE, 200, one, META.get(route.operation))

    def _of_messages(self, route: Route) -> Good:
        one = {"id": str(self.message.id)} if "{id}" in route.path else {}
        of_many = {"meta": {"workspace_connector": str(self.connector.id), "reason": "unknown_record"}}
        document = {"dismiss": {"meta": {"note": "Agreed."}}, "release_many": of_many}.get(route.operation)
        return Good(route, PIPELINE, 200, one, document)

    def _of_service(self, route: Route) -> Good:
        workspace, group = {"workspace_id": str(self.workspace.id)}, {"id": str(self.group.id)}
        other = {"data": {"type": "workspace", "id": str(self.other.id)}}
        by_function: dict[str, tuple[int, Mapping[str, str], Any]] = {
            "workspace.list_providers": (200, workspace, None),
            "workspace.select_provider": (201, workspace, draft("workspace_provider", {}, provider=self.unchosen)),
            "workspace.remove_provider": (204, {**workspace, "provider_id": str(self.provider.id)}, None),
            "workspace_group.list": (200, {}, None),
            "workspace_group.create": (
                201,
                {},
                {
                    "data": {
                        "type": "workspace_group",
                        "attributes": {"name": "New"},
                        "relationships": {"workspaces": {"data": [other["data"]]}},
                    }
                },
            ),
            "workspace_group.retrieve": (200, group, None),
            "workspace_group.update": (200, group, draft("workspace_group", {"name": "Renamed"}, str(self.group.id))),
            "workspace_group.delete": (204, group, None),
            "workspace_group.enrol": (201, group, draft("workspace_group_workspace", workspace=self.other)),
            "workspace_group.withdraw": (204, {**group, **workspace}, None),
        }
        status, parameters, document = by_function[route.function]
        return Good(route, self.caller, status, parameters, document)

    def _draft(self, type_: str) -> Any:
        record = type_.removesuffix("_workspace_connector")
        if record in self.records:
            related = {record: self.records[record], "workspace_connector": self.connector}
            return draft(type_, {"direction": "input"}, **related)
        if type_ == "workspace_provider":
            return draft(type_, {"is_selected": True}, workspace=self.workspace, provider=self.unchosen)
        if type_ == "workspace_group_membership":
            return draft(type_, {"role": "member"}, people=self.outsider, workspace_group=self.group)
        return draft(type_, workspace_group=self.group, workspace=self.other)

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


def _count_from(database: Database, number: int) -> None:
    """Let the pks of all tables begin at numbers that mean nothing else; undone with the test."""
    tables: Sequence[str] = (
        database.owner.exec_driver_sql(
            "SELECT table_schema || '.' || table_name FROM information_schema.columns"
            " WHERE is_identity = 'YES' AND column_name = 'pk' AND table_schema = 'core_api' ORDER BY 1"
        )
        .scalars()
        .all()
    )
    statements = (
        f"ALTER TABLE {table} ALTER COLUMN pk RESTART WITH {number + place * 1000 + 1}"
        for place, table in enumerate(tables)
    )
    database.owner.exec_driver_sql("; ".join(statements))


assert {key_of(route) for route in ROUTES} <= FUNCTIONS.keys()
