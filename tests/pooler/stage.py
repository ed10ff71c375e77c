"""A database full of tenants behind a pooler: what is done to it while callers ask, and what is left of them."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import text

from local.postgres import Cluster
from migrations.run import ROLES
from tests.pooler.callers import Asking, Ledger
from tests.support.databases import FreshDatabase, Role, Statements, engine_for, fresh
from tests.support.pooler import SERVERS, SERVERS_OF_A_ROLE, Pooler
from tests.support.world import Row, World
from wellspring.routes import objects

CALLERS = 32
WATCH_SECONDS, DISTURB_SECONDS, STATEMENT_SECONDS = 0.2, 0.05, 0.5

BACKENDS = text(
    "SELECT pid, usename FROM pg_stat_activity WHERE datname = current_database() AND usename = ANY (:roles)"
)
# What a transaction of a function's role finds that was not there when the connection was made.
LEFT_BEHIND = """
SELECT 'the scope ' || current_setting('wellspring.scope', true)
 WHERE current_setting('wellspring.scope', true) <> ''
UNION ALL SELECT 'the setting ' || name FROM pg_settings WHERE source = 'session' AND name <> 'application_name'
UNION ALL SELECT 'the statement ' || name FROM pg_prepared_statements
UNION ALL SELECT 'the cursor ' || name FROM pg_cursors WHERE name <> ''
UNION ALL SELECT 'the lock ' || objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
UNION ALL SELECT 'the table ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
"""
# The feed's role may not read them at all, nor the publisher's find them.
MAY_READ = """
SELECT CASE WHEN has_schema_privilege('core_api', 'USAGE') THEN has_table_privilege('core_api.{table}', 'SELECT')
            ELSE false END
"""


@dataclass
class Stage:
    """Where the callers are: they reach the database through the pooler, the harness does not."""

    pooler: Pooler
    database: FreshDatabase
    ledgers: list[Ledger]
    provider: Row

    @property
    def dbname(self) -> str:
        return self.database.url.rpartition("/")[2]

    def ask(self, requests: int, *, disturbed: bool = False, unsafe: bool = False) -> Asking:
        """Let all callers ask, who make so many requests together; return what became of it."""
        asking = Asking(self.ledgers, self.provider, -(-requests // CALLERS), disturbed, unsafe)
        asking.run(self.pooler.url(self.dbname))
        return asking

    def backends(self) -> list[tuple[int, Role]]:
        """Return the server processes that work for the functions' roles, by what Postgres says."""
        found = self.database.owner.execute(BACKENDS, {"roles": list(ROLES)}).all()
        self.database.commit()
        return [(pid, role) for pid, role in found]

    def left_behind(self) -> list[str]:
        """Return what is found in each of the pool's connections by who says not for whom it works."""
        found: list[str] = []
        pids: set[int] = set()
        with ExitStack() as all_at_once:
            for role in ROLES:
                engine = engine_for(self.pooler.url(self.dbname), user=role, pool_size=SERVERS_OF_A_ROLE)
                all_at_once.callback(engine.dispose)
                for _ in range(SERVERS_OF_A_ROLE):
                    held = all_at_once.enter_context(engine.connect())
                    pids.add(held.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
                    found += held.exec_driver_sql(LEFT_BEHIND).scalars()
                    for table in (resource.table for resource in objects()):
                        if not held.exec_driver_sql(MAY_READ.format(table=table)).scalar_one():
                            continue
                        rows = held.exec_driver_sql(f"SELECT count(*) FROM core_api.{table}").scalar_one()
                        found += [f"rows of {table}"] if rows else []
            # Each was looked at.
            assert len(pids) == SERVERS
        return found


@contextmanager
def staged(cluster: Cluster, template: str, pooler: Pooler) -> Iterator[Stage]:
    """Give a database with a tenant for each caller."""
    with fresh(cluster, template, Statements()) as database:
        world = World(database)
        made, provider = [Ledger(world) for _ in range(CALLERS)], world.provider("chosen")
        # As autovacuum would, sooner or later.
        world.analyze()
        pooler.open(database.url.rpartition("/")[2])
        yield Stage(pooler, database, made, provider)


@contextmanager
def beside(once: Callable[[], None], pause_seconds: float) -> Iterator[None]:
    """Do something in a thread, again and again, until the context is left."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(pause_seconds):
            once()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass
class Watch:
    """The most connections of a pool: pgbouncer's to Postgres, those that Postgres knew of, and those of callers."""

    stage: Stage
    servers: int = 0
    backends: int = 0
    clients: int = 0

    def look(self) -> None:
        pooler, dbname = self.stage.pooler, self.stage.dbname
        self.servers = max(self.servers, len(pooler.servers(dbname)))
        self.backends = max(self.backends, len(self.stage.backends()))
        self.clients = max(self.clients, len(pooler.clients(dbname)))


class Disturbance:
    """Ends statements and connections, as administrators, timeouts and failovers do.

    Attributes:
        done: how often a connection was told to give up its statement, how many were ended, and how often all
            statements had to wait for longer than they may.
    """

    def __init__(self, stage: Stage) -> None:
        self.done = {"pg_cancel_backend": 0, "pg_terminate_backend": 0, "block": 0}
        self._stage, self._owner = stage, stage.database.owner
        self._dice = random.Random(0)
        signals = [*["pg_cancel_backend"] * 3, "pg_terminate_backend"]
        self._turns = itertools.cycle([*signals * 15, "block"])
        for role in ROLES:
            self._owner.exec_driver_sql(
                f"ALTER ROLE {role} IN DATABASE {stage.dbname} SET statement_timeout = '{STATEMENT_SECONDS}s'"
            )
        self._owner.commit()
        # A role's settings are those of its new connections.
        stage.pooler.ask(f"RECONNECT {stage.dbname}")

    def disturb(self) -> None:
        turn = next(self._turns)
        self.done[turn] += self._block() if turn == "block" else self._signal(turn)

    def _signal(self, function: str) -> bool:
        """Send a signal to one of the pool's connections; say whether it was still there."""
        backends = self._stage.backends()
        if not backends:
            return False
        pid, role = self._dice.choice(backends)
        self._owner.exec_driver_sql(f"SET LOCAL ROLE {role}")
        sent = self._owner.execute(text(f"SELECT {function}(:pid)"), {"pid": pid}).scalar_one()
        self._owner.commit()
        return bool(sent)

    def _block(self) -> bool:
        self._owner.exec_driver_sql("LOCK TABLE core_api.workspaces IN ACCESS EXCLUSIVE MODE")
        self._owner.exec_driver_sql(f"SELECT pg_sleep({2 * STATEMENT_SECONDS})")
        self._owner.rollback()
        return True
