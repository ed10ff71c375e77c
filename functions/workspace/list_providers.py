"""`GET /v1/workspaces/{workspace_id}/providers`: the live choices of one workspace, with their providers."""

from wellspring.handlers.reading import list_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = list_of(WORKSPACE_PROVIDER, workspace_in="workspace_id", include=("provider",))
