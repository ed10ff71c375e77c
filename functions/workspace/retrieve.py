"""`GET /v1/workspaces/{id}`: one workspace."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import OWN_WORKSPACE

handler = retrieve_of(OWN_WORKSPACE)
