"""Forgets the local stack: removes its state folder, and the clusters elsewhere that it may point at.

Needs nothing but the standard library, so that it also works without a virtual environment.
"""

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path

from local.errors import Fault

# The stack's cluster and the bench's.
CLUSTERS = {"postgres": "the stack", "bench-pg": "a bench"}


def clean(state: Path) -> None:
    """Remove the folder `state` and the clusters its links name. Raises Fault while something runs in it."""
    for name, user in CLUSTERS.items():
        with suppress(FileNotFoundError), (state / name / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Fault(f"{user} is running (process {lock.read().strip()}); stop it first") from error
    for name in CLUSTERS:
        if (state / name).is_symlink():
            shutil.rmtree((state / name).readlink(), ignore_errors=True)
    with suppress(FileNotFoundError):
        shutil.rmtree(state)
