"""The statements behind the platform's feed: one for each type of resource, whatever the number of events.

An event changes its resource when its version is higher than the resource's own, so neither the order nor the number of
deliveries matters (docs/adr/0032). Rows are locked by the one INSERT in the order of their ids, types in the order of
`FED`: two consumers with the same resources wait for, not on, each other.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Table, TextClause, text

from wellspring.errors import WellspringError
from wellspring.models import feed, parents, table_of
from wellspring.models.base import direction_enum
from wellspring.repositories.feed.work import APPLIED, OTHER_SOURCE, STALE, FeedEvent, Verdict, of_another
from wellspring.resources import (
    CONNECTOR,
    OWN_WORKSPACE,
    PROVIDER,
    WORKSPACE_CONNECTOR,
    WORKSPACE_MEMBERSHIP,
    Resource,
    ledgers,
    records,
)

_TYPES = {
    "text": "text",
    "texts": "text[]",
    "instant": "timestamptz",
    "direction": f"{direction_enum.schema}.{direction_enum.name}",
}


# The tables whose rows end with a resource, by its type and under the names by which a sweep knows them.
_ENDS: Mapping[str, tuple[str, ...]] = {
    PROVIDER.type: ("workspace_providers",),
    WORKSPACE_CONNECTOR.type: tuple(ledger.table for ledger in ledgers().values()),
    **{type_: (ledger.table,) for type_, ledger in ledgers().items()},
}


@dataclass(frozen=True, slots=True)
class Fed:
    """A type of resource that the feed writes.

    Attributes:
        attributes: the type of each column that an event sets.
        references: the type of what each reference names; its column is `<reference>_pk`, its member `<reference>_id`.
        ledgers: the tables whose rows end with it.
        unique: a column that two of them may not share.
    """

    table: Table
    attributes: Mapping[str, str]
    references: Mapping[str, str]
    ledgers: tuple[str, ...]
    unique: str | None


def _fed(resource: Resource) -> Fed:
    # Of what is missing, the workspace is waited for first.
    references = sorted(resource.to_one, key=lambda each: each.name != "workspace")
    return Fed(
        table_of(resource.table),
        {attribute.name: _TYPES[attribute.kind] for attribute in resource.told},
        {each.name: each.target for each in references},
        _ENDS.get(resource.type, ()),
        "slug" if resource is PROVIDER else None,
    )


# In the order in which they are written: what others name comes before them.
FED: Mapping[str, Fed] = {
    resource.type: _fed(resource)
    for resource in (OWN_WORKSPACE, CONNECTOR, PROVIDER, *records(), WORKSPACE_CONNECTOR, WORKSPACE_MEMBERSHIP)
}

# The first half of the keys of advisory locks, "FEED"; the second is a type's place in `FED`.
_LOCKS = 0x46454544
# An event that met another transaction's is judged again, with that one's rows in sight. Once is enough but for rows
# that come and go; nothing deletes a parent.
_ROUNDS = 5


class NeedsExclusive(WellspringError):
    """Something of these `types` was deleted that was never seen: begin anew, and keep others from making it."""

    def __init__(self, types: Iterable[str]) -> None:
        super().__init__("The transaction begins anew with other locks.")
        self.types = frozenset(types)


@dataclass(slots=True)
class Change:
    """What a batch of events has changed.

    Attributes:
        verdicts: one for each event, by its number.
        live: how many more resources of a source and type are live now.
        revived: the pks of rows that were dead, by type.
    """

    verdicts: dict[int, Verdict] = field(default_factory=dict)
    live: Counter[tuple[str, str]] = field(default_factory=Counter)
    revived: dict[str, list[int]] = field(default_factory=dict)


def lock_types(transaction: Connection, types: Collection[str], exclusive: Collection[str] = ()) -> None:
    """Keep the making of a resource apart from the deletion of one that was never seen, until the transaction ends.

    The two write to different tables, so nothing else lets them meet. Must be the first that takes a lock, but for
    that of connectors. Of the `exclusive` types nobody else may make one meanwhile.
    """
    locks = [
        f"pg_advisory_xact_lock{'' if type_ in exclusive else '_shared'}({_LOCKS}, {number})"
        for number, type_ in enumerate(FED)
        if type_ in types or type_ in exclusive
    ]
    if locks:
        transaction.execute(text(f"SELECT {', '.join(locks)}"))


def lock(
    transaction: Connection, events: Iterable[FeedEvent], types: Collection[str], exclusive: Collection[str] = ()
) -> None:
    """Lock what events are judged by: the state of the workspace connectors that they are about, then types.

    Connectors come first, in ascending order, as in whoever writes rows of a connector (docs/adr/0052).

    Raises:
        NeedsExclusive: somebody made one of the connectors while a lock was waited for. Who has it locked by now may
            wait for what is locked here: try again in a new transaction.
    """
    ids = list({event.subject for event in events if event.type == WORKSPACE_CONNECTOR.type})
    locked = transaction.execute(_LOCK_CONNECTORS, {"ids": ids}).scalar_one() if ids else 0
    lock_types(transaction, types, exclusive)
    if locked < len(ids) and transaction.execute(_COUNT_CONNECTORS, {"ids": ids}).scalar_one() > locked:
        raise NeedsExclusive(exclusive)


_LOCK_CONNECTORS = text(f"""
WITH there AS MATERIALIZED (
  SELECT ARRAY(SELECT pk FROM {parents.workspace_connectors} WHERE id = ANY (CAST(:ids AS uuid[]))) AS pks
)
SELECT cardinality(pks) FROM there, wellspring.lock_connectors(pks, NULL)""")

_COUNT_CONNECTORS = text(f"""
SELECT count(*) FROM {parents.workspace_connectors} WHERE id = ANY (CAST(:ids AS uuid[]))""")


def apply_events(transaction: Connection, events: Mapping[int, FeedEvent], exclusive: Collection[str] = ()) -> Change:
    """Apply upserts and deletions behind their `lock`, type by type, and say what became of each.

    Events have numbers of the caller's choice, in the order in which they came. Raises `NeedsExclusive`, and
    SQLAlchemy's `DBAPIError`.
    """
    change = Change()
    for type_ in FED:
        left = {number: event for number, event in events.items() if event.type == type_}
        for _ in range(_ROUNDS):
            if not left:
                break
            left = _apply_type(transaction, type_, left, change, is_exclusive=type_ in exclusive)
    if change.revived:
        _close_endings(transaction, change.revived)
    return change


def _apply_type(
    transaction: Connection, type_: str, events: Mapping[int, FeedEvent], change: Change, *, is_exclusive: bool
) -> dict[int, FeedEvent]:
    """Apply events of one type; return those that met another transaction."""
    fed = FED[type_]
    rows = transaction.execute(
        _statement(type_),
        {
            "events": json.dumps(
                [_row(number, event, fed) for number, event in events.items()], default=datetime.isoformat
            )
        },
    ).all()
    change.verdicts.update(dict.fromkeys(events, APPLIED))
    again: dict[int, FeedEvent] = {}
    for kind, number, word, key, value in rows:
        match kind:
            case "buried":
                if not is_exclusive:
                    raise NeedsExclusive([type_])
            case "again":
                again[number] = events[number]
            case "live":
                change.live[word, type_] += value
            case "revived":
                change.revived.setdefault(type_, []).append(value)
            case "stale":
                change.verdicts[number] = STALE
            case "waiting":
                change.verdicts[number] = Verdict("waiting", missing=(word, key))
            case _:
                change.verdicts[number] = of_another(events[number], kind)
    return again


def _row(number: int, event: FeedEvent, fed: Fed) -> dict[str, object]:
    row: dict[str, object] = {"number": number, "id": event.subject, "source": event.source, "version": event.version}
    row |= {"deletes": event.action != "upsert"}
    row |= {f"new_{name}": event.values.get(name) for name in fed.attributes}
    return row | {f"{name}_id": event.values.get(f"{name}_id") for name in fed.references}


@cache
def _statement(type_: str) -> TextClause:
    """Return the statement that applies events of one type.

    What is read twice is MATERIALIZED, and ids are looked up in a LATERAL with OFFSET 0, which leaves no choice but the
    index: the planner knows nothing of what comes in. Nothing is joined with what comes in, for the same reason: of a
    resource's events the one with an effect is found by windows over them.
    """
    fed = FED[type_]
    parts = [_input(fed), _known(type_, fed), _judged(type_, fed), _RANKED, _written(type_, fed)]
    parts.append(_BURIED.format(type=type_))
    if fed.ledgers:
        parts.append(_ENDING.format(type=type_))
    return text(f"WITH {','.join(parts)} {_ANSWER}")


# A type may call its attributes as it likes: what is said of them is `new_NAME` and `old_NAME` in these statements.
def _input(fed: Fed) -> str:
    columns = ", ".join(
        [f"new_{name} {kind}" for name, kind in fed.attributes.items()] + [f"{name}_id uuid" for name in fed.references]
    )
    return f"""
input AS MATERIALIZED (
  SELECT *
    FROM jsonb_to_recordset(CAST(:events AS jsonb))
      AS event (number integer, id uuid, source text, version bigint, deletes boolean, {columns})
)"""


def _known(type_: str, fed: Fed) -> str:
    """What is there of each event's resource, and of what it names.

    A person that a membership names is locked against being erased meanwhile; one that is erased ends it.
    """
    columns = [*fed.attributes, *(f"{name}_pk" for name in fed.references)]
    erased = "found.erased_at" if type_ == "people" else "NULL::timestamptz"
    old = ", ".join(
        ["found.pk", "found.source", "found.source_version", f"{erased} AS erased_at"]
        + [f"found.{name}" for name in columns]
    )
    selected = ", ".join(
        [f"old.{name} AS old_{name}" for name in columns] + [f"to_{name}.pk AS {name}_pk" for name in fed.references]
    )
    attributes = "".join(f"input.new_{name}, " for name in fed.attributes)
    members = "".join(f"CAST(input.{name}_id AS text) AS {name}_key, " for name in fed.references)
    joins = "".join(
        f"""
    LEFT JOIN LATERAL (
      SELECT found.pk{", found.erased_at" if to == "people" else ""}
        FROM {FED[to].table} AS found
       WHERE found.id = input.{name}_id
      OFFSET 0{" FOR KEY SHARE" if to == "people" else ""}
    ) AS to_{name} ON true"""
        for name, to in fed.references.items()
    )
    deletes = "input.deletes"
    if "people" in fed.references.values():
        deletes = f"""(input.deletes OR to_people.erased_at IS NOT NULL
          OR to_people.pk IS NULL AND (SELECT gone.erased_at IS NOT NULL FROM {feed.tombstones} AS gone
                                        WHERE gone.type = 'people' AND gone.id = input.people_id) IS TRUE)"""
    return f"""
known AS MATERIALIZED (
  SELECT input.number, input.id, input.source, input.version, {deletes} AS deletes, {attributes}{members}
         old.pk AS old_pk, {selected},
         CASE WHEN old.pk IS NULL THEN gone.source_version ELSE old.source_version END AS version_there,
         {_is_erased(type_, fed)} AS is_erased,
         coalesce(CASE WHEN old.pk IS NULL THEN gone.source ELSE old.source END,
                  first_value(input.source) OVER (PARTITION BY input.id ORDER BY input.number)) AS owner
    FROM input
    LEFT JOIN LATERAL (
      SELECT {old} FROM {fed.table} AS found WHERE found.id = input.id OFFSET 0
    ) AS old ON true
    LEFT JOIN LATERAL (
      SELECT found.source, found.source_version, found.erased_at
        FROM {feed.tombstones} AS found
       WHERE found.type = '{type_}' AND found.id = input.id
      OFFSET 0
    ) AS gone ON true{joins}
)"""


def _is_erased(type_: str, fed: Fed) -> str:
    """Return the condition that a resource was erased by itself, or with the workspace that it is in or would be in."""
    itself = "(CASE WHEN old.pk IS NULL THEN gone.erased_at ELSE old.erased_at END) IS NOT NULL"
    if type_ == OWN_WORKSPACE.type:
        return f"EXISTS (SELECT FROM {feed.erasures} AS erased WHERE erased.workspace_id = input.id)"
    if "workspace" not in fed.references:
        return itself
    return f"""({itself}
          OR EXISTS (SELECT FROM {feed.erasures} AS erased WHERE erased.workspace_pk = old.workspace_pk)
          OR old.pk IS NULL
             AND EXISTS (SELECT FROM {feed.erasures} AS erased WHERE erased.workspace_id = input.workspace_id))"""


# Whose a person is matters no more once they are erased: what is told of them is not even kept as another's.
def _judged(type_: str, fed: Fed) -> str:
    # When it waits, and the type and the key of what for.
    missing = [(f"{name}_pk IS NULL", f"'{to}'", f"{name}_key") for name, to in fed.references.items()]
    if fed.unique:
        # Of two in one batch that want the same one waits too: it is looked at again when the other is there.
        taken = f"""(EXISTS (SELECT FROM {fed.table} AS other
                              WHERE other.{fed.unique} = known.new_{fed.unique} AND other.id <> known.id)
              OR known.id <> first_value(known.id) OVER (PARTITION BY known.new_{fed.unique} ORDER BY known.number))"""
        missing.append((taken, f"'{type_}_{fed.unique}'", f"new_{fed.unique}"))
    missing_types = " ".join(f"WHEN {waits} THEN {type_there}" for waits, type_there, _ in missing)
    missing_keys = " ".join(f"WHEN {waits} THEN {key}" for waits, _, key in missing)
    moved = "WHEN workspace_pk <> old_workspace_pk THEN 'workspace_changed'" if "workspace" in fed.references else ""
    waiting = f"WHEN {' OR '.join(waits for waits, _, _ in missing)} THEN 'waiting'" if missing else ""
    return f"""
judged AS MATERIALIZED (
  SELECT known.*,
         CASE WHEN is_erased THEN 'stale'
              WHEN source <> owner THEN '{OTHER_SOURCE}'
              WHEN version <= version_there THEN 'stale'
              WHEN deletes THEN 'ready'
              {waiting} {moved}
              ELSE 'ready'
         END AS verdict,
         {f"CASE {missing_types} END" if missing else "NULL"} AS missing_type,
         {f"CASE {missing_keys} END" if missing else "NULL"} AS missing_key
    FROM known
)"""


# An event whose resource gets a later version in this batch has no effect, and need not wait for one.
_RANKED = """
ranked AS MATERIALIZED (
  SELECT judged.*,
         verdict = 'ready'
           AND row_number() OVER (PARTITION BY id, verdict ORDER BY version DESC, number) = 1 AS is_effect,
         max(version) FILTER (WHERE verdict = 'ready') OVER (PARTITION BY id) AS version_ahead
    FROM judged
)"""


# A deletion is an upsert too, of what is there, so that one statement takes all locks in one order. Its values are of
# this statement's snapshot and may be older than the row's own by now: they are not written.
def _written(type_: str, fed: Fed) -> str:
    references = [f"{name}_pk" for name in fed.references]
    columns = [*fed.attributes, *references]
    told = [*(f"new_{name}" for name in fed.attributes), *references]
    kept = ", ".join(
        f"CASE WHEN deletes THEN old_{name} ELSE {new} END" for name, new in zip(columns, told, strict=True)
    )
    never_moved = [name for name in columns if name != "workspace_pk"]
    sets = ", ".join(
        f"{name} = CASE WHEN excluded.deleted_at IS NULL THEN excluded.{name} ELSE row.{name} END"
        for name in never_moved
    )
    conditions = [
        "row.source_version < excluded.source_version",
        "coalesce(row.source, excluded.source) = excluded.source",
    ]
    if "workspace_pk" in references:
        conditions.append("row.workspace_pk = excluded.workspace_pk")
    if type_ == "people":
        conditions.append("row.erased_at IS NULL")
    return f"""
written AS (
  INSERT INTO {fed.table} AS row (id, source, source_version, deleted_at, {", ".join(columns)})
  SELECT id, source, version, CASE WHEN deletes THEN now() END, {kept}
    FROM ranked
   WHERE is_effect AND (NOT deletes OR old_pk IS NOT NULL)
   ORDER BY id
      ON CONFLICT (id) DO UPDATE
     SET source = excluded.source, source_version = excluded.source_version, {sets}, updated_at = now(),
         deleted_at = CASE WHEN excluded.deleted_at IS NOT NULL THEN coalesce(row.deleted_at, now()) END
   WHERE {" AND ".join(conditions)}
  RETURNING new.id, new.pk, new.source,
            old.pk IS NOT NULL AND old.deleted_at IS NOT NULL AND new.deleted_at IS NULL AS is_revived,
            old.pk IS NOT NULL AND old.deleted_at IS NULL AND new.deleted_at IS NOT NULL AS is_ended,
            CAST(new.deleted_at IS NULL AS integer)
              - CAST(old.source IS NOT NULL AND old.deleted_at IS NULL AS integer) AS live
)"""


_BURIED = f"""
buried AS (
  INSERT INTO {feed.tombstones} AS old (type, id, source, source_version)
  SELECT '{{type}}', id, source, version FROM ranked WHERE is_effect AND deletes AND old_pk IS NULL ORDER BY id
      ON CONFLICT (type, id) DO UPDATE SET source_version = excluded.source_version
   WHERE old.source_version < excluded.source_version AND old.source = excluded.source AND old.erased_at IS NULL
  RETURNING id
)"""

_ENDING = f"""
ending AS (
  INSERT INTO {feed.endings} (type, of_pk) SELECT '{{type}}', pk FROM written WHERE is_ended
)"""


# Nothing of what was simply applied: a row for each event would take as long to read as to write.
_ANSWER = """
SELECT CASE WHEN verdict = 'ready' OR verdict = 'waiting' AND version <= version_ahead THEN 'stale' ELSE verdict END,
       number, missing_type, missing_key, NULL::bigint
  FROM ranked WHERE NOT is_effect
 UNION ALL
SELECT 'again', number, NULL, NULL, NULL
  FROM ranked WHERE is_effect AND id NOT IN (SELECT id FROM written UNION ALL SELECT id FROM buried)
 UNION ALL
SELECT 'live', NULL, source, NULL, sum(live) FROM written GROUP BY source
 UNION ALL
SELECT 'revived', NULL, NULL, NULL, pk FROM written WHERE is_revived
 UNION ALL
SELECT 'buried', NULL, NULL, NULL, count(*) FROM buried HAVING count(*) > 0"""


def _close_endings(transaction: Connection, revived: Mapping[str, Sequence[int]]) -> None:
    """Note how far the ledgers had come when these were revived: what is written from now on is not to end.

    A statement of its own, so that it sees the ending of a transaction that it has waited for.
    """
    for type_, pks in revived.items():
        if not FED[type_].ledgers:
            continue
        last = ", ".join(
            f"'{ledger}', (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM core_api.{ledger}_pk_seq)"
            for ledger in FED[type_].ledgers
        )
        transaction.execute(
            text(f"""
UPDATE {feed.endings} SET until = jsonb_build_object({last})
 WHERE type = :type AND of_pk = ANY (CAST(:pks AS bigint[])) AND done_at IS NULL AND until IS NULL"""),
            {"type": type_, "pks": list(pks)},
        )
