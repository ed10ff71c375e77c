"""Whatever happens, no event holds a name, a body, a run, a note, or the id of anything in another workspace."""

import json
import os
import random
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.outbox.conftest import Outbox
from tests.support.api import delete, draft, person, post, service
from tests.support.databases import CONSUMER, FEEDER
from tests.support.feed import apply, deleted, upserted
from tests.support.queue import Body, completed, consume, disconnected, invalidated, matched, reverted, synced
from tests.support.world import Row, World
from wellspring.database.retry import Deadline
from wellspring.ledger_events import LEDGER_EVENTS, members_of
from wellspring.services.feed import endings

# Stands in all that people and producers write: names, runs, notes, what no message may say.
SECRET = "Zanzibar"
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WRITER = service("system:read", "sync:write", "providers:match")
# Of everything that belongs to a workspace: which.
_OWNED = (
    *("core_api.workspace_connectors", "core_api.companies", "core_api.peoples", "core_api.workspace_providers"),
    *("core_api.workspace_group_workspaces", "wellspring.sync_runs", "wellspring.sync_messages"),
)
_OWNERS = text(
    "SELECT id, id FROM core_api.workspaces UNION ALL SELECT row.id, owner.id"
    "  FROM core_api.company_workspace_connectors AS row"
    "  JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk"
    "  JOIN core_api.workspaces AS owner ON owner.pk = connector.workspace_pk"
    + "".join(
        f" UNION ALL SELECT row.id, owner.id FROM {table} AS row"
        " LEFT JOIN core_api.workspaces AS owner ON owner.pk = row.workspace_pk"
        for table in _OWNED
    )
)
_OF_ALL = text("SELECT id FROM core_api.providers UNION ALL SELECT id FROM core_api.workspace_groups")


class Stage:
    """Two workspaces whose people, records and connectors are called by the secret, and what happens to them."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world, self._chance = world, chance
        self._workspaces = [world.workspace(f"{SECRET} {number}") for number in range(2)]
        tool = world.connector(f"{SECRET} bank")
        self._connectors = [world.workspace_connector(of, tool) for of in self._workspaces for _ in range(3)]
        self._records = [
            [*(world.company(of, f"{SECRET} & Co") for _ in range(6)), *(world.people(of, SECRET) for _ in range(3))]
            for of in self._workspaces
        ]
        self._providers = [world.provider(f"zanzibar-{number}", SECRET) for number in range(6)]
        self._owners = [world.people(of, SECRET) for of in self._workspaces]
        for owner, of in zip(self._owners, self._workspaces, strict=True):
            world.member(owner, of, role="owner")
        self._sent: list[str] = []
        # By connector and run, of those that are open.
        self._runs: dict[tuple[int, str], list[str]] = {}
        self._versions = iter(range(1, 10**9))

    def step(self) -> None:
        """Have something happen."""
        self._world.database.role = CONSUMER
        for _ in range(3):
            consume(*(self._message() for _ in range(10)))
        self._chance.choice((self._choose, self._enrol, self._write, self._dismiss, self._tell))()

    def _message(self) -> Body | str:
        number = self._chance.randrange(len(self._connectors))
        # Now and then another workspace's.
        of = number // 3 if self._chance.random() > 0.1 else 1 - number // 3
        records = self._chance.sample(self._records[of], 3)
        connector = self._connectors[number]
        match self._chance.randrange(10):
            case 0 | 1 | 2:
                return self._other(number, records)
            case 3:
                body: Body = invalidated(connector, records)
            case 4:
                body = synced(uuid4(), records)
            case _:
                body = synced(connector, records, mode=self._chance.choice(("append", "relink")))
        self._sent.append(str(body["id"]))
        if self._chance.random() < 0.5:
            return body
        run = f"{SECRET} {self._chance.randrange(10)} of {len(self._sent) // 50}"
        self._runs.setdefault((number, run), []).append(str(body["id"]))
        return body | {"run": run}

    def _other(self, number: int, records: list[Row]) -> Body | str:
        """Return a message that is of no run, or ends one."""
        connector = self._connectors[number]
        match self._chance.randrange(5):
            case 0 if self._sent:
                return reverted(connector, self._sent[-1])
            case 1:
                return matched(self._workspaces[number // 3], self._chance.sample(self._providers, 2))
            case 2 if self._runs:
                (number, run), ids = self._runs.popitem()
                # Now and then it misses one.
                return completed(self._connectors[number], run, *ids, *self._chance.sample([str(uuid4())], number % 2))
            case 3:
                return disconnected(connector)
            case _:
                return json.dumps({**synced(connector, records), "type": self._chance.choice(("", SECRET))})

    def _choose(self) -> None:
        of = self._chance.randrange(2)
        route = f"/v1/workspaces/{self._workspaces[of].id}/providers"
        provider = self._chance.choice(self._providers)
        post(route, person(self._owners[of]), draft("workspace_provider", provider=provider))
        delete(f"{route}/{self._chance.choice(self._providers).id}", person(self._owners[of]))

    def _enrol(self) -> None:
        of = self._chance.randrange(2)
        asked = draft("workspace_group", {"name": SECRET})
        asked["data"]["relationships"] = {
            "workspaces": {"data": [{"type": "workspace", "id": str(self._workspaces[of].id)}]}
        }
        group = post("/v1/workspace-groups", person(self._owners[of]), asked).data["id"]
        delete(f"/v1/workspace-groups/{group}", person(self._owners[of]))

    def _write(self) -> None:
        of = self._chance.randrange(2)
        rows: dict[str, Row] = {"company": self._records[of][0], "workspace_connector": self._connectors[3 * of]}
        made = post(
            "/v1/company-workspace-connectors",
            _WRITER,
            draft("company_workspace_connector", {"direction": "input"}, **rows),
        )
        delete(f"/v1/company-workspace-connectors/{made.data['id']}", _WRITER)

    def _dismiss(self) -> None:
        parked = text("SELECT id FROM wellspring.sync_messages WHERE outcome = 'parked' ORDER BY pk DESC LIMIT 1")
        id_ = self._world.database.owner.execute(parked).scalar_one_or_none()
        self._world.database.commit()
        if id_ is not None:
            post(f"/v1/sync-messages/{id_}/dismiss", _WRITER, {"meta": {"note": SECRET}})

    def _tell(self) -> None:
        """Tell of a connector's status, and of a company that comes and goes."""
        of = self._chance.randrange(2)
        self._world.database.role = FEEDER
        company = uuid4()
        apply(
            upserted("company", company, next(self._versions), name=SECRET, workspace_id=self._workspaces[of]),
            deleted("company", company, next(self._versions)),
        )
        self._world.database.role = CONSUMER
        endings.sweep(Deadline(30))


def wrong(events: list[dict[str, Any]], owners: dict[str, str | None], of_all: set[str]) -> Iterator[str]:
    """Yield what events hold that they may not."""
    allowed = {event.type: {member.name for member in members_of(event)} for event in LEDGER_EVENTS}
    for event in events:
        said = json.dumps(event)
        if SECRET.lower() in said.lower():
            yield f"says what was written: {said}"
        if event["data"].keys() != allowed[event["type"]]:
            yield f"has other members than are declared: {said}"
        workspace = event["data"]["workspace_id"]
        for id_ in {*_ID.findall(said)} - {event["id"], *of_all}:
            if owners.get(id_, "nobody") != workspace:
                yield f"names {id_}, which is of {owners.get(id_, 'nobody')}: {said}"


@pytest.mark.parametrize(
    "number", [500, pytest.param(int(os.environ.get("RANDOM_EVENTS", "5000")), marks=pytest.mark.long)]
)
def test_events_hold_ids_of_their_own_workspace_codes_and_counts(
    number: int, world: World, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "QUIET_SECONDS", 0.0)
    stage = Stage(world, random.Random(number))
    looked_at = 0
    types: set[str] = set()
    while looked_at < number:
        stage.step()
        if outbox.number() < min(number - looked_at, 5000):
            continue
        events = outbox.events()
        owner = world.database.owner
        owners = {str(id_): of and str(of) for id_, of in owner.execute(_OWNERS)}
        of_all = {str(id_) for (id_,) in owner.execute(_OF_ALL)}
        assert list(wrong(events, owners, of_all)) == []
        types |= {event["type"] for event in events}
        looked_at += len(outbox.taken())
    assert types == {event.type for event in LEDGER_EVENTS}
