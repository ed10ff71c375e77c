"""`GET /v1/sync-messages`: a page of the messages of workspaces that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import SYNC_MESSAGE

handler = list_of(SYNC_MESSAGE)
