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
from tests.support.world import RECORDS, Row, World
from wellspring.repositories.feed.applying import FED

TENANTS = 6
CONNECTORS = 4
BYSTANDERS = 2
PROVIDERS = 8
COMPANIES, ACCOUNTS, PEOPLES = 8, 4, 4

# Of records: (type, record, connector, direction). Of messages: that which wrote a row, and that which ended it; None
# of a live row, NOBODY for what was before the run.
type Place = tuple[str, str, str, str]
type Life = tuple[str, str | None]
NOBODY = ""

# Where message ids are kept that the database shall not know again (`harness.Run`, without `inbox`).
FORGOTTEN = "note"


def _of_each_type(select: str) -> str:
    return " UNION ALL ".join(select.format(type=type_, table=table) for type_, table in RECORDS.items())


_OF_CONNECTOR = """
  JOIN core_api.workspace_connectors AS connector ON connector.pk = link.workspace_connector_pk
  JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk"""
_ROWS = _of_each_type(f"""
SELECT '{{type}}', record.id::text, connector.id::text, direction::text, link.sync_message_pk, link.ended_by_pk,
       link.deleted_at IS NULL
  FROM core_api.{{type}}_workspace_connectors AS link JOIN {{table}} AS record ON record.pk = link.{{type}}_pk
  {_OF_CONNECTOR}""")
# What the messages' rows say of themselves, and what the ledgers say of them. What a revert brought back, another had
# written; and what that one had ended is another's to end.
_COUNTS = " UNION ALL ".join(
    _of_each_type(f"""
SELECT pk, outcome, '{{type}} {count}', coalesce((counts #>> '{{{{{{type}},{count}}}}}')::bigint, 0) AS said,
       (SELECT count(*) FROM core_api.{{type}}_workspace_connectors WHERE {column} = message.pk) AS done
  FROM wellspring.sync_messages AS message WHERE {whose}""")
    for count, column, whose in (
        ("linked", "sync_message_pk", "message_type IS DISTINCT FROM 'sync.reverted'"),
        ("ended", "ended_by_pk", "reverted_by_pk IS NULL"),
    )
)
_SUMS = "SELECT * FROM wellspring.recount(0, (SELECT max(pk) + 1 FROM core_api.workspace_connectors), false)"
# Every record that no source of the feed told of, with its workspace; and how many the messages say they have made.
_RECORDS = _of_each_type("""
SELECT '{type}', record.id::text, workspace.id::text
  FROM {table} AS record JOIN core_api.workspaces AS workspace ON workspace.pk = record.workspace_pk
 WHERE record.source IS NULL""")
_MADE = _of_each_type("""
SELECT '{type}', coalesce(sum((counts #>> '{{{type},made}}')::bigint), 0) FROM wellspring.sync_messages""")
_CHOSEN = """
SELECT workspace.id::text, provider.id::text, choice.is_matched, choice.is_selected
  FROM core_api.workspace_providers AS choice
  JOIN core_api.workspaces AS workspace ON workspace.pk = choice.workspace_pk
  JOIN core_api.providers AS provider ON provider.pk = choice.provider_pk
 WHERE choice.deleted_at IS NULL"""
_MESSAGES = f"""
SELECT coalesce(message_id::text, {FORGOTTEN}), encode(digest, 'hex'), outcome, reason, pk, subject_id::text,
       coalesce(mode = 'append' OR message_type = 'providers.matched'
                OR message_type = 'run.completed' AND mode IS NULL, false)
  FROM wellspring.sync_messages"""
# What no message may change, whosever it is: parents, and all of the bystanders. What the feed tells of is judged by
# its own model (feeding.py). A connector's health follows its messages.
_UNTOUCHABLE = " UNION ALL ".join(
    [f"SELECT (to_jsonb(row) - 'health')::text FROM {fed.table} AS row WHERE source IS NULL" for fed in FED.values()]
    + [
        f"SELECT link::text FROM core_api.{type_}_workspace_connectors AS link {_OF_CONNECTOR}"
        " WHERE workspace.name = 'Bystander'"
        for type_ in RECORDS
    ]
    + [
        """SELECT row::text FROM core_api.workspace_providers AS row
             JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
            WHERE workspace.name = 'Bystander' OR row.deleted_at IS NOT NULL"""
    ]
)


@dataclass(frozen=True)
class Message:
    """The row of a message, as far as it is judged; it is part of the order of its `subject`, at the place `pk`."""

    id: str | None
    digest: str
    outcome: str
    reason: str | None
    pk: int
    subject: str | None
    only_adds: bool


@dataclass(frozen=True)
class Ledger:
    """What is written down."""

    rows: Counter[tuple[Place, Life]]
    # Live ones: workspace, provider, is it matched, is it selected.
    choices: frozenset[tuple[str, str, bool, bool]]
    untouchable: Counter[str]
    # With the workspace of each.
    records: Mapping[tuple[str, str], str]
    # How many the messages say that they have made, by type.
    made: Counter[str]
    messages: tuple[Message, ...]
    # Where counts and sums are not what the rows are.
    differences: tuple[str, ...]

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
        """Read all of it as the owner sees it."""
        with owner_of(url) as owner:
            ask = owner.exec_driver_sql
            messages = {message.pk: message for message in (Message(*row) for row in ask(_MESSAGES))}
            rows = Counter(
                ((*place,), (_name(messages, writer), None if is_live else _name(messages, ender)))
                for *place, writer, ender, is_live in ask(_ROWS)
            )
            counts = [
                f"{count}: message {pk} ({outcome}) says {said}, the rows {done}"
                for pk, outcome, count, said, done in ask(_COUNTS)
                if said != done
            ]
            return cls(
                rows=rows,
                choices=frozenset(map(tuple, ask(_CHOSEN))),
                untouchable=Counter(ask(_UNTOUCHABLE).scalars()),
                records={(type_, id_): workspace for type_, id_, workspace in ask(_RECORDS)},
                made=Counter({type_: int(number) for type_, number in ask(_MADE)}),
                messages=tuple(messages.values()),
                differences=(*counts, *(f"the recount finds {difference}" for difference in ask(_SUMS))),
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
    """Make the records that messages missed."""
    tenant_of = {name: each for each in cast.tenants for name in (*each.connectors, each.shared, each.whole)}
    with _world(url) as world:
        rows = world.database.owner.execute(text("SELECT id::text, pk FROM core_api.workspaces"))
        pks = {str(id_): int(pk) for id_, pk in rows}
        for record, body in {send.missing: send.text for send in sends if send.missing}.items():
            workspace = tenant_of[json.loads(body)["workspace_connector_id"]].workspace
            world.record(record.type, Row("workspace", pks[workspace], UUID(workspace)), id=record.id)


def populate(url: str) -> Cast:
    """Put tenants and bystanders into the database at `url`, with some history of their own.

    Connectors have the same ids each time: how many groups the spellings of one make depends on its letters, and so
    does what the author writes.
    """
    chance = random.Random("cast")
    with _world(url) as world:
        providers = [world.provider(f"provider-{number}") for number in range(PROVIDERS)]
        return Cast(
            tenants=tuple(_tenant(world, "Tenant", providers, chance) for _ in range(TENANTS)),
            bystanders=tuple(_tenant(world, "Bystander", providers, chance) for _ in range(BYSTANDERS)),
            providers=tuple(str(provider.id) for provider in providers),
        )


def _tenant(world: World, name: str, providers: list[Row], chance: random.Random) -> Tenant:
    workspace = world.workspace(name)
    ids = [UUID(int=chance.getrandbits(128), version=4) for _ in range(CONNECTORS + 2)]
    connectors = [world.workspace_connector(workspace, id=id_) for id_ in ids]
    records = [
        *world.companies(workspace, COMPANIES),
        *world.accounts(workspace, ACCOUNTS),
        *world.peoples(workspace, PEOPLES),
    ]
    for record in records[::3]:
        world.provenance(record, connectors[0])
        world.tombstone(world.provenance(record, connectors[0], "output"))
    for record in records[:COMPANIES]:
        world.provenance(record, connectors[-1])
    world.choose(workspace, providers[0])
    world.choose(workspace, providers[1], is_selected=True, is_matched=True)
    world.tombstone(world.choose(workspace, providers[2], is_matched=True))
    *others, shared, whole = (str(connector.id) for connector in connectors)
    return Tenant(str(workspace.id), tuple(others), shared, whole, tuple(records))
