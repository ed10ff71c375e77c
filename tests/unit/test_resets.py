"""A connection that the server resets is an error of the driver, which everything above knows how to take."""

import socket
import struct
import threading
from collections.abc import Iterator

import pg8000
import pytest

from local.processes import listen_on
from wellspring.database.engine import connect
from wellspring.settings import Settings

# Closed with this, a connection is reset: no time to linger.
AT_ONCE = struct.pack("ii", 1, 0)


@pytest.fixture
def port() -> Iterator[int]:
    """A port of which each connection is reset when its first bytes have come."""

    def reset_all() -> None:
        while True:
            try:
                given, _ = listener.accept()
            except OSError:
                return
            given.recv(1)
            given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            given.close()

    with listen_on(0) as listener:
        listener.listen()
        thread = threading.Thread(target=reset_all, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_reset_while_logging_in_is_an_error_of_the_driver(port: int) -> None:
    settings = Settings(
        db_host="127.0.0.1", db_port=port, db_user="x", db_auth="password", db_password="y", db_tls="off"
    )
    with pytest.raises(pg8000.InterfaceError, match="network error"):
        connect(settings)
