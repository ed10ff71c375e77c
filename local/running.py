"""Says what runs. Needs nothing but the standard library, as `local.clean` does."""

import fcntl
import json
from contextlib import suppress
from pathlib import Path

from local.errors import Fault
from local.settings import Settings


def holder(lock: Path) -> str | None:
    """Return the process id that the holder of the lock file `lock` wrote into it; None when nobody holds it."""
    with suppress(FileNotFoundError), lock.open() as file:
        try:
            # Shared, so that two who ask do not take each other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return file.read().strip()
    return None


def facts(settings: Settings) -> dict[str, str]:
    """Return what the running stack says of itself. Raises Fault when none runs.

    One that was killed leaves its stack.json behind, but not the lock of its cluster.
    """
    with suppress(FileNotFoundError):
        said: dict[str, str] = json.loads(settings.stack_file.read_text())
        if holder(settings.postgres / "lock") is not None:
            return said
    raise Fault("the stack is not running; `make run` starts it")
