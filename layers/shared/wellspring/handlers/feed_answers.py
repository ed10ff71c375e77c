"""The feed over HTTP: releasing and dismissing parked events, and how far it is."""

from wellspring.handlers import parked
from wellspring.handlers.answers import status_of
from wellspring.handlers.http import LambdaHandler
from wellspring.jsonapi.body import MetaMember
from wellspring.resources import FEED_STATUS
from wellspring.services.feed import status
from wellspring.services.feed.parked import ParkedEvents, oldest_of

SOURCE = MetaMember("source", "text", longest=2000)


def feed_release() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/{id}/release`."""
    return parked.release_of(ParkedEvents)


def feed_dismiss() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/{id}/dismiss`."""
    return parked.dismiss_of(ParkedEvents)


def feed_release_many() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/release`."""
    return parked.release_many_of(ParkedEvents, SOURCE, oldest_of)


def feed_status() -> LambdaHandler:
    """Return the handler of `GET /v1/feed-status`."""
    return status_of(FEED_STATUS, status)
