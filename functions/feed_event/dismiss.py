"""`POST /v1/feed-events/{id}/dismiss`: close a parked event for good."""

from wellspring.handlers.feed_answers import feed_dismiss

handler = feed_dismiss()
