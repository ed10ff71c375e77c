"""A run: how records become messages, that a restart sends the same ones, and when it is completed."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from tests.producer.conftest import URL, Entry, FakeSqs, failing
from wellspring_producer import (
    Connector,
    InvalidRecord,
    NotCompleted,
    NotSent,
    Progress,
    Snapshot,
    TooManyMessages,
)
from wellspring_producer import runs as module
from wellspring_producer.errors import ProducerError
from wellspring_producer.messages import MOST_BYTES, MOST_COMPLETED, MOST_RECORDS, RecordsSynced, RunCompleted

CONNECTOR = "01990000-0006-7000-8000-a00000000001"
NAME = "2026-11-23"
MONEY = "\N{MONEY BAG}" * 500
WHOLE = Snapshot("input", ["company"])


def company(number: int) -> UUID:
    return UUID(int=0x01990000_0003_7000_8000_000000000000 + number)


def connector(sqs: FakeSqs, progress: Callable[[Progress], None] = lambda _: None) -> Connector:
    return Connector(URL, CONNECTOR, sqs=sqs, progress=progress)


def sent(
    records: Iterable[tuple[int, str | None]], name: str = NAME, *, sqs: FakeSqs | None = None, **more: Any
) -> list[dict[str, Any]]:
    sqs = sqs or FakeSqs()
    with connector(sqs).run(name, **more) as run:
        for number, text in records:
            run.company(company(number), name=text)
    return sqs.bodies


def unnamed(count: int) -> list[tuple[int, str | None]]:
    return [(number, None) for number in range(count)]


# ---- packing ---------------------------------------------------------------------------------------------
def test_records_are_packed_three_thousand_in_a_message_and_completed() -> None:
    *messages, completed = sent(unnamed(2 * MOST_RECORDS + 1))
    assert [len(message["records"]) for message in messages] == [MOST_RECORDS, MOST_RECORDS, 1]
    assert [record["id"] for message in messages for record in message["records"]] == [
        str(company(number)) for number in range(2 * MOST_RECORDS + 1)
    ]
    assert completed["type"] == "run.completed"
    assert completed["message_ids"] == [message["id"] for message in messages]


@pytest.mark.parametrize("text", [MONEY, '"\\' * 250, "\uffff" * 500, "x" * 500, "é" * 499])
def test_a_message_is_cut_where_one_record_more_would_not_fit_by_its_bytes(text: str) -> None:
    sqs = FakeSqs()
    *messages, _ = sent([(number, text) for number in range(2000)], sqs=sqs)
    sizes = [len(entry["MessageBody"].encode()) for entry in sqs.taken]
    assert max(sizes) <= MOST_BYTES
    assert sum(len(message["records"]) for message in messages) == 2000
    assert {record["attributes"]["name"] for message in messages for record in message["records"]} == {text}
    one = len(json.dumps(messages[0]["records"][0], ensure_ascii=False, separators=(",", ":")).encode()) + 1
    if "\uffff" in text:
        one += 500 * len("\\uffff") - 500 * 3
    assert all(size + one > MOST_BYTES for size in sizes[:-2])


def test_a_body_may_be_as_large_as_the_queue_takes_and_not_a_byte_larger() -> None:
    def bodies(*lengths: int) -> list[int]:
        sqs = FakeSqs()
        with connector(sqs).run(NAME) as run:
            for number, length in enumerate(lengths):
                run.record("note", company(number), text="x" * length)
        return [len(entry["MessageBody"].encode()) for entry in sqs.taken[:-1]]

    (one,), (two,) = bodies(2000), bodies(2000, 2000)
    fitting = [2000] * ((MOST_BYTES - one) // (two - one))
    # Room for one more, and a part of one.
    (known,) = bodies(*fitting, 0)
    first = (MOST_BYTES - known) // 2
    (known,) = bodies(*fitting, first, 0)
    last = MOST_BYTES - known
    assert 0 < last < 2000
    assert bodies(*fitting, first, last) == [MOST_BYTES]
    assert len(bodies(*fitting, first, last + 1)) == 2


def test_whatever_is_sent_is_a_message_in_its_connectors_group_under_its_own_id() -> None:
    sqs = FakeSqs()
    with connector(sqs).run(NAME, direction="output", mode="relink") as run:
        run.company(str(company(1)).upper(), name="Alder Trading")
        run.account(company(2), account_name="Current", currency="EUR")
        run.people(company(3), full_name="Ada")
        run.record("invoice", company(4), number="R-1")
    message, completed = sqs.bodies
    made = RecordsSynced.model_validate(message)
    assert made.members() == message | {"occurred_at": "2026-11-23T00:00:00.000Z"}
    assert (made.direction, made.mode, made.run) == ("output", "relink", NAME)
    assert message["records"] == [
        {"type": "company", "id": str(company(1)), "attributes": {"name": "Alder Trading"}},
        {"type": "account", "id": str(company(2)), "attributes": {"account_name": "Current", "currency": "EUR"}},
        {"type": "people", "id": str(company(3)), "attributes": {"full_name": "Ada"}},
        {"type": "invoice", "id": str(company(4)), "attributes": {"number": "R-1"}},
    ]
    assert RunCompleted.model_validate(completed).members() == completed
    for entry, body in zip(sqs.taken, sqs.bodies, strict=True):
        assert entry["MessageGroupId"] == CONNECTOR
        assert entry["MessageDeduplicationId"] == body["id"] == str(UUID(body["id"]))


def test_characters_that_sqs_refuses_are_sent_in_others() -> None:
    """SQS API reference, SendMessage: `#xE000` to `#xFFFD`, and then `#x10000`."""
    sqs = FakeSqs()
    name = "\ufffd\ufffe\uffff\U00010000"
    sent([(1, name)], sqs=sqs)
    body = sqs.taken[0]["MessageBody"]
    assert not {"\ufffe", "\uffff"} & set(body)
    assert json.loads(body)["records"][0]["attributes"]["name"] == name


def test_what_is_gone_comes_behind_what_is_there_in_a_message_and_a_call_of_its_own() -> None:
    sqs = FakeSqs()
    with connector(sqs).run(NAME) as run:
        run.company(company(1))
        run.company(company(2))
        run.invalidate("company", company(3))
        run.invalidate("people", company(4))
        run.invalidate("company", company(5), both_directions=True)
    synced, one, both, completed = sqs.bodies
    assert len(synced["records"]) == 2
    assert (one["type"], one["direction"], len(one["records"])) == ("records.invalidated", "input", 2)
    assert (both["direction"], both["run"]) == (None, NAME)
    assert "occurred_at" not in one
    assert completed["message_ids"] == [synced["id"], one["id"], both["id"]]
    assert [len(call) for call in sqs.calls] == [1, 2, 1]


# ---- a restart -------------------------------------------------------------------------------------------
def test_whoever_starts_again_with_the_same_records_sends_the_same_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    read = datetime(2026, 11, 23, 2, tzinfo=UTC)
    records = [(number, MONEY if number % 3 else None) for number in range(5000)]
    of = Snapshot("input", ["company"], read_since=read)
    first, again = FakeSqs(), FakeSqs()
    sent(records, sqs=first, snapshot=of)
    monkeypatch.setattr(module, "datetime", Later)
    sent(iter(records), sqs=again, snapshot=of)
    assert len(first.taken) > 10
    assert [(one["MessageDeduplicationId"], one["MessageBody"]) for one in first.taken] == [
        (one["MessageDeduplicationId"], one["MessageBody"]) for one in again.taken
    ]


class Later(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> "Later":
        later = datetime.now(tz) + timedelta(hours=1)
        return cls.fromtimestamp(later.timestamp(), tz)


def test_a_sender_that_stops_anywhere_and_starts_again_sends_nothing_new(pauses: list[float]) -> None:
    records = [(number, MONEY) for number in range(4000)]
    whole = FakeSqs()
    sent(records, sqs=whole)
    wanted = [entry["MessageBody"] for entry in whole.taken[:-1]]
    for calls in (0, 1, 3):
        broken = FakeSqs(*[failing()] * calls, then=failing(0))
        with pytest.raises(NotSent):
            sent(records, sqs=broken)
        assert {entry["MessageBody"] for entry in broken.taken} < set(wanted)
    assert pauses


def test_other_connectors_runs_and_records_have_other_ids() -> None:
    ids = {
        sent(unnamed(2))[0]["id"],
        sent(unnamed(3))[0]["id"],
        sent(unnamed(2), "2026-11-23-again")[0]["id"],
        sent(unnamed(2), occurred_at=datetime(2026, 11, 23, 1, tzinfo=UTC))[0]["id"],
        sent(unnamed(2), direction="output")[0]["id"],
    }
    other = FakeSqs()
    with Connector(URL, CONNECTOR[:-1] + "2", sqs=other, progress=lambda _: None).run(NAME) as run:
        run.company(company(0))
        run.company(company(1))
    assert len(ids | {other.bodies[0]["id"]}) == 6


def test_what_a_run_says_twice_is_two_messages() -> None:
    sqs = FakeSqs()
    with connector(sqs).run(NAME) as run:
        for _ in range(2):
            run.invalidate("company", company(1))
            run.company(company(1))
    *messages, completed = sqs.bodies
    assert len({message["id"] for message in messages}) == 4
    assert completed["message_ids"] == [message["id"] for message in messages]


def test_ids_grow_with_the_runs_time_and_say_no_more_than_a_uuid_may() -> None:
    names = ("1969-12-31", "2026-11-22", "2026-11-23", "2026-11-23T02:00Z")
    ids = [UUID(sent(unnamed(1), name)[0]["id"]) for name in names]
    assert sorted(ids[1:]) == ids[1:]
    assert {(one.version, one.variant) for one in ids} == {(8, "specified in RFC 4122")}
    assert ids[1].int >> 80 == datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize(
    ("name", "occurred_at"),
    [
        ("2026-11-23", "2026-11-23T00:00:00.000Z"),
        ("2026-11-23-nightly", "2026-11-23T00:00:00.000Z"),
        ("2026-11-23T02", "2026-11-23T02:00:00.000Z"),
        ("2026-11-23 02:30 crm", "2026-11-23T02:30:00.000Z"),
        ("2026-11-23T02:30:01.5+01:00/crm", "2026-11-23T01:30:01.500Z"),
    ],
)
def test_a_runs_name_says_when_it_happened(name: str, occurred_at: str) -> None:
    message, completed = sent(unnamed(1), name)
    assert message["occurred_at"] == completed["occurred_at"] == occurred_at


def test_a_run_whose_time_nobody_says_or_that_is_to_come_does_not_begin() -> None:
    sqs = FakeSqs()
    for name in ("nightly", "2026-13-01", "26-11-23"):
        with pytest.raises(ValueError, match="does not say when it happened"):
            connector(sqs).run(name)
    with pytest.raises(ValueError, match="more than a day ahead"):
        connector(sqs).run("2999-01-01")
    with pytest.raises(ValueError, match="timezone"):
        connector(sqs).run("nightly", occurred_at=datetime(2026, 11, 23))  # noqa: DTZ001  that is what is wrong
    said = sent(unnamed(1), "nightly", occurred_at=datetime(2026, 11, 23, 4, 5, 6, 789999, UTC))
    assert said[0]["occurred_at"] == "2026-11-23T04:05:06.789Z"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "2026-11-23 " + "x" * 100},
        {"name": "2026-11-23\n"},
        {"direction": "sideways"},
        {"mode": "replace"},
        {"direction": "output", "snapshot": WHOLE},
        {"snapshot": "company"},
        {"snapshot": ("sideways", ["company"])},
        {"snapshot": ("input", [])},
        {"snapshot": ("input", ["Company"])},
        {"snapshot": ("input", "company")},
    ],
    ids=str,
)
def test_a_run_or_a_snapshot_that_would_be_malformed_does_not_begin(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, PT012  each says something else
        said: dict[str, Any] = {
            name: Snapshot(*value) if isinstance(value, tuple) else value for name, value in wrong.items()
        }
        connector(FakeSqs()).run(**{"name": NAME} | said)


# ---- completing ------------------------------------------------------------------------------------------
def test_a_run_of_nothing_is_completed_with_no_messages() -> None:
    (completed,) = sent([])
    assert completed.pop("id")
    assert completed == {
        "type": "run.completed",
        "workspace_connector_id": CONNECTOR,
        "run": NAME,
        "message_ids": [],
        "snapshot": None,
        "occurred_at": "2026-11-23T00:00:00.000Z",
    }


def test_a_snapshot_was_read_since_the_run_was_called_for_and_not_since_it_ended() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    sqs = FakeSqs()
    run = connector(sqs).run(NAME, snapshot=Snapshot("output", ["company", "people", "company"]))
    after = datetime.now(UTC)
    with run:
        while datetime.now(UTC) < after + timedelta(milliseconds=5):
            pass
    snapshot = sqs.bodies[-1]["snapshot"]
    assert before <= datetime.fromisoformat(snapshot.pop("read_since")) <= after
    assert snapshot == {"direction": "output", "types": ["company", "people"]}


def test_a_run_is_completed_alone_after_all_others_were_taken(pauses: list[float]) -> None:
    sqs = FakeSqs(failing(0, 1), failing(0))
    sent([(number, MONEY) for number in range(300)], sqs=sqs)
    assert [entry["MessageDeduplicationId"] for entry in sqs.calls[-1]] == [sqs.bodies[-1]["id"]]
    assert set(sqs.bodies[-1]["message_ids"]) == {body["id"] for body in sqs.bodies[:-1]}
    assert pauses


@pytest.mark.parametrize("records", [MOST_RECORDS + 1, 12 * MOST_RECORDS])
@pytest.mark.parametrize("error", [ConnectionResetError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exception_in_the_block_never_completes_and_sends_nothing_more(
    error: type[BaseException], records: int, caplog: pytest.LogCaptureFixture
) -> None:
    sqs, told = FakeSqs(), list[Progress]()
    with pytest.raises(error), connector(sqs, told.append).run(NAME, snapshot=WHOLE) as run:  # noqa: PT012  the block is the test
        for number in range(records):
            run.company(company(number))
        raise error
    assert [body["type"] for body in sqs.bodies] == ["records.synced"] * (10 if records > 10 * MOST_RECORDS else 0)
    assert told[-1].state == "failed"
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "was not completed" in warning.getMessage()


def test_what_sqs_refused_is_not_completed_even_where_it_is_caught(pauses: list[float]) -> None:
    sqs = FakeSqs(then=failing(0))
    run = connector(sqs).run(NAME, snapshot=WHOLE)
    with pytest.raises(NotCompleted, match="not sent"), run:  # noqa: PT012  the block is the test
        for number in range(12 * MOST_RECORDS):
            try:
                run.company(company(number))
            except ProducerError as error:
                assert isinstance(error, NotSent | NotCompleted)  # noqa: PT017  both are told, one after the other
    assert "run.completed" not in {body["type"] for body in sqs.bodies}
    assert pauses


@pytest.mark.parametrize(
    ("type_", "id_", "attributes", "problem"),
    [
        ("company", "acme", {}, "id: "),
        ("company", company(1).hex, {}, "id: "),
        ("company", None, {}, "id: "),
        ("company", company(1), {"name": ""}, "name: String should have at least 1"),
        ("company", company(1), {"name": "x" * 501}, "name: String should have at most 500"),
        ("company", company(1), {"name": "a\x00b"}, "name: "),
        ("company", company(1), {"name": "\ud800"}, "name: "),
        ("company", company(1), {"name": 7}, "name: "),
        ("company", company(1), {"nickname": "Acme"}, "name: "),
        ("account", company(1), {"currency": "EUR"}, "account_name: Field required"),
        ("people", company(1), {"full_name": "Ada", "age": "9"}, "age: "),
        ("invoice", company(1), {"number": "x" * 2001}, "attributes.number: "),
        ("Company", company(1), {}, "type: "),
        ("invoice", company(1), {f"text_{number}": "x" * 2000 for number in range(132)}, "larger than a message"),
    ],
)
def test_a_record_that_cannot_be_sent_says_which_and_why_and_the_run_is_not_completed(
    type_: str, id_: Any, attributes: dict[str, Any], problem: str
) -> None:
    sqs = FakeSqs()
    run = connector(sqs).run(NAME)
    with pytest.raises(NotCompleted, match="1 records could not be sent"), run:  # noqa: PT012  the block is the test
        run.company(company(7))
        with pytest.raises(InvalidRecord, match=problem) as caught:
            run.record(type_, id_, **attributes)
        assert (caught.value.type, caught.value.id) == (type_, id_)
        assert str(id_) in str(caught.value)
        run.company(company(8))
    # The others are not held back.
    ids = [record["id"] for body in sqs.bodies for record in body["records"]]
    assert ids == [str(company(7)), str(company(8))]


def test_no_error_about_a_record_holds_what_it_is_made_of() -> None:
    with pytest.raises(InvalidRecord) as caught, connector(FakeSqs()).run(NAME) as run:
        run.company(company(1), name="Confidential\n" + "x" * 500)
    assert "Confidential" not in f"{caught.value}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("more", [0, 1])
def test_a_run_ends_before_the_message_with_which_it_could_not_be_completed(more: int) -> None:
    sqs = FakeSqs()
    run = connector(sqs).run("2026-11-23".ljust(100, "\U0010ffff"), snapshot=WHOLE)
    told = rf"{MOST_COMPLETED:,} messages.*{company(MOST_COMPLETED)}"
    with pytest.raises(TooManyMessages, match=told) if more else nullcontext(), run:
        for number in range(MOST_COMPLETED + more):
            # Each begins a message.
            run.invalidate("company", company(number), both_directions=number % 2 == 0)
    ends = [entry["MessageBody"] for entry in sqs.taken if "run.completed" in entry["MessageBody"]]
    assert len(ends) == 1 - more
    assert len(sqs.taken) - len(ends) <= MOST_COMPLETED
    for end in ends:
        assert len(json.loads(end)["message_ids"]) == MOST_COMPLETED
        assert len(end.encode()) <= MOST_BYTES


def test_a_run_takes_records_in_its_block_and_at_no_other_time() -> None:
    run = connector(FakeSqs()).run(NAME)
    with pytest.raises(ProducerError, match="is new"):
        run.company(company(1))
    with run:
        pass
    with pytest.raises(ProducerError, match="is complete"):
        run.company(company(1))
    with pytest.raises(ProducerError, match="used once"), run:
        pass


# ---- memory, progress ------------------------------------------------------------------------------------
class Counting(FakeSqs):
    records = messages = completed = 0

    def take(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.messages += 1
            self.completed += '"type":"run.completed"' in entry["MessageBody"]
            self.records += entry["MessageBody"].count('"type":"company"')
        self.calls.clear()


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_run_holds_no_more_than_a_call_and_a_message_of_what_a_source_has(count: int) -> None:
    sqs = Counting()
    with connector(sqs).run(NAME) as run:
        for number in range(count):
            # What was read and is not with SQS is held by the run: eleven messages of it at most.
            assert number - sqs.records == run.held <= 5 * MOST_RECORDS
            run.company(company(number), name="Alder Trading")
    assert (sqs.records, sqs.completed, run.held) == (count, 1, 0)


def test_progress_is_told_with_each_call_and_at_the_end() -> None:
    told: list[Progress] = []
    with connector(FakeSqs(), told.append).run(NAME) as run:
        for number in range(11 * MOST_RECORDS):
            run.company(company(number))
    assert told[-1] == Progress(NAME, 11 * MOST_RECORDS, 12, "complete")
    assert all(later.records >= earlier.records for earlier, later in pairwise(told))
    assert {one.state for one in told[:-1]} == {"open"}
    assert len(told) > 3


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_shows_a_line_and_nothing_else_does(
    *, is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with Connector(URL, CONNECTOR, sqs=FakeSqs()).run(NAME) as run:
        run.company(company(1), name="Confidential")
    shown = capsys.readouterr()
    assert shown.out == ""
    wanted = f"\r{NAME}: 1 records in 1 messages\r{NAME}: 1 records in 2 messages"
    assert shown.err == (f"{wanted}\r{NAME}: 1 records in 2 messages, complete\n" if is_terminal else "")


def test_the_log_says_when_a_run_begins_and_is_complete_and_no_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wellspring_producer")
    sent([(1, "Confidential")])
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"run {NAME} of {CONNECTOR} begins", f"run {NAME} of {CONNECTOR} is complete: 1 messages"]
