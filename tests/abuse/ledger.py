"""The database of a run: who is in it before, and what is in it afterwards."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection

from tests.abuse.plan import Cast, Place, Record, Tenant
from tests.support.databases import FreshDatabase, Statements, engine_for
from tests.support.world import Row, World
from tests.sync.conftest import LEDGER

TENANTS = 6
CONNECTORS = 4
BYSTANDERS = 2
PROVIDERS = 8
COMPANIES, ACCOUNTS, PEOPLES = 8, 4, 4

PROVENANCE = ("account_workspace_connectors", "company_workspace_connectors", "people_workspace_connectors")
# What no message may change, whosever it is.
PARENTS = (
    "workspaces",
    "peoples",
    "companies",
    "accounts",
    "connectors",
    "workspace_connectors",
    "workspace_memberships",
    "providers",
)


@dataclass(frozen=True)
class Ledger:
    """What is written down.

    Attributes:
        rows: how many rows there are of each (type, record, connector, direction, is it live).
        matched: each (workspace, provider) with a live, matched row.
        selected: the same of selected ones.
        untouchable: every column of every row that no message of a run may change.
        inbox: the ids of the messages that had their effect, and when its transaction began, in seconds since 1970.
    """

    rows: Mapping[Place, int]
    matched: frozenset[tuple[str, str]]
    selected: frozenset[tuple[str, str]]
    untouchable: Counter[str]
    inbox: Mapping[str, float]

    @staticmethod
    @contextmanager
    def owner(url: str) -> Iterator[Connection]:
        """Give a session of the tables' owner, and commit what was done in it."""
        engine = engine_for(url)
        with engine.begin() as connection:
            yield connection
        engine.dispose()

    @classmethod
    def read(cls, url: str) -> Self:
        """Read all of it as the owner sees it."""
        with cls.owner(url) as owner:
            rows = Counter(
                (type_, str(record), str(connector), direction, live)
                for type_, record, connector, direction, live in owner.execute(LEDGER)
            )
            chosen = owner.exec_driver_sql(
                "SELECT workspace.id, provider.id, choice.is_matched, choice.is_selected"
                "  FROM core_api.workspace_providers AS choice"
                "  JOIN core_api.workspaces AS workspace ON workspace.pk = choice.workspace_pk"
                "  JOIN core_api.providers AS provider ON provider.pk = choice.provider_pk"
                " WHERE choice.deleted_at IS NULL"
            ).all()
            inbox = owner.exec_driver_sql("SELECT message_id, processed_at FROM wellspring.sync_inbox")
            return cls(
                rows=rows,
                matched=frozenset((str(workspace), str(provider)) for workspace, provider, yes, _ in chosen if yes),
                selected=frozenset((str(workspace), str(provider)) for workspace, provider, _, yes in chosen if yes),
                untouchable=cls._untouchable(owner),
                inbox={str(id_): at.timestamp() for id_, at in inbox},
            )

    @staticmethod
    def _untouchable(owner: Connection) -> Counter[str]:
        mine = "workspace.name = 'Bystander'"
        selects = [f"SELECT row::text FROM core_api.{table} AS row" for table in PARENTS]
        selects += [
            f"SELECT row::text FROM core_api.{table} AS row"
            "  JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk"
            f"  JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk AND {mine}"
            for table in PROVENANCE
        ]
        selects.append(
            "SELECT row::text FROM core_api.workspace_providers AS row"
            "  JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk"
            f" WHERE {mine} OR row.deleted_at IS NOT NULL"
        )
        found: Counter[str] = Counter()
        for select in selects:
            found.update(owner.exec_driver_sql(select).scalars())
        return found


def populate(url: str) -> Cast:
    """Put tenants and bystanders into the database at `url`, with some history of their own."""
    database = FreshDatabase(url, Statements())
    world = World(database)
    providers = [world.provider(f"provider-{number}") for number in range(PROVIDERS)]
    cast = Cast(
        tenants=tuple(_tenant(world, "Tenant", providers) for _ in range(TENANTS)),
        bystanders=tuple(_tenant(world, "Bystander", providers) for _ in range(BYSTANDERS)),
        providers=tuple(str(provider.id) for provider in providers),
    )
    database.close()
    return cast


def _tenant(world: World, name: str, providers: list[Row]) -> Tenant:
    workspace = world.workspace(name)
    connectors = [world.workspace_connector(workspace) for _ in range(CONNECTORS + 1)]
    records = [
        *world.companies(workspace, COMPANIES),
        *world.accounts(workspace, ACCOUNTS),
        *world.peoples(workspace, PEOPLES),
    ]
    for record in records[::3]:
        world.provenance(record, connectors[0])
        world.tombstone(world.provenance(record, connectors[0], "output"))
    world.choose(workspace, providers[0])
    world.choose(workspace, providers[1], is_selected=True, is_matched=True)
    world.tombstone(world.choose(workspace, providers[2], is_matched=True))
    return Tenant(
        workspace=str(workspace.id),
        connectors=tuple(str(connector.id) for connector in connectors[:-1]),
        shared=str(connectors[-1].id),
        records=tuple(Record(row.type, str(row.id)) for row in records),
    )
