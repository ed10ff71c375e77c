"""The first page of many connectors is read by what each brought last, and shows what it would without (ADR 0045)."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.access.scene import walked
from tests.reading.conftest import fetched
from tests.support.api import READER, Caller, get, one_of_each_kind, person
from tests.support.databases import FreshDatabase, engine_for
from tests.support.transactions import enter
from tests.support.world import RecordType, Row, World
from wellspring.access.many_workspaces import FEW
from wellspring.access.principal import principal_of, scope_of
from wellspring.settings import CallerSettings

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
# Of more the policies list none (revision 0003).
MOST = 2000
CONNECTORS, ROWS, MOMENTS = 30, 200, 15
WORKSPACES, OF_EACH, OF_A_PAGE, OF_ALL = 300, 3, 20, 64
# To list the workspaces, by the predicate and for the policies; to find a connector, and when it brought its last row.
OF_A_WORKSPACE, OF_A_CONNECTOR = 8, 5


def member_of(world: World, home: Row, workspaces: list[int]) -> Caller:
    somebody = world.people(home)
    world.member(somebody, home)
    world.member_of_all(somebody, workspaces)
    world.database.commit()
    return person(somebody)


@pytest.mark.parametrize("besides", [0, FEW, MOST], ids=["few", "many", "too many to be listed"])
@pytest.mark.parametrize("type_", one_of_each_kind(["company", "account", "people"]))
def test_its_rows_are_those_of_the_whole_list_in_its_order(
    fresh_database: FreshDatabase, type_: RecordType, besides: int
) -> None:
    """Where the newest rows of most connectors are not shown, too: of a record that has gone, and not yet its rows."""
    world = World(fresh_database)
    chance = random.Random(f"{type_} {besides}")
    home = world.workspace()
    caller = member_of(world, home, world.workspaces(besides))
    connectors = [world.workspace_connector(home) for _ in range(CONNECTORS)]
    shown, hidden = world.record(type_, home), world.record(type_, home)
    stranger = world.workspace()
    world.provenance(world.record(type_, stranger), world.workspace_connector(stranger))
    made: dict[datetime, list[Row]] = {}
    for number in sorted(chance.randrange(MOMENTS) for _ in range(ROWS)):
        at, connector = NOON + timedelta(minutes=number), chance.choice(connectors)
        # What came last is hidden, of all but some connectors; of some all is.
        is_hidden = connector in connectors[-8:] or (number > MOMENTS // 2 and connector not in connectors[:4])
        row = world.provenance(hidden if is_hidden else shown, connector, created_at=at)
        if not is_hidden:
            made.setdefault(at, []).append(row)
    expected = [row.id for at in sorted(made, reverse=True) for row in sorted(made[at], key=lambda row: -row.pk)]
    url = f"/v1/{type_}-workspace-connectors"
    world.tombstone(hidden)
    for size in (3, 11, 50):
        assert walked(f"{url}?page[size]={size}", caller) == expected, size


def test_a_page_of_hundreds_of_workspaces_looks_up_one_head_a_connector(fresh_database: FreshDatabase) -> None:
    world, owner = World(fresh_database), fresh_database.owner
    home = world.workspace()
    others = world.workspaces(WORKSPACES)
    world.connector()
    for connectors, workspaces in ((OF_EACH, [home.pk]), (OF_EACH, others)):
        owner.execute(
            text(
                "INSERT INTO core_api.workspace_connectors (workspace_pk, connector_pk)"
                " SELECT workspace, (SELECT min(pk) FROM core_api.connectors)"
                "  FROM unnest(CAST(:workspaces AS bigint[])) AS workspace, generate_series(1, :connectors)"
            ),
            {"workspaces": workspaces, "connectors": connectors},
        )
    owner.exec_driver_sql(
        "INSERT INTO core_api.companies (name, workspace_pk) SELECT 'Its', pk FROM core_api.workspaces"
    )
    owner.exec_driver_sql(
        "INSERT INTO core_api.company_workspace_connectors (company_pk, workspace_connector_pk, direction, created_at)"
        " SELECT company.pk, connector.pk, 'input', timestamptz '2026-01-01Z' + turn * interval '1 hour'"
        "   FROM core_api.workspace_connectors AS connector"
        "   JOIN core_api.companies AS company USING (workspace_pk), generate_series(1, 40) AS turn"
        "  ORDER BY turn, connector.pk"
    )
    owner.commit()
    alone, wide = member_of(world, home, []), member_of(world, home, others)
    engine = engine_for(fresh_database.url)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as apart:
        apart.exec_driver_sql("VACUUM (ANALYZE)")
    engine.dispose()
    url = "/v1/company-workspace-connectors"
    get(url, READER)
    most = fetched(fresh_database, url, alone)
    more = OF_A_WORKSPACE * WORKSPACES + OF_A_CONNECTOR * OF_EACH * WORKSPACES
    onwards = get(url, wide).document["links"]["next"]
    assert fetched(fresh_database, url, wide) <= most + more
    assert fetched(fresh_database, onwards, wide) <= 3 * most + more


def test_a_page_of_many_connectors_reads_little_more_than_the_page(fresh_database: FreshDatabase) -> None:
    """Each has brought a page's worth at a time of its own: of the others' rows none is as new as that of the third."""
    world = World(fresh_database)
    home = world.workspace()
    records = world.companies(home, OF_A_PAGE)
    for number in range(CONNECTORS):
        at = NOON + timedelta(minutes=number)
        world.provenances(records, world.workspace_connector(home), created_at=[at] * OF_A_PAGE)
    caller = member_of(world, home, [])
    fresh_database.owner.exec_driver_sql("ANALYZE")
    fresh_database.commit()
    url = "/v1/company-workspace-connectors"
    get(url, READER)
    # 231 rows would be read otherwise, and looked at 1,203 pages of memory for; it is 673.
    assert fetched(fresh_database, url, caller) <= 900
    assert len(walked(url, caller)) == CONNECTORS * OF_A_PAGE


def test_of_connectors_that_are_not_told_of_no_row_is_as_new_as_is_said(fresh_database: FreshDatabase) -> None:
    world = World(fresh_database)
    home = world.workspace()
    company = world.company(home)
    times = {}
    for number in range(OF_ALL):
        connector = world.workspace_connector(home)
        # Their last rows are in no order of theirs.
        times[connector.pk] = NOON + timedelta(minutes=number * 37 % OF_ALL)
        world.provenances([company] * 2, connector, created_at=[NOON - timedelta(days=1), times[connector.pk]])
    scope = scope_of(principal_of(member_of(world, home, []).claims, CallerSettings()))
    wanted = text("SELECT * FROM wellspring.newest_of_company_workspace_connectors(1, :before, 0)")
    for before in (NOON + timedelta(days=1), NOON + timedelta(minutes=OF_ALL // 2)):
        with fresh_database.engine("wellspring_reader").connect() as session:
            enter(session, scope)
            told = session.execute(wanted, {"before": before}).all()
        (since,) = (row.newest_at for row in told if row.connector_pk is None)
        newest = {row.connector_pk: row.newest_at for row in told if row.connector_pk is not None}
        assert newest == {pk: at for pk, at in times.items() if since <= at < before}
        assert 1 <= len(newest) < OF_ALL // 2
