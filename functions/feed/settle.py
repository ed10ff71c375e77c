"""Each minute: apply the events that waited for something that has come, park those that waited for a day."""

from wellspring.handlers.feed import feed_settler

handler = feed_settler()
