"""Parked messages over HTTP: released and dismissed by hand, for services."""

from collections.abc import Mapping
from uuid import UUID

from wellspring import messages
from wellspring.handlers import kept
from wellspring.handlers.http import LambdaHandler, Request
from wellspring.handlers.kept import Released
from wellspring.ids import parse_id
from wellspring.jsonapi.body import MetaMember
from wellspring.resources import SYNC_MESSAGE
from wellspring.services.sync import parked
from wellspring.services.sync.applying import LAST_RECEIVE
from wellspring.work import Arrival

CONNECTOR = MetaMember("workspace_connector", "text", longest=100)


def release() -> LambdaHandler:
    """Return the handler of `POST /v1/sync-messages/{id}/release`."""
    return kept.release_of(
        SYNC_MESSAGE,
        lambda request, id_: parked.release(request.principal, id_, request.deadline, read_kept),
    )


def dismiss() -> LambdaHandler:
    """Return the handler of `POST /v1/sync-messages/{id}/dismiss`."""
    return kept.dismiss_of(
        SYNC_MESSAGE,
        lambda request, id_, note: parked.dismiss(request.principal, id_, note, request.deadline),
    )


def release_many() -> LambdaHandler:
    """Return the handler of `POST /v1/sync-messages/release`."""

    def of_many(request: Request, said: Mapping[str, object]) -> Released:
        connector: UUID | None = parse_id(str(said["workspace_connector"]))
        done = parked.release_many(
            request.principal,
            connector,
            str(said["reason"]),
            request.deadline,
            read_kept,
            is_dry=bool(said.get("dry_run")),
        )
        return Released(done.matching, done.released, done.still_parked, done.remaining)

    return kept.release_many_of(SYNC_MESSAGE, (CONNECTOR,), of_many)


def read_kept(body: str, group: str, digest: str | None) -> Arrival:
    """Return a message that was kept; it comes for the last time, as nobody counts how often it has been tried."""
    return messages.arrival(body, group=group, receives=LAST_RECEIVE, digest=digest)
