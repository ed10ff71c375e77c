"""Random schedules of runs: what each snapshot ended, beside a rule that is written apart (contract, section 5).

`RUN_SCHEDULES=10000 make property-tests ARGS=tests/sync/test_worlds_of_runs.py` draws more, `WORLDS_SEED=7` others;
`RUN_FIRST_SCHEDULE=72 RUN_SCHEDULES=1` is that one alone. Time is counted in hours: what happens in one is seconds
apart, and clocks are off by minutes, so that the five minutes decide nothing here.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.support import feed
from tests.support.api import PIPELINE, delete, draft, patch, post
from tests.support.databases import CONSUMER, FEEDER, FreshDatabase, acting_as
from tests.support.queue import Body, completed, consume, disconnected, invalidated, reverted, synced
from tests.support.sums import sums_are_right
from tests.support.world import Direction, Row, World
from tests.sync.conftest import die, dismiss, settle
from wellspring.repositories.sync import completing
from wellspring.resources import ledgers
from wellspring.services.feed import endings
from wellspring.services.sync import applying, releasing

pytestmark = pytest.mark.worlds

SCHEDULES = int(os.environ.get("RUN_SCHEDULES", "100"))
FIRST = int(os.environ.get("RUN_FIRST_SCHEDULE", "0"))
SEED = int(os.environ.get("WORLDS_SEED", "1"))
STEPS = 40
# What the tool of a connector may have, by type; of each type the last one is the feed's to end and to bring back.
AMOUNTS = {"company": 6, "people": 4, "account": 3}
# What all schedules together must have met: they would prove nothing of what they never did.
FAULTS = (
    *("rows ended of input", "rows ended of output", "runs complete", "written by hand", "parked", "id reused"),
    *("consumer killed", "lost", "redelivered", "ended by the feed", "brought back by the feed"),
    *("undone", "undone in the middle", "released: too_many_endings", "released: unexpected"),
)
# A record, or a row, of one of the ledgers.
type Key = tuple[str, Any]

_ROWS = " UNION ALL ".join(
    f"SELECT '{type_}' AS type, row.pk, row.id, record.id AS record, row.deleted_at IS NULL AS is_live,"
    " row.direction::text, row.workspace_connector_pk AS connector, ender.message_id::text AS ended_by"
    f"  FROM core_api.{ledgers()[type_].table} AS row"
    f"  JOIN core_api.{table} AS record ON record.pk = row.{type_}_pk"
    "  LEFT JOIN wellspring.sync_messages AS ender ON ender.pk = row.ended_by_pk"
    " WHERE row.workspace_connector_pk = ANY ($1)"
    for type_, table in (("company", "companies"), ("people", "peoples"), ("account", "accounts"))
)
_MESSAGES = (
    "SELECT id, message_id, outcome, reason, workspace_connector_pk AS connector, run FROM wellspring.sync_messages"
    " WHERE workspace_connector_pk = ANY ($1)"
)
_RUNS = (
    "SELECT workspace_connector_pk AS connector, run FROM wellspring.sync_runs WHERE workspace_connector_pk = ANY ($1)"
)
# Asked after each step, and planned once.
_LOOK = "PREPARE look (bigint[]) AS SELECT " + ", ".join(
    f"(SELECT coalesce(json_agg(asked), '[]') FROM ({asked}) AS asked)" for asked in (_ROWS, _MESSAGES, _RUNS)
)


@dataclass(frozen=True)
class Seen:
    type: str
    pk: int
    id: UUID
    record: UUID
    is_live: bool
    direction: str
    connector: int
    ended_by: str | None

    @property
    def key(self) -> Key:
        return self.type, self.pk

    @property
    def of(self) -> Key:
        return self.type, self.record


@dataclass
class Run:
    """What a producer knows of its run, and what the rule must know of it."""

    line: "Line"
    name: str
    direction: Direction
    types: tuple[str, ...]
    read_at: int
    read: frozenset[Key]
    messages: list[Body]
    end: Body
    there: frozenset[Key] | None = None
    touched: set[Key] = field(default_factory=set)
    is_confirmed: bool = False
    is_undone: bool = False


@dataclass
class Line:
    """One connector: what its tool has, what its producer has sent, and what was lost on the way."""

    connector: Row
    source: set[Key]
    is_live: bool = True
    runs: list[Run] = field(default_factory=list)
    # What is on its way is delivered in the order of the queue, but for what was lost and comes again.
    queue: list[Body] = field(default_factory=list)
    lost: list[Body] = field(default_factory=list)


@dataclass(frozen=True)
class Now:
    rows: dict[Key, Seen]
    outcomes: dict[str, str]
    runs: frozenset[tuple[int, str]]
    # Where an id came again with another body, by connector and run; and of each such message its own id.
    reused: dict[tuple[int, str], str]
    # Of what somebody has to release: the message's own id, the producer's, and why.
    held: list[tuple[str, str, str]]


class Schedule:
    """Two connectors of a workspace, their tools and producers, and everything that goes wrong."""

    def __init__(self, world: World, chance: Random, counts: Counter[str]) -> None:
        self.world, self.chance, self.counts = world, chance, counts
        self.workspace = world.workspace()
        self.tool = world.connector()
        self.records = {
            (type_, row.id): row
            for type_, amount in AMOUNTS.items()
            for row in world.records(type_, self.workspace, amount)
        }
        self.fed = [key for type_ in AMOUNTS for key in [key for key in self.records if key[0] == type_][-1:]]
        self.lines = [Line(world.workspace_connector(self.workspace, self.tool), set(self.records)) for _ in range(2)]
        self.connectors = [line.connector.pk for line in self.lines]
        self.hour = 0
        self.versions = count(1)
        self.absent: set[Key] = set()
        self.changed: dict[Key, int] = {}
        self.undone: set[str] = set()
        self.has_all()

    def has_all(self) -> None:
        """The ledger has all that the tools have, in both directions, for an hour."""
        directions: tuple[Direction, ...] = ("input", "output")
        for direction in directions:
            consume(*(synced(line.connector, self.records.values(), direction) for line in self.lines))
        self.now = self.look()
        self.changed = dict.fromkeys(self.now.rows, self.hour)
        self.an_hour()
        self.now = self.look()

    @property
    def runs(self) -> list[Run]:
        return [run for line in self.lines for run in line.runs]

    @property
    def in_progress(self) -> list[Run]:
        """The runs whose end has ended some rows, and not all."""
        return [run for run in self.runs if self.now.outcomes.get(run.end["id"]) == "in_progress"]

    # ---- what is there ----------------------------------------------------------------------------------
    def look(self) -> Now:
        owner = self.world.database.owner
        rows, messages, runs = owner.exec_driver_sql(f"EXECUTE look (ARRAY{self.connectors})").one()
        self.world.database.commit()
        seen = [Seen(**row | {"id": UUID(row["id"]), "record": UUID(row["record"])}) for row in rows]
        parked = [each for each in messages if each["outcome"] == "parked"]
        return Now(
            {row.key: row for row in seen},
            {
                # What failed in the middle for a reason of its own is parked, and has begun.
                each["message_id"]: "interrupted" if each["reason"] == "unexpected" else each["outcome"]
                for each in messages
                if each["reason"] != "reused_id"
            },
            frozenset((run["connector"], run["run"]) for run in runs),
            {(each["connector"], each["run"]): each["id"] for each in parked if each["reason"] == "reused_id"},
            sorted(
                (each["id"], each["message_id"], each["reason"])
                for each in parked
                if each["reason"] in {"too_many_endings", "unexpected"}
            ),
        )

    # ---- the rule, in plain words -----------------------------------------------------------------------
    def of_snapshot(self, run: Run, rows: dict[Key, Seen]) -> Iterator[Seen]:
        """Yield the live rows of the run's connector, direction and types."""
        for row in rows.values():
            is_of_run = row.connector == run.line.connector.pk and row.direction == run.direction
            if row.is_live and is_of_run and row.type in run.types:
                yield row

    def may_end(self, run: Run, rows: dict[Key, Seen]) -> set[Key]:
        """Return the rows that the run's snapshot ends: there before it, unchanged since, and not read."""
        named = {(each["type"], UUID(each["id"])) for body in run.messages for each in body["records"]}
        return {
            row.key
            for row in self.of_snapshot(run, rows)
            if run.there is not None
            and row.key in run.there
            and row.key not in run.touched
            and self.changed[row.key] < run.read_at
            and row.of not in named
        }

    def is_whole(self, run: Run, now: Now) -> bool:
        are_applied = all(now.outcomes.get(body["id"]) == "applied" for body in run.messages)
        is_undone = any(body["id"] in self.undone for body in run.messages)
        return are_applied and not is_undone and (run.line.connector.pk, run.name) not in now.reused

    def is_too_much(self, run: Run, rows: dict[Key, Seen], made: Iterable[Seen]) -> bool:
        """Say whether the snapshot would end more than half of a type: of what is live, or is made in front of it."""
        live = {row.of for row in self.of_snapshot(run, rows | {row.key: row for row in made})}
        ends = {rows[key].of for key in self.may_end(run, rows)}
        of_type = [({one for one in some if one[0] == type_} for some in (ends, live)) for type_ in run.types]
        return any(2 * len(ending) > len(living) for ending, living in of_type)

    # ---- what happens -----------------------------------------------------------------------------------
    def step(self) -> None:
        ways = {
            self.an_hour: 4,
            self.begin: 6,
            self.deliver: 24,
            self.lose: 1,
            self.find: 2,
            self.echo: 2,
            self.others: 2,
            self.by_hand: 2,
            self.undo: 6 if self.in_progress else 1,
            self.confirm: 3,
            self.settled: 2,
            self.comes_and_goes: 1,
            self.is_unplugged: 0.2,
        }
        act = self.chance.choices(list(ways), list(ways.values()))[0]
        act()
        if act in (self.begin, self.lose):
            # Nothing of it has reached the ledger.
            return
        before, self.now = self.now, self.look()
        self.counts["parked"] += "parked" in {
            self.now.outcomes[id_] for id_ in self.now.outcomes.keys() - before.outcomes
        }
        self.check(before, self.now)

    def check(self, before: Now, after: Now) -> None:
        """Compare what has changed with the rule; note what did, for the runs that are under way."""
        for run in self.runs:
            if run.there is None and (run.line.connector.pk, run.name) in after.runs:
                run.there = frozenset(before.rows)
            self.check_run(run, before, after)
        for key, row in after.rows.items():
            then = before.rows.get(key)
            if then is None or then.is_live != row.is_live:
                self.changed[key] = self.hour
                for run in self.runs:
                    if run.there is not None and row.is_live:
                        run.touched.add(key)

    def check_run(self, run: Run, before: Now, after: Now) -> None:
        end = run.end["id"]
        was, is_now = before.outcomes.get(end), after.outcomes.get(end)
        live = [key for key, row in before.rows.items() if row.is_live]
        ended = {key for key in live if after.rows[key].ended_by == end}
        # Of this very step: what was made in it may be ended in it by none.
        assert ended <= self.may_end(run, before.rows), (run.name, "ended what it may not")
        assert {after.rows[key].of for key in ended}.isdisjoint(run.read), (run.name, "ended what the tool had")
        # Whoever undoes one of its messages while it ends rows, undoes that message alone.
        has_begun, goes_on = (outcome in {"in_progress", "applied"} for outcome in (was, is_now))
        assert goes_on or is_now == "interrupted" or not ended, (run.name, "ended something and has not begun")
        if (goes_on or ended) and not has_begun:
            # Its own messages may have been applied in this step, in front of it.
            assert self.is_whole(run, after), (run.name, "was not whole")
        if ended:
            self.counts[f"rows ended of {run.direction}"] += len(ended)
            made = [row for key, row in after.rows.items() if key not in before.rows]
            if not has_begun and not run.is_confirmed:
                assert not self.is_too_much(run, before.rows, made), (run.name, "too much")
        if is_now == "applied" and was != "applied" and not run.is_undone:
            self.counts["runs complete"] += 1
            assert self.may_end(run, after.rows) == set(), (run.name, "left what is gone")

    def take(self, *bodies: Body) -> None:
        """Have the consumer take a batch, of each connector at most one; what it gives back comes again."""
        # The consumer dies in one of its next chunks, sometimes.
        at = self.chance.choice((1, 2, 3)) if self.chance.random() < 0.3 else 99
        with pytest.MonkeyPatch.context() as patched:
            begun = die(patched, at)
            returned = consume(*bodies)
        self.counts["consumer killed"] += len(begun) >= at
        for position in returned:
            self.line_of(bodies[position]).queue.insert(0, bodies[position])

    def line_of(self, body: Body) -> Line:
        return next(line for line in self.lines if str(line.connector.id) == body["workspace_connector_id"])

    def an_hour(self) -> None:
        """An hour passes: all that is kept is an hour older. Nothing is half-done then: that goes on from a time."""
        if "in_progress" in self.now.outcomes.values():
            return
        self.hour += 1
        hour, of = "interval '1 hour'", f"WHERE workspace_connector_pk = ANY (ARRAY{self.connectors})"
        owner = self.world.database.owner
        for type_ in AMOUNTS:
            owner.exec_driver_sql(
                f"UPDATE core_api.{ledgers()[type_].table} SET created_at = created_at - {hour},"
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
        """A producer reads its tool, all of it but what the feed has ended; its clock is off by minutes."""
        line = self.chance.choice(self.lines)
        for key in self.chance.sample(sorted(self.records), 2):
            line.source.symmetric_difference_update({key})
        # Now and then it names what the platform does not have any more.
        knows = self.chance.random() < 0.8
        read = sorted(key for key in line.source if not (knows and key in self.absent))
        self.chance.shuffle(read)
        name = f"run {len(line.runs)}"
        mode = self.chance.choice(("append", "relink"))
        direction: Direction = self.chance.choice(("input", "input", "output"))
        parts = [read[:5], read[5:10], read[10:]]
        sent = [
            synced(line.connector, self.rows_of(part), direction, mode=mode) | {"run": name} for part in parts if part
        ]
        types = tuple(self.chance.sample(sorted(AMOUNTS), self.chance.randint(1, len(AMOUNTS))))
        off = self.chance.randint(-4, 4)
        since = self.world.database.owner.exec_driver_sql(
            f"SELECT to_json(clock_timestamp() + interval '{off} minutes')"
        ).scalar_one()
        self.world.database.commit()
        ids = [body["id"] for body in sent]
        end = completed(line.connector, name, *ids, types=types, read_since=str(since), direction=direction)
        line.runs.append(Run(line, name, direction, types, self.hour, frozenset(read), sent, end))
        line.queue += [*sent, end]
        if self.chance.random() < 0.2:
            self.chance.shuffle(line.queue)

    def rows_of(self, keys: Iterable[Key]) -> list[Row]:
        return [self.records[key] for key in keys]

    def deliver(self) -> None:
        waiting = [line for line in self.lines if line.queue]
        if waiting:
            several = self.chance.sample(waiting, self.chance.randint(1, len(waiting)))
            self.take(*(line.queue.pop(0) for line in several))

    def lose(self) -> None:
        line = self.chance.choice(self.lines)
        if line.queue:
            self.counts["lost"] += 1
            line.lost.append(line.queue.pop(self.chance.randrange(len(line.queue))))

    def find(self) -> None:
        line = self.chance.choice(self.lines)
        if line.lost:
            self.take(line.lost.pop(0))

    def echo(self) -> None:
        """What was delivered comes once more; or another message under its id, of a producer that read anew."""
        line = self.chance.choice(self.lines)
        not_yet = line.queue + line.lost
        sent = [body for run in line.runs for body in (*run.messages, run.end) if body not in not_yet]
        if sent:
            body = self.chance.choice(sent)
            if body["type"] == "records.synced" and self.chance.random() < 0.2:
                self.counts["id reused"] += 1
                body = body | {"records": body["records"][:1], "mode": "relink"}
            self.counts["redelivered"] += 1
            self.take(body)

    def others(self) -> None:
        connector = self.chance.choice(self.lines).connector
        some = self.rows_of(self.chance.sample(sorted(self.records.keys() - self.absent), 3))
        direction: Direction = self.chance.choice(("input", "output"))
        match self.chance.choices(("synced", "invalidated", "disconnected"), (4, 2, 1))[0]:
            case "synced":
                self.take(synced(connector, some, direction))
            case "invalidated":
                self.take(invalidated(connector, some, self.chance.choice((direction, None))))
            case _:
                self.take(disconnected(connector))

    def by_hand(self) -> None:
        """Somebody makes, ends or restores a row over HTTP; of what has ended they may not."""
        rows = sorted(self.now.rows.values(), key=lambda row: row.key)
        self.counts["written by hand"] += 1
        match self.chance.choice(("make", "end", "restore")):
            case "end" if live := [row for row in rows if row.is_live]:
                row = self.chance.choice(live)
                delete(f"{ledgers()[row.type].route}/{row.id}", PIPELINE)
            case "restore" if dead := [row for row in rows if not row.is_live]:
                row = self.chance.choice(dead)
                of = ledgers()[row.type]
                patch(f"{of.route}/{row.id}", PIPELINE, draft(of.type, {"deleted_at": None}, row.id))
            case _:
                type_, id_ = self.chance.choice(sorted(self.records))
                line, of = self.chance.choice(self.lines), ledgers()[type_]
                related = {type_: self.records[type_, id_], "workspace_connector": line.connector}
                made = draft(of.type, {"direction": self.chance.choice(("input", "output"))}, **related)
                is_there = line.is_live and (type_, id_) not in self.absent
                assert post(of.route, PIPELINE, made).status == (201 if is_there else 404)

    def undo(self) -> None:
        """A run, its end, or one of its messages is reverted, in the middle perhaps."""
        if not self.runs:
            return
        run = self.chance.choice(self.in_progress or self.runs)
        connector, outcomes = run.line.connector, self.now.outcomes
        match self.chance.choice(("run", "end", "message")):
            case "run":
                body = reverted(connector, run=run.name)
                self.undone |= {one["id"] for one in run.messages if outcomes.get(one["id"]) == "applied"}
                run.is_undone = True
            case "end":
                body = reverted(connector, run.end["id"])
                run.is_undone = run.is_undone or run.end["id"] in outcomes
            case _:
                one = self.chance.choice(run.messages) if run.messages else run.end
                body = reverted(connector, one["id"])
                self.undone |= {one["id"]} if outcomes.get(one["id"]) == "applied" else set()
        if run in self.in_progress:
            self.counts["undone in the middle"] += 1
        while consume(body):
            pass
        self.counts["undone"] += 1

    def confirm(self) -> None:
        """Who has looked releases what would end too much, or has failed in the middle; and dismisses a reused id."""
        if self.now.reused:
            id_ = self.chance.choice(sorted(self.now.reused.values()))
            assert dismiss(id_).status == 200
        elif self.now.held:
            id_, message_id, reason = self.chance.choice(self.now.held)
            run = next(run for run in self.runs if run.end["id"] == message_id)
            self.counts[f"released: {reason}"] += 1
            run.is_confirmed = run.is_confirmed or reason == "too_many_endings"
            assert post(f"/v1/sync-messages/{id_}/release", PIPELINE, None).status in {200, 409}

    def settled(self) -> None:
        """What runs each minute: it releases what misses nothing any more, and sweeps what the feed has ended."""
        settle()

    def comes_and_goes(self) -> None:
        """The feed ends a record, and its rows with it, or brings it back, without them."""
        key, version = self.chance.choice(self.fed), next(self.versions)
        if key in self.absent:
            self.counts["brought back by the feed"] += 1
            self.told(feed.upserted(key[0], self.records[key], version, workspace_id=self.workspace))
        else:
            self.counts["ended by the feed"] += 1
            self.told(feed.deleted(key[0], self.records[key], version))
        self.absent ^= {key}

    def is_unplugged(self) -> None:
        """The feed ends a connector, or brings it back: what it had stays ended."""
        line, version = self.chance.choice(self.lines), next(self.versions)
        if line.is_live:
            self.told(feed.deleted("workspace_connector", line.connector, version))
        else:
            of: dict[str, Any] = {"workspace_id": self.workspace, "connector_id": self.tool}
            self.told(feed.upserted("workspace_connector", line.connector, version, **of))
        line.is_live = not line.is_live

    def told(self, event: feed.Event) -> None:
        with acting_as(FEEDER):
            assert feed.statuses(event) == ["applied"]


def empty(database: FreshDatabase) -> None:
    """Take away what a schedule has left: the next one costs what the first one did."""
    database.owner.exec_driver_sql(
        "TRUNCATE core_api.workspaces, core_api.connectors, wellspring.sync_messages, wellspring.sync_runs,"
        " wellspring.connector_state, wellspring.connector_rows, wellspring.connector_activity, wellspring.endings,"
        " wellspring.audit CASCADE"
    )
    database.commit()


def test_nothing_ends_that_a_whole_run_did_not_miss(
    fresh_database: FreshDatabase, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "CHUNK", 2)
    monkeypatch.setattr(completing, "COUNTED", 2)
    monkeypatch.setattr(releasing, "STALLED_SECONDS", 0.0)
    # Statements are over at once here.
    monkeypatch.setattr(endings, "QUIET_SECONDS", 0.0)
    world.database.role = CONSUMER
    world.database.owner.exec_driver_sql(_LOOK)
    counts: Counter[str] = Counter()
    for number in range(FIRST, FIRST + SCHEDULES):
        schedule = Schedule(world, Random(f"{SEED} {number}"), counts)
        try:
            for _ in range(STEPS):
                schedule.step()
            sums_are_right(world.database)
        except AssertionError as error:
            raise AssertionError(f"schedule {number} of seed {SEED}") from error
        empty(fresh_database)
        if number % 100 == 99:
            print(f"\n{number + 1} schedules of seed {SEED}: {dict(counts)}", flush=True)  # noqa: T201  of a long run
    assert SCHEDULES < 100 or {fault for fault in FAULTS if not counts[fault]} == set(), counts
