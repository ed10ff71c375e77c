"""32 callers of different tenants on two connections a role to Postgres, lent by the transaction: who asks is answered.

pgbouncer stands in for RDS Proxy. What it cannot show is said in docs/adr/0003.
"""

import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select, text

from local.postgres import Cluster
from migrations.run import ROLES
from tests.support.api import PIPELINE, READER, TYPES, Caller, Reply, call, draft
from tests.support.databases import CONSUMER, WRITER, Role, Statements, engine_for, fresh, role_of_call
from tests.support.databases import READER as READER_ROLE
from tests.support.pooler import SERVERS, SERVERS_OF_A_ROLE, Pooler
from tests.support.queue import consume, synced
from tests.support.tenants import tenant
from tests.support.transactions import in_transaction
from tests.support.world import OBJECTS, RecordType, Row, World
from wellspring.access.principal import SERVICE_SCOPE, principal_of, scope_of
from wellspring.database import scope as scopes
from wellspring.errors import InternalError, SchemaValidationError
from wellspring.models import table_of
from wellspring.settings import CallerSettings

pytestmark = pytest.mark.outside

CALLERS = 32
REQUESTS_OF_EACH = 440
CHOICES = "/v1/workspace-providers"
IDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Errors that Postgres makes in the middle of a transaction.
REFUSED: Mapping[str, type[Exception]] = {
    "SELECT 1/0": SchemaValidationError,
    "INSERT INTO core_api.workspaces (name) VALUES ('no right')": InternalError,
}
# What a transaction of a function's role finds that was not there when the connection was made.
LEFT_BEHIND = """
SELECT 'the scope ' || current_setting('wellspring.scope', true)
 WHERE current_setting('wellspring.scope', true) <> ''
UNION ALL SELECT 'the setting ' || name FROM pg_settings WHERE source = 'session' AND name <> 'application_name'
UNION ALL SELECT 'the statement ' || name FROM pg_prepared_statements
UNION ALL SELECT 'the cursor ' || name FROM pg_cursors WHERE name <> ''
UNION ALL SELECT 'the lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
UNION ALL SELECT 'the table ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
"""
# The feed's role may not read them at all, nor the publisher's find them.
MAY_READ = """
SELECT CASE WHEN has_schema_privilege('core_api', 'USAGE') THEN has_table_privilege('core_api.{table}', 'SELECT')
            ELSE false END
"""

# The record, the connector and the direction of a row of provenance.
type Link = tuple[UUID, UUID, str]


class Asking:
    """A person of a tenant, who asks one thing after another in a thread, as a Lambda environment does.

    Now and then a service asks, or the pipeline that feeds its connector: one connection works for the one after the
    other. Whoever they are, they ask about this tenant: an id of another is a leak.

    Attributes:
        home: its workspace, with records and a connector whose rows stay as they are.
        fed: a connector of it that the pipeline feeds.
        links: the live rows of provenance that the person sees, by the type of their record.
        settled: the keys of the connectors that always have rows.
        ids: of all rows.
        statuses: of the answers.
    """

    def __init__(self, world: World, provider: Row, number: int) -> None:
        self.provider, self.dice, self.statuses = provider, random.Random(number), list[int]()
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

    def meet(self, all_of_them: "list[Asking]") -> None:
        self.others = [other for other in all_of_them if other is not self]
        self.foreign = {id_ for other in self.others for id_ in other.ids}

    def ask_all(self) -> None:
        questions = (self.look, self.look_as_service, self.look_unguarded, self.feed, self.write_provenance)
        while len(self.statuses) < REQUESTS_OF_EACH:
            self.dice.choice([*questions, *[self.look_at_one, self.be_refused] * 3])(self.dice.choice(TYPES))

    def ask(self, method: str, url: str, who: Caller, status: int, document: Any = None) -> Reply:
        """Ask once; the answer has this status, and shows nothing of others."""
        reply = call(method, url, who, document)
        self.statuses.append(reply.status)
        assert (self.foreign & {*IDS.findall(reply.body)}) <= {*IDS.findall(url)}, f"{url} leaks"
        assert reply.status == status, f"{method} {url}: {reply.body}"
        return reply

    # ---- reading -------------------------------------------------------------------------------------
    def look(self, type_: RecordType) -> None:
        found, expected = list[Link](), self.links[type_]
        sort, size = self.dice.choice(("created_at", "-created_at", "-updated_at")), self.dice.choice((4, 100))
        asked = f"page[size]={size}&page[total]=true&include={type_},workspace_connector.workspace&sort={sort}"
        following: str | None = f"{path_of(type_)}?{asked}"
        while following is not None:
            reply = self.ask("GET", following, self.home.caller, 200)
            found += links_of(type_, reply)
            assert reply.document["meta"]["page"]["total"] == len(expected)
            following = reply.document["links"]["next"]
        assert sorted(found) == sorted(expected)

    def look_as_service(self, type_: RecordType) -> None:
        """Read what does not change of the tenant, as who sees all of them."""
        connector = self.home.connector.id
        reply = self.ask("GET", f"{path_of(type_)}?filter[workspace_connector]={connector}", READER, 200)
        assert sorted(links_of(type_, reply)) == sorted(link for link in self.links[type_] if link[1] == connector)
        self.ask("DELETE", f"{CHOICES}/{connector}", READER, 403)

    def look_at_one(self, type_: RecordType) -> None:
        mine, theirs = (one.home.provenances[type_].id for one in (self, self.dice.choice(self.others)))
        reply = self.ask("GET", f"{path_of(type_)}/{mine}?include={type_}", self.home.caller, 200)
        assert reply.data["id"] == str(mine)
        self.ask("GET", f"{path_of(type_)}/{theirs}", self.home.caller, 404)

    def look_unguarded(self, type_: RecordType) -> None:
        """Read a table with row-level security alone: as oneself, as nobody, as a service, and after errors."""
        table, role = table_of(f"{type_}_workspace_connectors"), self.dice.choice((READER_ROLE, WRITER))
        read = select(table.c.workspace_connector_pk).distinct()
        own = scope_of(principal_of(self.home.caller.claims, CallerSettings()))

        def seen(scope: str | None) -> set[int]:
            return as_role(role, lambda: in_transaction(lambda held: set(held.execute(read).scalars()), scope))

        assert seen(own) <= self.settled | {self.fed.pk}
        assert seen(None) == set()
        for scope in (own, SERVICE_SCOPE):
            assert self.settled <= seen(scope)
        for statement, refusal in REFUSED.items():
            work = partial(Connection.execute, statement=text(statement))
            with pytest.raises(refusal):
                as_role(role, partial(in_transaction, work, own))

    def be_refused(self, _: RecordType) -> None:
        theirs = self.dice.choice(self.others).home
        provider = draft("workspace_provider", provider=self.provider)
        self.ask("GET", theirs.providers, self.home.caller, 404)
        self.ask("POST", theirs.providers, self.home.caller, 404, provider)
        self.ask("GET", f"{CHOICES}?filter[workspace]={theirs.workspace.id}", self.home.caller, 403)
        self.ask("POST", CHOICES, self.home.caller, 400, {})

    # ---- writing -------------------------------------------------------------------------------------
    def feed(self, _: RecordType) -> None:
        """Deliver a message, twice; its rows take the place of the former ones."""
        records = [self.dice.choice(rows) for rows in self.records.values()]
        message = synced(self.fed, records, mode="relink")
        for each in (message, message):
            assert as_role(CONSUMER, partial(consume, each)) == []
        for row in records:
            self.links[row.type].add((row.id, self.fed.id, "input"))

    def write_provenance(self, type_: RecordType) -> None:
        """Write a row as the pipeline, which its person sees and may not remove; and remove it."""
        record = self.dice.choice(self.records[type_])
        document = draft(
            f"{type_}_workspace_connector", {"direction": "output"}, **{type_: record, "workspace_connector": self.fed}
        )
        reply = self.ask("POST", path_of(type_), PIPELINE, 201, document)
        url = f"{path_of(type_)}/{reply.data['id']}"
        for answer in (reply, self.ask("GET", url, self.home.caller, 200)):
            assert links_of(type_, answer) == [(record.id, self.fed.id, "output")]
        self.ask("DELETE", url, self.home.caller, 403)
        self.ask("DELETE", url, PIPELINE, 204)
        self.ask("GET", url, self.home.caller, 404)


def as_role[Result](role: Role, work: Callable[[], Result]) -> Result:
    token = role_of_call.set(role)
    try:
        return work()
    finally:
        role_of_call.reset(token)


def path_of(type_: RecordType) -> str:
    return f"/v1/{type_}-workspace-connectors"


def links_of(type_: RecordType, reply: Reply) -> list[Link]:
    found: list[Link] = []
    for item in reply.data if isinstance(reply.data, list) else [reply.data]:
        record, connector = (item["relationships"][name]["data"]["id"] for name in (type_, "workspace_connector"))
        found.append((UUID(record), UUID(connector), item["attributes"]["direction"]))
    return found


@pytest.fixture
def pooled(cluster: Cluster, template: str, transaction_pooler: Pooler) -> Iterator[tuple[str, list[Asking]]]:
    """The URL of a database full of tenants behind the pooler, and who asks there."""
    with fresh(cluster, template, Statements()) as database:
        world = World(database)
        provider = world.provider("chosen")
        asking = [Asking(world, provider, number) for number in range(CALLERS)]
        for each in asking:
            each.meet(asking)
        # As autovacuum would, sooner or later.
        world.analyze()
        yield transaction_pooler.open(database.url.rpartition("/")[2]), asking


def test_every_caller_gets_the_right_answer_and_no_connection_keeps_anything_of_it(
    pooled: tuple[str, list[Asking]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asking = pooled
    own = threading.local()
    with ExitStack() as closing:

        def connection() -> Connection:
            """Stand in for `scope.connection`: each thread has engines of its own."""
            role = role_of_call.get() or WRITER
            if role not in own.__dict__:
                own.__dict__[role] = engine_for(url, user=role)
                closing.callback(own.__dict__[role].dispose)
            found: Connection = own.__dict__[role].connect()
            return found

        monkeypatch.setattr(scopes, "connection", connection)
        with ThreadPoolExecutor(CALLERS) as threads:
            list(threads.map(Asking.ask_all, asking))
    assert {status for each in asking for status in each.statuses} == {200, 201, 204, 400, 403, 404}
    assert left_behind(url) == []


def left_behind(url: str) -> list[str]:
    """Return what is found in each of the pool's connections by who says not for whom it works."""
    found: list[str] = []
    pids: set[int] = set()
    with ExitStack() as all_at_once:
        for role in ROLES:
            engine = engine_for(url, user=role, pool_size=SERVERS_OF_A_ROLE)
            all_at_once.callback(engine.dispose)
            for _ in range(SERVERS_OF_A_ROLE):
                held = all_at_once.enter_context(engine.connect())
                pids.add(held.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
                found += held.exec_driver_sql(LEFT_BEHIND).scalars()
                for table in (resource.table for resource in OBJECTS):
                    if held.exec_driver_sql(MAY_READ.format(table=table)).scalar_one():
                        rows = held.exec_driver_sql(f"SELECT count(*) FROM core_api.{table}").scalar_one()
                        found += [f"rows of {table}"] if rows else []
        # Each was looked at.
        assert len(pids) == SERVERS
    return found
