"""Random schedules of runs: what each snapshot ended, beside a rule that is written apart (contract, section 5).

`RUN_SCHEDULES=10000 make worlds ARGS=tests/sync/test_worlds_of_runs.py` draws more, `WORLDS_SEED=7` others. Time is
counted in hours: what happens in one is seconds apart, and clocks are off by minutes, so that the five minutes decide
nothing here.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from maintenance.settle import handler as settle
from tests.support.api import Context, delete, patch, post
from tests.support.databases import FreshDatabase
from tests.support.queue import Body, completed, consume, disconnected, invalidated, reverted, synced
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from tests.sync.test_runs import PIPELINE
from wellspring.repositories.sync import completing
from wellspring.services.sync import applying, releasing

pytestmark = pytest.mark.worlds

SCHEDULES = int(os.environ.get("RUN_SCHEDULES", "40"))
SEED = int(os.environ.get("WORLDS_SEED", "1"))
STEPS = 60
LEDGER = "/v1/company-workspace-connectors"


@dataclass(frozen=True)
class Seen:
    """A row of the connector, as it is now."""

    pk: int
    id: UUID
    company: UUID
    is_live: bool
    direction: str
    ended_by: str | None
    writer: str | None


@dataclass
class Run:
    """What a producer knows of its run, and what the rule must know of it."""

    name: str
    read_at: int
    read: frozenset[UUID]
    messages: list[Body]
    end: Body
    there: frozenset[int] | None = None
    touched: set[int] = field(default_factory=set)
    is_confirmed: bool = False
    is_undone: bool = False


class Schedule:
    """One connector, its source, its producers, and everything that goes wrong."""

    def __init__(self, world: World, chance: Random, counts: Counter[str]) -> None:
        self.world, self.chance, self.counts = world, chance, counts
        workspace = world.workspace()
        self.connector = world.workspace_connector(workspace)
        self.companies = {row.id: row for row in world.companies(workspace, 12)}
        self.late = {row.id: row for row in world.companies(workspace, 2)}
        self.source = set(self.companies)
        self.hour = 0
        self.changed: dict[int, int] = {}
        self.runs: list[Run] = []
        # What is on its way: each is delivered in the order of the queue, but for what was lost and comes again.
        self.queue: list[Body] = []
        self.lost: list[Body] = []
        self.undone: set[str] = set()

    # ---- what is there ----------------------------------------------------------------------------------
    def rows(self) -> dict[int, Seen]:
        found = self.world.database.owner.execute(
            text(
                "SELECT row.pk, row.id, company.id, row.deleted_at IS NULL, row.direction::text,"
                "       ender.message_id::text, wrote.message_id::text"
                "  FROM core_api.company_workspace_connectors AS row"
                "  JOIN core_api.companies AS company ON company.pk = row.company_pk"
                "  LEFT JOIN wellspring.sync_messages AS ender ON ender.pk = row.ended_by_pk"
                "  LEFT JOIN wellspring.sync_messages AS wrote ON wrote.pk = row.sync_message_pk"
                " WHERE row.workspace_connector_pk = :pk"
            ),
            {"pk": self.connector.pk},
        ).all()
        self.world.database.commit()
        return {row[0]: Seen(*row) for row in found}

    def outcomes(self) -> dict[str, str]:
        found = self.world.database.owner.execute(
            text(
                "SELECT message_id::text, outcome FROM wellspring.sync_messages WHERE workspace_connector_pk = :pk"
                " AND (reason IS NULL OR reason NOT IN ('malformed', 'reused_id'))"
            ),
            {"pk": self.connector.pk},
        ).all()
        self.world.database.commit()
        return {row[0]: row[1] for row in found}

    # ---- the rule, in plain words -----------------------------------------------------------------------
    def may_end(self, run: Run, rows: dict[int, Seen]) -> set[int]:
        """Return the live rows that the run's snapshot ends: there before it, unchanged since, and not read."""
        named = {UUID(record["id"]) for body in run.messages for record in body["records"]}
        return {
            pk
            for pk, row in rows.items()
            if row.is_live
            and row.direction == "input"
            and run.there is not None
            and pk in run.there
            and pk not in run.touched
            and self.changed[pk] < run.read_at
            and row.company not in named
        }

    def is_whole(self, run: Run, outcomes: dict[str, str]) -> bool:
        return all(outcomes.get(body["id"]) == "applied" and body["id"] not in self.undone for body in run.messages)

    def is_too_much(self, run: Run, rows: dict[int, Seen]) -> bool:
        live = {row.company for row in rows.values() if row.is_live and row.direction == "input"}
        ends = {rows[pk].company for pk in self.may_end(run, rows)}
        return 2 * len(ends) > len(live)

    # ---- what happens -----------------------------------------------------------------------------------
    def step(self) -> None:
        ways = {
            self.an_hour: 3,
            self.begin: 3,
            self.deliver: 20,
            self.lose: 1,
            self.find: 2,
            self.echo: 2,
            self.others: 2,
            self.by_hand: 2,
            self.undo: 1,
            self.confirm: 2,
            self.settled: 2,
            self.comes_and_goes: 1,
        }
        act = self.chance.choices(list(ways), list(ways.values()))[0]
        self.counts[act.__name__] += 1
        before, outcomes = self.rows(), self.outcomes()
        act()
        self.check(before, outcomes)

    def check(self, before: dict[int, Seen], were: dict[str, str]) -> None:
        """Compare what has changed with the rule; note what did, for the runs that are under way."""
        after, outcomes = self.rows(), self.outcomes()
        for run in self.runs:
            end = run.end["id"]
            ended = {pk for pk, row in after.items() if row.ended_by == end and pk in before and before[pk].is_live}
            # Of this very step: what was made in it may be ended in it by none.
            assert ended <= self.may_end(run, before), (run.name, "ended what it may not")
            assert {row.company for pk, row in after.items() if pk in ended}.isdisjoint(run.read)
            if ended:
                self.counts["rows ended"] += len(ended)
                # Its own messages may have been applied in this step, in front of it.
                assert self.is_whole(run, outcomes), (run.name, "was not whole")
                is_first = were.get(end) != "in_progress"
                assert run.is_confirmed or not is_first or not self.is_too_much(run, before), (run.name, "too much")
            if outcomes.get(end) == "applied" and were.get(end) != "applied" and not run.is_undone:
                self.counts["runs complete"] += 1
                assert self.may_end(run, after) == set(), (run.name, "left what is gone")
        for pk, row in after.items():
            was = before.get(pk)
            if was is None or was.is_live != row.is_live:
                self.changed[pk] = self.hour
                for run in self.runs:
                    if run.there is not None and row.is_live:
                        run.touched.add(pk)

    def take(self, *bodies: Body) -> None:
        """Have the consumer take bodies; what it gives back comes again."""
        for body in bodies:
            for run in self.runs:
                if body.get("run") == run.name and body["type"] != "sync.reverted" and run.there is None:
                    run.there = frozenset(self.rows())
            with self.killed():
                if consume(body):
                    self.counts["given back"] += 1
                    self.queue.insert(0, body)
                    return

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Let the consumer die in one of its next chunks, sometimes."""
        chunk, left = applying._chunk, [self.chance.choice((1, 2, 3)) if self.chance.random() < 0.3 else 99]

        def dies(*given: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise RuntimeError("The consumer is gone.")
            return chunk(*given)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(applying, "_chunk", dies)
            yield

    def an_hour(self) -> None:
        """An hour passes: all that is kept is an hour older. Nothing is half-done then: that goes on from a time."""
        if "in_progress" in self.outcomes().values():
            return
        self.hour += 1
        hour, of = "interval '1 hour'", f"WHERE workspace_connector_pk = {self.connector.pk}"
        owner = self.world.database.owner
        owner.exec_driver_sql(
            f"UPDATE core_api.company_workspace_connectors SET created_at = created_at - {hour},"
            f" updated_at = updated_at - {hour}, deleted_at = deleted_at - {hour} {of}"
        )
        owner.exec_driver_sql(
            f"UPDATE wellspring.sync_messages SET received_at = received_at - {hour},"
            f" processed_at = processed_at - {hour} {of}"
        )
        at = f"CAST(CAST(coalesce(noted ->> 'at', '-infinity') AS timestamptz) - {hour} AS text)"
        owner.exec_driver_sql(
            f"UPDATE wellspring.sync_runs SET started_at = started_at - {hour},"
            f" noted = noted || jsonb_build_object('at', {at}) {of}"
        )
        said = text(
            "UPDATE wellspring.sync_messages SET digest = sha256(convert_to(:body, 'UTF8')),"
            " body = CASE WHEN body IS NOT NULL THEN :body END WHERE message_id = CAST(:id AS uuid)"
        )
        for run in self.runs:
            # What its producer said of time, too.
            snapshot = run.end["snapshot"]
            since = datetime.fromisoformat(snapshot["read_since"]) - timedelta(hours=1)
            snapshot["read_since"] = since.isoformat()
            owner.execute(said, {"body": json.dumps(run.end), "id": run.end["id"]})
        self.world.database.commit()

    def begin(self) -> None:
        """A producer reads its source, and sends what it read; its clock is off by minutes."""
        for company in self.chance.sample(sorted(self.companies), 2):
            self.source.symmetric_difference_update({company})
        read = sorted(self.source)
        if self.chance.random() < 0.1:
            read += sorted(self.late)
        name = f"run {len(self.runs)}"
        mode = self.chance.choice(("append", "relink"))
        every = {**self.companies, **self.late}
        parts = [read[:5], read[5:10], read[10:]]
        sent = [
            synced(self.connector, [every[id_] for id_ in part], mode=mode) | {"run": name} for part in parts if part
        ]
        off = self.chance.randint(-4, 4)
        since = self.world.database.owner.exec_driver_sql(
            f"SELECT to_json(clock_timestamp() + interval '{off} minutes')"
        ).scalar_one()
        self.world.database.commit()
        ids = [body["id"] for body in sent]
        end = completed(self.connector, name, *ids, types=["company"], read_since=str(since))
        self.runs.append(Run(name, self.hour, frozenset(read), sent, end))
        # Beside what others send.
        for body in [*sent, end]:
            self.queue.insert(len(self.queue), body)
        if self.chance.random() < 0.3:
            self.chance.shuffle(self.queue)

    def deliver(self) -> None:
        if self.queue:
            self.take(self.queue.pop(0))

    def lose(self) -> None:
        if self.queue:
            self.lost.append(self.queue.pop(self.chance.randrange(len(self.queue))))

    def find(self) -> None:
        if self.lost:
            self.take(self.lost.pop(0))

    def echo(self) -> None:
        """What was delivered comes once more."""
        sent = [body for run in self.runs for body in (*run.messages, run.end) if body not in self.queue + self.lost]
        if sent:
            self.take(self.chance.choice(sent))

    def others(self) -> None:
        """A message of no run."""
        some = [self.companies[id_] for id_ in self.chance.sample(sorted(self.companies), 3)]
        match self.chance.choice(("synced", "synced", "invalidated", "disconnected")):
            case "synced":
                self.take(synced(self.connector, some))
            case "invalidated":
                self.take(invalidated(self.connector, some))
            case _:
                self.take(disconnected(self.connector))

    def by_hand(self) -> None:
        """Somebody makes, ends or restores a row over HTTP."""
        rows = list(self.rows().values())
        match self.chance.choice(("make", "end", "restore")):
            case "end" if live := [row for row in rows if row.is_live]:
                delete(f"{LEDGER}/{self.chance.choice(live).id}", PIPELINE)
            case "restore" if dead := [row for row in rows if not row.is_live]:
                id_ = str(self.chance.choice(dead).id)
                said = {"type": "company_workspace_connector", "id": id_, "attributes": {"deleted_at": None}}
                patch(f"{LEDGER}/{id_}", PIPELINE, {"data": said})
            case _:
                company = self.chance.choice(sorted(self.companies))
                related = {"company": company, "workspace_connector": self.connector.id}
                linked = {name: {"data": {"type": name, "id": str(id_)}} for name, id_ in related.items()}
                made = {"type": "company_workspace_connector", "attributes": {"direction": "input"}}
                assert post(LEDGER, PIPELINE, {"data": made | {"relationships": linked}}).status == 201

    def undo(self) -> None:
        """A run, its end, or one of its messages is reverted, in the middle perhaps."""
        if not self.runs:
            return
        run = self.chance.choice(self.runs)
        outcomes = self.outcomes()
        match self.chance.choice(("run", "end", "message")):
            case "run":
                body = reverted(self.connector, run=run.name)
                self.undone |= {one["id"] for one in run.messages if outcomes.get(one["id"]) == "applied"}
                run.is_undone = True
            case "end":
                body = reverted(self.connector, run.end["id"])
                run.is_undone = run.is_undone or run.end["id"] in outcomes
            case _:
                one = self.chance.choice(run.messages) if run.messages else run.end
                body = reverted(self.connector, one["id"])
                self.undone |= {one["id"]} if outcomes.get(one["id"]) == "applied" else set()
        while consume(body):
            self.counts["given back"] += 1
        self.counts["undone"] += 1

    def confirm(self) -> None:
        """Who has looked releases what would end too much."""
        found = self.world.database.owner.execute(
            text(
                "SELECT id, message_id::text FROM wellspring.sync_messages WHERE workspace_connector_pk = :pk"
                " AND outcome = 'parked' AND reason = 'too_many_endings'"
            ),
            {"pk": self.connector.pk},
        ).all()
        self.world.database.commit()
        if found:
            id_, message_id = self.chance.choice(found)
            next(run for run in self.runs if run.end["id"] == message_id).is_confirmed = True
            assert post(f"/v1/sync-messages/{id_}/release", PIPELINE, None).status == 200

    def settled(self) -> None:
        settle({}, Context())

    def comes_and_goes(self) -> None:
        """The feed ends a record, or brings it back."""
        row: Row = self.chance.choice(list(self.late.values()))
        self.world.database.owner.exec_driver_sql(
            "UPDATE core_api.companies SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END"
            f" WHERE pk = {row.pk}"
        )
        self.world.database.commit()


@pytest.mark.parametrize("part", range(4))
def test_nothing_ends_that_a_whole_run_did_not_miss(
    fresh_database: FreshDatabase, world: World, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(applying, "CHUNK", 2)
    monkeypatch.setattr(completing, "COUNTED", 2)
    monkeypatch.setattr(releasing, "STALLED_SECONDS", 0.0)
    world.database.role = "wellspring_consumer"
    counts: Counter[str] = Counter()
    for number in range(part, SCHEDULES, 4):
        chance = Random(f"{SEED} {number}")
        schedule = Schedule(world, chance, counts)
        try:
            for _ in range(STEPS):
                schedule.step()
        except AssertionError as error:
            raise AssertionError(f"schedule {number} of seed {SEED}") from error
    sums_are_right(world.database)
    # It would prove nothing of what it never did.
    assert min(counts[name] for name in ("rows ended", "runs complete", "given back", "undone")) > 0, counts
