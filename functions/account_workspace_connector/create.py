"""`POST /v1/account-workspace-connectors`: record what a connector did, for the pipeline."""

from wellspring.handlers.writing import create_of
from wellspring.resources import ACCOUNT_WORKSPACE_CONNECTOR

handler = create_of(ACCOUNT_WORKSPACE_CONNECTOR)
