"""`POST /v1/people-workspace-connectors`: record what a connector did, for the pipeline."""

from wellspring.handlers.writing import create_of
from wellspring.resources import PEOPLE_WORKSPACE_CONNECTOR

handler = create_of(PEOPLE_WORKSPACE_CONNECTOR)
