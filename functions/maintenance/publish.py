"""Each minute, for a minute: publish the events in the outbox to the bus, and forget those that are old."""

from wellspring.handlers.publishing import publisher

handler = publisher()
