"""Errors of a producer. No message of an error holds what a record is made of.

ProducerError
InvalidRecord       a record that cannot be sent; the run goes on, and is not completed
NotSent             SQS refused messages for good, or for too long
TooManyMessages     a run is longer than one `run.completed` can name
NotCompleted        something was caught within the block, and the run is not whole
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wellspring_producer.messages import Entry

IDS_TOLD = 5


class ProducerError(Exception):
    """Anything that this package raises of its own."""


class InvalidRecord(ProducerError, ValueError):
    """A record cannot be sent as it is.

    Attributes:
        type: its type.
        id: its id, as it was given.
    """

    def __init__(self, type_: str, id_: object, problem: str) -> None:
        super().__init__(f"{type_} {str(id_)[:100]} cannot be sent: {problem}")
        self.type = type_
        self.id = id_


class NotSent(ProducerError):
    """SQS did not take messages. Whoever sends them again sends the same ones.

    Attributes:
        entries: the messages that it did not take.
    """

    def __init__(self, entries: "tuple[Entry, ...]", problem: str) -> None:
        ids = ", ".join(entry.id for entry in entries[:IDS_TOLD])
        more = f" and {len(entries) - IDS_TOLD} more" if len(entries) > IDS_TOLD else ""
        super().__init__(f"{len(entries)} messages were not sent ({problem}): {ids}{more}")
        self.entries = entries


class TooManyMessages(ProducerError):
    """A run has as many messages as one `run.completed` can name; no more of it was sent."""


class NotCompleted(ProducerError):
    """A run was left without an exception, and something of it was not sent: it stays open."""
