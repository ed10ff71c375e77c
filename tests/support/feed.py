"""Builds events of the feed, and has the feed's own functions apply them."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from tests.support.databases import AnyDatabase
from tests.support.world import Row, World
from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.repositories.feed.work import FeedEvent
from wellspring.services import feed
from wellspring.services.feed import Told, Verdict

type Event = dict[str, Any]
type Named = Row | UUID | str

SOURCE = "/well/test"
TIME = "2026-05-10T08:14:22Z"


def id_of(named: Named) -> str:
    return str(named.id if isinstance(named, Row) else named)


def event(
    type_: str,
    what: str,
    subject: Named,
    version: int = 1,
    data: Mapping[str, Any] | None = None,
    *,
    source: str = SOURCE,
) -> Event:
    """Return one event, as a producer sends it."""
    made: Event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": source,
        "type": f"wellspring.{type_}.{what}",
        "subject": id_of(subject),
        "sequence": str(version),
        "time": TIME,
    }
    return made if data is None else made | {"data": dict(data)}


def upserted(type_: str, subject: Named, version: int = 1, *, source: str = SOURCE, **data: Any) -> Event:
    """Return an upsert; what `data` does not say of a resource is made up, references apart."""
    usual: dict[str, dict[str, Any]] = {
        "workspace": {"name": "Workspace"},
        "people": {"full_name": "Ada Example"},
        "company": {"name": "Company"},
        "account": {"account_name": "Account"},
        "connector": {"name": "Connector"},
        "provider": {"name": "Provider", "slug": f"slug-{id_of(subject)}"},
        "workspace_connector": {"status": "active"},
        "workspace_membership": {"role": "member", "status": "active"},
    }
    given = {name: id_of(value) if isinstance(value, (Row, UUID)) else value for name, value in data.items()}
    return event(type_, "upserted", subject, version, usual[type_] | given, source=source)


def deleted(type_: str, subject: Named, version: int = 2, *, source: str = SOURCE) -> Event:
    return event(type_, "deleted", subject, version, source=source)


def erased(subject: Named, version: int = 2, *, source: str = SOURCE) -> Event:
    return event("people", "erased", subject, version, source=source)


def platform(companies: int = 1000) -> list[Event]:
    """Return the events of a made-up platform: three workspaces, five people, connectors, companies, memberships."""
    workspaces = [UUID(int=number + 1) for number in range(3)]
    people = [UUID(int=number + 100) for number in range(5)]
    connector = UUID(int=50)
    events = [upserted("workspace", one) for one in workspaces]
    events += [upserted("people", one, workspace_id=workspaces[number % 3]) for number, one in enumerate(people)]
    events.append(upserted("connector", connector))
    events += [
        upserted("workspace_connector", UUID(int=number + 60), workspace_id=one, connector_id=connector)
        for number, one in enumerate(workspaces)
    ]
    events += [
        upserted("workspace_membership", UUID(int=number + 200), workspace_id=workspaces[number % 3], people_id=one)
        for number, one in enumerate(people)
    ]
    events += [
        upserted("company", UUID(int=number + 10_000), workspace_id=workspaces[number % 3], name=f"Company {number}")
        for number in range(companies)
    ]
    return events


def park(database: AnyDatabase, source: str = SOURCE, id_: UUID | None = None) -> Row:
    """Keep an event that is parked and fails no more: the deletion of a company that never was."""
    kept = FeedEvent(
        source=source,
        event_id="e1",
        event_type="wellspring.company.deleted",
        type="company",
        subject=str(uuid4()),
        version=7,
        action="delete",
    )
    said: dict[str, Any] = {
        name: getattr(kept, name) for name in ("source", "event_id", "event_type", "type", "version")
    }
    said |= {"subject": UUID(kept.subject), "digest": sha256(kept.text.encode()).digest(), "event": kept.text}
    said |= {} if id_ is None else {"id": id_}
    problems = [{"code": "other_source"}]
    return World(database).make("feed_event", outcome="parked", reason="other_source", problems=problems, **said)


def told(*events: Event) -> list[Told]:
    """Return the events as the feed's functions take them."""
    return feed_events.parse(json.dumps(events))


def apply(*events: Event, seconds: float = 30.0) -> list[Verdict]:
    """Apply the events as one batch."""
    return feed.apply(told(*events), Deadline(seconds))


def statuses(*events: Event) -> list[str]:
    """Apply the events as one batch; return what became of each: its reason where it was parked."""
    return [verdict.reason or verdict.status for verdict in apply(*events)]


def settle() -> int:
    """Apply what waits and can be applied; return how many events that were."""
    return feed.settle(Deadline(30.0)).applied
