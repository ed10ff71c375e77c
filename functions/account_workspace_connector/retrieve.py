"""`GET /v1/account-workspace-connectors/{id}`: one row."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import ACCOUNT_WORKSPACE_CONNECTOR

handler = retrieve_of(ACCOUNT_WORKSPACE_CONNECTOR)
