"""No accepted input may make a later read fail: the extremes of all that may be sent, and then every route is read.

Messages go through the queue's function, events through the feed's, bodies through their routes. Whatever becomes of
each, no list, no page of it and nothing that it links to may be answered with an error of ours.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.access.good_requests import CLOSED, ROUTES, WITH_DOCUMENT, Path, Requests, named, replaced
from tests.support import feed as feeding
from tests.support.api import PIPELINE, Caller, Reply, get, walk
from tests.support.databases import CONSUMER, FEEDER
from tests.support.queue import (
    Body,
    completed,
    consume,
    disconnected,
    invalidated,
    is_understood,
    matched,
    reverted,
    synced,
)
from wellspring import feed_events, messages
from wellspring.handlers.writing import _KEY
from wellspring.resources import Resource, records
from wellspring.routes import Route

# By what was sent and where in it: how often it was accepted.
type Accepted = Counter[tuple[str, str]]

READS = tuple(route for route in CLOSED if route.method == "GET")
EVENTS = feed_events.schema()


# ---- the extremes of a schema --------------------------------------------------------------------------
# The fields and their bounds are read from the schemas that are published, so that a new one needs nothing here.
type Schema = Mapping[str, Any]

INSTANTS = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.001Z", "0001-01-01T14:00:00+14:00", "0001-01-01T00:00:00-12:00"),
    *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:01", "0000-12-31T23:59:59Z", "-0001-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.9999999Z"),
    *("9999-12-31T23:59:59.999-14:00", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999+14:00"),
    *("10000-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "infinity", "-infinity"),
    *(f"{datetime.now(UTC) + timedelta(hours=hours):%FT%T}Z" for hours in (-25, 0, 23, 25)),
)
# The first and the last, which UUIDv7's index meets out of order; and one in another spelling.
IDS = (str(UUID(int=0)), str(UUID(int=2**128 - 1)), "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFE")
NUMBERS = ("1", "9223372036854775807", "0" * 39 + "1", "0", "9223372036854775808", "9" * 40)
# Each as long as may be: of four bytes that no compression shortens, what grows when it is folded or normalised, what
# is escaped in JSON, and what looks like nothing.
LONGEST = (
    *("\U0010ffff", "\u0130", "\u0390", "\ufb03", "\u0345", "\u1e9e", '"', "\\", "\u00a0", "\u200e", "%", "\ufdfa"),
    *("\ufeff", "\ufffe", "\ufdd0", "\u202e", "\U0001f4a3"),
)
SHORTEST = ("", " ", "x", "\u2028", "\x00", "\x7f", "\x9f", "\ud800", "\udfff", "e\u0301", "\u00e9", "NaN", "null")
# Where a schema says nothing of a text's length.
LONG = 2000


def dense(length: int) -> str:
    """Return a text of characters of four bytes each, in no order that could be compressed."""
    chance = random.Random(length)
    return "".join(chr(chance.randrange(0x20000, 0x2A6DF)) for _ in range(length))


def texts(most: int) -> tuple[str, ...]:
    """Return the extremes of a text of so many characters."""
    return (*SHORTEST, *(character * most for character in LONGEST), dense(most), dense(most + 1))


def at_extremes(body: Any, schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[tuple[Path, Any]]:
    """Give each place in `body`, or that it might have, with each extreme of it."""
    schema = _resolved(schema, definitions, body)
    if schema.get("type") == "object":
        for name, member in schema.get("properties", {}).items():
            if "const" not in _resolved(member, definitions):
                inner = body.get(name) if isinstance(body, dict) else None
                yield from (((name, *path), value) for path, value in at_extremes(inner, member, definitions))
        return
    if schema.get("type") == "array":
        yield (), []
        if isinstance(body, list) and body:
            yield (), body[:1] * schema["maxItems"]
            yield (), body[:1] * (schema["maxItems"] + 1)
            yield from (((0, *path), value) for path, value in at_extremes(body[0], schema["items"], definitions))
        elif schema["items"]:
            for value in _leaves(_resolved(schema["items"], definitions)):
                yield (), [value]
        of_one = _resolved(schema["items"], definitions)
        if of_one.get("maxLength"):
            # Each another, and all of them as long as may be.
            each = of_one["maxLength"]
            whole = dense(each * schema["maxItems"])
            yield (), [whole[begin : begin + each] for begin in range(0, len(whole), each)]
        return
    yield from (((), value) for value in _leaves(schema))


def _resolved(schema: Schema, definitions: Mapping[str, Schema], body: Any = None) -> Schema:
    """Return what a schema refers to: of one of a type and null the type, of several types that of `body`."""
    while True:
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        elif "discriminator" in schema:
            types = schema["discriminator"]["mapping"]
            reference = types[body["type"]] if isinstance(body, dict) else next(iter(types.values()))
            schema = {"$ref": reference}
        else:
            return schema


def _leaves(schema: Schema) -> Sequence[Any]:
    if "enum" in schema:
        return (*schema["enum"], None)
    if schema.get("format") == "uuid":
        return (*IDS, None)
    if schema.get("format") == "date-time":
        return (*INSTANTS, None)
    if "[0-9]{1,40}" in schema.get("pattern", ""):
        return NUMBERS
    return (*texts(schema.get("maxLength", LONG)), None)


# ---- what is sent ----------------------------------------------------------------------------------------
class Sent:
    """All that is sent to a tenant, and what was accepted of it."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.database = requests.database
        self.accepted: Accepted = Counter()
        # All that was tried, so that nothing is forgotten.
        self.tried: Accepted = Counter()

    def note(self, what: str, path: Path, *, is_accepted: bool) -> None:
        where = what, ".".join(map(str, path))
        self.tried[where] += 1
        self.accepted[where] += is_accepted

    # ---- the sync queue ---------------------------------------------------------------------------------
    def messages(self) -> None:
        """Send messages of every type: those that end rows before those that write them, so that rows are left."""
        self.database.role = CONSUMER
        schema = messages.schema()
        models = {model["properties"]["type"]["const"]: model for model in _models(schema)}
        bodies = self._bodies()
        assert bodies.keys() == models.keys()
        for type_, make in ((type_, make) for type_, makes in bodies.items() for make in makes):
            tried = list(at_extremes(make(), models[type_], schema["$defs"]))
            sent = [replaced(make(), path, value) for path, value in tried]
            groups = [_group(make()) for _ in sent]
            assert consume(*map(json.dumps, sent), groups=groups) == []
            for (path, _), body in zip(tried, sent, strict=True):
                self.note(type_, path, is_accepted=is_understood(body))

    def _bodies(self) -> Mapping[str, Sequence[Callable[[], Body]]]:
        """Return what makes good ones of each type, one for each form that it may have."""
        connector, workspace = self.requests.connector, self.requests.workspace

        def naming(found: Resource, id_: UUID) -> dict[str, Any]:
            return {"type": found.type, "id": str(id_), "attributes": {found.attributes[0].name: "New"}}

        def making(found: Resource) -> Body:
            # The extremes are those of the first record.
            body = synced(connector, self.requests.records.values()) | {"run": "nightly"}
            return body | {"records": [naming(found, uuid4()), *body["records"]]}

        def ending(found: Resource) -> Body:
            body = invalidated(connector, self.requests.records.values())
            return body | {"records": [naming(found, self.requests.records[found.type].id)]}

        return {
            "sync.reverted": [lambda: reverted(connector, run=str(uuid4())), lambda: reverted(connector, str(uuid4()))],
            "connector.disconnected": [lambda: disconnected(connector)],
            "run.completed": [lambda: completed(connector, str(uuid4()), types=["company"])],
            "providers.matched": [lambda: matched(workspace, [self.requests.unchosen])],
            "records.invalidated": [partial(ending, found) for found in records()],
            "records.synced": [partial(making, found) for found in records()],
        }

    # ---- the feed ---------------------------------------------------------------------------------------
    def events(self) -> None:
        """Send events of every type, as a body and as the line of a file."""
        self.database.role = FEEDER
        for model in _models(EVENTS):
            said = model["properties"]["type"]
            for type_ in said.get("enum", [said.get("const")]):
                tried = list(at_extremes(self._event(type_), model, EVENTS["$defs"]))
                if "enum" in said:
                    tried = [(path, value) for path, value in tried if path != ("type",)]
                sent = [replaced(self._event(type_), path, value) for path, value in tried]
                lines = [json.dumps(event) for event in sent]
                told = [feed_events.parse_line(line.encode()) for line in lines]
                assert told == [found for line in lines for found in feed_events.parse(line)]
                verdicts = feeding.apply(*sent)
                assert {verdict.status for verdict in verdicts} <= {"applied", "stale", "waiting", "parked"}
                for (path, _), verdict in zip(tried, verdicts, strict=True):
                    # Whatever is no event is malformed: nothing else may be wrong with what is one.
                    assert verdict.reason in {None, "malformed", "other_source"}, (type_, path, verdict)
                    self.note(type_, path, is_accepted=verdict.reason is None)

    def _event(self, type_: str) -> feeding.Event:
        _, of, what = type_.split(".")
        subject = uuid4()
        references: dict[str, Any] = {}
        if what == "upserted":
            named = {"workspace": self.requests.workspace, "people": self.requests.owner}
            named |= {"connector": self.requests.bank}
            wanted = EVENTS["$defs"][f"{of.title().replace('_', '')}Data"]["properties"]
            references = {f"{name}_id": row for name, row in named.items() if f"{name}_id" in wanted}
            return feeding.upserted(of, subject, **references)
        return feeding.event(of, what, subject)

    # ---- HTTP -------------------------------------------------------------------------------------------
    def bodies(self) -> None:
        """Send a document for every route that takes one, and a key for its answer."""
        extreme: Mapping[str, Sequence[Any]] = {
            "instant": (*INSTANTS, None),
            "boolean": (True, False, None),
            "direction": ("input", "output", None),
        }
        for route in WITH_DOCUMENT:
            assert route.resource is not None
            for said in route.resource.attributes:
                said_as = (*said.choices, *texts(255), *texts(500))
                if said.written in {route.operation, "always"}:
                    self._send(route, ("data", "attributes", said.name), extreme.get(said.kind, said_as))
            for key in ("!", "~" * 255) if route.operation == "create" else ():
                assert _KEY.fullmatch(key)
                assert self.requests.good(route).but(headers={"idempotency-key": key}).ask().status < 500
        # And close what is parked, with every note.
        for route in ROUTES:
            if route.operation == "dismiss":
                self._send(route, ("meta", "note"), texts(255))

    def _send(self, route: Route, path: Path, values: Sequence[Any]) -> None:
        good = self.requests.good(route)
        for value in values:
            reply = good.but(document=replaced(good.document, path, value)).ask()
            assert reply.status < 500, (route, path, ascii(value)[:80], reply.body)
            self.note(named(route), path, is_accepted=reply.status < 400)


def _models(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [schema["$defs"][one["$ref"].rpartition("/")[2]] for one in schema["oneOf"]]


def _group(body: Body) -> str:
    return str(body.get("workspace_connector_id") or body["workspace_id"])


@pytest.fixture(scope="module")
def sent(made: Requests) -> Iterator[Sent]:
    """The tenant of the good requests, to which all of it was sent."""
    with made.undone():
        sent = Sent(made)
        sent.bodies()
        sent.events()
        sent.messages()
        yield sent


def test_each_place_was_tried_and_takes_some_extreme(sent: Sent) -> None:
    assert {where for where in sent.tried if not sent.accepted[where]} == set()
    assert len(sent.accepted) > 100


@pytest.mark.parametrize("who", ["service", pytest.param("owner", marks=pytest.mark.long)])
@pytest.mark.parametrize("route", READS, ids=named)
def test_every_route_is_read_to_its_end_after_all_of_it(sent: Sent, route: Route, who: str) -> None:
    caller = PIPELINE if who == "service" else sent.requests.caller
    good = sent.requests.good(route).but(caller=caller)
    assert good.ask().status in {200, 403, 404}
    path = quote(good.path)
    if route.operation == "retrieve":
        assert readable(path, caller).status in {200, 403, 404}
        return
    for query in queries(route, good.query):
        read_to_the_end(f"{path}?{query}", caller)
    reply = readable(f"{path}?{good.query}", caller)
    for item in reply.data if reply.status == 200 and isinstance(reply.data, list) else ():
        if own := item.get("links", {}).get("self"):
            assert readable(own, caller).status == 200


def queries(route: Route, given: str) -> Iterator[str]:
    """Give the ways to ask for all of a list: in each order, with what it includes, and with what ended."""
    yield given
    if route.operation != "list" or route.resource is None:
        return
    resource = route.resource
    usual = "&".join(filter(None, (given, "page[size]=100")))
    sorts = [*resource.times, *(["name"] if resource.named else [])]
    sorts += [found.name for found in resource.attributes if found.computed == "sorted"]
    for sort in sorts:
        yield f"{usual}&sort={sort}"
        yield f"{usual}&sort=-{sort}"
    if resource.includes:
        yield f"{usual}&include={','.join(resource.includes)}"
    if resource.has_tombstones:
        yield f"{usual}&filter[deleted]=include"


def readable(url: str, caller: Caller) -> Reply:
    reply = get(url, caller)
    assert reply.status < 500, f"{url}: {reply.body:.300}"
    return reply


def read_to_the_end(url: str, caller: Caller) -> None:
    """Read a list page by page, to its end and a page back."""
    reply = readable(url, caller)
    if reply.status == 200 and isinstance(reply.data, list):
        before = walk(url, caller)[-1].document["links"].get("prev")
        assert before is None or readable(before, caller).status == 200
