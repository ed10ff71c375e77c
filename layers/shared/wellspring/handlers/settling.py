"""Handler that settles, each minute, or does an operator's verb: `{"Verb": NAME, …}` (docs/operations.md).

Apart from the other schedules, which need neither messages nor metrics.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from wellspring import metrics
from wellspring.database.retry import Deadline
from wellspring.errors import InternalError
from wellspring.handlers.invocation import LambdaHandler, deadline_of, logged
from wellspring.ids import parse_id
from wellspring.observability import logger
from wellspring.resources import MESSAGE_REASONS
from wellspring.services import recounting, settling
from wellspring.services.recounting import Difference
from wellspring.services.sync import releasing

type Event = Mapping[str, Any]


def settler() -> LambdaHandler:
    """Return the Lambda handler that does, each minute, what settles by itself: `settling.STEPS`.

    What it has no time for is left to the next run. A step that fails holds up nobody, and is raised in the end, so
    that it counts as the function's. An event with a `Verb`, an operator's, does that instead.
    """

    def handler(event: Event, context: object) -> dict[str, object]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        if "Verb" in event:
            return _run_command(event, deadline_of(context))
        settled = settling.settle(deadline_of(context))
        fields: dict[str, object] = {
            name: {**done.numbers, "is_all": done.is_all} for name, done in settled.done.items()
        }
        logger.info("settled", extra=fields)
        counted = {name: value for done in settled.done.values() for name, value in done.metrics.items()}
        if counted:
            metrics.emit(counted)
        if settled.failed:
            raise InternalError(f"Steps that failed: {', '.join(settled.failed)}.")
        return fields

    return handler


def _run_command(event: Event, deadline: Deadline) -> dict[str, object]:
    """Do what the event asks for by its `Verb`; return what it came to.

    Raises `ValueError` where there is no such verb, or it does not take what the event has, and what its service does.
    """
    name = event["Verb"]
    if name not in VERBS:
        raise ValueError(f"There is no verb {name!r}; there are {', '.join(VERBS)}.")
    members, verb = VERBS[name]
    if unknown := sorted(event.keys() - members - {"Verb"}):
        raise ValueError(f"{name} does not take {', '.join(unknown)}; it takes {', '.join(sorted(members))}.")
    return logged(lambda: verb(event, deadline), "verb failed", "verb done", verb=name)


def _release(event: Event, deadline: Deadline) -> dict[str, object]:
    reason = event.get("Reason")
    if reason is not None and reason not in MESSAGE_REASONS:
        raise ValueError(f"There is no reason {reason!r}; there are {', '.join(MESSAGE_REASONS)}.")
    is_dry = event.get("DryRun", False)
    if is_dry not in (True, False):
        raise ValueError("DryRun is true or false.")
    done = releasing.release_by_hand(deadline, _connector(event, "Connector"), reason, is_dry=bool(is_dry))
    if done.released:
        metrics.emit({"Released": done.released})
    return asdict(done) | {"remaining": done.remaining}


def _recount(event: Event, deadline: Deadline) -> dict[str, object]:
    done = recounting.recount(deadline, _connector(event, "After"))
    fields: dict[str, object] = {
        "connectors": done.connectors,
        "different": done.number,
        "differences": [_told(difference) for difference in done.differences],
        "is_all": done.is_all,
    }
    if done.number:
        logger.error("sums are not what the rows are", extra={"different": done.number})
    return fields if done.is_all else fields | {"after": str(done.last) if done.last else None}


def _told(difference: Difference) -> dict[str, object]:
    """Return a difference as JSON has it."""
    told = asdict(difference) | {"connector_id": str(difference.connector_id)}
    return told | {"date": difference.date.isoformat()} if difference.date else told


def _connector(event: Event, member: str) -> UUID | None:
    text = event.get(member)
    if text is None:
        return None
    id_ = parse_id(str(text))
    if id_ is None:
        raise ValueError(f"{member} is the uuid of a workspace connector.")
    return id_


# By name: what beside `Verb` it takes, and what it does.
VERBS: Mapping[str, tuple[frozenset[str], Callable[[Event, Deadline], dict[str, object]]]] = {
    "Release": (frozenset({"Connector", "Reason", "DryRun"}), _release),
    "Recount": (frozenset({"After"}), _recount),
}
