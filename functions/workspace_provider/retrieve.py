"""`GET /v1/workspace-providers/{id}`: one row."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = retrieve_of(WORKSPACE_PROVIDER)
