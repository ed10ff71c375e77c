"""Random histories of resources, shuffled, doubled and cut into batches, through two consumers at once.

Whatever the order, what is visible at the end is what a model in plain Python says, which reads nothing but the highest
version of each resource. A resource names the same others all its life here: what changes them is in test_applying.
"""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.feed.conftest import Tables
from tests.support.databases import FEEDER, FreshDatabase
from tests.support.feed import Event, apply, deleted, erased, settle, upserted

TABLES = {
    "workspace": ("workspaces", "name"),
    "connector": ("connectors", "name"),
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
        made = [
            deleted(type_, id_, version)
            if value is None
            else upserted(type_, id_, version, **{column: value}, **references)
            for version, value in self.versions.items()
        ]
        return [*made, erased(id_, 3)] if self.erased else made


def platform(chance: random.Random) -> list[Resource]:
    def made(type_: str, **names: Resource) -> Resource:
        return Resource(type_, UUID(int=chance.getrandbits(128), version=4), names)

    workspaces = [made("workspace") for _ in range(2)]
    connector = made("connector")
    people = [made("people", workspace=chance.choice(workspaces)) for _ in range(3)]
    others = [made(type_, workspace=chance.choice(workspaces)) for type_ in ("company", "company", "account")]
    links = [made("workspace_connector", workspace=one, connector=connector) for one in workspaces]
    members = [made("workspace_membership", workspace=chance.choice(workspaces), people=one) for one in people]
    return [*workspaces, connector, *people, *others, *links, *members]


def histories(chance: random.Random) -> list[History]:
    made: dict[UUID, History] = {}
    for resource in platform(chance):
        versions = {
            version: None
            if chance.random() < 0.3
            else chance.choice(ROLES)
            if resource.type == "workspace_membership"
            else f"{resource.type} {version}"
            for version in sorted(chance.sample(range(1, 20), chance.randint(0, 4)))
        }
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


def visible(tables: Tables) -> dict[UUID, Any]:
    """Return the value of every live resource whose parents are all live."""
    live: dict[UUID, Any] = {}
    for type_, (table, column) in TABLES.items():
        conditions = " AND ".join(
            ["t.deleted_at IS NULL"]
            + [
                f"EXISTS (SELECT FROM core_api.{parent} p WHERE p.pk = t.{name}_pk AND p.deleted_at IS NULL)"
                for name, parent in REFERENCES.get(type_, {}).items()
            ]
        )
        live |= {
            row[0]: row[1] for row in tables.rows(f"SELECT id, {column} FROM core_api.{table} t WHERE {conditions}")
        }
    return live


_HOME = {"workspace": "workspaces"}
REFERENCES = {
    "people": _HOME,
    "company": _HOME,
    "account": _HOME,
    "workspace_connector": _HOME | {"connector": "connectors"},
    "workspace_membership": _HOME | {"people": "peoples"},
}


@pytest.fixture
def emptied(fresh_database: FreshDatabase, tables: Tables) -> Tables:
    fresh_database.role = FEEDER
    return tables


def empty(tables: Tables) -> None:
    names = ", ".join(f"core_api.{table}" for table, _ in TABLES.values())
    tables.database.owner.exec_driver_sql(
        f"TRUNCATE {names}, wellspring.pending_events, wellspring.tombstones, wellspring.endings,"
        " wellspring.feed_sources CASCADE"
    )
    tables.database.commit()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_end_as_the_model_says_whatever_the_order(emptied: Tables, seed: int) -> None:
    chance = random.Random(seed)
    empty(emptied)
    told = histories(chance)
    events = [event for history in told for event in history.events()]
    cut = batches(chance, events)
    with ThreadPoolExecutor(2) as consumers:
        found = list(consumers.map(lambda batch: apply(*batch), cut))
        assert not [verdict for verdicts in found for verdict in verdicts if verdict.status in {"returned", "parked"}]
        list(consumers.map(lambda _: settle(), range(2)))
    settle()
    expected = {history.resource.id: history.value for history in told if history.value is not None}
    shown = visible(emptied)
    # A parent that is not visible itself hides what names it, grandparents too.
    assert {id_: shown.get(id_) for id_ in expected} == expected
    hidden = {history.resource.id for history in told if not _is_live(history)}
    assert not hidden & {
        row[0]
        for table, _ in TABLES.values()
        for row in emptied.rows(f"SELECT id FROM core_api.{table} WHERE deleted_at IS NULL")
    }
    assert _sums(emptied) == _counted(emptied)
    assert emptied.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0] == 0


def _is_live(history: History) -> bool:
    if history.resource.type == "workspace_membership" and any(parent.erased for parent in history.parents):
        return False
    return bool(history.versions) and not history.erased and history.versions[max(history.versions)] is not None


def _sums(tables: Tables) -> dict[str, int]:
    return {row[0]: row[1] for row in tables.rows("SELECT type, live FROM wellspring.feed_sources WHERE live <> 0")}


def _counted(tables: Tables) -> dict[str, int]:
    found = {
        type_: int(tables.one(f"SELECT count(*) FROM core_api.{table} WHERE deleted_at IS NULL")[0])
        for type_, (table, _) in TABLES.items()
    }
    return {type_: number for type_, number in found.items() if number}
