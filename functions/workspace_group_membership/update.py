"""`PATCH /v1/workspace-group-memberships/{id}`: change a member's role."""

from wellspring.handlers.writing import update_of
from wellspring.resources import WORKSPACE_GROUP_MEMBERSHIP

handler = update_of(WORKSPACE_GROUP_MEMBERSHIP)
