"""The feed over HTTP: releasing and dismissing parked events, and how far it is."""

from collections.abc import Mapping

from wellspring.handlers import kept
from wellspring.handlers.answers import status_of
from wellspring.handlers.http import LambdaHandler, Request
from wellspring.handlers.kept import Released
from wellspring.jsonapi.body import MetaMember
from wellspring.resources import FEED_EVENT, FEED_STATUS
from wellspring.services.feed import parked
from wellspring.services.feed.status import status

SOURCE = MetaMember("source", "text", longest=2000)


def feed_release() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/{id}/release`."""
    return kept.release_of(FEED_EVENT, lambda request, id_: parked.release(request.principal, id_, request.deadline))


def feed_dismiss() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/{id}/dismiss`."""
    return kept.dismiss_of(
        FEED_EVENT, lambda request, id_, note: parked.dismiss(request.principal, id_, note, request.deadline)
    )


def feed_release_many() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/release`."""

    def release(request: Request, said: Mapping[str, object]) -> Released:
        source, reason, is_dry = str(said["source"]), str(said["reason"]), bool(said.get("dry_run"))
        done = parked.release_many(request.principal, source, reason, request.deadline, is_dry=is_dry)
        return Released(done.matching, done.released, done.still_parked, done.remaining)

    return kept.release_many_of(FEED_EVENT, (SOURCE,), release)


def feed_status() -> LambdaHandler:
    """Return the handler of `GET /v1/feed-status`."""
    return status_of(FEED_STATUS, status)
