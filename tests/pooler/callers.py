"""Callers, each in a thread with connections of its own, as a Lambda environment has them, and what each must be told.

A tenant's caller is mostly its person, now and then a service or the pipeline that feeds its connector: one connection
works for the one after the other. Whoever they are, they ask about this tenant: an id of another is a leak.
"""

import logging
import random
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select, text

from tests.support.api import PIPELINE, READER, TYPES, Caller, Reply, call, draft
from tests.support.databases import CONSUMER, WRITER, Role, engine_for, role_of_call
from tests.support.databases import READER as READER_ROLE
from tests.support.queue import consume, synced
from tests.support.tenants import tenant
from tests.support.transactions import in_transaction
from tests.support.world import RecordType, Row, World
from wellspring.access.principal import SERVICE_SCOPE, principal_of, scope_of
from wellspring.database import Transaction
from wellspring.database import scope as scopes
from wellspring.database.scope import circuit_breaker
from wellspring.errors import InternalError, SchemaValidationError, ServiceUnavailable
from wellspring.models import table_of
from wellspring.observability import logger
from wellspring.settings import CallerSettings

MOST_TOLD = 20
CHOICES = "/v1/workspace-providers"
IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Errors that Postgres makes in the middle of a transaction.
REFUSED: Mapping[str, type[Exception]] = {
    "SELECT 1/0": SchemaValidationError,
    "INSERT INTO core_api.workspaces (name) VALUES ('no right')": InternalError,
}

# The record, the connector and the direction of a row of provenance.
type Link = tuple[UUID, UUID, str]


@dataclass
class Asking:
    """What all callers do at the same time, and what becomes of it.

    Attributes:
        ledgers: one caller for each.
        provider: of the catalogue.
        requests: how many each caller makes at least.
        statuses: of the answers.
        leaks: where somebody was shown what is somebody else's.
        faults: what else was not as it must be.
    """

    ledgers: "Sequence[Ledger]"
    provider: Row
    requests: int
    statuses: list[int] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self, url: str) -> None:
        """Let all callers ask, who log in at `url`."""
        callers = [_Caller(self, ledger, number) for number, ledger in enumerate(self.ledgers)]
        with (
            ExitStack() as closing,
            pytest.MonkeyPatch.context() as patch,
            ThreadPoolExecutor(len(callers)) as pool,
        ):
            patch.setattr(scopes, "connection", _Lines(url, closing).connection)
            patch.setattr(logger._logger, "handlers", [_Kept(self)])
            closing.callback(logger.setLevel, logger._logger.level)
            logger.setLevel(logging.WARNING)
            list(pool.map(_Caller.ask_all, callers))
        circuit_breaker.record_answer()


class _Lines:
    """The engines of the callers' threads, in the place of the one that a Lambda environment has."""

    def __init__(self, url: str, closing: ExitStack) -> None:
        self._url, self._closing = url, closing
        self._own = threading.local()

    def connection(self) -> Connection:
        """Stand in for `scope.connection`."""
        engines = self._own.__dict__
        role = role_of_call.get() or WRITER
        if role not in engines:
            engines[role] = engine_for(self._url, user=role)
            self._closing.callback(engines[role].dispose)
        found: Connection = engines[role].connect()
        return found


class _Kept(logging.Handler):
    """Keeps what could not be answered, and what nobody foresaw."""

    def __init__(self, asking: Asking) -> None:
        super().__init__(logging.WARNING)
        self._asking = asking

    def emit(self, record: logging.LogRecord) -> None:
        said = record.__dict__
        if "exception" in said or said.get("code") in {InternalError.code, ServiceUnavailable.code}:
            _tell(self._asking.faults, f"the log: {record.getMessage()} {said}")


class Ledger:
    """What a tenant owns, and what its person must be shown of it at the moment.

    Attributes:
        home: its workspace, with records and a connector whose rows stay as they are.
        fed: a connector of it that the pipeline feeds.
        links: the live rows of provenance that the person sees, by the type of their record.
        settled: the keys of the connectors that always have rows.
        ids: of all rows.
    """

    def __init__(self, world: World) -> None:
        self.home, abroad = tenant(world, *TYPES), tenant(world, *TYPES)
        owner = self.home.owner
        group, self.fed = world.group(owner), world.workspace_connector(self.home.workspace)
        world.group_member(owner, group, "owner")
        world.enrol(group, abroad.workspace, owner)
        self.records = {type_: world.records(type_, self.home.workspace, 4) for type_ in TYPES}
        self.links: dict[RecordType, set[Link]] = {}
        for type_, records in self.records.items():
            world.provenances(records, self.home.connector, "output")
            world.tombstone(world.provenance(records[0], self.fed))
            brought_in = [(place.records[type_].id, place.connector.id, "input") for place in (self.home, abroad)]
            self.links[type_] = {*brought_in, *((row.id, self.home.connector.id, "output") for row in records)}
        self.settled = {self.home.connector.pk, abroad.connector.pk}
        rows = [group, self.fed, *(row for records in self.records.values() for row in records)]
        for place in (self.home, abroad):
            rows += [place.workspace, place.connector, *place.records.values(), *place.provenances.values()]
        self.ids = {str(row.id) for row in rows}


class _Caller:
    """Asks one thing after another about a tenant."""

    def __init__(self, asking: Asking, ledger: Ledger, number: int) -> None:
        self.asking, self.mine, self.number = asking, ledger, number
        self.who = ledger.home.caller
        self.scope = scope_of(principal_of(self.who.claims, CallerSettings()))
        self.others = [other for other in asking.ledgers if other is not ledger]
        self.foreign = {id_ for other in self.others for id_ in other.ids}
        self.dice = random.Random(number)
        self.requests = 0

    def ask_all(self) -> None:
        """Ask until enough has been asked."""
        questions = (self.look, self.look_as_service, self.look_unguarded, self.feed, self.write_provenance)
        while self.requests < self.asking.requests:
            question = self.dice.choice([*questions, *[self.look_at_one, self.be_refused] * 3])
            try:
                question()
            except Exception as error:  # noqa: BLE001  (whatever it is, it is told with the rest)
                self.wrong(f"{question.__name__}: {type(error).__name__}: {error}")

    @property
    def type(self) -> RecordType:
        return self.dice.choice(TYPES)

    # ---- asking --------------------------------------------------------------------------------------
    def ask(self, method: str, url: str, who: Caller, status: int, document: Any = None) -> Reply:
        """Ask once; the answer has this status, and shows nothing of others."""
        reply = call(method, url, who, document)
        self.answered(reply.status)
        if shown := (self.foreign & {*IDS.findall(reply.body)}) - {*IDS.findall(url)}:
            _tell(self.asking.leaks, f"{self.number}: {url} shows {shown}")
        self.same(f"{method} {url}: {reply.body}", reply.status, status)
        return reply

    def answered(self, status: int) -> None:
        self.requests += 1
        self.asking.statuses.append(status)

    def as_role[Result](self, role: Role, work: Callable[[], Result]) -> Result:
        """Do what logs in as a role."""
        token = role_of_call.set(role)
        try:
            return work()
        finally:
            role_of_call.reset(token)

    def wrong(self, what: str) -> None:
        _tell(self.asking.faults, f"{self.number}: {what}")

    def same(self, what: str, found: object, expected: object) -> None:
        """Say so where two differ."""
        if found != expected:
            self.wrong(f"{what}: {found} and not {expected}")

    # ---- reading -------------------------------------------------------------------------------------
    def look(self) -> None:
        """Read all pages of a list."""
        type_, found, expected = self.type, list[Link](), self.mine.links
        sort, size = self.dice.choice(("created_at", "-created_at", "-updated_at")), self.dice.choice((4, 100))
        asked = f"page[size]={size}&page[total]=true&include={type_},workspace_connector.workspace&sort={sort}"
        following: str | None = f"{_path(type_)}?{asked}"
        while following is not None:
            reply = self.ask("GET", following, self.who, 200)
            found += _links(type_, reply)
            self.same("the total", reply.document["meta"]["page"]["total"], len(expected[type_]))
            following = reply.document["links"]["next"]
        self.same(f"all of {type_}", sorted(found), sorted(expected[type_]))

    def look_as_service(self) -> None:
        """Read what does not change of the tenant, as who sees all of them."""
        type_, connector = self.type, self.mine.home.connector.id
        reply = self.ask("GET", f"{_path(type_)}?filter[workspace_connector]={connector}&include={type_}", READER, 200)
        expected = [link for link in self.mine.links[type_] if link[1] == connector]
        self.same(f"the settled {type_}", sorted(_links(type_, reply)), sorted(expected))
        self.ask("DELETE", f"{CHOICES}/{connector}", READER, 403)

    def look_at_one(self) -> None:
        type_ = self.type
        mine, theirs = (ledger.home.provenances[type_].id for ledger in (self.mine, self.dice.choice(self.others)))
        reply = self.ask("GET", f"{_path(type_)}/{mine}?include={type_}", self.who, 200)
        self.same(f"one of {type_}", reply.data["id"], str(mine))
        self.ask("GET", f"{_path(type_)}/{theirs}", self.who, 404)

    def look_unguarded(self) -> None:
        """Read a table with row-level security alone: as oneself, as nobody, as a service, and after errors."""
        table, role = table_of(f"{self.type}_workspace_connectors"), self.dice.choice((READER_ROLE, WRITER))
        read = select(table.c.workspace_connector_pk).distinct()

        def seen(scope: str | None) -> set[int]:
            return self.as_role(role, lambda: in_transaction(lambda held: set(held.execute(read).scalars()), scope))

        if foreign := seen(self.scope) - self.mine.settled - {self.mine.fed.pk} | seen(None):
            _tell(self.asking.leaks, f"{self.number}: {table} shows {foreign}")
        for scope in (self.scope, SERVICE_SCOPE):
            self.same(f"what {table} lacks", self.mine.settled - seen(scope), set())
        for statement, refusal in REFUSED.items():
            try:
                self.as_role(role, partial(in_transaction, partial(_execute, sql=statement), self.scope))
            except refusal:
                continue
            self.wrong(f"{statement} was not refused")

    def be_refused(self) -> None:
        theirs = self.dice.choice(self.others).home
        provider = draft("workspace_provider", provider=self.asking.provider)
        self.ask("GET", theirs.providers, self.who, 404)
        self.ask("POST", theirs.providers, self.who, 404, provider)
        self.ask("GET", f"{CHOICES}?filter[workspace]={theirs.workspace.id}", self.who, 403)
        self.ask("POST", CHOICES, self.who, 400, {})

    # ---- writing -------------------------------------------------------------------------------------
    def feed(self) -> None:
        """Deliver a message, twice; its rows take the place of the former ones."""
        records = [self.dice.choice(rows) for rows in self.mine.records.values()]
        message = synced(self.mine.fed, records, mode="relink")
        for _ in range(2):
            self.same("what came back", self.as_role(CONSUMER, lambda: consume(message)), [])
            self.answered(200)
        for row in records:
            self.mine.links[row.type].add((row.id, self.mine.fed.id, "input"))

    def write_provenance(self) -> None:
        """Write a row as the pipeline, which its person sees and may not remove; and remove it."""
        type_, connector = self.type, self.mine.fed
        record = self.dice.choice(self.mine.records[type_])
        related = {type_: record, "workspace_connector": connector}
        document = draft(f"{type_}_workspace_connector", {"direction": "output"}, **related)
        reply = self.ask("POST", _path(type_), PIPELINE, 201, document)
        url = f"{_path(type_)}/{reply.data['id']}"
        for answer in (reply, self.ask("GET", url, self.who, 200)):
            self.same(f"the written {type_}", _links(type_, answer), [(record.id, connector.id, "output")])
        self.ask("DELETE", url, self.who, 403)
        self.ask("DELETE", url, PIPELINE, 204)
        self.ask("GET", url, self.who, 404)


def _tell(list_: list[str], what: str) -> None:
    if len(list_) < MOST_TOLD:
        list_.append(what[:1000])


def _execute(transaction: Transaction, sql: str) -> None:
    transaction.execute(text(sql))


def _path(type_: RecordType) -> str:
    return f"/v1/{type_}-workspace-connectors"


def _links(type_: RecordType, reply: Reply) -> list[Link]:
    """Return what the rows of an answer link."""
    found: list[Link] = []
    for item in reply.data if isinstance(reply.data, list) else [reply.data]:
        record, connector = (item["relationships"][name]["data"]["id"] for name in (type_, "workspace_connector"))
        found.append((UUID(record), UUID(connector), item["attributes"]["direction"]))
    return found
