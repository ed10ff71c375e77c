"""Cost of answers of several rows: as many as they are told from, however many there are (contract, section 7).

Counted are the rows and the entries of indexes that Postgres reads, those of its functions among them, which no plan
shows. The caps are lowered, so that few rows are many.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.api import READER, get
from tests.support.databases import Database
from tests.support.plans import rows_read
from tests.support.tenants import Tenant, tenant
from tests.support.world import World
from wellspring.repositories.answers import sole, sources

CAP, FEW, MANY = 20, 40, 1000
# Of somebody else: in small tables it may be cheaper to read all there is.
CROWD = 20_000


@contextmanager
def capped() -> Iterator[None]:
    """Tell answers from so few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "MAX_SOURCE_ROWS", CAP)
        patch.setattr(sole, "MAX_EXAMINED", CAP)
        yield


def crowded(world: World, rows: int) -> Tenant:
    """Return a tenant with a connector of so many records, of which another brings in each second.

    One of the records has as many rows, each of a message of its own.
    """
    ours = tenant(world, "company")
    other = world.workspace_connector(ours.workspace)
    companies = world.companies(ours.workspace, rows)
    world.provenances(companies, ours.connector)
    world.provenances(companies[::2], other)
    world.provenances([ours.record] * rows, other, "output")
    world.fill(
        "wellspring.sync_messages",
        rows,
        message_id="uuidv7()",
        workspace_connector_pk=other.pk,
        workspace_pk=ours.workspace.pk,
        occurred_at="now()",
    )
    world.database.owner.exec_driver_sql(
        "UPDATE core_api.company_workspace_connectors AS row SET sync_message_pk = message.pk"
        "  FROM (SELECT pk, row_number() OVER () AS n FROM wellspring.sync_messages WHERE workspace_pk = %s) AS message"
        "  JOIN (SELECT pk, row_number() OVER () AS n FROM core_api.company_workspace_connectors"
        "         WHERE company_pk = %s) AS mine USING (n)"
        " WHERE row.pk = mine.pk",
        (ours.workspace.pk, ours.record.pk),
    )
    return ours


def asked(ours: Tenant) -> dict[str, str]:
    alone = f"/v1/companies?filter[sole_source]={ours.connector.id}&page[size]=10"
    deep = get(alone, ours.caller).data[-1]["meta"]["page"]["cursor"]
    return {
        "sources": f"/v1/companies/{ours.record.id}/sources",
        "sources of a list": f"/v1/companies?filter[workspace]={ours.workspace.id}&page[size]=10&include=sources",
        "impact": f"/v1/workspace-connectors/{ours.connector.id}/impact",
        "sole source": alone,
        "sole source, after": f"{alone}&page[after]={deep}",
        "sole source, before": f"{alone}&page[before]={deep}",
    }


@pytest.mark.long
def test_an_answer_reads_as_much_as_it_is_told_from(untouched_database: Database, world: World) -> None:
    database = untouched_database
    few, many = crowded(world, FEW), crowded(world, MANY)
    crowd = tenant(world, "company")
    world.provenances([crowd.record] * CROWD, crowd.connector)
    world.analyze("core_api.company_workspace_connectors", "core_api.companies", "wellspring.sync_messages")
    callers = ((few.caller, many.caller), (READER, READER))
    with capped():
        costs = {
            name: [
                tuple(rows_read(database, *each)[0] for each in ((asked(few)[name], one), (url, other)))
                for one, other in callers
            ]
            for name, url in asked(many).items()
        }
    for name, found in costs.items():
        for little, much in found:
            assert much <= 2 * little, name
            # Nobody reads the crowd.
            assert much <= CROWD / 4, name
    # Without a cap there is more to read.
    for name in ("sources", "impact", "sole source"):
        assert rows_read(database, asked(many)[name], many.caller)[0] > costs[name][0][1] + MANY, name
