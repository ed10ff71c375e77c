"""`DELETE /v1/workspaces/{workspace_id}/providers/{provider_id}`: remove a provider from a workspace."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = delete_of(WORKSPACE_PROVIDER, within={"workspace_id": "workspace", "provider_id": "provider"})
