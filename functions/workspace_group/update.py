"""`PATCH /v1/workspace-groups/{id}`: rename a group."""

from wellspring.handlers.writing import update_of
from wellspring.resources import WORKSPACE_GROUP

handler = update_of(WORKSPACE_GROUP)
