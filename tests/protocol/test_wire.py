"""Sending and receiving at the same time."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.protocol.test_tls import authority, pem, serving
from wellspring.database.deadline import Deadline, within
from wellspring.database.wire import Wire

MUCH = 8_000_000
PATIENCE_SECONDS = 60


@pytest.fixture(params=["in the clear", "TLS"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's socket and its server's."""
    client, server = socket.socketpair()
    if request.param == "TLS":
        signer = authority("signer")
        trusting = ssl.create_default_context(cadata=pem(signer.certificate).decode())
        certified = serving(tmp_path, signer, x509.DNSName("server"), datetime.now(UTC) + timedelta(days=1))
        secured: list[socket.socket] = []
        shaking = threading.Thread(target=lambda: secured.append(certified.wrap_socket(server, server_side=True)))
        shaking.start()
        client = trusting.wrap_socket(client, server_hostname="server")
        shaking.join(PATIENCE_SECONDS)
        (server,) = secured
    with client, server:
        yield client, server


def test_a_server_that_answers_before_it_has_read_all_is_read_meanwhile(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    client, server = ends
    taken: list[int] = []

    def serve() -> None:
        server.sendall(b"D" + (MUCH + 4).to_bytes(4) + bytes(MUCH))
        with server.makefile("rb") as reader:
            taken.append(len(reader.read(MUCH)))
        server.sendall(b"Z\0\0\0\5I")

    serving_thread = threading.Thread(target=serve, daemon=True)
    serving_thread.start()
    wire = Wire(client)
    wire.write(bytes(MUCH))
    wire.flush()
    kind, content = wire.message()
    assert (kind, len(content)) == (b"D", MUCH)
    assert wire.message() == (b"Z", b"I")
    serving_thread.join(PATIENCE_SECONDS)
    assert taken == [MUCH]


def test_a_server_that_takes_no_more_is_waited_for_until_the_deadline(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    client, _ = ends
    wire = Wire(client)
    wire.write(bytes(MUCH))
    with within(Deadline(0.05)), pytest.raises(TimeoutError):
        wire.flush()
