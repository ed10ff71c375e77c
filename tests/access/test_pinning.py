"""RDS Proxy lends one server connection to many functions, as long as no statement ties a session to it ("pins" it).

What is read here is what left the process, byte for byte: the driver's and SQLAlchemy's own statements too.
Source: the RDS user guide, "Avoiding pinning an RDS Proxy".
"""

import re
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from maintenance.prune import handler as prune
from tests.access.good_requests import CLOSED, ROUTES, Requests, named
from tests.access.test_foreign_is_absent import LISTS, ONES, queries_of
from tests.support.api import PIPELINE, Caller, Context, Reply, get
from tests.support.databases import CONSUMER, WRITER, FreshDatabase
from tests.support.queue import consume, disconnected, invalidated, matched, synced
from tests.support.world import World
from wellspring.database.wire import Wire
from wellspring.resources import FEED_EVENT

# A longer text pins by its length.
TEXT_BYTES = 16 * 1024

LEDGERS = frozenset({"provenance", "enrolment", "selection"})
DEAD = "filter[deleted]=only&filter[created_at][gte]=2020-01-01T00:00:00Z"

# All that the product has reason to say. What pins is none of it: SET, RESET, DISCARD, PREPARE, EXECUTE, DEALLOCATE,
# DECLARE, LISTEN, LOAD, LOCK, CREATE TEMPORARY and their like.
FIRST_WORDS = frozenset({"SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "ROLLBACK", "SHOW"})
# What pins wherever it stands in a statement. The proxy does not see it inside a function of the database.
PINNING = re.compile(
    r"\b(set_config|pg_(try_)?advisory\w+|nextval|setval|currval|lastval|pg_notify|lo_\w+) *\(|\binto +temp\w*",
    re.IGNORECASE,
)


@dataclass
class Sent:
    """What the driver sent: the statements, and the names under which it had some kept for later."""

    texts: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def read(self, data: bytes) -> None:
        """Take in what one flush put on the wire: messages, each a letter, a length and a content."""
        while data:
            kind, end = data[:1], 1 + int.from_bytes(data[1:5])
            content, data = data[5:end], data[end:]
            if kind == b"Q":
                self.texts.add(content.rstrip(b"\0").decode())
            elif kind == b"P":
                name, text, _ = content.split(b"\0", 2)
                self.names.add(name.decode())
                self.texts.add(text.decode())


def pinning(text: str) -> str | None:
    """Return what of a statement would pin a session, or None."""
    word = text.split(None, 1)[0].upper()
    if word not in FIRST_WORDS:
        return word
    if found := PINNING.search(text):
        return found.group()
    size = len(text.encode())
    return f"its {size} bytes" if size > TEXT_BYTES else None


@pytest.fixture
def sent(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """All that is sent to Postgres from now on, the making of connections apart."""
    seen, flush = Sent(), Wire.flush

    def note(wire: Wire) -> None:
        seen.read(wire._unsent)
        flush(wire)

    monkeypatch.setattr(Wire, "flush", note)
    return seen


@pytest.fixture
def requests(fresh_database: FreshDatabase, world: World) -> Requests:
    return Requests(world, fresh_database)


def well(reply: Reply) -> Reply:
    """Return a reply that is none of a failure."""
    assert reply.status < 400, reply.body
    return reply


def there_and_back(url: str, caller: Caller, *, is_long: bool = False) -> None:
    """Read a page, the one after it and the one before that, which a list that is long must have."""
    page = well(get(url, caller))
    following = page.document.get("links", {}).get("next")
    assert following or not is_long, url
    if following:
        assert well(get(well(get(following, caller)).document["links"]["prev"], caller)).data == page.data


def read_everything(requests: Requests) -> None:
    """Send the good request of each route that reads, and ask lists in each way that makes a statement of its own."""
    for route in (route for route in ROUTES if route.method == "GET"):
        good = requests.good(route)
        reply = good.ask()
        assert reply.status == good.status, (named(route), reply.body)
        if route in LISTS + ONES:
            for query in queries_of(requests, good):
                there_and_back(f"{good.path}?{query}", requests.caller)
        if route.operation == "list":
            is_ledger = route.resource is not None and route.resource.policy in LEDGERS
            for caller in (good.caller, PIPELINE):
                there_and_back(f"{good.path}?page[size]=1", caller, is_long=is_ledger)
                if route.resource is not None and is_ledger and not route.within:
                    there_and_back(f"{good.path}?sort=-updated_at&page[size]=1", caller, is_long=True)
                    parents = "&".join(
                        f"filter[{found.name}]={requests.rows[found.target].id}"
                        for found in route.resource.to_one
                        if found.is_filter
                    )
                    there_and_back(f"{good.path}?{DEAD}&{parents}", caller)
        if route.resource is not None and route.resource.policy in LEDGERS:
            for query in queries_of(requests, good):
                of_one = "" if route.operation == "retrieve" else f"&filter[workspace]={requests.workspace.id}"
                there_and_back(f"{good.path}?{query}{'' if route.within else of_one}", PIPELINE)


def add_another(requests: Requests) -> None:
    """Make a second row of provenance, enrolments and choices."""
    world, group, workspace = requests.world, requests.group, requests.workspace
    renew(requests)
    # What is removed by its id is another than what is removed by its path.
    requests.rows["workspace_group_workspace"] = world.enrol(group, requests.other, requests.owner)
    requests.rows["workspace_provider"] = world.choose(workspace, requests.unchosen)
    for record in requests.records.values():
        world.provenance(record, requests.connector)


def renew(requests: Requests) -> None:
    """Make a workspace that is not enrolled and a provider that is not chosen, as a good request asks for."""
    requests.other, requests.unchosen = requests.world.workspace(), requests.world.provider(str(uuid4()))
    requests.world.member(requests.owner, requests.other, "owner")


def write_everything(requests: Requests) -> None:
    """Make, change and remove each kind of object, over HTTP: what is within a group or workspace before these."""
    ways = ["POST", "PATCH", "DELETE"]
    # The feed's own transactions lock types, which does not pin (docs/adr/0032).
    writing = [route for route in CLOSED if route.method in ways and route.resource is not FEED_EVENT]
    for route in sorted(writing, key=lambda route: (ways.index(route.method), -len(route.path))):
        renew(requests)
        good = requests.good(route)
        first, again = (good.but(headers={**good.headers, "idempotency-key": route.function}).ask() for _ in range(2))
        assert first.status == good.status, (named(route), first.body)
        if route.operation == "create":
            assert (again.status, again.data["id"]) == (first.status, first.data["id"])


def consume_everything(requests: Requests) -> None:
    """Make, change and remove what the queue does."""
    connector, every = requests.connector, requests.records.values()
    for mode in (None, "relink"):
        assert consume(synced(connector, every, mode=mode)) == []
    # Together they are the longest statement there is.
    mixed = [synced(connector, every), invalidated(connector, every), matched(requests.workspace, [requests.unchosen])]
    assert consume(*mixed) == []
    assert consume(disconnected(connector)) == []


def test_no_statement_of_the_product_pins(fresh_database: FreshDatabase, requests: Requests, sent: Sent) -> None:
    add_another(requests)
    sent.texts.clear()
    read_everything(requests)
    write_everything(requests)
    fresh_database.role = CONSUMER
    consume_everything(requests)
    fresh_database.role = WRITER
    assert prune({}, Context())["is_all"] is True
    assert len(sent.texts) > 100
    assert {text[:300]: why for text in sent.texts if (why := pinning(text))} == {}
    # A statement that is kept under a name is kept in the session.
    assert sent.names == {""}


@pytest.mark.parametrize("size", [20, 55, 500])
def test_polling_with_many_rows_pins_nothing(requests: Requests, sent: Sent, size: int) -> None:
    """What docs/polling.md recommends, on all its pages and back."""
    rows = [requests.world.provenance(requests.records["company"], requests.connector) for _ in range(size + 5)]
    requests.world.tombstone(rows[0])
    sent.texts.clear()
    since = "sort=updated_at&filter[updated_at][gte]=2020-01-01T00:00:00Z&filter[deleted]=include"
    for caller in (requests.caller, PIPELINE):
        for narrowed in ("", f"&filter[workspace]={requests.workspace.id}"):
            there_and_back(f"/v1/company-workspace-connectors?{since}&page[size]={size}{narrowed}", caller)
    assert any("updated_at" in text for text in sent.texts)
    assert {text[:300]: why for text in sent.texts if (why := pinning(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        *("SET statement_timeout = '1s'", "SET LOCAL wellspring.scope = 'service'", "DISCARD ALL", "LISTEN workspaces"),
        *("SELECT set_config('wellspring.scope', 'service', true)", "SELECT pg_catalog.set_config($1, $2, true)"),
        *("SELECT pg_advisory_xact_lock(1)", "SELECT pg_try_advisory_lock(1)", "select nextval('numbers')"),
        *("PREPARE page AS SELECT 1", "DECLARE page CURSOR FOR SELECT 1", "CREATE TEMPORARY TABLE page (pk bigint)"),
        *("SELECT pk INTO TEMP page FROM core_api.workspaces", f"SELECT '{'x' * TEXT_BYTES}'"),
    ],
)
def test_what_pins_is_known_when_it_is_seen(text: str) -> None:
    assert pinning(text) is not None


def test_what_is_sent_is_seen(sent: Sent, fresh_database: FreshDatabase) -> None:
    with fresh_database.engine(WRITER).connect() as session:
        session.exec_driver_sql("SET LOCAL jit = off")
        session.exec_driver_sql("SELECT set_config(%s, '', true)", ("wellspring.scope",))
    assert sorted(filter(None, map(pinning, sent.texts))) == ["SET", "set_config("]
