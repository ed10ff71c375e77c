"""Composition of statements from text."""

from uuid import uuid4

from sqlalchemy import DateTime, Integer

from wellspring.access.predicates import ID, IDS
from wellspring.database import Compiled
from wellspring.repositories.ledger.composing import Composer, all_of


def test_a_statement_has_its_parts_in_their_order_and_each_value_where_its_place_is() -> None:
    sql = Composer()
    first = f"SELECT row.id AS id FROM items AS row WHERE row.id = {sql.value('id', ID)}"
    statement = sql.statement(
        {"first": first, "page": "SELECT id -- whose\n  FROM first LIMIT :rows"},
        "SELECT id::text AS id FROM page WHERE 'a:b' <> '' LIMIT :rows",
        ["id"],
    )
    compiled = Compiled(statement)
    assert compiled.text == (
        "WITH first AS (SELECT row.id FROM items AS row WHERE row.id = %s::UUID),"
        " page AS (SELECT id FROM first LIMIT %s)"
        " SELECT id::text AS id FROM page WHERE 'a:b' <> '' LIMIT %s"
    )
    id_ = uuid4()
    assert compiled.values({"rows": 5, "id": id_}) == (id_, 5, 5)
    assert statement.selected_columns.keys() == ["id"]


def test_a_value_has_its_type_and_a_time_that_of_what_it_is_compared_with() -> None:
    sql = Composer()
    values = (sql.value("ids", IDS), sql.value("number", Integer()), sql.value("at", DateTime(timezone=True)))
    query = f"SELECT 1 WHERE {all_of(f'f({value})' for value in values)}"
    sent = Compiled(sql.statement({}, query, ["one"])).text
    assert sent == "SELECT 1 WHERE f(%s::UUID[]) AND f(%s::INTEGER) AND f(%s)"


def test_what_is_planned_where_it_is_read_says_so() -> None:
    sent = Compiled(Composer().statement({"listed": "SELECT 1 AS at"}, "SELECT at FROM listed", ["at"])).text
    assert sent == "WITH listed AS NOT MATERIALIZED (SELECT 1 AS at) SELECT at FROM listed"


def test_of_no_conditions_all_hold() -> None:
    assert all_of([]) == "true"
    assert all_of(["a", "b"]) == "a AND b"
