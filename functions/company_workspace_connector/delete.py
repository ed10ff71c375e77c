"""`DELETE /v1/company-workspace-connectors/{id}`: tombstone one row, for the pipeline."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR

handler = delete_of(COMPANY_WORKSPACE_CONNECTOR)
