"""Notices of `make run` about messages that the sync queue could not apply."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.notices import Notices


class Terminal:
    """The log of the functions, and what is printed."""

    def __init__(self, log: Path) -> None:
        self.log = log
        log.write_text("of a run before\n" + line("parked", "old"))
        self.printed: list[str] = []
        self.notices = Notices(log, self.printed.append, "logs/functions.log")

    def write(self, text: str) -> list[str]:
        """Add `text` to the log; return what is printed then."""
        before = len(self.printed)
        with self.log.open("a") as log:
            log.write(text)
        self.notices.read()
        return self.printed[before:]


def line(outcome: str, message_id: str, **more: Any) -> str:
    said = {"level": "ERROR", "sqs_message_id": f"sqs-{message_id}", "message_id": message_id, "outcome": outcome}
    return json.dumps(said | more) + "\n"


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "functions.log")


def test_a_parked_message_is_one_line_with_its_reason_and_first_problems(terminal: Terminal) -> None:
    problems = [f"unknown_record: company {number}" for number in range(5)]
    shown = "unknown_record: company 0, unknown_record: company 1, unknown_record: company 2 and 6 more"
    told = terminal.write(line("parked", "m1", reason="unknown_record", problems=problems, problem_count=9))
    assert told == [f"parked: message m1 ({shown})"]
    assert terminal.write(line("parked", "m2", reason="malformed", problems=["no type"])) == [
        "parked: message m2 (malformed: no type)"
    ]


def test_a_line_that_is_not_whole_yet_is_told_when_it_is(terminal: Terminal) -> None:
    whole = line("parked", "m1", reason="expired")
    assert terminal.write(whole[:40]) == []
    assert terminal.write(whole[40:]) == ["parked: message m1 (expired)"]


def delivered(message_id: str, body: str) -> dict[str, str]:
    return {"MessageId": f"sqs-{message_id}", "Body": body}


def test_a_dead_letter_is_told_with_the_reason_of_its_last_failure(terminal: Terminal) -> None:
    terminal.write(line("returned", "m1", reason="deadlock"))
    # Written between two readings: it is read before the line is printed.
    with terminal.log.open("a") as log:
        log.write(line("failed", "m1", reason="tenant_mismatch", problems=["tenant_mismatch: company c1"]))
    terminal.notices.dead_letter(delivered("m1", "{}"))
    assert terminal.printed == ["dead letter: message m1 (tenant_mismatch: company c1); `make redrive` sends it again"]
