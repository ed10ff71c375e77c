"""`GET /v1/workspace-connectors`: a page of the connectors of workspaces that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import WORKSPACE_CONNECTOR

handler = list_of(WORKSPACE_CONNECTOR)
