"""The platform's feed while everything breaks: what is told of it, and what must be there in the end.

Resources of all types are told of in random histories: upserts, deletions, revivals and erasures with their versions,
in any order, in bodies of which some come twice. What syncs name is not among them: the syncs' twin judges those.
"""

import random
from collections.abc import Sequence

from sqlalchemy import text

from tests.abuse.ledger import owner_of
from tests.support.feed import Event
from tests.support.histories import History, batches, histories, problems

# Of the sync messages, for each of which some events are sent: one platform of a dozen resources for so many of them.
MESSAGES_OF_A_PLATFORM = 40
REPEATED = 0.15

_KEPT = "SELECT outcome, reason, event_type FROM wellspring.pending_events WHERE outcome <> 'waiting'"
# What waits though what it names has come.
_FORGOTTEN = """
SELECT event.event_type, event.subject FROM wellspring.pending_events AS event
 WHERE outcome = 'waiting' AND CASE missing_type
       WHEN 'workspace' THEN EXISTS (SELECT FROM core_api.workspaces WHERE id::text = missing_key)
       WHEN 'connector' THEN EXISTS (SELECT FROM core_api.connectors WHERE id::text = missing_key)
       WHEN 'people' THEN EXISTS (SELECT FROM core_api.peoples WHERE id::text = missing_key)
       ELSE true END
"""


def plan(seed: int, messages: int) -> tuple[Sequence[History], Sequence[Sequence[Event]]]:
    """Return all that a run beside so many sync messages tells, and the bodies in which it is sent."""
    chance = random.Random(f"feed {seed}")
    told = [one for _ in range(max(2, messages // MESSAGES_OF_A_PLATFORM)) for one in histories(chance)]
    bodies = batches(chance, [event for history in told for event in history.events()])
    bodies += chance.sample(bodies, int(len(bodies) * REPEATED))
    chance.shuffle(bodies)
    return told, bodies


def judge(told: Sequence[History], url: str) -> list[str]:
    """Return where the database is not as `told` says: parents, sums, what waits and what is parked."""
    with owner_of(url) as owner:
        found = list(problems(told, lambda statement: owner.execute(text(statement)).all()))
        found += [f"is kept: {tuple(row)}" for row in owner.exec_driver_sql(_KEPT)]
        found += [f"waits for nothing: {tuple(row)}" for row in owner.exec_driver_sql(_FORGOTTEN)]
    return found
