"""`GET /v1/workspace-group-memberships`: a page of the members of the caller's groups."""

from wellspring.handlers.reading import list_of
from wellspring.resources import WORKSPACE_GROUP_MEMBERSHIP

handler = list_of(WORKSPACE_GROUP_MEMBERSHIP)
