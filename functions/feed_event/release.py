"""`POST /v1/feed-events/{id}/release`: try a parked event again."""

from wellspring.handlers.feed_answers import feed_release

handler = feed_release()
