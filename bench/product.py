"""The product, pointed at a ledger of the bench: its handlers with their environment, and the SQL that they send."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from logging import StreamHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

from sqlalchemy import Connection, Engine, event

from bench.data import Ledger
from local.settings import database_variables
from wellspring.database import engine as engines
from wellspring.database.session import session_of
from wellspring.observability import logger
from wellspring.settings import Settings, settings

type Handler = Callable[[Any, object], dict[str, Any]]

LIST = "company_workspace_connector.list"
RETRIEVE = "company_workspace_connector.retrieve"
CREATE = "company_workspace_connector.create"
SYNC = "sync.consume"
ROUTE = "/v1/company-workspace-connectors"
INCLUDES = "include=company,workspace_connector"


def environment(ledger: Ledger, user: str, *, port: int | None = None) -> dict[str, str]:
    """Return a function's environment: password over the loopback, no TLS, on `port` where a proxy listens."""
    parts = urlsplit(ledger.url(user))
    return database_variables(parts.hostname or "", port or parts.port, unquote(parts.password or "")) | {
        "DB_NAME": ledger.name,
        "DB_USER": user,
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": "wellspring",
    }


def engine_of(ledger: Ledger, user: str) -> Engine:
    """Return the product's own engine on `ledger`, beside whatever the handlers use."""
    variables = environment(ledger, user)
    return engines.make_engine(
        Settings(
            db_host=variables["DB_HOST"],
            db_port=int(variables["DB_PORT"]),
            db_name=ledger.name,
            db_user=user,
            db_auth="password",
            db_password=variables["DB_PASSWORD"],
            db_tls="off",
        )
    )


def snapshots(transaction: Connection) -> Connection:
    """Return a reader's connection whose transactions are as the product begins them for a read."""
    session_of(transaction).begin(is_read=True)
    return transaction


def enter(transaction: Connection, scope: str) -> None:
    """Have the next statement preceded by one that says for whom the transaction works."""
    session_of(transaction).ahead("SELECT wellspring.enter($1)", scope)


@contextmanager
def functions(ledger: Ledger, user: str, *, port: int | None = None) -> Iterator[None]:
    """Let the handlers of this process find `ledger`, as `user`; their log lines are written, to nowhere."""
    before = dict(os.environ)
    os.environ |= environment(ledger, user, port=port)
    writers = [handler for handler in logger.handlers if isinstance(handler, StreamHandler)]
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        for writer in writers:
            writer.setStream(nowhere)
        settings.cache_clear()
        engines.engine.cache_clear()
        try:
            yield
        finally:
            for writer in writers:
                writer.setStream(sys.stdout)
            engines.engine().dispose()
            engines.engine.cache_clear()
            settings.cache_clear()
            os.environ.clear()
            os.environ |= before


def handler(module: str) -> Handler:
    """Return the Lambda handler of a function's module."""
    found: Handler = importlib.import_module(module).handler
    return found


def get(person: UUID, query: str = "", id_: UUID | None = None) -> dict[str, Any]:
    """Return API Gateway's event for a read by `person`: of the list, or of the row `id_`."""
    return asked(person, ROUTE if id_ is None else f"{ROUTE}/{{id}}", query, id_)


def asked(person: UUID, route: str, query: str = "", id_: UUID | None = None) -> dict[str, Any]:
    """Return API Gateway's event for a GET of `route` by `person`; `id_` is the route's `{id}`."""
    path, route_key = route.replace("{id}", str(id_)), f"GET {route}"
    said: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"accept": "application/vnd.api+json", "host": "api.example.test"},
        "requestContext": {
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "00000000-0000-0000-0000-000000000000",
            "routeKey": route_key,
            "stage": "$default",
            "authorizer": {"jwt": {"claims": {"sub": str(person), "iss": "https://issuer.example.test"}}},
        },
        "isBase64Encoded": False,
    }
    return said if id_ is None else said | {"pathParameters": {"id": str(id_)}}


def post(client_id: str, document: Any) -> dict[str, Any]:
    """Return API Gateway's event for a service that creates a row."""
    said = get(UUID(int=0))
    context = said["requestContext"]
    context["http"]["method"] = "POST"
    context["authorizer"]["jwt"]["claims"] |= {
        "sub": client_id,
        "client_id": client_id,
        "scope": "system:read sync:write",
    }
    said["routeKey"] = context["routeKey"] = f"POST {ROUTE}"
    said["headers"]["content-type"] = "application/vnd.api+json"
    return said | {"body": json.dumps(document)}


def body_of(answer: Mapping[str, Any], *, status: int = 200) -> Any:
    """Return the document of a handler's answer. Raises `RuntimeError` unless it has this status."""
    if answer["statusCode"] != status:
        raise RuntimeError(f"the handler answered {answer['statusCode']}: {answer['body']}")
    return json.loads(answer["body"])


@dataclass(frozen=True, slots=True)
class Sent:
    """One statement with its parameters, as the product gave it to the driver; `%s` stands for each, as in psycopg."""

    sql: bytes
    parameters: tuple[Any, ...]


def entering(scope: str) -> Sent:
    """Return what the product says first in each transaction; it does not go by way of SQLAlchemy."""
    return Sent(b"SELECT wellspring.enter(%s)", (scope,))


@dataclass(slots=True)
class Recorder:
    """What was sent, in order."""

    statements: list[Sent] = field(default_factory=list)

    def __call__(self, *call: Any) -> None:
        """Listen to SQLAlchemy's `before_cursor_execute`."""
        sql, parameters = call[2], call[3]
        self.statements.append(Sent(sql.encode(), tuple(parameters)))


@contextmanager
def recorded(engine: Engine) -> Iterator[list[Sent]]:
    """Collect the statements that `engine` sends."""
    recorder = Recorder()
    event.listen(engine, "before_cursor_execute", recorder)
    try:
        yield recorder.statements
    finally:
        event.remove(engine, "before_cursor_execute", recorder)
