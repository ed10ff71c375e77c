"""The bytes between pg8000 and the server."""

import io
import select
import socket
import ssl
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_HEAD = Struct("!ci")
# "Will you speak TLS?", before anything else is said.
_SSL_REQUEST = Struct("!ii").pack(8, 80877103)
# What fits into the buffers on the way is sent without a look at what comes back meanwhile.
_SENT_AT_ONCE = 32_768
_READ_AT_ONCE = 65_536


def dial(host: str, port: int, tls: ssl.SSLContext | None, timeout: float) -> socket.socket:
    """Return a socket that leads to a server, past its handshake.

    pg8000 would leave a socket open whose handshake failed.

    Args:
        host: the server's name; its certificate must be for it.
        port: TCP port.
        tls: verifies the certificate; None to speak in the clear.
        timeout: seconds for each step; the socket keeps it.

    Raises:
        OSError: the server is not there, speaks no TLS, or its certificate is not to be trusted.
    """
    connected = socket.create_connection((host, port), timeout)
    try:
        # One small packet must not wait for the acknowledgement of the one before: up to 40 ms each.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connected if tls is None else _secured(connected, tls, host)
    except BaseException:
        connected.close()
        raise


def _secured(connected: socket.socket, tls: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    connected.sendall(_SSL_REQUEST)
    if connected.recv(1) != b"S":
        raise ssl.SSLError("the server does not speak TLS")
    return tls.wrap_socket(connected, server_hostname=host)


class _Incoming(io.RawIOBase):
    """The bytes that come in: first what was taken in early, then what the socket has."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__()
        self._socket = connected
        self._early = bytearray()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        into = memoryview(buffer)
        if not self._early:
            return self._socket.recv_into(into)
        size = min(len(into), len(self._early))
        into[:size] = self._early[:size]
        del self._early[:size]
        return size

    def receive(self) -> None:
        """Take in what is there, without waiting. Raises `OSError`, also when the server has closed."""
        try:
            received = self._socket.recv(_READ_AT_ONCE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if not received:
            raise ConnectionAbortedError("the server has closed the connection")
        self._early += received


class Wire:
    """What pg8000 writes to and reads from, in place of the socket's own file object.

    That object keeps what it could not send. When the server is gone, it tries to send it once more while it is
    being collected, and Python prints an exception that nobody can catch. This one forgets it.

    Args:
        connected: the socket, past its handshake.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._incoming = _Incoming(connected)
        self._reader = io.BufferedReader(self._incoming)
        self._unsent: list[bytes] = []

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer when the server has closed. Raises `OSError`."""
        return self._reader.read(size)

    def message(self) -> tuple[bytes, bytes]:
        """Return the server's next message: its kind and its content. Raises `OSError`, also when it has closed."""
        head = self.read(_HEAD.size)
        if len(head) == _HEAD.size:
            kind, size = _HEAD.unpack(head)
            # The size counts itself.
            content = self.read(size - 4)
            if len(content) == size - 4:
                return kind, content
        raise ConnectionAbortedError("the server has closed the connection")

    def write(self, data: bytes) -> None:
        """Keep `data` until `flush`."""
        self._unsent.append(data)

    def flush(self) -> None:
        """Send what was written. Raises `OSError`; then it is forgotten.

        Of several statements the first may be answered while the last is still being sent. The server stops reading
        when nobody takes its answer, so what comes back is read meanwhile, or both would wait for ever.
        """
        data = b"".join(self._unsent)
        self._unsent.clear()
        if len(data) <= _SENT_AT_ONCE:
            self._socket.sendall(data)
            return
        timeout = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            self._send_and_receive(memoryview(data), timeout)
        finally:
            self._socket.settimeout(timeout)

    def close(self) -> None:
        """Give up the socket."""
        self._reader.close()

    def _send_and_receive(self, data: memoryview, timeout: float | None) -> None:
        while data:
            wants_to_write = [self._socket]
            try:
                data = data[self._socket.send(data) :]
                continue
            except ssl.SSLWantReadError:
                wants_to_write = []
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            readable, writable, _ = select.select([self._socket], wants_to_write, [], timeout)
            if not readable and not writable:
                raise TimeoutError("the server takes no more")
            if readable:
                self._incoming.receive()
