"""`GET /v1/company-workspace-connectors`: a page of the rows that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR

handler = list_of(COMPANY_WORKSPACE_CONNECTOR)
