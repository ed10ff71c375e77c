"""`POST /v1/sync-messages/{id}/release`: try a parked message again."""

from wellspring.handlers import sync_messages

handler = sync_messages.release()
