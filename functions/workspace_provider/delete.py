"""`DELETE /v1/workspace-providers/{id}`: remove a provider from a workspace."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = delete_of(WORKSPACE_PROVIDER)
