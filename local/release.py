"""`make release`: tries the running stack's parked messages again, over HTTP, as a service of the pipeline does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from local.errors import Fault
from local.identity import Identity
from local.running import facts
from local.settings import Settings
from wellspring.resources import MESSAGE_REASONS

# What a release answers where the message stays parked, or somebody else was quicker.
CONFLICT = 409
# Each is released by its id here, which carries out a snapshot that is held; only who has looked at one does that.
HELD = "too_many_endings"


@dataclass(frozen=True, slots=True)
class Released:
    """What it came to.

    Attributes:
        matching: how many messages were parked so.
        released: how many of them were applied, or begun where they are applied in chunks.
    """

    matching: int
    released: int


def of_running_stack(settings: Settings, connector: str, reason: str, *, is_dry: bool) -> Released:
    """Try each parked message again, oldest first.

    Args:
        settings: of the stack.
        connector: id of the workspace connector whose messages; empty for everybody's.
        reason: why they are parked; empty for whatever reason but `too_many_endings`.
        is_dry: whether they are only counted.

    Raises Fault when no stack runs, or it refuses.
    """
    api = _Api(facts(settings)["api_url"], Identity(settings.state, settings.port).token("pipeline"))
    if reason and reason not in MESSAGE_REASONS:
        raise Fault(f"REASON={reason!r}: a message is parked for one of {', '.join(MESSAGE_REASONS)}")
    if reason == HELD:
        raise Fault(f"REASON={reason}: look at each, and release it by its id: POST /v1/sync-messages/ID/release")
    # All first: what is released leaves the list, and what is parked anew is its newest.
    ids = list(_parked(api, connector, reason))
    if is_dry:
        return Released(len(ids), 0)
    return Released(len(ids), sum(_is_released(api, id_) for id_ in ids))


def _parked(api: "_Api", connector: str, reason: str) -> Iterator[str]:
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
        page = api.call("GET", path)
        # Here, because no index has the messages of a reason of all workspaces in this order: the API refuses to.
        known = ((row["id"], row["attributes"]["reason"]) for row in page["data"])
        yield from (id_ for id_, why in known if why == reason or (not reason and why != HELD))
        path = page["links"]["next"]


def _is_released(api: "_Api", id_: str) -> bool:
    answer = api.call("POST", f"/v1/sync-messages/{id_}/release", allowed=CONFLICT)
    return bool(answer) and answer["data"]["attributes"]["outcome"] != "parked"


class _Api:
    """The API of a running stack, for one caller."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def call(self, method: str, path: str, *, allowed: int | None = None) -> Any:
        """Return an answer's document; None where its status is the error that is allowed. Raises Fault for others."""
        request = Request(self._url + path, method=method, headers={"authorization": f"Bearer {self._token}"})
        try:
            with urlopen(request) as response:
                return json.loads(response.read())
        except HTTPError as error:
            with error:
                if error.code == allowed:
                    return None
                problems = json.loads(error.read()).get("errors", [])
            said = "; ".join(problem["detail"] for problem in problems) or error.reason
            raise Fault(f"{method} {path} was refused: {said}") from None
