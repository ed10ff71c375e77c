"""`GET /v1/sync-runs`: a page of the runs of workspaces that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import SYNC_RUN

handler = list_of(SYNC_RUN)
