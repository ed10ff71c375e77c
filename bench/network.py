"""The database as seen over a network: a proxy between the product and Postgres."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench import ROOT
from local.settings import HOST


class Proxy:
    """A running `bench.proxy`.

    Attributes:
        port: where it listens.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())

    def round_trips(self) -> int:
        """Return the round trips since the last call, or the start."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def proxy(server_port: int, *, round_trip_ms: float) -> Iterator[Proxy]:
    """Run a proxy to Postgres that adds `round_trip_ms` to each round trip."""
    command = [sys.executable, "-m", "bench.proxy", HOST, str(server_port), str(round_trip_ms / 2000)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Proxy(process)
        finally:
            # The end of its input; it has nothing to put in order.
            process.kill()
