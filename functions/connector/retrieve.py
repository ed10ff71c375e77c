"""`GET /v1/connectors/{id}`: one connector."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import CONNECTOR

handler = retrieve_of(CONNECTOR)
