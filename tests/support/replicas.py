"""A streaming replica of a cluster, as RDS Proxy's read-only endpoint leads to one, and a database on both."""

import os
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection, Engine

from local.errors import Fault
from local.postgres import SUPERUSER, Cluster
from local.settings import HOST
from tests.support.databases import FreshDatabase, Statements, engine_for, role_of_call
from wellspring.database.scope import at_reader


class Replica(Cluster):
    """A standby of `primary`, which follows it as it writes: of a durable cluster, another writes too little."""

    def __init__(self, data_dir: Path, primary: Cluster) -> None:
        super().__init__(data_dir)
        self._primary = primary

    def pause(self) -> None:
        """Stop before the next that comes: the replica is behind from now on."""
        self._execute("SELECT pg_wal_replay_pause()")
        # It is asked for; a record that is under way is still taken.
        while self._execute("SELECT pg_get_wal_replay_pause_state()") != [["paused"]]:
            self._primary._execute("SELECT pg_switch_wal()")

    def resume(self) -> None:
        """Follow again."""
        self._execute("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until all that was committed is here."""
        ((written,),) = self._primary._execute("SELECT pg_current_wal_lsn()::text")
        while self._execute("SELECT pg_last_wal_replay_lsn() >= CAST(:lsn AS pg_lsn)", lsn=written) != [[True]]:
            pass

    def _read_password(self) -> str:
        return self._primary.password

    def _make_owner(self) -> None:
        """Do nothing: it comes with the rest."""

    def _initialise(self) -> None:
        unfinished = self.home / "data.unfinished"
        unfinished.mkdir(mode=0o700)
        if self._nobody:
            os.chown(unfinished, self._nobody.pw_uid, self._nobody.pw_gid)
        source = f"host={HOST} port={self._primary.port} user={SUPERUSER} password={self._primary.password}"
        command = [
            str(self._programs / "pg_basebackup"),
            f"--dbname={source}",
            f"--pgdata={unfinished}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        ]
        result = self._as_server(command, directory=self.home)
        if result.returncode != 0:
            raise Fault(f"pg_basebackup failed: {result.stderr}")
        unfinished.rename(self._data)


class ReplicatedDatabase(FreshDatabase):
    """A database that has this name on `primary`, where it is written, and on `replica`, where it may be read."""

    def __init__(self, name: str, primary: Cluster, replica: Replica, statements: Statements) -> None:
        super().__init__(primary.url(name), statements)
        self.replica = replica
        self._read_at = replica.url(name)
        self._readers: dict[str, Engine] = {}
        # How often a connection of the reader was asked for.
        self.asked_of_reader = 0

    def connection(self) -> AbstractContextManager[Connection]:
        """Stand in for `scope.connection`."""
        if not at_reader.get():
            return super().connection()
        self.asked_of_reader += 1
        role = role_of_call.get() or self.role
        if role not in self._readers:
            self._readers[role] = engine_for(self._read_at, user=role)
        return self._readers[role].connect()

    def close(self) -> None:
        super().close()
        for engine in self._readers.values():
            engine.dispose()
