"""Publishing what is in the outbox: at least once, whatever the bus does, and one event holds up no other."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from botocore.stub import Stubber

from tests.outbox.conftest import Outbox
from tests.support import events
from tests.support.api import Context
from tests.support.databases import PUBLISHER, FreshDatabase
from wellspring import bus as buses
from wellspring.bus import MOST_BYTES, MOST_ENTRIES, Bus, BusAway, EntriesRefused, size_of
from wellspring.database.retry import Deadline
from wellspring.handlers import publishing as handlers
from wellspring.ledger_events import LEDGER_EVENTS
from wellspring.services import publishing

REPLAYED = ["maintenance_publish"]
TYPE = LEDGER_EVENTS[0].type
type Entries = Sequence[Mapping[str, Any]]


@dataclass
class FakeBus(Bus):
    """A bus that does with a call's entries as it is told; what it took is in `events`."""

    does: Callable[[Entries], list[str | None]] = lambda entries: [None] * len(entries)
    calls: list[list[dict[str, Any]]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def put(self, entries: Entries) -> list[str | None]:
        sent = [json_of(entry) for entry in entries]
        self.calls.append(sent)
        codes = self.does(entries)
        self.events += [event for event, code in zip(sent, codes, strict=True) if code is None]
        return codes


def away(_entries: Entries) -> list[str | None]:
    raise BusAway("ConnectTimeoutError")


def json_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entry["Detail"])
    assert entry["DetailType"] == found["type"]
    return found


@pytest.fixture(autouse=True)
def as_publisher(fresh_database: FreshDatabase) -> None:
    fresh_database.role = PUBLISHER


def fill(database: FreshDatabase, number: int, *, age: str = "0", padding: int = 0) -> None:
    database.owner.exec_driver_sql(
        "INSERT INTO wellspring.outbox (type, partition_key, workspace_id, subject, occurred_at, data)"
        " SELECT %s, %s, %s, uuidv7(), now() - CAST(%s AS interval), jsonb_build_object('padding', repeat('x', %s))"
        "   FROM generate_series(1, %s)",
        (TYPE, uuid4(), uuid4(), age, padding, number),
    )
    database.commit()


def later(database: FreshDatabase, seconds: int = 3600) -> None:
    database.owner.exec_driver_sql(
        "UPDATE wellspring.outbox SET next_attempt_at = next_attempt_at - make_interval(secs => %s)", (seconds,)
    )
    database.commit()


def publish(bus: Bus) -> publishing.Published:
    return publishing.publish(bus, Deadline(30))


def ids(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def test_all_that_is_due_is_published_once_in_calls_of_ten(fresh_database: FreshDatabase, outbox: Outbox) -> None:
    fill(fresh_database, 25)
    bus = FakeBus()
    assert publish(bus).published == 25
    assert [len(call) for call in bus.calls] == [10, 10, 5]
    assert bus.events == outbox.events()
    assert publish(bus).due == 0


def test_a_call_is_no_larger_than_the_bus_takes(fresh_database: FreshDatabase) -> None:
    fill(fresh_database, 5, padding=100_000)
    sizes: list[int] = []

    def note(entries: Entries) -> list[str | None]:
        sizes.append(sum(map(size_of, entries)))
        return [None] * len(entries)

    bus = FakeBus(note)
    assert publish(bus).published == 5
    assert [len(call) for call in bus.calls] == [2, 2, 1]
    assert max(sizes) <= MOST_BYTES
    assert MOST_ENTRIES == 10


def test_what_is_refused_comes_again_and_holds_up_nobody(fresh_database: FreshDatabase, outbox: Outbox) -> None:
    fill(fresh_database, 20)
    dead = ids(outbox.events())[3]
    bus = FakeBus(lambda entries: ["InternalFailure" if json_of(entry)["id"] == dead else None for entry in entries])
    assert (publish(bus).published, publish(bus).due) == (19, 0)
    pauses = []
    for _ in range(12):
        later(fresh_database)
        assert (publish(bus).refused, len(bus.events)) == (1, 19)
        ((pause,),) = fresh_database.owner.exec_driver_sql(
            "SELECT CAST(extract(epoch FROM next_attempt_at - now()) AS integer) FROM wellspring.outbox"
            " WHERE published_at IS NULL"
        )
        pauses.append(pause)
        fresh_database.commit()
    assert pauses[:3] == [4, 8, 16]
    assert pauses[-1] == 300
    bus.does = lambda entries: [None] * len(entries)
    later(fresh_database)
    assert publish(bus).published == 1
    assert bus.events[-1]["id"] == dead


def test_while_the_bus_is_away_one_call_is_made_and_the_others_wait_as_they_did(fresh_database: FreshDatabase) -> None:
    fill(fresh_database, 35)
    bus = FakeBus(away)
    done = publish(bus)
    assert (done.is_away, done.refused, done.due, len(bus.calls)) == (True, 10, 35, 1)
    assert publish(FakeBus()).published == 25
    later(fresh_database, 3)
    assert publish(FakeBus()).published == 10


def test_an_entry_that_spoils_its_call_is_refused_alone(fresh_database: FreshDatabase, outbox: Outbox) -> None:
    fill(fresh_database, 10)
    bad = ids(outbox.events())[4]

    def strict(entries: Entries) -> list[str | None]:
        if bad in [json_of(entry)["id"] for entry in entries]:
            raise EntriesRefused("ValidationException")
        return [None] * len(entries)

    bus = FakeBus(strict)
    done = publish(bus)
    assert (done.published, done.refused) == (9, 1)
    assert bad not in ids(bus.events)


def test_while_events_are_sent_nobody_holds_a_lock_of_them_or_takes_them(fresh_database: FreshDatabase) -> None:
    fill(fresh_database, 3)

    def look(entries: Entries) -> list[str | None]:
        fresh_database.owner.exec_driver_sql("SELECT FROM wellspring.outbox FOR UPDATE NOWAIT")
        fresh_database.commit()
        assert publish(FakeBus()).due == 0
        return [None] * len(entries)

    assert publish(FakeBus(look)).published == 3


def test_who_dies_leaves_the_same_ids(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(fresh_database, 12)
    first, second = FakeBus(), FakeBus()

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr("wellspring.repositories.outbox.note", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(first)
    assert publish(second).due == 0
    later(fresh_database, 61)
    assert publish(second).published == 12
    assert second.events == first.events


def test_after_seven_days_what_was_published_is_forgotten_and_what_was_not_is_counted(
    fresh_database: FreshDatabase, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CHUNK", 4)
    fill(fresh_database, 7, age="8 days")
    assert publish(FakeBus()).published == 7
    fill(fresh_database, 3, age="7 days 1 second")
    fill(fresh_database, 2, age="6 days")
    assert publishing.prune(Deadline(30)) == 3
    assert len(outbox.rows()) == 2
    assert publishing.oldest_age(Deadline(30)) == pytest.approx(6 * 86400, abs=60)


def test_the_function_stays_awake_pauses_where_nothing_is_due_and_tells_its_metrics(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(fresh_database, 120, age="10 minutes")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            # The bus is away, and then its minute is over.
            fill(fresh_database, 1)
            bus.does = away
        if len(pauses) == 3:
            raise StopAsyncIteration

    bus = FakeBus()
    monkeypatch.setattr(handlers, "Bus", lambda name: bus)
    monkeypatch.setattr(handlers, "sleep", pause)
    with pytest.raises(StopAsyncIteration):
        handlers.publisher()({}, Context())
    assert pauses == [handlers.PAUSE_SECONDS, handlers.PAUSE_SECONDS, handlers.AWAY_SECONDS]
    assert len(bus.events) == 120

    monkeypatch.setattr(handlers, "STAYS_SECONDS", 0.5)
    said = events.replay("maintenance_publish")
    assert said.keys() == {"EventsPublished", "EventsRefused", "EventsDropped", "OldestUnpublishedEventAge"}
    assert '"EventsDropped":' in capsys.readouterr().out.replace(" ", "")


def test_it_begins_nothing_that_it_may_not_end(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = FakeBus()
    monkeypatch.setattr(handlers, "Bus", lambda name: bus)
    fill(fresh_database, 1)
    assert handlers.publisher()({}, Context(milliseconds=12_000))["EventsPublished"] == 0
    assert publishing.publish(bus, Deadline(10)) == publishing.Published(due=1, published=0, refused=0, is_away=False)
    assert bus.calls == []


@pytest.fixture
def of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            {"status": 200, "body": {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, {"ErrorCode": "Internal"}]}},
            None,
        ),
        ({"status": 400, "code": "ValidationException"}, EntriesRefused),
        ({"status": 400, "code": "ThrottlingException"}, BusAway),
        ({"status": 500, "code": "InternalFailure"}, BusAway),
    ],
)
def test_what_the_bus_answers(answer: dict[str, Any], expected: type[Exception] | None, of_nobody: None) -> None:
    bus = Bus("arn:aws:events:eu-central-1:000000000000:event-bus/wellspring")
    entries = [{"Source": "wellspring", "DetailType": TYPE, "Detail": "{}"}] * 2
    with Stubber(bus._events) as stubber:
        if expected is None:
            sent = {"Entries": [{**entry, "EventBusName": bus._name} for entry in entries]}
            stubber.add_response("put_events", answer["body"], sent)
            assert bus.put(entries) == [None, "Internal"]
            return
        stubber.add_client_error("put_events", answer["code"], http_status_code=answer["status"])
        with pytest.raises(expected):
            bus.put(entries)


def test_a_bus_that_is_not_there_is_away(of_nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://127.0.0.1:9")
    monkeypatch.setattr(buses, "CONNECT_SECONDS", 1)
    with pytest.raises(BusAway, match="EndpointConnectionError"):
        Bus("wellspring").put([{"Source": "wellspring", "DetailType": TYPE, "Detail": "{}"}])
