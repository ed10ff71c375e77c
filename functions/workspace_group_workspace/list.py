"""`GET /v1/workspace-group-workspaces`: a page of the rows that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import WORKSPACE_GROUP_WORKSPACE

handler = list_of(WORKSPACE_GROUP_WORKSPACE)
