"""A database full of tenants behind a pooler: what the callers do there, what is done to them, what is left of them."""

import itertools
import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Self
from uuid import UUID

from sqlalchemy import text

from local.postgres import Cluster
from migrations.run import ROLES
from tests.pooler import callers, tenants
from tests.pooler.callers import Plan, Report
from tests.pooler.tenants import Tenant
from tests.support.databases import FreshDatabase, Role, Statements, engine_for, fresh
from tests.support.pooler import SERVERS, SERVERS_OF_A_ROLE, Pooler
from tests.support.world import World
from wellspring.routes import objects

CALLERS = 32
PROCESSES = 2
WATCH_SECONDS = 0.2

DISTURB_SECONDS = 0.05
STATEMENT_SECONDS = 0.5

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


@dataclass
class Stage:
    """Where the callers are.

    Attributes:
        pooler: through which they reach the database.
        database: past the pooler, for the harness.
        tenants: one for each caller but the last, which is a service.
        providers: the catalogue.
    """

    pooler: Pooler
    database: FreshDatabase
    tenants: list[Tenant]
    providers: Sequence[UUID]

    @property
    def dbname(self) -> str:
        return self.database.url.rpartition("/")[2]

    def plan(self, requests: int) -> Plan:
        """Return the plan of all callers, who make so many requests together."""
        return Plan(
            url=self.pooler.url(self.dbname),
            tenants=self.tenants,
            all_tenants=self.tenants,
            with_service=True,
            providers=self.providers,
            requests=-(-requests // CALLERS),
        )

    def perform(self, plan: Plan) -> Report:
        """Let the callers of a plan ask, in as many processes as are busy at once, and remember what they changed."""
        shares = [plan.tenants[number::PROCESSES] for number in range(PROCESSES)]
        plans = [
            replace(plan, tenants=share, with_service=plan.with_service and not number)
            for number, share in enumerate(shares)
        ]
        # Spawned: this process has threads, and a fork of it would have their locks.
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            report = sum(pool.map(callers.run, plans), Report())
        self.tenants = sorted(report.tenants, key=lambda tenant: tenant.mark)
        return report

    def backends(self) -> list[tuple[int, Role]]:
        """Return the server processes that work for the functions' roles, by what Postgres says."""
        found = self.database.owner.execute(BACKENDS, {"roles": list(ROLES)}).all()
        self.database.commit()
        return [(pid, role) for pid, role in found]

    def left_behind(self) -> list[str]:
        """Return what is found in each of the pool's connections by who says not for whom it works."""
        found: list[str] = []
        url = self.pooler.url(self.dbname)
        pids: set[int] = set()
        with ExitStack() as all_at_once:
            for role in ROLES:
                engine = engine_for(url, user=role, pool_size=SERVERS_OF_A_ROLE)
                all_at_once.callback(engine.dispose)
                for _ in range(SERVERS_OF_A_ROLE):
                    held = all_at_once.enter_context(engine.connect())
                    pids.add(held.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
                    found += held.exec_driver_sql(LEFT_BEHIND).scalars()
                    for resource in objects():
                        # The feed's role may not read them at all, nor the publisher's find them.
                        may_read = f"has_table_privilege('core_api.{resource.table}', 'SELECT')"
                        asked = (
                            f"SELECT CASE WHEN has_schema_privilege('core_api', 'USAGE') THEN {may_read} ELSE false END"
                        )
                        if not held.exec_driver_sql(asked).scalar_one():
                            continue
                        rows = held.exec_driver_sql(f"SELECT count(*) FROM core_api.{resource.table}").scalar_one()
                        found += [f"rows of {resource.table}"] if rows else []
            # Each was looked at.
            assert len(pids) == SERVERS
        return found


@contextmanager
def staged(cluster: Cluster, template: str, pooler: Pooler) -> Iterator[Stage]:
    """Give a database with a tenant for each caller but the service."""
    with fresh(cluster, template, Statements()) as database:
        made, providers = tenants.build(World(database), CALLERS - 1)
        # As autovacuum would, sooner or later.
        database.owner.exec_driver_sql("ANALYZE")
        database.commit()
        pooler.open(database.url.rpartition("/")[2])
        yield Stage(pooler, database, made, providers)


class _Beside:
    """Something that goes on in a thread, again and again, until the context is left."""

    def __init__(self, stage: Stage, pause_seconds: float) -> None:
        self.stage = stage
        self._pause_seconds = pause_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(self._pause_seconds):
            self.once()

    def once(self) -> None:
        raise NotImplementedError


class Watch(_Beside):
    """Looks at a pool.

    Attributes:
        servers: how many connections to Postgres pgbouncer had, at most.
        backends: how many of them Postgres knew of, at most.
        clients: how many connections of callers pgbouncer had, at most.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage, WATCH_SECONDS)
        self.servers = self.backends = self.clients = 0

    def once(self) -> None:
        pooler, dbname = self.stage.pooler, self.stage.dbname
        self.servers = max(self.servers, len(pooler.servers(dbname)))
        self.backends = max(self.backends, len(self.stage.backends()))
        self.clients = max(self.clients, len(pooler.clients(dbname)))


class Disturbance(_Beside):
    """Ends statements and connections, as administrators, timeouts and failovers do.

    Attributes:
        cancelled: how often a connection was told to give up its statement.
        ended: how many connections were ended.
        blocked: how often all statements had to wait for longer than they may.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage, DISTURB_SECONDS)
        self._owner = stage.database.owner
        self._dice = random.Random(0)
        self._turns = itertools.cycle([*[self._cancel, self._cancel, self._cancel, self._end] * 15, self._block])
        self.cancelled = self.ended = self.blocked = 0
        for role in ROLES:
            self._owner.exec_driver_sql(
                f"ALTER ROLE {role} IN DATABASE {stage.dbname} SET statement_timeout = '{STATEMENT_SECONDS}s'"
            )
        self._owner.commit()
        # A role's settings are those of its new connections.
        stage.pooler.ask(f"RECONNECT {stage.dbname}")

    def once(self) -> None:
        next(self._turns)()

    def _cancel(self) -> None:
        self.cancelled += self._signal("pg_cancel_backend")

    def _end(self) -> None:
        self.ended += self._signal("pg_terminate_backend")

    def _signal(self, function: str) -> bool:
        """Send a signal to one of the pool's connections; say whether it was still there."""
        backends = self.stage.backends()
        if not backends:
            return False
        pid, role = self._dice.choice(backends)
        self._owner.exec_driver_sql(f"SET LOCAL ROLE {role}")
        sent = self._owner.execute(text(f"SELECT {function}(:pid)"), {"pid": pid}).scalar_one()
        self._owner.commit()
        return bool(sent)

    def _block(self) -> None:
        self._owner.exec_driver_sql("LOCK TABLE core_api.workspaces IN ACCESS EXCLUSIVE MODE")
        self._over.wait(2 * STATEMENT_SECONDS)
        self._owner.rollback()
        self.blocked += 1
