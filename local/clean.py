"""Forgets the local stack: removes its state folder, and the clusters elsewhere that it may point at.

Needs nothing but the standard library, so that it also works without a virtual environment.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from local.errors import Fault
from local.running import holder
from local.settings import DEFAULT_STATE, STATE_MARK

# The stack's cluster and the bench's.
CLUSTERS = {"postgres": "the stack", "bench-pg": "a bench"}


def clean(state: Path) -> None:
    """Remove the folder `state` and the clusters its links name, if it is there.

    Raises Fault while something runs in it, and for what is no state folder: whoever mistypes WELLSPRING_STATE must
    not lose a folder of their own.
    """
    if not state.exists():
        return
    if not _is_ours(state):
        raise Fault(f"{state} is no folder of the stack's state (there is no {STATE_MARK} in it); it stays as it is")
    for name, user in CLUSTERS.items():
        if (process := holder(state / name / "lock")) is not None:
            raise Fault(f"{user} is running (process {process}); stop it first")
    for name in CLUSTERS:
        if (state / name).is_symlink():
            shutil.rmtree((state / name).readlink(), ignore_errors=True)
    with suppress(FileNotFoundError):
        shutil.rmtree(state)


def _is_ours(state: Path) -> bool:
    """Say whether `state` is the default folder, one that `make_state_folder` marked, or one with nothing in it."""
    if not state.is_dir():
        return False
    is_default = state.resolve() == DEFAULT_STATE.resolve()
    return is_default or (state / STATE_MARK).exists() or not any(state.iterdir())
