"""`DELETE /v1/workspace-groups/{id}`: delete a group, with its enrolments and memberships."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import WORKSPACE_GROUP

handler = delete_of(WORKSPACE_GROUP)
