"""`GET /v1/accounts/{id}/sources`: which connectors brought a bank account in or carried it out."""

from wellspring.handlers.answers import sources_of
from wellspring.resources import ACCOUNT

handler = sources_of(ACCOUNT)
