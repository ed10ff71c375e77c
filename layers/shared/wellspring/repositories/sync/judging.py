"""Outcome of a message, from what is known of it: applied, done before, or parked, and why; or taken up, for chunks.

`end_chunk`, `complete_chunk` and `revert_chunk` do the next chunk of one whose effect goes in chunks, each its own
transaction with nothing else in it (docs/adr/0012, 0022). Of each type of records they change at most `most` rows. They
return `in_progress` where there may be more to do, or what became of the message; what the outcome counts is of this
chunk. They raise `ServiceUnavailable` as `messages.note` does.
"""

from collections.abc import Sequence

from wellspring.database import Transaction
from wellspring.database.flush import Result, Statement
from wellspring.messages import InChunks, Outcome, Problem, ProvidersMatched, ReceivedMessage, RunCompleted
from wellspring.repositories.sync import messages
from wellspring.repositories.sync.messages import Entry, Known
from wellspring.repositories.sync.resolving import parent
from wellspring.repositories.sync.tables import RECORDS

# Nothing has been made before this, by no pk.
BEGINNING = ("-infinity", 0)
# What a message of a run is parked for that is over.
OVER = {"reverted": "reverted_run", "completing": "completed_run", "complete": "completed_run"}


def judge(message: ReceivedMessage, was: Known, problems: Sequence[Problem]) -> Outcome | None:
    """Return what becomes of a message whose names have these problems; None: it is applied (contract, section 5)."""
    # What is no message, or has an id that is another's, stays that: the same body is parked once.
    if was.outcome in {"applied", "dismissed"} or was.reason in {"malformed", "reused_id"}:
        return Outcome(status="duplicate")
    # What misses something stays parked for that, whatever came behind it: its reason says what is to be mended.
    found = tuple(problems)
    of_run = None
    if was.outcome != "in_progress":
        is_too_old = was.run_state == "expired" and isinstance(message.work, RunCompleted)
        of_run = "expired" if is_too_old else OVER.get(was.run_state or "")
    if message.work is None:
        found = (Problem("malformed", "message", message.validation_error),)
    elif not was.is_same:
        found = (Problem("reused_id", "message", message.work.id),)
    elif of_run is not None:
        # Whatever else it may miss: it is not wanted any more.
        found = (Problem(of_run, "message", message.work.id),)
    # SQS compares groups by their bytes: two spellings of an id are two groups, and between them there is no order.
    elif message.group != message.subject_id:
        found = (Problem("wrong_group", "message", message.work.id),)
    elif was.is_overtaken and was.outcome == "parked" and not found and not isinstance(message.work, RunCompleted):
        found = (Problem("overtaken", "message", message.work.id),)
    if found:
        return parking(*found)
    return None


def parking(*problems: Problem) -> Outcome:
    """Return the outcome of a message that is parked for these, the first of which is the reason."""
    return Outcome(status="parked", reason=problems[0].code, problems=problems)


def parked(message: ReceivedMessage, was: Known, outcome: Outcome, parent: Sequence[int | None] | None) -> Entry:
    """Return what is written of a message that is parked.

    `parent` are the pks of its connector, or workspace, and of its workspace, as far as they are known.
    """
    parent_pk, workspace_pk = parent or (None, None)
    return Entry(
        message=message,
        was=was,
        outcome="parked",
        connector_pk=None if isinstance(message.work, ProvidersMatched) else parent_pk,
        workspace_pk=workspace_pk,
        problems=outcome.problems,
    )


def take_up(
    transaction: Transaction, message: ReceivedMessage, work: InChunks, *more: Statement
) -> tuple[Entry, Sequence[Result]] | Outcome:
    """Lock a message's connector, and find out how far the message has come; ask `more` in the same flush.

    Returns:
        Its row, under way, to be written before the chunk, so that what is ended adds to its counts, and what `more`
        was answered; or what became of it where there is nothing to do: it was done before, or is parked.
    """
    (was,), (connectors, *answers) = messages.look_up(transaction, [message], parent(work), *more)
    connector = next(iter(connectors), None)
    unknown = Problem("unknown_connector", "workspace_connector", work.workspace_connector_id)
    verdict = judge(message, was, () if connector else (unknown,))
    if verdict is not None or connector is None:
        outcome = verdict or Outcome(status="duplicate")
        if outcome.status == "parked":
            messages.note(transaction, [parked(message, was, outcome, connector)])
        return outcome
    pk, workspace_pk = connector
    counts = {type_: {"ended": 0} for type_ in RECORDS}
    begun = Entry(
        message=message, was=was, outcome="in_progress", connector_pk=pk, workspace_pk=workspace_pk, counts=counts
    )
    return begun, answers
