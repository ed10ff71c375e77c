"""Migration of a deployment's database, and the owner's chores."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

# In a layer of the migration function's own; no other function has it, or imports this module.
from migrations import chores, limits, run
from wellspring.database.deadline import Deadline
from wellspring.database.engine import connect_as_owner
from wellspring.database.sqlstate import REFUSED, has_state
from wellspring.observability import describe, logger
from wellspring.settings import settings

PAUSE_SECONDS = 5.0
# For tests, which do not wait.
sleep = time.sleep


def bring_up_to_date() -> str:
    """Run what revisions are missing, as the owner and past the proxy. Return the revision that the database is at.

    Safe to repeat, and to run beside another. Raises `SettingsError`, `SystemExit` when another migration does not end,
    and whatever a revision raises; it is rolled back then.
    """
    connect = partial(connect_as_owner, settings())
    _wait_to_be_let_in(connect)
    return run.deploy(connect)


def do_chore(name: str, arguments: Mapping[str, Any]) -> dict[str, object]:
    """Do one of the owner's chores; return what it came to. Raises what `migrations.chores.do` raises."""
    return chores.do(name, arguments, partial(connect_as_owner, settings()))


def _wait_to_be_let_in(connect: Callable[[], Any]) -> None:
    """Return once the owner may sign in. Raises what `connect` raises, a refusal when it lasts.

    In a restore the role was made moments ago, and IAM tells the rest of AWS in its own time (aws-cdk#37675); of an
    endpoint's policy "it takes a few minutes" (AMS change type reference, "VPC Endpoint | Update Policy").
    """
    deadline = Deadline(limits.WAIT_TO_BE_LET_IN_SECONDS)
    while True:
        try:
            connect().close()
        except Exception as error:
            # By the database, or Secrets Manager refused the password.
            code = getattr(error, "response", {}).get("Error", {}).get("Code")
            if deadline.has_passed or not (has_state(error, REFUSED) or code == "AccessDeniedException"):
                raise
            logger.warning("the owner is not let in yet", extra=describe(error))
            sleep(PAUSE_SECONDS)
        else:
            return
