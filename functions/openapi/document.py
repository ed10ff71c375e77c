"""`GET /v1/openapi.json`: the API's description."""

from wellspring.handlers.open import openapi_document

handler = openapi_document()
