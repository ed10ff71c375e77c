"""`POST /v1/feed-events/release`: try parked events of a source again."""

from wellspring.handlers.feed_answers import feed_release_many

handler = feed_release_many()
