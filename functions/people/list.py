"""`GET /v1/people`: a page of the people of workspaces that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import PEOPLE

handler = list_of(PEOPLE)
