"""`GET /v1/sync-messages/{id}`: one message, with all of its problems."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import SYNC_MESSAGE

handler = retrieve_of(SYNC_MESSAGE)
