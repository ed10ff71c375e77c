"""Children that do not outlive their parent, whatever ends it, and ports.

Linux tells a process when its parent dies (PR_SET_PDEATHSIG). Elsewhere a shell waits for the end of a pipe
that only the parent holds open, and then sends the same signal. Our own Python children need neither: they read
from their parent and leave at the end of file.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from local.errors import Fault
from local.settings import HOST

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _signal_at_parents_death(signum: int) -> Callable[[], None] | None:
    if _LIBC is None:
        return None
    prctl, parent = _LIBC.prctl, os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signum)

    return before_exec


def spawn_bound(
    command: Sequence[str],
    signum: signal.Signals,
    *,
    user: int | None = None,
    group: int | None = None,
    environment: Mapping[str, str],
    directory: Path,
    output: IO[bytes],
) -> subprocess.Popen[bytes]:
    """Start `command` so that it gets `signum` when this process ends, however it ends.

    It has its own session (a Ctrl-C in the terminal does not reach it) and, with `user` and `group`, drops to
    them. Call it from a thread that lives as long as the process: Linux means the thread when it says parent.
    """
    process = subprocess.Popen(
        command,
        user=user,
        group=group,
        extra_groups=None if group is None else [],
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        umask=0o077,
        # Runs after the change of user, which would clear the setting. It makes two system calls and takes no lock.
        preexec_fn=_signal_at_parents_death(signum),  # noqa: PLW1509  for the reason above
    )
    if _LIBC is None:
        _watch_from_a_shell(process.pid, signum)
    return process


def _watch_from_a_shell(pid: int, signum: int) -> None:
    """Let a shell send `signum` to `pid` when the pipe held by this process closes."""
    waiting, _held_open_until_we_end = os.pipe()
    subprocess.Popen(
        ["/bin/sh", "-c", f"cat >/dev/null; kill -{int(signum)} {pid} 2>/dev/null"],
        stdin=waiting,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(waiting)


def listen_on(port: int, setting: str = "PORT") -> socket.socket:
    """Return a socket bound to `port` of this machine's loopback (0: any), not yet listening.

    Raises Fault when it cannot be had, naming the `setting` that chooses another.
    """
    # asyncio sets TCP_NODELAY only where the protocol is named: without it each answer on a kept-alive connection waits
    # 40 ms for an acknowledgement.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        bound.close()
        raise Fault(f"port {port} is taken ({error.strerror}); set {setting} to another") from error
    return bound


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with listen_on(0) as bound:
        return int(bound.getsockname()[1])
