"""Look-up of what the messages of a batch name, in one flush: pks of what is there, problems for what is not.

What makes a row asks for live parents; what only ends rows asks for parents that there are, or were. Each id is looked
up in a LATERAL with OFFSET 0, which leaves the planner no choice but the index, whatever it believes of the tables.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import TextClause, text

from wellspring.database.flush import Result, Statement
from wellspring.messages import Change, Claim, Message, OfRecords, Problem, ProvidersMatched, RecordsSynced, RecordType
from wellspring.models import parents
from wellspring.repositories.sync.arrays import array, array_of_arrays
from wellspring.repositories.sync.tables import RECORDS

PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the database knows of what one message names.

    Attributes:
        parent_pk: its connector, or the workspace that providers are matched to; None where there is none.
        workspace_pk: the connector's workspace, or the workspace itself.
        pks: what else it names, by type, as the text of an array.
        problems: why it can never succeed.
    """

    parent_pk: int | None
    workspace_pk: int | None
    pks: Mapping[str, str]
    problems: tuple[Problem, ...]


def resolved(batch: Sequence[Change], answers: Mapping[str, Result]) -> list[Resolved]:
    """Return what there is for each message of `batch`, from the answers to its `questions`."""
    parents_of: dict[int, tuple[int | None, int | None]] = {}
    pks: defaultdict[int, dict[str, str]] = defaultdict(dict)
    problems: defaultdict[int, list[Problem]] = defaultdict(list)
    for type_, answer in answers.items():
        for number, parent_pk, workspace_pk, found, *wrong in answer:
            if parent_pk is not None:
                parents_of[number] = (parent_pk, workspace_pk)
            pks[number][type_] = found
            problems[number] += _problems(type_, *wrong)
    known = []
    for number, item in enumerate(batch):
        if number not in parents_of:
            problems[number].append(_no_parent(item))
        parent_pk, workspace_pk = parents_of.get(number, (None, None))
        known.append(Resolved(parent_pk, workspace_pk, pks[number], tuple(sorted(problems[number], key=_rank))))
    return known


def questions(batch: Sequence[Change]) -> dict[str, Statement]:
    """Return what is to be asked for `batch`, by each type of what is named; each answer tells the parents, too."""
    asked: dict[str, Statement] = {}
    matches = {number: item for number, item in enumerate(batch) if isinstance(item, ProvidersMatched)}
    if matches:
        values = {
            "numbers": array(matches),
            "workspaces": array(item.workspace_id for item in matches.values()),
            "named": array_of_arrays(array(item.provider_ids) for item in matches.values()),
        }
        asked[PROVIDER] = Statement(_PROVIDERS, values)
    for type_ in RECORDS:
        naming = {
            number: item for number, item in enumerate(batch) if isinstance(item, OfRecords) and type_ in item.records
        }
        if naming:
            values = {
                "numbers": array(naming),
                "connectors": array(item.workspace_connector_id for item in naming.values()),
                "links": array(isinstance(item, RecordsSynced) for item in naming.values()),
                "named": array_of_arrays(array(item.records[type_]) for item in naming.values()),
            }
            asked[type_] = Statement(records_statement(type_), values)
    return asked


def parent(item: Message) -> Statement:
    """Ask for what a message is of, its connector or its workspace, tombstoned or not.

    Answered with its pk and its workspace's.
    """
    if isinstance(item, ProvidersMatched):
        return Statement(_ANY_WORKSPACE, {"id": item.workspace_id})
    return Statement(_ANY_CONNECTOR, {"id": item.workspace_connector_id})


_ANY_CONNECTOR = text(
    f"SELECT pk, workspace_pk FROM {parents.workspace_connectors} AS found WHERE found.id = CAST(:id AS uuid)"
)
_ANY_WORKSPACE = text(f"SELECT pk, pk FROM {parents.workspaces} AS found WHERE found.id = CAST(:id AS uuid)")


def claimants(claims: Mapping[int, Claim]) -> list[Statement]:
    """Ask for what malformed messages are of, tombstoned or not; nothing where none says it.

    Answered, for those that are there, with the number of the claim, the connector's pk and its workspace's.
    """
    named = {number: claim for number, claim in claims.items() if claim.workspace_connector_id or claim.workspace_id}
    values = {
        "numbers": array(named),
        "connectors": array(claim.workspace_connector_id for claim in named.values()),
        "workspaces": array(claim.workspace_id for claim in named.values()),
    }
    return [Statement(_CLAIMANTS, values)] if named else []


_CLAIMANTS = text(f"""
SELECT claim.number, connector.pk, coalesce(connector.workspace_pk, workspace.pk)
  FROM unnest(CAST(:numbers AS integer[]), CAST(:connectors AS uuid[]), CAST(:workspaces AS uuid[]))
       AS claim (number, connector_id, workspace_id)
  LEFT JOIN LATERAL (
    SELECT known.pk, known.workspace_pk FROM {parents.workspace_connectors} AS known
     WHERE known.id = claim.connector_id
    OFFSET 0
  ) AS connector ON true
  LEFT JOIN LATERAL (
    SELECT known.pk FROM {parents.workspaces} AS known WHERE known.id = claim.workspace_id OFFSET 0
  ) AS workspace ON true""")


# What only ends rows may name a connector that is gone. Whether the record's own workspace is live need not be asked: a
# row is written only where it is the connector's.
@cache
def records_statement(type_: RecordType) -> TextClause:
    """Return the statement that looks up records of a type."""
    return text(f"""
SELECT message.number, CASE WHEN connector.is_fit THEN connector.pk END,
       CASE WHEN connector.is_fit THEN connector.workspace_pk END, found.pks, found.unknown, found.foreign_ids
  FROM unnest(CAST(:numbers AS integer[]), CAST(:connectors AS uuid[]), CAST(:links AS boolean[]),
              CAST(:named AS text[])) AS message (number, connector_id, links, named)
  LEFT JOIN LATERAL (
    SELECT known.pk, known.workspace_pk,
           known.deleted_at IS NULL AND workspace.deleted_at IS NULL OR NOT message.links AS is_fit
      FROM {parents.workspace_connectors} AS known
      JOIN {parents.workspaces} AS workspace ON workspace.pk = known.workspace_pk
     WHERE known.id = message.connector_id
    OFFSET 0
  ) AS connector ON true
 CROSS JOIN LATERAL (
    SELECT CAST(array_agg(record.pk) AS text) AS pks,
           CAST(array_agg(named.id) FILTER (WHERE record.is_known IS NOT TRUE) AS text[]) AS unknown,
           CAST(array_agg(named.id) FILTER (WHERE record.is_known AND record.workspace_pk <> connector.workspace_pk)
                AS text[]) AS foreign_ids
      FROM unnest(CAST(message.named AS uuid[])) AS named (id)
      LEFT JOIN LATERAL (
        SELECT known.pk, known.workspace_pk, known.deleted_at IS NULL OR NOT message.links AS is_known
          FROM {RECORDS[type_].records} AS known
         WHERE known.id = named.id
        OFFSET 0
      ) AS record ON true
  ) AS found""")


_PROVIDERS = text(f"""
SELECT message.number, workspace.pk, workspace.pk, found.pks, found.unknown
  FROM unnest(CAST(:numbers AS integer[]), CAST(:workspaces AS uuid[]), CAST(:named AS text[]))
       AS message (number, workspace_id, named)
  LEFT JOIN {parents.workspaces} AS workspace
    ON workspace.id = message.workspace_id AND workspace.deleted_at IS NULL
 CROSS JOIN LATERAL (
    SELECT CAST(array_agg(provider.pk) AS text) AS pks,
           CAST(array_agg(named.id) FILTER (WHERE provider.pk IS NULL) AS text[]) AS unknown
      FROM unnest(CAST(message.named AS uuid[])) AS named (id)
      LEFT JOIN LATERAL (
        SELECT known.pk
          FROM {parents.providers} AS known
         WHERE known.id = named.id AND known.deleted_at IS NULL
        OFFSET 0
      ) AS provider ON true
  ) AS found""")


def _no_parent(item: Change) -> Problem:
    if isinstance(item, ProvidersMatched):
        return Problem("unknown_workspace", "workspace", item.workspace_id)
    return Problem("unknown_connector", "workspace_connector", item.workspace_connector_id)


def _problems(type_: str, unknown: Sequence[str] | None, foreign: Sequence[str] | None = None) -> Iterator[Problem]:
    code = "unknown_provider" if type_ == PROVIDER else "unknown_record"
    yield from (Problem(code, type_, id_) for id_ in unknown or ())
    yield from (Problem("tenant_mismatch", type_, id_) for id_ in foreign or ())


def _rank(problem: Problem) -> tuple[int, str, str]:
    """Return the place of a problem among others: what is missing first, and the parent before all."""
    ranks = {"unknown_connector": 0, "unknown_workspace": 0, "unknown_record": 1, "unknown_provider": 1}
    return ranks.get(problem.code, 2), problem.type, problem.id
