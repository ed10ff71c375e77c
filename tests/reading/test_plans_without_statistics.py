"""Plans without statistics: made while a table is empty, they cost no more once a sync has filled it.

A server connection keeps the plans of its functions until ANALYZE, and a sync may bring 10,000 rows before that comes.
What Postgres then believes of the tables is made here in three ways. No clock is asked: what counts is how many pages
of tables and indexes are looked at, before ANALYZE on the connection that has planned already, and after it on another.
"""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.api import READER, Caller, get
from tests.support.databases import CONSUMER, FreshDatabase
from tests.support.databases import READER as READING
from tests.support.plans import Meter
from tests.support.queue import consume, synced
from tests.support.tenants import Tenant, tenant
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


class Full:
    """A tenant whose connector a sync fills."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tenant: Tenant = tenant(world, "company")
        self.other = world.workspace_connector(self.tenant.workspace)
        member, workspace = self.tenant.owner, self.tenant.workspace
        group = world.group(member)
        world.group_member(member, group)
        self.rows = [world.enrol(group, workspace, member), world.choose(workspace, world.provider("stripe"))]
        self.records: dict[str, list[Row]] = {}
        for type_ in ledgers():
            self.records[type_] = [self.tenant.record if type_ == "company" else world.record(type_, workspace)]
            self.rows.append(world.provenance(self.records[type_][0], self.tenant.connector))

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
        caller = self.tenant.caller
        for row in self.rows:
            resource = resource_of(row.type)
            include = f"?include={','.join(resource.includes)}"
            yield f"{resource.route}{include}", caller
            yield f"{resource.route}/{row.id}{include}", caller
            if resource.policy == "provenance":
                yield f"{resource.route}/{row.id}", READER
                first = f"{resource.route}?page[size]=2"
                yield get(first, caller).document["links"]["next"] or first, caller
        connector, record = self.tenant.connector.id, self.tenant.record.id
        ledger, companies = ledgers()["company"].route, resource_of("company").route
        impact = f"/v1/workspace-connectors/{connector}/impact"
        yield impact, READER
        for url in (
            impact,
            f"{ledger}?page[size]=100",
            f"{ledger}?filter[workspace_connector]={connector}&filter[direction]=input&sort=updated_at",
            f"{ledger}?filter[company]={record}",
            f"{companies}?filter[workspace]={self.tenant.workspace.id}&sort=name",
            f"{companies}/{record}/sources",
            f"{companies}?filter[sole_source]={connector}",
            f"/v1/connector-activity?filter[workspace_connector]={connector}",
            "/v1/sync-messages",
            "/v1/sync-messages?filter[outcome]=applied",
            f"/v1/sync-messages?filter[workspace_connector]={connector}",
        ):
            yield url, caller


def _never_analyzed(_world: World) -> None:
    """Leave it at what is believed of a table that nobody has looked at."""


def _of_another_shape(world: World) -> None:
    """Have each connector bring one row in, all of one record: then the next is expected to have one."""
    small = world.workspace()
    world.workspace_connector(small)
    tool = "(SELECT min(pk) FROM core_api.connectors)"
    world.fill("core_api.workspace_connectors", SMALL, workspace_pk=small.pk, connector_pk=tool)
    for type_, ledger in ledgers().items():
        world.fill(
            f"core_api.{ledger.table}",
            f"core_api.workspace_connectors WHERE workspace_pk = {small.pk}",
            **{f"{type_}_pk": world.record(type_, small).pk, "workspace_connector_pk": "pk", "direction": "'input'"},
        )
    # As autovacuum would: not what has a row or two.
    world.analyze("core_api.workspace_connectors", *(f"core_api.{each.table}" for each in ledgers().values()))


def _of_one_connector(world: World) -> None:
    """Have one connector bring all rows in, each of a record of its own: then whatever is asked for is all there is."""
    for type_ in ledgers():
        one = tenant(world, type_)
        world.provenances(world.records(type_, one.workspace, SMALL), one.connector)
    world.analyze()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the driver is given to send, in this test."""
    monkeypatch.setattr(engines, "USES_PLAN_CACHE", True)
    return noted_on_the_wire(monkeypatch)


@pytest.mark.parametrize("believed", [_never_analyzed, World.analyze, _of_another_shape, _of_one_connector])
def test_what_was_planned_before_a_sync_costs_no_more_behind_it(
    fresh_database: FreshDatabase, world: World, sent: list[str], believed: Callable[[World], None]
) -> None:
    owner = fresh_database.owner
    fresh_database.role = CONSUMER
    believed(world)
    full = Full(world)

    def read() -> list[tuple[str, int]]:
        meter = Meter(fresh_database)
        return [(url, meter.cost(url, caller)) for url, caller in full.urls()]

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
    called = {name for statement in sent for name in re.findall(rf"FROM {SCHEMA}\.(q_\w+)", statement)}
    assert called == {*owner.exec_driver_sql(FUNCTIONS).scalars()}
    full.fill()
    planned, wrote = read(), written()
    world.analyze()
    for role in (READING, CONSUMER):
        fresh_database.engine(role).dispose()
    costs = [(url, before, behind) for (url, before), (_, behind) in zip(planned, read(), strict=True)]
    assert [cost for cost in costs if cost[1] > TIMES * cost[2] + CHEAP] == []
    anew = written()
    assert wrote <= TIMES * anew, (wrote, anew)
