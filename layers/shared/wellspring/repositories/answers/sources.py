"""Sources of records: the newest rows of each, one line for each connector and direction."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from wellspring.access.predicates import Visibility, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Compiled, Transaction
from wellspring.database.flush import Query, Result, Row, Statement
from wellspring.queries import MAX_SOURCE_ROWS, MOST_LINKED, MOST_SOURCES, AnswerQuery, Source
from wellspring.repositories.groups import share
from wellspring.repositories.ledger.composing import PLACES, kept_statement, place, statement, store_each, stored_ids
from wellspring.repositories.ledger.pages import Slice
from wellspring.resources import RECORD_SOURCE, Resource

# How many newest rows of each record are looked at, and how many of its sources are read: of the records of a page one
# source more than is shown, by which it is known that there are more. A page stores one record more than it shows.
BOUNDS = """
SELECT :most::INTEGER / shown.records AS most,
       least({most_sources}, greatest({most_linked} / shown.records, 1)) + 1 AS sources
  FROM (SELECT greatest(least(cardinality({records}), :most_records::INTEGER), 1) AS records) AS shown
"""
# One more by which it is known that there are more. The function asks once for each record and connector who sees it.
NEWEST = """
SELECT record.id AS record_id, row.*
  FROM unnest({records}) AS record (id)
 CROSS JOIN bounds
 CROSS JOIN LATERAL wellspring.rows_of_record('{type}', '{table}', record.id, bounds.most + 1) AS row
"""
# Each by its key, and messages below: whatever the planner expects of a function, it does not read all there are.
CONNECTORS = """
SELECT found.*
  FROM (SELECT DISTINCT newest.workspace_connector_pk AS pk FROM newest_rows AS newest) AS wanted
 CROSS JOIN LATERAL (
   SELECT connector.pk, connector.id, connector.deleted_at
     FROM core_api.workspace_connectors AS connector
    WHERE connector.pk = wanted.pk AND {seen}
   OFFSET 0) AS found
"""
TOLD = """
SELECT newest.record_id, connectors.pk, connectors.id, connectors.deleted_at, newest.direction, newest.sync_message_pk,
       min(newest.created_at) AS first_at, max(newest.created_at) AS last_at,
       count(*) AS rows, count(*) FILTER (WHERE newest.deleted_at IS NULL) AS live
  FROM newest_rows AS newest
  JOIN connectors ON connectors.pk = newest.workspace_connector_pk
 WHERE newest.number <= (SELECT most FROM bounds)
   AND (connectors.deleted_at IS NULL OR newest.deleted_at IS NOT NULL)
 GROUP BY newest.record_id, connectors.pk, connectors.id, connectors.deleted_at, newest.direction,
          newest.sync_message_pk
"""
SOURCES = """
SELECT told.record_id, told.pk, told.id AS workspace_connector_id, told.deleted_at, told.direction,
       min(told.first_at) AS first_at, max(told.last_at) AS last_at,
       max((SELECT message.occurred_at FROM wellspring.sync_messages AS message
             WHERE message.pk = told.sync_message_pk)) AS last_occurred_at,
       sum(told.rows)::integer AS rows, sum(told.live)::integer AS live,
       told.record_id = ANY (
         ARRAY(SELECT newest.record_id FROM newest_rows AS newest WHERE newest.number > (SELECT most FROM bounds))
       ) AS rows_is_capped
  FROM told
 GROUP BY told.record_id, told.pk, told.id, told.deleted_at, told.direction
"""
# The last one first.
ORDER = "{row}last_at {way}, {row}pk {way}, {row}direction::text {way}"
RANKED = """
SELECT source.*, row_number() OVER (PARTITION BY source.record_id ORDER BY {order}) AS number FROM source
"""
FIRST = "SELECT ranked.* FROM ranked WHERE ranked.number <= (SELECT sources FROM bounds)"
OF_PAGE = "SELECT {columns} FROM first WHERE {storing} ORDER BY record_id, number"

PLACED = """
(:place_at::TIMESTAMPTZ, (SELECT wellspring.place_of('workspace_connectors', :place::UUID)), :place_direction::TEXT)
"""
AT = "(source.last_at, source.pk, source.direction::text)"
PAGE = "SELECT source.* FROM source WHERE {ahead} ORDER BY {order} LIMIT :rows::INTEGER"
BEHIND = f"SELECT EXISTS (SELECT FROM source WHERE {AT} {{behind}} {PLACED}) AS behind"
OF_RECORD = "SELECT behind.behind, {columns} FROM behind LEFT JOIN page ON true ORDER BY {order}"

_TOLD = (attribute.name for attribute in RECORD_SOURCE.attributes)
COLUMNS = ("record_id", "pk", "workspace_connector_id", "deleted_at", *_TOLD)
PLACE = place(RECORD_SOURCE.type, "workspace_connector")

# Of each record its sources, the last one first: one more than its share where there are more.
type SourcesOfRecords = dict[UUID, list[Row]]


def sources(
    transaction: Transaction,
    principal: Principal,
    record: Resource,
    id_: UUID,
    query: AnswerQuery,
    place: Source | None,
) -> Slice:
    """Read a page of the connectors that brought a record in or carried it out, in one statement, the last one first.

    The caller is known to see the record `id_`. The page lies beside a place, or at an end of the list.
    """
    parts = _parts(record, "ARRAY[:record::UUID]", person=isinstance(principal, Person))
    way, ahead, behind = ("ASC", ">", "<=") if query.backward else ("DESC", "<", ">=")
    values: dict[str, object] = {"record": id_, "rows": query.size + 1, "most": MAX_SOURCE_ROWS}
    values |= {"most_records": 1, **parameters(principal)}
    beyond, before = "true", "SELECT false AS behind"
    if place is not None:
        beyond, before = f"{AT} {ahead} {PLACED}", BEHIND.format(behind=behind)
        values |= {"place": place.connector, "place_at": place.at, "place_direction": place.direction}
    parts |= {"page": PAGE.format(ahead=beyond, order=ORDER.format(row="source.", way=way)), "behind": before}
    columns = ", ".join(f"page.{name}" for name in COLUMNS)
    whole = OF_RECORD.format(columns=columns, order=ORDER.format(row="page.", way=way))
    asked = kept_statement(parts, whole, ("behind", *COLUMNS))
    found = asked.execute(transaction, values).mappings().all()
    is_behind = place is not None and bool(found[0]["behind"])
    return Slice.cut([_shown(record, row) for row in found if row["pk"] is not None], query, behind=is_behind)


def sources_of_page(principal: Principal, record: Resource, most_records: int) -> Query[SourcesOfRecords]:
    """Ask for the newest sources of at most so many records, whose ids were stored; it stores those of the connectors.

    All of them are told from `MAX_SOURCE_ROWS` rows together, which they share evenly.
    """
    asked = _page_statement(record, person=isinstance(principal, Person))
    values = {PLACES: [place(record.type)], "most": MAX_SOURCE_ROWS, "most_records": most_records}

    def by_record(answer: Result) -> SourcesOfRecords:
        found: SourcesOfRecords = {}
        for row in answer.mappings():
            found.setdefault(row["record_id"], []).append(_shown(record, row))
        return found

    return Query(Statement(asked, {**values, **parameters(principal)}), by_record)


def most_sources(records: int) -> int:
    """Return how many sources each of so many records may show; an answer has `MOST_LINKED` of them."""
    return min(MOST_SOURCES, share(records))


def _shown(record: Resource, row: Mapping[Any, Any]) -> Row:
    id_ = f"{row['record_id']}:{row['workspace_connector_id']}:{row['direction']}"
    return {**row, "id": id_, "record_type": record.type}


@lru_cache(maxsize=16)
def _page_statement(record: Resource, *, person: bool) -> Compiled:
    parts = _parts(record, stored_ids(), person=person)
    parts |= {"ranked": RANKED.format(order=ORDER.format(row="source.", way="DESC")), "first": FIRST}
    storing = store_each({PLACE: "array_agg(workspace_connector_id)"}, "first")
    return statement(parts, OF_PAGE.format(columns=", ".join(COLUMNS), storing=storing), COLUMNS)


def _parts(record: Resource, records: str, *, person: bool) -> dict[str, str]:
    """Return a line for each record, connector and direction, of the newest rows that the caller sees, as `source`."""
    visible = Visibility(person=person)
    parts = {
        "bounds": BOUNDS.format(most_sources=MOST_SOURCES, most_linked=MOST_LINKED, records=records),
        "newest_rows": NEWEST.format(type=record.type, table=record.table, records=records),
        "connectors": CONNECTORS.format(seen=visible.workspace("connector.workspace_pk")),
        "told": TOLD,
        "source": SOURCES,
    }
    return {**visible.queries, **parts}
