"""`DELETE /v1/workspace-groups/{id}/workspaces/{workspace_id}`: withdraw a workspace from a group."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import WORKSPACE_GROUP_WORKSPACE

handler = delete_of(WORKSPACE_GROUP_WORKSPACE, within={"id": "workspace_group", "workspace_id": "workspace"})
