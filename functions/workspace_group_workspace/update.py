"""`PATCH /v1/workspace-group-workspaces/{id}`: why an enrolment is never changed."""

from wellspring.handlers.writing import update_of
from wellspring.resources import WORKSPACE_GROUP_WORKSPACE

handler = update_of(WORKSPACE_GROUP_WORKSPACE)
