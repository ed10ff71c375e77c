"""Impact of a connector: live rows by the sums, and records that no other connector brings in.

The newest rows of the connector are looked at, as many as are said; of each record whether there is another live row of
the direction `input`, by an index of those rows alone (docs/adr/0025).
"""

from dataclasses import dataclass
from uuid import UUID

from wellspring.access.predicates import Visibility, asked_about, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.database.flush import Row
from wellspring.models import parents, table_of
from wellspring.queries import MAX_EXAMINED, ListQuery, Position
from wellspring.repositories.ledger.columns import selected, shown_in_lists
from wellspring.repositories.ledger.composing import kept_statement
from wellspring.resources import Resource, ledgers, resource_of

# One more by which it is known that there are more.
MORE = ":most::INTEGER + 1"
# The connector that a query names, where it is live and the caller sees it.
CONNECTOR = "SELECT asked.pk, asked.id FROM ({asked}) AS asked WHERE asked.deleted_at IS NULL AND {seen}"
LIVE_ROWS = """
SELECT sums.type, sums.direction, sums.live
  FROM connector
  JOIN wellspring.connector_rows AS sums ON sums.workspace_connector_pk = connector.pk
"""
# The newest live rows by which a connector brought records in, or the oldest, beyond a place. Those of a record that
# the caller does not see have no `record_pk`. Of a connector that they do not see nothing is looked at.
ROWS = """
SELECT row.*
  FROM wellspring.rows_of_connector(
         '{type}', '{table}', :connector::UUID, {rows}, {place}, {backward}) AS row
 WHERE EXISTS (SELECT FROM connector)
"""
NO_PLACE, PLACE = "NULL, NULL", ":place_at::TIMESTAMPTZ, :place::BIGINT"
# Of each record whether nobody else brings it in, and the row by which the connector last did. Not of the id of the
# request: of a connector that the caller does not see it looks as far as of none.
TOLD = "wellspring.sole_of('{type}', (SELECT id FROM connector), ARRAY({records})) AS told"
RECORDS = "SELECT DISTINCT record_pk FROM {rows} WHERE number <= :most::INTEGER AND record_pk IS NOT NULL{of_type}"

OF_TYPE = "SELECT '{type}' AS type, row.record_pk, row.created_at FROM ({rows}) AS row"
NEWEST = f"""
SELECT merged.*, row_number() OVER (ORDER BY merged.created_at DESC) AS number
  FROM ({{merged}}) AS merged
 ORDER BY merged.created_at DESC
 LIMIT {MORE}
"""
EXAMINED = f"""
SELECT '{{type}}' AS type, count(*) AS examined, count(*) FILTER (WHERE told.is_sole) AS sole,
       (SELECT EXISTS (SELECT FROM newest WHERE number = {MORE})) AS is_capped
  FROM {{told}}
"""

# A record that the connector brought in several times stands where it last did. Each is looked up by its key: whatever
# the planner expects of a function, it does not read all records there are.
FOUND = """
SELECT record.*, numbered.created_at AS at, numbered.id AS row_id, numbered.pk AS row_pk, numbered.number
  FROM {told}
  JOIN numbered ON numbered.pk = told.latest_pk
 CROSS JOIN LATERAL (
   SELECT {shown}, workspace.id AS workspace_id
     FROM {records} AS row
     JOIN core_api.workspaces AS workspace ON workspace.pk = row.workspace_pk
    WHERE row.pk = told.record_pk AND row.deleted_at IS NULL AND {seen}{claimed}
    LIMIT 1) AS record
 WHERE told.is_sole AND numbered.number <= :most::INTEGER
 ORDER BY numbered.number
 LIMIT :rows::INTEGER
"""
CLAIMED = """ AND row.workspace_pk = ANY (
ARRAY(SELECT pk FROM core_api.workspaces WHERE id = ANY (:of_workspaces::UUID[])))"""
# The place of the first row that was looked at, and of the last, where there are more beyond it.
ENDS = f"""
SELECT first.created_at AS first_at, first.id AS first_id, first.pk AS first_pk,
       last.created_at AS last_at, last.id AS last_id, last.pk AS last_pk{{behind}}
  FROM (SELECT) AS one
  LEFT JOIN numbered AS first ON first.number = 1
  LEFT JOIN numbered AS last
         ON last.number = :most::INTEGER AND EXISTS (SELECT FROM numbered WHERE number = {MORE})
"""
# The other way, and what is at the place itself.
BEHIND = """,
EXISTS ({others}) OR EXISTS (SELECT FROM {ledger} AS row WHERE row.pk = :place::BIGINT AND row.deleted_at IS NULL)
AS behind"""
PAGE = "SELECT {columns} FROM ends LEFT JOIN found ON true ORDER BY found.number"


@dataclass(frozen=True, slots=True)
class Looked:
    """Records that nobody else brings in, each with `at`, `row_id` and `row_pk`, the place of its row of provenance.

    `first` is the place of the first row that was looked at, `last` that of the last one where there are more beyond
    it, and `behind` whether there are rows at and behind the place that the page was asked from.
    """

    rows: list[Row]
    first: Position | None
    last: Position | None
    behind: bool


def live_rows(transaction: Transaction, principal: Principal, connector: UUID) -> list[Row]:
    """Read how many rows of a connector are live, by type and direction, from the sums."""
    parts = _seen(Visibility(person=isinstance(principal, Person)))
    rows = kept_statement(parts, LIVE_ROWS, ("type", "direction", "live"))
    return list(rows.execute(transaction, {"connector": connector, **parameters(principal)}).mappings())


def examined(transaction: Transaction, principal: Principal, connector: UUID) -> list[Row]:
    """Look at the newest live rows that brought records in; count those of each type, and those of no other source."""
    merged = (OF_TYPE.format(type=type_, rows=_newest(resource_of(type_))) for type_ in ledgers())
    parts = _seen(Visibility(person=isinstance(principal, Person)))
    parts["newest"] = NEWEST.format(merged=" UNION ALL ".join(merged))
    counted = (
        EXAMINED.format(type=type_, told=_told(type_, "newest", f" AND newest.type = '{type_}'")) for type_ in ledgers()
    )
    asked = kept_statement(parts, " UNION ALL ".join(counted), ("type", "examined", "sole", "is_capped"))
    values = {"connector": connector, "most": MAX_EXAMINED, **parameters(principal)}
    return list(asked.execute(transaction, values).mappings())


def sole_page(transaction: Transaction, principal: Principal, query: ListQuery, position: Position | None) -> Looked:
    """Read at most `query.size + 1` records that nobody but the query's connector brings in, the latest first.

    The page lies beside the row of provenance at a position, or at an end of the list.
    """
    resource, visible = query.resource, Visibility(person=isinstance(principal, Person))
    shown, place = shown_in_lists(resource), PLACE if position else NO_PLACE
    values: dict[str, object] = {"connector": query.sole_source, "rows": query.size + 1, "most": MAX_EXAMINED}
    values |= parameters(principal) | ({"of_workspaces": list(query.workspaces)} if query.workspaces else {})
    columns, behind = [f"{end}_{of}" for end in ("first", "last") for of in ("at", "id", "pk")], ""
    if position is not None:
        others = _newest(resource, place, backward=not query.backward, rows="1")
        columns, behind = (
            [*columns, "behind"],
            BEHIND.format(others=others, ledger=table_of(ledgers()[resource.type].table)),
        )
        values |= {"place": position.pk, "place_at": position.at}
    seen = visible.workspace("row.workspace_pk")
    found = FOUND.format(
        told=_told(resource.type, "numbered"),
        shown=", ".join(selected(shown)),
        records=table_of(resource.table),
        seen=seen,
        claimed=CLAIMED if query.workspaces else "",
    )
    parts = {
        **_seen(visible),
        "numbered": _newest(resource, place, backward=query.backward),
        "ends": ENDS.format(behind=behind),
        "found": found,
    }
    columns += [*shown, "workspace_id", "at", "row_id", "row_pk"]
    asked = kept_statement(parts, PAGE.format(columns=", ".join(columns)), columns)
    rows = asked.execute(transaction, values).mappings().all()
    ends = rows[0]
    first, last = (
        Position(ends[f"{end}_at"], ends[f"{end}_id"], ends[f"{end}_pk"]) if ends[f"{end}_id"] is not None else None
        for end in ("first", "last")
    )
    looked: list[Row] = [row for row in rows if row["id"] is not None]
    return Looked(looked, first, last, behind=position is not None and bool(ends["behind"]))


def _seen(visible: Visibility) -> dict[str, str]:
    """Return the queries of the connector, the last of which is `connector`."""
    asked = asked_about(parents.workspace_connectors, "ARRAY[:connector::UUID]", "deleted_at")
    connector = CONNECTOR.format(asked=asked, seen=visible.workspace("asked.workspace_pk"))
    return {**visible.queries, "connector": connector}


def _newest(resource: Resource, place: str = NO_PLACE, *, backward: bool = False, rows: str = MORE) -> str:
    return ROWS.format(type=resource.type, table=resource.table, rows=rows, place=place, backward=str(backward).lower())


def _told(type_: str, rows: str, of_type: str = "") -> str:
    return TOLD.format(type=type_, records=RECORDS.format(rows=rows, of_type=of_type))
