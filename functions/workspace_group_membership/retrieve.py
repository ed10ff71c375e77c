"""`GET /v1/workspace-group-memberships/{id}`: one membership."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import WORKSPACE_GROUP_MEMBERSHIP

handler = retrieve_of(WORKSPACE_GROUP_MEMBERSHIP)
