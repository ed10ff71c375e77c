"""Handler that publishes events: it is awake all the time, so that each is on the bus a second after its commit."""

import time

from wellspring import metrics
from wellspring.bus import Bus
from wellspring.database.retry import Deadline
from wellspring.handlers.invocation import LambdaHandler, scheduled
from wellspring.services import publishing
from wellspring.settings import event_bus

# Until the next one is invoked: a minute is the shortest that a schedule has.
STAYS_SECONDS = 60.0
# How long it waits where nothing is due, and where the bus is away.
PAUSE_SECONDS, AWAY_SECONDS = 1.0, 5.0
# For tests, which do not wait.
sleep = time.sleep


def publisher() -> LambdaHandler:
    """Return the Lambda handler that publishes what is in the outbox, and forgets what is old, for a minute."""
    return scheduled(_publish, "publishing", "published")


def _publish(deadline: Deadline) -> dict[str, object]:
    stays = Deadline(min(STAYS_SECONDS, deadline.seconds - publishing.SPARED_SECONDS))
    done = _stay(Bus(event_bus()), deadline, stays)
    metrics.emit(done)
    return dict(done)


def _stay(bus: Bus, deadline: Deadline, stays: Deadline) -> dict[str, float]:
    dropped = publishing.prune(stays)
    age = publishing.oldest_age(deadline)
    published = refused = 0
    while not stays.has_passed:
        portion = publishing.publish(bus, deadline)
        published += portion.published
        refused += portion.refused
        if portion.is_away or not portion.due:
            sleep(min(AWAY_SECONDS if portion.is_away else PAUSE_SECONDS, max(0.0, stays.seconds)))
    return {
        "EventsPublished": published,
        "EventsRefused": refused,
        "EventsDropped": dropped,
        "OldestUnpublishedEventAge": max(age, publishing.oldest_age(deadline)),
    }
