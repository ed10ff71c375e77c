"""Reasons why messages of syncs and events of the feed are parked: codes, and words for whoever reads of them.

The API's words, the console's (static/reasons.js) and tables of docs/messages.md and docs/feed.md are made of these.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, and what it says.

    Attributes:
        code: as the API has it.
        cause: what brings it, for producers; a cell of a table.
        says: the same in a sentence, for people.
        advice: what to do about it, in a sentence or two.
        waits: whether what it names may still come, and it is released by itself then.
        mended: whether releasing it by hand helps where somebody has mended what failed.
    """

    code: str
    cause: str
    says: str
    advice: str
    waits: bool = False
    mended: bool = False


def _gone(what: str, cause: str) -> Reason:
    """Return the reason of what names something of the platform's that is not here."""
    says = f"It names a {what} that is not here, or is gone."
    advice = f"Check that the {what} has been sent by the platform's feed."
    return Reason(f"unknown_{what}", cause, says, advice, waits=True)


# Of the sync queue (docs/messages.md).
MESSAGES = (
    Reason(
        "malformed",
        "not JSON, or a member is missing or not of its form: `problems` says which and how, never its value. "
        "Where the body names no connector, it is the group's. It is never released",
        "It is not a message.",
        "Mend the producer and send it with a new id.",
    ),
    _gone("connector", "there is no such workspace connector; for `records.synced`, no live one of a live workspace"),
    Reason(
        "unknown_record",
        "there is no such record of that type; for `records.synced`, no live one",
        "It names a record that is not here yet.",
        "It is applied by itself when the record arrives.",
        waits=True,
    ),
    _gone("workspace", "there is no such live workspace"),
    _gone("provider", "there is no such live provider in the catalogue"),
    Reason(
        "tenant_mismatch",
        "the record belongs to another workspace than the connector",
        "The record belongs to another workspace.",
        "The producer mixed up workspaces: it must send its own records, with a new id.",
    ),
    Reason(
        "overtaken",
        "it would undo what came after it. A `sync.reverted` was left half-done, for what came after it ended "
        "rows; the next full sync brings the rest back",
        "What came after it would be undone by applying it.",
        "Send anew with a new id, or dismiss.",
    ),
    Reason(
        "reused_id",
        "another message had this id before",
        "Its id was used before, for something else.",
        "The producer must make a new id for each message.",
    ),
    Reason(
        "wrong_group",
        "the message group is not the connector's id in lower case, or the workspace's",
        "Its MessageGroupId is not its connector's id.",
        "Set MessageGroupId to the connector's id, and send it with a new id.",
    ),
    Reason("reverted_run", "its run was reverted before it came", "Its run was undone.", "Start a new run."),
    Reason(
        "completed_run",
        "its run was complete, or about to be, before it came",
        "Its run was over before it came.",
        "Send it with a new id, in a new run.",
    ),
    Reason(
        "incomplete_run",
        "a message of the run is not applied, or an id was another's: `problems` names them",
        "Its run is said to be over, and misses messages.",
        "It is applied by itself when they are: send or release what is named. What needs a new id needs a new run.",
        waits=True,
    ),
    Reason(
        "too_many_endings",
        "[a snapshot](#snapshots) would end more than it may unasked: `problems` says how many of how many",
        "Its snapshot would end more records than it may unasked.",
        "Look at the source. If they are gone there, release it; if it was read badly, dismiss it.",
    ),
    Reason(
        "unexpected",
        "it failed for a reason of its own at its fourth receive",
        "We failed on it.",
        "Tell the maintainers; release it after the fix.",
        mended=True,
    ),
    Reason(
        "expired",
        "it was parked for 45 days. Of a `run.completed`: its run was not complete within 30 days",
        "It waited for 45 days, and its body is gone.",
        "Send anew with a new id, or dismiss.",
    ),
)
# Of the platform's feed (docs/feed.md).
EVENTS = (
    Reason(
        "malformed",
        "it is no event; `problems` says where",
        "It is not an event.",
        "Mend the producer and send it anew.",
    ),
    Reason(
        "other_source",
        "the resource is another source's",
        "The resource belongs to another source.",
        "Agree on who tells of it, then send it from there.",
    ),
    Reason(
        "workspace_changed",
        "a resource would move to another tenant; where only a sync made it, an operator can [give its id "
        "up](operations.md#feedworkspacechangedalarm)",
        "It would move a resource to another workspace.",
        "Give the new resource an id of its own; or give the old one's up, and release this.",
        mended=True,
    ),
    Reason(
        "unknown_reference",
        "what it names has not come for a day",
        "What it names has not come for a day.",
        "Send that: this one is applied by itself then.",
        mended=True,
    ),
    Reason(
        "unexpected",
        "the database refused it, four times: look for the error lines",
        "We failed on it.",
        "Tell the maintainers; release it after the fix.",
        mended=True,
    ),
    Reason(
        "expired",
        "it was parked for 45 days, and its body is gone",
        "It was parked for 45 days, and its body is gone.",
        "Send anew, or dismiss.",
    ),
)
