"""`GET /v1/sync-runs/{id}`: one run, and whether it came whole."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import SYNC_RUN

handler = retrieve_of(SYNC_RUN)
