"""Releasing and dismissing what was kept because it could not be applied: parked messages, and events of the feed.

The one place for the forms of both (contract, section 7): `POST <route>/{id}/release`, `POST <route>/{id}/dismiss` and
`POST <route>/release`. What a release does is the services'.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from wellspring.access.rules import permit
from wellspring.errors import WellspringError
from wellspring.handlers.http import LambdaHandler, Request, Response, jsonapi_handler, render
from wellspring.ids import parse_id
from wellspring.jsonapi.body import MetaMember, parse_meta
from wellspring.jsonapi.documents import entity_tag, location, single_document
from wellspring.jsonapi.query import no_parameters
from wellspring.queries import View
from wellspring.resources import Resource
from wellspring.services.ledger.reading import Row, RowWithIncludes

# As long as other texts may be (contract, section 2).
NOTE = MetaMember("note", "text", longest=2000)
DRY_RUN = MetaMember("dry_run", "boolean", required=False)

# Does something to one that is kept, by its id; None where the path held something that is no uuid.
type OfOne = Callable[[Request, UUID | None], Row]
type Noted = Callable[[Request, UUID | None, str], Row]
type OfMany = Callable[[Request, Mapping[str, object]], "Released"]


@dataclass(frozen=True, slots=True)
class Released:
    """What the release of many came to.

    Attributes:
        matching: how many were parked so when it began.
        released: how many were applied, or need it no more.
        still_parked: how many were tried and stay parked.
        remaining: how many were not tried.
    """

    matching: int
    released: int
    still_parked: int
    remaining: int


def release_of(resource: Resource, release: OfOne) -> LambdaHandler:
    """Return the handler of `POST <route>/{id}/release`."""
    return _of_one(resource, (), lambda request, _: release(request, _id(request)))


def dismiss_of(resource: Resource, dismiss: Noted) -> LambdaHandler:
    """Return the handler of `POST <route>/{id}/dismiss`."""
    return _of_one(resource, (NOTE,), lambda request, said: dismiss(request, _id(request), str(said["note"])))


def release_many_of(resource: Resource, of: tuple[MetaMember, ...], release: OfMany) -> LambdaHandler:
    """Return the handler of `POST <route>/release`.

    Args:
        resource: what is released.
        of: by what they are chosen, beside their reason.
        release: does it, told what the request's `meta` says.
    """
    known = resource.attribute("reason")
    # One that is none of them would look as if nothing were parked.
    reason = MetaMember("reason", "text", choices=known.choices if known else ())

    def operation(request: Request) -> Response:
        permit(request.principal, resource.policy, "update")
        released = release(request, _said(request, (*of, reason, DRY_RUN)))
        meta = {
            "matching": released.matching,
            "released": released.released,
            "still_parked": released.still_parked,
            "remaining": released.remaining,
        }
        return Response(render({"jsonapi": {"version": "1.1"}, "meta": meta}))

    return jsonapi_handler(operation)


def _of_one(
    resource: Resource, members: tuple[MetaMember, ...], work: Callable[[Request, Mapping[str, object]], Row]
) -> LambdaHandler:
    """Return the handler of what is done to one, and answers with it as it is then."""

    def operation(request: Request) -> Response:
        permit(request.principal, resource.policy, "update")
        row = work(request, _said(request, members))
        found, view = RowWithIncludes(row, {}), View()
        body = render(single_document(resource, found, view, location(resource, row)))
        return Response(body, headers={"etag": entity_tag(resource, found, view, "", body)})

    return jsonapi_handler(operation)


def _said(request: Request, members: tuple[MetaMember, ...]) -> Mapping[str, object]:
    problems: list[WellspringError] = no_parameters(request.raw_query)
    return parse_meta(request.body, members, problems=problems)


def _id(request: Request) -> UUID | None:
    return parse_id(request.path_parameters["id"])
