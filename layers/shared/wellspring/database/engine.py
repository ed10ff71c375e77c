"""How a connection is made. One for each Lambda environment, kept between invocations."""

import ssl
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

import pg8000
import pg8000.legacy
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from wellspring.database.sqlstate import is_gone
from wellspring.database.wire import Wire
from wellspring.settings import Settings, settings

# RDS Proxy closes idle clients after 30 minutes (its default); a connection is replaced well before.
RECYCLE_SECONDS = 20 * 60
CONNECT_SECONDS = 5
TIMESTAMPTZ = 1184


def _password(config: Settings) -> str:
    """Return what to log in with: the password, or a token that RDS takes for one during 15 minutes."""
    if config.db_auth == "password":
        return config.db_password
    # Only here, and only on AWS: it costs 0.2 s.
    import boto3  # noqa: PLC0415  (see above)

    rds = boto3.client("rds", region_name=config.aws_region or None)
    token: str = rds.generate_db_auth_token(DBHostname=config.db_host, Port=config.db_port, DBUsername=config.db_user)
    return token


def tls(config: Settings) -> ssl.SSLContext | None:
    """Return the context that verifies the server's certificate, or None where TLS is off."""
    if config.db_tls == "off":
        return None
    return ssl.create_default_context(cafile=config.db_ca_file or None)


class ServerConnection(pg8000.legacy.Connection):  # type: ignore[misc]  # pg8000 ships no types
    """A connection whose bytes go over a `Wire`; of `legacy`, the one that raises IntegrityError for SQLAlchemy."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The timeout is for connecting: a statement's time is bounded by the role's statement_timeout.
        self._usock.settimeout(None)
        self._sock = Wire(self._usock)
        # Twice as fast for a page as pg8000's strptime.
        self.register_in_adapter(TIMESTAMPTZ, datetime.fromisoformat)

    def close(self) -> None:
        """Close the socket and its file, which pg8000 leaves to the garbage collector.

        A server that is gone cannot be told goodbye; that is no failure of closing.
        """
        wire = self._sock
        with suppress(pg8000.InterfaceError):
            super().close()
        if wire is not None:
            wire.close()


def connect(config: Settings) -> ServerConnection:
    """Open one connection. Raises pg8000's `InterfaceError` or `DatabaseError`."""
    return ServerConnection(
        user=config.db_user,
        password=_password(config),
        host=config.db_host,
        port=config.db_port,
        database=config.db_name,
        # False, not None: pg8000 reads None as "encrypt if you like, verify nothing".
        ssl_context=tls(config) or False,
        timeout=CONNECT_SECONDS,
        application_name="wellspring",
        tcp_keepalive=True,
    )


def _mark_gone(context: ExceptionContext) -> None:
    if is_gone(context.original_exception):
        context.is_disconnect = True


def make_engine(config: Settings, **options: Any) -> Engine:
    """Return an engine for `config`. It does not connect until it is used.

    Never AUTOCOMMIT: behind a transaction pooler pg8000's statements would go to several server connections,
    and replies could reach another client (docs/adr/0003).
    """
    engine = create_engine(
        "postgresql+pg8000://",
        creator=lambda: connect(config),
        **({"pool_size": 1, "max_overflow": 0, "pool_recycle": RECYCLE_SECONDS} | options),
    )
    event.listen(engine, "handle_error", _mark_gone)
    return engine


@cache
def engine() -> Engine:
    """Return this process's engine."""
    return make_engine(settings())
