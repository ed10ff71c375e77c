"""The database of a run: who is in it before, and what is in it afterwards."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from sqlalchemy import Connection, text

from tests.abuse.plan import Cast, Send, Tenant
from tests.support.databases import FreshDatabase, Statements, engine_for
from tests.support.sums import RECOUNT
from tests.support.world import RECORDS, Row, World
from wellspring.repositories.feed.applying import FED

TENANTS = 6
CONNECTORS = 4
PROVIDERS = 8
COMPANIES, ACCOUNTS, PEOPLES = 8, 4, 4

# Of records: (type, record, connector, direction). Of messages: that which wrote a row, and that which ended it; None
# of a live row, NOBODY for what was before the run.
type Place = tuple[str, str, str, str]
type Life = tuple[str, str | None]
NOBODY = ""


_ROWS = " UNION ALL ".join(
    f"SELECT '{type_}', record.id::text, connector.id::text, direction::text, link.sync_message_pk, link.ended_by_pk,"
    "       link.deleted_at IS NULL"
    f"  FROM core_api.{type_}_workspace_connectors AS link JOIN {table} AS record ON record.pk = link.{type_}_pk"
    "  JOIN core_api.workspace_connectors AS connector ON connector.pk = link.workspace_connector_pk"
    for type_, table in RECORDS.items()
)
# Parents, the records among them that messages made, and choices. What the feed tells of is judged by its own model
# (feeding.py). A connector's health follows its messages.
_OTHERS = (
    " UNION ALL ".join(
        f"SELECT '{fed.table} ' || (to_jsonb(row) - ARRAY['pk', 'health', 'created_at', 'updated_at'])::text"
        f"  FROM {fed.table} AS row WHERE source IS NULL"
        for fed in FED.values()
    )
    + """
UNION ALL SELECT concat_ws(' ', 'choice', workspace_pk, provider_pk, is_matched, is_selected, deleted_at IS NULL)
  FROM core_api.workspace_providers"""
)
_MESSAGES = """
SELECT message_id::text, encode(digest, 'hex'), outcome, reason, pk, subject_id::text, counts,
       coalesce(mode = 'append' OR message_type = 'providers.matched'
                OR message_type = 'run.completed' AND mode IS NULL, false)
  FROM wellspring.sync_messages"""


@dataclass(frozen=True)
class Message:
    """The row of a message, as far as it is judged; it is part of the order of its `subject`, at the place `pk`."""

    id: str | None
    digest: str
    outcome: str
    reason: str | None
    pk: int
    subject: str | None
    counts: Mapping[str, Mapping[str, int]] | None
    only_adds: bool


@dataclass(frozen=True)
class Ledger:
    rows: Counter[tuple[Place, Life]]
    others: Counter[str]
    messages: tuple[Message, ...]
    # Where sums are not what the rows are.
    differences: tuple[str, ...]

    @property
    def counts(self) -> Counter[tuple[str | None, str, str]]:
        """How many records the messages say that they linked, ended and made; of two either may make one."""
        found: Counter[tuple[str | None, str, str]] = Counter()
        for message in self.messages:
            for type_, counts in (message.counts or {}).items() if message.outcome == "applied" else ():
                for what, number in counts.items():
                    found[None if what == "made" else message.id, type_, what] += number
        return found

    @property
    def applied(self) -> Counter[str]:
        """The ids of the messages that had their effect; once each, if all is well."""
        return Counter(message.id or "no id" for message in self.messages if message.outcome == "applied")

    @property
    def parked(self) -> Counter[tuple[str, str]]:
        """The digests of the messages that are parked, with the reason; once each, if all is well."""
        return Counter((one.digest, one.reason or "") for one in self.messages if one.outcome == "parked")

    def overtaken(self) -> set[str]:
        """Return the digests of the messages that what came after them forbids to apply once they were parked."""
        by_subject: defaultdict[str, list[Message]] = defaultdict(list)
        for message in self.messages:
            if message.subject:
                by_subject[message.subject].append(message)
        return {
            message.digest
            for messages in by_subject.values()
            for message in messages
            if any(later.pk > message.pk and not (message.only_adds and later.only_adds) for later in messages)
        }

    @classmethod
    def read(cls, url: str) -> Self:
        with owner_of(url) as owner:
            ask = owner.exec_driver_sql
            messages = {message.pk: message for message in (Message(*row) for row in ask(_MESSAGES))}
            rows = Counter(
                ((*place,), (_name(messages, writer), None if is_live else _name(messages, ender)))
                for *place, writer, ender, is_live in ask(_ROWS)
            )
            return cls(
                rows=rows,
                others=Counter(ask(_OTHERS).scalars()),
                messages=tuple(messages.values()),
                differences=tuple(f"the recount finds {difference}" for difference in ask(RECOUNT)),
            )


@contextmanager
def owner_of(url: str) -> Iterator[Connection]:
    """Give a session of the tables' owner, and commit what was done in it."""
    engine = engine_for(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _name(messages: Mapping[int, Message], pk: int | None) -> str:
    """Return the id of a message by its row's pk; NOBODY for none. A pk without a row is told as it is."""
    if pk is None:
        return NOBODY
    return (messages[pk].id or f"without an id: {pk}") if pk in messages else f"no message: {pk}"


@contextmanager
def _world(url: str) -> Iterator[World]:
    database = FreshDatabase(url, Statements())
    yield World(database)
    database.close()


def bring(url: str, cast: Cast, sends: Sequence[Send]) -> None:
    tenant_of = {name: each for each in cast.tenants for name in (*each.connectors, each.shared)}
    with _world(url) as world:
        rows = world.database.owner.execute(text("SELECT id::text, pk FROM core_api.workspaces"))
        pks = {str(id_): int(pk) for id_, pk in rows}
        for record, body in {send.missing: send.text for send in sends if send.missing}.items():
            workspace = tenant_of[json.loads(body)["workspace_connector_id"]].workspace
            world.record(record.type, Row("workspace", pks[workspace], UUID(workspace)), id=record.id)


def populate(url: str) -> Cast:
    """Put tenants into the database at `url`, with some history of their own.

    Connectors have the same ids each time: how many groups the spellings of one make depends on its letters, and so
    does what the author writes.
    """
    chance = random.Random("cast")
    with _world(url) as world:
        providers = [world.provider(f"provider-{number}") for number in range(PROVIDERS)]
        return Cast(
            tenants=tuple(_tenant(world, providers, chance) for _ in range(TENANTS)),
            providers=tuple(str(provider.id) for provider in providers),
        )


def _tenant(world: World, providers: list[Row], chance: random.Random) -> Tenant:
    workspace = world.workspace()
    ids = [UUID(int=chance.getrandbits(128), version=4) for _ in range(CONNECTORS + 1)]
    connectors = [world.workspace_connector(workspace, id=id_) for id_ in ids]
    records = [
        *world.companies(workspace, COMPANIES),
        *world.records("account", workspace, ACCOUNTS),
        *world.records("people", workspace, PEOPLES),
    ]
    for record in records[::3]:
        world.provenance(record, connectors[0])
        world.tombstone(world.provenance(record, connectors[0], "output"))
    world.choose(workspace, providers[0])
    world.choose(workspace, providers[1], is_selected=True, is_matched=True)
    world.tombstone(world.choose(workspace, providers[2], is_matched=True))
    *others, shared = (str(connector.id) for connector in connectors)
    return Tenant(str(workspace.id), tuple(others), shared, tuple(records))
