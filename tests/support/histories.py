"""Random histories of resources of all types of the feed, and a model in plain Python of what is there at the end.

The model reads nothing but the highest version of each resource. A resource names the same others all its life here:
what changes them is in tests/feed/test_applying.py.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.support.feed import Event, deleted, erased, upserted

# Runs a statement and returns its rows.
type Rows = Callable[[str], Sequence[Any]]

TABLES = {
    "workspace": ("workspaces", "name"),
    "connector": ("connectors", "name"),
    "provider": ("providers", "name"),
    "people": ("peoples", "full_name"),
    "company": ("companies", "name"),
    "account": ("accounts", "account_name"),
    "workspace_connector": ("workspace_connectors", "status"),
    "workspace_membership": ("workspace_memberships", "role"),
}
ROLES = ("owner", "admin", "member", "guest")


@dataclass(frozen=True)
class Resource:
    type: str
    id: UUID
    names: dict[str, "Resource"]


@dataclass
class History:
    """What one resource went through: None for a deletion, else its value, by version."""

    resource: Resource
    versions: dict[int, str | None]
    erased: bool = False
    parents: Sequence["History"] = field(default=())

    @property
    def value(self) -> str | None:
        """What is visible of it at the end."""
        if self.erased or not self.versions or any(parent.value is None for parent in self.parents):
            return None
        return self.versions[max(self.versions)]

    def events(self) -> list[Event]:
        type_, id_ = self.resource.type, self.resource.id
        column = TABLES[type_][1]
        references: dict[str, Any] = {f"{name}_id": other.id for name, other in self.resource.names.items()}

        def told(version: int, value: str | None) -> Event:
            said = references | {column: value}
            return deleted(type_, id_, version) if value is None else upserted(type_, id_, version, **said)

        made = [told(*each) for each in self.versions.items()]
        return [*made, erased(id_, 3)] if self.erased else made


def platform(chance: random.Random) -> list[Resource]:
    def made(type_: str, **names: Resource) -> Resource:
        return Resource(type_, UUID(int=chance.getrandbits(128), version=4), names)

    workspaces = [made("workspace") for _ in range(2)]
    connector, provider = made("connector"), made("provider")
    people = [made("people", workspace=chance.choice(workspaces)) for _ in range(3)]
    others = [made(type_, workspace=chance.choice(workspaces)) for type_ in ("company", "company", "account")]
    links = [made("workspace_connector", workspace=one, connector=connector) for one in workspaces]
    members = [made("workspace_membership", workspace=chance.choice(workspaces), people=one) for one in people]
    return [*workspaces, connector, provider, *people, *others, *links, *members]


def histories(chance: random.Random) -> list[History]:
    made: dict[UUID, History] = {}
    for resource in platform(chance):
        versions: dict[int, str | None] = {}
        for version in sorted(chance.sample(range(1, 20), chance.randint(0, 4))):
            is_gone, is_role = chance.random() < 0.3, resource.type == "workspace_membership"
            there = f"{resource.type} {version}" if is_gone or not is_role else chance.choice(ROLES)
            versions[version] = None if is_gone else there
        is_erased = resource.type == "people" and chance.random() < 0.15
        parents = [made[other.id] for other in resource.names.values()]
        made[resource.id] = History(resource, versions, is_erased, parents)
    return list(made.values())


def batches(chance: random.Random, events: list[Event]) -> list[list[Event]]:
    shuffled = events + chance.sample(events, len(events) // 3)
    chance.shuffle(shuffled)
    cut: list[list[Event]] = []
    while shuffled:
        size = chance.randint(1, 15)
        cut.append(shuffled[:size])
        shuffled = shuffled[size:]
    return cut


def problems(told: Sequence[History], rows: Rows) -> Iterator[str]:
    """Yield where the tables are not as the model says.

    Args:
        told: everything that was sent, and nothing else is there.
        rows: reads the tables as their owner.
    """
    expected = {history.resource.id: history.value for history in told if history.value is not None}
    shown = visible(rows)
    for id_, value in expected.items():
        # A parent that is not visible itself hides what names it, grandparents too.
        if shown.get(id_) != value:
            yield f"{id_} shows {shown.get(id_)!r}, not {value!r}"
    there = {
        row[0]: row
        for table, _ in TABLES.values()
        for row in rows(f"SELECT id, source_version, deleted_at FROM core_api.{table} WHERE source IS NOT NULL")
    }
    for history in told:
        _, version, deleted_at = there.get(history.resource.id, (None, None, None))
        if version is None:
            continue
        if deleted_at is None and not _is_live(history):
            yield f"{history.resource.type} {history.resource.id} is live, and it has ended"
        # An erasure has its effect whatever its version, and nothing has one after it.
        if not history.erased and version != max(history.versions):
            yield f"{history.resource.type} {history.resource.id} is at version {version}, not {max(history.versions)}"
    if there.keys() - {history.resource.id for history in told}:
        yield f"nobody told of {there.keys() - {history.resource.id for history in told}}"
    sums = {row[0]: row[1] for row in rows("SELECT type, live FROM wellspring.feed_sources WHERE live <> 0")}
    found = {
        type_: rows(f"SELECT count(*) FROM core_api.{table} WHERE source IS NOT NULL AND deleted_at IS NULL")[0][0]
        for type_, (table, _) in TABLES.items()
    }
    counted = {type_: number for type_, number in found.items() if number}
    if sums != counted:
        yield f"the sums of what is live are {sums}, the rows {counted}"


def visible(rows: Rows) -> dict[UUID, Any]:
    """Return the value of every live resource whose parents are all live."""
    live: dict[UUID, Any] = {}
    for type_, (table, column) in TABLES.items():
        conditions = "".join(
            f" AND EXISTS (SELECT FROM core_api.{parent} p WHERE p.pk = t.{name}_pk AND p.deleted_at IS NULL)"
            for name, parent in REFERENCES.get(type_, {}).items()
        )
        told = f"SELECT id, {column} FROM core_api.{table} t WHERE t.source IS NOT NULL AND t.deleted_at IS NULL"
        live |= {row[0]: row[1] for row in rows(f"{told}{conditions}")}
    return live


_HOME = {"workspace": "workspaces"}
REFERENCES = {
    "people": _HOME,
    "company": _HOME,
    "account": _HOME,
    "workspace_connector": _HOME | {"connector": "connectors"},
    "workspace_membership": _HOME | {"people": "peoples"},
}


def _is_live(history: History) -> bool:
    if history.resource.type == "workspace_membership" and any(parent.erased for parent in history.parents):
        return False
    return bool(history.versions) and not history.erased and history.versions[max(history.versions)] is not None
