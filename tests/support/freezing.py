"""Stops processes in the middle of what they do, without a word to whoever waits for them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the processes that `pid` has started and that live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process and its children (a Postgres and all its sessions) for as long as the context is open.

    Their machine still takes connections and acknowledges what is sent, as one does whose disk hangs.
    """
    os.kill(pid, signal.SIGSTOP)
    # It starts no others now.
    pids = [pid, *children_of(pid)]
    try:
        for each in pids[1:]:
            os.kill(each, signal.SIGSTOP)
        yield
    finally:
        for each in reversed(pids):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
