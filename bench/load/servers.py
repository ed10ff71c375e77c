"""The servers that are compared, each with as many worker processes, on one database."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psycopg
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import ROOT, product
from bench.data import READER, WRITER, Ledger
from bench.load import WORKERS
from local.errors import Fault
from local.identity import AUDIENCE, Identity
from local.postgres import SUPERUSER
from local.processes import free_port, spawn_bound
from local.settings import HOST, state_folder

PRODUCT = "wellspring"
DRF = "djangorestframework-jsonapi"
FASTAPI = "fastapi-jsonapi"
SERVERS = (PRODUCT, DRF, FASTAPI)
RIVALS_VENV = Path(".local", "rivals-venv")
RIVALS_LOCK = Path("local", "requirements", "rivals.txt")
# Of each of gunicorn's processes; a thread has a connection to the database.
THREADS = 4
# No policy binds it: the rivals know nothing of `wellspring.enter`, and are spared what it costs.
RIVAL = "bench_rival"
TOKEN_SECONDS = 3600
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class _Starting:
    """A server that has been started."""

    name: str
    place: Place
    process: subprocess.Popen[bytes]
    log: Path

    def ready(self) -> Place:
        """Return where it listens, once it asks for a token. Raises `Fault`."""
        deadline = time.monotonic() + START_SECONDS
        while (status := _status(self.place)) != 401:
            if status or self.process.poll() is not None or time.monotonic() > deadline:
                raise Fault(f"{self.name} did not start (see {self.log})")
            time.sleep(0.1)
        return self.place


def python() -> Path:
    """Return the Python of the rivals' virtual environment, which is made when first needed. Raises `Fault`."""
    made = subprocess.run(["sh", "local/venv", str(RIVALS_VENV), str(RIVALS_LOCK)], cwd=ROOT, check=False)
    if made.returncode:
        raise Fault(f"{RIVALS_LOCK} could not be installed")
    return ROOT / RIVALS_VENV / "bin" / "python"


class Issuer:
    """The issuer of this run's tokens, and a fresh folder for what the servers keep and log."""

    def __init__(self) -> None:
        self.folder = state_folder() / "bench-http"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._identity = Identity(self.folder, 0)
        self.key_file = self.folder / "public.pem"
        key = self._identity.find_key(self._identity.key_id)
        assert key is not None
        self.key_file.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        self.name = self._identity.issuer

    def token(self, sub: str, scope: str = "") -> str:
        """Return a token for a person, or for a service with scopes."""
        now = int(time.time())
        claims = {"iss": self.name, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + TOKEN_SECONDS, "sub": sub}
        return self._identity.sign(claims | ({"scope": scope, "client_id": sub} if scope else {}))


def make_rival(ledger: Ledger) -> None:
    """Make the role of the rivals, with the rights of the functions that write."""
    with psycopg.connect(ledger.cluster.url("postgres", SUPERUSER), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (RIVAL,)).fetchone():
            connection.execute(f"CREATE ROLE {RIVAL} LOGIN BYPASSRLS IN ROLE {READER}, {WRITER}".encode())
            connection.execute(f"ALTER ROLE {RIVAL} SET jit = off".encode())
    ledger.cluster.let_in(RIVAL)


@contextmanager
def serving(ledger: Ledger, issuer: Issuer) -> Iterator[Mapping[str, Place]]:
    """Run the servers on `ledger`; each of them answers when this gives their places. Raises `Fault`."""
    rivals, url = python(), ledger.url(RIVAL)
    with ExitStack() as stack:
        # All at once: most of a start is waiting for imports of several processes.
        starting = [
            _product(stack, ledger, issuer),
            _rival(stack, DRF, _gunicorn(rivals), url, issuer),
            _rival(stack, FASTAPI, _uvicorn(rivals), f"{url.replace(':', '+asyncpg:', 1)}?ssl=disable", issuer),
        ]
        yield {each.name: each.ready() for each in starting}


def _product(stack: ExitStack, ledger: Ledger, issuer: Issuer) -> _Starting:
    environment = product.environment(ledger, READER)
    # The template says who is a reader and who a writer.
    del environment["DB_USER"]
    port, log = free_port(), issuer.folder / f"{PRODUCT}.log"
    command = [sys.executable, "-m", "bench.load.product", str(port), str(issuer.folder), str(log)]
    output = stack.enter_context(log.open("ab"))
    process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=output))
    assert process.stdin is not None
    # Left open: its end is the server's.
    process.stdin.write(f"{json.dumps(environment)}\n".encode())
    process.stdin.flush()
    return _Starting(PRODUCT, Place(HOST, port), process, log)


def _gunicorn(rivals: Path) -> Callable[[int], list[str]]:
    # Threads, as its documentation asks for where clients keep their connections.
    options = ["--workers", str(WORKERS), "--worker-class", "gthread", "--threads", str(THREADS)]
    options.append("--no-control-socket")
    module = "bench.rivals.drf.wsgi:application"
    return lambda port: [str(rivals), "-m", "gunicorn", *options, "--bind", f"{HOST}:{port}", module]


def _uvicorn(rivals: Path) -> Callable[[int], list[str]]:
    # As the others, it writes no line for each request but its own program's.
    options = ["--workers", str(WORKERS), "--no-access-log", "--host", HOST]
    return lambda port: [str(rivals), "-m", "uvicorn", *options, "--port", str(port), "bench.rivals.fastapi_app:app"]


def _rival(stack: ExitStack, name: str, command: Callable[[int], list[str]], url: str, issuer: Issuer) -> _Starting:
    port, log = free_port(), issuer.folder / f"{name}.log"
    process = spawn_bound(
        command(port),
        signal.SIGTERM,
        environment={
            "PATH": os.environ.get("PATH", ""),
            "DATABASE_URL": url,
            "TOKEN_KEY": str(issuer.key_file),
            "TOKEN_ISSUER": issuer.name,
        },
        directory=ROOT,
        output=stack.enter_context(log.open("ab")),
    )
    stack.callback(_stop, process)
    return _Starting(name, Place(HOST, port), process, log)


def _status(place: Place) -> int:
    """Return the status of a request without a token, 0 while nobody listens."""
    connection = HTTPConnection(place.host, place.port, timeout=START_SECONDS)
    try:
        connection.request("GET", product.ROUTE)
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
