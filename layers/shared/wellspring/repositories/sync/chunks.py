"""Taking up a message whose effect goes in chunks, each its own transaction (docs/adr/0012, 0022).

`end_chunk`, `complete_chunk` and `revert_chunk` do the next chunk of one, in a scope in which there should be nothing
else. Of each type of records they change at most `most` rows. They return `in_progress` where there may be more to do,
or what became of the message; what the outcome counts is of this chunk. They raise `ServiceUnavailable` where another
delivery of the message was quicker: try again in a new transaction, which sees it.
"""

from collections.abc import Sequence

from wellspring.database import Transaction
from wellspring.database.flush import Result, Statement, execute_pipelined
from wellspring.repositories.sync import messages
from wellspring.repositories.sync.judging import judge, parked
from wellspring.repositories.sync.messages import Entry, Known
from wellspring.repositories.sync.resolving import parent
from wellspring.repositories.sync.tables import RECORDS
from wellspring.work import InChunks, Outcome, Problem, ReceivedMessage

# Nothing has been made before this, by no pk.
BEGINNING = ("-infinity", 0)


def take_up(
    transaction: Transaction, arrival: ReceivedMessage, work: InChunks, *more: Statement
) -> tuple[Entry, Sequence[Result]] | Outcome:
    """Lock a message's connector, and find out how far the message has come; ask `more` in the same flush.

    Returns:
        Its row, under way, to be written before the chunk, so that what is ended adds to its counts, and what `more`
        was answered; or what became of it where there is nothing to do: it was done before, or is parked.
    """
    connector_id = work.workspace_connector_id
    _, known_rows, connectors, *answers = execute_pipelined(
        transaction, [messages.lock([connector_id]), messages.known([arrival]), parent(work), *more]
    )
    (was,) = (Known(*row) for row in known_rows)
    connector = next(iter(connectors), None)
    unknown = Problem("unknown_connector", "workspace_connector", connector_id)
    verdict = judge(arrival, was, () if connector else (unknown,))
    if verdict is not None or connector is None:
        outcome = verdict or Outcome(status="duplicate")
        if outcome.status == "parked":
            messages.note(transaction, [parked(arrival, was, outcome, connector)])
        return outcome
    pk, workspace_pk = connector
    entry = Entry(
        pk=was.pk,
        arrival=arrival,
        outcome="in_progress",
        connector_pk=pk,
        workspace_pk=workspace_pk,
        counts={type_: {"ended": 0} for type_ in RECORDS},
        progress=was.progress,
        was=was,
    )
    return entry, answers
