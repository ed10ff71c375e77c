"""`GET /docs`: the API's description, to read and to try."""

from wellspring.handlers.open import docs_page

handler = docs_page()
