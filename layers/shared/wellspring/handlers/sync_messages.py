"""Parked messages over HTTP: released and dismissed by hand, for services."""

from functools import partial

from wellspring.handlers import parked
from wellspring.handlers.http import LambdaHandler
from wellspring.ids import parse_id
from wellspring.jsonapi.body import MetaMember
from wellspring.services.sync.releasing import ParkedMessages, oldest_of

CONNECTOR = MetaMember("workspace_connector", "text", longest=100)


def release() -> LambdaHandler:
    """Return the handler of `POST /v1/sync-messages/{id}/release`."""
    return parked.release_of(ParkedMessages)


def dismiss() -> LambdaHandler:
    """Return the handler of `POST /v1/sync-messages/{id}/dismiss`."""
    return parked.dismiss_of(ParkedMessages)


def release_many() -> LambdaHandler:
    """Return the handler of `POST /v1/sync-messages/release`."""
    # A snapshot that would end too much is carried out where its message is asked for by its id alone.
    kind = partial(ParkedMessages, is_confirmed=False)
    return parked.release_many_of(kind, CONNECTOR, lambda connector, reason: oldest_of(parse_id(connector), reason))
