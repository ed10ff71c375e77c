"""`PATCH /v1/account-workspace-connectors/{id}`: tombstone or restore one row, for the pipeline."""

from wellspring.handlers.writing import update_of
from wellspring.resources import ACCOUNT_WORKSPACE_CONNECTOR

handler = update_of(ACCOUNT_WORKSPACE_CONNECTOR)
