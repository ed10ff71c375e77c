"""`POST /v1/sync-messages/release`: try parked messages of a connector again."""

from wellspring.handlers import sync_messages

handler = sync_messages.release_many()
