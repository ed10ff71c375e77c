"""Handler that publishes events: it is awake all the time, so that each is on the bus a second after its commit."""

import time
from collections.abc import Mapping
from typing import Any

from wellspring import metrics
from wellspring.bus import Bus
from wellspring.database.retry import Deadline
from wellspring.errors import WellspringError
from wellspring.handlers.deadline import deadline_of
from wellspring.handlers.maintenance import LambdaHandler
from wellspring.observability import logger
from wellspring.services import publishing
from wellspring.settings import event_bus

# Until the next one is invoked: a minute is the shortest that a schedule has.
STAYS_SECONDS = 60.0
# How long it waits where nothing is due, and where the bus is away.
PAUSE_SECONDS, AWAY_SECONDS = 1.0, 5.0
# For tests, which do not wait.
sleep = time.sleep


def publisher() -> LambdaHandler:
    """Return the Lambda handler that publishes what is in the outbox, and forgets what is old, for a minute.

    A failure of the database is raised, so that it counts as the function's; the next one goes on.
    """

    def handler(_event: Mapping[str, Any], context: object) -> dict[str, object]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        deadline = deadline_of(context)
        try:
            stays = Deadline(min(STAYS_SECONDS, deadline.seconds - publishing.SPARED_SECONDS))
            done = _stay(Bus(event_bus()), deadline, stays)
        except WellspringError as error:
            logger.error("publishing failed", extra={"code": error.code} | error.evidence)
            # Its cause holds SQL, which Lambda would log.
            raise error from None
        metrics.emit(done)
        said: dict[str, object] = dict(done)
        logger.info("published", extra=said)
        return said

    return handler


def _stay(bus: Bus, deadline: Deadline, stays: Deadline) -> dict[str, float]:
    pruned = publishing.prune(stays)
    age = publishing.oldest_age(deadline)
    published = refused = 0
    while not stays.has_passed:
        portion = publishing.publish(bus, deadline)
        published += portion.published
        refused += portion.refused
        if portion.is_away or not portion.taken:
            sleep(min(AWAY_SECONDS if portion.is_away else PAUSE_SECONDS, max(0.0, stays.seconds)))
    return {
        "EventsPublished": published,
        "EventsRefused": refused,
        "EventsDropped": pruned.dropped,
        "OldestUnpublishedEventAge": max(age, publishing.oldest_age(deadline)),
    }
