"""Callers, each in a thread with connections of its own, as a Lambda environment has them, and what each must be told.

A tenant's caller is mostly its person, now and then the pipeline that feeds its connector: one connection works for the
one after the other. What is shown is compared with what the caller knows to be there, row by row.
"""

import json
import logging
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, select, text

from tests.pooler.tenants import Link, Tenant
from tests.support.api import READER, TYPES, Caller, Reply, call, draft, service
from tests.support.databases import CONSUMER as CONSUMER_ROLE
from tests.support.databases import READER as READER_ROLE
from tests.support.databases import WRITER as WRITER_ROLE
from tests.support.databases import Role, engine_for, role_of_call
from tests.support.queue import consume, synced
from tests.support.transactions import in_transaction
from tests.support.world import RecordType, Row
from wellspring.access.principal import SERVICE_SCOPE, principal_of, scope_of
from wellspring.database import Transaction, WireStatement
from wellspring.database import scope as scopes
from wellspring.database.session import session_of
from wellspring.errors import InternalError, SchemaValidationError, ServiceUnavailable
from wellspring.models import table_of
from wellspring.observability import logger
from wellspring.settings import CallerSettings

PIPELINE = service("system:read", "sync:write")
MOST_GROUPS = 4
# As many tries as nobody needs: a caller who is told to come again does so until something else is said.
PATIENCE = 500
MOST_TOLD = 20

CHOICES = "/v1/workspace-providers"
ENROLMENTS = "/v1/workspace-group-workspaces"
GROUPS = "/v1/workspace-groups"
MARK = re.compile(r"\bT\d\d ")


@dataclass(frozen=True)
class Plan:
    """What the callers of one process do.

    Attributes:
        url: where all of them log in.
        tenants: one caller for each.
        all_tenants: whose rows there are.
        with_service: whether one more caller is a service, which sees all of them.
        providers: the catalogue.
        requests: how many each caller makes at least.
        disturbed: whether 503 is an answer.
        unsafe: whether the scope is said as no function of the product says it; one leak will do then.
    """

    url: str
    tenants: Sequence[Tenant]
    all_tenants: Sequence[Tenant]
    with_service: bool
    providers: Sequence[UUID]
    requests: int
    disturbed: bool = False
    unsafe: bool = False


@dataclass
class Report:
    """What became of it, for one caller or for several.

    Attributes:
        tenants: theirs, as they are now.
        requests: how many were answered.
        statuses: how often each status was.
        sqlstates: how often each SQLSTATE stood in the log of what could not be answered.
        leaks: where somebody was shown what is somebody else's.
        faults: what else was not as it must be.
    """

    tenants: list[Tenant] = field(default_factory=list)
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    sqlstates: Counter[str] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __add__(self, other: "Report") -> "Report":
        return Report(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class Lines:
    """The engines of the callers' threads, in the place of the one that a Lambda environment has."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._own = threading.local()
        self._all: list[Engine] = []

    def connection(self) -> Connection:
        """Stand in for `scope.connection`."""
        engines: dict[str, Engine] = self._own.__dict__.setdefault("engines", {})
        role = role_of_call.get() or WRITER_ROLE
        if role not in engines:
            engines[role] = engine_for(self._url, user=role)
            self._all.append(engines[role])
        return engines[role].connect()

    def close(self) -> None:
        for engine in self._all:
            engine.dispose()


class Kept(logging.Handler):
    """Keeps the SQLSTATEs of what could not be answered, and what nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.sqlstates: Counter[str] = Counter()
        self.unforeseen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.__dict__
        self.sqlstates[str(said.get("sqlstate", "none"))] += 1
        if "exception" in said or said.get("code") == InternalError.code:
            _tell(self.unforeseen, f"the log: {record.getMessage()} {said}")


def run(plan: Plan) -> Report:
    """Let all callers of a plan ask at the same time, in a process of their own: it is left as it is."""
    lines, kept = Lines(plan.url), Kept()
    scopes.connection = lines.connection
    if plan.unsafe:
        scopes._once = _once_unsafely
    logger._logger.handlers = [kept]
    logger.setLevel(logging.WARNING)
    leaked = threading.Event()
    callers: list[_Caller] = [_OfTenant(plan, leaked, tenant) for tenant in plan.tenants]
    if plan.with_service:
        callers.append(_OfAll(plan, leaked))
    with ThreadPoolExecutor(len(callers)) as pool:
        reports = list(pool.map(_Caller.ask_all, callers))
    lines.close()
    return sum(reports, Report(sqlstates=kept.sqlstates, faults=kept.unforeseen))


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


class _Caller:
    """Somebody who asks one thing after another.

    Args:
        plan: what to do.
        leaked: whether somebody in this process was shown what is somebody else's.
        seed: what their choices depend on.
    """

    def __init__(self, plan: Plan, leaked: threading.Event, seed: int) -> None:
        self.plan = plan
        self.leaked = leaked
        self.dice = random.Random(seed)
        self.report = Report()

    def ask_all(self) -> Report:
        """Ask until enough has been asked, and say what became of it."""
        while self.report.requests < self.plan.requests and not (self.plan.unsafe and self.leaked.is_set()):
            question = self.dice.choice(self.questions)
            try:
                question()
            except Exception as error:  # noqa: BLE001  (whatever it is, it is told with the rest)
                self.wrong(f"{question.__name__}: {type(error).__name__}: {error}")
        return self.report

    @property
    def questions(self) -> Sequence[Callable[[], None]]:
        raise NotImplementedError

    @property
    def name(self) -> str:
        raise NotImplementedError

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
        """Ask until something else than 503 is said.

        Args:
            method: the HTTP method.
            url: path and query.
            who: asks.
            statuses: what may be said.
            document: the body.
            key: the idempotency key.
            when_done: what may be said after a 503, where the first request was granted all the same.
        """
        tries = 0

        def asked() -> Reply | None:
            nonlocal tries
            tries += 1
            self.report.requests += 1
            reply = call(method, url, who, document, headers={"idempotency-key": key} if key else None)
            self.report.statuses[reply.status] += 1
            self.read(reply)
            return None if reply.status == 503 else reply

        reply = self.until_answered(asked)
        if reply.status not in statuses and (tries == 1 or reply.status != when_done):
            self.wrong(f"{method} {url} is none of {statuses}: {reply.status} {reply.body}")
        return reply

    def get(self, url: str, who: Caller, status: int = 200) -> Reply:
        return self.ask("GET", url, who, status)

    def read(self, reply: Reply) -> None:
        """Look at an answer as such, whatever was asked."""

    def transact[Result](
        self, work: Callable[[Transaction], Result], scope: str | None, role: Role = READER_ROLE
    ) -> Result:
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
            if not self.plan.disturbed:
                self.wrong("503, and nothing had happened")
        raise TimeoutError

    # ---- findings ------------------------------------------------------------------------------------
    def wrong(self, what: str) -> None:
        _tell(self.report.faults, f"{self.name}: {what}")

    def same(self, what: str, found: object, expected: object) -> None:
        """Say so where two differ."""
        if found != expected:
            self.wrong(f"{what}: {found} and not {expected}")

    def shown(self, what: str, found: Iterable[object], expected: Iterable[object]) -> None:
        """Say what is there and is not the caller's, and what is the caller's and not there."""
        there, theirs = Counter(found), Counter(expected)
        if there - theirs:
            self.leaked.set()
            _tell(self.report.leaks, f"{self.name}: {what} shows {list((there - theirs).elements())} of others")
        if theirs - there:
            self.wrong(f"{what} lacks {list((theirs - there).elements())}")


class _OfTenant(_Caller):
    """A tenant's person, and the pipeline that feeds the tenant."""

    def __init__(self, plan: Plan, leaked: threading.Event, tenant: Tenant) -> None:
        super().__init__(plan, leaked, int(tenant.mark[1:]))
        self.report.tenants.append(tenant)
        self.mine = tenant
        self.who = tenant.caller
        self.scope = scope_of(principal_of(tenant.caller.claims, CallerSettings()))
        self.others = [other for other in plan.all_tenants if other.mark != tenant.mark]

    @property
    def name(self) -> str:
        return self.mine.mark

    @property
    def questions(self) -> Sequence[Callable[[], None]]:
        reading = (self.walk, self.look_at_everything, self.filter, self.look_unguarded)
        writing = (self.choose, self.enrol, self.make_group, self.feed, self.write_provenance)
        return (*reading, *writing, *[self.look_at_one, self.be_refused] * 3)

    @property
    def type(self) -> RecordType:
        return self.dice.choice(TYPES)

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

    def filter(self) -> None:
        type_, direction = self.type, self.dice.choice(("input", "output"))
        connectors = (self.mine.settled.id, self.other.settled.id, self.other.fed.id)
        url = f"{_path(type_)}?filter[workspace_connector]={','.join(map(str, connectors))}"
        reply = self.get(f"{url}&filter[direction]={direction}", self.who)
        expected = [link for link in self.mine.links[type_] if link[1:] == (connectors[0], direction)]
        self.shown(f"the filtered {type_}", _links(type_, reply), expected)

    def look_at_one(self) -> None:
        type_ = self.type
        mine, theirs = (f"{_path(type_)}/{tenant.kept[type_].id}" for tenant in (self.mine, self.other))
        reply = self.get(f"{mine}?include={type_}", self.who)
        self.same(f"one of {type_}", reply.data["id"], str(self.mine.kept[type_].id))
        self.get(theirs, self.who, 404)

    def look_unguarded(self) -> None:
        """Read whole tables with row-level security alone: as oneself, as nobody, and after errors."""
        type_, role = self.type, self.dice.choice((READER_ROLE, WRITER_ROLE))
        expected = [self.mine.numbered(link) for link in self.mine.links[type_]]
        self.shown(f"the table of {type_}", self.transact(_table(type_), self.scope, role), expected)
        self.shown(f"the table of {type_} for nobody", self.transact(_table(type_), None, role), ())
        for statement, refusal in _REFUSED.items():
            try:
                self.transact(lambda held, sql=statement: held.execute(text(sql)), self.scope, role)  # type: ignore[misc]
            except refusal:
                continue
            self.wrong(f"{statement} was not refused")

    def be_refused(self) -> None:
        other = self.other
        provider = draft("workspace_provider", provider=Row("provider", 0, self.plan.providers[0]))
        theirs = f"/v1/workspaces/{other.home.id}/providers"
        for method, url, status, document in (
            ("GET", theirs, 404, None),
            ("POST", theirs, 404, provider),
            ("DELETE", f"{theirs}/{self.plan.providers[0]}", 404, None),
            ("GET", f"{GROUPS}/{other.group.id}", 404, None),
            ("GET", f"{CHOICES}?filter[workspace]={other.home.id}", 403, None),
            ("GET", f"{CHOICES}?page[size]=0", 400, None),
            ("POST", CHOICES, 400, {}),
        ):
            if not self.dice.randrange(3):
                self.ask(method, url, self.who, status, document=document)

    # ---- writing -------------------------------------------------------------------------------------
    def choose(self) -> None:
        path, mine = f"/v1/workspaces/{self.mine.home.id}/providers", self.mine.choices
        provider = self.dice.choice(self.plan.providers)
        if provider in mine:
            self.ask("DELETE", f"{path}/{provider}", self.who, 204, when_done=404)
            mine.remove(provider)
        else:
            document = draft("workspace_provider", provider=Row("provider", 0, provider))
            url = f"{path}?include=workspace,provider"
            reply = self.ask("POST", url, self.who, 201, document=document, when_done=200)
            self.same("the chosen workspace", _linked(reply.data, "workspace"), self.mine.home.id)
            mine.add(provider)
        self.shown("the choices", [_linked(item, "provider") for item in self.get(path, self.who).data], mine)

    def enrol(self) -> None:
        path, spare = f"{GROUPS}/{self.mine.group.id}/workspaces", self.mine.spare.id
        if spare in self.mine.enrolled:
            self.ask("DELETE", f"{path}/{spare}", self.who, 204, when_done=404)
            self.mine.enrolled.remove(spare)
        else:
            document = draft("workspace_group_workspace", workspace=self.mine.spare)
            self.ask("POST", path, self.who, 201, document=document, when_done=409)
            self.mine.enrolled.add(spare)
            # It violates a constraint: the transaction has failed when the answer is made.
            self.ask("POST", path, self.who, 409, document=document)
        url = f"{ENROLMENTS}?filter[workspace_group]={self.mine.group.id},{self.other.group.id}&include=workspace"
        enrolled = [_linked(item, "workspace") for item in self.get(url, self.who).data]
        self.shown("the group", enrolled, self.mine.enrolled)

    def make_group(self) -> None:
        """Make a group, or one more time one that was made: there is one for each key."""
        keys = self.mine.keys
        key = str(uuid4()) if len(keys) < MOST_GROUPS else self.dice.choice(sorted(keys))
        document = draft("workspace_group", {"name": f"{self.mine.mark}group {key}"})
        for _ in range(2):
            reply = self.ask("POST", GROUPS, self.who, 201, document=document, key=key)
            self.same("the answer under a key", reply.body, keys.setdefault(key, reply.body))
        self.mine.groups.add(UUID(json.loads(keys[key])["data"]["id"]))
        self.shown("the groups", self.get(f"{GROUPS}?include=created_by", self.who).ids, self.mine.groups)

    def feed(self) -> None:
        """Deliver a message, twice; its rows take the place of the former ones."""
        count = self.dice.randrange(1, 4)
        records = [row for type_ in TYPES for row in self.dice.sample(self.mine.records[type_], count)]
        message = synced(self.mine.fed, records, mode="relink")
        for _ in range(2):
            self.until_answered(lambda: self.deliver(message))
        for row in records:
            self.mine.links[_type(row)].add((row.id, self.mine.fed.id, "input"))
        type_ = self.type
        reply = self.get(f"{_path(type_)}?filter[workspace_connector]={self.mine.fed.id}", self.who)
        expected = [link for link in self.mine.links[type_] if link[1] == self.mine.fed.id]
        self.shown(f"the fed {type_}", _links(type_, reply), expected)

    def deliver(self, message: Any) -> bool | None:
        """Return whether a message was taken; None where it came back."""
        self.report.requests += 1
        token = role_of_call.set(CONSUMER_ROLE)
        try:
            return not consume(message) or None
        finally:
            role_of_call.reset(token)

    def write_provenance(self) -> None:
        type_ = self.type
        record, connector = self.dice.choice(self.mine.records[type_]), self.mine.fed
        document = draft(
            f"{type_}_workspace_connector",
            {"direction": "output"},
            **{type_: record, "workspace_connector": connector},
        )
        reply = self.ask("POST", _path(type_), PIPELINE, 201, document=document, key=str(uuid4()))
        self.same(f"the written {type_}", _links(type_, reply), [(record.id, connector.id, "output")])
        url = f"{_path(type_)}/{reply.data['id']}"
        self.same("what the person sees of it", _links(type_, self.get(url, self.who)), _links(type_, reply))
        self.ask("DELETE", url, self.who, 403)
        self.ask("DELETE", url, PIPELINE, 204, when_done=404)
        self.get(url, self.who, 404)


class _OfAll(_Caller):
    """A service, which is shown all tenants: what it asks for of one it is told of that one."""

    def __init__(self, plan: Plan, leaked: threading.Event) -> None:
        super().__init__(plan, leaked, len(plan.all_tenants))
        # Their callers change the rest while this one looks.
        self._settled = {
            (tenant.mark, type_): tenant.settled_links(type_) for tenant in plan.all_tenants for type_ in TYPES
        }

    @property
    def name(self) -> str:
        return "the service"

    @property
    def questions(self) -> Sequence[Callable[[], None]]:
        return (self.look_at_settled, self.look_at_one, self.look_at_choices, self.look_unguarded, self.be_refused)

    @property
    def tenant(self) -> Tenant:
        return self.dice.choice(self.plan.all_tenants)

    def look_at_settled(self) -> None:
        type_, tenant = self.dice.choice(TYPES), self.tenant
        url = f"{_path(type_)}?filter[workspace_connector]={tenant.settled.id}&include={type_}"
        # The first record of the tenant before has a row of this connector, too.
        found = [link for link in _links(type_, self.get(url, READER)) if link[0] in tenant.numbers]
        expected = [link for link in self._settled[tenant.mark, type_] if link[1] == tenant.settled.id]
        self.shown(f"the settled {type_} of {tenant.mark}", found, expected)

    def look_at_one(self) -> None:
        type_, tenant = self.dice.choice(TYPES), self.tenant
        reply = self.get(f"{_path(type_)}/{tenant.kept[type_].id}?include={type_}", READER)
        self.shown("one row", set(MARK.findall(reply.body)), {tenant.mark})

    def look_at_choices(self) -> None:
        tenant = self.tenant
        reply = self.get(f"{CHOICES}?filter[workspace]={tenant.home.id}&include=workspace", READER)
        self.shown("the choices", set(MARK.findall(reply.body)) | {tenant.mark}, {tenant.mark})

    def look_unguarded(self) -> None:
        type_ = self.dice.choice(TYPES)
        found = set(self.transact(_table(type_), SERVICE_SCOPE))
        settled = {
            tenant.numbered(link) for tenant in self.plan.all_tenants for link in self._settled[tenant.mark, type_]
        }
        self.same(f"what the table of {type_} lacks", settled - found, set())

    def be_refused(self) -> None:
        self.ask("DELETE", f"{CHOICES}/{self.tenant.home.id}", READER, 403)


# Errors that Postgres makes in the middle of a transaction.
_REFUSED: Mapping[str, type[Exception]] = {
    "SELECT 1/0": SchemaValidationError,
    "INSERT INTO core_api.workspaces (name) VALUES ('no right')": InternalError,
}


def _tell(list_: list[str], what: str) -> None:
    if len(list_) < MOST_TOLD:
        list_.append(what[:1000])


def _table(type_: str) -> Callable[[Transaction], list[Any]]:
    """Return the work of reading all live rows of a table, with nothing that asks for whom."""
    table = table_of(f"{type_}_workspace_connectors")
    columns = (table.c[f"{type_}_pk"], table.c.workspace_connector_pk, table.c.direction)
    statement = select(*columns).where(table.c.deleted_at.is_(None))
    return lambda transaction: [tuple(row) for row in transaction.execute(statement)]


def _path(type_: str) -> str:
    return f"/v1/{type_}-workspace-connectors"


def _type(row: Row) -> RecordType:
    return next(type_ for type_ in TYPES if type_ == row.type)


def _linked(item: Any, name: str) -> UUID:
    return UUID(item["relationships"][name]["data"]["id"])


def _links(type_: str, reply: Reply) -> list[Link]:
    """Return what the rows of an answer link."""
    items = reply.data if isinstance(reply.data, list) else [reply.data]
    return [
        (_linked(item, type_), _linked(item, "workspace_connector"), item["attributes"]["direction"]) for item in items
    ]
