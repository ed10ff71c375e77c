"""The least that an environment with these libraries does: import them, make an engine, ask for one row."""

import os
import sys

from aws_lambda_powertools import Logger
from pydantic import BaseModel
from sqlalchemy import URL, create_engine, text

logger = Logger(utc=True, use_rfc3339=True)


class Argument(BaseModel):
    """What the process is given; pydantic builds the model, as it does for each that a function declares."""

    person: str
    row: str
    requests: int


argument = Argument.model_validate_json(sys.argv[1])
engine = create_engine(
    URL.create(
        "postgresql+pg8000",
        username=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        host=os.environ["DB_HOST"],
        port=int(os.environ["DB_PORT"]),
        database=os.environ["DB_NAME"],
    ),
    # Left out, pg8000 loads every authority of the system for a TLS that the server does not offer.
    connect_args={"ssl_context": False},
)
query = text("SELECT id, direction, created_at FROM core_api.company_workspace_connectors WHERE id = CAST(:id AS uuid)")
with engine.connect() as connection:
    # Without it no row is seen.
    connection.execute(text("SELECT wellspring.enter(:person)"), {"person": argument.person})
    assert connection.execute(query, {"id": argument.row}).one()
    connection.commit()
print("answered", flush=True)
print("warm", flush=True)
sys.stdin.read()
