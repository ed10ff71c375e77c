"""`GET /v1/people-workspace-connectors`: a page of the rows that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import PEOPLE_WORKSPACE_CONNECTOR

handler = list_of(PEOPLE_WORKSPACE_CONNECTOR)
