"""`DELETE /v1/workspace-group-memberships/{id}`: remove a member, or leave."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import WORKSPACE_GROUP_MEMBERSHIP

handler = delete_of(WORKSPACE_GROUP_MEMBERSHIP)
