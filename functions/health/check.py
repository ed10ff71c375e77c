"""`GET /health`: whether the service can reach its database."""

from wellspring.handlers.open import health_check

handler = health_check()
