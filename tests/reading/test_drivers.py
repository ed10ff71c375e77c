"""The driver of a page: the parent whose index has the rows together that the caller asks for."""

import pytest
from pg8000.dbapi import convert_paramstyle

from tests.golden.rendering import compiled
from tests.golden.shapes import golden
from tests.support.api import READER, get, person, walked
from tests.support.databases import Database, Statements
from tests.support.world import World
from wellspring.resources import WORKSPACE_PROVIDER, resources

CHOICES = WORKSPACE_PROVIDER.route


@pytest.mark.parametrize(
    ("is_service", "filters", "driver"),
    [
        (True, "filter[provider]={provider}", "providers"),
        (True, "filter[provider]={provider}&filter[workspace]={workspace}", "workspaces"),
        # All tenants choose from one catalogue: a person who went by the provider would walk the rows of others.
        (False, "filter[provider]={provider}", "workspaces"),
    ],
)
def test_a_service_reads_the_choices_of_one_provider_by_that_provider(
    world: World, statements: Statements, *, is_service: bool, filters: str, driver: str
) -> None:
    provider, other = world.provider("wanted"), world.provider("other")
    workspaces = [world.workspace() for _ in range(3)]
    owner = world.people(workspaces[0])
    world.member(owner, workspaces[0])
    chosen = [world.choose(workspace, provider, is_matched=True) for workspace in workspaces]
    world.choose(workspaces[0], other, is_matched=True)
    caller = READER if is_service else person(owner)
    asked = filters.format(provider=provider.id, workspace=workspaces[0].id)
    url = f"{CHOICES}?page[size]=2&{asked}"
    get(url, caller)
    *_, statement = statements  # a claim of a workspace is asked first
    assert f"FROM core_api.{driver} AS" in statement.partition("driver AS")[2].partition("head AS")[0]
    assert walked(url, caller) == [row.id for row in (reversed(chosen) if driver == "providers" else chosen[:1])]


def test_the_order_of_the_filters_makes_no_other_statement(world: World, statements: Statements) -> None:
    provider, workspace = world.provider("wanted"), world.workspace()
    filters = (f"filter[provider]={provider.id}", "filter[is_selected]=true", f"filter[workspace]={workspace.id}")
    get(CHOICES, READER)  # the first answer of a process also reads the cursor keys
    statements.clear()
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        get(f"{CHOICES}?{'&'.join(filters[place] for place in order)}", READER)
    claims, pages = set(list(statements)[::2]), set(list(statements)[1::2])
    assert (len(statements), len(claims), len(pages)) == (6, 1, 1)


def test_each_resource_that_is_read_parent_by_parent_has_one_that_always_drives() -> None:
    for resource in resources():
        drivers = [related.drives for related in resource.relationships if related.drives]
        assert drivers.count("always") == bool(drivers), resource.type


def test_what_drives_has_its_index(database: Database) -> None:
    for resource in resources():
        for related in resource.relationships:
            # A message's rows are found by its connector and time; tests/reading/test_sync_messages.py has messages,
            # tests/reading/test_sync_runs.py runs, which have a time of their own.
            if related.drives and not related.is_trace and resource.attribute("created_at"):
                defined = database.owner.exec_driver_sql(
                    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'core_api' AND tablename = %s",
                    (resource.table,),
                ).scalars()
                assert any(f"({related.column}, created_at, pk)" in index for index in defined), related.name


def test_postgres_takes_every_golden_statement_as_it_is_sent(database: Database) -> None:
    for shape in golden():
        body, _ = convert_paramstyle("format", compiled(shape.question).text, ())
        database.owner.exec_driver_sql(f"PREPARE golden AS {body}")
        database.owner.exec_driver_sql("DEALLOCATE golden")
