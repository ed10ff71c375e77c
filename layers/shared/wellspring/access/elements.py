"""Predicates for SQLAlchemy's statements; `access.predicates` has the texts."""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    FromClause,
    Subquery,
    Table,
    TextClause,
    column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

from wellspring.access import predicates
from wellspring.access.predicates import Visibility

_PK = "{pk}"


class Visible:
    """What a kind of caller sees. Bind `parameters(principal)` when executing.

    Args:
        person: whether the caller is a person; else a service, which sees everything that is live.
    """

    def __init__(self, *, person: bool) -> None:
        self._visibility = Visibility(person=person)
        self._ctes: dict[str, CTE] = {}

    @property
    def queries(self) -> list[CTE]:
        """What the conditions asked for so far read from: each stands once in a statement, whatever asks about it."""
        for name, query in self._visibility.queries.items():
            if name not in self._ctes:
                self._ctes[name] = _typed(query).columns(column("pk", BigInteger)).cte(name)
        return [self._ctes[name] for name in self._visibility.queries]

    def before_all(self) -> list[ColumnElement[bool]]:
        """Return conditions that compute what a person sees before any row is looked for; always true."""
        return [Condition(self, said, None) for said in self._visibility.before_all()]

    def workspace(self, pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller sees the workspace that `pk` points to."""
        return Condition(self, self._visibility.workspace(_PK), pk)

    def group(self, pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller is a member of the live group that `pk` points to."""
        return Condition(self, self._visibility.group(_PK), pk)

    def message(self, workspace_pk: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the caller sees a message of this workspace; of none, a service does."""
        return Condition(self, self._visibility.message(_PK), workspace_pk)

    def through(self, parent: FromClause, table: Table) -> ColumnElement[bool]:
        """Return the condition that the caller sees the tenant of `parent`, a row of `table`."""
        said = self._visibility.through("parent", table)
        key = "pk" if "parent.pk" in said else "workspace_pk"
        return Condition(self, said.replace(f"parent.{key}", _PK), parent.c.get(key))


class Condition(ColumnElement[bool]):
    """A condition on a key, as text.

    Args:
        visible: whose queries it reads from; they stand before the statement.
        said: the text, with `{pk}` for the key.
        pk: the key; None where it is of none.
    """

    inherit_cache = True
    _traverse_internals = [("said", InternalTraversal.dp_string), ("pk", InternalTraversal.dp_clauseelement)]  # noqa: RUF012  # SQLAlchemy's
    type = Boolean()

    def __init__(self, visible: Visible, said: str, pk: ColumnElement[Any] | None) -> None:
        self.visible, self.said, self.pk = visible, said, pk


@compiles(Condition)
def _compiled(condition: Condition, compiler: SQLCompiler, **options: Any) -> str:
    for query in condition.visible.queries:
        compiler.process(query, asfrom=True)
    pk = "" if condition.pk is None else compiler.process(condition.pk, **options)
    return f"({pk.join(compiler.process(_typed(part)) for part in condition.said.split(_PK))})"


def _typed(said: str) -> TextClause:
    # SQLAlchemy would take no value before a type.
    return text(said.replace("::", r"\:\:"))


def asked_about(table: Table, ids: BindParameter[Any], *columns: str) -> Subquery:
    """Return the rows of `table` that have these ids, or this one, as `predicates.asked_about` does."""
    place = f":{ids.key}" if isinstance(ids.type, ARRAY) else f"ARRAY[:{ids.key}]"
    shown = (table.c[name] for name in ("id", "pk", "workspace_pk", *columns) if name in table.c)
    query = text(predicates.asked_about(table, place, *columns)).bindparams(ids)
    return query.columns(*(column(known.name, known.type) for known in shown)).subquery(f"asked_{table.name}")


def identity(people: FromClause, id_: ColumnElement[UUID]) -> list[ColumnElement[bool]]:
    """Return the conditions that a row of `peoples` is who is calling, while they are there (`predicates.WHO`)."""
    return [people.c.id == id_, people.c.deleted_at.is_(None), people.c.source.is_not(None)]


def workspace_of(parent: FromClause, table: Table) -> ColumnElement[int] | None:
    """Return the workspace that a row of `table` belongs to, as `predicates.workspace_of` does."""
    return parent.c.pk if table.name == "workspaces" else parent.c.get("workspace_pk")
