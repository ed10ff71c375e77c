"""`DELETE /v1/workspace-group-workspaces/{id}`: withdraw a workspace from a group."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import WORKSPACE_GROUP_WORKSPACE

handler = delete_of(WORKSPACE_GROUP_WORKSPACE)
