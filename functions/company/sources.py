"""`GET /v1/companies/{id}/sources`: which connectors brought a company in or carried it out."""

from wellspring.handlers.answers import sources_of
from wellspring.resources import COMPANY

handler = sources_of(COMPANY)
