"""A database full of tenants behind a pooler: what is seen of it while callers ask, and what is left of them."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sqlalchemy import text

from local.postgres import Cluster
from migrations.run import ROLES
from tests.pooler.callers import Asking, Ledger
from tests.support.databases import FreshDatabase, Statements, engine_for, fresh
from tests.support.pooler import SERVERS, SERVERS_OF_A_ROLE, Pooler
from tests.support.world import OBJECTS, Row, World

CALLERS = 32
WATCH_SECONDS = 0.2

BACKENDS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = ANY (:roles)")
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

    def ask(self, requests: int) -> Asking:
        """Let all callers ask, who make so many requests together; return what became of it."""
        asking = Asking(self.ledgers, self.provider, -(-requests // CALLERS))
        asking.run(self.pooler.url(self.dbname))
        return asking

    def backends(self) -> int:
        """Return how many server processes work for the functions' roles, by what Postgres says."""
        found: int = self.database.owner.execute(BACKENDS, {"roles": list(ROLES)}).scalar_one()
        self.database.commit()
        return found

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
                    for table in (resource.table for resource in OBJECTS):
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
        self.backends = max(self.backends, self.stage.backends())
        self.clients = max(self.clients, len(pooler.clients(dbname)))

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look again and again, in a thread, until the context is left."""
        over = threading.Event()

        def go_on() -> None:
            while not over.wait(WATCH_SECONDS):
                self.look()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
