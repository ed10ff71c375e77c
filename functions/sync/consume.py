"""The sync queue's consumer: a batch of messages in, provenance rows and the failures of the batch out."""

from wellspring.handlers.sync import sync_consumer

handler = sync_consumer()
