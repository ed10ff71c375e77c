"""Callers, each in a thread with connections of its own, as a Lambda environment has them, and what each must be told.

A tenant's caller is mostly its person, now and then the pipeline that feeds its connector: one connection works for the
one after the other. What is shown is compared with what the caller knows to be there, row by row.
"""

import logging
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, select, text

from tests.support.api import PIPELINE, READER, TYPES, Caller, Reply, call, draft, person
from tests.support.databases import CONSUMER, WRITER, Role, engine_for, role_of_call
from tests.support.databases import READER as READER_ROLE
from tests.support.queue import consume, synced
from tests.support.transactions import in_transaction
from tests.support.world import Direction, RecordType, Row, World
from wellspring.access.principal import SERVICE_SCOPE, principal_of, scope_of
from wellspring.database import Transaction, WireStatement
from wellspring.database import scope as scopes
from wellspring.database.circuit_breaker import circuit_breaker
from wellspring.database.session import session_of
from wellspring.errors import InternalError, SchemaValidationError, ServiceUnavailable
from wellspring.models import table_of
from wellspring.observability import logger
from wellspring.resources import resource_of
from wellspring.settings import CallerSettings

PROVIDERS = 2
# As many tries as nobody needs: a caller who is told to come again does so until something else is said.
PATIENCE = 500
MOST_TOLD = 20

CHOICES = "/v1/workspace-providers"
GROUPS = "/v1/workspace-groups"
# How all names of a tenant begin, and no other's.
MARK = re.compile(r"\bT\d\d ")
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
        tenants: one caller for each, and one more, a service, which sees all of them.
        providers: the catalogue.
        requests: how many each caller makes at least.
        disturbed: whether 503 is an answer.
        unsafe: whether the scope is said as no function of the product says it; one leak will do then.
        statuses: of the answers.
        sqlstates: in the log of what could not be answered.
        leaks: where somebody was shown what is somebody else's.
        faults: what else was not as it must be.
    """

    tenants: "Sequence[Tenant]"
    providers: Sequence[UUID]
    requests: int
    disturbed: bool = False
    unsafe: bool = False
    statuses: list[int] = field(default_factory=list)
    sqlstates: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def run(self, url: str) -> None:
        """Let all callers ask, who log in at `url`."""
        callers = [*(_OfTenant(self, tenant) for tenant in self.tenants), _OfAll(self, "the service")]
        with (
            ExitStack() as closing,
            pytest.MonkeyPatch.context() as patch,
            ThreadPoolExecutor(len(callers)) as pool,
        ):
            patch.setattr(scopes, "connection", _Lines(url, closing).connection)
            if self.unsafe:
                patch.setattr(scopes, "_once", _once_unsafely)
            patch.setattr(logger._logger, "handlers", [_Kept(self)])
            closing.callback(logger.setLevel, logger._logger.level)
            logger.setLevel(logging.WARNING)
            list(pool.map(lambda caller: caller.ask_all(caller.questions), callers))
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
    """Keeps the SQLSTATEs of what could not be answered, and what nobody foresaw."""

    def __init__(self, asking: Asking) -> None:
        super().__init__(logging.WARNING)
        self._asking = asking

    def emit(self, record: logging.LogRecord) -> None:
        said = record.__dict__
        self._asking.sqlstates.append(str(said.get("sqlstate", "none")))
        if "exception" in said or said.get("code") == InternalError.code:
            _tell(self._asking.faults, f"the log: {record.getMessage()} {said}")


def _once_unsafely[Result](
    work: Callable[[Transaction], Result], limits: scopes._Limits, *, is_read: bool, trace: WireStatement | None
) -> Result:
    """Do as `scopes._once`, but say for whom before the transaction, for the whole session."""
    with scopes.connection() as held:
        held.execute(text("SELECT set_config('wellspring.scope', :scope, false)"), {"scope": limits._scope})
        held.commit()
        with held.begin():
            if trace is not None:
                session_of(held).ahead(trace.text, *trace.values)
            return work(held)


class Tenant:
    """What a tenant owns, and what its caller must be shown of it at the moment.

    Attributes:
        mark: how all its names begin.
        caller: its person, who owns `home` and, through the group, sees `second`.
        home: a workspace with records and two connectors.
        second: a workspace that is enrolled in the group.
        settled: a connector of `home` whose rows stay as they are.
        fed: a connector of `home` that the pipeline feeds.
        kept: one row of each type of provenance, of `settled`.
        numbers: the pks of records and connectors.
        links: the live rows of provenance that the person sees, by the type of their record.
        lasting: those of them that no pipeline changes.
    """

    def __init__(self, world: World, number: int, providers: Sequence[Row]) -> None:
        self.mark = mark = f"T{number:02} "
        self.home, self.second = (world.workspace(f"{mark}{name}") for name in ("home", "second"))
        owner = world.people(self.home, f"{mark}owner")
        self.caller = person(owner)
        world.member(owner, self.home, "owner")
        self.group = world.group(owner, f"{mark}group")
        world.group_member(owner, self.group, "owner")
        world.enrol(self.group, self.second, owner)
        self.settled, self.fed, remote = (world.workspace_connector(of) for of in (self.home, self.home, self.second))
        self.records = {type_: self._records(world, type_, self.home, 4) for type_ in TYPES}
        self.kept: dict[RecordType, Row] = {}
        self.numbers = {row.id: row.pk for row in (self.settled, self.fed, remote)}
        self.links: dict[RecordType, set[Link]] = {type_: set() for type_ in TYPES}
        for type_, records in self.records.items():
            abroad = self._records(world, type_, self.second, 1)
            for place, row in enumerate((*records, *abroad)):
                self.numbers[row.id] = row.pk
                connector = remote if row in abroad else self.settled
                direction: Direction = "output" if place % 2 else "input"
                self.kept.setdefault(type_, world.provenance(row, connector, direction))
                self.links[type_].add((row.id, connector.id, direction))
            world.tombstone(world.provenance(records[0], self.fed))
        self.lasting = {type_: frozenset(links) for type_, links in self.links.items()}
        for provider in providers:
            world.choose(self.home, provider, is_matched=True)

    def numbered(self, type_: RecordType, *, lasting: bool = False) -> list[tuple[int, int, str]]:
        """Return links as the table has them."""
        links = self.lasting[type_] if lasting else self.links[type_]
        return [(self.numbers[record], self.numbers[connector], way) for record, connector, way in links]

    def _records(self, world: World, type_: RecordType, workspace: Row, count: int) -> list[Row]:
        name = resource_of(type_).attributes[0].name
        return [world.record(type_, workspace, **{name: f"{self.mark}{type_} {number}"}) for number in range(count)]


def tenants(world: World, count: int) -> tuple[list[Tenant], list[UUID]]:
    """Make so many tenants, and rows between each of them and the next; return them and the catalogue's providers."""
    providers = [world.provider(f"provider-{number}") for number in range(PROVIDERS)]
    made = [Tenant(world, number, providers) for number in range(count)]
    for ours, theirs in zip(made, [*made[1:], made[0]], strict=True):
        for rows in ours.records.values():
            # Seen by neither: the platform may move a record.
            world.provenance(rows[0], theirs.settled)
    return made, [provider.id for provider in providers]


class _Caller:
    """Somebody who asks one thing after another."""

    def __init__(self, asking: Asking, name: str) -> None:
        self.asking, self.name = asking, name
        self.dice = random.Random(name)
        self.requests = 0

    def ask_all(self, questions: Sequence[Callable[[], None]]) -> None:
        """Ask until enough has been asked."""
        while self.requests < self.asking.requests and not (self.asking.unsafe and self.asking.leaks):
            question = self.dice.choice(questions)
            try:
                question()
            except Exception as error:  # noqa: BLE001  (whatever it is, it is told with the rest)
                self.wrong(f"{question.__name__}: {type(error).__name__}: {error}")

    @property
    def type(self) -> RecordType:
        return self.dice.choice(TYPES)

    # ---- asking --------------------------------------------------------------------------------------
    def ask(
        self,
        method: str,
        url: str,
        who: Caller,
        *statuses: int,
        document: Any = None,
        key: str | None = None,
        when_done: int | None = None,
    ) -> Reply:
        """Ask until something else than 503 is said, which must be one of `statuses`.

        Or `when_done`, after a 503: the first request may have been granted all the same.
        """
        tries: list[int] = []

        def asked() -> Reply | None:
            reply = call(method, url, who, document, headers={"idempotency-key": key} if key else None)
            tries.append(reply.status)
            self.answered(reply.status)
            self.read(reply)
            return None if reply.status == 503 else reply

        reply = self.until_answered(asked)
        if reply.status not in statuses and (len(tries) == 1 or reply.status != when_done):
            self.wrong(f"{method} {url} is none of {statuses}: {reply.status} {reply.body}")
        return reply

    def get(self, url: str, who: Caller, status: int = 200) -> Reply:
        return self.ask("GET", url, who, status)

    def answered(self, status: int) -> None:
        self.requests += 1
        self.asking.statuses.append(status)

    def read(self, reply: Reply) -> None:
        """Look at an answer as such, whatever was asked."""

    def table(self, type_: RecordType, scope: str | None, role: Role = READER_ROLE) -> list[Any]:
        """Return all live rows of a table, read with nothing that asks for whom."""
        table = table_of(f"{type_}_workspace_connectors")
        columns = (table.c[f"{type_}_pk"], table.c.workspace_connector_pk, table.c.direction)
        statement = select(*columns).where(table.c.deleted_at.is_(None))
        return self.transact(lambda held: [tuple(row) for row in held.execute(statement)], scope, role)

    def transact[Result](self, work: Callable[[Transaction], Result], scope: str | None, role: Role) -> Result:
        """Run `work` as the product does."""

        def ran() -> tuple[Result] | None:
            token = role_of_call.set(role)
            try:
                return (in_transaction(work, scope),)
            except ServiceUnavailable:
                return None
            finally:
                role_of_call.reset(token)

        return self.until_answered(ran)[0]

    def until_answered[Answer](self, ask: Callable[[], Answer | None]) -> Answer:
        """Repeat a question until there is an answer; where nothing disturbs, the first time."""
        for _ in range(PATIENCE):
            answer = ask()
            if answer is not None:
                return answer
            if not self.asking.disturbed:
                self.wrong("503, and nothing had happened")
        raise TimeoutError

    # ---- findings ------------------------------------------------------------------------------------
    def wrong(self, what: str) -> None:
        _tell(self.asking.faults, f"{self.name}: {what}")

    def same(self, what: str, found: object, expected: object) -> None:
        """Say so where two differ."""
        if found != expected:
            self.wrong(f"{what}: {found} and not {expected}")

    def shown(self, what: str, found: Iterable[object], expected: Iterable[object]) -> None:
        """Say what is there and is not the caller's, and what is the caller's and not there."""
        there, theirs = Counter(found), Counter(expected)
        if there - theirs:
            _tell(self.asking.leaks, f"{self.name}: {what} shows {list((there - theirs).elements())} of others")
        if theirs - there:
            self.wrong(f"{what} lacks {list((theirs - there).elements())}")


class _OfTenant(_Caller):
    """A tenant's person, and the pipeline that feeds the tenant."""

    def __init__(self, asking: Asking, tenant: Tenant) -> None:
        super().__init__(asking, tenant.mark)
        self.mine, self.who = tenant, tenant.caller
        self.scope = scope_of(principal_of(tenant.caller.claims, CallerSettings()))
        self.others = [other for other in asking.tenants if other is not tenant]

    @property
    def questions(self) -> Sequence[Callable[[], None]]:
        reading = (self.walk, self.look_at_everything, self.look_unguarded)
        writing = (self.feed, self.write_provenance)
        return (*reading, *writing, *[self.look_at_one, self.be_refused] * 3)

    @property
    def other(self) -> Tenant:
        return self.dice.choice(self.others)

    def read(self, reply: Reply) -> None:
        """Find names of others."""
        self.shown("an answer", set(MARK.findall(reply.body)) | {self.mine.mark}, {self.mine.mark})

    # ---- reading -------------------------------------------------------------------------------------
    def walk(self) -> None:
        type_ = self.type
        found: list[Link] = []
        sort = self.dice.choice(("created_at", "-created_at", "-updated_at"))
        following: str | None = f"{_path(type_)}?page[size]=5&sort={sort}"
        while following is not None:
            reply = self.get(following, self.who)
            found += _links(type_, reply)
            following = reply.document["links"]["next"]
        self.shown(f"a walk over {type_}", found, self.mine.links[type_])

    def look_at_everything(self) -> None:
        type_ = self.type
        reply = self.get(f"{_path(type_)}?page[total]=true&include={type_},workspace_connector.workspace", self.who)
        expected = self.mine.links[type_]
        self.shown(f"the page of all of {type_}", _links(type_, reply), expected)
        self.same("the count", reply.document["meta"]["page"]["total"], len(expected))
        linked = {id_ for record, connector, _ in expected for id_ in (record, connector)}
        included = [UUID(item["id"]) for item in reply.document["included"]]
        self.shown("what is included", included, linked | {self.mine.home.id, self.mine.second.id})

    def look_at_one(self) -> None:
        type_ = self.type
        mine, theirs = (tenant.kept[type_].id for tenant in (self.mine, self.other))
        reply = self.get(f"{_path(type_)}/{mine}?include={type_}", self.who)
        self.same(f"one of {type_}", reply.data["id"], str(mine))
        self.get(f"{_path(type_)}/{theirs}", self.who, 404)

    def look_unguarded(self) -> None:
        """Read whole tables with row-level security alone: as oneself, as nobody, and after errors."""
        type_, role = self.type, self.dice.choice((READER_ROLE, WRITER))
        self.shown(f"the table of {type_}", self.table(type_, self.scope, role), self.mine.numbered(type_))
        self.shown(f"the table of {type_} for nobody", self.table(type_, None, role), ())
        for statement, refusal in REFUSED.items():
            try:
                self.transact(lambda held, sql=statement: held.execute(text(sql)), self.scope, role)  # type: ignore[misc]
            except refusal:
                continue
            self.wrong(f"{statement} was not refused")

    def be_refused(self) -> None:
        other = self.other
        provider = draft("workspace_provider", provider=Row("provider", 0, self.asking.providers[0]))
        theirs = f"/v1/workspaces/{other.home.id}/providers"
        for method, url, status, document in (
            ("GET", theirs, 404, None),
            ("POST", theirs, 404, provider),
            ("DELETE", f"{theirs}/{self.asking.providers[0]}", 404, None),
            ("GET", f"{GROUPS}/{other.group.id}", 404, None),
            ("GET", f"{CHOICES}?filter[workspace]={other.home.id}", 403, None),
            ("GET", f"{CHOICES}?page[size]=0", 400, None),
            ("POST", CHOICES, 400, {}),
        ):
            if not self.dice.randrange(3):
                self.ask(method, url, self.who, status, document=document)

    # ---- writing -------------------------------------------------------------------------------------
    def feed(self) -> None:
        """Deliver a message, twice; its rows take the place of the former ones."""
        fed, count = self.mine.fed, self.dice.randrange(1, 4)
        records = [row for type_ in TYPES for row in self.dice.sample(self.mine.records[type_], count)]
        message = synced(fed, records, mode="relink")
        for _ in range(2):
            self.until_answered(lambda: self.deliver(message))
        for row in records:
            self.mine.links[row.type].add((row.id, fed.id, "input"))
        type_ = self.type
        reply = self.get(f"{_path(type_)}?filter[workspace_connector]={fed.id}", self.who)
        expected = [link for link in self.mine.links[type_] if link[1] == fed.id]
        self.shown(f"the fed {type_}", _links(type_, reply), expected)

    def deliver(self, message: Any) -> bool | None:
        """Return whether a message was taken; None where it came back."""
        token = role_of_call.set(CONSUMER)
        try:
            is_taken = not consume(message)
        finally:
            role_of_call.reset(token)
        self.answered(200 if is_taken else 503)
        return is_taken or None

    def write_provenance(self) -> None:
        type_ = self.type
        record, connector = self.dice.choice(self.mine.records[type_]), self.mine.fed
        related = {type_: record, "workspace_connector": connector}
        document = draft(f"{type_}_workspace_connector", {"direction": "output"}, **related)
        reply = self.ask("POST", _path(type_), PIPELINE, 201, document=document, key=str(uuid4()))
        self.same(f"the written {type_}", _links(type_, reply), [(record.id, connector.id, "output")])
        url = f"{_path(type_)}/{reply.data['id']}"
        self.same("what the person sees of it", _links(type_, self.get(url, self.who)), _links(type_, reply))
        self.ask("DELETE", url, self.who, 403)
        self.ask("DELETE", url, PIPELINE, 204, when_done=404)
        self.get(url, self.who, 404)


class _OfAll(_Caller):
    """A service, which is shown all tenants: what it asks for of one it is told of that one.

    The tenants' callers change what is not lasting while this one looks.
    """

    @property
    def questions(self) -> Sequence[Callable[[], None]]:
        return (self.look_at_settled, self.look_at_one, self.look_at_choices, self.look_unguarded, self.be_refused)

    @property
    def tenant(self) -> Tenant:
        return self.dice.choice(self.asking.tenants)

    def look_at_settled(self) -> None:
        type_, tenant = self.type, self.tenant
        url = f"{_path(type_)}?filter[workspace_connector]={tenant.settled.id}&include={type_}"
        # The first record of the tenant before has a row of this connector, too.
        found = [link for link in _links(type_, self.get(url, READER)) if link[0] in tenant.numbers]
        expected = [link for link in tenant.lasting[type_] if link[1] == tenant.settled.id]
        self.shown(f"the settled {type_} of {tenant.mark}", found, expected)

    def look_at_one(self) -> None:
        type_, tenant = self.type, self.tenant
        reply = self.get(f"{_path(type_)}/{tenant.kept[type_].id}?include={type_}", READER)
        self.shown("one row", set(MARK.findall(reply.body)), {tenant.mark})

    def look_at_choices(self) -> None:
        tenant = self.tenant
        reply = self.get(f"{CHOICES}?filter[workspace]={tenant.home.id}&include=workspace", READER)
        self.shown("the choices", set(MARK.findall(reply.body)) | {tenant.mark}, {tenant.mark})

    def look_unguarded(self) -> None:
        type_ = self.type
        lasting = {link for tenant in self.asking.tenants for link in tenant.numbered(type_, lasting=True)}
        self.same(f"what the table of {type_} lacks", lasting - {*self.table(type_, SERVICE_SCOPE)}, set())

    def be_refused(self) -> None:
        self.ask("DELETE", f"{CHOICES}/{self.tenant.home.id}", READER, 403)


def _tell(list_: list[str], what: str) -> None:
    if len(list_) < MOST_TOLD:
        list_.append(what[:1000])


def _path(type_: RecordType) -> str:
    return f"/v1/{type_}-workspace-connectors"


def _linked(item: Any, name: str) -> UUID:
    return UUID(item["relationships"][name]["data"]["id"])


def _links(type_: RecordType, reply: Reply) -> list[Link]:
    """Return what the rows of an answer link."""
    items = reply.data if isinstance(reply.data, list) else [reply.data]
    return [
        (_linked(item, type_), _linked(item, "workspace_connector"), item["attributes"]["direction"]) for item in items
    ]
