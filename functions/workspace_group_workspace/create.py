"""`POST /v1/workspace-group-workspaces`: enrol a workspace in a group."""

from wellspring.handlers.writing import create_of
from wellspring.resources import WORKSPACE_GROUP_WORKSPACE

handler = create_of(WORKSPACE_GROUP_WORKSPACE)
