"""`GET /v1/companies/{id}`: one company."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import COMPANY

handler = retrieve_of(COMPANY)
