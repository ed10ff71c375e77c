"""`GET /v1/feed-status`: how far the feed is."""

from wellspring.handlers.feed_answers import feed_status

handler = feed_status()
