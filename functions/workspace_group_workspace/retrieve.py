"""`GET /v1/workspace-group-workspaces/{id}`: one row."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import WORKSPACE_GROUP_WORKSPACE

handler = retrieve_of(WORKSPACE_GROUP_WORKSPACE)
