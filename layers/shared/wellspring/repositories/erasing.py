"""Erasing a person: the name goes from wherever it is kept, and the id never stands for anybody again.

One person is one transaction. Source: contract, section 6.
"""

import json

from sqlalchemy import Connection, text

from wellspring.models import feed, parents
from wellspring.repositories.feed import lock_types
from wellspring.repositories.feed_work import APPLIED, OTHER_SOURCE, STALE, FeedEvent, Verdict, parked

# What is shown instead: a name has at least one character.
ERASED = "Erased"

_LOOK = text(f"""
SELECT source, erased_at IS NOT NULL AS is_erased FROM {parents.peoples} WHERE id = :id""")

# Waits for whoever makes a membership of this person, and keeps others from it until all that there are have ended.
_PERSON = text(f"""
SELECT pk, full_name, source, deleted_at IS NULL AS is_live, erased_at IS NOT NULL AS is_erased
  FROM {parents.peoples} WHERE id = :id FOR UPDATE""")

_BURIED = text(f"""
SELECT source, erased_at IS NOT NULL AS is_erased FROM {feed.tombstones} WHERE type = 'people' AND id = :id""")

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

_END_LEDGER = text(f"INSERT INTO {feed.endings} (type, of_pk) VALUES ('people', :pk)")

_END_MEMBERSHIPS = text(f"""
UPDATE {parents.workspace_memberships}
   SET deleted_at = now(), updated_at = now()
 WHERE people_pk = :pk AND deleted_at IS NULL
RETURNING source""")

_END_GROUP_MEMBERSHIPS = text(f"""
UPDATE {parents.workspace_group_memberships}
   SET deleted_at = now(), updated_at = now()
 WHERE people_pk = :pk AND deleted_at IS NULL""")

_FORGET_WAITING = text(f"""
DELETE FROM {feed.pending_events} WHERE outcome = 'waiting' AND type = 'people' AND subject = :id""")

_FORGET_PARKED = text(f"""
UPDATE {feed.pending_events}
   SET event = NULL, missing_type = NULL, missing_key = NULL, updated_at = now(),
       outcome = CASE WHEN outcome = 'parked' THEN 'dismissed' ELSE outcome END
 WHERE subject = :id""")

# What is no event, and so has no subject, may hold the id all the same: in a subject of another form, or in one of
# several events of a body that is no JSON. Only those that were parked for it are looked through.
_FORGET_MALFORMED = text(f"""
UPDATE {feed.pending_events}
   SET event = NULL, updated_at = now(), outcome = CASE WHEN outcome = 'parked' THEN 'dismissed' ELSE outcome END
 WHERE reason = 'malformed' AND subject IS NULL AND position(CAST(:id AS text) IN lower(event)) > 0""")

_FORGET_MESSAGES = text("SELECT wellspring.forget_in_messages(CAST(:id AS uuid))")

_FORGET_ANSWERS = text(
    "SELECT wellspring.forget_in_answers(CAST(:id AS uuid), CAST(:written AS text[]), CAST(:instead AS text[]))"
)


def erase(transaction: Connection, event: FeedEvent) -> tuple[Verdict, dict[tuple[str, str], int]]:
    """Erase the person that `event` names, whatever its version; nobody can be erased twice.

    Returns:
        What became of the event, and how many more resources of a source and type are live now.

    Raises SQLAlchemy's `DBAPIError`.
    """
    lock_types(transaction, (), exclusive=("people",))
    live: dict[tuple[str, str], int] = {}
    named = {"id": event.subject, "source": event.source, "version": event.version}
    looked = transaction.execute(_LOOK, {"id": event.subject}).one_or_none()
    if looked is None or (looked.source in {None, event.source} and not looked.is_erased):
        # Before the person, as a sync locks them: the message first, and then what it names.
        transaction.execute(_FORGET_MESSAGES, {"id": event.subject})
    person = transaction.execute(_PERSON, {"id": event.subject}).one_or_none()
    before = person or transaction.execute(_BURIED, {"id": event.subject}).one_or_none()
    if before is not None and before.source not in {None, event.source}:
        return parked(OTHER_SOURCE, {"code": OTHER_SOURCE, "type": "people", "id": event.subject}), live
    if before is not None and before.is_erased:
        return STALE, live
    if person is None:
        transaction.execute(_BURY, named)
    else:
        transaction.execute(_ERASE, {"pk": person.pk, "source": event.source, "version": event.version})
        if person.is_live:
            transaction.execute(_END_LEDGER, {"pk": person.pk})
            if person.source is not None:
                live[event.source, "people"] = -1
        for (source,) in transaction.execute(_END_MEMBERSHIPS, {"pk": person.pk}):
            if source is not None:
                live[source, "workspace_membership"] = live.get((source, "workspace_membership"), 0) - 1
        transaction.execute(_END_GROUP_MEMBERSHIPS, {"pk": person.pk})
        written, instead = _written(person.full_name), _written(ERASED)
        transaction.execute(_FORGET_ANSWERS, {"id": event.subject, "written": written, "instead": instead})
    transaction.execute(_FORGET_WAITING, {"id": event.subject})
    transaction.execute(_FORGET_PARKED, {"id": event.subject})
    transaction.execute(_FORGET_MALFORMED, {"id": str(event.subject).lower()})
    transaction.execute(_FORGET_MESSAGES, {"id": event.subject})
    return APPLIED, live


def _written(name: str) -> list[str]:
    """Return `name` as it may stand in a kept answer: a document in JSON, which may be a string of JSON itself."""
    return [
        text
        for is_ascii in (True, False)
        for quoted in (json.dumps(name, ensure_ascii=is_ascii),)
        for text in (json.dumps(quoted, ensure_ascii=is_ascii)[1:-1], quoted)
    ]
