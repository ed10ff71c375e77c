"""HTTP/1.1 over a socket whose client may have said that it sends no more."""

import socket

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# "A client MUST be able to parse one or more 1xx responses received prior to a final response, even if the client does
# not expect one" (RFC 9110, section 15.2).
STILL_THERE = b"HTTP/1.1 100 Continue\r\n\r\n"
# The system of a client that is gone answers it with a reset, within this time.
RESET_SECONDS = 0.05


class HalfOpenProtocol(H11Protocol):
    """uvicorn's protocol, in which the end of what a client sends is not the end of the client.

    A client that has shut down its sending side gets its answer. One that is gone looks the same at first: it is sent
    an interim response, which its system answers with a reset, so that what it had asked for is not worked off.
    """

    has_ended = False

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own declaration; uvicorn's returns nothing
        """Return whether the connection stays: for the answer that is due, and not where none is."""
        self.has_ended = True
        is_whole = self.conn.their_state in {h11.DONE, h11.MUST_CLOSE}
        if not self._is_answering or not is_whole:
            return False
        if not self.cycle.response_started:
            self.transport.write(STILL_THERE)
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

    def _leave_the_gone(self) -> None:
        connected = self.transport.get_extra_info("socket")
        # asyncio does not listen any more to a socket from which all has been read.
        if not self.transport.is_closing() and connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
