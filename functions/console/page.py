"""`GET /console`: the ledger, to look at."""

from wellspring.handlers.open import console_page

handler = console_page()
