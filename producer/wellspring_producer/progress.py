"""How far a run is, for those who watch it."""

import sys
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        run: its name.
        records: how many of it SQS has taken.
        messages: in how many messages.
        state: `open` while it goes on, then `complete`, or `failed`: it stays open, and its records are not lost.
    """

    run: str
    records: int
    messages: int
    state: Literal["open", "complete", "failed"]


def show(progress: Progress) -> None:
    """Show a line in a terminal; where standard error is none, nothing."""
    if sys.stderr.isatty():
        end = "" if progress.state == "open" else f", {progress.state}\n"
        line = f"\r{progress.run}: {progress.records:,} records in {progress.messages:,} messages"
        print(line, end=end, file=sys.stderr, flush=True)  # noqa: T201  what it is for
