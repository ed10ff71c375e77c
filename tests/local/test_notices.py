"""Notices of `make run` about messages that the sync queue could not apply."""

import json
from pathlib import Path
from typing import Any

from local.notices import Notices


def line(outcome: str, message_id: str, **more: Any) -> str:
    said = {"level": "ERROR", "sqs_message_id": f"sqs-{message_id}", "message_id": message_id, "outcome": outcome}
    return json.dumps(said | more) + "\n"


def test_a_parked_message_and_a_dead_letter_are_a_line_each_with_their_reason(tmp_path: Path) -> None:
    log, printed = tmp_path / "functions.log", list[str]()
    log.write_text("of a run before\n" + line("parked", "old"))
    notices = Notices(log, printed.append, "logs/functions.log")
    whole = line("parked", "m1", reason="malformed", problems=["no type"])
    # A line that is not whole yet is told when it is; what is written after the last reading is read before a letter.
    for text in (whole[:40], whole[40:], line("failed", "m2", reason="x", problems=["tenant_mismatch: company c1"])):
        with log.open("a") as file:
            file.write(text)
        if "m2" not in text:
            notices.read()
    assert printed == ["parked: message m1 (malformed: no type)"]
    notices.dead_letter({"MessageId": "sqs-m2", "Body": "{}"})
    assert printed[1:] == ["dead letter: message m2 (x: tenant_mismatch: company c1); `make redrive` sends it again"]
