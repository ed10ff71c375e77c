"""`POST /v1/workspaces/{workspace_id}/providers`: select a provider for the workspace of the path."""

from wellspring.handlers.writing import create_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = create_of(WORKSPACE_PROVIDER, within={"workspace_id": "workspace"})
