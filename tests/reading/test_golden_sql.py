"""Every golden statement (tests/golden) is one that Postgres takes, as it is sent."""

from pg8000.dbapi import convert_paramstyle

from tests.golden.rendering import compiled
from tests.golden.shapes import golden
from tests.support.databases import Database


def test_postgres_takes_every_golden_statement(database: Database) -> None:
    for shape in golden():
        body, _ = convert_paramstyle("format", compiled(shape.question).text, ())
        database.owner.exec_driver_sql(f"PREPARE golden AS {body}")
        database.owner.exec_driver_sql("DEALLOCATE golden")
