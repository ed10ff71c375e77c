"""Creating one row through the whole handler, in this process, beside psycopg that inserts it."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg

from bench import product
from bench.data import SYNC, WRITER, Ledger, scratch
from bench.measure import Result, Timed, compared, interleaved, milliseconds, timed
from bench.run import Run
from wellspring.access.principal import SERVICE_SCOPE

NAMES = ("create",)
AIM = 2.0
# What the handler makes sure of: both parents are live, and of one live workspace.
_INSERT = b"""
INSERT INTO core_api.company_workspace_connectors (company_pk, workspace_connector_pk, direction)
SELECT company.pk, connector.pk, CAST(%s AS core_api.direction_enum)
  FROM core_api.companies AS company
  JOIN core_api.workspaces AS home ON home.pk = company.workspace_pk AND home.deleted_at IS NULL
  JOIN core_api.workspace_connectors AS connector ON connector.workspace_pk = home.pk
 WHERE company.id = CAST(%s AS uuid) AND company.deleted_at IS NULL
   AND connector.id = CAST(%s AS uuid) AND connector.deleted_at IS NULL
RETURNING id, direction, created_at, coalesce(updated_at, created_at), deleted_at
"""


def measure(run: Run) -> Iterator[Result]:
    """Measure a POST by a service into a copy of the big ledger, as `wellspring_writer`."""
    with scratch(run.big(), run.say) as copy:
        run.say("create: one row of provenance")
        company, connector = parents(copy)
        with product.functions(copy, WRITER), copy.connect(WRITER) as plain:
            handler = product.handler(product.CREATE)
            event = product.post("bench", draft(company, connector))
            document = product.body_of(handler(event, None), status=201)
            samples = interleaved(
                [timed(lambda: handler(event, None)), _inserted(plain, company, connector, document)],
                rounds=run.samples(600),
                warm_up=30,
            )
        yield compared("create", *samples, aim=AIM)
        _check(copy, company)


def parents(ledger: Ledger) -> tuple[UUID, UUID]:
    """Return a company and the connector of its tenant."""
    workspace = "(SELECT pk FROM core_api.workspaces WHERE name = %s)"
    (company,) = ledger.ids(f"SELECT id FROM core_api.companies WHERE workspace_pk = {workspace} LIMIT 1", SYNC)
    (connector,) = ledger.ids(f"SELECT id FROM core_api.workspace_connectors WHERE workspace_pk = {workspace}", SYNC)
    return company, connector


def draft(company: UUID, connector: UUID) -> Any:
    """Return the document of a POST."""
    return {
        "data": {
            "type": "company_workspace_connector",
            "attributes": {"direction": "input"},
            "relationships": {
                "company": {"data": {"type": "company", "id": str(company)}},
                "workspace_connector": {"data": {"type": "workspace_connector", "id": str(connector)}},
            },
        }
    }


def _inserted(connection: psycopg.Connection, company: UUID, connector: UUID, document: Any) -> Timed:
    """Return a sampler of the floor. Its rows are marked as output, to be told apart from the handler's."""
    enter = product.entering(SERVICE_SCOPE)

    def insert() -> None:
        connection.execute(enter.sql, enter.parameters)
        assert connection.execute(_INSERT, ("output", company, connector)).fetchone()
        connection.commit()
        json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    return lambda: milliseconds(insert)


def _check(ledger: Ledger, company: UUID) -> None:
    """Make sure that the handler has written as many rows (input) as the floor (output), but for its first."""
    with ledger.connect() as connection:
        counted = connection.execute(
            "SELECT row.direction, count(*) FROM core_api.company_workspace_connectors AS row"
            "  JOIN core_api.companies AS company ON company.pk = row.company_pk"
            " WHERE company.id = %s GROUP BY row.direction",
            (company,),
        )
        found: dict[str, int] = dict(counted.fetchall())
    assert found["input"] == found["output"] + 1, found
