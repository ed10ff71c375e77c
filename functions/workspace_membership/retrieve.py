"""`GET /v1/workspace-memberships/{id}`: one membership of a workspace."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import WORKSPACE_MEMBERSHIP

handler = retrieve_of(WORKSPACE_MEMBERSHIP)
