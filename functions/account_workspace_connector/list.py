"""`GET /v1/account-workspace-connectors`: a page of the rows that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import ACCOUNT_WORKSPACE_CONNECTOR

handler = list_of(ACCOUNT_WORKSPACE_CONNECTOR)
