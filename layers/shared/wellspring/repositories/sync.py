"""The one statement behind the write path: a wave of messages goes in, rows and one verdict for each come out.

It resolves ids, checks tenancy, records the messages in the inbox, tombstones and inserts, all set-based, so that
ten messages of three thousand records cost what their rows cost. A message that cannot succeed is left out by the
statement itself: nothing is rolled back for it, and the others need no second try (docs/adr/0004).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from sqlalchemy import Connection, Table, TextClause, text

from wellspring.models import infrastructure, junctions, parents
from wellspring.models.base import direction_enum

type Direction = Literal["input", "output"]
type RecordType = Literal["account", "company", "people"]

# How many problems of one message are told: enough to find the cause, too few to fill a log.
PROBLEMS_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What one `records.synced` message asks for.

    Attributes:
        id: the message's own id, in lower case as all ids here.
        group: what keeps its order; after a failure the rest of its group is not tried.
        workspace_connector_id: the connector that brought the records in or carried them out.
        direction: which of the two.
        relink: whether live rows of the same (record, connector, direction) are tombstoned first.
        records: distinct ids by type; no type without an id.
    """

    id: str
    group: str
    workspace_connector_id: str
    direction: Direction
    relink: bool
    records: Mapping[RecordType, Sequence[str]]

    @property
    def record_count(self) -> int:
        """How many records it names, each once."""
        return sum(map(len, self.records.values()))


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a message can never succeed.

    Attributes:
        code: what is wrong: `unknown_connector`, `unknown_record` or `tenant_mismatch`.
        type: the JSON:API type of the thing at fault.
        id: its public id.
    """

    code: str
    type: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one message.

    Attributes:
        status: `applied` now; `duplicate` of one applied before; `failed`, for ever; or `held` back behind a
            failed one of its group.
        tombstoned: how many rows a relink ended.
        problems: the first few of a failed message's.
        problem_count: how many there are.
    """

    status: Literal["applied", "duplicate", "failed", "held"]
    tombstoned: int = 0
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0


@dataclass(frozen=True, slots=True)
class _Record:
    """Where one type's records live, and where it is written down which connector they came by."""

    records: Table
    provenance: Table


_RECORDS: dict[RecordType, _Record] = {
    "account": _Record(parents.accounts, junctions.account_workspace_connectors),
    "company": _Record(parents.companies, junctions.company_workspace_connectors),
    "people": _Record(parents.peoples, junctions.people_workspace_connectors),
}


def apply_synced(transaction: Connection, wave: Sequence[Synced]) -> list[Verdict]:
    """Apply the messages of `wave`, in one statement, and return a verdict for each in their order.

    A message already in the inbox has no effect and no problems, whatever has become of its records since. A
    message delivered twice at the same time waits here until the other delivery has committed or gone.

    The messages of a wave do not see each other's rows: a relink must not be in one wave with an earlier message
    of the same (connector, direction, record), nor two messages with the same id (services.sync sees to it).

    Raises SQLAlchemy's `DBAPIError`.
    """
    numbers = range(len(wave))
    groups = {group: number for number, group in enumerate(dict.fromkeys(item.group for item in wave))}
    parameters = {
        "numbers": _array(numbers),
        "ids": _array(item.id for item in wave),
        "groups": _array(groups[item.group] for item in wave),
        "connectors": _array(item.workspace_connector_id for item in wave),
        "directions": _array(item.direction for item in wave),
        "relinks": _array(item.relink for item in wave),
    }
    types = tuple(type_ for type_ in _RECORDS if any(type_ in item.records for item in wave))
    for type_ in types:
        found = [(number, wave[number].records.get(type_, ())) for number in numbers]
        parameters[f"{type_}_messages"] = _array(
            number for number, records in found for number in [number] * len(records)
        )
        parameters[f"{type_}_ids"] = _array(id_ for _, records in found for id_ in records)
    relinking = any(item.relink for item in wave)
    rows = transaction.execute(_statement(types, relinking=relinking), parameters)
    return [
        Verdict(
            status=status,
            tombstoned=tombstoned,
            problems=tuple(Problem(*problem) for problem in problems or ()),
            problem_count=problem_count,
        )
        for status, tombstoned, problems, problem_count in rows
    ]


def _array(values: Iterable[object]) -> str:
    """Return `values` as the text of a Postgres array: for thousands of ids 1.4 times as fast as a list."""
    return f"{{{','.join(map(str, values))}}}"


@cache
def _statement(types: tuple[RecordType, ...], *, relinking: bool) -> TextClause:
    """Return the statement for messages with records of `types`; without the tombstones when none relinks.

    Two things keep its plan good whatever the planner believes: what several CTEs read is MATERIALIZED, so it
    is computed once; and ids are looked up in a LATERAL with OFFSET 0, which leaves no choice but the index.
    """
    ctes = [_MESSAGE, *map(_resolved, types), _problem(types), _EFFECT]
    if relinking:
        ctes += map(_unlinked, types)
    ctes += map(_linked, types)
    return text(f"WITH {','.join(ctes)} {_verdicts(types if relinking else ())}")


# `stream` is the FIFO group's number in this wave.
_MESSAGE = f"""
message AS MATERIALIZED (
  SELECT input.number, input.id, input.stream, input.connector_id, input.direction, input.relink,
         connector.pk AS connector_pk, connector.workspace_pk,
         (SELECT true FROM {infrastructure.sync_inbox} AS inbox WHERE inbox.message_id = input.id)
           IS NOT NULL AS seen
    FROM unnest(CAST(:numbers AS integer[]), CAST(:ids AS uuid[]), CAST(:groups AS integer[]),
                CAST(:connectors AS uuid[]), CAST(:directions AS {direction_enum.schema}.{direction_enum.name}[]),
                CAST(:relinks AS boolean[]))
         AS input (number, id, stream, connector_id, direction, relink)
    LEFT JOIN LATERAL (
      SELECT found.pk, found.workspace_pk
        FROM {parents.workspace_connectors} AS found
        JOIN {parents.workspaces} AS home ON home.pk = found.workspace_pk AND home.deleted_at IS NULL
       WHERE found.id = input.connector_id AND found.deleted_at IS NULL
      OFFSET 0
    ) AS connector ON true
)"""


# Whether the record's own workspace is live need not be asked: a row is written only where it is the connector's.
def _resolved(type_: RecordType) -> str:
    return f"""
{type_} AS MATERIALIZED (
  SELECT input.number, input.id, record.pk, record.workspace_pk
    FROM unnest(CAST(:{type_}_messages AS integer[]), CAST(:{type_}_ids AS uuid[])) AS input (number, id)
    LEFT JOIN LATERAL (
      SELECT found.pk, found.workspace_pk
        FROM {_RECORDS[type_].records} AS found
       WHERE found.id = input.id AND found.deleted_at IS NULL
      OFFSET 0
    ) AS record ON true
)"""


def _problem(types: Sequence[RecordType]) -> str:
    of_records = "".join(
        f"""
   UNION ALL
  SELECT message.number, CASE WHEN record.pk IS NULL THEN 2 ELSE 3 END,
         CASE WHEN record.pk IS NULL THEN 'unknown_record' ELSE 'tenant_mismatch' END, '{type_}', record.id
    FROM {type_} AS record
    JOIN message ON message.number = record.number
   WHERE NOT message.seen AND (record.pk IS NULL OR record.workspace_pk <> message.workspace_pk)"""
        for type_ in types
    )
    return f"""
problem AS MATERIALIZED (
  SELECT number, 1 AS rank, 'unknown_connector' AS code, 'workspace_connector' AS type, connector_id AS id
    FROM message
   WHERE NOT seen AND connector_pk IS NULL{of_records}
),
told AS MATERIALIZED (
  SELECT number, count(*) AS problem_count,
         json_agg(json_build_array(code, type, id) ORDER BY nth) FILTER (WHERE nth <= {PROBLEMS_TOLD}) AS problems
    FROM (SELECT problem.*, row_number() OVER (PARTITION BY number ORDER BY rank, type, id) AS nth
            FROM problem) AS numbered
   GROUP BY number
),
failure AS MATERIALIZED (
  SELECT message.stream, min(message.number) AS number
    FROM told
    JOIN message ON message.number = told.number
   GROUP BY message.stream
)"""


# Claimed in the order of the ids, so that two batches that share messages wait for, not on, each other.
_EFFECT = f"""
claimed AS (
  INSERT INTO {infrastructure.sync_inbox} (message_id)
  SELECT message.id
    FROM message
    LEFT JOIN failure ON failure.stream = message.stream
   WHERE NOT message.seen AND (failure.number IS NULL OR message.number < failure.number)
   ORDER BY message.id
      ON CONFLICT DO NOTHING
  RETURNING message_id
),
effect AS MATERIALIZED (
  SELECT message.number, message.connector_pk, message.direction, message.relink
    FROM message
    JOIN claimed ON claimed.message_id = message.id
)"""


# The connector's side of the condition is made unfit for an index: where there are no statistics, the planner may take
# the one on connectors, and read all rows of the connector for each record (22 s instead of 0.1 s for 3,000).
def _unlinked(type_: RecordType) -> str:
    provenance = _RECORDS[type_].provenance
    return f"""
stale_{type_} AS MATERIALIZED (
  SELECT effect.number, old.pk
    FROM effect
    JOIN {type_} AS record ON record.number = effect.number
   CROSS JOIN LATERAL (
      SELECT found.pk
        FROM {provenance} AS found
       WHERE found.{type_}_pk = record.pk AND found.workspace_connector_pk + 0 = effect.connector_pk
         AND found.direction = effect.direction AND found.deleted_at IS NULL
      OFFSET 0
    ) AS old
   WHERE effect.relink
),
unlinked_{type_} AS (
  UPDATE {provenance} AS old
     SET deleted_at = now(), updated_at = now()
    FROM stale_{type_} AS stale
   WHERE old.pk = stale.pk AND old.deleted_at IS NULL
  RETURNING stale.number
)"""


# In the order of the records, so that the index on them, and the look at each parent, walk from page to page.
def _linked(type_: RecordType) -> str:
    return f"""
linked_{type_} AS (
  INSERT INTO {_RECORDS[type_].provenance} ({type_}_pk, workspace_connector_pk, direction)
  SELECT record.pk, effect.connector_pk, effect.direction
    FROM effect
    JOIN {type_} AS record ON record.number = effect.number
   ORDER BY record.pk
)"""


def _verdicts(relinked: Sequence[RecordType]) -> str:
    ended = " UNION ALL ".join(f"SELECT number FROM unlinked_{type_}" for type_ in relinked)
    tombstoned = f"SELECT number, count(*) AS rows FROM ({ended}) AS old GROUP BY number"
    return f"""
SELECT CASE WHEN message.number > failure.number THEN 'held'
            WHEN message.number = failure.number THEN 'failed'
            WHEN claimed.message_id IS NULL THEN 'duplicate'
            ELSE 'applied'
       END,
       {"coalesce(tombstoned.rows, 0)" if relinked else "0"}, told.problems, coalesce(told.problem_count, 0)
  FROM message
  LEFT JOIN failure ON failure.stream = message.stream
  LEFT JOIN told ON told.number = failure.number AND told.number = message.number
  LEFT JOIN claimed ON claimed.message_id = message.id
  {f"LEFT JOIN ({tombstoned}) AS tombstoned ON tombstoned.number = message.number" if relinked else ""}
 ORDER BY message.number"""
