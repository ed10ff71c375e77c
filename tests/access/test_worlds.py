"""Random worlds in which what is read is answered as the reference model does, with and without policies in force.

`WORLDS_SEED` and `WORLDS` in the environment ask for other worlds, and for more (CONTRIBUTING.md). Agreement means
nothing about what nobody asked for, so what was reached is counted too, by kind.
"""

import difflib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from sqlalchemy import Text, text

from tests.access import model
from tests.access.model import Caller, List, Person, Request, Result, Retrieve, Row, World, instant
from tests.access.worlds import KINDS, OBJECTS, Story, stories, worlds
from tests.support import api
from tests.support.databases import Database
from wellspring.models import table_of
from wellspring.observability import logger
from wellspring.queries import Position, Sort
from wellspring.resources import resource_of
from wellspring.services.ledger import cursors

pytestmark = pytest.mark.worlds

# ---- worlds into the database, requests to the functions, replies to compare -----------------------------
# As long as a name may be, of characters of four bytes each.
_LONGEST = "rpad(id::text, 500, U&'\\+10FFFF')"
_TIMES = ("created_at", "updated_at", "deleted_at")
# Columns that a world says although the database would.
_SAID = {"pk", "id", *_TIMES, "is_selected", "is_matched"}
GUARDED = tuple(resource_of(type_).table for type_ in OBJECTS)
TABLES = tuple(resource_of(type_).table for type_ in KINDS)


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
_BUILD = f"WITH world AS MATERIALIZED (SELECT CAST(%s AS jsonb)), {', '.join(map(_insert, TABLES))} SELECT 1"
# What was rolled back is still in the tables' files, and reading passes over it.
_CLEAN = f"TRUNCATE {', '.join(f'core_api.{table}' for table in TABLES)}"
WORLDS_TO_CLEAN = 100


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

    def __init__(self, database: Database, *, row_level_security: bool) -> None:
        self._owner = database.owner
        self._worlds = itertools.count()
        for table in () if row_level_security else GUARDED:
            self._owner.exec_driver_sql(f"ALTER TABLE core_api.{table} DISABLE ROW LEVEL SECURITY")
        newest = text("SELECT key FROM wellspring.cursor_keys ORDER BY pk DESC LIMIT 1")
        self._key = bytes(self._owner.execute(newest).scalar_one())

    @contextmanager
    def set(self, world: World) -> Iterator[None]:
        """Put a world into the database for a while."""
        if next(self._worlds) % WORLDS_TO_CLEAN == 0:
            self._owner.exec_driver_sql(_CLEAN)
        scene = self._owner.begin_nested()
        try:
            tables = {resource_of(type_).table: [_stored(row) for row in rows] for type_, rows in world.rows.items()}
            self._owner.exec_driver_sql(_BUILD, (json.dumps(tables),))
            yield
        finally:
            scene.rollback()

    def compare(self, world: World, caller: Caller, request: Request) -> Result:
        """Let somebody ask, and fail where the reply is not what the model says."""
        reply, answer = api.get(self._url(request), caller_of(caller)), model.answer(world, caller, request)
        problems = [list(problem) for problem in answer.problems]
        _agree("answer", _outcome(reply), {"status": answer.status, "problems": problems})
        if not answer.problems:
            _agree("document", _said(reply), _expected(world, answer, request.include or ()))
        return answer

    def _url(self, request: Request) -> str:
        if isinstance(request, Retrieve):
            include = "" if request.include is None else f"?include={','.join(request.include)}"
            return f"{resource_of(request.type).route}/{request.id}{include}"
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
        route = f"/v1/workspaces/{request.within}/providers" if request.within else resource_of(request.type).route
        return f"{route}?{urlencode(parameters)}"


def _stored(row: Row) -> dict[str, Any]:
    """Return a row's columns as JSON has them."""
    stored: dict[str, Any] = {"pk": row.pk, "id": str(row.id)}
    for name in _TIMES:
        value: datetime | None = getattr(row, name)
        stored[name] = None if value is None else value.isoformat()
    for name, parent in row.parents.items():
        stored[f"{name}_pk"] = None if parent is None else parent.pk
    return stored | dict(row.values)


# ---- what is asked, as HTTP ----------------------------------------------------------------------------
def _joined(ids: Sequence[UUID]) -> str:
    return ",".join(map(str, ids))


# ---- what is said --------------------------------------------------------------------------------------
def _agree(on: str, product: object, expected: object) -> None:
    """Fail with the lines in which the two differ."""
    if product != expected:
        left, right = (json.dumps(it, indent=1, sort_keys=True, default=str).split("\n") for it in (expected, product))
        differences = difflib.unified_diff(left, right, "the model", "the product", lineterm="", n=2)
        raise AssertionError("\n".join([f"They do not agree on the {on}:", *differences]))


def _outcome(reply: api.Reply) -> dict[str, Any]:
    """Return a reply's status and problems, as `Result` has them."""
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


def _expected(world: World, answer: Result, include: tuple[str, ...]) -> dict[str, Any]:
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
    related: dict[str, Any] = {name: parent and _identifier(parent) for name, parent in row.parents.items()}
    # In these worlds no message is behind a row.
    related |= {trace.name: None for trace in resource_of(row.type).traces}
    if row.type == "workspace_group":
        for name in {"workspaces", "memberships"} & set(include):
            related[name] = [_identifier(other) for other in model.linked(world, row, name)]
    shown = {name: value and instant(value) for name, value in times.items()}
    return {**_identifier(row), "attributes": {**row.values, **shown}, "related": related}


def _identifier(row: Row) -> dict[str, str]:
    return {"type": row.type, "id": str(row.id)}


# ---- the tests -----------------------------------------------------------------------------------------
WORLDS = 1000
# How many times so many, where something was not asked for.
MORE = 3

# Its kind, and the rest of it.
type Outcome = tuple[str, ...]

# How many outcomes there are of each kind, all but a few of the rarest: of an operation, who was told what of which
# type, and where the problems were; of lists also what was included, and which parameters left rows on a page.
REACHED = {"list": 49, "retrieve": 30, "includes": 20, "parameter": 134}


@pytest.mark.parametrize("row_level_security", [True, False], ids=["with policies", "by the predicates alone"])
def test_whoever_asks_for_whatever_gets_the_models_answer(database: Database, *, row_level_security: bool) -> None:
    stage = Stage(database, row_level_security=row_level_security)
    reached: set[Outcome] = set()
    for more in range(MORE):
        # What is rare is not drawn in every thousand worlds.
        reached |= compared(stage, others=int(row_level_security) + 2 * more)
        counted = Counter(kind for kind, *_ in reached)
        if all(counted[kind] >= number for kind, number in REACHED.items()):
            return
    pytest.fail(f"With this seed {MORE * WORLDS} worlds reach only {counted} of {REACHED}")


def compared(stage: Stage, *, others: int) -> set[Outcome]:
    """Compare product and model in so many worlds; return what was reached."""
    reached: set[Outcome] = set()

    @worlds(stories(), WORLDS, others=others)
    def check(story: Story) -> None:
        with stage.set(story.world):
            for caller, request in story.asked:
                reached.update(outcomes(caller, request, stage.compare(story.world, caller, request)))

    with quiet():
        check()
    return reached


def outcomes(caller: Caller, request: Request, answer: Result) -> Iterator[Outcome]:
    """Give what a request reached."""
    operation, type_ = type(request).__name__.lower(), request.type
    problems = sorted(" ".join(problem) for problem in answer.problems)
    yield operation, type(caller).__name__, type_, str(answer.status), *problems
    if isinstance(request, List) and answer.rows:
        yield from (("includes", type_, row.type) for row in answer.included or ())
        said = {each.name: getattr(request, each.name) for each in fields(request)}
        for name in ("workspaces", "since", "within", "total", "cursor"):
            yield "parameter", type_, name, str(bool(said[name]))
        for name in ("deleted", "descending", "sort", "backward"):
            yield "parameter", type_, name, str(said[name])
        yield from (("parameter", type_, "filter", name) for name, _ in (*request.related, *request.equal))
        yield "parameter", type_, "pages on both sides", str(answer.before and answer.after)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the lines of ten thousand answers out of a failure's report."""
    level = logger.log_level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)
