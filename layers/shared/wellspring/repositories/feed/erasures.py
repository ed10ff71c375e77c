"""Erasing a person or a workspace: what names them goes from wherever it is kept, and the id never stands for anybody.

A person is one transaction. Of a workspace nobody sees anything at once, and all in it loses its texts chunk by chunk,
in rounds through all that may hold one. The first begins at once; whoever was writing then may leave something behind
it, so the last begins when they are gone (docs/adr/0057). Source: contract, section 6.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from wellspring.models import feed, parents
from wellspring.repositories.feed import sources
from wellspring.repositories.feed.applying import FED, lock_types
from wellspring.repositories.feed.endings import lock_connectors
from wellspring.repositories.feed.work import APPLIED, STALE, FeedEvent, Verdict, of_another
from wellspring.repositories.sync.arrays import array
from wellspring.resources import OWN_WORKSPACE, WORKSPACE_CONNECTOR, WORKSPACE_MEMBERSHIP, resource_of

# What is shown instead: a name has at least one character.
ERASED = "Erased"
# Rows that one transaction changes, or looks at where it looks through a table.
CHUNK = 1000
LOOKED_AT = 10_000
# Of bodies, each of which may be long.
BODIES = 100

# How many more resources of a source and type are live now.
type Live = Counter[tuple[str, str]]

_LOOK = text(f"""
SELECT known.pk, known.deleted_at IS NULL AS is_live, coalesce(known.source, gone.source) AS source,
       erased.pk AS erasure
  FROM (SELECT CAST(:id AS uuid) AS id) AS subject
  LEFT JOIN {parents.workspaces} AS known ON known.id = subject.id
  LEFT JOIN {feed.tombstones} AS gone ON gone.type = '{OWN_WORKSPACE.type}' AND gone.id = subject.id
  LEFT JOIN {feed.erasures} AS erased ON erased.workspace_id = subject.id""")

_BURY = text(f"""
INSERT INTO {feed.erasures} (workspace_id, workspace_pk, source, source_version)
VALUES (:id, :pk, :source, :version)""")

_ERASE = text(f"""
UPDATE {parents.workspaces}
   SET name = '{ERASED}', deleted_at = coalesce(deleted_at, now()), updated_at = now(), source = :source,
       source_version = greatest(source_version, :version)
 WHERE pk = :pk""")

_AGAIN = text(f"""
UPDATE {feed.erasures} SET erased_at = now(), place = '{{}}', boundary = NULL, done_at = NULL WHERE pk = :pk""")


def _erase_workspace(transaction: Connection, event: FeedEvent) -> tuple[Verdict, Live]:
    """Do as `erase` does; what is in the workspace follows by `go_on`, and told again, all is looked through again."""
    known = transaction.execute(_LOOK, {"id": event.subject}).one()
    if known.erasure is not None:
        transaction.execute(_AGAIN, {"pk": known.erasure})
        return STALE, Counter()
    if known.source not in {None, event.source}:
        return of_another(event), Counter()
    told = {"pk": known.pk, "source": event.source, "version": event.version}
    transaction.execute(_BURY, {"id": event.subject, **told})
    if known.pk is None:
        return APPLIED, Counter()
    transaction.execute(_ERASE, told)
    was_counted = known.is_live and known.source is not None
    return APPLIED, Counter({(event.source, event.type): -1} if was_counted else {})


@dataclass(frozen=True, slots=True)
class Chunk:
    """How many rows one transaction changed; where all is done of a workspace, `gone` says how many went, by type."""

    workspace_id: str
    changed: int
    gone: Mapping[str, int] | None = None


# As a sweep of endings has it (`endings.open_endings`): by `boundary` it is known which transactions may leave
# something behind, once it was erased so long ago that this can be known; where it is quiet, all of those are over.
_OPEN = text(f"SELECT pk FROM {feed.erasures} WHERE done_at IS NULL ORDER BY pk")
_TAKE = text(f"""
SELECT pk, workspace_pk, CAST(workspace_id AS text) AS workspace_id, place, gone, boundary IS NOT NULL AS has_boundary,
       erased_at < now() - make_interval(secs => :quiet) AS is_old,
       coalesce(boundary <= CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint), false) AS is_quiet
  FROM {feed.erasures}
 WHERE pk = :pk AND done_at IS NULL
   FOR UPDATE SKIP LOCKED""")
_KEEP = text(f"""
UPDATE {feed.erasures}
   SET place = CAST(:place AS jsonb), gone = CAST(:gone AS jsonb), done_at = CASE WHEN :is_done THEN now() END,
       boundary = CASE WHEN :marks THEN CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)
                       ELSE boundary END
 WHERE pk = :pk""")


def open_erasures(transaction: Connection) -> list[int]:
    """Return the pks of the erasures that are not done."""
    return list(transaction.execute(_OPEN).scalars())


def go_on(transaction: Connection, pk: int, quiet: float) -> Chunk | None:
    """Go on with an erasure for one chunk.

    None where there is nothing to do now: somebody else goes on with it, or others are waited for. After `quiet`
    seconds no statement runs any more that began before it.
    """
    row = transaction.execute(_TAKE, {"pk": pk, "quiet": quiet}).one_or_none()
    if row is None:
        return None
    if row.place is None and not row.is_quiet:
        if row.is_old and not row.has_boundary:
            kept = {"pk": pk, "place": None, "gone": json.dumps(row.gone), "is_done": False, "marks": True}
            transaction.execute(_KEEP, kept)
        return None
    # How far the round has come; None between two.
    place = row.place or {"is_last": row.is_quiet}
    number, is_last = place.get("step", 0), place.get("is_last", False)
    name, run, begins = _steps()[number]
    done = run(transaction, row, place.get("after", begins))
    gone = row.gone | ({name: row.gone.get(name, 0) + done.changed} if done.changed else {})
    is_over = done.reached is None and number + 1 == len(_steps())
    is_done = is_over and is_last
    reached = {"step": number + 1} if done.reached is None else {"step": number, "after": done.reached}
    at = None if is_over else json.dumps({**reached, "is_last": is_last})
    transaction.execute(_KEEP, {"pk": pk, "place": at, "gone": json.dumps(gone), "is_done": is_done, "marks": False})
    # The last that locks: whoever tells of the same types waits from here on.
    sources.count(transaction, (), done.live, is_new=False)
    return Chunk(row.workspace_id, done.changed, gone if is_done else None)


@dataclass(frozen=True, slots=True)
class Done:
    """How many rows a step changed, where it goes on (None: it has ended), and how many more resources are live now."""

    changed: int
    reached: object = None
    live: Live = field(default_factory=Counter)


# One kind of what may hold a text, as the report calls it; what does a chunk of the workspace behind a place (its pk is
# None where it was never seen); and the first place.
type Step = tuple[str, Callable[[Connection, Row[Any], Any], Done], object]


# ---- what the feed told, and syncs made --------------------------------------------------------------------
_END_LEDGERS = text(f"INSERT INTO {feed.endings} (type, of_pk) SELECT :type, unnest(CAST(:pks AS bigint[]))")


def _blank(type_: str) -> dict[str, str]:
    """Return what each text of a type becomes; times, directions and a member's codes stay."""
    if type_ == WORKSPACE_MEMBERSHIP.type:
        return {}
    return {
        attribute.name: "'{}'" if attribute.kind == "texts" else f"'{ERASED}'" if attribute.required else "NULL"
        for attribute in resource_of(type_).told
        if attribute.kind in {"text", "texts"}
    }


@cache
def _find(type_: str) -> TextClause:
    """Return the statement that finds rows of a workspace in which something is left: live ones end, and come first."""
    table, blank = FED[type_].table, _blank(type_)
    is_left = [f"found.{name} IS DISTINCT FROM {value}" for name, value in blank.items()]
    if type_ == "people":
        is_left.append("found.erased_at IS NULL")
    dead = f"""
         UNION ALL
        (SELECT found.pk FROM {table} AS found
          WHERE found.workspace_pk = :workspace AND found.deleted_at IS NOT NULL AND ({" OR ".join(is_left)})
          LIMIT :most)"""
    return text(f"""
SELECT chosen.pk
  FROM ((SELECT found.pk FROM {table} AS found
          WHERE found.workspace_pk = :workspace AND found.deleted_at IS NULL
          LIMIT :most){dead if is_left else ""}) AS chosen
 LIMIT :most""")


@cache
def _empty(type_: str) -> TextClause:
    sets = [f"{name} = {value}" for name, value in _blank(type_).items()]
    if type_ == "people":
        sets.append("erased_at = coalesce(erased_at, now())")
    sets += ["deleted_at = coalesce(deleted_at, now())", "updated_at = now()"]
    return text(f"""
UPDATE {FED[type_].table} SET {", ".join(sets)}
 WHERE pk = ANY (CAST(:pks AS bigint[]))
RETURNING pk, source, old.deleted_at IS NULL AS was_live""")


def _of_type(transaction: Connection, workspace: Row[Any], _after: object, type_: str) -> Done:
    """Take the texts of resources of the workspace, and end those that are live, with their rows of provenance."""
    found = transaction.execute(_find(type_), {"workspace": workspace.workspace_pk, "most": CHUNK}).scalars().all()
    if type_ == WORKSPACE_CONNECTOR.type and found:
        lock_connectors(transaction, found)
    # Whoever tells of some of them writes them in another order.
    lock_types(transaction, (), exclusive=(type_,))
    rows = transaction.execute(_empty(type_), {"pks": array(found)}).all() if found else []
    ended = [row for row in rows if row.was_live]
    if FED[type_].ledgers and ended:
        transaction.execute(_END_LEDGERS, {"type": type_, "pks": array(row.pk for row in ended)})
    return Done(len(rows), "" if len(found) == CHUNK else None, _fewer(type_, ended))


def _fewer(type_: str, ended: Iterable[Any]) -> Live:
    """Return how many fewer are live, of rows that have ended."""
    return Counter(
        {key: -number for key, number in Counter((row.source, type_) for row in ended if row.source).items()}
    )


# Its people are members elsewhere, too.
_PEOPLE = text(f"""
SELECT pk FROM {FED["people"].table} WHERE workspace_pk = :workspace AND pk > :after ORDER BY pk LIMIT :most""")
_END_MEMBERSHIPS = tuple(
    text(f"""
UPDATE {table} SET deleted_at = now(), updated_at = now()
 WHERE people_pk = ANY (CAST(:people AS bigint[])) AND deleted_at IS NULL
RETURNING pk, {source} AS source""")
    for table, source in (
        (parents.workspace_memberships, "source"),
        (parents.workspace_group_memberships, "NULL::text"),
    )
)


def _end_memberships(transaction: Connection, people: Iterable[int]) -> tuple[int, Live]:
    """End the memberships of people, of workspaces and of groups; return how many, and how many fewer are live."""
    pks = array(people)
    ended = [row for end in _END_MEMBERSHIPS for row in transaction.execute(end, {"people": pks})]
    return len(ended), _fewer(WORKSPACE_MEMBERSHIP.type, ended)


def _elsewhere(transaction: Connection, workspace: Row[Any], after: int) -> Done:
    people = (
        transaction.execute(_PEOPLE, {"workspace": workspace.workspace_pk, "after": after, "most": CHUNK})
        .scalars()
        .all()
    )
    if not people:
        return Done(0)
    lock_types(transaction, (), exclusive=(WORKSPACE_MEMBERSHIP.type,))
    changed, live = _end_memberships(transaction, people)
    return Done(changed, people[-1], live)


# ---- what is kept of what was sent -------------------------------------------------------------------------
# What is no event may hold an id all the same: in whatever member, in a subject without hyphens, or in one of several
# events of a body that is no JSON.
_SAYS_ID = "strpos(replace(lower(event), '-', ''), replace(CAST(:id AS text), '-', '')) > 0"
# What was parked stays with its outcome.
_EMPTIED = """event = NULL, missing_type = NULL, missing_key = NULL, updated_at = now(),
       outcome = CASE WHEN outcome = 'parked' THEN 'dismissed' ELSE outcome END"""
# Each is asked with all of these: `:id` and `:workspace`, `:after` which place, and how many rows. It says how many it
# changed, and where it goes on. What only the owner of its table may read, a function forgets.
# What waits is of no use any more. What is no event is known by the id of the workspace, or by a resource that it says
# to be about.
_EVENTS = f"""
WITH looked_at AS MATERIALIZED (
  SELECT pk, outcome, subject, event, note FROM {feed.pending_events} WHERE pk > :after ORDER BY pk LIMIT :looked_at
), chosen AS MATERIALIZED (
  SELECT pk, outcome FROM looked_at
   WHERE (event IS NOT NULL OR note IS NOT NULL)
     AND (subject = CAST(:id AS uuid)
          OR {_SAYS_ID}
          OR CAST(:workspace AS bigint) IN ({
    " UNION ALL ".join(
        f"SELECT workspace_pk FROM {fed.table} AS of_it WHERE of_it.id = looked_at.subject"
        for fed in FED.values()
        if "workspace" in fed.references
    )
}))
), dropped AS (
  DELETE FROM {feed.pending_events} WHERE pk = ANY (ARRAY(SELECT pk FROM chosen WHERE outcome = 'waiting'))
), emptied AS (
  UPDATE {feed.pending_events}
     SET note = NULL, problems = '[]', {_EMPTIED}
   WHERE pk = ANY (ARRAY(SELECT pk FROM chosen WHERE outcome <> 'waiting'))
)
SELECT (SELECT count(*) FROM chosen) AS changed, (SELECT max(pk) FROM looked_at) AS reached"""
# From the beginning again, until nothing is left.
_FORGET = """
SELECT changed, CASE WHEN changed = :chunk THEN '' END
  FROM wellspring.{}(CAST(:workspace AS bigint), :chunk) AS changed"""
_ANSWERS = """
SELECT changed, reached
  FROM wellspring.forget_answers_of(CAST(:workspace AS bigint), CAST(:after AS text[]), :chunk)"""
_PEOPLE_IN_MESSAGES = """
SELECT changed, reached FROM wellspring.forget_people_in_messages(CAST(:after AS text[]), :bodies)"""


def _sent(transaction: Connection, workspace: Row[Any], after: object, statement: str) -> Done:
    asked = {"after": after, "id": workspace.workspace_id, "workspace": workspace.workspace_pk}
    most = {"looked_at": LOOKED_AT, "chunk": CHUNK, "bodies": BODIES}
    return Done(*transaction.execute(text(statement), asked | most).one())


@cache
def _steps() -> tuple[Step, ...]:
    """Return what a round goes through, in this order."""
    sent: tuple[tuple[str, str, object], ...] = (
        ("feed_event", _EVENTS, 0),
        ("sync_message", _FORGET.format("forget_messages_of"), ""),
        ("sync_run", _FORGET.format("forget_runs_of"), ""),
        ("note", _FORGET.format("forget_notes_of"), ""),
        ("kept_answer", _ANSWERS, ["", ""]),
        ("message_elsewhere", _PEOPLE_IN_MESSAGES, ["in_progress", "-infinity", "0"]),
    )
    return (
        *((type_, partial(_of_type, type_=type_), "") for type_, fed in FED.items() if "workspace" in fed.references),
        ("membership_elsewhere", _elsewhere, 0),
        *((name, partial(_sent, statement=statement), begins) for name, statement, begins in sent),
    )


# ---- a person ----------------------------------------------------------------------------------------------
# Whoever tells of a person, or makes one, waits for the lock of their type: neither changes any more.
_LOOK_FOR_PERSON = text(f"""
SELECT source, erased_at IS NOT NULL AS is_erased
  FROM (SELECT 1 AS place, source, erased_at FROM {parents.peoples} WHERE id = :id
         UNION ALL
        SELECT 2, source, erased_at FROM {feed.tombstones} WHERE type = 'people' AND id = :id) AS found
 ORDER BY place
 LIMIT 1""")

# Waits for whoever makes a membership of this person, and keeps others from it until all that there are have ended.
_TAKE_PERSON = text(f"""
SELECT pk, source, deleted_at IS NULL AS is_live FROM {parents.peoples} WHERE id = :id FOR UPDATE""")

_BURY_PERSON = text(f"""
INSERT INTO {feed.tombstones} AS old (type, id, source, source_version, erased_at)
VALUES ('people', :id, :source, :version, now())
    ON CONFLICT (type, id) DO UPDATE
   SET erased_at = now(), source_version = greatest(old.source_version, excluded.source_version)""")

_ERASE_PERSON = text(f"""
UPDATE {parents.peoples}
   SET full_name = '{ERASED}', erased_at = now(), deleted_at = coalesce(deleted_at, now()), updated_at = now(),
       source = :source, source_version = greatest(source_version, :version)
 WHERE pk = :pk""")

_FORGET_PERSON = (
    # Before the person, as a sync locks them: the message first, and then what it names.
    text("SELECT wellspring.forget_in_messages(CAST(:id AS uuid))"),
    text("SELECT wellspring.forget_in_answers(CAST(:id AS uuid))"),
    text(f"DELETE FROM {feed.pending_events} WHERE outcome = 'waiting' AND type = 'people' AND subject = :id"),
    *(
        text(f"UPDATE {feed.pending_events} SET {_EMPTIED} WHERE {theirs}")
        # Of what is no event only those that were parked for it are looked through.
        for theirs in ("subject = :id", f"reason = 'malformed' AND event IS NOT NULL AND {_SAYS_ID}")
    ),
)


def erase(transaction: Connection, event: FeedEvent) -> tuple[Verdict, Live]:
    """Erase the person or workspace that `event` names, whatever its version; nobody can be erased twice.

    Told again, an erasure takes away what names them by then: in a database that was restored, or was older.
    """
    lock_types(transaction, (), exclusive=(event.type,))
    return (_erase_person if event.type == "people" else _erase_workspace)(transaction, event)


def _erase_person(transaction: Connection, event: FeedEvent) -> tuple[Verdict, Live]:
    told = {"id": event.subject, "source": event.source, "version": event.version}
    before = transaction.execute(_LOOK_FOR_PERSON, told).one_or_none()
    is_erased = before is not None and before.is_erased
    if before is not None and not is_erased and before.source not in {None, event.source}:
        return of_another(event), Counter()
    for forget in _FORGET_PERSON:
        transaction.execute(forget, told)
    if is_erased:
        return STALE, Counter()
    person = transaction.execute(_TAKE_PERSON, told).one_or_none()
    if person is None:
        transaction.execute(_BURY_PERSON, told)
        return APPLIED, Counter()
    transaction.execute(_ERASE_PERSON, {"pk": person.pk, **told})
    _, live = _end_memberships(transaction, [person.pk])
    if person.is_live:
        transaction.execute(_END_LEDGERS, {"type": "people", "pks": array([person.pk])})
        live.update(_fewer("people", [person]))
    return APPLIED, live
