"""`GET /v1/people/{id}`: one person."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import PEOPLE

handler = retrieve_of(PEOPLE)
