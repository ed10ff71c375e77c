"""Forgets the local stack: removes its state folder, and the cluster elsewhere that it may point at.

Needs nothing but the standard library, so that it also works without a virtual environment.
"""

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path

from local.errors import Fault


def clean(state: Path) -> None:
    """Remove the folder `state` and what its link to a cluster names. Raises Fault while a stack runs in it."""
    cluster = state / "postgres"
    with suppress(FileNotFoundError), (cluster / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Fault(f"the stack is running (process {lock.read().strip()}); stop it first") from error
    if cluster.is_symlink():
        shutil.rmtree(cluster.readlink(), ignore_errors=True)
    with suppress(FileNotFoundError):
        shutil.rmtree(state)
