"""`$default`: what no route matches."""

from wellspring.handlers.open import no_route

handler = no_route()
