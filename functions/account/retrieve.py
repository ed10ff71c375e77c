"""`GET /v1/accounts/{id}`: one bank account."""

from wellspring.handlers.reading import retrieve_of
from wellspring.resources import ACCOUNT

handler = retrieve_of(ACCOUNT)
