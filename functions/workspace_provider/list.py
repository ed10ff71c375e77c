"""`GET /v1/workspace-providers`: a page of the rows that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = list_of(WORKSPACE_PROVIDER)
