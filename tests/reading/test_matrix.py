"""No list is a cliff: whatever sort, filter, size and caller, a page costs what a plain page of that caller costs.

The cells are made from the declarations, so that a new sort or filter is among them from its first day. What they cost
is counted in the pages of memory that Postgres looks at, for a plain page and for each cell in the same database. A
cell may cost ten times as much, or be refused with 400 and the reason (contract, section 4, "Lists").

Each list is made once and each cell asked for once, whatever the tests say of it: there are thousands. Of lists that
differ in names alone one is asked for, and the others are seen to differ in nothing else.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from local.postgres import Cluster
from tests.support.api import READER, Reply, person
from tests.support.databases import FreshDatabase, OpenAt, Statements, fresh
from tests.support.plans import Meter, Sent
from tests.support.transactions import enter
from tests.support.world import OBJECTS, Row, World
from wellspring.database import scope
from wellspring.jsonapi.query import DELETED, RANGE_OPERATORS, SORTABLE
from wellspring.plan_cache import SCHEMA, name_of
from wellspring.queries import MAX_PAGE_SIZE, MAX_TOTAL
from wellspring.resources import DIRECTIONS, Attribute, Resource, ledgers

pytestmark = pytest.mark.long

MOST = 10
# Under this a page is cheap, whatever the plain one costs: an empty list's is a dozen.
CHEAP = 600
# What it takes to find the first row of one parent, of those that a filter names, and to show one row of a large page,
# with the two messages that it may name.
OF_A_PARENT, OF_A_ROW = 60, 22
# A row that is counted is asked about by the policies, as a row of a page is.
MOST_OF_A_COUNTED_ROW = 14
BEGINNING = datetime(2026, 5, 1, tzinfo=UTC)
# Of the big connector: its newest rows are dead, and of all its rows few are of one direction.
ROWS, DEAD, RARE = 12_000, 4_000, 8
WORKSPACES = 12


class Ledger:
    """A list, what its cells name, and what each of them costs: it is asked for once.

    Attributes:
        resource: what is listed.
        workspace: the workspace with the many rows.
        callers: a member of that workspace alone, one of that and of others, and a service.
        parents: ids for the filter of each relationship.
    """

    def __init__(self, world: World, resource: Resource) -> None:
        self.resource = resource
        self.workspace = world.workspace()
        self.others = [world.workspace() for _ in range(WORKSPACES)]
        self.one, self.several = (world.people(self.workspace) for _ in range(2))
        for found in (self.workspace, *self.others):
            world.member(self.several, found)
        world.member(self.one, self.workspace)
        self.callers = {"one": person(self.one), "several": person(self.several), "service": READER}
        self.parents: Mapping[str, list[UUID]] = MAKERS[resource.policy](world, self)
        world.analyze()
        assert isinstance(world.database, FreshDatabase)
        self._meter = Meter(world.database)
        self._known: dict[tuple[str, str], tuple[Reply, list[Sent], int]] = {}

    def cell(self, query: str, who: str) -> tuple[Reply, list[Sent], int]:
        """Return the answer, the statements that read the list, and how many pages all looked at."""
        if (query, who) not in self._known:
            reply, sent, cost = self._meter.asked(f"{self.resource.route}?{query}", self.callers[who])
            self._known[query, who] = reply, [each for each in sent if self.resource.table in each[0]], cost
        return self._known[query, who]

    def cost(self, query: str, who: str) -> int:
        reply, _, cost = self.cell(query, who)
        assert reply.status == 200, (query, reply.document)
        return cost

    def cost_of(self, statement: str, values: Any, who: str) -> int:
        """Return what a statement costs, sent as it is."""
        with self._meter.measuring() as found, self._meter.engine.connect() as session, session.begin():
            enter(session, self.callers[who].scope)
            session.exec_driver_sql(statement, values).all()
        return found[0]


def _filled(world: World, table: str, row: Mapping[str, str], rows: int, live: int) -> None:
    """Insert many rows at once; the first `live` of them are live, and each third was never updated."""
    at = f"LATERAL (SELECT timestamptz '{BEGINNING.isoformat()}' + n / 20 * interval '1 second' AS at) AS t"
    world.fill(
        f"core_api.{table}",
        f"generate_series(1, {rows}) AS n CROSS JOIN {at}",
        **row,
        created_at="t.at",
        updated_at="CASE WHEN n % 3 = 0 THEN NULL ELSE t.at + interval '1 second' END",
        deleted_at=f"CASE WHEN n > {live} THEN t.at + interval '1 hour' END",
    )


def _one_of(rows: Sequence[Row], number: str = "n") -> str:
    return f"(ARRAY{[row.pk for row in rows]}::bigint[])[1 + {number} % {len(rows)}]"


def provenance(world: World, ledger: Ledger) -> Mapping[str, list[UUID]]:
    """A connector of many rows beside small ones, of this workspace and of others."""
    workspace, record = ledger.workspace, ledger.resource.relationships[0].name
    records = [world.record(record, workspace) for _ in range(200)]
    big, *small = (world.workspace_connector(workspace) for _ in range(4))
    direction = f"(CASE WHEN n % {ROWS // RARE} = 0 THEN 'output' ELSE 'input' END)::core_api.direction_enum"
    row = {f"{record}_pk": _one_of(records), "workspace_connector_pk": str(big.pk), "direction": direction}
    _filled(world, ledger.resource.table, row, ROWS, ROWS - DEAD)
    for connector in small:
        world.provenance(records[0], connector)
    for other in ledger.others:
        world.provenance(world.record(record, other), world.workspace_connector(other))
    # All that is live and new was written by some messages at the same time, a row by each.
    at = BEGINNING + timedelta(seconds=100)
    messages = [world.message(big, workspace, processed_at=at) for _ in range(20)]
    world.database.owner.exec_driver_sql(
        f"UPDATE core_api.{ledger.resource.table} AS row SET sync_message_pk = {_one_of(messages, 'row.pk')}"
        f" WHERE workspace_connector_pk = {big.pk} AND created_at = timestamptz '{at.isoformat()}'"
    )
    of_kind = {record: records[:100], "workspace_connector": [big, *small], "sync_message": messages}
    return {name: [row.id for row in rows] for name, rows in of_kind.items()}


def enrolments(world: World, ledger: Ledger) -> Mapping[str, list[UUID]]:
    """A group with many enrolments, most of them of workspaces that have left it: seen, unseen, and gone."""
    group = world.group()
    world.group_member(ledger.several, group)
    for other in (ledger.workspace, *ledger.others):
        world.enrol(group, other)
    stranger, gone = world.workspace(), world.workspace()
    world.tombstone(gone)
    left = _one_of([ledger.workspace, stranger, gone])
    row = {"workspace_group_pk": str(group.pk), "workspace_pk": left, "created_by_pk": str(ledger.one.pk)}
    _filled(world, ledger.resource.table, row, DEAD, 0)
    return {"workspace_group": [group.id], "workspace": [ledger.workspace.id], "created_by": [ledger.one.id]}


def choices(world: World, ledger: Ledger) -> Mapping[str, list[UUID]]:
    """A workspace with a catalogue's choices, chosen and removed again and again."""
    providers = [world.provider(f"provider-{number}") for number in range(60)]
    for number, provider in enumerate(providers):
        world.choose(ledger.workspace, provider, is_matched=True, is_selected=number % 30 == 0)
    for other in ledger.others:
        world.choose(other, providers[0], is_matched=True)
    row = {"workspace_pk": str(ledger.workspace.pk), "provider_pk": _one_of(providers)}
    _filled(world, ledger.resource.table, row, DEAD, 0)
    return {"workspace": [ledger.workspace.id], "provider": [providers[7].id]}


MAKERS: Mapping[str, Callable[[World, Ledger], Mapping[str, list[UUID]]]] = {
    "provenance": provenance,
    "enrolment": enrolments,
    "selection": choices,
}
# Of each kind the first: the ledgers of record types differ in names only.
# What of a ledger its record's name is in.
OF_ITS_NAME = {"type", "table", "route", "includes", "relationships", "_by_name"}
MEASURED = tuple({resource.policy: resource for resource in reversed(OBJECTS)}.values())


SORTS = [f"{sign}{name}" for name in SORTABLE for sign in ("", "-")]


def filters(ledger: Ledger) -> Iterator[str]:
    """Yield what a request may filter by, each by itself, from the declaration; the first is no filter."""
    yield ""
    for relationship in (each for each in ledger.resource.to_one if each.is_filter):
        ids = ledger.parents[relationship.name]
        yield f"filter[{relationship.name}]={ids[0]}"
        yield f"filter[{relationship.name}]={','.join(map(str, ids))}"
    yield "&".join(f"filter[{name}]={ledger.parents[name][0]}" for name in ledger.resource.driving)
    for attribute in ledger.resource.attributes:
        yield from _of(attribute)
    yield f"filter[workspace]={ledger.workspace.id}"


def _of(attribute: Attribute) -> Iterator[str]:
    times = (BEGINNING, BEGINNING + timedelta(seconds=ROWS // 40), BEGINNING + timedelta(days=300))
    values = {
        "direction": [f"={direction}" for direction in DIRECTIONS],
        "boolean": ["=true", "=false"],
        "instant": [f"[{operator}]={quote(at.isoformat())}" for at in times for operator in RANGE_OPERATORS],
    }
    if attribute.kind not in values:
        pytest.fail(f"nobody has thought of a list by {attribute.kind}")
    yield from (f"filter[{attribute.name}]{value}" for value in values[attribute.kind])


def cells(ledger: Ledger) -> Iterator[str]:
    """Yield the queries: each order of each half under each filter, and the plain page in other sizes."""
    claim = f"&filter[workspace]={ledger.workspace.id}"
    for sort, deleted, asked in product(SORTS, DELETED, filters(ledger)):
        yield f"sort={sort}&filter[deleted]={deleted}&{asked}".rstrip("&")
        if asked.startswith(("filter[direction]", "filter[is_")):
            yield f"sort={sort}&filter[deleted]={deleted}&{asked}{claim}"
    for size, deleted in product((1, 51, MAX_PAGE_SIZE), DELETED):
        yield f"page[size]={size}&filter[deleted]={deleted}"
    yield f"include={','.join(ledger.resource.includes)}"


@pytest.fixture(scope="module", params=MEASURED, ids=lambda resource: resource.type)
def ledger(request: pytest.FixtureRequest, cluster: Cluster, template: str, open_at: OpenAt | None) -> Iterator[Ledger]:
    """A list, in a database of its own."""
    with fresh(cluster, template, Statements(), open_at) as database, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scope, "connection", database.connection)
        yield Ledger(World(database), request.param)


def nameless(ledger: Resource) -> list[object]:
    """Return all that the lists of a record type's ledger are made from, without the type's names."""
    record, *others = ledger.relationships
    said = {name: said for name, said in vars(ledger).items() if name not in OF_ITS_NAME}
    return [said, replace(record, name="record", target="record"), *others]


def test_the_ledgers_of_record_types_differ_in_names_only() -> None:
    """So do the tables, indexes and policies that they are read by: tests/declaring/test_every_ledger.py."""
    first, *others = map(nameless, ledgers().values())
    assert others
    assert all(other == first for other in others)
    assert {resource.policy for resource in OBJECTS} == {resource.policy for resource in MEASURED} == {*MAKERS}


def most(query: str, plain: int) -> int:
    """Return what a cell may cost. Who asks for hundreds of rows, or names a hundred parents, asks for so much more."""
    size = re.search(r"page\[size\]=(\d+)", query)
    return max(MOST * plain, CHEAP, OF_A_ROW * int(size[1]) if size else 0, OF_A_PARENT * (query.count(",") + 1))


@pytest.mark.parametrize("who", ["one", "several", "service"])
def test_no_cell_costs_more_than_ten_plain_pages(ledger: Ledger, who: str) -> None:
    plain = ledger.cost("sort=-created_at", who)
    dear, refused = {}, 0
    for query in dict.fromkeys(cells(ledger)):
        reply, _, _ = ledger.cell(query, who)
        if reply.status == 400:
            refused += 1
            assert "ask for" in reply.errors[0]["detail"], query
        elif (cost := ledger.cost(query, who)) > most(query, plain):
            dear[query] = cost
    assert dear == {}, f"a plain page costs {plain}"
    assert refused > 0


@pytest.mark.parametrize("who", ["one", "several", "service"])
def test_a_total_looks_at_no_more_rows_than_it_counts(ledger: Ledger, who: str) -> None:
    page = ledger.cost("filter[deleted]=include", who)
    reply, _, cost = ledger.cell("filter[deleted]=include&page[total]=true", who)
    told = reply.document["meta"]["page"]
    assert told.get("total_is_capped", False) is (ledger.resource.policy == "provenance")
    assert told["total"] <= MAX_TOTAL
    assert cost - page <= told["total"] * MOST_OF_A_COUNTED_ROW + MOST * page


@pytest.mark.parametrize("who", ["one", "several"])
def test_what_is_planned_once_is_planned_as_well(ledger: Ledger, who: str) -> None:
    """The plan that does not know the values looks at what the other does."""
    ((statement, values),) = ledger.cell("", who)[1]
    call = f"SELECT * FROM {SCHEMA}.{name_of(statement)}({', '.join(['%s'] * len(values))})"
    as_text = ledger.cost_of(f"/* as text */ {statement}", values, who)
    assert ledger.cost_of(call, values, who) <= 1.5 * as_text + 50
