"""`POST /v1/workspace-groups/{id}/workspaces`: enrol a workspace in the group of the path."""

from wellspring.handlers.writing import create_of
from wellspring.resources import WORKSPACE_GROUP_WORKSPACE

handler = create_of(WORKSPACE_GROUP_WORKSPACE, within={"id": "workspace_group"})
