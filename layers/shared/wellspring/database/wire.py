"""The bytes between pg8000 and the server."""

import socket


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
        # One small packet must not wait for the acknowledgement of the one before: up to 40 ms each.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer when the server has closed. Raises `OSError`."""
        return self._reader.read(size)

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
