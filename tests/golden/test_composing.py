"""Composition of statements from text."""

from uuid import uuid4

from wellspring.repositories.ledger.composing import all_of, statement


def test_a_statement_has_its_parts_in_their_order_and_each_value_where_its_place_is() -> None:
    composed = statement(
        {
            "first": "SELECT row.id AS id FROM items AS row WHERE row.id = :id::UUID",
            "page": "SELECT id -- whose\n  FROM first LIMIT :rows",
        },
        "SELECT id::text AS id FROM page WHERE 'a:b' <> '' LIMIT :rows",
        ["id"],
    )
    assert composed.text == (
        "WITH first AS (SELECT row.id FROM items AS row WHERE row.id = %s::UUID),"
        " page AS (SELECT id FROM first LIMIT %s)"
        " SELECT id::text AS id FROM page WHERE 'a:b' <> '' LIMIT %s"
    )
    id_ = uuid4()
    assert composed.values({"rows": 5, "id": id_}) == (id_, 5, 5)
    assert composed.columns == ("id",)


def test_what_is_planned_where_it_is_read_says_so() -> None:
    sent = statement({"listed": "SELECT 1 AS at"}, "SELECT at FROM listed", ["at"]).text
    assert sent == "WITH listed AS NOT MATERIALIZED (SELECT 1 AS at) SELECT at FROM listed"


def test_of_no_conditions_all_hold() -> None:
    assert all_of([]) == "true"
    assert all_of(["a", "b"]) == "a AND b"
