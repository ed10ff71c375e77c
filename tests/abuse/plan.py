"""The plan of a run: thousands of messages from one seed, and for each what must become of it."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from itertools import count
from typing import Any
from uuid import UUID

type Body = dict[str, Any]

# When things happened: mostly in May, and at the ends of what is taken.
OCCURRED_AT = ("2026-05-10T08:14:22.000Z",) * 5 + (
    *("0001-01-01T00:00:00Z", "0001-01-01T14:00:00+14:00", "1969-12-31T23:59:59.999999-12:00"),
)
# And beside them.
NEVER = (
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999-14:00", "9999-12-31T23:59:59.9999999Z"),
    *("2999-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "infinity", "2026-02-30T00:00:00Z"),
)
# What is JSON to some readers.
NO_JSON = ('"more":NaN', '"more":-Infinity', '"more":{"a":1,"a":2}', '"type":"sync.reverted"')
DIRECTIONS = ("input", "output")
# Of the messages that are no echo: how many can never succeed, and how many come again.
POISONED = 0.04
ECHOED = 0.12
# How many sends later an echo may come: in the same batch, or long after its message was deleted.
LATEST_ECHO = 150
# Groups of which nothing can succeed.
NOBODYS = 2
# How often each message of a shared connector is sent, as by a producer whose retries SQS takes for new ones.
COPIES = 3
RUN_LENGTHS = (1, 1, 2, 3, 5, 8)
# How many messages bring along what records are made of, and how many belong to a run.
BRINGING = 0.15
OF_A_RUN = 0.4
# How often a connector begins another run; and how often what belongs to a run is of one that was reverted.
NEW_RUN = 0.15
OF_A_REVERTED_RUN = 0.1
# A snapshot that ends something is of a producer whose clock is fast: nothing here is older than five minutes. It
# leaves out so many companies, and is reverted so often when it is done.
READ_SINCE = (datetime.now(UTC) + timedelta(hours=12)).isoformat(timespec="milliseconds")
LEFT_OUT = (0, 1, 2)
UNDONE = 0.25
# What a record is made of, by its type: the longest that there is. Whoever says it says the same, so it does not matter
# who is first.
ATTRIBUTES: Mapping[str, Mapping[str, str]] = {
    "company": {"name": "\U0010ffff" * 500},
    "account": {"account_name": "\u0390" * 500, "currency": '"' * 2000},
    "people": {"full_name": "\u0130" * 500},
}
# What one message names: mostly little, so that thousands of them meet on the same records.
RECORD_COUNTS = (1, 1, 2, 3, 5, 20)


@dataclass(frozen=True, slots=True)
class Record:
    """A record by its public names."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace: messages of `shared` come several times at once, and only append; runs of `whole` are snapshots."""

    workspace: str
    connectors: tuple[str, ...]
    shared: str
    whole: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody there is. No good message names anything of `bystanders`."""

    tenants: tuple[Tenant, ...]
    bystanders: tuple[Tenant, ...]
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """One SQS message.

    Attributes:
        group: its FIFO group.
        text: its body.
        body: what must have its effect, once for each `body["id"]`; None of a poisoned one.
        reason: why a poisoned one is parked.
        missing: the record that it lacks, which will be there when it is sent once more.
        is_mended: whether it is sent once more, and nothing is missing.
    """

    group: str
    text: str
    body: Body | None
    reason: str = ""
    missing: Record | None = None
    is_mended: bool = False

    @property
    def id(self) -> str:
        """The id of the message that it holds."""
        assert self.body is not None
        return str(self.body["id"])

    @property
    def digest(self) -> str:
        """SHA-256 of the body, in hexadecimal."""
        return sha256(self.text.encode()).hexdigest()

    def mended(self) -> "Send":
        """Return the same, to be sent once more when its record has come."""
        return Send(self.group, self.text, json.loads(self.text), is_mended=True)


@dataclass(frozen=True, slots=True)
class Poison:
    """What can never succeed.

    Attributes:
        reason: why it is parked.
        text: its body.
        group: where it is sent; None: where the good one would have been.
        missing: the record that it lacks.
    """

    reason: str
    text: str
    group: str | None = None
    missing: Record | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A source of messages.

    Attributes:
        names: the FIFO groups to which each is sent.
        write: makes a good one.
        is_nobodys: its connector is not there, so that all of them are parked.
        is_spared: whether none of them is poisoned: a run that misses a message ends nothing.
    """

    names: tuple[str, ...]
    write: Callable[[], Body]
    is_nobodys: bool = False
    is_spared: bool = False


class Author:
    """Writes the messages of `cast`, of the `types` that are known; the same ones for the same seed and cast."""

    def __init__(self, seed: int, cast: Cast, types: Sequence[str]) -> None:
        self._chance = random.Random(f"plan {seed}")
        self._cast = cast
        self._types = types
        # By FIFO group: the good ones so far.
        self._sent: defaultdict[str, list[Body]] = defaultdict(list)
        # By workspace: the records that messages bring along.
        self._brought: defaultdict[str, list[Record]] = defaultdict(list)
        # By connector: the runs of its good messages, without those that were reverted; and those.
        self._runs: defaultdict[str, list[str]] = defaultdict(list)
        self._reverted_runs: defaultdict[str, list[str]] = defaultdict(list)
        # The good messages of each run, and all that was named to be undone: a run that misses one is never whole.
        self._of_runs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._undone: set[str] = set()

    def write(self, most: int) -> list[Send]:
        """Return `most` messages in the order of sending."""
        sends: list[Send] = []
        echoes: list[tuple[int, int, Send]] = []
        numbers = count()
        groups = self._groups()
        while len(sends) < most:
            group = self._chance.choice(groups)
            for _ in range(self._chance.choice(RUN_LENGTHS)):
                while echoes and echoes[0][0] <= len(sends):
                    sends.append(heappop(echoes)[-1])
                written = self._next(group)
                sends += written
                if self._chance.random() < ECHOED:
                    for send in written:
                        due = len(sends) + self._chance.randrange(LATEST_ECHO)
                        heappush(echoes, (due, next(numbers), send))
        return sends[:most]

    def _next(self, group: Group) -> list[Send]:
        body = group.write()
        if group.is_nobodys:
            return [Send(name, json.dumps(body), None, "unknown_connector") for name in group.names]
        connector = group.names[0]
        if body.get("run") in self._reverted_runs[connector]:
            return [Send(name, json.dumps(body), None, "reverted_run") for name in group.names]
        # What is wrong with the end of a run is told in tests/sync: spoilt, it would spoil its run.
        if not group.is_spared and self._chance.random() < POISONED and body["type"] != "run.completed":
            # Of no run: one that is reverted meanwhile would change why it is parked.
            without = {name: value for name, value in body.items() if name != "run" or body["type"] == "sync.reverted"}
            poison = self._poison(without, connector)
            names = group.names if poison.group is None else (poison.group,)
            return [Send(name, poison.text, None, poison.reason, poison.missing) for name in names]
        self._sent[connector].append(body)
        if not group.is_spared:
            self._note_run(connector, body)
        return [Send(name, json.dumps(body), body) for name in group.names]

    def _note_run(self, connector: str, body: Body) -> None:
        """Remember the run of a good message, or that it was reverted."""
        run = body.get("run")
        self._undone |= set(body["message_ids"] if body["type"] == "sync.reverted" and run is None else ())
        if run is None:
            return
        match body["type"]:
            case "sync.reverted":
                self._runs[connector].remove(run)
                self._reverted_runs[connector].append(run)
            case "run.completed":
                self._runs[connector].remove(run)
            case _:
                self._of_runs[connector, run].append(body["id"])
                if run not in self._runs[connector]:
                    self._runs[connector].append(run)

    # ---- who sends --------------------------------------------------------------------------------------
    def _groups(self) -> list[Group]:
        groups: list[Group] = []
        for tenant in self._cast.tenants:
            for connector in tenant.connectors:
                groups += [Group((connector,), partial(self._any_of_connector, tenant, connector))]
            groups += [Group((tenant.shared,) * COPIES, partial(self._synced, tenant, tenant.shared))]
            if "run.completed" in self._types:
                whole = self._whole(tenant)
                groups += [Group((tenant.whole,), partial(next, whole), is_spared=True)]
            if "providers.matched" in self._types:
                groups += [Group((tenant.workspace,), partial(self._matched, tenant))]
        for tenant in self._cast.tenants[:NOBODYS]:
            nobody = self._id()
            groups += [Group((nobody,), partial(self._any_of_connector, tenant, nobody), is_nobodys=True)]
        return groups

    def _any_of_connector(self, tenant: Tenant, connector: str) -> Body:
        odds = {
            "records.synced": 75,
            "records.invalidated": 20,
            "connector.disconnected": 5,
            "sync.reverted": 5,
            "run.completed": 5,
        }
        known = {type_: odd for type_, odd in odds.items() if type_ in self._types}
        (type_,) = self._chance.choices(list(known), list(known.values()))
        match type_:
            case "records.invalidated":
                return self._of_a_run(connector, self._invalidated(tenant, connector))
            case "connector.disconnected":
                return self._envelope(type_, workspace_connector_id=connector)
            case "sync.reverted":
                return self._reverted(connector)
            case "run.completed" if whole := self._whole_runs(connector):
                return self._completed(connector, self._chance.choice(whole))
        body = self._synced(tenant, connector)
        return self._of_a_run(connector, body | {"mode": self._chance.choice(("append", "append", "relink"))})

    def _of_a_run(self, connector: str, body: Body) -> Body:
        """Return `body`, perhaps as one of a run: of one that goes on, of a new one, or of one that was reverted."""
        if self._chance.random() >= OF_A_RUN:
            return body
        reverted, going_on = self._reverted_runs[connector], self._runs[connector]
        if reverted and self._chance.random() < OF_A_REVERTED_RUN:
            return body | {"run": self._chance.choice(reverted)}
        if going_on and self._chance.random() >= NEW_RUN:
            return body | {"run": self._chance.choice(going_on)}
        return body | {"run": f"run {self._id()}".ljust(100, "\U0010ffff")}

    # ---- good ones --------------------------------------------------------------------------------------
    def _envelope(self, type_: str, **members: Any) -> Body:
        return {"type": type_, "id": self._id(), **members}

    def _synced(self, tenant: Tenant, connector: str) -> Body:
        return self._envelope(
            "records.synced",
            workspace_connector_id=connector,
            direction=self._chance.choice(DIRECTIONS),
            records=[*self._records(tenant), *self._along(tenant)],
            occurred_at=self._chance.choice(OCCURRED_AT),
        )

    def _invalidated(self, tenant: Tenant, connector: str) -> Body:
        return self._envelope(
            "records.invalidated",
            workspace_connector_id=connector,
            direction=self._chance.choice((*DIRECTIONS, None)),
            records=self._records(tenant),
        )

    def _reverted(self, connector: str) -> Body:
        """Undo a run of a connector; or some of what was sent for it, and something that never was."""
        if self._runs[connector] and self._chance.random() < 0.5:
            run = self._chance.choice(self._runs[connector])
            return self._envelope("sync.reverted", workspace_connector_id=connector, run=run)
        before = [body["id"] for body in self._sent[connector]]
        some = self._chance.sample(before, min(len(before), self._chance.choice((1, 1, 2, 5))))
        return self._envelope("sync.reverted", workspace_connector_id=connector, message_ids=[*some, self._id()])

    def _whole_runs(self, connector: str) -> list[str]:
        return [run for run in self._runs[connector] if self._undone.isdisjoint(self._of_runs[connector, run])]

    def _completed(self, connector: str, run: str) -> Body:
        """End a run; perhaps with a snapshot of a source that was read before anything was there: it ends nothing."""
        snapshot = {"direction": "input", "types": ["company"], "read_since": "2026-05-10T08:14:22.000Z"}
        return self._envelope(
            "run.completed",
            workspace_connector_id=connector,
            run=run,
            message_ids=list(self._of_runs[connector, run]),
            snapshot=self._chance.choice((None, snapshot)),
            occurred_at="2026-05-10T08:14:22.000Z",
        )

    def _whole(self, tenant: Tenant) -> Iterator[Body]:
        """Yield runs that name most of what there is, with other messages between theirs; some are reverted."""
        companies = [record for record in tenant.records if record.type == "company"]
        while True:
            run = f"whole {self._id()}"
            named = self._chance.sample(companies, len(companies) - self._chance.choice(LEFT_OUT))
            place = self._chance.randrange(1, len(named))
            ids = []
            for part in (named[:place], named[place:]):
                mode = self._chance.choice(("append", "relink"))
                body = self._of_whole(tenant, part) | {"run": run, "mode": mode}
                ids.append(body["id"])
                yield body
                # It came meanwhile, and stays.
                if self._chance.random() < 0.5:
                    yield self._of_whole(tenant, self._chance.sample(companies, 1))
            yield self._envelope(
                "run.completed",
                workspace_connector_id=tenant.whole,
                run=run,
                message_ids=ids,
                snapshot={"direction": "input", "types": ["company"], "read_since": READ_SINCE},
                occurred_at="2026-05-10T08:14:22.000Z",
            )
            if self._chance.random() < UNDONE:
                yield self._envelope("sync.reverted", workspace_connector_id=tenant.whole, run=run)

    def _of_whole(self, tenant: Tenant, records: Sequence[Record]) -> Body:
        return self._envelope(
            "records.synced",
            workspace_connector_id=tenant.whole,
            direction="input",
            records=[{"type": record.type, "id": record.id} for record in records],
            occurred_at="2026-05-10T08:14:22.000Z",
        )

    def _matched(self, tenant: Tenant) -> Body:
        providers = self._cast.providers
        return self._envelope(
            "providers.matched",
            workspace_id=tenant.workspace,
            provider_ids=self._chance.sample(providers, self._chance.randint(1, len(providers))),
        )

    def _records(self, tenant: Tenant) -> list[dict[str, str]]:
        # With a chance of naming one twice, which counts once.
        named = self._chance.choices(tenant.records, k=self._chance.choice(RECORD_COUNTS))
        return [{"type": record.type, "id": record.id} for record in named]

    def _along(self, tenant: Tenant) -> list[Body]:
        """Return records with what they are made of, perhaps: new ones, those that others bring, and known ones."""
        if self._chance.random() >= BRINGING:
            return []
        brought = self._brought[tenant.workspace]
        for _ in range(self._chance.choice((0, 1, 1, 2))):
            brought.append(Record(self._chance.choice(list(ATTRIBUTES)), self._id()))
        some = self._chance.sample(brought, min(len(brought), self._chance.choice((1, 1, 2, 3))))
        # One that is there is left as it is.
        some.append(self._chance.choice(tenant.records))
        return [{"type": record.type, "id": record.id, "attributes": ATTRIBUTES[record.type]} for record in some]

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    # ---- bad ones ---------------------------------------------------------------------------------------
    def _poison(self, body: Body, group: str) -> Poison:
        """Return `body`, which `group` would get, spoilt in one way."""
        ways = [self._cut, self._of_no_type, self._without_a_member, self._of_nobody, self._in_a_wrong_group]
        ways += [self._that_is_no_json]
        if "occurred_at" in body:
            ways += [self._that_never_was]
        # More often, for not every message can be spoilt so.
        if "records" in body:
            ways += 2 * [self._with_a_stranger, self._with_a_foreigner]
        if "provider_ids" in body:
            ways += 4 * [self._with_no_provider]
        if self._sent[group]:
            ways += [partial(self._with_a_used_id, group)]
        return self._chance.choice(ways)(body)

    def _cut(self, body: Body) -> Poison:
        text = json.dumps(body)
        return Poison("malformed", text[: self._chance.randrange(1, len(text))])

    def _of_no_type(self, body: Body) -> Poison:
        return Poison("malformed", json.dumps(body | {"type": "records.lost"}))

    def _that_is_no_json(self, body: Body) -> Poison:
        return Poison("malformed", f"{json.dumps(body)[:-1]},{self._chance.choice(NO_JSON)}}}")

    def _that_never_was(self, body: Body) -> Poison:
        return Poison("malformed", json.dumps(body | {"occurred_at": self._chance.choice(NEVER)}))

    def _without_a_member(self, body: Body) -> Poison:
        left_out = self._chance.choice([name for name in body if name not in {"mode", "direction"}])
        return Poison("malformed", json.dumps({name: value for name, value in body.items() if name != left_out}))

    def _of_nobody(self, body: Body) -> Poison:
        nobody = self._id()
        if "workspace_id" in body:
            return Poison("unknown_workspace", json.dumps(body | {"workspace_id": nobody}), nobody)
        return Poison("unknown_connector", json.dumps(body | {"workspace_connector_id": nobody}), nobody)

    def _in_a_wrong_group(self, body: Body) -> Poison:
        """Send to the group of another connector, or of another spelling: what is there goes on around it."""
        own = body.get("workspace_connector_id")
        if self._chance.random() < 0.5:
            id_ = str(own or body["workspace_id"])
            # What has no letter in it is spelt in one way.
            return Poison("wrong_group", json.dumps(body), id_.upper() if id_.upper() != id_ else f"{id_}-")
        others = [name for tenant in self._cast.tenants for name in tenant.connectors if name != own]
        return Poison("wrong_group", json.dumps(body), self._chance.choice(others))

    def _with_a_used_id(self, group: str, body: Body) -> Poison:
        """Take the id of a message that is before it in its group, and say something else."""
        used = self._chance.choice(self._sent[group])
        spoilt = body | {"id": used["id"]}
        # Two disconnects of a connector differ in nothing else: with the same id, they are the same message.
        return Poison("reused_id", json.dumps(spoilt)) if spoilt != used else self._of_no_type(body)

    def _with_a_stranger(self, body: Body) -> Poison:
        kind = self._chance.choice(body["records"])["type"]
        stranger = Record(kind, self._id())
        records = [*body["records"], {"type": stranger.type, "id": stranger.id}]
        return Poison("unknown_record", json.dumps(body | {"records": records}), missing=stranger)

    def _with_a_foreigner(self, body: Body) -> Poison:
        """Name something of a bystander: a record of theirs among ours, or our records on their connector."""
        foreign = self._chance.choice(self._cast.bystanders)
        if self._chance.random() < 0.5:
            (connector, *_) = foreign.connectors
            return Poison("tenant_mismatch", json.dumps(body | {"workspace_connector_id": connector}), connector)
        record = self._chance.choice(foreign.records)
        records = [*body["records"], {"type": record.type, "id": record.id}]
        return Poison("tenant_mismatch", json.dumps(body | {"records": records}))

    def _with_no_provider(self, body: Body) -> Poison:
        return Poison("unknown_provider", json.dumps(body | {"provider_ids": [*body["provider_ids"], self._id()]}))


def mended(sends: Sequence[Send]) -> list[Send]:
    """Return what of `sends` is sent once more when its record has come: each body once, in their order."""
    once: dict[str, Send] = {}
    for send in sends:
        if send.missing:
            once.setdefault(send.digest, send.mended())
    return list(once.values())


# Of records: (type, record, connector, direction).
type Place = tuple[str, str, str, str]
# Of messages: that which wrote a row, and that which ended it. Nobody stands for what was before the run.
type Life = tuple[str, str | None]
NOBODY = ""
type Rows = Mapping[tuple[Place, Life], int]


class Expected:
    """The ledger as it must be, in plain Python: who wrote each row, who ended it, and providers matched."""

    def __init__(self, rows: Rows, matched: set[tuple[str, str]]) -> None:
        # The records that messages brought along, each with the connector of one of them.
        self.brought: dict[Record, str] = {}
        self._live: defaultdict[Place, Counter[str]] = defaultdict(Counter)
        self._dead: Counter[tuple[Place, Life]] = Counter()
        for (place, life), number in rows.items():
            if life[1] is None:
                self._live[place][life[0]] += number
            else:
                self._dead[place, life] += number
        self.matched = set(matched)
        # Of each connector what was applied, in its order; and what was undone.
        self._applied: defaultdict[str, list[str]] = defaultdict(list)
        self._reverted: set[str] = set()
        self._run_of: dict[str, str | None] = {}
        # Of each run what was live on its connector when it began, and what it has named since.
        self._there: dict[tuple[str, str], dict[Place, Counter[str]]] = {}
        self._named_by: defaultdict[tuple[str, str], set[Place]] = defaultdict(set)
        # How many rows snapshots have ended.
        self.gone = 0

    def apply(self, body: Body) -> None:
        """Do what the message says."""
        match body["type"]:
            case "records.synced":
                self._sync(body)
            case "records.invalidated":
                for place in self._named(body, DIRECTIONS if body["direction"] is None else (body["direction"],)):
                    self._end(place, body["id"])
            case "connector.disconnected":
                self._end_all(body)
            case "providers.matched":
                self.matched |= {(body["workspace_id"], provider) for provider in body["provider_ids"]}
            case "sync.reverted":
                self._revert(body)
            case "run.completed":
                self._complete(body)
            case other:
                raise AssertionError(f"nobody has said what {other} does")
        self._applied[body.get("workspace_connector_id", NOBODY)].append(body["id"])
        self._run_of[body["id"]] = body.get("run")

    def _bring(self, body: Body) -> None:
        for record in body["records"]:
            if "attributes" in record:
                self.brought.setdefault(Record(record["type"], record["id"]), body["workspace_connector_id"])

    def _sync(self, body: Body) -> None:
        connector, run, places = (
            body["workspace_connector_id"],
            body.get("run"),
            self._named(body, (body["direction"],)),
        )
        if run is not None:
            live = {place: Counter(writers) for place, writers in self._live.items() if place[2] == connector}
            self._there.setdefault((connector, run), live)
            self._named_by[connector, run] |= places
        self._bring(body)
        for place in places:
            if body.get("mode") == "relink":
                self._end(place, body["id"])
            self._live[place][body["id"]] += 1

    def _complete(self, body: Body) -> None:
        """End what was there when the run began, and is still, and what it has not named; none of it was restored."""
        of, snapshot = (body["workspace_connector_id"], body["run"]), body["snapshot"]
        if snapshot is None or snapshot["read_since"] != READ_SINCE:
            # What was there before is younger than what it says.
            return
        # Out of order, it may come before its run has begun.
        for place, writers in self._there.get(of, {}).items():
            if place[0] in snapshot["types"] and place[3] == snapshot["direction"] and place not in self._named_by[of]:
                for writer in writers:
                    if number := self._live[place].pop(writer, 0):
                        self._dead[place, (writer, body["id"])] += number
                        self.gone += number

    def _end_all(self, body: Body) -> None:
        for place in [place for place in self._live if place[2] == body["workspace_connector_id"]]:
            self._end(place, body["id"])

    def _revert(self, body: Body) -> None:
        connector = body["workspace_connector_id"]
        if "run" in body:
            named = {id_ for id_ in self._applied[connector] if self._run_of[id_] == body["run"]} - self._reverted
        else:
            named = set(body["message_ids"]) - self._reverted
        targets = [id_ for id_ in self._applied[connector] if id_ in named]
        self._reverted |= set(targets)
        for target in targets:
            for place in [place for place in self._live if place[2] == connector]:
                number = self._live[place].pop(target, 0)
                if number:
                    self._dead[place, (target, body["id"])] += number
            ended = [(place, life) for place, life in self._dead if place[2] == connector and life[1] == target]
            for place, life in ended:
                if life[0] not in self._reverted:
                    self._live[place][life[0]] += self._dead.pop((place, life))

    @property
    def rows(self) -> Rows:
        """How many rows there are of each place and life."""
        live = {
            (place, (writer, None)): number
            for place, writers in self._live.items()
            for writer, number in writers.items()
        }
        return live | self._dead

    @staticmethod
    def _named(body: Body, directions: Sequence[str]) -> set[Place]:
        return {
            (record["type"], record["id"], body["workspace_connector_id"], direction)
            for record in body["records"]
            for direction in directions
        }

    def _end(self, place: Place, ender: str) -> None:
        for writer, number in self._live.pop(place, Counter()).items():
            self._dead[place, (writer, ender)] += number
