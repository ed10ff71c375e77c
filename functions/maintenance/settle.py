"""Each minute: release parked messages that miss nothing any more, and end the rows of what the feed has ended."""

from wellspring.handlers.settling import settler

handler = settler()
