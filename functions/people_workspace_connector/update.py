"""`PATCH /v1/people-workspace-connectors/{id}`: tombstone or restore one row, for the pipeline."""

from wellspring.handlers.writing import update_of
from wellspring.resources import PEOPLE_WORKSPACE_CONNECTOR

handler = update_of(PEOPLE_WORKSPACE_CONNECTOR)
