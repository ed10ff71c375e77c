"""`GET /v1/workspace-groups/{id}`: one group, with its workspaces and members."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import WORKSPACE_GROUP

handler = retrieve_of(WORKSPACE_GROUP)
