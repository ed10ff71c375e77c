"""`GET /v1/workspace-connectors/{id}`: one connector of a workspace."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import WORKSPACE_CONNECTOR

handler = retrieve_of(WORKSPACE_CONNECTOR)
