"""The feed over HTTP: releasing and dismissing parked events, and how far it is."""

from collections.abc import Mapping
from typing import Any

from wellspring.access.rules import permit
from wellspring.errors import raise_all
from wellspring.handlers import parked
from wellspring.handlers.http import LambdaHandler, Plan, Request, Response, jsonapi_handler, render
from wellspring.jsonapi.body import MetaMember
from wellspring.jsonapi.documents import document_of_single
from wellspring.jsonapi.query import no_parameters
from wellspring.resources import FEED_STATUS
from wellspring.services.feed.parked import ParkedEvents, oldest_of
from wellspring.services.feed.status import status

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

    def operation(request: Request) -> Plan[Mapping[str, Any]]:
        permit(request.principal, FEED_STATUS.policy, "read")
        raise_all(no_parameters(request.raw_query))

        def answer(found: Mapping[str, Any]) -> Response:
            return Response(render(document_of_single(FEED_STATUS, found)))

        return Plan(status, answer)

    return jsonapi_handler(operation)
