"""What is to become of a message, from what is known of it: applied, done before, or parked, and why."""

from collections.abc import Sequence

from wellspring.repositories.sync.messages import Entry, Known
from wellspring.repositories.sync.resolving import Resolved
from wellspring.work import Arrival, Matched, Outcome, Problem


def judge(arrival: Arrival, was: Known, problems: Sequence[Problem]) -> Outcome | None:
    """Return what becomes of a message; None where it is to be applied (contract, section 5).

    Args:
        arrival: the message.
        was: what is known of it.
        problems: what is wrong with what it names.
    """
    # What is no message, or has an id that is another's, stays that: the same body is parked once.
    if was.outcome in {"applied", "dismissed"} or was.reason in {"malformed", "reused_id"}:
        return Outcome(status="duplicate")
    found = tuple(problems)
    if arrival.work is None:
        found = (Problem("malformed", "message", arrival.flaw),)
    elif not was.is_same:
        found = (Problem("reused_id", "message", arrival.work.id),)
    elif arrival.group.lower() != arrival.subject_id:
        found = (Problem("wrong_group", "message", arrival.work.id),)
    elif was.is_overtaken:
        found = (Problem("overtaken", "message", arrival.work.id),)
    if found:
        return Outcome(status="parked", reason=found[0].code, problems=found, problem_count=len(found))
    return None


def parked(arrival: Arrival, was: Known, outcome: Outcome, found: Resolved | None) -> Entry:
    """Return what is written of a message that is parked."""
    is_matched = isinstance(arrival.work, Matched)
    return Entry(
        pk=was.pk,
        arrival=arrival,
        outcome="parked",
        connector_pk=None if is_matched or found is None else found.parent_pk,
        workspace_pk=found.workspace_pk if found else None,
        reason=outcome.reason,
        problems=outcome.problems,
        was=was,
    )
