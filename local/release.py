"""`make release`: tries the running stack's parked messages again, over HTTP, as a service of the pipeline does."""

from collections.abc import Iterator
from urllib.parse import urlencode

from local.api import Api
from local.errors import Fault
from local.identity import Identity
from local.running import facts
from local.settings import Settings
from wellspring.resources import MESSAGE_REASONS

# Each is released by its id here, which carries out a snapshot that is held; only who has looked at one does that.
HELD = "too_many_endings"


def release(settings: Settings, connector: str, reason: str, *, is_dry: bool) -> str:
    """Try each parked message again, oldest first; return how many were applied, or begun where they come in chunks.

    Without a workspace `connector` those of everybody, without a `reason` of all but `too_many_endings`. Raises Fault
    when no stack runs, or it refuses.
    """
    api = Api(facts(settings)["api_url"], Identity(settings.state, settings.port))
    if reason and reason not in MESSAGE_REASONS:
        raise Fault(f"REASON={reason!r}: a message is parked for one of {', '.join(MESSAGE_REASONS)}")
    if reason == HELD:
        raise Fault(f"REASON={reason}: look at each, and release it by its id: POST /v1/sync-messages/ID/release")
    # All first: what is released leaves the list, and what is parked anew is its newest.
    ids = list(_parked(api, connector, reason))
    parked = f"{len(ids)} parked {'message' if len(ids) == 1 else 'messages'}"
    if is_dry:
        return f"{parked} would be tried again"
    return f"{sum(_is_released(api, id_) for id_ in ids)} of {parked} released"


def _parked(api: Api, connector: str, reason: str) -> Iterator[str]:
    chosen = {
        "filter[outcome]": "parked",
        "sort": "received_at",
        "page[size]": "500",
        "fields[sync_message]": "reason",
    }
    if connector:
        chosen["filter[workspace_connector]"] = connector
    path: str | None = f"/v1/sync-messages?{urlencode(chosen)}"
    while path:
        page = api.call("pipeline", "GET", path)
        # Here, because no index has the messages of a reason of all workspaces in this order: the API refuses to.
        known = ((row["id"], row["attributes"]["reason"]) for row in page["data"])
        yield from (id_ for id_, why in known if why == reason or (not reason and why != HELD))
        path = page["links"]["next"]


def _is_released(api: Api, id_: str) -> bool:
    """Try one again; it is not released where it stays parked, or somebody else was quicker."""
    answer = api.call("pipeline", "POST", f"/v1/sync-messages/{id_}/release", may_conflict=True)
    return bool(answer) and answer["data"]["attributes"]["outcome"] != "parked"
