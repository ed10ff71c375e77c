"""Faults from outside, beside what consumers do to themselves: freezing, and killing the queue."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from local.queue import QueueServer
from tests.support.freezing import frozen

# A moment; and longer than a delivery stays hidden, so that others have it meanwhile.
FROZEN_SECONDS = (0.5, 4.2)


class Sleepers:
    """Processes that are stopped in the midst of what they do, each for a while."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}

    def stop(self, pid: int, seconds: float) -> bool:
        """Stop a process, unless it is stopped or gone; say whether it was."""
        if pid in self._until:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._until[pid] = time.monotonic() + seconds
            return True
        return False

    def wake(self) -> None:
        """Let those go on whose time is over."""
        for pid in [pid for pid, until in self._until.items() if until < time.monotonic()]:
            del self._until[pid]
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _wait(seconds: float, meanwhile: Callable[[], None]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        meanwhile()


def freeze(pid: int, seconds: float, meanwhile: Callable[[], None]) -> None:
    """Let a server and its children say nothing for a while, and take nothing in; `meanwhile` must not ask it."""
    with frozen(pid):
        _wait(seconds, meanwhile)


def kill_the_queue(server: QueueServer) -> None:
    """Kill the queue's process, and start it again with what it had: what it has answered is in its file."""
    server.kill()
    server.stop()
    server.start()
    server.make_queues()
