"""A pgbouncer in transaction mode in front of the tests' Postgres: the stand-in for RDS Proxy (docs/adr/0003).

It is Debian's (`local/need-pgbouncer`). It refuses to run as root, so root drops to `nobody`, as it does for Postgres.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pg8000.native
from sqlalchemy import make_url

from local.errors import Fault
from local.postgres import OWNER, Cluster
from local.processes import free_port, spawn_bound
from local.settings import HOST, ROOT
from migrations.run import ROLES
from tests.support.databases import engine_for

# Server connections for each database. One is lent to whoever logs in as the role that it was opened for, so each of
# the functions' roles has its share of them: two, that the next transaction can meet another than the last.
SERVERS_OF_A_ROLE = 2
SERVERS = SERVERS_OF_A_ROLE * len(ROLES)

START_SECONDS = 30.0
CONSOLE = "console"

_SETTINGS: Mapping[str, object] = {
    "listen_addr": HOST,
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "pool_mode": "transaction",
    "default_pool_size": SERVERS_OF_A_ROLE,
    "max_db_connections": SERVERS,
    "max_client_conn": 200,
    # The next transaction of a client meets another server connection than its last, wherever there is another.
    "server_round_robin": 1,
    # Nobody tidies up behind a client: what it leaves in a session, the next one finds.
    "server_reset_query": "",
    # A server connection that was ended while it was being made is no reason to wait for 15 seconds.
    "server_login_retry": 0.1,
    "admin_users": CONSOLE,
}


class Pooler:
    """A running pgbouncer, which `run_pooler` makes: the Postgres behind it, and where it listens."""

    def __init__(self, cluster: Cluster, port: int) -> None:
        self._cluster = cluster
        self.port = port

    def url(self, dbname: str, user: str = OWNER) -> str:
        """Return the cluster's URL of a database, but through here."""
        return make_url(self._cluster.url(dbname, user)).set(port=self.port).render_as_string(hide_password=False)

    def ask(self, command: str) -> list[dict[str, Any]]:
        """Return the rows that pgbouncer's console answers a command with. Raises pg8000's `InterfaceError`."""
        console = pg8000.native.Connection(
            CONSOLE, host=HOST, port=self.port, database="pgbouncer", password=self._cluster.password
        )
        try:
            rows = console.run(command) or []
            return [dict(zip((column["name"] for column in console.columns or ()), row, strict=True)) for row in rows]
        finally:
            console.close()

    def open(self, dbname: str) -> str:
        """Open all connections to a database, so that each transaction gets another than the last; return its URL.

        Otherwise one is opened only where all others are taken: who asks one thing after another never meets a second.
        """
        engines = [engine_for(self.url(dbname, role), pool_size=SERVERS_OF_A_ROLE) for role in ROLES]
        with ExitStack() as all_at_once:
            for engine in engines * SERVERS_OF_A_ROLE:
                all_at_once.enter_context(engine.connect()).exec_driver_sql("SELECT 1")
        for engine in engines:
            engine.dispose()
        return self.url(dbname)


@contextmanager
def run_pooler(cluster: Cluster) -> Iterator[Pooler]:
    """Run a pgbouncer in front of `cluster`. Raises Fault where there is none, or it does not start."""
    command = ["sh", "local/need-pgbouncer"]
    program = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    if not program:
        raise Fault("there is no pgbouncer; what to do is said above")
    # Beneath the cluster, which whoever it runs as can enter, and which is swept away when this process is killed.
    with tempfile.TemporaryDirectory(prefix="pooler-", dir=cluster.home) as home:
        port, process = _started(program, Path(home), cluster)
        try:
            yield Pooler(cluster, port)
        finally:
            # It has nothing to lose, and what asks it to go at once differs between its versions.
            process.kill()
            process.wait()


def _started(program: str, home: Path, cluster: Cluster) -> tuple[int, subprocess.Popen[bytes]]:
    """Start it on a free port; once more where somebody took the port in the moment between."""
    deadline = time.monotonic() + START_SECONDS
    log = home / "pgbouncer.log"
    while True:
        port = free_port()
        process = _spawned(program, home, cluster, port)
        answers = False
        try:
            answers = _answers(Pooler(cluster, port), process, deadline)
        finally:
            if not answers:
                process.kill()
                process.wait()
        if answers:
            return port, process
        said = log.read_text(errors="replace").strip()
        if "in use" not in said or time.monotonic() > deadline:
            raise Fault(f"pgbouncer did not start: {said[-500:]}")


def _spawned(program: str, home: Path, cluster: Cluster, port: int) -> subprocess.Popen[bytes]:
    users = home / "users"
    users.write_text("".join(f'"{name}" "{cluster.password}"\n' for name in (OWNER, *ROLES, CONSOLE)))
    settings = {**_SETTINGS, "listen_port": port, "auth_file": users}
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    configuration = home / "pgbouncer.ini"
    configuration.write_text(f"[databases]\n* = host={HOST} port={cluster.port}\n[pgbouncer]\n{lines}\n")
    nobody = cluster._nobody
    if nobody:
        for path in (home, users, configuration):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    with (home / "pgbouncer.log").open("wb") as output:
        return spawn_bound(
            [program, str(configuration)],
            signal.SIGKILL,
            user=nobody and nobody.pw_uid,
            group=nobody and nobody.pw_gid,
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            directory=home,
            output=output,
        )


def _answers(started: Pooler, process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait until its console answers; False when it ends instead."""
    while process.poll() is None and time.monotonic() < deadline:
        try:
            started.ask("SHOW VERSION")
        except pg8000.InterfaceError:
            time.sleep(0.01)
        else:
            return True
    return False
