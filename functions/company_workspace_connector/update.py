"""`PATCH /v1/company-workspace-connectors/{id}`: tombstone or restore one row, for the pipeline."""

from wellspring.handlers.writing import update_of
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR

handler = update_of(COMPANY_WORKSPACE_CONNECTOR)
