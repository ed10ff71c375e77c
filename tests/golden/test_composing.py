"""How a statement is put together from text and pieces."""

from uuid import uuid4

import pytest
from sqlalchemy import Integer, Text, bindparam, column, exists, func, select, table
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

from wellspring.access.predicates import IDS
from wellspring.database import Compiled
from wellspring.repositories.ledger.composing import Composer

ROW = table("items", column("id", PG_UUID()), column("status", Text()), column("place", Integer())).alias("row")
OTHER = table("others", column("id", PG_UUID())).alias("other")


def test_a_piece_is_text_in_which_values_of_ours_stand_and_a_clients_have_places() -> None:
    sql = Composer()
    named = ROW.c.id == func.any(bindparam("ids", type_=IDS))
    assert sql.piece(named) == "row.id = any(:ids)"
    assert sql.piece(ROW.c.status == "it's") == "row.status = 'it''s'"
    assert sql.piece(ROW.c.place == 3) == "row.place = 3"
    assert sql.piece(select(ROW.c.id, ROW.c.place.label("at"))) == "SELECT row.id, row.place AS at FROM items AS row"


def test_a_condition_may_ask_about_the_row_and_reads_from_nothing_else() -> None:
    sql = Composer()
    found = sql.conditions(ROW, [exists().where(OTHER.c.id == ROW.c.id), ROW.c.place > 1])
    assert found == ["EXISTS (SELECT * FROM others AS other WHERE other.id = row.id)", "row.place > 1"]
    with pytest.raises(ValueError, match="reads from elsewhere"):
        sql.conditions(ROW, [OTHER.c.id == ROW.c.id])


def test_a_statement_has_its_parts_in_their_order_and_each_value_where_its_place_is() -> None:
    sql = Composer()
    first = sql.piece(select(ROW.c.id).where(ROW.c.id == bindparam("id", type_=PG_UUID(as_uuid=True))))
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
