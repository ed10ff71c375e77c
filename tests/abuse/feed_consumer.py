"""One consumer of the feed: as of the syncs, it dies and stalls when told, and settles between its polls as it does."""

import random
from typing import Any

from local.template import Function
from tests.abuse import consumer
from tests.abuse.consumer import Context, Life

# Events in a transaction: so few that a body takes several, between which all may happen.
CHUNK = 5
# How often it settles what waits, of the polls.
SETTLING = 0.5


class FeedConsumer(consumer.Consumer):
    """The consumer in this process."""

    def __init__(self, life: Life, settler: Function) -> None:
        super().__init__(life)
        self._settler: Any = consumer.handler_of(settler.handler.removesuffix(".handler"))
        self._when = random.Random(f"settling {life.seed} {life.number}")

    def _rest(self) -> None:
        # Whoever begins with a delivery may be struck in here.
        if self._when.random() < SETTLING or self._life.is_told(consumer.PEACE):
            self._settler({}, Context(self._life.time_limit))


def consume(life: Life, settler: Function) -> None:
    """Be a consumer: the main function of its process."""
    consumer.speak_into(life.log)
    feed_consumer = FeedConsumer(life, settler)
    from wellspring.services.feed import applying  # noqa: PLC0415  (in its own environment)

    applying.CHUNK = CHUNK
    feed_consumer.work_off()
