"""`GET /v1/workspace-connectors/{id}/impact`: what is lost if this connector is disconnected."""

from wellspring.handlers.answers import impact

handler = impact()
