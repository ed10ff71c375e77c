"""`GET /v1/workspace-memberships`: a page of the members of workspaces of which the caller is one."""

from wellspring.handlers.reading import list_of
from wellspring.resources import WORKSPACE_MEMBERSHIP

handler = list_of(WORKSPACE_MEMBERSHIP)
