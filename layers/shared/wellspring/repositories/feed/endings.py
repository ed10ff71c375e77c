"""Ending the rows of what has ended: of records and connectors, and the choices of providers (docs/adr/0033).

What the feed ends is a row of `endings`, written with the tombstone. Another transaction may still be writing rows of
it: one that saw it live and commits later. So it is looked at until whoever could have seen it live is gone.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, text

from wellspring.models import feed, table_of
from wellspring.repositories.feed.applying import FED
from wellspring.repositories.sync.arrays import array
from wellspring.resources import ledgers
from wellspring.settings import event_bus

# Nothing has been made before this, by no pk.
_BEGINNING = ("-infinity", 0)
# The type of a ledger's records.
_RECORDS = {ledger.table: type_ for type_, ledger in ledgers().items()}

# Transactions with an id are told apart by the snapshot. One that only reads so far gets its id later, but no statement
# of it is older than `:quiet` seconds: the roles' time limits see to that.
_OPEN, _UNSEEN = (
    text(f"""
SELECT pk, type, of_pk, until, seen_at IS NULL AS is_new,
       boundary IS NULL AND seen_at < now() - make_interval(secs => :quiet) AS is_old,
       coalesce(boundary <= CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint), false) AS is_quiet,
       CAST(ARRAY(SELECT jsonb_object_keys(ended)) AS bigint[]) AS connectors
  FROM {feed.endings}
 WHERE done_at IS NULL AND {those}
 ORDER BY pk LIMIT :most
   FOR UPDATE SKIP LOCKED""")
    for those in (
        "pk > :after",
        # Among the last thousand: what one batch has ended, however much else is open.
        f"""seen_at IS NULL AND pk > greatest(:after, coalesce((
         SELECT last.pk FROM {feed.endings} AS last ORDER BY last.pk DESC OFFSET 1000 LIMIT 1), 0))""",
    )
)

_MARK = text(f"""
UPDATE {feed.endings}
   SET seen_at = coalesce(seen_at, now()),
       boundary = CASE WHEN pk = ANY (CAST(:old AS bigint[]))
                       THEN CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) ELSE boundary END,
       done_at = CASE WHEN pk = ANY (CAST(:done AS bigint[])) THEN now() END,
       ended = CASE WHEN pk = ANY (CAST(:changed AS bigint[]))
                    THEN wellspring.add_counts(ended, CAST(:ended AS jsonb) -> CAST(pk AS text)) ELSE ended END
 WHERE pk = ANY (CAST(:new AS bigint[])) OR pk = ANY (CAST(:old AS bigint[])) OR pk = ANY (CAST(:done AS bigint[]))
    OR pk = ANY (CAST(:changed AS bigint[]))""")


# A connector that is being written for longer is left to the next sweep.
LOCK_MILLISECONDS = 2000
_LOCK = text("SELECT wellspring.lock_connectors(CAST(:pks AS bigint[]), :wait)")


@dataclass(frozen=True, slots=True)
class Ending:
    """Something of a type that ended, the one of `of_pk`, and whose rows are to end.

    Attributes:
        until: the last row of each ledger that is to end, where it was revived since.
        is_new: no sweep has seen it before.
        is_old: a sweep saw it long enough ago.
        is_quiet: whoever could have seen it live is gone.
        connectors: the pks of those whose rows it has ended so far, where that is to be told.
    """

    pk: int
    type: str
    of_pk: int
    until: Mapping[str, int] | None
    is_new: bool
    is_old: bool
    is_quiet: bool
    connectors: Sequence[int]


# What each ending, by its pk, has ended: by the connector's pk and the type of records.
type Ended = dict[int, dict[int, Counter[str]]]
# How far the walk through a ledger's rows of one thing has come: the time and pk of the last one.
type Places = dict[tuple[int, str], tuple[str, int]]


def open_endings(
    transaction: Connection, after: int, most: int, quiet: float, *, only_new: bool = False
) -> list[Ending]:
    """Lock endings that are not done, or of the newest those that no sweep has seen, behind that of pk `after`.

    What another sweep has is left to it. After `quiet` seconds no statement runs any more that began before one saw it.
    """
    values = {"after": after, "most": most, "quiet": quiet}
    return [Ending(*row) for row in transaction.execute(_UNSEEN if only_new else _OPEN, values)]


def end_rows(
    transaction: Connection, endings: Sequence[Ending], places: Places, most: int
) -> tuple[Counter[int], Ended]:
    """End the next live rows of what ended, at most so many. The one place where the feed ends rows.

    `endings` are locked; `places`, how far the walk has come, is brought up to date. The sums of each connector follow
    by themselves. Returns how many rows each ending, by its pk, has found, and what of connectors' it has ended.
    """
    found: dict[str, list[Any]] = {}
    for type_, fed in FED.items():
        chosen = [ending for ending in endings if ending.type == type_]
        for ledger in fed.ledgers if chosen else ():
            if most <= 0:
                break
            begun = [places.get((ending.pk, ledger), _BEGINNING) for ending in chosen]
            looked_for = {
                "endings": array(ending.pk for ending in chosen),
                "pks": array(ending.of_pk for ending in chosen),
                "untils": array(ending.until and ending.until[ledger] for ending in chosen),
                "times": array(time for time, _ in begun),
                "places": array(pk for _, pk in begun),
            }
            rows = transaction.execute(_find(type_, ledger), {"rows": most, **looked_for}).all()
            most -= len(rows)
            found.setdefault(ledger, []).extend(rows)
    # All at once and in their order, as whoever writes rows of a connector does; only then a row is touched.
    connectors = {row.connector_pk for rows in found.values() for row in rows if row.connector_pk is not None}
    # What is done is told in the order of their events.
    connectors.update(*(ending.connectors for ending in endings if ending.is_quiet))
    if connectors:
        lock_connectors(transaction, connectors)
    looked_at: Counter[int] = Counter()
    ended: Ended = {}
    for ledger, rows in found.items():
        gone = set(transaction.execute(_end(ledger), {"pks": array(row.pk for row in rows)}).scalars()) if rows else ()
        for row in rows:
            looked_at[row.ending] += 1
            # In the order of the index, so the last one of each is the furthest.
            places[row.ending, ledger] = (row.made, row.pk)
            if row.pk in gone and row.connector_pk is not None:
                ended.setdefault(row.ending, {}).setdefault(row.connector_pk, Counter())[_RECORDS[ledger]] += 1
    return looked_at, ended


def lock_connectors(transaction: Connection, pks: Iterable[int]) -> None:
    """Lock the states of connectors in ascending order; wait for so long at most."""
    transaction.execute(_LOCK, {"pks": array(sorted(pks)), "wait": LOCK_MILLISECONDS})


def mark(transaction: Connection, *, new: Sequence[int], old: Sequence[int], done: Sequence[int], ended: Ended) -> None:
    """Write down which endings were seen, of which the last writers are waited for from now on, and which are done.

    Where events go out, what they have `ended` is added to what they ended before, and told when they are done.
    """
    told = ended if event_bus() else {}
    if new or old or done or told:
        values = {"new": array(new), "old": array(old), "done": array(done), "changed": array(told)}
        transaction.execute(_MARK, {**values, "ended": json.dumps(told)})


# The comparison of three columns leaves the planner no choice but the index that gives the rows in their order
# (repositories/sync/disconnecting.py).
@cache
def _find(type_: str, ledger: str) -> TextClause:
    column = f"{type_}_pk"
    # Choices of providers have none.
    connector = "found.workspace_connector_pk" if "workspace_connector_pk" in table_of(ledger).c else "NULL::bigint"
    return text(f"""
SELECT ended.ending, old.pk, CAST(old.created_at AS text) AS made, old.connector_pk
  FROM unnest(CAST(:endings AS bigint[]), CAST(:pks AS bigint[]), CAST(:untils AS bigint[]),
              CAST(:times AS timestamptz[]), CAST(:places AS bigint[]))
       AS ended (ending, of_pk, until, time, place)
 CROSS JOIN LATERAL (
    SELECT found.created_at, found.pk, {connector} AS connector_pk
      FROM {table_of(ledger)} AS found
     WHERE (found.{column}, found.created_at, found.pk) > (ended.of_pk, ended.time, ended.place)
       AND (found.{column}, found.created_at, found.pk) < (ended.of_pk + 1, '-infinity', 0)
       AND found.deleted_at IS NULL AND (ended.until IS NULL OR found.pk <= ended.until)
     ORDER BY found.{column}, found.created_at, found.pk
     LIMIT (SELECT CAST(:rows AS integer))) AS old
 LIMIT :rows""")


@cache
def _end(ledger: str) -> TextClause:
    # What is removed is not selected (contract, section 4).
    also = ", is_selected = false" if ledger == "workspace_providers" else ""
    return text(f"""
UPDATE {table_of(ledger)}
   SET deleted_at = now(), updated_at = now(){also}
 WHERE pk = ANY (CAST(:pks AS bigint[])) AND deleted_at IS NULL
RETURNING pk""")
