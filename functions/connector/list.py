"""`GET /v1/connectors`: a page of the catalogue of connectors."""

from wellspring.handlers.reading import list_of
from wellspring.resources import CONNECTOR

handler = list_of(CONNECTOR)
