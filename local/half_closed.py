"""HTTP/1.1 over a socket whose client may have said that it sends no more."""

import asyncio
import socket
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# With what every answer begins (RFC 9112, section 4), sent before the rest is known. An interim response would do, too,
# but who sent no `Expect` does not wait for one, and "a server MUST NOT send a 1xx response to an HTTP/1.0 client"
# (RFC 9110, section 15.2).
BEGINNING = b"HTTP/1.1 "
# The system of a client that is gone answers it with a reset, within this time.
RESET_SECONDS = 0.05
# Within this time a request has come whole. API Gateway's own time for it is told nowhere; a function has as much for
# the answer ("Quotas for HTTP APIs": 30 seconds).
REQUEST_SECONDS = 30.0


class _Begun:
    """A transport on which the beginning of the answer has been sent already."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_begun = True

    def write(self, data: bytes) -> None:
        """Send `data`, but not what has been sent."""
        self._transport.write(data.removeprefix(BEGINNING) if self._is_begun else data)
        self._is_begun = False

    def close(self) -> None:
        """Close the connection when all is sent."""
        self._transport.close()

    def is_closing(self) -> bool:
        """Say whether it is closing, or closed."""
        return self._transport.is_closing()


class HalfOpenProtocol(H11Protocol):
    """uvicorn's protocol, in which the end of what a client sends is not the end of the client.

    A client that has shut down its sending side gets its answer. One that is gone looks the same at first: it is sent
    the beginning of its answer, which its system answers with a reset, so that what it had asked for is not worked off.

    A connection that says nothing is closed after the time that uvicorn gives one that says nothing more, and one whose
    request is not whole in time, too.
    """

    has_ended = False
    overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first byte as long as for the next request."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Take what came of a request; from its first byte on the time runs for the rest."""
        if self.overdue is None:
            self.overdue = self.loop.call_later(REQUEST_SECONDS, self._end_the_unfinished)
        super().data_received(data)
        if self._is_whole:
            self._stop_the_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._unset_keepalive_if_required()
        self._stop_the_clock()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own declaration; uvicorn's returns nothing
        """Return whether the connection stays: for the answer that is due, and not where none is."""
        self.has_ended = True
        if not self._is_answering or not self._is_whole:
            return False
        if not self.cycle.response_started:
            self.transport.write(BEGINNING)
            self.cycle.transport = cast("asyncio.Transport", _Begun(self.transport))
            self.loop.call_later(RESET_SECONDS, self._leave_the_gone)
        return True

    def on_response_complete(self) -> None:
        """Close the connection behind the answer where no other request can come."""
        super().on_response_complete()
        if self.has_ended and not self._is_answering:
            self.transport.close()

    @property
    def _is_answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    @property
    def _is_whole(self) -> bool:
        return self.conn.their_state in {h11.DONE, h11.MUST_CLOSE}

    def _stop_the_clock(self) -> None:
        if self.overdue is not None:
            self.overdue.cancel()
            self.overdue = None

    def _end_the_unfinished(self) -> None:
        self.transport.close()

    def _leave_the_gone(self) -> None:
        connected = self.transport.get_extra_info("socket")
        # asyncio does not listen any more to a socket from which all has been read.
        if not self.transport.is_closing() and connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
