"""`POST /v1/workspace-providers`: select or match a provider for a workspace."""

from wellspring.handlers.writing import create_of
from wellspring.resources import WORKSPACE_PROVIDER

handler = create_of(WORKSPACE_PROVIDER)
