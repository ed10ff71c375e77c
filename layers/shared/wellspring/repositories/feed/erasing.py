"""Erasing a person: the name goes from wherever it is kept, and the id never stands for anybody again.

One person is one transaction; a workspace goes on in chunks (`erasures`). Source: contract, section 6.
"""

from collections import Counter

from sqlalchemy import Connection, text

from wellspring.models import feed, parents
from wellspring.repositories.feed import erasures
from wellspring.repositories.feed.applying import lock_types
from wellspring.repositories.feed.erasures import ERASED
from wellspring.repositories.feed.work import APPLIED, STALE, FeedEvent, Verdict, of_another
from wellspring.repositories.sync.arrays import array

# Whoever tells of a person, or makes one, waits for the lock of their type: neither changes any more.
_LOOK = text(f"""
SELECT source, erased_at IS NOT NULL AS is_erased
  FROM (SELECT 1 AS place, source, erased_at FROM {parents.peoples} WHERE id = :id
         UNION ALL
        SELECT 2, source, erased_at FROM {feed.tombstones} WHERE type = 'people' AND id = :id) AS found
 ORDER BY place
 LIMIT 1""")

# Waits for whoever makes a membership of this person, and keeps others from it until all that there are have ended.
_PERSON = text(f"""
SELECT pk, source, deleted_at IS NULL AS is_live FROM {parents.peoples} WHERE id = :id FOR UPDATE""")

_BURY = text(f"""
INSERT INTO {feed.tombstones} AS old (type, id, source, source_version, erased_at)
VALUES ('people', :id, :source, :version, now())
    ON CONFLICT (type, id) DO UPDATE
   SET erased_at = now(), source_version = greatest(old.source_version, excluded.source_version)""")

_ERASE = text(f"""
UPDATE {parents.peoples}
   SET full_name = '{ERASED}', erased_at = now(), deleted_at = coalesce(deleted_at, now()), updated_at = now(),
       source = :source, source_version = greatest(source_version, :version)
 WHERE pk = :pk""")

_FORGET = (
    # Before the person, as a sync locks them: the message first, and then what it names.
    text("SELECT wellspring.forget_in_messages(CAST(:id AS uuid))"),
    text("SELECT wellspring.forget_in_answers(CAST(:id AS uuid))"),
    text(f"DELETE FROM {feed.pending_events} WHERE outcome = 'waiting' AND type = 'people' AND subject = :id"),
    text(f"""
UPDATE {feed.pending_events}
   SET event = NULL, missing_type = NULL, missing_key = NULL, updated_at = now(),
       outcome = CASE WHEN outcome = 'parked' THEN 'dismissed' ELSE outcome END
 WHERE subject = :id"""),
    # What is no event may hold the id all the same: in whatever member, in a subject without hyphens, or in one of
    # several events of a body that is no JSON. Only those that were parked for it are looked through.
    text(f"""
UPDATE {feed.pending_events}
   SET event = NULL, updated_at = now(), outcome = CASE WHEN outcome = 'parked' THEN 'dismissed' ELSE outcome END
 WHERE reason = 'malformed' AND event IS NOT NULL
   AND strpos(replace(lower(event), '-', ''), replace(CAST(:id AS text), '-', '')) > 0"""),
)


def erase(transaction: Connection, event: FeedEvent) -> tuple[Verdict, Counter[tuple[str, str]]]:
    """Erase the person or workspace that `event` names, whatever its version; nobody can be erased twice.

    Told again, an erasure takes away what names them by then: in a database that was restored, or was older.

    Returns what became of the event, and how many more resources of a source and type are live now.
    """
    if event.type != "people":
        return erasures.erase(transaction, event)
    lock_types(transaction, (), exclusive=("people",))
    nobody: Counter[tuple[str, str]] = Counter()
    before = transaction.execute(_LOOK, {"id": event.subject}).one_or_none()
    is_erased = before is not None and before.is_erased
    if before is not None and not is_erased and before.source not in {None, event.source}:
        return of_another(event), nobody
    for forget in _FORGET:
        transaction.execute(forget, {"id": event.subject})
    if is_erased:
        return STALE, nobody
    person = transaction.execute(_PERSON, {"id": event.subject}).one_or_none()
    if person is None:
        transaction.execute(_BURY, {"id": event.subject, "source": event.source, "version": event.version})
        return APPLIED, nobody
    transaction.execute(_ERASE, {"pk": person.pk, "source": event.source, "version": event.version})
    _, live = erasures.end_memberships(transaction, [person.pk])
    if person.is_live:
        transaction.execute(erasures.END_LEDGERS, {"type": "people", "pks": array([person.pk])})
        live.update(erasures.fewer("people", [person]))
    return APPLIED, live
