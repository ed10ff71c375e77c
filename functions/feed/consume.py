"""The feed's consumer: events of the platform in, parents and the failures of the batch out."""

from wellspring.handlers.feed import feed_consumer

handler = feed_consumer()
