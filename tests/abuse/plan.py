"""The plan of a run: thousands of messages from one seed, and of each whether it has an effect or why it is parked."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from operator import itemgetter
from typing import Any
from uuid import UUID

from tests.support.queue import Body, completed, disconnected, invalidated, matched, reverted, synced
from tests.support.world import Direction, Row

DIRECTIONS: tuple[Direction, ...] = ("input", "output")
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
# What a record is made of, by its type: the longest that there is.
ATTRIBUTES = {
    "company": {"name": "\U0010ffff" * 500},
    "account": {"account_name": "\u0390" * 500, "currency": '"' * 2000},
    "people": {"full_name": "\u0130" * 500},
}
# What one message names: mostly little, so that thousands of them meet on the same records.
RECORD_COUNTS = (1, 1, 2, 3, 5, 20)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace: messages of `shared` come several times at once, and only append."""

    workspace: str
    connectors: tuple[str, ...]
    shared: str
    records: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    tenants: tuple[Tenant, ...]
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
    missing: Row | None = None
    is_mended: bool = False

    @property
    def id(self) -> str:
        assert self.body is not None
        return str(self.body["id"])

    @property
    def digest(self) -> str:
        return sha256(self.text.encode()).hexdigest()


def said(record: Row) -> Body:
    """Return a record as messages name it."""
    return {"type": record.type, "id": str(record.id)}


def mended(sends: Sequence[Send]) -> list[Send]:
    """Return what of `sends` is sent once more when its record has come: each body once, in their order."""
    once: dict[str, Send] = {}
    for send in sends:
        if send.missing:
            once.setdefault(send.digest, Send(send.group, send.text, json.loads(send.text), is_mended=True))
    return list(once.values())


def effective(sends: Sequence[Send], overtaken: Collection[str]) -> list[Send]:
    """Return the sends that must have an effect, each message once, in their order; none that was `overtaken`."""
    once: dict[str, Send] = {}
    for send in sends:
        if send.body is not None and not (send.is_mended and send.digest in overtaken):
            once.setdefault(send.id, send)
    return list(once.values())


@dataclass(frozen=True, slots=True)
class Group:
    """A source of messages, each of which is sent to the FIFO groups `names`.

    A nobody's connector is not there, so that all of them are parked.
    """

    names: tuple[str, ...]
    write: Callable[[], Body]
    is_nobodys: bool = False


class Author:
    """Writes the messages of `cast`; the same ones for the same seed and cast."""

    def __init__(self, seed: int, cast: Cast) -> None:
        self._chance = random.Random(f"plan {seed}")
        self._cast = cast
        # By FIFO group: the good ones so far.
        self._sent: defaultdict[str, list[Body]] = defaultdict(list)
        # By workspace: the records that messages bring along.
        self._brought: defaultdict[str, list[Row]] = defaultdict(list)
        # By connector: the runs of its good messages, without those that were reverted; and those.
        self._runs: defaultdict[str, list[str]] = defaultdict(list)
        self._reverted_runs: defaultdict[str, list[str]] = defaultdict(list)
        # The good messages of each run, and all that was named to be undone: a run that misses one is never whole.
        self._of_runs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._undone: set[str] = set()

    def write(self, most: int) -> list[Send]:
        # By the place of each; an echo's is a later one.
        placed: list[tuple[float, Send]] = []
        groups = self._groups()
        while len(placed) < most:
            group = self._chance.choice(groups)
            for _ in range(self._chance.choice(RUN_LENGTHS)):
                written = self._next(group)
                placed += [(len(placed) + place, send) for place, send in enumerate(written)]
                if self._chance.random() < ECHOED:
                    placed += [(len(placed) + self._chance.randrange(LATEST_ECHO) + 0.5, send) for send in written]
        return [send for _, send in sorted(placed, key=itemgetter(0))][:most]

    def _next(self, group: Group) -> list[Send]:
        body, connector = group.write(), group.names[0]
        if group.is_nobodys or body.get("run") in self._reverted_runs[connector]:
            reason = "unknown_connector" if group.is_nobodys else "reverted_run"
            return [Send(name, json.dumps(body), None, reason) for name in group.names]
        # What is wrong with the end of a run is told in tests/sync: spoilt, it would spoil its run.
        if self._chance.random() < POISONED and body["type"] != "run.completed":
            # Of no run: one that is reverted meanwhile would change why it is parked.
            without = {name: value for name, value in body.items() if name != "run" or body["type"] == "sync.reverted"}
            poison = self._poison(without, connector)
            names = group.names if poison.group == connector else (poison.group,)
            return [replace(poison, group=name) for name in names]
        self._sent[connector].append(body)
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
            groups += [Group((name,), partial(self._any_of_connector, tenant, name)) for name in tenant.connectors]
            groups += [Group((tenant.shared,) * COPIES, partial(self._synced, tenant, tenant.shared))]
            groups += [Group((tenant.workspace,), partial(self._matched, tenant))]
        for tenant in self._cast.tenants[:NOBODYS]:
            nobody = self._id()
            groups += [Group((nobody,), partial(self._any_of_connector, tenant, nobody), is_nobodys=True)]
        return groups

    def _any_of_connector(self, tenant: Tenant, connector: str) -> Body:
        match self._chance.choices(
            ("synced", "invalidated", "disconnected", "reverted", "completed"), (75, 20, 5, 5, 5)
        ):
            case ["invalidated"]:
                return self._of_a_run(connector, self._invalidated(tenant, connector))
            case ["disconnected"]:
                return disconnected(UUID(connector), id_=self._id())
            case ["reverted"]:
                return self._reverted(connector)
            case ["completed"] if whole := self._whole_runs(connector):
                run = self._chance.choice(whole)
                # Perhaps with a snapshot of a source that was read before anything was there: it ends nothing.
                types = self._chance.choice(((), ("company",)))
                ids = self._of_runs[connector, run]
                return completed(UUID(connector), run, *ids, types=types) | {"id": self._id()}
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
    def _synced(self, tenant: Tenant, connector: str) -> Body:
        direction = self._chance.choice(DIRECTIONS)
        body = synced(UUID(connector), self._records(tenant), direction, id_=self._id())
        return body | {"records": [*body["records"], *self._along(tenant)]}

    def _invalidated(self, tenant: Tenant, connector: str) -> Body:
        direction = self._chance.choice((*DIRECTIONS, None))
        return invalidated(UUID(connector), self._records(tenant), direction, id_=self._id())

    def _reverted(self, connector: str) -> Body:
        """Undo a run of a connector; or some of what was sent for it, and something that never was."""
        if self._runs[connector] and self._chance.random() < 0.5:
            return reverted(UUID(connector), run=self._chance.choice(self._runs[connector]), id_=self._id())
        before = [body["id"] for body in self._sent[connector]]
        some = self._chance.sample(before, min(len(before), self._chance.choice((1, 1, 2, 5))))
        return reverted(UUID(connector), *some, self._id(), id_=self._id())

    def _whole_runs(self, connector: str) -> list[str]:
        return [run for run in self._runs[connector] if self._undone.isdisjoint(self._of_runs[connector, run])]

    def _matched(self, tenant: Tenant) -> Body:
        providers = self._chance.sample(self._cast.providers, self._chance.randint(1, len(self._cast.providers)))
        return matched(UUID(tenant.workspace), map(UUID, providers), id_=self._id())

    def _records(self, tenant: Tenant) -> list[Row]:
        # With a chance of naming one twice, which counts once.
        return self._chance.choices(tenant.records, k=self._chance.choice(RECORD_COUNTS))

    def _along(self, tenant: Tenant) -> list[Body]:
        """Return records with what they are made of, perhaps: new ones, those that others bring, and known ones."""
        if self._chance.random() >= BRINGING:
            return []
        brought = self._brought[tenant.workspace]
        for _ in range(self._chance.choice((0, 1, 1, 2))):
            brought.append(Row(self._chance.choice(list(ATTRIBUTES)), 0, UUID(self._id())))
        some = self._chance.sample(brought, min(len(brought), self._chance.choice((1, 1, 2, 3))))
        # One that is there is left as it is.
        some.append(self._chance.choice(tenant.records))
        return [said(record) | {"attributes": ATTRIBUTES[record.type]} for record in some]

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    # ---- bad ones ---------------------------------------------------------------------------------------
    def _poison(self, body: Body, group: str) -> Send:
        """Return `body`, which `group` would get, spoilt in one way. All ways of the malformed are in tests/sync."""
        chance, nobody, text = self._chance, self._id(), json.dumps(body)

        def bad(reason: str, group: str = group, missing: Row | None = None, **changes: Any) -> Send:
            return Send(group, json.dumps(body | changes), None, reason, missing)

        others = [name for tenant in self._cast.tenants for name in tenant.connectors if name != group]
        # What has no letter in it is spelt in one way.
        spelling = group.upper() if group.upper() != group else f"{group}-"
        ways = [
            Send(group, text[: chance.randrange(1, len(text))], None, "malformed"),
            # In the group of another connector, or of another spelling: what is there goes on around it.
            bad("wrong_group", chance.choice([spelling, chance.choice(others)])),
        ]
        # What not every message can be is there more often.
        if "workspace_id" in body:
            ways += [bad("unknown_workspace", nobody, workspace_id=nobody)]
            ways += 4 * [bad("unknown_provider", provider_ids=[*body["provider_ids"], nobody])]
        else:
            ways += [bad("unknown_connector", nobody, workspace_connector_id=nobody)]
        if "records" in body:
            others_tenants = [each for each in self._cast.tenants if group not in (*each.connectors, each.shared)]
            named, foreign = body["records"], chance.choice(others_tenants)
            stranger, theirs = Row(chance.choice(named)["type"], 0, UUID(nobody)), foreign.connectors[0]
            ways += 2 * [bad("unknown_record", missing=stranger, records=[*named, said(stranger)])]
            # A record of theirs among ours, and our records on their connector.
            ways += [bad("tenant_mismatch", records=[*named, said(chance.choice(foreign.records))])]
            ways += [bad("tenant_mismatch", theirs, workspace_connector_id=theirs)]
        # The id of a message that is before it in its group. Two disconnects of a connector differ in nothing else:
        # with the same id, they are the same message.
        used = chance.choice(self._sent[group] or [body])
        ways += [bad("reused_id", id=used["id"])] if body | {"id": used["id"]} != used else []
        return chance.choice(ways)
