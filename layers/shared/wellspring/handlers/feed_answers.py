"""The feed over HTTP: releasing and dismissing parked events, and how far it is."""

from collections.abc import Callable, Mapping
from typing import Any

from wellspring.access.rules import permit
from wellspring.errors import WellspringError, raise_all
from wellspring.handlers.http import LambdaHandler, Plan, Request, Response, jsonapi_handler, render
from wellspring.ids import parse_id
from wellspring.jsonapi.body import MetaMember, parse_meta
from wellspring.jsonapi.documents import attributes_of, entity_tag, location, single_document, version_of
from wellspring.jsonapi.query import no_parameters
from wellspring.queries import View
from wellspring.resources import FEED_EVENT, FEED_STATUS, SINGLE
from wellspring.services.feed import parked
from wellspring.services.feed.status import status
from wellspring.services.reading import Found, Row

# As long as other texts may be (contract, section 2).
NOTE = MetaMember("note", "text", longest=2000)
SOURCE, REASON = MetaMember("source", "text", longest=2000), MetaMember("reason", "text", longest=100)
DRY_RUN = MetaMember("dry_run", "boolean", required=False)


def feed_release() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/{id}/release`."""
    return _of_one((), lambda request, _: parked.release(request.principal, _id(request), request.deadline))


def feed_dismiss() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/{id}/dismiss`."""
    return _of_one(
        (NOTE,),
        lambda request, said: parked.dismiss(request.principal, _id(request), str(said["note"]), request.deadline),
    )


def feed_release_many() -> LambdaHandler:
    """Return the handler of `POST /v1/feed-events/release`."""

    def operation(request: Request) -> Response:
        permit(request.principal, FEED_EVENT.policy, "update")
        said = _said(request, (SOURCE, REASON, DRY_RUN))
        released = parked.release_many(
            request.principal,
            str(said["source"]),
            str(said["reason"]),
            request.deadline,
            is_dry=bool(said.get("dry_run")),
        )
        meta = {
            "matching": released.matching,
            "released": released.released,
            "still_parked": released.still_parked,
            "remaining": released.remaining,
        }
        return Response(render({"jsonapi": {"version": "1.1"}, "meta": meta}))

    return jsonapi_handler(operation)


def feed_status() -> LambdaHandler:
    """Return the handler of `GET /v1/feed-status`."""

    def operation(request: Request) -> Plan[Mapping[str, Any]]:
        permit(request.principal, FEED_STATUS.policy, "read")
        raise_all(no_parameters(request.raw_query))

        def answer(found: Mapping[str, Any]) -> Response:
            document = {
                "jsonapi": {"version": "1.1"},
                "links": {"self": FEED_STATUS.route},
                "data": {
                    "type": FEED_STATUS.type,
                    "id": SINGLE,
                    "attributes": attributes_of(FEED_STATUS, found),
                    "links": {"self": FEED_STATUS.route},
                },
            }
            return Response(render(document))

        return Plan(status, answer)

    return jsonapi_handler(operation)


def _of_one(members: tuple[MetaMember, ...], work: Callable[[Request, Mapping[str, object]], Row]) -> LambdaHandler:
    """Return the handler of what is done to one parked event, and answers with the event as it is then."""

    def operation(request: Request) -> Response:
        permit(request.principal, FEED_EVENT.policy, "update")
        row = work(request, _said(request, members))
        body = render(single_document(FEED_EVENT, Found(row, {}), View(), location(FEED_EVENT, row)))
        return Response(body, headers={"etag": entity_tag(version_of(FEED_EVENT, row), "", body)})

    return jsonapi_handler(operation)


def _said(request: Request, members: tuple[MetaMember, ...]) -> Mapping[str, object]:
    problems: list[WellspringError] = no_parameters(request.raw_query)
    return parse_meta(request.body, members, problems=problems)


def _id(request: Request) -> Any:
    return parse_id(request.path_parameters["id"])
