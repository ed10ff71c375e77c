"""Parked work over HTTP: sync messages, and events of the feed, released and dismissed by hand.

The one place for the forms of both (contract, section 7): `POST <route>/{id}/release`, `POST <route>/{id}/dismiss` and
`POST <route>/release`. `services.parked` says what a release does.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from wellspring.access.rules import permit
from wellspring.database.flush import Row
from wellspring.handlers.http import LambdaHandler, Request, Response, jsonapi_handler, render
from wellspring.handlers.reading import single_response
from wellspring.jsonapi.body import MetaMember, parse_meta
from wellspring.jsonapi.documents import location
from wellspring.jsonapi.query import no_parameters
from wellspring.queries import View
from wellspring.services.ledger.reading import RowWithIncludes
from wellspring.services.parked import Oldest, Parked, dismiss, release, release_many

# As long as other texts may be (contract, section 2).
NOTE = MetaMember("note", "text", longest=2000)
DRY_RUN = MetaMember("dry_run", "boolean", required=False)

# Makes a kind of parked work, for one request.
type Kind = Callable[[], Parked]


def release_of(kind: Kind) -> LambdaHandler:
    """Return the handler of `POST <route>/{id}/release`."""
    return _of_one(kind, (), lambda request, _: release(kind(), request.principal, request.path_id(), request.deadline))


def dismiss_of(kind: Kind) -> LambdaHandler:
    """Return the handler of `POST <route>/{id}/dismiss`."""

    def of_one(request: Request, meta: Mapping[str, object]) -> Row:
        return dismiss(kind(), request.principal, request.path_id(), str(meta["note"]), request.deadline)

    return _of_one(kind, (NOTE,), of_one)


def release_many_of(kind: Kind, of: MetaMember, oldest_of: Callable[[str, str], Oldest]) -> LambdaHandler:
    """Return the handler of `POST <route>/release`: chosen by `of` and their reason, `oldest_of` these first."""
    resource = kind().resource
    known = resource.attribute("reason")
    # One that is none of them would look as if nothing were parked.
    reason = MetaMember("reason", "text", choices=known.choices if known else ())

    def operation(request: Request) -> Response:
        permit(request.principal, resource.policy, "update")
        choice = _meta_of(request, (of, reason, DRY_RUN))
        oldest, is_dry = oldest_of(str(choice[of.name]), str(choice["reason"])), bool(choice.get("dry_run"))
        released = release_many(kind(), request.principal, oldest, request.deadline, is_dry=is_dry)
        meta = asdict(released) | {"remaining": released.remaining}
        return Response(render({"jsonapi": {"version": "1.1"}, "meta": meta}))

    return jsonapi_handler(operation)


def _of_one(
    kind: Kind, members: tuple[MetaMember, ...], work: Callable[[Request, Mapping[str, object]], Row]
) -> LambdaHandler:
    """Return the handler of what is done to one, and answers with it as it is then."""
    resource = kind().resource

    def operation(request: Request) -> Response:
        permit(request.principal, resource.policy, "update")
        row = work(request, _meta_of(request, members))
        return single_response(resource, RowWithIncludes(row, {}), View(), location(resource, row))

    return jsonapi_handler(operation)


def _meta_of(request: Request, members: tuple[MetaMember, ...]) -> Mapping[str, object]:
    return parse_meta(request.body, members, problems=no_parameters(request.raw_query))
