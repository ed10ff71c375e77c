"""What people ask of the ledger (contract, section 7), in plain Python: the model of answers of several rows and sums.

Written from the contract, apart from the code under test. Each question knows its URL and what a caller is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.access.model import (
    Caller,
    Provenance,
    Record,
    Row,
    Service,
    WorkspaceConnector,
    World,
    workspaces_of,
)

TYPES: Mapping[str, str] = {"account": "accounts", "company": "companies", "people": "peoples"}
ROUTES: Mapping[str, str] = {"account": "/v1/accounts", "company": "/v1/companies", "people": "/v1/people"}
CONNECTORS = "/v1/workspace-connectors"
DIRECTIONS = ("input", "output")
FIRST, LAST = date(2023, 12, 1), date(2024, 2, 28)
RANGE = f"filter[date][gte]={FIRST}&filter[date][lte]={LAST}"

type Told = tuple[int, Any]


@dataclass(frozen=True)
class Kept:
    """What is kept of a connector beside its rows: when it was last synced, and how many of its messages are parked."""

    last_synced_at: datetime | None
    parked_messages: int


def kept_of(connector: WorkspaceConnector) -> Kept:
    """Return what these worlds keep of a connector: another time for each, and none for every third."""
    if connector.pk % 3 == 0:
        return Kept(None, 0)
    return Kept(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=connector.pk % 100), connector.pk % 4)


# ---- who sees what -------------------------------------------------------------------------------------------


def may_read(caller: Caller) -> bool:
    """Say whether somebody may read at all: every person, and services with the scope."""
    return not isinstance(caller, Service) or "system:read" in caller.scopes


def rows_of(world: World, type_: str) -> list[Provenance]:
    rows: list[Provenance] = getattr(world, f"{type_}_workspace_connectors")
    return rows


def records_of(world: World, type_: str) -> Sequence[Record]:
    records: Sequence[Record] = getattr(world, TYPES[type_])
    return records


def instant(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(value: datetime) -> date:
    return value.astimezone(UTC).date()


def newest_first(rows: Sequence[Provenance]) -> list[Provenance]:
    return sorted(rows, key=lambda row: (row.created_at, row.pk), reverse=True)


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
        mine = [row for row in world.workspace_connectors if row.workspace in seen]
        if self.workspace:
            mine = [row for row in mine if row.workspace.id == self.workspace]
        else:
            mine = [row for row in mine if row.id in self.connectors]
        found = []
        for connector in sorted(mine, key=lambda row: row.pk):
            days = _days_of(world, connector)
            if self.in_all:
                found.append((str(connector.id), *_added_up(days.values())))
            else:
                found += [(f"{connector.id}:{on}", *_added_up([days[on]])) for on in sorted(days, reverse=True)]
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
                if row.workspace_connector is connector and at is not None and FIRST <= day(at) <= LAST:
                    sums = days.setdefault(day(at), (_no_sums(), _no_sums()))[place]
                    sums[type_][row.direction] += 1
    return days


def _added_up(days: Any) -> tuple[Sums, Sums]:
    added = (_no_sums(), _no_sums())
    for sums in days:
        for place, of in enumerate(sums):
            for type_, ways in of.items():
                for way, number in ways.items():
                    added[place][type_][way] += number
    return added


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
        record = next((row for row in records_of(world, self.type) if row.id == self.id), None)
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
        for row in newest_first(rows_of(world, type_))
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
        return f"{CONNECTORS}?filter[workspace]={self.workspace}&sort=last_synced_at&page[size]=500"

    def told(self, world: World, caller: Caller) -> Told:
        if self.workspace not in {workspace.id for workspace in workspaces_of(world, caller)}:
            return 403, None
        mine = [row for row in world.workspace_connectors if row.is_live and row.workspace.id == self.workspace]
        never = datetime(1, 1, 1, tzinfo=UTC)
        mine.sort(key=lambda row: (kept_of(row).last_synced_at or never, row.pk))
        return 200, [
            (
                str(row.id),
                instant(kept_of(row).last_synced_at),
                kept_of(row).parked_messages,
                sum(one.workspace_connector is row and one.is_live for type_ in TYPES for one in rows_of(world, type_)),
            )
            for row in mine
        ]

    def shown(self, document: Any) -> Any:
        names = ("last_synced_at", "parked_messages", "live_rows")
        return [(item["id"], *(item["attributes"][name] for name in names)) for item in document["data"]]


@dataclass(frozen=True)
class FeedStatus:
    """How far the feed is, which has told nothing in these worlds; for services."""

    @property
    def url(self) -> str:
        return "/v1/feed-status"

    def told(self, _world: World, caller: Caller) -> Told:
        if not isinstance(caller, Service):
            return 403, None
        return 200, {"waiting": 0, "parked": 0, "lag_seconds": 0, "sources": [], "loads": []}

    def shown(self, document: Any) -> Any:
        names = ("waiting", "parked", "lag_seconds", "sources", "loads")
        return {name: document["data"]["attributes"][name] for name in names}


type Question = Activity | Sources | Impact | SoleSource | States | FeedStatus


def told(world: World, caller: Caller, question: Question) -> Told:
    """Return the status of the answer and what it says, None where it is refused."""
    return question.told(world, caller) if may_read(caller) else (403, None)


def questions(world: World, ids: Mapping[str, UUID]) -> list[Question]:
    """Return all questions about these rows: a `workspace`, a `workspace_connector` and a record of each type."""
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
    return asked


def picked(rows: Sequence[Row], number: int, otherwise: UUID) -> UUID:
    return rows[number % len(rows)].id if rows else otherwise
