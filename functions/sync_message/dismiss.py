"""`POST /v1/sync-messages/{id}/dismiss`: close a parked message for good."""

from wellspring.handlers import sync_messages

handler = sync_messages.dismiss()
