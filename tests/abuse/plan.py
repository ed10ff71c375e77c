"""What is sent: thousands of messages from one seed, and for each what must become of it."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any
from uuid import UUID

type Body = dict[str, Any]

OCCURRED_AT = "2026-05-10T08:14:22.000Z"
DIRECTIONS = ("input", "output")
# Of the messages that are no echo: how many can never succeed, and how many come again.
POISONED = 0.015
ECHOED = 0.12
# How many sends later an echo may come: in the same batch, or long after its message was deleted.
LATEST_ECHO = 150
# Groups of which nothing can succeed; and how often they are chosen, beside the others: each ten cost five seconds.
NOBODYS = 2
NOBODYS_SHARE = 0.2
# A copy of a connector's messages goes to each of these groups: several consumers have the same id at once.
COPIES = 3
RUN_LENGTHS = (1, 1, 2, 3, 5, 8)
# What one message names: mostly little, so that thousands of them meet on the same records.
RECORD_COUNTS = (1, 1, 2, 3, 5, 20)


@dataclass(frozen=True, slots=True)
class Record:
    """A record by its public names."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace: `connectors` have a group each; the messages of `shared` come in several groups, and only append."""

    workspace: str
    connectors: tuple[str, ...]
    shared: str
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
        reason: why a poisoned one fails.
    """

    group: str
    text: str
    body: Body | None
    reason: str = ""

    @property
    def id(self) -> str:
        """The id of the message that it holds."""
        assert self.body is not None
        return str(self.body["id"])


@dataclass(frozen=True, slots=True)
class Group:
    """A source of messages.

    Attributes:
        names: the FIFO groups to which each is sent.
        write: makes a good one.
        is_nobodys: its connector is not there, so that all of them fail.
    """

    names: tuple[str, ...]
    write: Callable[[], Body]
    is_nobodys: bool = False


class Author:
    """Writes the messages of `cast`, of the `types` that are known; the same ones for the same seed and cast."""

    def __init__(self, seed: int, cast: Cast, types: Sequence[str]) -> None:
        self._chance = random.Random(f"plan {seed}")
        self._cast = cast
        self._types = types

    def write(self, most: int) -> list[Send]:
        """Return `most` messages in the order of sending."""
        sends: list[Send] = []
        echoes: list[tuple[int, int, Send]] = []
        numbers = count()
        groups = self._groups()
        shares = [NOBODYS_SHARE if group.is_nobodys else 1.0 for group in groups]
        while len(sends) < most:
            (group,) = self._chance.choices(groups, shares)
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
        if self._chance.random() < POISONED:
            text, reason = self._poison(body)
            return [Send(name, text, None, reason) for name in group.names]
        return [Send(name, json.dumps(body), body) for name in group.names]

    # ---- who sends --------------------------------------------------------------------------------------
    def _groups(self) -> list[Group]:
        groups: list[Group] = []
        for tenant in self._cast.tenants:
            for connector in tenant.connectors:
                groups += [Group((connector,), partial(self._any_of_connector, tenant, connector))]
            copies = tuple(f"{tenant.shared}-{number}" for number in range(COPIES))
            groups += [Group(copies, partial(self._synced, tenant, tenant.shared))]
            if "providers.matched" in self._types:
                groups += [Group((tenant.workspace,), partial(self._matched, tenant))]
        for tenant in self._cast.tenants[:NOBODYS]:
            nobody = self._id()
            groups += [Group((nobody,), partial(self._any_of_connector, tenant, nobody), is_nobodys=True)]
        return groups

    def _any_of_connector(self, tenant: Tenant, connector: str) -> Body:
        odds = {"records.synced": 75, "records.invalidated": 20, "connector.disconnected": 5}
        known = {type_: odd for type_, odd in odds.items() if type_ in self._types}
        (type_,) = self._chance.choices(list(known), list(known.values()))
        match type_:
            case "records.invalidated":
                return self._invalidated(tenant, connector)
            case "connector.disconnected":
                return self._envelope(type_, workspace_connector_id=connector)
        body = self._synced(tenant, connector)
        return body | {"mode": self._chance.choice(("append", "append", "relink"))}

    # ---- good ones --------------------------------------------------------------------------------------
    def _envelope(self, type_: str, **members: Any) -> Body:
        return {"type": type_, "id": self._id(), **members}

    def _synced(self, tenant: Tenant, connector: str) -> Body:
        return self._envelope(
            "records.synced",
            workspace_connector_id=connector,
            direction=self._chance.choice(DIRECTIONS),
            records=self._records(tenant),
            occurred_at=OCCURRED_AT,
        )

    def _invalidated(self, tenant: Tenant, connector: str) -> Body:
        return self._envelope(
            "records.invalidated",
            workspace_connector_id=connector,
            direction=self._chance.choice((*DIRECTIONS, None)),
            records=self._records(tenant),
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

    def _id(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    # ---- bad ones ---------------------------------------------------------------------------------------
    def _poison(self, body: Body) -> tuple[str, str]:
        """Return `body` spoilt in one way, and the reason for which it fails."""
        ways = [self._cut, self._of_no_type, self._without_a_member, self._of_nobody, self._of_nobody]
        # More often, for not every message can be spoilt so.
        if "records" in body:
            ways += 2 * [self._with_a_stranger, self._with_a_foreigner]
        if "provider_ids" in body:
            ways += 4 * [self._with_no_provider]
        return self._chance.choice(ways)(body)

    def _cut(self, body: Body) -> tuple[str, str]:
        text = json.dumps(body)
        return text[: self._chance.randrange(1, len(text))], "malformed"

    def _of_no_type(self, body: Body) -> tuple[str, str]:
        return json.dumps(body | {"type": "records.lost"}), "malformed"

    def _without_a_member(self, body: Body) -> tuple[str, str]:
        left_out = self._chance.choice([name for name in body if name not in {"mode", "direction"}])
        return json.dumps({name: value for name, value in body.items() if name != left_out}), "malformed"

    def _of_nobody(self, body: Body) -> tuple[str, str]:
        if "workspace_id" in body:
            return json.dumps(body | {"workspace_id": self._id()}), "unknown_workspace"
        return json.dumps(body | {"workspace_connector_id": self._id()}), "unknown_connector"

    def _with_a_stranger(self, body: Body) -> tuple[str, str]:
        kind = self._chance.choice(body["records"])["type"]
        return json.dumps(body | {"records": [*body["records"], {"type": kind, "id": self._id()}]}), "unknown_record"

    def _with_a_foreigner(self, body: Body) -> tuple[str, str]:
        """Name something of a bystander: a record of theirs among ours, or our records on their connector."""
        foreign = self._chance.choice(self._cast.bystanders)
        if self._chance.random() < 0.5:
            return json.dumps(body | {"workspace_connector_id": foreign.connectors[0]}), "tenant_mismatch"
        record = self._chance.choice(foreign.records)
        records = [*body["records"], {"type": record.type, "id": record.id}]
        return json.dumps(body | {"records": records}), "tenant_mismatch"

    def _with_no_provider(self, body: Body) -> tuple[str, str]:
        return json.dumps(body | {"provider_ids": [*body["provider_ids"], self._id()]}), "unknown_provider"


type Place = tuple[str, str, str, str, bool]


class Expected:
    """The ledger as it must be, in plain Python: rows on connectors, live or tombstoned, and providers matched."""

    def __init__(self, rows: Mapping[Place, int], matched: set[tuple[str, str]]) -> None:
        self._live: dict[tuple[str, str, str, str], int] = {}
        self._dead: dict[tuple[str, str, str, str], int] = {}
        for (*place, live), number in rows.items():
            kind, record, connector, direction = place
            (self._live if live else self._dead)[(kind, record, connector, direction)] = number
        self.matched = set(matched)

    def apply(self, body: Body) -> None:
        """Do what the message says."""
        match body["type"]:
            case "records.synced":
                for key in self._named(body, (body["direction"],)):
                    if body.get("mode") == "relink":
                        self._end(key)
                    self._live[key] = self._live.get(key, 0) + 1
            case "records.invalidated":
                for key in self._named(body, DIRECTIONS if body["direction"] is None else (body["direction"],)):
                    self._end(key)
            case "connector.disconnected":
                for key in [key for key in self._live if key[2] == body["workspace_connector_id"]]:
                    self._end(key)
            case "providers.matched":
                self.matched |= {(body["workspace_id"], provider) for provider in body["provider_ids"]}
            case other:
                raise AssertionError(f"nobody has said what {other} does")

    @property
    def rows(self) -> dict[Place, int]:
        """How many rows there are of each (type, record, connector, direction, is it live)."""
        live = {(*key, True): number for key, number in self._live.items()}
        return live | {(*key, False): number for key, number in self._dead.items()}

    @staticmethod
    def _named(body: Body, directions: Sequence[str]) -> set[tuple[str, str, str, str]]:
        return {
            (record["type"], record["id"], body["workspace_connector_id"], direction)
            for record in body["records"]
            for direction in directions
        }

    def _end(self, key: tuple[str, str, str, str]) -> None:
        ended = self._live.pop(key, 0)
        if ended:
            self._dead[key] = self._dead.get(key, 0) + ended
