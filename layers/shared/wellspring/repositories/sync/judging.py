"""Outcome of a message, from what is known of it: applied, done before, or parked, and why."""

from collections.abc import Sequence

from wellspring.repositories.sync.messages import Entry, Known
from wellspring.work import Completed, Matched, Outcome, Problem, ReceivedMessage

# What a message of a run is parked for that is over.
OVER = {"reverted": "reverted_run", "completing": "completed_run", "complete": "completed_run"}


def judge(arrival: ReceivedMessage, was: Known, problems: Sequence[Problem]) -> Outcome | None:
    """Return what becomes of a message whose names have these problems; None: it is applied (contract, section 5)."""
    # What is no message, or has an id that is another's, stays that: the same body is parked once.
    if was.outcome in {"applied", "dismissed"} or was.reason in {"malformed", "reused_id"}:
        return Outcome(status="duplicate")
    # What misses something stays parked for that, whatever came behind it: its reason says what is to be mended.
    found = tuple(problems)
    of_run = None
    if was.outcome != "in_progress":
        is_too_old = was.run_state == "expired" and isinstance(arrival.work, Completed)
        of_run = "expired" if is_too_old else OVER.get(was.run_state or "")
    if arrival.work is None:
        found = (Problem("malformed", "message", arrival.validation_error),)
    elif not was.is_same:
        found = (Problem("reused_id", "message", arrival.work.id),)
    elif of_run is not None:
        # Whatever else it may miss: it is not wanted any more.
        found = (Problem(of_run, "message", arrival.work.id),)
    # SQS compares groups by their bytes: two spellings of an id are two groups, and between them there is no order.
    elif arrival.group != arrival.subject_id:
        found = (Problem("wrong_group", "message", arrival.work.id),)
    elif was.is_overtaken and was.outcome == "parked" and not found and not isinstance(arrival.work, Completed):
        found = (Problem("overtaken", "message", arrival.work.id),)
    if found:
        return parking(*found)
    return None


def parking(*problems: Problem) -> Outcome:
    """Return the outcome of a message that is parked for these, the first of which is the reason."""
    return Outcome(status="parked", reason=problems[0].code, problems=problems)


def parked(arrival: ReceivedMessage, was: Known, outcome: Outcome, parent: Sequence[int | None] | None) -> Entry:
    """Return what is written of a message that is parked.

    `parent` are the pks of its connector, or workspace, and of its workspace, as far as they are known.
    """
    parent_pk, workspace_pk = parent or (None, None)
    return Entry(
        pk=was.pk,
        arrival=arrival,
        outcome="parked",
        connector_pk=None if isinstance(arrival.work, Matched) else parent_pk,
        workspace_pk=workspace_pk,
        reason=outcome.reason,
        problems=outcome.problems,
        was=was,
    )
