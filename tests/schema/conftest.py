"""Databases of any revision, and a way to ask Postgres's catalogue about them."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, text

from local.postgres import Cluster
from tests.support.databases import Database, engine_for

_numbers = itertools.count()


@dataclass
class Catalogue:
    """Postgres's own account of one database."""

    connection: Connection

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(text(sql), parameters)]

    def column(self, sql: str, **parameters: Any) -> list[Any]:
        return [value for (value,) in self.rows(sql, **parameters)]

    def tables(self, schema: str = "core_api") -> set[str]:
        return set(self.column("SELECT tablename FROM pg_tables WHERE schemaname = :schema", schema=schema))

    def columns(self, table: str) -> dict[str, str]:
        """Return the definition of each column of `schema.table`, as one would write it."""
        return dict(
            self.rows(
                "SELECT attname, concat_ws(' ', format_type(atttypid, atttypmod),"
                "       CASE WHEN attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(adbin, adrelid),"
                "       CASE attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY' END)"
                "  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
                " WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped",
                table=table,
            )
        )

    def constraints(self, table: str, kinds: str = "pufc") -> dict[str, str]:
        """Return the definitions of the constraints of `kinds` (`p`, `u`, `f`, `c`), by name."""
        return dict(
            self.rows(
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE conrelid = CAST(:table AS regclass) AND strpos(:kinds, contype) > 0",
                table=table,
                kinds=kinds,
            )
        )

    def indexes(self, table: str) -> dict[str, str]:
        """Return what follows ON in the definition of each index, after its name; UNIQUE comes first where it is."""
        return {
            name: ("UNIQUE " if unique else "") + definition.partition(" USING btree ")[2]
            for name, unique, definition in self.rows(
                "SELECT relname, indisunique, pg_get_indexdef(indexrelid)"
                "  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
                " WHERE indrelid = CAST(:table AS regclass) AND indisvalid",
                table=table,
            )
        }


@pytest.fixture
def catalogue(database: Database) -> Catalogue:
    """The catalogue of the migrated database."""
    return Catalogue(database.owner)


@pytest.fixture
def empty_database(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database, as its owner, or of a copy of the one whose fixture is the parameter."""
    name = f"empty_{next(_numbers)}"
    cluster.create_database(name, request.getfixturevalue(request.param) if hasattr(request, "param") else None)
    yield cluster.url(name)
    cluster.drop_database(name)


@pytest.fixture
def look_into(empty_database: str) -> Iterator[Catalogue]:
    """The catalogue of `empty_database`, whatever has become of it; every look is a transaction of its own."""
    engine = engine_for(empty_database)

    class Looking(Catalogue):
        def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
            found = super().rows(sql, **parameters)
            self.connection.commit()
            return found

    with engine.connect() as connection:
        yield Looking(connection)
    engine.dispose()
