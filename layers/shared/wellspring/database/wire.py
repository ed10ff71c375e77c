"""The bytes between pg8000 and the server."""

import select
import socket
import ssl
from contextlib import suppress
from struct import Struct

from wellspring.database.deadline import Deadline, seconds_left

_HEAD = Struct("!ci")
# "Will you speak TLS?", before anything else is said.
_SSL_REQUEST = Struct("!ii").pack(8, 80877103)
# What fits into the buffers on the way is sent without a look at what comes back meanwhile.
_SENT_AT_ONCE = 32_768
_READ_AT_ONCE = 65_536
# An answer that takes longer than the longest statement may (revision 0003) does not come any more.
SILENCE_SECONDS = 26.0
# Of the kernel: what is sent and not acknowledged for so long has nobody at the other end.
UNACKNOWLEDGED_MILLISECONDS = 3000


def dial(host: str, port: int, tls: ssl.SSLContext | None, certified: str = "") -> socket.socket:
    """Return a socket that leads to a server, past its handshake; pg8000 would leave one open whose handshake failed.

    The certificate, which `tls` verifies, must be for `host`, or for `certified`. Raises `OSError` where the server is
    not there, speaks no TLS or is not to be trusted, and `TimeoutError`, an `OSError` too, when the time is over.
    """
    connected = _connected(host, port)
    try:
        # One small packet must not wait for the acknowledgement of the one before: up to 40 ms each.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Linux. A host that is lost is told from one that is slow, so that there is time for another connection.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        return connected if tls is None else _secured(connected, tls, certified or host)
    except BaseException:
        connected.close()
        raise


def _connected(host: str, port: int) -> socket.socket:
    """Try the host's addresses, one after the other; each has an equal share of the time that is left."""
    addresses = [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for remaining in range(len(addresses), 0, -1):
        left = _left(None)
        try:
            return socket.create_connection((addresses[-remaining], port), left and left / remaining)
        except OSError:
            if remaining == 1:
                raise
    raise OSError("the host has no address")


def _secured(connected: socket.socket, tls: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    connected.settimeout(_left(None))
    connected.sendall(_SSL_REQUEST)
    if connected.recv(1) != b"S":
        raise ssl.SSLError("the server does not speak TLS")
    connected.settimeout(_left(None))
    return tls.wrap_socket(connected, server_hostname=host)


def _left(silence: Deadline | None) -> float | None:
    """Return how long to wait now; None for as long as it takes. Raises `TimeoutError` when the time is over."""
    left = seconds_left()
    if left is not None and silence is not None:
        left = min(left, silence.seconds)
    if left is not None and left <= 0:
        raise TimeoutError("the time is over")
    return left


class Wire:
    """What pg8000 writes to and reads from, in place of the file object of a socket that is past its handshake.

    That object would send what it could not once more while it is being collected, and Python print an exception that
    nobody can catch. Nothing waits longer than `deadline.within` allows: a silent server raises `TimeoutError`.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # What has come, and how far it was taken.
        self._received, self._at = b"", 0
        self._unsent = b""
        self._silence: Deadline | None = None

    def read(self, size: int) -> bytes:
        """Return `size` bytes. Raises `OSError`, also when the server has closed."""
        while len(self._received) - self._at < size:
            self._wait()
        self._at += size
        return self._received[self._at - size : self._at]

    def message(self) -> tuple[bytes, bytes]:
        """Return the server's next message: its kind and its content. Raises as `read` does."""
        while True:
            here = len(self._received) - self._at
            if here >= _HEAD.size:
                kind, size = _HEAD.unpack_from(self._received, self._at)
                # The size counts itself, and not the kind.
                if here > size:
                    begin, self._at = self._at + _HEAD.size, self._at + 1 + size
                    return kind, self._received[begin : self._at]
            self._wait()

    def _wait(self) -> None:
        """Wait for some more, no longer than is left of the time."""
        self._socket.settimeout(_left(self._silence))
        self._receive()

    def _receive(self) -> None:
        received = self._socket.recv(_READ_AT_ONCE)
        if not received:
            raise ConnectionAbortedError("the server has closed the connection")
        self._received, self._at = self._received[self._at :] + received, 0

    def write(self, data: bytes) -> None:
        """Keep `data` until `flush`."""
        self._unsent += data

    def flush(self) -> None:
        """Send what was written. Raises `OSError`; then it is forgotten.

        Of several statements the first may be answered while the last is still being sent. The server stops reading
        when nobody takes its answer, so what comes back is read meanwhile, or both would wait for ever.
        """
        data, self._unsent = self._unsent, b""
        self._silence = Deadline(SILENCE_SECONDS)
        if len(data) <= _SENT_AT_ONCE:
            self._socket.settimeout(_left(None))
            self._socket.sendall(data)
            return
        # What reads next sets how long it waits.
        self._socket.settimeout(0)
        unsent = memoryview(data)
        while unsent:
            wants_to_write = [self._socket]
            try:
                unsent = unsent[self._socket.send(unsent) :]
                continue
            except ssl.SSLWantReadError:
                wants_to_write = []
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            readable, writable, _ = select.select([self._socket], wants_to_write, [], _left(self._silence))
            if not readable and not writable:
                raise TimeoutError("the server takes no more")
            if readable:
                with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    self._receive()
