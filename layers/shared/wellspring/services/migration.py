"""Migration of a deployment's database, and the owner's chores."""

from collections.abc import Mapping
from functools import partial
from typing import Any

# In a layer of the migration function's own; no other function has it, or imports this module.
from migrations import chores, run
from wellspring.database.engine import connect_as_owner
from wellspring.settings import settings


def bring_up_to_date() -> str:
    """Run what revisions are missing, as the owner and past the proxy. Return the revision that the database is at.

    Safe to repeat, and to run beside another. Raises `SettingsError`, `SystemExit` when another migration does not end,
    and whatever a revision raises; it is rolled back then.
    """
    return run.deploy(partial(connect_as_owner, settings()))


def do_chore(name: str, arguments: Mapping[str, Any]) -> dict[str, object]:
    """Do one of the owner's chores; return what it came to. Raises what `migrations.chores.do` raises."""
    return chores.do(name, arguments, partial(connect_as_owner, settings()))
