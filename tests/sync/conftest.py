"""Fixtures of the write path's tests: one tenant, and the ledger as the owner sees it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from maintenance.settle import handler
from tests.support.api import PIPELINE, Caller, Context, Reply, get, post
from tests.support.databases import CONSUMER, AnyDatabase, Statements
from tests.support.queue import Body, consume, disconnected, invalidated, synced
from tests.support.sums import sums_are_right
from tests.support.world import RECORDS, Row, World
from wellspring.metrics import UNITS
from wellspring.repositories.sync import applying
from wellspring.services.sync import applying as services

type Log = list[dict[str, Any]]

APPLIED = ("applied", None)

ATTRIBUTES: dict[str, dict[str, str | None]] = {
    "company": {"name": "Alder Trading"},
    "account": {"account_name": "Current", "currency": None},
    "people": {"full_name": "Claire Verdier"},
}
# Every row of the three tables, by public ids.
LEDGER = " UNION ALL ".join(
    f"SELECT '{type_}', record.id, connector.id, direction::text, link.deleted_at IS NULL"
    f"  FROM core_api.{type_}_workspace_connectors AS link"
    f"  JOIN {table} AS record ON record.pk = link.{type_}_pk"
    "  JOIN core_api.workspace_connectors AS connector ON connector.pk = link.workspace_connector_pk"
    for type_, table in RECORDS.items()
)


@pytest.fixture(autouse=True)
def as_writer(world: World) -> None:
    world.database.role = CONSUMER


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Between two tries nothing is waited for; what would have been is here."""
    pauses: list[float] = []
    monkeypatch.setattr("wellspring.database.retry.sleep", pauses.append)
    return pauses


@dataclass
class Tenant:
    """A workspace with two connectors and a few records of each type."""

    world: World
    workspace: Row
    connector: Row
    other_connector: Row
    companies: list[Row]
    accounts: list[Row]
    peoples: list[Row]

    @property
    def mixed(self) -> list[Row]:
        return [self.companies[0], self.accounts[0], self.peoples[0]]

    def come(self, row: Row) -> Row:
        """Make what was absent, as the feed would."""
        make: dict[str, Callable[..., Row]] = {
            "workspace": self.world.workspace,
            "workspace_connector": partial(self.world.workspace_connector, self.workspace),
            "provider": partial(self.world.provider, "later"),
        }
        return make.get(row.type, partial(self.world.record, row.type, self.workspace))(id=row.id)


def tenant(world: World, name: str) -> Tenant:
    workspace = world.workspace(name)
    return Tenant(
        world,
        workspace=workspace,
        connector=world.workspace_connector(workspace),
        other_connector=world.workspace_connector(workspace),
        companies=world.companies(workspace, 4),
        accounts=world.records("account", workspace, 2),
        peoples=world.records("people", workspace, 2),
    )


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "Ours")


@pytest.fixture(params=["record", "connector", "workspace", "all"])
def orphan(request: pytest.FixtureRequest, world: World, ours: Tenant) -> Row:
    """A company with one live row on our connector, where a parent of that row, or all of them, are gone since."""
    company = ours.companies[0]
    world.provenance(company, ours.connector)
    for name, parent in {"record": company, "connector": ours.connector, "workspace": ours.workspace}.items():
        if request.param in {name, "all"}:
            world.tombstone(parent)
    return company


@pytest.fixture
def theirs(world: World) -> Tenant:
    return tenant(world, "Theirs")


def units(statements: Statements) -> int:
    """Return how many units were tried: each begins by asking what is known of its messages."""
    return sum("wellspring.next_message()" in statement for statement in statements) - chunks(statements)


def begins_a_chunk(statement: str) -> bool:
    return statement.startswith("SELECT pk, workspace_pk FROM core_api.workspace_connectors AS found")


def chunks(statements: Statements) -> int:
    return sum(map(begins_a_chunk, statements))


@dataclass
class Ledger:
    database: AnyDatabase

    def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        done = self.database.owner.execute(text(statement), values)
        found = done.all() if done.returns_rows else []
        self.database.commit()
        return found

    def value(self, statement: str, **values: Any) -> Any:
        ((found,),) = self.sql(statement, **values)
        return found

    def rows(self, connector: Row | None = None) -> Counter[tuple[str, UUID, str, bool]]:
        """Return (type, record, direction, is it live) of every row, or of those on `connector`, with their number."""
        return Counter(
            (type_, record, direction, live)
            for type_, record, on, direction, live in self.sql(LEDGER)
            if connector is None or on == connector.id
        )

    def live(self, connector: Row | None = None) -> Counter[UUID]:
        found: Counter[UUID] = Counter()
        for (_, record, _, live), number in self.rows(connector).items():
            if live:
                found[record] += number
        return found

    def inbox(self) -> set[str]:
        """Return the ids of the messages that are done."""
        return {id_ for id_, row in self.messages().items() if row.outcome in {"applied", "dismissed"}}

    def reasons(self) -> Counter[str | None]:
        """Return why messages are parked, with their number; None is that of those which are not."""
        return Counter(row.reason for row in self.sql("SELECT reason FROM wellspring.sync_messages"))

    def messages(self) -> dict[str, Any]:
        """Return the rows of messages by their id; of those without one by their digest."""
        rows = self.sql("SELECT *, encode(digest, 'hex') AS hex FROM wellspring.sync_messages ORDER BY pk")
        return {str(row.message_id or row.hex): row for row in rows}

    def fate(self, body: Body) -> tuple[str, str | None]:
        row = self.messages()[body["id"]]
        return row.outcome, row.reason

    def grow_old(self, age: str, which: str | Body = "true") -> None:
        """Let messages, those of a condition or one, have been received so long ago."""
        where = which if isinstance(which, str) else f"message_id = '{which['id']}'"
        self.sql(f"UPDATE wellspring.sync_messages SET received_at = now() - interval '{age}' WHERE {where}")

    def waits_for(self) -> set[tuple[str, str]]:
        return {(type_, str(id_)) for type_, id_ in self.sql("SELECT type, id FROM wellspring.waiting_for")}

    def parked_of(self, connector: Row) -> int:
        state = "SELECT parked_messages FROM wellspring.connector_state WHERE workspace_connector_pk = :pk"
        return int(self.value(state, pk=connector.pk))

    def run_of(self, connector: Row, name: str = "nightly") -> Any:
        run = "SELECT * FROM wellspring.sync_runs WHERE workspace_connector_pk = :pk AND run = :run"
        return next(iter(self.sql(run, pk=connector.pk, run=name)), None)

    def choices(self, workspace: Row) -> Counter[tuple[UUID, bool, bool, bool]]:
        """Return (provider, is it selected, is it matched, is it live) of the workspace's rows, with their number."""
        rows = self.sql(
            "SELECT provider.id, choice.is_selected, choice.is_matched, choice.deleted_at IS NULL"
            "  FROM core_api.workspace_providers AS choice"
            "  JOIN core_api.providers AS provider ON provider.pk = choice.provider_pk"
            f" WHERE choice.workspace_pk = {workspace.pk}"
        )
        return Counter(map(tuple, rows))

    def times(self, type_: str) -> Sequence[Any]:
        return self.sql(
            f"SELECT created_at, updated_at, deleted_at FROM core_api.{type_}_workspace_connectors ORDER BY pk"
        )


@pytest.fixture
def ledger(world: World) -> Iterator[Ledger]:
    """The ledger, of which the sums are right whatever the test did."""
    yield Ledger(world.database)
    sums_are_right(world.database)


def ids(rows: Sequence[Row]) -> Counter[UUID]:
    return Counter(row.id for row in rows)


def absent(type_: str = "company") -> Row:
    return Row(type_, 0, uuid4())


def bringing(connector: Row, *rows: Row, mode: str | None = None, **attributes: Any) -> Body:
    body = synced(connector, rows, mode=mode)
    for record in body["records"]:
        record["attributes"] = attributes or ATTRIBUTES[record["type"]]
    return body


def of_run(body: Body, run: str = "nightly") -> Body:
    return body | {"run": run}


def applied(*bodies: Body) -> None:
    for body in bodies:
        assert consume(body) == []


def settle(**event: Any) -> dict[str, Any]:
    """Run the maintenance function, as its schedule does or by an operator's event; return what it says."""
    return handler(event, Context())


def ending(way: str, connector: Row, records: Sequence[Row]) -> Body:
    match way:
        case "relink":
            return synced(connector, records, mode="relink")
        case "invalidation":
            return invalidated(connector, records)
        case _:
            return disconnected(connector)


def message_of(body: Body) -> Any:
    found = get("/v1/sync-messages?page[size]=100", PIPELINE).data
    return next(row for row in found if row["attributes"]["message_id"] == body["id"])


def release(body: Body, caller: Caller = PIPELINE) -> Reply:
    return post(f"/v1/sync-messages/{message_of(body)['id']}/release", caller, None)


def release_many(connector: Row, reason: object, *, dry_run: bool = False) -> Reply:
    meta = {"workspace_connector": str(connector.id), "reason": reason, "dry_run": dry_run}
    return post("/v1/sync-messages/release", PIPELINE, {"meta": meta})


def dismiss(id_: object, note: str = "Agreed.") -> Reply:
    return post(f"/v1/sync-messages/{id_}/dismiss", PIPELINE, {"meta": {"note": note}})


def came_to(matching: int, released: int = 0, still_parked: int = 0, remaining: int = 0) -> dict[str, int]:
    """Return what a release of many says that it came to."""
    return {"matching": matching, "released": released, "still_parked": still_parked, "remaining": remaining}


def fail(monkeypatch: pytest.MonkeyPatch, body: Body) -> None:
    """Let a message, and whatever is applied together with it, fail for a reason of its own."""
    apply_unit = applying.apply_unit

    def failing(transaction: Any, unit: Any) -> Any:
        if any(message.message_id == body["id"] for message in unit):
            raise ZeroDivisionError
        return apply_unit(transaction, unit)

    monkeypatch.setattr(applying, "apply_unit", failing)


def before_chunks(monkeypatch: pytest.MonkeyPatch, do: Callable[[int, Any], object]) -> list[Any]:
    """Call `do` with the number and the connection of each chunk before it; return those that have begun."""
    begun: list[Any] = []
    chunk = services._chunk

    def watched(*given: Any) -> Any:
        begun.append(given)
        do(len(begun), given[0])
        return chunk(*given)

    monkeypatch.setattr(services, "_chunk", watched)
    return begun


def die(monkeypatch: pytest.MonkeyPatch, *at: int) -> list[Any]:
    """Let the consumer die at its chunks of these numbers; return the list of those that it has begun."""

    def dies(number: int, _: Any) -> None:
        if number in at:
            raise RuntimeError("The consumer is gone.")

    return before_chunks(monkeypatch, dies)


def emitted(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """Return the metrics of the only time that some were emitted, after a look at what CloudWatch needs."""
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Wellspring"
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {name: UNITS[name].value for name in units}
    values = {name: line[name] for name in units}
    assert all(len(value) == 1 for value in values.values())
    return {name: value[0] for name, value in values.items()}


def outcomes(log: Log) -> list[str]:
    return [line["outcome"] for line in log if "outcome" in line]
