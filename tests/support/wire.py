"""Messages from the driver to the server."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.support import databases
from wellspring.database.pipeline import Part, PipelinedConnection
from wellspring.database.session import Session, WireStatement


class Flushes(list[str]):
    """The kinds of the messages of each flush.

    It equals what a test says that is sent with pipelining, and what that becomes without: a flush for each statement.
    """

    __hash__ = None  # it changes

    def __eq__(self, said: object) -> bool:
        assert isinstance(said, list)
        return list(self) == (
            said if databases.pipelining == "true" else [one for flush in said for one in _split(flush)]
        )

    def are(self, round_trips: int) -> bool:
        """Say whether there are so many with pipelining; without, whether each flush has one statement alone."""
        if databases.pipelining == "true":
            return len(self) == round_trips
        return len(self) >= round_trips and all(kinds.count("E") <= 1 for kinds in self)

    def __ne__(self, said: object) -> bool:
        return not self == said


def _split(flush: str) -> list[str]:
    """Return the flushes that one becomes, each statement with a Sync of its own: its messages end with Execute."""
    return [f"{statement}S" for statement in re.findall("[^E]*E", flush)] or [flush]


def noted_on_the_wire(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list in which each statement is noted that is sent in this test, calls of the plan cache as calls."""
    found: list[str] = []
    part = PipelinedConnection.part

    def note(connection: PipelinedConnection, statement: WireStatement, **options: Any) -> Part:
        found.append(statement.text)
        return part(connection, statement, **options)

    monkeypatch.setattr(PipelinedConnection, "part", note)
    return found


def process_of(connection: PipelinedConnection) -> int:
    """Return the number of the server process behind a connection, without asking the server."""
    key: bytes = connection._backend_key_data
    return int.from_bytes(key[:4])


def before_each_flush(monkeypatch: pytest.MonkeyPatch, user: str, do: Callable[[int, list[str]], None]) -> None:
    """Call `do` before statements of `user` leave together, with the server's process and their texts."""
    pipelined = Session.pipelined

    def watched(session: Session, statements: Sequence[WireStatement], **options: Any) -> AbstractContextManager[None]:
        connection = session._connection
        if connection.user == user.encode():
            do(process_of(connection), [each.text for each in statements])
        return pipelined(session, statements, **options)

    monkeypatch.setattr(Session, "pipelined", watched)
