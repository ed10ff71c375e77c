"""Engines and their connections: one for each Lambda environment, kept between invocations."""

import json
import os
import ssl
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pg8000
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext

from wellspring.database.deadline import Deadline, seconds_left, within
from wellspring.database.pipeline import PipelinedConnection
from wellspring.database.sqlstate import GONE, REFUSED, has_state
from wellspring.database.token import token
from wellspring.database.wire import dial
from wellspring.plan_cache import STATEMENTS_KEPT, PlanCache
from wellspring.settings import Settings, settings
from wellspring.times import of_postgres

# RDS Proxy closes idle clients after 30 minutes (its default); a connection is replaced well before.
RECYCLE_SECONDS = 20 * 60
# For all of it: the name, TCP, TLS and the sign-in.
CONNECT_SECONDS = 5.0
TIMESTAMPTZ = 1184
# Tests turn it off.
USES_PLAN_CACHE = True
# RDS Proxy has its certificates of AWS Certificate Manager, whose roots these are (RDS user guide, "Using TLS/SSL with
# RDS Proxy"). A server without the proxy has one of an authority of RDS's own: DB_CA_FILE.
AMAZON_ROOT_CAS = Path(__file__).with_name("amazon_root_cas.pem")


def _password(config: Settings) -> str:
    """Return what to log in with: the password, or a token that RDS takes for one during 15 minutes."""
    if config.db_auth == "password":
        return config.db_password
    if config.db_auth == "secret":
        import boto3  # noqa: PLC0415  (0.2 s that only the migration spends)

        with closing(boto3.client("secretsmanager", region_name=config.aws_region or None)) as secrets:
            # Read for each connection: RDS changes it every week.
            secret = json.loads(secrets.get_secret_value(SecretId=config.db_secret_arn)["SecretString"])
        return str(secret["password"])
    return token(os.environ, config.db_host, config.db_port, config.db_user, config.aws_region)


# Made once, and of the authorities needed: all of the system's take 20 ms, Amazon's less than one.
_verifying = cache(ssl.create_default_context)


def tls(config: Settings) -> ssl.SSLContext | None:
    """Return the context that verifies the server's certificate, or None where TLS is off."""
    return None if config.db_tls == "off" else _verifying(cafile=config.db_ca_file or str(AMAZON_ROOT_CAS))


def connect(config: Settings, plan_cache: PlanCache | None = None, certified: str = "") -> PipelinedConnection:
    """Open one connection, within `CONNECT_SECONDS` and what the deadline leaves; raises pg8000's errors.

    `certified` is the name that the server's certificate is for, where it is not `config.db_host`.
    """
    left = seconds_left()
    with within(Deadline(CONNECT_SECONDS if left is None else min(CONNECT_SECONDS, left))):
        password = _password(config)
        try:
            dialled = dial(config.db_host, config.db_port, tls(config), certified)
        except OSError as error:
            raise pg8000.InterfaceError("Can't create a connection to the server") from error
        try:
            connection = PipelinedConnection(
                plan_cache=plan_cache,
                pipelining=config.db_pipelining == "true",
                user=config.db_user,
                password=password,
                database=config.db_name,
                sock=dialled,
                # pg8000 reads None as "encrypt if you like, verify nothing"; what there is to encrypt is encrypted.
                ssl_context=False,
                application_name="wellspring",
            )
        except BaseException:
            dialled.close()
            raise
    # Twice as fast for a page as pg8000's strptime.
    connection.register_in_adapter(TIMESTAMPTZ, of_postgres)
    return connection


def connect_as_owner(config: Settings) -> PipelinedConnection:
    """Open a connection of the owner's, with a token or with the secret's password; raises as `connect` does.

    The owner becomes a member of rds_iam with the roles of the functions, and has a token from then on (docs/adr/0016).
    """
    if config.db_auth == "secret":
        try:
            return connect(replace(config, db_auth="iam"))
        except pg8000.DatabaseError as error:
            if not has_state(error, REFUSED):
                raise
    return connect(config)


def _mark_gone(context: ExceptionContext) -> None:
    if has_state(context.original_exception, GONE):
        context.is_disconnect = True


def make_engine(config: Settings, *, certified: str = "", **options: Any) -> Engine:
    """Return an engine for `config`. It does not connect until it is used; `certified` is `connect`'s.

    Never AUTOCOMMIT: behind a transaction pooler replies could reach another client (docs/adr/0003).
    """
    plan_cache = PlanCache() if USES_PLAN_CACHE else None
    engine = create_engine(
        "postgresql+pg8000://",
        creator=lambda: connect(config, plan_cache, certified),
        query_cache_size=STATEMENTS_KEPT,
        **({"pool_size": 1, "max_overflow": 0, "pool_recycle": RECYCLE_SECONDS} | options),
    )
    event.listen(engine, "handle_error", _mark_gone)
    return engine


@cache
def engine(role: str | None = None) -> Engine:
    """Return this process's engine, for whom the settings say or for another role."""
    return make_engine(settings() if role is None else replace(settings(), db_user=role))


@cache
def reader_engine() -> Engine:
    """Return this process's engine of the reader, RDS Proxy's read-only endpoint."""
    config = settings()
    # That has one level of subdomains more than the proxy's wildcard certificate: "using proxy's default endpoint as
    # server name [...] should always succeed" (gravitational/teleport#9824).
    return make_engine(replace(config, db_host=config.db_read_host), certified=config.db_host)
