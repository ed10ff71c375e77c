"""Which values there are to filter a catalogue by."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, Subquery, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY

from wellspring.database.flush import Query, Result, Statement
from wellspring.models import table_of
from wellspring.queries import MAX_CHOICES, MAX_EXAMINED
from wellspring.resources import Attribute, Resource


def choices(resource: Resource) -> Query[Mapping[str, list[str]]]:
    """Ask which values a catalogue's live rows have, by the filter that finds them, each list in its order.

    A catalogue is small: at most `MAX_EXAMINED` of its rows are looked at, and at most `MAX_CHOICES` values told.
    """
    return Query(Statement(_statement(resource)), _read)


def _read(answer: Result) -> Mapping[str, list[str]]:
    (row,) = answer.mappings()
    return {name: list(values or ()) for name, values in row.items()}


@lru_cache(maxsize=16)
def _statement(resource: Resource) -> Select[Any]:
    row = table_of(resource.table)
    told = [attribute for attribute in resource.attributes if attribute.is_told]
    columns = [row.c[attribute.name] for attribute in told]
    seen = (
        select(*columns).where(row.c.deleted_at.is_(None)).limit(literal_column(str(MAX_EXAMINED), Integer)).cte("seen")
    )
    return select(*(_values(attribute, seen).label(attribute.filter or attribute.name) for attribute in told))


def _values(attribute: Attribute, seen: Any) -> ColumnElement[Any]:
    column = seen.c[attribute.name]
    each = func.unnest(column) if isinstance(column.type, ARRAY) else column
    values: Subquery = select(each.label("value")).distinct().subquery()
    most = literal_column(str(MAX_CHOICES), Integer)
    few = select(values.c.value).where(values.c.value.is_not(None)).order_by(values.c.value).limit(most).subquery()
    return select(func.array_agg(few.c.value)).scalar_subquery()
