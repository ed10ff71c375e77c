"""`DELETE /v1/people-workspace-connectors/{id}`: tombstone one row, for the pipeline."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import PEOPLE_WORKSPACE_CONNECTOR

handler = delete_of(PEOPLE_WORKSPACE_CONNECTOR)
