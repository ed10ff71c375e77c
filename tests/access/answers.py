"""Model of the answers of several rows and sums (contract, section 7), in plain Python.

Written from the contract, apart from the code under test. Each question knows its URL and what a caller is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.access.model import (
    Caller,
    Provenance,
    Record,
    Row,
    Service,
    Workspace,
    WorkspaceConnector,
    World,
    groups_of,
    instant,
    linked,
    workspaces_of,
)
from tests.access.worlds import BEGINNING, DIRECTIONS, FIRST_PK

TYPES: Mapping[str, str] = {"account": "accounts", "company": "companies", "people": "peoples"}
ROUTES: Mapping[str, str] = {"account": "/v1/accounts", "company": "/v1/companies", "people": "/v1/people"}
CONNECTORS, MESSAGES = "/v1/workspace-connectors", "/v1/sync-messages"
FIRST, LAST = date(2023, 12, 1), date(2024, 2, 28)
RANGE = f"filter[date][gte]={FIRST}&filter[date][lte]={LAST}"

# A list shows so many of a message's problems; one message alone has all.
PROBLEMS_IN_A_LIST = 5

type Told = tuple[int, Any]


def kept_of(connector: WorkspaceConnector) -> tuple[datetime | None, int]:
    """Return when a connector was last synced, and how many of its messages are parked, as these worlds keep it."""
    # Another time for each, and none for every third.
    if connector.pk % 3 == 0:
        return None, 0
    return BEGINNING + timedelta(hours=connector.pk % 100), connector.pk % 4


@dataclass(frozen=True)
class SyncMessage:
    """A message of the sync queue: of a connector, of a workspace alone, or of neither.

    Each of its problems has a code, a type and an id; they are in no order.
    """

    pk: int
    id: UUID
    connector: WorkspaceConnector | None
    workspace: Workspace | None
    received_at: datetime
    outcome: str
    reason: str | None
    problems: tuple[tuple[str, str, str], ...]
    run: str | None
    body: str | None

    @property
    def said(self) -> dict[str, Any]:
        """What its row and its resource object have alike."""
        processed_at = None if self.outcome == "parked" else instant(self.received_at)
        times = {"received_at": instant(self.received_at), "processed_at": processed_at}
        names = {"message_id": str(self.id), "message_type": "records.synced"}
        return {**names, **times, "counts": {}, "outcome": self.outcome, "run": self.run}

    def columns(self) -> dict[str, Any]:
        """Return what a table has of it, as JSON."""
        return self.said | {
            "pk": self.pk,
            "id": str(self.id),
            "workspace_connector_pk": self.connector and self.connector.pk,
            "workspace_pk": self.workspace and self.workspace.pk,
            "reason": self.reason,
            "problems": [{"code": code, "type": type_, "id": id_} for code, type_, id_ in self.problems],
            "problem_count": len(self.problems),
            "body": self.body,
        }

    def reason_for(self, caller: Caller) -> str | None:
        """Return why it is parked, as somebody may know it."""
        return self.reason and _known(caller, self.reason)

    def shown_to(self, caller: Caller, *, alone: bool) -> tuple[Any, ...]:
        """Return its id, attributes and linkage, as somebody sees them in a list or alone."""
        problems = [
            {"code": _known(caller, code), "type": type_, "id": id_}
            for code, type_, id_ in sorted(self.problems, key=lambda problem: problem[1:])
        ]
        attributes = self.said | {
            **dict.fromkeys(("direction", "mode", "occurred_at")),
            "reason": self.reason_for(caller),
            "problems": problems if alone else problems[:PROBLEMS_IN_A_LIST],
            **({"body": self.body} if alone and isinstance(caller, Service) else {}),
        }
        return str(self.id), attributes, *(row and str(row.id) for row in (self.connector, self.workspace))


def _known(caller: Caller, code: str) -> str:
    """Return a code as somebody may know it: to a person a tenant mismatch is an unknown record."""
    return "unknown_record" if code == "tenant_mismatch" and not isinstance(caller, Service) else code


def messages_of(world: World) -> list[SyncMessage]:
    """Return the messages of these worlds, in the order of arrival: of all connectors and workspaces, and of nobody."""
    made: list[SyncMessage] = []
    subjects: list[tuple[WorkspaceConnector | None, Workspace | None]] = [(None, None)]
    subjects += [(None, workspace) for workspace in world.workspaces]
    subjects += [(connector, connector.workspace) for connector in world.workspace_connectors]
    for place, (connector, workspace) in enumerate(subjects):
        chance = Random(f"{place} {connector} {workspace}")
        for _ in range(chance.choice((1, 2, 4))):
            outcome = chance.choice(("applied", "in_progress", "parked", "parked", "dismissed"))
            problems: list[tuple[str, str, str]] = []
            if outcome in {"parked", "dismissed"}:
                codes = ("tenant_mismatch", "unknown_record")
                problems = [
                    (chance.choice(codes), chance.choice(tuple(TYPES)), f"{n}") for n in range(chance.choice((1, 7)))
                ]
                chance.shuffle(problems)
            number = len(made)
            made.append(
                SyncMessage(
                    pk=FIRST_PK + number,
                    id=UUID(f"01900000-00ff-7000-8000-{number:012x}"),
                    connector=connector,
                    workspace=workspace,
                    received_at=BEGINNING + timedelta(hours=chance.randrange(3)),
                    outcome=outcome,
                    reason=chance.choice(("tenant_mismatch", "unknown_record", "overtaken")) if problems else None,
                    problems=tuple(problems),
                    run=chance.choice(("one", "two", None)),
                    body="sent" if outcome == "parked" else None,
                )
            )
    return made


# ---- who sees what -------------------------------------------------------------------------------------------
def may_read(caller: Caller) -> bool:
    """Say whether somebody may read at all: every person, and services with the scope."""
    return not isinstance(caller, Service) or "system:read" in caller.scopes


def rows_of(world: World, type_: str) -> list[Provenance]:
    return world.of(f"{type_}_workspace_connector")


# ---- the answers ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Activity:
    """How much the connectors of a list or of a workspace linked and ended, by day or in all."""

    connectors: tuple[UUID, ...] = ()
    workspace: UUID | None = None
    in_all: bool = False

    @property
    def url(self) -> str:
        named = ",".join(map(str, self.connectors))
        of = f"filter[workspace]={self.workspace}" if self.workspace else f"filter[workspace_connector]={named}"
        more = "sum[by]=connector&page[size]=100" if self.in_all else "page[size]=500"
        return f"/v1/connector-activity?{of}&{RANGE}&{more}"

    def told(self, world: World, caller: Caller) -> Told:
        seen = workspaces_of(world, caller)
        if self.workspace and self.workspace not in {workspace.id for workspace in seen}:
            return 403, None
        mine = [
            row
            for row in world.workspace_connectors
            if row.workspace in seen and (row.workspace.id == self.workspace or row.id in self.connectors)
        ]
        found: list[Any] = []
        for connector in sorted(mine, key=lambda row: row.pk):
            days = _days_of(world, connector)
            if self.in_all:
                found.append((str(connector.id), *_added_up([*days.values()])))
            else:
                found += [(f"{connector.id}:{on}", *days[on]) for on in sorted(days, reverse=True)]
        return 200, found

    def shown(self, document: Any) -> Any:
        return [(item["id"], item["attributes"]["linked"], item["attributes"]["ended"]) for item in document["data"]]


type Sums = dict[str, dict[str, int]]


def _no_sums() -> Sums:
    return {type_: dict.fromkeys(DIRECTIONS, 0) for type_ in TYPES}


def _days_of(world: World, connector: WorkspaceConnector) -> dict[date, tuple[Sums, Sums]]:
    """Return what a connector linked and ended on each day on which it did something."""
    days: dict[date, tuple[Sums, Sums]] = {}
    for type_ in TYPES:
        for row in rows_of(world, type_):
            for place, at in enumerate((row.created_at, row.deleted_at)):
                if row.workspace_connector is connector and at is not None and FIRST <= at.date() <= LAST:
                    sums = days.setdefault(at.date(), (_no_sums(), _no_sums()))[place]
                    sums[type_][row.direction] += 1
    return days


def _added_up(days: Sequence[tuple[Sums, Sums]]) -> list[Sums]:
    return [
        {type_: {way: sum(day[place][type_][way] for day in days) for way in DIRECTIONS} for type_ in TYPES}
        for place in range(2)
    ]


@dataclass(frozen=True)
class Sources:
    """Where a record came from and where it went."""

    type: str
    id: UUID

    @property
    def url(self) -> str:
        return f"{ROUTES[self.type]}/{self.id}/sources?page[size]=500"

    def told(self, world: World, caller: Caller) -> Told:
        seen = workspaces_of(world, caller)
        record = next((row for row in world.of(self.type) if row.id == self.id), None)
        if record is None or not record.is_live or record.workspace not in seen:
            return 404, None
        groups: dict[tuple[int, str], list[Provenance]] = {}
        for row in rows_of(world, self.type):
            connector = row.workspace_connector
            # A dead row outlives its connector, but not the connector's workspace.
            if row.record is record and connector.workspace in seen and (connector.is_live or not row.is_live):
                groups.setdefault((connector.pk, row.direction), []).append(row)
        found = [
            (
                max(row.created_at for row in rows),
                pk,
                way,
                {
                    "direction": way,
                    "first_at": instant(min(row.created_at for row in rows)),
                    "last_at": instant(max(row.created_at for row in rows)),
                    "last_occurred_at": None,
                    "rows": len(rows),
                    "live": sum(row.is_live for row in rows),
                    "rows_is_capped": False,
                },
                f"{record.id}:{rows[0].workspace_connector.id}:{way}",
            )
            for (pk, way), rows in groups.items()
        ]
        return 200, [(id_, said) for *_, said, id_ in sorted(found, key=lambda one: one[:3], reverse=True)]

    def shown(self, document: Any) -> Any:
        return [(item["id"], item["attributes"]) for item in document["data"]]


def sole_of(world: World, caller: Caller, type_: str, id_: UUID) -> tuple[list[Record], list[Record]]:
    """Return the visible live records that a live connector brought in, the last one first, and those of it alone."""
    seen = workspaces_of(world, caller)
    rows = [
        row
        for row in sorted(rows_of(world, type_), key=lambda row: (row.created_at, row.pk), reverse=True)
        if row.is_live and row.direction == "input" and row.workspace_connector.is_live
    ]
    rows = [row for row in rows if row.workspace_connector.workspace in seen]
    mine = [row.record for row in rows if row.workspace_connector.id == id_]
    mine = [record for record in mine if record.is_live and record.workspace in seen]
    examined = list({record.id: record for record in mine}.values())
    shared = [row.record for row in rows if row.workspace_connector.id != id_]
    return examined, [record for record in examined if not any(record is other for other in shared)]


@dataclass(frozen=True)
class Impact:
    """What is lost without a connector."""

    id: UUID

    @property
    def url(self) -> str:
        return f"{CONNECTORS}/{self.id}/impact"

    def told(self, world: World, caller: Caller) -> Told:
        connector = next((row for row in world.workspace_connectors if row.id == self.id), None)
        if connector is None or not connector.is_live or connector.workspace not in workspaces_of(world, caller):
            return 404, None
        live = _no_sums()
        for type_ in TYPES:
            for row in rows_of(world, type_):
                live[type_][row.direction] += row.workspace_connector is connector and row.is_live
        looked = {type_: sole_of(world, caller, type_, self.id) for type_ in TYPES}
        return 200, {
            "live_rows": live,
            "sole_source": {type_: len(alone) for type_, (_, alone) in looked.items()},
            "examined": sum(len(examined) for examined, _ in looked.values()),
            "is_capped": False,
        }

    def shown(self, document: Any) -> Any:
        return document["data"]["attributes"]


@dataclass(frozen=True)
class SoleSource:
    """The records that nobody but one connector brings in."""

    type: str
    id: UUID

    @property
    def url(self) -> str:
        return f"{ROUTES[self.type]}?filter[sole_source]={self.id}&page[size]=500"

    def told(self, world: World, caller: Caller) -> Told:
        return 200, [str(record.id) for record in sole_of(world, caller, self.type, self.id)[1]]

    def shown(self, document: Any) -> Any:
        return [item["id"] for item in document["data"]]


@dataclass(frozen=True)
class States:
    """What is kept about the connectors of a workspace, the one that was synced longest ago first."""

    workspace: UUID

    @property
    def url(self) -> str:
        asked = f"filter[workspace]={self.workspace}&sort=last_synced_at&include=last_failure"
        return f"{CONNECTORS}?{asked}&page[size]=500"

    def told(self, world: World, caller: Caller) -> Told:
        if self.workspace not in {workspace.id for workspace in workspaces_of(world, caller)}:
            return 403, None
        mine = [row for row in world.workspace_connectors if row.is_live and row.workspace.id == self.workspace]
        never = datetime(1, 1, 1, tzinfo=UTC)
        mine.sort(key=lambda row: (kept_of(row)[0] or never, row.pk))
        failures = {row.id: self._last_failure(world, caller, row) for row in mine}
        # In the order of arrival.
        why = sorted(filter(None, failures.values()), key=lambda message: message.pk)
        said = [
            (
                str(row.id),
                synced_at and instant(synced_at),
                parked,
                sum(one.workspace_connector is row and one.is_live for type_ in TYPES for one in rows_of(world, type_)),
                failed and str(failed.id),
            )
            for row in mine
            for failed, (synced_at, parked) in ((failures[row.id], kept_of(row)),)
        ]
        return 200, [said, [message.shown_to(caller, alone=False) for message in why]] if said else []

    def _last_failure(self, world: World, caller: Caller, connector: WorkspaceConnector) -> SyncMessage | None:
        """Return the newest of a connector's messages that is parked."""
        found = (message for message in messages_seen(world, caller) if message.connector is connector)
        return next((message for message in found if message.outcome == "parked"), None)

    def shown(self, document: Any) -> Any:
        names = ("last_synced_at", "parked_messages", "live_rows")
        said = [
            (item["id"], *(item["attributes"][name] for name in names), failed and failed["id"])
            for item in document["data"]
            for failed in (item["relationships"]["last_failure"]["data"],)
        ]
        return [said, [_message_shown(item) for item in document["included"]]] if said else []


@dataclass(frozen=True)
class WorkspacesOfGroup:
    """The workspaces of a group, in the order of their enrolment."""

    group: UUID

    @property
    def url(self) -> str:
        return f"/v1/workspaces?filter[workspace_group]={self.group}&page[size]=500&page[total]=true"

    def told(self, world: World, caller: Caller) -> Told:
        group = next((row for row in groups_of(world, caller) if row.id == self.group), None)
        found = [] if group is None else [str(row.id) for row in linked(world, group, "workspaces")]
        return 200, [*found, len(found)] if found else []

    def shown(self, document: Any) -> Any:
        total = document["meta"]["page"]["total"]
        return [*(item["id"] for item in document["data"]), total] if total else document["data"]


@dataclass(frozen=True)
class FeedStatus:
    """How far the feed is, which has told nothing in these worlds; for services."""

    @property
    def url(self) -> str:
        return "/v1/feed-status"

    def told(self, _world: World, caller: Caller) -> Told:
        if not isinstance(caller, Service):
            return 403, None
        return 200, {"waiting": 0, "parked": 0, "lag_seconds": 0, "sources": [], "loads": [], "erasures": []}

    def shown(self, document: Any) -> Any:
        names = ("waiting", "parked", "lag_seconds", "sources", "loads", "erasures")
        return {name: document["data"]["attributes"][name] for name in names}


def messages_seen(world: World, caller: Caller) -> list[SyncMessage]:
    """Return the messages that somebody sees, the newest first; those of no workspace are for services."""
    seen = workspaces_of(world, caller)
    found = [
        message
        for message in messages_of(world)
        if (isinstance(caller, Service) if message.workspace is None else message.workspace in seen)
    ]
    # A connector's end leaves its messages.
    return sorted(found, key=lambda message: (message.received_at, message.pk), reverse=True)


@dataclass(frozen=True)
class Messages:
    """What syncs brought, and what failed and why."""

    workspace: UUID | None = None
    connectors: tuple[UUID, ...] = ()
    outcome: str | None = None
    reason: str | None = None
    run: str | None = None

    @property
    def url(self) -> str:
        asked = {
            "workspace": self.workspace,
            "workspace_connector": ",".join(map(str, self.connectors)),
            "outcome": self.outcome,
            "reason": self.reason,
            "run": self.run,
        }
        filters = "".join(f"filter[{name}]={value}&" for name, value in asked.items() if value)
        return f"{MESSAGES}?{filters}page[size]=500&page[total]=true"

    def told(self, world: World, caller: Caller) -> Told:
        if self.workspace and self.workspace not in {workspace.id for workspace in workspaces_of(world, caller)}:
            return 403, None
        found = [
            message.shown_to(caller, alone=False)
            for message in messages_seen(world, caller)
            if (not self.workspace or (message.workspace and message.workspace.id == self.workspace))
            and (not self.connectors or (message.connector and message.connector.id in self.connectors))
            and self.outcome in {None, message.outcome}
            and self.reason in {None, message.reason_for(caller)}
            and self.run in {None, message.run}
        ]
        return 200, [*found, len(found)] if found else []

    def shown(self, document: Any) -> Any:
        total = document["meta"]["page"]["total"]
        return [*map(_message_shown, document["data"]), total] if total else document["data"]


@dataclass(frozen=True)
class Message:
    """One message, with all its problems."""

    id: UUID

    @property
    def url(self) -> str:
        return f"{MESSAGES}/{self.id}"

    def told(self, world: World, caller: Caller) -> Told:
        for message in messages_seen(world, caller):
            if message.id == self.id:
                return 200, message.shown_to(caller, alone=True)
        return 404, None

    def shown(self, document: Any) -> Any:
        return _message_shown(document["data"])


def _message_shown(item: Any) -> tuple[Any, ...]:
    ends = (item["relationships"][name]["data"] for name in ("workspace_connector", "workspace"))
    return item["id"], item["attributes"], *(to and to["id"] for to in ends)


type Question = Activity | Sources | Impact | SoleSource | States | WorkspacesOfGroup | FeedStatus | Messages | Message


def told(world: World, caller: Caller, question: Question) -> Told:
    """Return the status of the answer and what it says, None where it is refused."""
    return question.told(world, caller) if may_read(caller) else (403, None)


def questions(world: World, ids: Mapping[str, UUID]) -> list[Question]:
    """Return all questions about these rows: a workspace, a connector of one, a message and a record of each type."""
    connector, workspace = ids["workspace_connector"], ids["workspace"]
    every = tuple(row.id for row in world.workspace_connectors)
    asked: list[Question] = [Impact(connector), States(workspace), FeedStatus()]
    for in_all in (False, True):
        asked += [
            Activity(tuple({connector: 0, **dict.fromkeys(every)}), in_all=in_all),
            Activity(workspace=workspace, in_all=in_all),
        ]
    for type_ in TYPES:
        asked += [Sources(type_, ids[type_]), SoleSource(type_, connector)]
    return [
        *asked,
        WorkspacesOfGroup(ids["workspace_group"]),
        Message(ids["sync_message"]),
        Messages(workspace),
        Messages(connectors=every or (connector,), reason="unknown_record"),
        Messages(workspace, reason="tenant_mismatch"),
        Messages(connectors=(connector,), run="one"),
        Messages(outcome="parked"),
    ]


def picked(rows: Sequence[Row] | Sequence[SyncMessage], number: int, otherwise: UUID) -> UUID:
    return rows[number % len(rows)].id if rows else otherwise
