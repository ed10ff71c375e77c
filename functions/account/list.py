"""`GET /v1/accounts`: a page of the bank accounts of workspaces that the caller sees."""

from wellspring.handlers.reading import list_of
from wellspring.resources import ACCOUNT

handler = list_of(ACCOUNT)
