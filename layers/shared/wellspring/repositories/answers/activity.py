"""Activity of connectors: rows linked and ended, by day or in all, read from the sums a page at a time.

A page goes connector by connector, in the order of their making, and in each from the newest day to the oldest: that is
the order of the sums' index, so that a page costs what it shows (docs/adr/0025).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from wellspring.access.predicates import Visibility, asked_about, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.models import parents
from wellspring.queries import ActivityQuery, Day
from wellspring.repositories.ledger.composing import kept_statement
from wellspring.repositories.ledger.pages import Slice
from wellspring.resources import DIRECTIONS, records

# The connectors that a query names and the caller sees, live or not: their sums outlive them.
NAMED = "SELECT connector.pk, connector.id, connector.deleted_at FROM {connectors} AS connector WHERE {seen}{of}"
OF_WORKSPACE = " AND connector.workspace_pk = (SELECT pk FROM core_api.workspaces WHERE id = :workspace::UUID)"
# A policy would be asked about each sum; the view asks about each connector.
SUMS = "wellspring.connector_activity_of_caller AS sums"
IN_RANGE = "sums.workspace_connector_pk = {pk} AND sums.date >= :first::DATE AND sums.date <= :last::DATE"
# Of which something is left.
DAYS = f"FROM {SUMS} WHERE {IN_RANGE} AND (sums.linked <> 0 OR sums.ended <> 0)"
PLACE = "(SELECT wellspring.place_of('workspace_connectors', :place::UUID))"

# The first connectors whose sums fill a page end with this one: no other's are read.
LINE = "SELECT array_agg(named.pk ORDER BY named.pk {way}) AS pks FROM named WHERE {ahead}"
NEAR = """
WITH RECURSIVE reached AS (
  SELECT 0 AS number, 0::bigint AS sums
   UNION ALL
  SELECT reached.number + 1, reached.sums + (SELECT count(*) FROM (SELECT 1 {days} LIMIT :rows::INTEGER) AS first)
    FROM reached
   WHERE reached.sums < :rows::INTEGER AND reached.number < cardinality((SELECT pks FROM line)))
SELECT (SELECT pks FROM line)[max(reached.number)] AS pk FROM reached
"""
NEXT_PK = "(SELECT pks FROM line)[reached.number + 1]"
# The first days of connectors, of each at most a page.
FIRST_DAYS = f"""
SELECT named.id, named.deleted_at, named.pk, days.*
  FROM named
 CROSS JOIN LATERAL (
   SELECT sums.date, sums.type, sums.direction, sums.linked, sums.ended {DAYS.format(pk="named.pk")}{{beyond}}
    ORDER BY sums.date {{by_date}}
    LIMIT :rows::INTEGER) AS days
 WHERE {{which}}
 ORDER BY named.pk {{way}}, days.date {{by_date}}
 LIMIT :rows::INTEGER
"""
# The days of the place's own connector are on both sides of it. They are walked by themselves: with an end that is
# another for each connector the planner expects a day or two of each, and sorts all there are.
OF_BOTH = """
SELECT * FROM (({own}) UNION ALL ({others})) AS walked ORDER BY pk {way}, date {by_date} LIMIT :rows::INTEGER
"""
BEHIND_DAY = f"""
SELECT EXISTS (
  SELECT FROM named CROSS JOIN LATERAL (SELECT sums.date {DAYS.format(pk="named.pk")}) AS days
   WHERE named.pk {{nearer}} {PLACE} OR named.pk = {PLACE} AND days.date {{further}}= :place_date::DATE) AS behind
"""
SUMMED = f"""
SELECT on_page.id, on_page.deleted_at, on_page.pk, NULL::date AS date, summed.*
  FROM (SELECT * FROM named WHERE {{ahead}} ORDER BY named.pk {{way}} LIMIT :rows::INTEGER) AS on_page
  LEFT JOIN LATERAL (
    SELECT sums.type, sums.direction, sum(sums.linked) AS linked, sum(sums.ended) AS ended
      FROM {SUMS}
     WHERE {IN_RANGE.format(pk="on_page.pk")}
     GROUP BY sums.type, sums.direction) AS summed ON true
"""
BEHIND_SUM = f"SELECT EXISTS (SELECT FROM named WHERE named.pk {{nearer}}= {PLACE}) AS behind"
# What is known of the other side of the place stands beside each row; beside nulls where the page is empty.
PAGE = "SELECT {columns} FROM {source} ORDER BY pk {way}, date {by_date}"
COLUMNS = ("id", "deleted_at", "pk", "date", "type", "direction", "linked", "ended")


def activity(transaction: Transaction, principal: Principal, query: ActivityQuery, place: Day | None) -> Slice:
    """Read a page of what the connectors of a query linked and ended, beside a place or from an end of the list.

    A row has the connector's id and when it was ended, its date (None for all days of the query), and the sums.
    """
    visible, is_summed, placed = Visibility(person=isinstance(principal, Person)), query.is_summed, place is not None
    asked = asked_about(parents.workspace_connectors, ":connectors::UUID[]", "deleted_at")
    named = NAMED.format(
        connectors=parents.workspace_connectors if query.workspace else f"({asked})",
        seen=visible.workspace("connector.workspace_pk"),
        of=OF_WORKSPACE if query.workspace else "",
    )
    # As pks go, and the other way as dates do: where the page goes on to, and where it comes from.
    further, nearer = ("<", ">") if query.backward else (">", "<")
    order = {"way": "DESC" if query.backward else "ASC", "by_date": "ASC" if query.backward else "DESC"}
    ahead = f"named.pk {further} {PLACE}" if placed else "true"
    parts, columns, source = {**visible.queries, "named": named}, [*COLUMNS], "page"
    if is_summed:
        parts["page"] = SUMMED.format(ahead=ahead, **order)
    else:
        parts["line"] = LINE.format(ahead=ahead, **order)
        parts["near"] = NEAR.format(days=DAYS.format(pk=NEXT_PK))
        which = f"{ahead} AND named.pk {nearer}= (SELECT pk FROM near)"
        parts["page"] = others = FIRST_DAYS.format(beyond="", which=which, **order)
        if placed:
            beyond = f" AND sums.date {nearer} :place_date::DATE"
            own = FIRST_DAYS.format(beyond=beyond, which=f"named.pk = {PLACE}", **order)
            parts["page"] = OF_BOTH.format(own=own, others=others, **order)
    # A connector has as many sums of a day as there are types and directions.
    several = 1 if is_summed else len(records()) * len(DIRECTIONS)
    values: dict[str, object] = {"first": query.first, "last": query.last, "rows": (query.size + 1) * several}
    values |= {"workspace": query.workspace} if query.workspace else {"connectors": list(query.connectors)}
    if place is not None:
        values |= {"place": place.connector} | ({} if is_summed else {"place_date": place.date})
        parts["behind"] = (BEHIND_SUM if is_summed else BEHIND_DAY).format(nearer=nearer, further=further)
        columns, source = ["behind", *COLUMNS], "behind LEFT JOIN page ON true"
    page = kept_statement(parts, PAGE.format(columns=", ".join(columns), source=source, **order), columns)
    found = page.execute(transaction, values | parameters(principal)).mappings().all()
    behind = placed and bool(found[0]["behind"])
    return Slice.cut(list(_gathered(found))[: query.size + 1], query, behind=behind)


def _gathered(found: Sequence[Row]) -> Iterator[Row]:
    """Yield a row for each connector and day, of neighbouring rows that have a type and a direction each."""
    row: dict[str, Any] = {}
    for sums in found:
        at = {"workspace_connector_id": sums["id"], "date": sums["date"], "deleted_at": sums["deleted_at"]}
        if sums["id"] is not None and not at.items() <= row.items():
            if row:
                yield row
            row = {**at, "linked": _none(), "ended": _none()}
        for name in ("linked", "ended") if sums["type"] is not None else ():
            row[name][sums["type"]][sums["direction"]] = int(sums[name])
    if row:
        yield row


def _none() -> dict[str, dict[str, int]]:
    return {record.type: dict.fromkeys(DIRECTIONS, 0) for record in records()}
