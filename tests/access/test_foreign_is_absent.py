"""Contract, section 3: what is not visible does not exist, and no answer tells the two apart.

Each request is made twice, with the id of a row that the caller does not see, and with one that nobody has. Status,
headers, body and the SQL that was sent must be the same: how long an answer takes is a matter of the last.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.access.good_requests import CLOSED, Good, Path, Requests, named, of_routes, places, replaced
from tests.support.api import PIPELINE, READER, Reply, delete, get, person
from tests.support.databases import FreshDatabase, Statements
from tests.support.tenants import one_of_each_type
from tests.support.world import RECORDS, Row, World
from wellspring.queries import Position, Sort
from wellspring.resources import FEED_EVENT, Resource, resource_of
from wellspring.routes import Route
from wellspring.services.ledger import cursors

# What is for services alone is of no tenant (tests/feed/test_answers.py).
JSONAPI = tuple(route for route in CLOSED if route.resource is not None and route.resource.tenancy != "services")
LISTS = tuple(route for route in JSONAPI if route.operation == "list")
ONES = tuple(route for route in JSONAPI if route.operation == "retrieve")
ANSWERS = tuple(route for route in JSONAPI if route.operation in {"answers", "answer"})
# Lists of what belongs to no tenant: whoever adds to one adds to it for everybody.
CATALOGUES = tuple(route for route in LISTS if route.resource and route.resource.tenancy == "everybody")
LONG_AGO = datetime(2020, 2, 2, tzinfo=UTC)
NO_TAG = '"none"'

type Rows = dict[str, list[Row]]


# ---- rows that the caller does not see -----------------------------------------------------------------
@dataclass(frozen=True)
class Foreign:
    """Rows that the owner of `Requests` does not see, by type.

    Attributes:
        theirs: of another tenant, live.
        closed: live or not, but with something tombstoned on the way to them: nobody sees them.
    """

    theirs: Rows
    closed: Rows

    def rows(self, good: Good, type_: str) -> Sequence[Row]:
        """Return the rows of a type that the caller of this request does not see. A service sees what is live."""
        return self.closed[type_] if good.caller == PIPELINE else [*self.theirs[type_], *self.closed[type_]]


def others(requests: Requests) -> Foreign:
    """Build another tenant, and one that is gone."""
    world = requests.world
    theirs, gone = (
        {type_: [row] for type_, row in one_of_each_type(world, name).items()} for name in ("Theirs", "Gone")
    )
    # What nobody but the platform writes: a parent on each side.
    for type_ in RECORDS:
        theirs[f"{type_}_workspace_connector"] += [
            world.provenance(requests.records[type_], theirs["workspace_connector"][0]),
            world.provenance(theirs[type_][0], requests.connector),
        ]
    # Ways in that are not open, or not any more.
    workspace, group = theirs["workspace"][0], theirs["workspace_group"][0]
    pending = world.member(requests.owner, workspace, "owner", "pending")
    left, was = world.member(requests.owner, workspace, "owner"), world.group_member(requests.owner, group, "owner")
    theirs["workspace_membership"] += [pending, left]
    theirs["workspace_group_membership"].append(was)
    is_still = world.group_member(requests.owner, gone["workspace_group"][0], "owner")
    gone["workspace_group_membership"].append(is_still)
    gone["workspace_membership"].append(world.member(requests.owner, gone["workspace"][0], "owner"))
    # What is for everybody is nobody's: it is seen as long as it is there.
    everybodys = [type_ for type_ in theirs if resource_of(type_).tenancy == "everybody"]
    theirs |= {type_: [] for type_ in everybodys}
    for row in (left, was, *(gone[type_][0] for type_ in (*everybodys, "workspace", "workspace_group"))):
        world.tombstone(row)
    return Foreign(theirs, gone)


def close(requests: Requests, foreign: Foreign) -> Rows:
    """Build what is ours and closed: tombstoned, or with a parent that was."""
    world, ours, (provider, *_) = requests.world, requests.workspace, foreign.closed["provider"]
    connector, records = world.workspace_connector(ours), {type_: world.record(type_, ours) for type_ in RECORDS}
    rows = [
        connector,
        world.choose(ours, provider, is_matched=True),
        *records.values(),
        *(world.provenance(record, requests.connector) for record in records.values()),
        *(world.provenance(requests.records[type_], connector) for type_ in RECORDS),
    ]
    for row in (connector, *records.values()):
        world.tombstone(row)
    return {type_: [row for row in rows if row.type == type_] for type_ in {row.type for row in rows}}


# ---- the same request with another id ------------------------------------------------------------------
type Sent = Callable[[UUID], Good]


def ids_of(good: Good) -> Iterator[tuple[str, str, Sent]]:
    """Give each place of a good request that holds an id: its name, what the id is of, and it with another one."""
    route, resource = good.route, good.route.resource
    assert resource is not None
    for name in good.parameters:
        yield name, route.within.get(name, (route.of or resource).type), partial(_in_path, good, name)
    for path, value in places(good.document):
        if isinstance(value, dict) and {"type", "id"} <= value.keys():
            yield "/".join(map(str, path)), value["type"], partial(_in_document, good, (*path, "id"))
    if route.operation == "update":
        of_both = partial(_in_document, good, ("data", "id"))
        yield "path and document", resource.type, lambda id_: of_both(id_).but(parameters={"id": str(id_)})


def _in_path(good: Good, name: str, id_: UUID) -> Good:
    return good.but(parameters={**good.parameters, name: str(id_)})


def _in_document(good: Good, path: Path, id_: UUID) -> Good:
    return good.but(document=replaced(good.document, path, str(id_)))


# ---- asking twice --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Told:
    """All that an answer tells, the request's id apart, and the SQL that was sent for it."""

    status: int
    headers: Mapping[str, str]
    body: str
    statements: Sequence[str]

    @property
    def total(self) -> int:
        total: int = json.loads(self.body)["meta"]["page"]["total"]
        return total


class Twice:
    """Asks for what is foreign and for what is absent."""

    def __init__(self, foreign: Foreign, sql: Statements) -> None:
        self._statements = sql
        self.foreign = foreign
        # Whoever comes first to a process reads the cursors' keys.
        get(LISTS[0].path, READER)

    def told(self, ask: Callable[[], Reply], said: str) -> Told:
        """Ask, and return what that told, with what the caller said themselves made unknowable."""
        self._statements.clear()
        reply = ask()
        body = reply.body.replace(reply.request_id, "").replace(said, "ID")
        headers = {name: value.replace(said, "ID") for name, value in reply.headers.items()}
        return Told(reply.status, headers, body, list(self._statements))

    def compare(self, ask: Callable[[UUID], Reply], foreign: UUID) -> Told:
        """Fail where the answers differ."""
        told, not_told = (self.told(partial(ask, id_), str(id_)) for id_ in (foreign, uuid4()))
        assert told == not_told
        return told


@pytest.fixture(scope="class")
def foreign(made: Requests) -> Iterator[Foreign]:
    with made.undone():
        foreign = others(made)
        closed = close(made, foreign)
        rows = {type_: [*foreign.closed[type_], *closed.get(type_, [])] for type_ in foreign.closed}
        yield Foreign(foreign.theirs, rows)


@pytest.fixture
def twice(foreign: Foreign, requests: Requests, sql: Statements) -> Twice:
    return Twice(foreign, sql)


# ---- ids in paths and documents ------------------------------------------------------------------------
@pytest.mark.parametrize("route", JSONAPI, ids=named)
def test_a_foreign_id_is_like_an_absent_one_wherever_it_is_and_whatever_condition_is_tied_to_it(
    requests: Requests, twice: Twice, route: Route
) -> None:
    good = requests.good(route)
    found = list(ids_of(good))
    assert {name for name, *_ in found} >= good.parameters.keys()
    # What is created names its parents, in the path or in the document.
    assert found or route.operation in {"list", "answers", "release_many"}
    header = {"GET": "if-none-match", "POST": "idempotency-key"}.get(route.method, "if-match")
    for name, type_, with_id in found:
        for row in twice.foreign.rows(good, type_):
            for value in ("", "*", NO_TAG, _tag_of(row)) if route.method != "POST" else ("", "a-key"):
                headers = {header: value} if value else {}

                def ask(id_: UUID, with_id: Sent = with_id, headers: Mapping[str, str] = headers) -> Reply:
                    return with_id(id_).but(headers=headers).ask()

                assert twice.compare(ask, row.id).status >= 400, (name, row, value)


def _tag_of(row: Row) -> str:
    """Return the entity tag that those who see a row know it by; some other where it has none."""
    resource = resource_of(row.type)
    return get(f"{resource.route}/{row.id}", READER).headers.get("etag", NO_TAG) if resource.route else NO_TAG


def test_every_id_in_a_path_and_every_relationship_that_a_document_may_have_is_asked(requests: Requests) -> None:
    with_id = {route.path for route in CLOSED if "{" in route.path and route.resource is not FEED_EVENT}
    assert with_id == {route.path for route in JSONAPI if any(requests.good(route).parameters)}
    for route in JSONAPI:
        if route.operation == "create" and route.resource is not None:
            written = {found.name for found in route.resource.relationships if found.written == "create"}
            said = {name.split("/")[2] for name, *_ in ids_of(requests.good(route)) if "/" in name}
            assert said | set(route.within.values()) == written, route.path


# ---- ids in filters and cursors ------------------------------------------------------------------------
@pytest.mark.parametrize("route", LISTS, ids=named)
class TestAList:
    def test_finds_and_counts_as_little_by_a_filter_with_a_foreign_id(
        self, requests: Requests, twice: Twice, route: Route
    ) -> None:
        good, resource = requests.good(route), _resource(route)
        own = _row_of(requests, good).get("relationships", {})
        dead = "&filter[deleted]=include" if resource.has_tombstones else ""
        for relationship in resource.to_one:
            name = relationship.name
            if name == "workspace" or not relationship.is_filter:
                continue
            queries = [(f"filter[{name}]={{}}{more}{dead}", 0) for more in ("", f",{uuid4()}")]
            if data := own[name]["data"]:
                # Beside an own one.
                beside = f"filter[{name}]={data['id']}{{}}&{_includes(resource)}"
                alone = _lister(good, beside)("").document["meta"]["page"]["total"]
                assert alone >= 1
                queries.append((beside.replace("{}", ",{}"), alone))
            for row in twice.foreign.rows(good, relationship.target):
                for query, total in queries:
                    told = twice.compare(_lister(good, query), row.id)
                    assert (told.status, told.total) == (200, total), (name, row)

    def test_refuses_the_claim_of_either_workspace(self, requests: Requests, twice: Twice, route: Route) -> None:
        good = requests.good(route)
        for row in twice.foreign.rows(good, "workspace"):
            told = twice.compare(_lister(good, "filter[workspace]={}"), row.id)
            not_offered = route.within or _resource(route).tenancy in {"membership", "everybody", "group"}
            assert told.status == (400 if not_offered else 403)

    @pytest.mark.parametrize("parameter", ["page[after]", "page[before]"])
    def test_takes_a_cursor_at_either_for_the_same(
        self, requests: Requests, twice: Twice, route: Route, parameter: str
    ) -> None:
        good, resource = requests.good(route), _resource(route)
        newest = text("SELECT key FROM wellspring.cursor_keys ORDER BY pk DESC LIMIT 1")
        key = bytes(requests.database.owner.execute(newest).scalar_one())
        for row in twice.foreign.rows(good, resource.type):
            # One that somebody guesses is no cursor. One that was given away by whoever saw the row says when it was
            # made: beside rows of another time it stands where any row of that time would.
            for signed_with, status in ((b"guessed", 400), (key, 200)):

                def ask(id_: UUID, signed_with: bytes = signed_with) -> Reply:
                    cursor = cursors.sign(signed_with, resource, Sort(resource.times[0]), Position(LONG_AGO, id_))
                    reply = good.but(query=f"{quote(parameter)}={cursor}&page%5Btotal%5D=true").ask()
                    # It repeats the id where it repeats a cursor that the caller made of it.
                    assert id_.bytes in base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
                    return Reply(reply.status, reply.headers, reply.body.replace(cursor, str(id_)), reply.request_id)

                assert twice.compare(ask, row.id).status == status


def _resource(route: Route) -> Resource:
    assert route.resource is not None
    return route.resource


def _lister(good: Good, query: str) -> Callable[[object], Reply]:
    """Return what lists by a query that names an id, and counts."""
    counted = f"{query}&page[total]=true"
    return lambda id_: good.but(query=quote(counted.format(id_), safe="=&,[]")).ask()


def _row_of(requests: Requests, good: Good) -> Any:
    """Return our row in a list."""
    own = str(requests.rows[_resource(good.route).type].id)
    (row,) = (row for row in good.ask().data if row["id"] == own)
    return row


def _includes(resource: Resource) -> str:
    """Return the parameter that asks for all that may be included; nothing for a type of which nothing may."""
    return f"include={','.join(resource.includes)}" if resource.includes else ""


# ---- keys of retries -----------------------------------------------------------------------------------
def test_an_idempotency_key_that_somebody_else_has_used_is_as_good_as_new(requests: Requests, twice: Twice) -> None:
    # Whatever is sent: what is made gets an id of its own, so the request is one that is refused.
    (route,) = (route for route in JSONAPI if route.function == "workspace.select_provider")
    good = requests.good(route)
    stranger = requests.world.people(requests.workspace)
    requests.world.member(stranger, requests.workspace, "owner")
    theirs = good.but(caller=person(stranger), headers={"idempotency-key": "used"})
    assert theirs.ask().status == 201
    refused = good.but(document={"data": {**good.document["data"], "type": "workspace"}})
    elsewhere = good.but(parameters={"workspace_id": str(twice.foreign.theirs["workspace"][0].id)})
    for request in (refused, elsewhere):
        used, unused = (twice.told(request.but(headers={"idempotency-key": key}).ask, key) for key in ("used", "new"))
        assert used == unused
        assert used.status >= 400


# ---- what others have changes no answer ----------------------------------------------------------------
@of_routes(route for route in LISTS + ONES if route not in CATALOGUES)
def test_no_answer_changes_when_others_come(requests: Requests, sql: Statements, route: Route) -> None:
    good, resource = requests.good(route), _resource(route)
    queries = queries_of(requests, good)

    def answers() -> list[Any]:
        found = []
        for query in queries:
            sql.clear()
            reply = good.but(query=quote(query, safe="=&,[]")).ask()
            assert reply.status == 200, reply.body
            found.append((reply.headers, reply.body, list(sql)))
        return found

    answers()
    before = answers()
    foreign = others(requests)
    assert answers() == before
    closed = close(requests, foreign)
    # What is ours and tombstoned itself is in the lists that ask for it; all others are as they were.
    shown = resource.type in requests.rows and resource.type in closed and resource.policy == "none"
    same = [place for place, query in enumerate(queries) if not shown or "filter[deleted]" not in query]
    after = answers()
    assert [after[place] for place in same] == [before[place] for place in same]


def queries_of(requests: Requests, good: Good) -> list[str]:
    """Return the ways to ask for all of a list, or for a row and what it includes."""
    route, resource = good.route, _resource(good.route)
    everything = _includes(resource)
    queries = ["", everything]
    if route.operation == "list":
        filters = {found.name for found in resource.to_one if found.is_filter} - {*route.within.values()}
        dead = "filter[deleted]=include" if resource.has_tombstones else ""
        whole = "&".join(filter(None, ("page[total]=true", dead, everything)))
        sorts = [f"sort={time}" for time in reversed(resource.times[:2])]
        queries += ["page[total]=true", whole, *(f"{whole}&{more}" for more in (*sorts, "page[size]=1"))]
        queries += [
            f"{whole}&filter[{name}]={found['data']['id']}"
            for name, found in _row_of(requests, good).get("relationships", {}).items()
            if isinstance(found.get("data"), dict) and name in filters
        ]
    # What is kept about a connector counts its rows, those that are ours and closed, too.
    own = ",".join(said.name for said in resource.attributes if not said.computed)
    return [f"fields[{resource.type}]={own}&{query}".rstrip("&") if resource.computed else query for query in queries]


@pytest.mark.parametrize("route", ANSWERS, ids=named)
def test_no_count_sum_or_status_changes_when_another_tenants_rows_do(requests: Requests, route: Route) -> None:
    good, world = requests.good(route), requests.world
    before = good.ask()
    assert before.status == 200
    theirs = one_of_each_type(world, "Theirs", outcome="parked", reason="unexpected")
    for type_ in RECORDS:
        # Nobody but the platform writes it.
        world.provenance(requests.records[type_], theirs["workspace_connector"])
        world.tombstone(theirs[f"{type_}_workspace_connector"])
    after = good.ask()
    assert after.body.replace(after.request_id, "") == before.body.replace(before.request_id, "")


# ---- locks ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("type_", ["workspace_group_workspace", "workspace_provider"])
def test_nobody_waits_for_a_foreign_row_that_its_owner_is_changing(
    fresh_database: FreshDatabase, world: World, type_: str
) -> None:
    ours, resource = world.workspace(), resource_of(type_)
    me = world.people(ours)
    world.member(me, ours, "owner")
    row = one_of_each_type(world, "Theirs")[type_]
    with fresh_database.session() as other:
        lock = text(f"SELECT pk FROM core_api.{resource.table} WHERE id = :id FOR UPDATE")
        assert other.execute(lock, {"id": row.id}).all()
        # Whoever waited would be told 503, when their retry of `lock_timeout` is over.
        reply = delete(f"{resource.route}/{row.id}", person(me))
        assert (reply.status, reply.codes) == (404, [f"{type_.upper()}_NOT_FOUND"])
