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
from tests.support.api import PIPELINE, Caller, Context, get
from tests.support.databases import CONSUMER, WRITER, FreshDatabase
from tests.support.queue import consume, disconnected, invalidated, matched, synced
from tests.support.world import World
from wellspring.database.wire import Wire
from wellspring.resources import FEED_EVENT

# A longer text pins by its length.
TEXT_BYTES = 16 * 1024


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


def read_everything(requests: Requests) -> None:
    """Send the good request of each route that reads, and ask for lists with all that they include.

    How long the statements of lists get is told by tests/golden/test_statement_sizes.py.
    """
    for route in (route for route in ROUTES if route.method == "GET"):
        good = requests.good(route)
        assert good.ask().status == good.status, named(route)
        for query in queries_of(requests, good) if route in LISTS + ONES else ():
            there_and_back(f"{good.path}?{query}", good.caller)
        if route.operation == "list":
            there_and_back(f"{good.path}?page[size]=1", PIPELINE)


def there_and_back(url: str, caller: Caller) -> None:
    """Read a page, and where there is one after it, that and the one before that."""
    page = get(url, caller)
    assert page.status == 200, page.body
    if following := page.document["links"].get("next"):
        assert get(get(following, caller).document["links"]["prev"], caller).data == page.data


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


def test_what_is_sent_is_seen(sent: Sent, fresh_database: FreshDatabase) -> None:
    with fresh_database.engine(WRITER).connect() as session:
        session.exec_driver_sql("SET LOCAL jit = off")
        session.exec_driver_sql("SELECT set_config(%s, '', true)", ("wellspring.scope",))
    assert sorted(filter(None, map(pinning, sent.texts))) == ["SET", "set_config("]
