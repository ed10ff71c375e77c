"""`POST /v1/workspace-group-memberships`: add a person to a group."""

from wellspring.handlers.writing import create_of
from wellspring.resources import WORKSPACE_GROUP_MEMBERSHIP

handler = create_of(WORKSPACE_GROUP_MEMBERSHIP)
