"""Columns and constraints that every table has (contract, section 2)."""

from sqlalchemy import BigInteger, Column, Identity, Index, MetaData, Table, text
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB, TIMESTAMP, UUID
from sqlalchemy.schema import SchemaItem

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

LIVE = "deleted_at IS NULL"


def pk() -> Column[object]:
    """Return a fresh `pk`, which never leaves the database."""
    return Column("pk", BigInteger, Identity(always=True), primary_key=True)


def id_() -> Column[object]:
    """Return a fresh `id`: a UUIDv7, made by Postgres with `pk`, so that both grow and the index on it stays local."""
    return Column("id", public_id, nullable=False, unique=True, server_default=text("uuidv7()"))


def now(name: str) -> Column[object]:
    """Return a time that is the insert's where nothing is said."""
    return Column(name, instant, nullable=False, server_default=text("now()"))


def count(name: str) -> Column[int]:
    """Return a number that begins at 0."""
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def json(name: str, empty: str = "{}") -> Column[object]:
    """Return an object, or an array, that begins `empty`."""
    return Column(name, JSONB, nullable=False, server_default=text(f"'{empty}'"))


def index(name: str, *columns: str, where: str = "", unique: bool = False) -> Index:
    """Return an index of the rows that are as `where` says, or of all."""
    return Index(name, *columns, unique=unique, postgresql_where=text(where) if where else None)


def own_table(name: str, *items: SchemaItem) -> Table:
    """Return a table of the service's own, which no client writes."""
    return Table(name, metadata, *items, schema=INFRASTRUCTURE)


def standard_columns() -> list[Column[object]]:
    """Return fresh `pk`, `id` and the three times."""
    return [
        pk(),
        id_(),
        now("created_at"),
        Column("updated_at", instant, nullable=True, server_default=text("now()")),
        Column("deleted_at", instant, nullable=True),
    ]
