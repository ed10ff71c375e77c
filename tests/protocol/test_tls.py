"""TLS between the driver and the server: who is believed to be the server, and who is not.

The embedded Postgres is built without TLS, so a stub speaks it for it, as RDS Proxy does.
"""

import ipaddress
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pg8000
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text

from local.settings import HOST
from tests.support.databases import FreshDatabase, settings_for
from tests.support.transactions import in_transaction
from wellspring.database import Transaction
from wellspring.database.engine import connect, make_engine, tls
from wellspring.errors import ServiceUnavailable
from wellspring.settings import Settings

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
# Of what a key may be used for, what none here is.
UNUSED = (
    *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("encipher_only", "decipher_only"),
)


@dataclass(frozen=True, slots=True)
class Authority:
    """Who has a certificate, and may sign others'."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def authority(
    called: str,
    signer: Authority | None = None,
    host: x509.GeneralName | None = None,
    until: datetime = NOW + DAY,
    days: int = 90,
) -> Authority:
    """Return a new authority, or what a signer certifies to be the server at `host`."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={called}")
    is_authority = host is None
    issuer = signer.certificate.subject if signer else subject
    uses = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign", *UNUSED), False)
    uses |= dict.fromkeys(("key_cert_sign", "crl_sign") if is_authority else ("digital_signature",), True)
    made = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(until - days * DAY)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(**uses), critical=True)
    )
    if signer and host:
        of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
        made = made.add_extension(x509.SubjectAlternativeName([host]), critical=False)
        made = made.add_extension(of_signer, critical=False)
    return Authority(key, made.sign((signer.key if signer else key), hashes.SHA256()))


def serving(folder: Path, signer: Authority, host: x509.GeneralName, until: datetime) -> ssl.SSLContext:
    """Return the context of a server that shows a certificate for `host`."""
    server = authority("server", signer, host, until, days=30)
    own = server.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "server.pem"
    file.write_bytes(own + pem(server.certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def carry(client: socket.socket, server: socket.socket) -> None:
    """Carry bytes both ways until one side closes."""
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, (client, server))
        selector.register(server, selectors.EVENT_READ, (server, client))
        while True:
            for key, _ in selector.select():
                source, target = key.data
                data = source.recv(65536)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(65536)
                if not data:
                    return
                target.sendall(data)


@dataclass
class Stub:
    """A server that speaks TLS before Postgres; `answer` is what it says when it is asked whether it does.

    Attributes:
        received: what clients have said to it that was no TLS.
    """

    target: tuple[str, int]
    context: ssl.SSLContext
    answer: bytes
    port: int
    received: list[bytes]

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    self.received.append(client.recv(8))
                    client.sendall(self.answer)
                    if self.answer == b"S":
                        with (
                            self.context.wrap_socket(client, server_side=True) as secured,
                            socket.create_connection(self.target) as server,
                        ):
                            carry(secured, server)
                    elif self.answer:
                        self.received.append(client.recv(65536))


@contextmanager
def stub(target: tuple[str, int], context: ssl.SSLContext, answer: bytes = b"S") -> Iterator[Stub]:
    with socket.create_server((HOST, 0)) as listener:
        given = Stub(target, context, answer, listener.getsockname()[1], [])
        thread = threading.Thread(target=given.serve, args=(listener,))
        thread.start()
        yield given
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


OURS = x509.IPAddress(ipaddress.ip_address(HOST))


@pytest.fixture(scope="module")
def trusted() -> Authority:
    return authority("Trusted")


@pytest.fixture
def settings(fresh_database: FreshDatabase, trusted: Authority, tmp_path: Path) -> Settings:
    """The settings of a function that trusts one authority."""
    ca_file = tmp_path / "authorities.pem"
    ca_file.write_bytes(pem(trusted.certificate))
    return replace(settings_for(fresh_database.url), db_tls="verify", db_ca_file=str(ca_file))


@contextmanager
def server(
    settings: Settings,
    folder: Path,
    signer: Authority,
    host: x509.GeneralName = OURS,
    until: datetime = NOW + DAY,
    answer: bytes = b"S",
) -> Iterator[tuple[Settings, Stub]]:
    """Run a stub; give the settings that lead to it."""
    context = serving(folder, signer, host, until)
    with stub((settings.db_host, settings.db_port), context, answer) as given:
        yield replace(settings, db_port=given.port), given


def test_a_server_with_the_right_certificate_is_spoken_to_in_secret(
    settings: Settings, trusted: Authority, tmp_path: Path
) -> None:
    with server(settings, tmp_path, trusted) as (through, given), closing(connect(through)) as connection:
        cursor = connection.cursor()
        for size in (1, 100_000, 5_000_000):
            cursor.execute("SELECT CAST(%s AS text)", ("x" * size,))
            assert cursor.fetchall() == (["x" * size],)
        connection.commit()
        assert isinstance(connection._usock, ssl.SSLSocket)
    assert given.received == [SSL_REQUEST]


def test_a_reader_is_believed_by_the_name_of_the_proxy_that_it_belongs_to(
    settings: Settings, trusted: Authority, tmp_path: Path
) -> None:
    """RDS Proxy's certificate has its own name, and not those of its further endpoints (`engine.reader_engine`)."""
    with server(settings, tmp_path, trusted, x509.DNSName("proxy.example.test")) as (through, _):
        with closing(connect(through, certified="proxy.example.test")) as connection:
            assert isinstance(connection._usock, ssl.SSLSocket)
        with pytest.raises(pg8000.InterfaceError):
            connect(through, certified="another.example.test")


class TestAServer:
    def refused(self, through: Settings) -> str:
        """Return why the server is not spoken to."""
        with pytest.raises(pg8000.InterfaceError) as caught:
            connect(through)
        cause = caught.value.__cause__
        assert isinstance(cause, ssl.SSLError)
        return str(cause)

    @pytest.mark.parametrize(
        ("certified", "why"),
        [
            ({"host": x509.DNSName("proxy.example.test")}, "IP address mismatch"),
            ({"host": x509.IPAddress(ipaddress.ip_address("127.0.0.2"))}, "IP address mismatch"),
            ({"signer": authority("Stranger")}, "unable to get local issuer certificate"),
            # That only has the name of the one that is known.
            ({"signer": authority("Trusted")}, "certificate verify failed"),
            ({"until": NOW - DAY}, "certificate has expired"),
            ({"until": NOW + 31 * DAY}, "certificate is not yet valid"),
        ],
        ids=["another name", "another address", "unknown authority", "false authority", "expired", "of tomorrow"],
    )
    def test_with_a_certificate_that_is_not_its_own_is_refused(
        self, settings: Settings, trusted: Authority, tmp_path: Path, certified: dict[str, Any], why: str
    ) -> None:
        with server(settings, tmp_path, **{"signer": trusted} | certified) as (through, _):
            assert why in self.refused(through)

    @pytest.mark.parametrize("answer", [b"N", b"E", b""])
    def test_that_speaks_no_tls_is_told_nothing(
        self, settings: Settings, trusted: Authority, tmp_path: Path, answer: bytes
    ) -> None:
        with server(settings, tmp_path, trusted, answer=answer) as (through, given):
            assert "does not speak TLS" in self.refused(through)
        assert b"".join(given.received) == SSL_REQUEST

    def test_that_is_refused_is_unavailable_and_the_log_may_say_why(
        self, settings: Settings, trusted: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def work(transaction: Transaction) -> None:
            transaction.execute(text("SELECT 1"))

        with server(settings, tmp_path, trusted, until=NOW - DAY) as (through, _):
            engine = make_engine(through)
            monkeypatch.setattr("wellspring.database.scope.connection", engine.connect)
            with pytest.raises(ServiceUnavailable) as caught:
                in_transaction(work)
            engine.dispose()
        assert caught.value.evidence["cause"] == "certificate has expired"
        assert "certificate" not in str(caught.value)


class TestTheContext:
    def test_is_made_once_for_each_file_of_authorities(self, settings: Settings) -> None:
        assert tls(settings) is tls(settings)
        assert tls(settings) is not tls(replace(settings, db_ca_file=""))

    def test_trusts_amazons_four_roots_by_default_and_nobody_else(self, settings: Settings) -> None:
        context = tls(replace(settings, db_ca_file=""))
        assert context is not None
        found = [x509.load_der_x509_certificate(each) for each in context.get_ca_certs(binary_form=True)]
        assert sorted(each.subject.rfc4514_string() for each in found) == [
            f"CN=Amazon Root CA {number},O=Amazon,C=US" for number in (1, 2, 3, 4)
        ]
        # As https://www.amazontrust.com/repository/ publishes them.
        assert {each.fingerprint(hashes.SHA256()).hex() for each in found} == {
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        }
