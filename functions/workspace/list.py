"""`GET /v1/workspaces`: a page of the workspaces that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import OWN_WORKSPACE

handler = list_of(OWN_WORKSPACE)
