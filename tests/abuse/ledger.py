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

from tests.abuse.plan import NOBODY, Cast, Record, Rows, Send, Tenant
from tests.support.databases import FreshDatabase, Statements, engine_for
from tests.support.world import RECORDS, Row, World

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

# Where message ids are kept that the database shall not know again (`harness.Settings.inbox`).
FORGOTTEN = "note"

# Every row of the ledgers, by public ids, and the messages that wrote and ended it.
_ROWS = text(
    " UNION ALL ".join(
        f"SELECT '{type_}', record.id, connector.id, direction::text, link.sync_message_pk, link.ended_by_pk,"
        "        link.deleted_at IS NULL"
        f"  FROM core_api.{type_}_workspace_connectors AS link"
        f"  JOIN {table} AS record ON record.pk = link.{type_}_pk"
        "  JOIN core_api.workspace_connectors AS connector ON connector.pk = link.workspace_connector_pk"
        for type_, table in RECORDS.items()
    )
)
# What the messages' rows say of themselves, and what the ledgers say of them.
_COUNTS = text(
    " UNION ALL ".join(
        f"SELECT pk, outcome, '{type_} {count}', coalesce((counts #>> '{{{type_},{count}}}')::bigint, 0) AS said,"
        f"       (SELECT count(*) FROM core_api.{type_}_workspace_connectors WHERE {column} = message.pk) AS done"
        f"  FROM wellspring.sync_messages AS message WHERE {whose}"
        for type_ in RECORDS
        # What a revert brought back, another had written; and what that one had ended is another's to end.
        for count, column, whose in (
            ("linked", "sync_message_pk", "message_type IS DISTINCT FROM 'sync.reverted'"),
            ("ended", "ended_by_pk", "reverted_by_pk IS NULL"),
        )
    )
)
# Every record that no source of the feed told of, with its workspace; and how many the messages say that they have
# made, by type.
_RECORDS = text(
    " UNION ALL ".join(
        f"SELECT '{type_}', record.id::text, workspace.id::text FROM {table} AS record"
        "  JOIN core_api.workspaces AS workspace ON workspace.pk = record.workspace_pk WHERE record.source IS NULL"
        for type_, table in RECORDS.items()
    )
)
_MADE = text(
    " UNION ALL ".join(
        f"SELECT '{type_}', coalesce(sum((counts #>> '{{{type_},made}}')::bigint), 0) FROM wellspring.sync_messages"
        for type_ in RECORDS
    )
)
_CONNECTORS = text(
    "SELECT connector.id, workspace.id FROM core_api.workspace_connectors AS connector"
    "  JOIN core_api.workspaces AS workspace ON workspace.pk = connector.workspace_pk"
)
_SUMS = text("SELECT * FROM wellspring.recount(0, (SELECT max(pk) + 1 FROM core_api.workspace_connectors), false)")


@dataclass(frozen=True)
class Message:
    """The row of a message, as far as it is judged.

    Attributes:
        id: the message's, where it has one.
        digest: SHA-256 of its body, in hexadecimal.
        outcome: what became of it.
        reason: why it is parked.
        began: when its transaction began, in seconds since 1970; 0 where it had no effect.
        pk: its place in the order of arrival.
        subject: the connector or workspace whose order it is part of.
        only_adds: whether it ends nothing.
    """

    id: str | None
    digest: str
    outcome: str
    reason: str | None
    began: float
    pk: int
    subject: str | None
    only_adds: bool


@dataclass(frozen=True)
class Ledger:
    """What is written down.

    Attributes:
        rows: how many rows there are of each place, with the messages that wrote and ended them.
        matched: each (workspace, provider) with a live, matched row.
        selected: the same of selected ones.
        untouchable: every column of every row that no message of a run may change.
        records: each record, with the workspace that it belongs to.
        made: how many records of each type the messages have made, as they say.
        connectors: the workspace of each connector.
        messages: the row of each message.
        differences: where counts and sums are not what the rows are.
    """

    rows: Rows
    matched: frozenset[tuple[str, str]]
    selected: frozenset[tuple[str, str]]
    untouchable: Counter[str]
    records: Mapping[Record, str]
    made: Counter[str]
    connectors: Mapping[str, str]
    messages: tuple[Message, ...]
    differences: tuple[str, ...]

    @property
    def applied(self) -> Mapping[str, float]:
        """The ids of the messages that had their effect, and when its transaction began."""
        return {message.id: message.began for message in self.messages if message.id and message.outcome == "applied"}

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
            found = owner.execute(
                text(
                    f"SELECT pk, coalesce(message_id::text, {FORGOTTEN}), encode(digest, 'hex'), outcome, reason,"
                    "        coalesce(extract(epoch FROM processed_at), 0), subject_id::text,"
                    "        coalesce(mode = 'append' OR message_type = 'providers.matched'"
                    "                 OR message_type = 'run.completed' AND mode IS NULL, false)"
                    "  FROM wellspring.sync_messages"
                )
            )
            messages = {
                pk: Message(id_, digest, outcome, reason, float(began), pk, subject, only_adds)
                for pk, id_, digest, outcome, reason, began, subject, only_adds in found
            }
            rows = Counter(
                (
                    (type_, str(record), str(connector), direction),
                    (_name(messages, writer), None if is_live else _name(messages, ender)),
                )
                for type_, record, connector, direction, writer, ender, is_live in owner.execute(_ROWS)
            )
            chosen = owner.exec_driver_sql(
                "SELECT workspace.id, provider.id, choice.is_matched, choice.is_selected"
                "  FROM core_api.workspace_providers AS choice"
                "  JOIN core_api.workspaces AS workspace ON workspace.pk = choice.workspace_pk"
                "  JOIN core_api.providers AS provider ON provider.pk = choice.provider_pk"
                " WHERE choice.deleted_at IS NULL"
            ).all()
            return cls(
                rows=rows,
                matched=frozenset((str(workspace), str(provider)) for workspace, provider, yes, _ in chosen if yes),
                selected=frozenset((str(workspace), str(provider)) for workspace, provider, _, yes in chosen if yes),
                untouchable=cls._untouchable(owner),
                records={Record(type_, id_): workspace for type_, id_, workspace in owner.execute(_RECORDS)},
                made=Counter({type_: int(number) for type_, number in owner.execute(_MADE) if number}),
                connectors={str(connector): str(workspace) for connector, workspace in owner.execute(_CONNECTORS)},
                messages=tuple(messages.values()),
                differences=tuple(cls._differences(owner)),
            )

    @staticmethod
    def _differences(owner: Connection) -> Iterator[str]:
        for pk, outcome, count, said, done in owner.execute(_COUNTS):
            if said != done:
                yield f"{count}: message {pk} ({outcome}) says {said}, the rows {done}"
        for difference in owner.execute(_SUMS):
            yield f"the recount finds {difference}"

    @staticmethod
    def _untouchable(owner: Connection) -> Counter[str]:
        mine = "workspace.name = 'Bystander'"
        # What the feed tells of is judged by its own model (feeding.py). A connector's health follows its messages.
        selects = [
            f"SELECT (to_jsonb(row) - 'health')::text FROM core_api.{table} AS row WHERE source IS NULL"
            for table in PARENTS
        ]
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


def _name(messages: Mapping[int, Message], pk: int | None) -> str:
    """Return the id of a message by its row's pk; NOBODY for none. A pk without a row is told as it is."""
    if pk is None:
        return NOBODY
    return (messages[pk].id or f"without an id: {pk}") if pk in messages else f"no message: {pk}"


def bring(url: str, cast: Cast, sends: Sequence[Send]) -> None:
    """Make the records that messages missed."""
    database = FreshDatabase(url, Statements())
    world = World(database)
    with Ledger.owner(url) as owner:
        pks = {str(id_): pk for id_, pk in owner.execute(text("SELECT id, pk FROM core_api.workspaces"))}
    workspaces = {
        connector: Row("workspace", pks[tenant.workspace], UUID(tenant.workspace))
        for tenant in cast.tenants
        for connector in (*tenant.connectors, tenant.shared, tenant.whole)
    }
    missing = {send.missing: json.loads(send.text)["workspace_connector_id"] for send in sends if send.missing}
    for record, connector in missing.items():
        world.record(record.type, workspaces[connector], id=UUID(record.id))
    database.close()


def populate(url: str) -> Cast:
    """Put tenants and bystanders into the database at `url`, with some history of their own.

    Connectors have the same ids each time: how many groups the spellings of one make depends on its letters, and so
    does what the author writes.
    """
    database = FreshDatabase(url, Statements())
    world = World(database)
    chance = random.Random("cast")
    providers = [world.provider(f"provider-{number}") for number in range(PROVIDERS)]
    cast = Cast(
        tenants=tuple(_tenant(world, "Tenant", providers, chance) for _ in range(TENANTS)),
        bystanders=tuple(_tenant(world, "Bystander", providers, chance) for _ in range(BYSTANDERS)),
        providers=tuple(str(provider.id) for provider in providers),
    )
    database.close()
    return cast


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
    return Tenant(
        workspace=str(workspace.id),
        connectors=tuple(str(connector.id) for connector in connectors[:-2]),
        shared=str(connectors[-2].id),
        whole=str(connectors[-1].id),
        records=tuple(Record(row.type, str(row.id)) for row in records),
    )
