"""`POST /v1/company-workspace-connectors`: record what a connector did, for the pipeline."""

from wellspring.handlers.writing import create_of
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR

handler = create_of(COMPANY_WORKSPACE_CONNECTOR)
