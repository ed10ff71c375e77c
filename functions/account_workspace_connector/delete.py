"""`DELETE /v1/account-workspace-connectors/{id}`: tombstone one row, for the pipeline."""

from wellspring.handlers.writing import delete_of
from wellspring.resources import ACCOUNT_WORKSPACE_CONNECTOR

handler = delete_of(ACCOUNT_WORKSPACE_CONNECTOR)
