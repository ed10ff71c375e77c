"""Plans without statistics: made while a table is empty, they cost no more once a sync has filled it.

A server connection keeps the plans of its functions until ANALYZE, and a sync may bring 10,000 rows before that comes.
What Postgres then believes of the tables is made here in three ways. No clock is asked: what counts is how many pages
of tables and indexes are looked at, before ANALYZE on the connection that has planned already, and after it on another.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from tests.reading.conftest import Tenant, tenant
from tests.support.api import READER, Caller, get
from tests.support.databases import CONSUMER, FreshDatabase, Role
from tests.support.databases import READER as READING
from tests.support.plans import keep_open
from tests.support.queue import consume, synced
from tests.support.wire import noted_on_the_wire
from tests.support.world import Row, World
from wellspring.database import engine as engines
from wellspring.plan_cache import SCHEMA
from wellspring.resources import ledgers, resource_of

pytestmark = pytest.mark.long

# Of one sync, in messages of so many at most.
RECORDS, MOST = 10_500, 3000
# Connectors that a row of each ledger is of, all of one record.
SMALL = 2000
# What a request may cost beside the same after ANALYZE, and under what it is cheap: other plans may be as good.
TIMES, CHEAP = 2, 600

FUNCTIONS = f"SELECT proname FROM pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace"
RELATIONS = (
    "SELECT array_agg(oid)::text FROM pg_class"
    " WHERE relnamespace IN (to_regnamespace('core_api'), to_regnamespace('wellspring'))"
)
FETCHED = "SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM unnest(%s::oid[]) AS oid"


class Meter:
    """Counts the pages that transactions of one role look at, their functions' among them, which no plan shows."""

    def __init__(self, database: FreshDatabase, role: Role) -> None:
        self._engine = database.engine(role)
        self._relations = database.owner.exec_driver_sql(RELATIONS).scalar_one()
        self._counted: list[int] = []

    def _count(self, sign: int) -> Callable[[Connection], None]:
        def note(connection: Connection) -> None:
            # Not through SQLAlchemy, which would tell of it, too.
            cursor: Any = connection.connection.cursor()
            cursor.execute(FETCHED, (self._relations,))
            self._counted.append(sign * int(cursor.fetchall()[0][0]))
            cursor.close()

        return note

    @contextmanager
    def measuring(self) -> Iterator[list[int]]:
        """Give a list that holds the number when the block has ended."""
        found: list[int] = []
        listeners = {"begin": self._count(-1), "commit": self._count(1), "rollback": self._count(1)}
        for name, listener in listeners.items():
            event.listen(self._engine, name, listener)
        with pytest.MonkeyPatch.context() as patched:
            keep_open(patched)
            yield found
        for name, listener in listeners.items():
            event.remove(self._engine, name, listener)
        found.append(sum(self._counted))
        self._counted.clear()


class Full:
    """A tenant whose connector a sync fills."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tenant: Tenant = tenant(world, "company")
        self.other = world.workspace_connector(self.tenant.workspace)
        member, workspace = self.tenant.member, self.tenant.workspace
        group, provider = world.group(member), world.provider("stripe")
        world.group_member(member, group)
        self.rows: dict[str, Row] = {
            "company_workspace_connector": self.tenant.provenance,
            "workspace_group_workspace": world.enrol(group, workspace, member),
            "workspace_provider": world.choose(workspace, provider),
        }
        self.records: dict[str, list[Row]] = {"company": [self.tenant.record]}
        for type_ in ledgers():
            if type_ != "company":
                self.records[type_] = [world.record(type_, workspace)]
                self.rows[ledgers()[type_].type] = world.provenance(self.records[type_][0], self.tenant.connector)

    def sync(self, type_: str, records: list[Row]) -> None:
        """Have the sync consumer link records to the connector, and each second one to another."""
        for beginning in range(0, len(records), MOST):
            some = records[beginning : beginning + MOST]
            assert consume(synced(self.tenant.connector, some)) == []
            assert consume(synced(self.other, some[::2], mode="relink")) == []

    def fill(self) -> None:
        """Sync thousands of companies: the ledgers of other types differ in names alone (`test_matrix`)."""
        records = self.world.companies(self.tenant.workspace, RECORDS)
        self.sync("company", records)
        self.records["company"] += records
        # Others do so behind it: in the order of time their rows come first.
        crowd = tenant(self.world, "company")
        self.world.provenances(self.world.companies(crowd.workspace, RECORDS), crowd.connector)

    def urls(self) -> Iterator[tuple[str, Caller]]:
        """Yield requests that call each planned function that reads, and each function behind an answer."""
        connector, caller = self.tenant.connector.id, self.tenant.caller
        objects = [resource_of(type_) for type_ in self.rows]
        for resource in objects:
            include = ",".join(resource.includes)
            yield f"{resource.route}?include={include}", caller
            yield f"{resource.route}/{self.rows[resource.type].id}?include={include}", caller
            if resource.policy == "provenance":
                yield f"{resource.route}/{self.rows[resource.type].id}", READER
                yield _onwards(f"{resource.route}?page[size]=2", caller), caller
        yield from ((url, caller) for url in self._of_companies())
        yield f"/v1/workspace-connectors/{connector}/impact", caller
        yield f"/v1/workspace-connectors/{connector}/impact", READER
        yield f"/v1/connector-activity?filter[workspace_connector]={connector}", caller
        for message in ("", "?filter[outcome]=applied", f"?filter[workspace_connector]={connector}"):
            yield f"/v1/sync-messages{message}", caller

    def _of_companies(self) -> Iterator[str]:
        connector, record = self.tenant.connector.id, self.records["company"][0].id
        ledger, route = ledgers()["company"].route, resource_of("company").route
        yield f"{ledger}?page[size]=100"
        yield f"{ledger}?filter[workspace_connector]={connector}&filter[direction]=input&sort=updated_at"
        yield f"{ledger}?filter[company]={record}"
        yield f"{route}?filter[workspace]={self.tenant.workspace.id}&sort=name"
        yield f"{route}/{record}/sources"
        yield f"{route}?filter[sole_source]={connector}"


def _onwards(url: str, caller: Caller) -> str:
    following: str | None = get(url, caller).document["links"]["next"]
    return following or url


def _never_analyzed(world: World) -> None:
    """Leave it at what is believed of a table that nobody has looked at."""


def _analyzed_while_empty(world: World) -> None:
    world.database.owner.exec_driver_sql("ANALYZE")
    world.database.commit()


def _of_another_shape(world: World) -> None:
    """Have each connector bring one row in, all of one record: then the next is expected to have one."""
    owner, small = world.database.owner, world.workspace()
    world.workspace_connector(small)
    owner.exec_driver_sql(
        "INSERT INTO core_api.workspace_connectors (workspace_pk, connector_pk)"
        " SELECT %s, (SELECT min(pk) FROM core_api.connectors) FROM generate_series(1, %s)",
        (small.pk, SMALL),
    )
    for type_, ledger in ledgers().items():
        owner.exec_driver_sql(
            f"INSERT INTO core_api.{ledger.table} ({type_}_pk, workspace_connector_pk, direction)"
            " SELECT %s, pk, 'input' FROM core_api.workspace_connectors WHERE workspace_pk = %s",
            (world.record(type_, small).pk, small.pk),
        )
    # As autovacuum would: not what has a row or two.
    for table in ("workspace_connectors", *(ledger.table for ledger in ledgers().values())):
        owner.exec_driver_sql(f"ANALYZE core_api.{table}")
    world.database.commit()


def _of_one_connector(world: World) -> None:
    """Have one connector bring all rows in, each of a record of its own: then whatever is asked for is all there is."""
    for type_ in ledgers():
        one = tenant(world, type_)
        world.provenances(world.records(type_, one.workspace, SMALL), one.connector)
    world.database.owner.exec_driver_sql("ANALYZE")
    world.database.commit()


def _called(sent: list[str]) -> set[str]:
    return {
        statement.split(f"FROM {SCHEMA}.")[1].split("(")[0] for statement in sent if f"FROM {SCHEMA}.q_" in statement
    }


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the driver is given to send, in this test."""
    monkeypatch.setattr(engines, "USES_PLAN_CACHE", True)
    return noted_on_the_wire(monkeypatch)


@pytest.mark.parametrize("believed", [_never_analyzed, _analyzed_while_empty, _of_another_shape, _of_one_connector])
def test_what_was_planned_before_a_sync_costs_no_more_behind_it(
    fresh_database: FreshDatabase, world: World, sent: list[str], believed: Callable[[World], None]
) -> None:
    owner = fresh_database.owner
    fresh_database.role = CONSUMER
    believed(world)
    full = Full(world)

    def read() -> list[tuple[str, int]]:
        costs: list[tuple[str, int]] = []
        for url, caller in full.urls():
            meter = Meter(fresh_database, READING)
            with meter.measuring() as found:
                reply = get(url, caller)
            assert reply.status == 200, (url, reply.body)
            costs.append((url, found[0]))
        return costs

    def written() -> int:
        """Link 3,000 companies, and then end and link half of them."""
        meter = Meter(fresh_database, CONSUMER)
        with meter.measuring() as found:
            full.sync("company", full.records["company"][1 : 1 + MOST])
        return found[0]

    for type_ in ledgers():
        full.sync(type_, full.records[type_])
    for _ in range(6):
        read()
    # Each of them has been planned, on a connection that is kept.
    assert _called(sent) == {*owner.exec_driver_sql(FUNCTIONS).scalars()}
    full.fill()
    planned, wrote = read(), written()
    owner.exec_driver_sql("ANALYZE")
    owner.commit()
    for role in (READING, CONSUMER):
        fresh_database.engine(role).dispose()
    costs = [(url, before, behind) for (url, before), (_, behind) in zip(planned, read(), strict=True)]
    assert [cost for cost in costs if cost[1] > TIMES * cost[2] + CHEAP] == []
    anew = written()
    assert wrote <= TIMES * anew, (wrote, anew)
