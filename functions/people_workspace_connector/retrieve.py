"""`GET /v1/people-workspace-connectors/{id}`: one row."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import PEOPLE_WORKSPACE_CONNECTOR

handler = retrieve_of(PEOPLE_WORKSPACE_CONNECTOR)
