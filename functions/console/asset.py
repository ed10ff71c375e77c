"""`GET /console/{file}`: what the console is made of."""

from wellspring.handlers.open import console_asset

handler = console_asset()
