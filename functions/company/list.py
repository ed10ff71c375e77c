"""`GET /v1/companies`: a page of the companies of workspaces that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import COMPANY

handler = list_of(COMPANY)
