"""`GET /v1/connector-activity`: how much connectors linked and ended, by day or in all."""

from wellspring.handlers.answers import activity

handler = activity()
