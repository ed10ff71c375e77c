"""The way between `model` and the product: worlds into the database, requests to the functions, replies to compare."""

import difflib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import Text, text

from tests.access import model
from tests.access.model import (
    Answer,
    Caller,
    Create,
    Delete,
    Group,
    List,
    Person,
    Request,
    Retrieve,
    Row,
    Update,
    World,
    instant,
)
from tests.access.worlds import OBJECTS, TABLES
from tests.support import api
from tests.support.databases import Database, FreshDatabase
from tests.support.sums import RECOUNT
from wellspring.models import table_of
from wellspring.queries import Position, Sort
from wellspring.resources import resource_of
from wellspring.services.ledger import cursors

# As long as a name may be, of characters of four bytes each.
_LONGEST = "rpad(id::text, 500, U&'\\+10FFFF')"
_TIMES = ("created_at", "updated_at", "deleted_at")
# Columns that a world says although the database would.
_SAID = {"pk", "id", *_TIMES, "is_selected", "is_matched"}
GUARDED = tuple(resource_of(type_).table for type_ in OBJECTS)
# What requests change.
_CHANGED = ("workspace_groups", "workspace_group_memberships", *GUARDED)


def _insert(table: str) -> str:
    columns = {
        # What must be there, and nobody's access depends on.
        column.name: column.name
        if column.nullable or not isinstance(column.type, Text)
        else f"coalesce({column.name}, {_LONGEST})"
        for column in table_of(table).columns
        if column.server_default is None or column.name in _SAID
    }
    return (
        f"{table} AS (INSERT INTO core_api.{table} ({', '.join(columns)}) OVERRIDING SYSTEM VALUE"
        f" SELECT {', '.join(columns.values())}"
        f" FROM jsonb_populate_recordset(NULL::core_api.{table}, (TABLE world) -> '{table}'))"
    )


# All tables in one statement: references are checked at its end.
_BUILD = f"WITH world AS MATERIALIZED (SELECT jsonb '%s'), {', '.join(map(_insert, TABLES))} SELECT 1"
# What was rolled back is still in the tables' files, and reading passes over it.
_CLEAN = f"TRUNCATE {', '.join(f'core_api.{table}' for table in TABLES)}"
WORLDS_TO_CLEAN = 100
_STATES = (f"'{table}', (SELECT jsonb_agg(to_jsonb(stored)) FROM core_api.{table} AS stored)" for table in _CHANGED)
_SNAPSHOT = text(f"SELECT jsonb_build_object({', '.join(_STATES)})")


def caller_of(caller: Caller) -> api.Caller:
    if isinstance(caller, Person):
        return api.Caller({"sub": str(caller.id), "scope": caller.scope})
    return api.service(*sorted(caller.scopes))


class Stage:
    """Where worlds are put, asked, and forgotten.

    Args:
        database: rolled back after the test.
        row_level_security: whether the tables' policies are in force, or the queries' predicates stand alone.
    """

    def __init__(self, database: Database | FreshDatabase, *, row_level_security: bool) -> None:
        self._owner = database.owner
        self._worlds = itertools.count()
        for table in () if row_level_security else GUARDED:
            self._owner.exec_driver_sql(f"ALTER TABLE core_api.{table} DISABLE ROW LEVEL SECURITY")
        self.now: datetime = self._owner.execute(text("SELECT now()::timestamptz(3)")).scalar_one()
        newest = text("SELECT key FROM wellspring.cursor_keys ORDER BY pk DESC LIMIT 1")
        self._key = bytes(self._owner.execute(newest).scalar_one())

    @contextmanager
    def set(self, world: World) -> Iterator[None]:
        """Put a world into the database for a while."""
        if next(self._worlds) % WORLDS_TO_CLEAN == 0:
            self._owner.exec_driver_sql(_CLEAN)
        scene = self._owner.begin_nested()
        try:
            self._build(world)
            yield
        finally:
            scene.rollback()

    def put(self, world: World) -> None:
        """Put a world in the place of the one before; for a database of the test's own, which is to commit it."""
        self._owner.exec_driver_sql(_CLEAN)
        self._build(world)

    def _build(self, world: World) -> None:
        tables = {name: [_stored(row) for row in rows] for name, rows in world.tables().items()}
        # No text in it has an apostrophe; a parameter would cost a walk over the statement.
        self._owner.exec_driver_sql(_BUILD.replace("%s", json.dumps(tables)))

    def compare(self, world: World, caller: Caller, request: Request) -> Answer:
        """Let somebody ask, and fail where the reply is not what the model says."""
        return self.judge(world, caller, request, self.ask(caller, request))

    def judge(self, world: World, caller: Caller, request: Request, reply: api.Reply) -> Answer:
        """Fail where a reply is not what the model says of a world; return what both say."""
        answer = model.answer(world, caller, request)
        problems = [list(problem) for problem in answer.problems]
        _agree("answer", _outcome(reply), {"status": answer.status, "problems": problems})
        if answer.made:
            self.compare_tables(world, answer.made)
        if _restores(request) and not answer.problems:
            self._learn_when(world, answer, reply)
        if not answer.problems:
            _agree("document", _said(reply), _expected(world, answer, getattr(request, "include", None) or ()))
        return answer

    @staticmethod
    def _learn_when(world: World, answer: Answer, reply: api.Reply) -> None:
        """Take over the time of a restored row: that of the moment, where all else has the transaction's."""
        (row,) = answer.rows
        said = datetime.fromisoformat(reply.document["data"]["attributes"]["updated_at"])
        if row.updated_at == world.now and world.now <= said <= datetime.now(UTC) + timedelta(seconds=1):
            row.updated_at = said

    def ask(self, caller: Caller, request: Request) -> api.Reply:
        """Send a request to the function that the template has for it."""
        who = caller_of(caller)
        match request:
            case List():
                return api.get(self._list_url(request), who)
            case Retrieve():
                return api.get(f"{_route(request.type)}/{request.id}{_query(request.include)}", who)
            case Create():
                path = _within(request.type, request.within[0][1]) if request.within else _route(request.type)
                return api.post(f"{path}{_query(request.include)}", who, _create_document(request))
            case Update():
                data = {"type": request.type, "id": str(request.id), "attributes": _attributes(request)}
                url = f"{_route(request.type)}/{request.id}{_query(request.include)}"
                return api.patch(url, who, {"data": data})
            case Delete():
                path, id_ = _route(request.type), request.id
                if request.pair is not None:
                    path, id_ = _within(request.type, request.pair[0]), request.pair[1]
                return api.delete(f"{path}/{id_}", who)

    def _list_url(self, request: List) -> str:
        parameters: dict[str, str] = {"filter[deleted]": request.deleted}
        if request.workspaces:
            parameters["filter[workspace]"] = _joined(request.workspaces)
        for name, ids in request.related:
            parameters[f"filter[{name}]"] = _joined(ids)
        for name, value in request.equal:
            parameters[f"filter[{name}]"] = str(value).lower()
        if request.since is not None:
            parameters["filter[created_at][gte]"] = instant(request.since)
        parameters["sort"] = f"{'-' if request.descending else ''}{request.sort}"
        parameters["page[size]"] = str(request.size)
        if request.cursor is not None:
            row = request.cursor
            at = row.created_at if request.sort == "created_at" else row.last_updated_at
            sort = Sort(request.sort, descending=request.descending)
            cursor = cursors.sign(self._key, resource_of(request.type), sort, Position(at, row.id, row.pk))
            parameters["page[before]" if request.backward else "page[after]"] = cursor
        if request.total:
            parameters["page[total]"] = "true"
        if request.include is not None:
            parameters["include"] = ",".join(request.include)
        route = _within(request.type, request.within) if request.within else _route(request.type)
        return f"{route}?{urlencode(parameters)}"

    def compare_tables(self, world: World, new: Sequence[Row] = ()) -> None:
        """Fail where the tables do not hold what the world does; its new rows learn what the database calls them."""
        stored: dict[str, list[dict[str, Any]] | None] = self._owner.execute(_SNAPSHOT).scalar_one()
        # A parent comes before what points to it.
        for table, rows in world.tables().items():
            if table in _CHANGED:
                there = stored[table] or []
                known = {row.pk for row in rows}
                nameless = {_content(row): row for row in there if row["pk"] not in known}
                for made in (row for row in rows if row in new):
                    found = nameless.get(_content(_stored(made)))
                    assert found is not None, f"{made} was not written to {table}, but {nameless}"
                    made.pk, made.id = found["pk"], UUID(found["id"])
                expected = sorted((row.pk, str(row.id), _content(_stored(row))) for row in rows)
                _agree(table, sorted((row["pk"], row["id"], _content(row)) for row in there), expected)
        # Whoever wrote: what is said of a connector's rows is what they are.
        assert self._owner.exec_driver_sql(RECOUNT).all() == []


def _stored(row: Row) -> dict[str, Any]:
    """Return a row's columns as JSON has them."""
    stored: dict[str, Any] = {"pk": row.pk, "id": str(row.id)}
    for name in _TIMES:
        value: datetime | None = getattr(row, name)
        stored[name] = None if value is None else value.isoformat()
    for name, parent in row.parents().items():
        stored[f"{name}_pk"] = None if parent is None else parent.pk
    return stored | dict(row.values())


def _content(stored: Mapping[str, Any]) -> str:
    """Return what a row says, without the names that the server gave it."""
    kept = {name: value for name, value in stored.items() if value is not None and name not in {"pk", "id"}}
    kept |= {name: datetime.fromisoformat(kept[name]).timestamp() for name in _TIMES if name in kept}
    return json.dumps(kept, sort_keys=True)


# ---- what is asked, as HTTP ----------------------------------------------------------------------------
def _restores(request: Request) -> bool:
    return isinstance(request, Update) and ("deleted_at", None) in request.attributes


def _route(type_: str) -> str:
    return resource_of(type_).route


def _query(include: tuple[str, ...] | None) -> str:
    return "" if include is None else f"?include={','.join(include)}"


def _joined(ids: Sequence[UUID]) -> str:
    return ",".join(map(str, ids))


def _within(type_: str, id_: UUID) -> str:
    """Return where a service's path has the rows of a type."""
    return (
        f"/v1/workspaces/{id_}/providers" if type_ == "workspace_provider" else f"/v1/workspace-groups/{id_}/workspaces"
    )


def _create_document(request: Create) -> Any:
    linked: dict[str, Any] = {name: {"data": {"type": name, "id": str(id_)}} for name, id_ in request.links}
    if request.workspaces:
        linked["workspaces"] = {"data": [{"type": "workspace", "id": str(id_)} for id_ in request.workspaces]}
    return {"data": {"type": request.type, "attributes": _attributes(request), "relationships": linked}}


def _attributes(request: Create | Update) -> dict[str, Any]:
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in request.attributes}


# ---- what is said --------------------------------------------------------------------------------------
def _agree(on: str, product: object, expected: object) -> None:
    """Fail with the lines in which the two differ."""
    if product != expected:
        left, right = (json.dumps(it, indent=1, sort_keys=True, default=str).split("\n") for it in (expected, product))
        differences = difflib.unified_diff(left, right, "the model", "the product", lineterm="", n=2)
        raise AssertionError("\n".join([f"They do not agree on the {on}:", *differences]))


def _outcome(reply: api.Reply) -> dict[str, Any]:
    """Return a reply's status and problems, as `Answer` has them."""
    problems = [
        [error["code"], " ".join(f"{kind} {value}" for kind, value in error.get("source", {}).items())]
        for error in (reply.document or {}).get("errors", ())
    ]
    return {"status": reply.status, "problems": sorted(problems)}


def _said(reply: api.Reply) -> dict[str, Any]:
    """Return what a success says, in a form to compare."""
    document = reply.document or {}
    data = document.get("data", [])
    items = data if isinstance(data, list) else [data]
    links = document.get("links", {})
    included = document.get("included")
    return {
        "data": [_of_item(item) for item in items],
        "included": None if included is None else sorted((item["type"], item["id"]) for item in included),
        "total": document.get("meta", {}).get("page", {}).get("total"),
        "before": links.get("prev") is not None,
        "after": links.get("next") is not None,
    }


def _of_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource object as the model has it: what it links to is followed in tests/reading/test_parents.py."""
    said = {name: value for name, value in item.items() if name not in {"links", "meta", "relationships"}}
    # A to-many that is not asked for has nothing but a link.
    related = {name: one["data"] for name, one in item.get("relationships", {}).items() if "data" in one}
    return said | {"related": related}


def _expected(world: World, answer: Answer, include: tuple[str, ...]) -> dict[str, Any]:
    """Return what the model says, in the same form."""
    return {
        "data": [_resource_object(world, row, include) for row in answer.rows],
        "included": None if answer.included is None else sorted((row.type, str(row.id)) for row in answer.included),
        "total": answer.total,
        "before": answer.before,
        "after": answer.after,
    }


def _resource_object(world: World, row: Row, include: tuple[str, ...]) -> dict[str, Any]:
    """Return what a row shows as primary data, beside links and meta; a to-many relationship where it is included."""
    times = {"created_at": row.created_at, "updated_at": row.last_updated_at, "deleted_at": row.deleted_at}
    related: dict[str, Any] = {name: parent and _identifier(parent) for name, parent in row.parents().items()}
    # In these worlds no message is behind a row.
    related |= {trace.name: None for trace in resource_of(row.type).traces}
    if isinstance(row, Group):
        for name in {"workspaces", "memberships"} & set(include):
            related[name] = [_identifier(other) for other in model.linked(world, row, name)]
    shown = {name: value and instant(value) for name, value in times.items()}
    return {**_identifier(row), "attributes": {**row.values(), **shown}, "related": related}


def _identifier(row: Row) -> dict[str, str]:
    return {"type": row.type, "id": str(row.id)}
