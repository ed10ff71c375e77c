"""Databases for tests: one that is rolled back after each test, and fresh ones with real sessions.

Both put themselves in the place of `wellspring.database.scope.connection`, so that product code runs on them
unchanged, as one of the two roles that the functions use.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, cast

from sqlalchemy import Connection, Engine, RootTransaction, event, make_url, text

from local.postgres import Cluster
from wellspring.database.engine import make_engine
from wellspring.database.scope import role_now
from wellspring.settings import Settings

# Prepares a pooler for a database, and returns its URL through there.
type OpenAt = Callable[[str], str]
type Role = Literal[
    "wellspring_reader",
    "wellspring_writer",
    "wellspring_consumer",
    "wellspring_feeder",
    "wellspring_exporter",
    "wellspring_publisher",
]

READER: Role = "wellspring_reader"
WRITER: Role = "wellspring_writer"
CONSUMER: Role = "wellspring_consumer"
FEEDER: Role = "wellspring_feeder"
EXPORTER: Role = "wellspring_exporter"
PUBLISHER: Role = "wellspring_publisher"

# Whom the function that a test calls logs in as, by the template; None where no function is called.
role_of_call: ContextVar[Role | None] = ContextVar("role_of_call", default=None)


@contextmanager
def acting_as(role: Role) -> Iterator[None]:
    """Let product code log in as a role, where no function is called."""
    token = role_of_call.set(role)
    try:
        yield
    finally:
        role_of_call.reset(token)


# The setting `DB_PIPELINING` of each connection that a test makes.
pipelining: Literal["true", "false"] = "true"

# What SQLAlchemy sends for `SavepointConnection.begin`; a function's own transaction is not counted either.
SCOPE_STATEMENTS = ("SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")


def settings_for(url: str, *, user: str | None = None) -> Settings:
    """Return the settings of a function that works on `url`, as its owner or as `user`: all have one password."""
    parts = make_url(url)
    return Settings(
        db_host=parts.host or "",
        db_port=parts.port or 5432,
        db_name=parts.database or "",
        db_user=user or parts.username or "",
        db_auth="password",
        db_password=str(parts.password),
        db_tls="off",
        db_pipelining=pipelining,
    )


def engine_for(url: str, *, user: str | None = None, **options: Any) -> Engine:
    """Return the product's own engine for `url`, as its owner or as `user`."""
    return make_engine(settings_for(url, user=user), **options)


@dataclass
class Statements:
    """The SQL that product code sent, in order; not the harness's, and not the borders of transactions."""

    sent: list[str] = field(default_factory=list)
    recording: bool = False

    def __len__(self) -> int:
        return len(self.sent)

    def __iter__(self) -> Iterator[str]:
        return iter(self.sent)

    def clear(self) -> None:
        self.sent.clear()

    def watch(self, target: Engine | Connection) -> None:
        @event.listens_for(target, "before_cursor_execute")
        def record(*call: Any) -> None:
            statement: str = call[2]
            if self.recording and not statement.startswith(SCOPE_STATEMENTS):
                self.sent.append(statement)


class SavepointConnection(Connection):
    """A connection inside a transaction of the test's: what product code takes for a transaction is a savepoint."""

    def begin(self) -> RootTransaction:
        return self.begin_nested()  # type: ignore[return-value]  # commit() and rollback() are all that is used

    def invalidate(self, exception: BaseException | None = None) -> None:
        """Keep the connection, on which everything of the test is: what makes it useless needs a `FreshDatabase`."""


class Database:
    """The database of one test; everything done to it is rolled back at the end.

    Time stands still in it: `now()` is the start of the test. `role` is what product code runs as where no function
    is called.
    """

    def __init__(self, owner: SavepointConnection, url: str, statements: Statements) -> None:
        self.owner = owner
        self.url = url
        self.role: Role = READER
        self.statements = statements

    def commit(self) -> None:
        """Do nothing: the test's rows are seen by product code, which shares the transaction."""

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Stand in for `scope.connection`."""
        # A savepoint's end does not end a setting, as a transaction's does.
        self.owner.exec_driver_sql(
            "SELECT set_config('wellspring.scope', '', true), set_config('wellspring.emits', '', true),"
            " set_config('statement_timeout', '0', true)"
        )
        self.owner.exec_driver_sql(f"SET LOCAL ROLE {role_now.get() or role_of_call.get() or self.role}")
        self.statements.recording = True
        try:
            yield self.owner
        finally:
            self.statements.recording = False
            self.owner.exec_driver_sql("SET LOCAL ROLE NONE")


@contextmanager
def rolled_back(engine: Engine, url: str, statements: Statements) -> Iterator[Database]:
    """Give a `Database` on `engine`, and undo all of it afterwards."""
    owner = SavepointConnection(engine)
    statements.watch(owner)
    with owner:
        outer = Connection.begin(owner)
        try:
            yield Database(owner, url, statements)
        finally:
            outer.rollback()


class FreshDatabase:
    """A database of one test's own, in which transactions really commit and sessions really meet.

    `role` is what product code logs in as where no function is called; each thread that runs product code gets a
    session of its own. `served_at` is where it does so, if that is a pooler and not Postgres.
    """

    def __init__(self, url: str, statements: Statements, served_at: str | None = None) -> None:
        self.url = url
        self.role: Role = READER
        self.statements = statements
        self._served_at = served_at or url
        self._engines: dict[str, Engine] = {}
        self._making = Lock()
        self._owner_engine = engine_for(url)
        self.owner = self._owner_engine.connect()

    def commit(self) -> None:
        """Make what was done on `owner` visible to product code."""
        self.owner.commit()

    def engine(self, role: Role) -> Engine:
        """Return the engine that product code of `role` uses."""
        # Of threads that meet here one makes it: another's engine would be forgotten with its connections open.
        with self._making:
            if role not in self._engines:
                self._engines[role] = engine_for(self._served_at, user=role, pool_size=10)
                self.statements.watch(self._engines[role])
            return self._engines[role]

    def connection(self) -> AbstractContextManager[Connection]:
        """Stand in for `scope.connection`."""
        self.statements.recording = True
        return self.engine(cast("Role | None", role_now.get()) or role_of_call.get() or self.role).connect()

    @contextmanager
    def session(self) -> Iterator[Connection]:
        """Give another session of the writer's, that works for a service: to do what others do beside product code."""
        engine = engine_for(self.url, user=WRITER)
        with engine.connect() as other:
            other.exec_driver_sql("SELECT set_config('wellspring.scope', 'service', false)")
            other.commit()
            yield other
        engine.dispose()

    def end(self, pid: int) -> None:
        """End the session of the server process `pid`, and wait until it is gone."""
        # A role may end its own sessions only.
        engine = engine_for(self.url, user=CONSUMER if self.role == CONSUMER else WRITER)
        with engine.connect() as other:
            assert other.exec_driver_sql("SELECT pg_terminate_backend(%s, 5000)", (pid,)).scalar_one()
        engine.dispose()

    def close(self) -> None:
        self.owner.close()
        for engine in (self._owner_engine, *self._engines.values()):
            engine.dispose()


_numbers = itertools.count()


@contextmanager
def fresh(
    cluster: Cluster, template: str, statements: Statements, open_at: OpenAt | None = None
) -> Iterator[FreshDatabase]:
    """Give a `FreshDatabase` that is a copy of the database `template`, and drop it afterwards.

    Product code finds it through `open_at`, or in Postgres itself; what it sends is noted in `statements`.
    """
    name = f"fresh_{next(_numbers)}"
    cluster.create_database(name, template)
    given = FreshDatabase(cluster.url(name), statements, open_at and open_at(name))
    yield given
    given.close()
    cluster.drop_database(name)


type AnyDatabase = Database | FreshDatabase

_TUPLES_READ = text("""
SELECT relation.relname,
       pg_stat_get_xact_tuples_returned(relation.oid) + pg_stat_get_xact_tuples_fetched(relation.oid)
  FROM pg_class AS relation LEFT JOIN pg_index ON indexrelid = relation.oid
 WHERE relation.relnamespace = ANY (CAST(:schemas AS regnamespace[]))
    OR coalesce(indrelid, relation.oid) = ANY (CAST(:tables AS regclass[]))
""")


def tuples_read(session: Connection, *names: str) -> Counter[str]:
    """Return how many rows and entries of indexes a transaction has read, its functions' too, which no plan shows.

    For each table and index, of schemas or of tables that are named with their schema.
    """
    tables = [name for name in names if "." in name]
    asked = {"schemas": [name for name in names if name not in tables], "tables": tables}
    return Counter({name: int(tuples) for name, tuples in session.execute(_TUPLES_READ, asked)})
