"""The environment in which every revision runs.

One migration at a time (advisory lock), and none that blocks the service: a statement that waits for a lock
longer than LOCK_TIMEOUT or runs longer than STATEMENT_TIMEOUT fails, and its revision is rolled back. Run
against Postgres itself, never through RDS Proxy: session settings and advisory locks pin a proxied session.
"""

import os
import time
from collections.abc import Callable

from alembic import context
from sqlalchemy import Connection, create_engine, make_url, pool, text

from migrations.limits import (
    ADVISORY_LOCK,
    LOCK_TIMEOUT,
    STATEMENT_TIMEOUT,
    WAIT_FOR_ANOTHER_MIGRATION_SECONDS,
)
from wellspring.models import metadata
from wellspring.models.base import INFRASTRUCTURE, SCHEMA


def include_name(name: str | None, type_: str, _parents: object) -> bool:
    """Compare our two schemas only, and leave Alembic's own table out."""
    if type_ == "schema":
        return name in {SCHEMA, INFRASTRUCTURE}
    return not (type_ == "table" and name == "alembic_version")


def take_turn(connection: Connection) -> None:
    """Wait until no other migration runs, and keep others out for as long as `connection` is open.

    Asks again and again instead of waiting in Postgres: a session that waits holds a snapshot, and the other
    migration's CREATE INDEX CONCURRENTLY would wait for that, for ever.
    """
    deadline = time.monotonic() + WAIT_FOR_ANOTHER_MIGRATION_SECONDS
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}).scalar_one():
        connection.commit()
        if time.monotonic() > deadline:
            raise SystemExit("another migration of this database has been running for too long")
        time.sleep(0.1)
    connection.commit()


def migrate(connection: Connection) -> None:
    """Run the revisions on `connection`, alone and with timeouts.

    What the caller wants done `before` or `after` them is done in the same turn, each in a transaction of its own.
    """
    take_turn(connection)
    connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}'; SET statement_timeout = '{STATEMENT_TIMEOUT}'")
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {INFRASTRUCTURE}")
    connection.commit()
    do(context.config.attributes.get("before"), connection)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=INFRASTRUCTURE,
        include_schemas=True,
        include_name=include_name,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
    do(context.config.attributes.get("after"), connection)


def do(what: Callable[[Connection], object] | None, connection: Connection) -> None:
    """Do it in a transaction, where there is something to do."""
    if what:
        what(connection)
        connection.commit()


def main() -> None:
    """Open the owner's connection and migrate."""
    if context.is_offline_mode():
        raise SystemExit("migrations run online only: they take locks and read the catalogue")
    engine = context.config.attributes.get("engine")
    if engine is None:
        url = context.config.attributes.get("url") or os.environ.get("MIGRATION_DATABASE_URL")
        if not url:
            raise SystemExit("set MIGRATION_DATABASE_URL to postgresql://owner:password@host:port/name")
        engine = create_engine(make_url(url).set(drivername="postgresql+pg8000"), poolclass=pool.NullPool)
    with engine.connect() as connection:
        migrate(connection)
        connection.commit()
    engine.dispose()


main()
