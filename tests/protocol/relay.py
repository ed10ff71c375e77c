"""Stands between a client and a real Postgres, reads their messages, and loses connections where it is told to.

Or it goes silent there: the connection stays, and nothing arrives any more.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Literal

from local.settings import HOST

type Side = Literal["client", "server"]
# Of each connection what arrived, as (whose, kind); the first is the client's `startup`.
type Messages = list[list[tuple[Side, str]]]


@dataclass(frozen=True, slots=True)
class Loss:
    """Where connections are lost.

    Attributes:
        side: whose messages are counted.
        after: how many of them still arrive.
        halved: whether the next one arrives by half.
        times: how many connections, of those that are made one after another.
        is_silent: whether the connection stays, and says nothing any more in this direction.
    """

    side: Side
    after: int
    halved: bool = False
    times: int = 1
    is_silent: bool = False


@dataclass
class Relay:
    """A running relay; `relay` makes one.

    Attributes:
        target: where Postgres listens.
        loss: where the first connections are lost; None where none is.
        port: where it listens.
        messages: what went through.
        over: set when the relay ends, and with it what is silent.
    """

    target: tuple[str, int]
    loss: Loss | None
    port: int
    messages: Messages = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def accept(self, listener: socket.socket) -> None:
        """Serve each client in threads of its own, until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.messages.append([])
                threading.Thread(target=self._serve, args=(client, len(self.messages) - 1), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with client, socket.create_connection(self.target) as server:
            for connected in (client, server):
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            there = threading.Thread(target=self._pump, args=(client, server, "client", number), daemon=True)
            there.start()
            self._pump(server, client, "server", number)
            there.join()

    def _pump(self, source: socket.socket, target: socket.socket, side: Side, number: int) -> None:
        loss = self.loss if self.loss and self.loss.side == side and number < self.loss.times else None
        with suppress(OSError), source.makefile("rb") as reader:
            for count, (kind, message) in enumerate(_messages(reader, side)):
                if loss and loss.after == count:
                    target.sendall(message[: len(message) // 2] if loss.halved else b"")
                    if loss.is_silent:
                        self.over.wait()
                    break
                self.messages[number].append((side, kind))
                target.sendall(message)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _messages(reader: BufferedReader, side: Side) -> Iterator[tuple[str, bytes]]:
    """Read messages: a letter, a length that counts itself, a content. The client's first has no letter."""
    letter = b"" if side == "client" else reader.read(1)
    while size := reader.read(4):
        yield letter.decode() or "startup", letter + size + reader.read(int.from_bytes(size) - 4)
        letter = reader.read(1)


@contextmanager
def relay(target: tuple[str, int], loss: Loss | None = None) -> Iterator[Relay]:
    """Run a relay to Postgres at `target`."""
    with socket.create_server((HOST, 0)) as listener:
        given = Relay(target, loss, listener.getsockname()[1])
        accepting = threading.Thread(target=given.accept, args=(listener,), daemon=True)
        accepting.start()
        try:
            yield given
        finally:
            given.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def of(side: Side, messages: list[tuple[Side, str]]) -> list[str]:
    """Return the kinds of the messages of one side."""
    return [kind for whose, kind in messages if whose == side]
