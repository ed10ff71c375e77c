"""Says in the terminal of `make run` what the sync queue could not do: one line for each message.

The consumer's log has a line for each message of a batch, with its outcome and reason. A message that is parked is told
from there; one that becomes a dead letter by the poller, which also sees a consumer that wrote no line.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

WATCH_SECONDS = 0.5
REMEMBERED = 1000
SHOWN_PROBLEMS = 3

type Said = Mapping[str, Any]


class Notices:
    """Follows the log of the functions from where it ends now; `say` prints one line."""

    def __init__(self, log: Path, say: Callable[[str], None], hint: str) -> None:
        self._log = log
        self._say = say
        self._hint = hint
        self._read_to = log.stat().st_size if log.exists() else 0
        self._outcomes: OrderedDict[str, Said] = OrderedDict()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="notices", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def dead_letter(self, message: Said) -> None:
        """Tell of a message, as SQS delivered it, that goes to the dead-letter queue now."""
        self.read()
        said = self._outcomes.get(str(message["MessageId"]), {})
        name = said.get("message_id") or _id_in(str(message["Body"])) or f"{message['MessageId']} of SQS"
        why = _why(said) or f"the log has no line of it, see {self._hint}"
        self._say(f"dead letter: message {name} ({why}); `make redrive` sends it again")

    def read(self) -> None:
        """Read what the log has gained, and tell of what was parked."""
        with self._lock:
            for line in self._gained():
                said = _outcome(line)
                if said is not None:
                    self._outcomes[str(said["sqs_message_id"])] = said
                    if said["outcome"] == "parked":
                        self._say(f"parked: message {said.get('message_id')} ({_why(said)})")
            while len(self._outcomes) > REMEMBERED:
                self._outcomes.popitem(last=False)

    def _follow(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            self.read()

    def _gained(self) -> list[bytes]:
        """Return the whole lines since the last time."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as log:
            if log.seek(0, 2) < self._read_to:
                self._read_to = 0  # somebody emptied it
            log.seek(self._read_to)
            whole, end, _ = log.read().rpartition(b"\n")
            self._read_to += len(whole) + len(end)
        return whole.splitlines()


def _outcome(line: bytes) -> Said | None:
    """Return what a line of the log says of a message of the queue; None where it is no such line."""
    if b'"sqs_message_id"' not in line:
        return None
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and {"sqs_message_id", "outcome"} <= said.keys() else None


def _id_in(body: str) -> str | None:
    try:
        message = json.loads(body)
    except ValueError:
        return None
    return str(message["id"]) if isinstance(message, dict) and "id" in message else None


def _why(said: Said) -> str:
    problems = [str(problem) for problem in said.get("problems", ())]
    shown = ", ".join(problems[:SHOWN_PROBLEMS])
    more = said.get("problem_count", len(problems)) - len(problems[:SHOWN_PROBLEMS])
    words = [str(said["reason"])] if "reason" in said and not shown.startswith(f"{said['reason']}: ") else []
    words += [f"{shown} and {more} more" if more > 0 else shown] if shown else []
    return ": ".join(words)
