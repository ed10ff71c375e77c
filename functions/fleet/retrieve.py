"""`GET /v1/fleet`: all workspaces at a glance."""

from wellspring.handlers.answers import fleet

handler = fleet()
