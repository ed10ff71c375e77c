"""`GET /v1/people/{id}/sources`: which connectors brought a person in or carried it out."""

from wellspring.handlers.answers import sources_of
from wellspring.resources import PEOPLE

handler = sources_of(PEOPLE)
