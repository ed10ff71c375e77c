"""`GET /v1/providers`: a page of the catalogue of providers."""

from wellspring.handlers.reading import list_of
from wellspring.resources import PROVIDER

handler = list_of(PROVIDER)
