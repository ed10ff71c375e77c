"""Columns and constraints that every table has (contract, section 2)."""

from sqlalchemy import BigInteger, Column, Identity, MetaData, text
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, TIMESTAMP, UUID

SCHEMA = "core_api"
INFRASTRUCTURE = "wellspring"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "idx_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

direction_enum = ENUM("input", "output", name="direction_enum", schema=SCHEMA, metadata=metadata)

# Milliseconds are what the API shows, so they are what is stored: a range filter built from an answer is exact.
instant = TIMESTAMP(timezone=True, precision=3)
# A public id, and several.
public_id = UUID(as_uuid=True)
public_ids = ARRAY(public_id)


def standard_columns() -> list[Column[object]]:
    """Return fresh `pk`, `id` and the three times.

    `pk` never leaves the database. `id` is a UUIDv7 made by Postgres in the same step as `pk`, so that both
    grow together and the index on it stays local.
    """
    return [
        Column("pk", BigInteger, Identity(always=True), primary_key=True),
        Column("id", public_id, nullable=False, unique=True, server_default=text("uuidv7()")),
        Column("created_at", instant, nullable=False, server_default=text("now()")),
        Column("updated_at", instant, nullable=True, server_default=text("now()")),
        Column("deleted_at", instant, nullable=True),
    ]
