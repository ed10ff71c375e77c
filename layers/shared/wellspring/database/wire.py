"""The bytes between pg8000 and the server."""

import socket
import ssl
from struct import Struct

_HEAD = Struct("!ci")
# "Will you speak TLS?", before anything else is said.
_SSL_REQUEST = Struct("!ii").pack(8, 80877103)


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


class Wire:
    """What pg8000 writes to and reads from, in place of the socket's own file object.

    That object keeps what it could not send. When the server is gone, it tries to send it once more while it is
    being collected, and Python prints an exception that nobody can catch. This one forgets it.

    Args:
        connected: the socket, past its handshake.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._reader = connected.makefile("rb")
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
        """Send what was written. Raises `OSError`; then it is forgotten."""
        data = b"".join(self._unsent)
        self._unsent.clear()
        self._socket.sendall(data)

    def close(self) -> None:
        """Give up the socket."""
        self._reader.close()
