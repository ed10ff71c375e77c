"""`GET /v1/providers/{id}`: one provider."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import PROVIDER

handler = retrieve_of(PROVIDER)
