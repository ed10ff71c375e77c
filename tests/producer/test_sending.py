"""Calls of SendMessageBatch: what goes together, in which order, and what is tried again."""

import logging
import random
import time
from itertools import pairwise

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from tests.producer.conftest import URL, FakeSqs, Refusal, client_error, failing, raising
from wellspring_producer.errors import NotSent
from wellspring_producer.messages import Entry
from wellspring_producer.sending import ATTEMPTS, MOST_BYTES_OF_A_CALL, Sender

SECRET = "Confidential Holdings"


def entry(number: int, group: str = "group", kind: str | None = "append") -> Entry:
    return Entry(f"message-{number}", group, f"{SECRET} {number}", kind)


def numbers(entries: object) -> list[int]:
    assert isinstance(entries, list)
    return [int(one["MessageDeduplicationId"].removeprefix("message-")) for one in entries]


def sent_in_calls(sqs: FakeSqs) -> list[list[int]]:
    return [numbers(call) for call in sqs.calls]


def test_ten_messages_go_together_in_their_order_with_their_group_and_id() -> None:
    sqs = FakeSqs()
    Sender(URL, sqs).send(*(entry(number) for number in range(25)))
    assert [len(call) for call in sqs.calls] == [10, 10, 5]
    assert numbers(sqs.taken) == list(range(25))
    first = sqs.taken[0]
    assert (first["MessageGroupId"], first["MessageDeduplicationId"]) == ("group", "message-0")
    assert first["MessageBody"] == entry(0).body


def test_a_call_holds_a_mebibyte_of_bodies_and_not_a_byte_more() -> None:
    quarter = MOST_BYTES_OF_A_CALL // 4
    plain, money = "x" * quarter, "\N{MONEY BAG}" * (quarter // 4)
    for bodies, calls in (
        ([plain] * 4, [[0, 1, 2, 3]]),
        ([*[plain] * 3, plain + "x"], [[0, 1, 2], [3]]),
        ([money] * 5, [[0, 1, 2, 3], [4]]),
    ):
        sqs = FakeSqs()
        Sender(URL, sqs).send(*(Entry(f"message-{n}", "group", body, "append") for n, body in enumerate(bodies)))
        assert sent_in_calls(sqs) == calls


def test_messages_of_a_group_share_a_call_only_where_their_order_does_not_matter(pauses: list[float]) -> None:
    """What SQS refuses comes behind what it took: an ending must not overtake what it ends, nor be overtaken."""
    sqs = FakeSqs(failing(0), failing(0))
    Sender(URL, sqs).send(entry(0), entry(1), entry(2, kind="invalidated"), entry(3, kind=None), entry(4, kind=None))
    assert sent_in_calls(sqs) == [[0, 1], [0], [0], [2], [3], [4]]
    assert numbers(sqs.taken) == [1, 0, 2, 3, 4]
    assert len(pauses) == 2


def test_messages_of_other_groups_share_a_call_whatever_they_do() -> None:
    sqs = FakeSqs()
    Sender(URL, sqs).send(*(entry(number, group=f"group {number}", kind=None) for number in range(10)))
    assert [len(call) for call in sqs.calls] == [10]


def test_what_sqs_refused_is_sent_again_and_nothing_else(pauses: list[float]) -> None:
    sqs = FakeSqs(failing(1, 3), failing(0))
    told: list[int] = []
    Sender(URL, sqs, on_sent=lambda taken: told.append(len(taken))).send(*(entry(number) for number in range(5)))
    assert sent_in_calls(sqs) == [[0, 1, 2, 3, 4], [1, 3], [1]]
    assert sorted(numbers(sqs.taken)) == [0, 1, 2, 3, 4]
    assert told == [3, 1, 1]
    assert len(pauses) == 2


class Silent(FakeSqs):
    def send_message_batch(self, **request: object) -> dict[str, object]:
        answer = dict(super().send_message_batch(**request))
        if len(self.calls) == 1:
            answer["Successful"] = [one for one in answer["Successful"] if one["Id"] != "1"]
        return answer


def test_what_the_answer_does_not_speak_of_is_sent_again(pauses: list[float]) -> None:
    sqs = Silent()
    Sender(URL, sqs).send(*(entry(number) for number in range(3)))
    assert sent_in_calls(sqs) == [[0, 1, 2], [1]]
    assert len(pauses) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        failing(*range(3)),
        failing(*range(3), code="KMS.ThrottlingException", at_fault=True),
        raising(client_error("ServiceUnavailable", 503)),
        raising(client_error("RequestThrottled", 403)),
        raising(client_error("ThrottlingException", 400)),
        raising(client_error("TooManyRequests", 429)),
        raising(EndpointConnectionError(endpoint_url=URL)),
        raising(ReadTimeoutError(endpoint_url=URL)),
    ],
    ids=["entries", "KMS", "503", "throttled", "throttling", "429", "no connection", "timeout"],
)
def test_what_may_pass_is_tried_ten_times_with_growing_pauses(refusal: Refusal, pauses: list[float]) -> None:
    sqs = FakeSqs(then=refusal)
    sender = Sender(URL, sqs)
    messages = [entry(number) for number in range(3)]
    with pytest.raises(NotSent, match=f"3 messages were not sent .*tried {ATTEMPTS} times.*message-0") as caught:
        sender.send(*messages)
    assert len(sqs.calls) == ATTEMPTS == 10
    assert len(pauses) == ATTEMPTS - 1
    assert all(later >= earlier for earlier, later in pairwise(pauses))
    # SQS knows a message again for five minutes.
    assert sum(pauses) < 120
    assert caught.value.entries == sender.held == tuple(messages)
    # Nothing is lost: whoever waited sends the same.
    sender._sqs = again = FakeSqs()
    sender.flush()
    assert numbers(again.taken) == [0, 1, 2]


@pytest.mark.parametrize(
    "refusal",
    [
        failing(1, code="InvalidMessageContents", at_fault=True),
        raising(client_error("AccessDenied", 403)),
        raising(client_error("AWS.SimpleQueueService.NonExistentQueue", 400)),
    ],
    ids=["contents", "denied", "no queue"],
)
def test_what_never_passes_is_told_at_once(refusal: Refusal, pauses: list[float]) -> None:
    sqs = FakeSqs(refusal)
    sender = Sender(URL, sqs)
    with pytest.raises(NotSent, match="message-1") as caught:
        sender.send(entry(0), entry(1))
    assert (len(sqs.calls), pauses) == (1, [])
    assert caught.value.entries == sender.held
    assert numbers(sqs.taken) == [number for number in (0, 1) if entry(number) not in sender.held]


def test_pauses_are_drawn_at_random_so_that_senders_do_not_meet_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[tuple[float, float]] = []

    def draw(shortest: float, longest: float) -> float:
        ranges.append((shortest, longest))
        return 0

    monkeypatch.setattr(random, "uniform", draw)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(NotSent):
        Sender(URL, FakeSqs(then=failing(0))).send(entry(0))
    assert all(shortest == 0 for shortest, _ in ranges)
    assert [longest for _, longest in ranges] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]


def test_no_log_line_and_no_error_holds_what_is_sent(pauses: list[float], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wellspring_producer")
    with pytest.raises(NotSent) as caught:
        Sender(URL, FakeSqs(then=failing(0, 1))).send(entry(0), entry(1))
    assert len(caplog.records) == len(pauses)
    assert SECRET not in f"{caplog.text} {caught.value} {caught.value!r} {caught.value.entries}"
