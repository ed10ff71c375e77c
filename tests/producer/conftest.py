"""SQS as a producer sees it: takes what it is sent, or refuses what a test wants. No pause of a retry is waited for."""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take the longest pause each time; return what was waited."""
    waited: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/wellspring-sync.fifo"

type Entry = Mapping[str, str]
# What a call is answered: which of its entries fail, and how; or an exception.
type Refusal = Callable[[Sequence[Entry]], Sequence[Mapping[str, Any]]]


def nothing(_: Sequence[Entry]) -> Sequence[Mapping[str, Any]]:
    return ()


def failing(*numbers: int, code: str = "InternalError", at_fault: bool = False) -> Refusal:
    return lambda entries: [
        {"Id": entry["Id"], "Code": code, "SenderFault": at_fault, "Message": "because"}
        for number, entry in enumerate(entries)
        if number in numbers
    ]


def raising(error: Exception) -> Refusal:
    def refuse(_: Sequence[Entry]) -> Sequence[Mapping[str, Any]]:
        raise error

    return refuse


def client_error(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "because"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "SendMessageBatch")


class FakeSqs:
    """A FIFO queue. `refusals` are of its first calls; `then` is of those after them."""

    def __init__(self, *refusals: Refusal, then: Refusal = nothing) -> None:
        self._refusals = list(refusals)
        self._then = then
        self.calls: list[list[Entry]] = []
        self.taken: list[Entry] = []

    def send_message_batch(self, **request: Any) -> Mapping[str, Any]:
        assert request["QueueUrl"] == URL
        entries: list[Entry] = request["Entries"]
        assert 1 <= len(entries) <= 10
        assert len({entry["Id"] for entry in entries}) == len(entries)
        self.calls.append(entries)
        failed = (self._refusals.pop(0) if self._refusals else self._then)(entries)
        refused = {one["Id"] for one in failed}
        taken = [entry for entry in entries if entry["Id"] not in refused]
        self.take(taken)
        return {"Successful": [{"Id": entry["Id"]} for entry in taken], "Failed": list(failed)}

    def take(self, entries: Sequence[Entry]) -> None:
        self.taken += entries

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(entry["MessageBody"]) for entry in self.taken]
