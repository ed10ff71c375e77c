"""`GET /v1/company-workspace-connectors/{id}`: one row."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR

handler = retrieve_of(COMPANY_WORKSPACE_CONNECTOR)
