"""Counts beside the rows of a list: values to filter by, and how many names a search would look at."""

from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy.dialects.postgresql import ARRAY

from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Result, Statement
from wellspring.models import listed_from, table_of
from wellspring.queries import MAX_CHOICES, MAX_EXAMINED, MAX_SEARCHED, ListQuery
from wellspring.repositories.ledger.composing import statement
from wellspring.resources import Attribute, Resource

SEARCHED = """
SELECT count(*)
  FROM (SELECT row.pk FROM {rows} AS row WHERE row.deleted_at IS NULL{within} LIMIT {most}) AS searched
"""
WITHIN = " AND row.workspace_pk = (SELECT pk FROM core_api.workspaces WHERE id = ANY (:workspaces::UUID[]))"
SEEN = "SELECT {columns} FROM {rows} AS row WHERE row.deleted_at IS NULL LIMIT {most}"
VALUES = """
(SELECT array_agg(value)
   FROM (SELECT DISTINCT {value} AS value FROM seen ORDER BY value LIMIT {most}) AS known
  WHERE value IS NOT NULL) AS {name}
"""


# Asks for no caller: parents.visible_workspaces has found the workspaces for them, or for a service.
def searched(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the live rows that a query names the workspace of, or all there are of what belongs to none.

    Where there are more than `MAX_SEARCHED`, it is any number above it.
    """
    resource = query.resource
    # A person's workspaces are as few as their memberships.
    if resource.tenancy == "itself" and isinstance(principal, Person):
        return 0
    within = "" if resource.relationship("workspace") is None else WITHIN
    counting = SEARCHED.format(rows=listed_from(resource), within=within, most=MAX_SEARCHED + 1)
    found = statement({}, counting, ["count"]).execute(transaction, {"workspaces": list(query.workspaces)})
    return int(found.scalar_one())


# Asks for no caller: a catalogue is everybody's.
def choices(resource: Resource) -> Query[Mapping[str, list[str]]]:
    """Ask which values a catalogue's live rows have, by the filter that finds them, each list in its order.

    A catalogue is small: at most `MAX_EXAMINED` of its rows are looked at, and at most `MAX_CHOICES` values told.
    """

    def read(result: Result) -> Mapping[str, list[str]]:
        (row,) = result.mappings()
        return {name: list(values or ()) for name, values in row.items()}

    return Query(Statement(_choices_statement(resource)), read)


@lru_cache(maxsize=16)
def _choices_statement(resource: Resource) -> Compiled:
    table = table_of(resource.table)
    told = {attribute.filter or attribute.name: attribute for attribute in resource.attributes if attribute.is_told}

    def values(name: str, attribute: Attribute) -> str:
        is_array = isinstance(table.c[attribute.name].type, ARRAY)
        value = f"unnest({attribute.name})" if is_array else attribute.name
        return VALUES.format(value=value, name=name, most=MAX_CHOICES)

    columns = ", ".join(attribute.name for attribute in told.values())
    query = f"SELECT {', '.join(values(name, attribute) for name, attribute in told.items())}"
    return statement({"seen": SEEN.format(columns=columns, rows=table, most=MAX_EXAMINED)}, query, told)
