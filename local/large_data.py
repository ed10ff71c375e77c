"""Data of the large demo: a believable platform of forty workspaces, and a year of their syncs.

Everything comes from one seed and has a fixed id, so that sending it again adds nothing. The year ends today.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from local.demo_data import OWNER, Kept, Row, message, upserted
from local.example_ids import demo_id
from wellspring_producer import Connector, Snapshot
from wellspring_producer.messages import Direction, Mode

SOURCE = "/well/large-demo"
# The small demo has `a` to `c`.
LETTER = "e"
WORKSPACES = 40
CONNECTORS = 300
# The demo's owner, who signs in to the console, works in so many of them: an owner in half, a member in the others.
OWNERS_WORKSPACES = 8
# Of each type, what a workspace has in the mean; see `amount`.
AMOUNTS = {"company": 1300, "people": 450, "account": 12}
# A connector's first sync brings such a part of what its workspace has.
FIRST_SHARE = (0.2, 0.45)
YEAR = timedelta(days=365)
SEED = 7

_TOWNS = ("Lyon", "Porto", "Gdansk", "Leeds", "Ghent", "Turin", "Malmo", "Cork", "Basel", "Nantes")
_TRADES = ("Bakery", "Logistics", "Studio", "Energy", "Clinics", "Foods", "Textiles", "Robotics")
_FIRST = (
    *("Alder", "Birch", "Cedar", "Dune", "Ember", "Fjord"),
    *("Grove", "Harbour", "Iris", "Juniper", "Kestrel", "Linden"),
)
_SECOND = ("Trading", "Foods", "Transport", "Studio", "Partners", "Packaging", "Energy", "Textiles", "Labs", "Works")
_KINDS = ("Ltd", "GmbH", "SAS", "AB", "BV", "SpA", "Lda")
_GIVEN = (
    *("Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farah", "Goran"),
    *("Hana", "Ivo", "Jana", "Karim", "Lena", "Milan", "Nils"),
)
_FAMILY = (
    *("Andersen", "Bakker", "Costa", "Duarte", "Eriksen", "Fontaine"),
    *("Greco", "Horvat", "Ivanova", "Jansen", "Keller"),
)


@dataclass(frozen=True)
class Kind:
    """A connector of the catalogue: its provider, its direction, and what it carries."""

    number: int
    name: str
    provider: str
    direction: Direction
    carries: tuple[str, ...]


_ROWS: tuple[tuple[str, str, Direction, tuple[str, ...]], ...] = (
    ("Stripe payments", "stripe", "input", ("company", "account")),
    ("Lemon Squeezy orders", "lemonsqueezy", "input", ("company",)),
    ("Google payments", "google-payment-center", "input", ("account", "company")),
    ("Google mail", "google", "input", ("people", "company")),
    ("Slack people", "slack", "input", ("people",)),
    ("PayFit payroll", "payfit", "input", ("people", "account")),
    ("Attio CRM", "attio", "output", ("company", "people")),
    ("Twenty CRM", "twenty", "output", ("company", "people")),
    ("LinkedIn leads", "linkedin", "input", ("people", "company")),
    ("Lemlist campaigns", "lemlist", "output", ("people",)),
    ("Cargo enrichment", "getcargo", "output", ("company",)),
    ("Calendly bookings", "calendly", "input", ("people",)),
    ("GitHub sponsors", "github", "input", ("company",)),
    ("Dropbox archive", "dropbox", "output", ("account", "company")),
    ("Alan insurance", "alan", "input", ("people",)),
    ("Uber invoices", "uber", "input", ("company",)),
)
KINDS = tuple(Kind(number, *row) for number, row in enumerate(_ROWS, 1))
# How its syncs lie in the year, and how many connectors of a hundred are so.
RHYTHMS = {"nightly": 38, "weekly": 26, "monthly": 14, "failing": 8, "stale": 8, "disconnected": 4, "never": 2}
STALE_DAYS = 60
# The last outage of a tool began so many days ago, or more.
OUTAGE_DAYS = 43
OUTAGE = timedelta(days=14)


def id_of(kind: str, workspace: int, number: int = 1) -> str:
    """Return the id of a workspace's `number`th resource of a kind; of the catalogue the workspace is 0."""
    return demo_id(kind, LETTER, workspace * 1_000_000 + number)


@dataclass(frozen=True)
class Connection:
    """One connector of a workspace, and how it is used."""

    workspace: int
    number: int
    kind: Kind
    rhythm: str

    @property
    def id(self) -> str:
        """The workspace connector's id."""
        return id_of("workspace_connector", self.workspace, self.number)


@cache
def connections() -> tuple[Connection, ...]:
    """Return all connectors of all workspaces: each has some of the catalogue's, the first ones more than the last."""
    chance = random.Random(SEED)  # noqa: S311  no secret: it makes the same demo each time
    wished = [chance.uniform(4, 10) for _ in range(WORKSPACES)]
    shares = [round(wish * CONNECTORS / sum(wished)) for wish in wished]
    shares[0] += CONNECTORS - sum(shares)
    found: list[Connection] = []
    for workspace, share in enumerate(shares, 1):
        kinds = chance.sample(KINDS, share)
        rhythms = chance.choices(list(RHYTHMS), list(RHYTHMS.values()), k=share)
        found += [
            Connection(workspace, number, kind, rhythm)
            for number, (kind, rhythm) in enumerate(zip(kinds, rhythms, strict=True), 1)
        ]
    return tuple(found)


def amount(type_: str, workspace: int) -> int:
    """Return how many records of a type a workspace has: from half of the mean to half more."""
    return round(AMOUNTS[type_] * (0.5 + workspace * 7 % WORKSPACES / (WORKSPACES - 1)))


def workspace_name(number: int) -> str:
    """Return the name of a workspace: forty different ones."""
    return f"{_TOWNS[number % len(_TOWNS)]} {_TRADES[(number * 3 + number // len(_TOWNS)) % len(_TRADES)]}"


# ---- the feed --------------------------------------------------------------------------------------------
def events() -> Iterator[Row]:
    """Yield an event for each parent, those that others name first, and at last some that cannot be applied."""
    for kind in KINDS:
        said = {"name": kind.name, "provider": kind.provider, "direction": kind.direction}
        yield _upserted("connector", id_of("connector", 0, kind.number), said)
    for workspace in range(1, WORKSPACES + 1):
        yield _upserted("workspace", id_of("workspace", workspace), {"name": workspace_name(workspace)})
        yield from _of_workspace(workspace)
    for connection in connections():
        said = {
            "status": "disconnected" if connection.rhythm == "disconnected" else "active",
            "workspace_id": id_of("workspace", connection.workspace),
            "connector_id": id_of("connector", 0, connection.kind.number),
        }
        yield _upserted("workspace_connector", connection.id, said)
    yield from _never_applied()


def _of_workspace(workspace: int) -> Iterator[Row]:
    own = {"workspace_id": id_of("workspace", workspace)}
    for number in range(1, amount("people", workspace) + 1):
        at = workspace * 31 + number
        name = f"{_GIVEN[at % len(_GIVEN)]} {_FAMILY[at // len(_GIVEN) % len(_FAMILY)]}"
        yield _upserted("people", id_of("people", workspace, number), {"full_name": name, **own})
    for number in range(1, amount("company", workspace) + 1):
        at = workspace * 17 + number
        parts = (_FIRST[at % len(_FIRST)], _SECOND[at // len(_FIRST) % len(_SECOND)], _KINDS[at // 120 % len(_KINDS)])
        yield _upserted("company", id_of("company", workspace, number), {"name": " ".join(parts), **own})
    for number in range(1, amount("account", workspace) + 1):
        currency = ("EUR", "GBP", "USD")[number % 3]
        said = {"account_name": f"Account {number} {currency}", "currency": currency, **own}
        yield _upserted("account", id_of("account", workspace, number), said)
    members = {id_of("people", workspace, 1): "owner", id_of("people", workspace, 2): "member"}
    if workspace <= OWNERS_WORKSPACES:
        members[OWNER] = "owner" if workspace <= OWNERS_WORKSPACES // 2 else "admin"
    for number, (person, role) in enumerate(members.items(), 1):
        said = {"role": role, "status": "active", "people_id": person, **own}
        yield _upserted("workspace_membership", id_of("workspace_membership", workspace, number), said)


def _never_applied() -> Iterator[Row]:
    """Yield what is parked, or waits for what never comes."""
    elsewhere = {"name": "Moved", "workspace_id": id_of("workspace", 2)}
    for number in range(1, 4):
        other = _upserted("company", id_of("company", 1, number), elsewhere | {"workspace_id": id_of("workspace", 1)})
        yield other | {"source": "/well/crm-sync", "id": f"crm-{number}", "sequence": "2"}
        yield _upserted("company", id_of("company", 1, 10 + number), elsewhere) | {"sequence": "2"}
    for number in range(1, 6):
        nowhere = {"name": f"Orphan {number}", "workspace_id": id_of("workspace", 900 + number)}
        yield _upserted("company", id_of("company", 900, number), nowhere)


def _upserted(type_: str, id_: str, data: Row) -> Row:
    return upserted(SOURCE, "large", type_, id_, data)


# ---- the syncs -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Sync:
    """One message: when it is to have come, and its body."""

    at: datetime
    body: Row


@dataclass(frozen=True)
class Outage:
    """A time in which nothing came: the labels of the year.

    Attributes:
        tool: whose connectors brought nothing.
        connector: the only one of them that did not; None: all of them.
        since: when it began; of one connector when it sent last.
        until: when it ended; None where it lasts.
    """

    tool: str
    connector: str | None
    since: datetime
    until: datetime | None


def outages(now: datetime) -> list[Outage]:
    """Return what is to be found in the year that ends `now`: a fortnight of each tool, and what is stale."""
    begun = {kind: now - timedelta(days=_outage_days(kind)) for kind in KINDS}
    found = [Outage(kind.name, None, since, since + OUTAGE) for kind, since in begun.items()]
    last = {sync.body["workspace_connector_id"]: sync.at for sync in syncs(now)}
    stale = [connection for connection in connections() if connection.rhythm == "stale" and connection.id in last]
    return found + [Outage(each.kind.name, each.id, last[each.id], None) for each in stale]


def _outage_days(kind: Kind) -> int:
    return OUTAGE_DAYS + (kind.number - 1) * 9


def syncs(now: datetime) -> list[Sync]:
    """Return all messages of the year that ends `now`, in the order of their days."""
    chance = random.Random(SEED + 1)  # noqa: S311  no secret either: the same demo each time
    found = [sync for connection in connections() for sync in _of_connection(connection, now, chance)]
    return sorted(found, key=lambda sync: sync.at)


def _of_connection(connection: Connection, now: datetime, chance: random.Random) -> Iterator[Sync]:
    days = _days(connection.rhythm, chance)
    # A sync is some hours before its day's end.
    outage = _outage_days(connection.kind)
    days = [day for day in days if not outage - OUTAGE.days <= day < outage]
    number = 0
    for place, day in enumerate(days):
        at = now - timedelta(days=day, hours=chance.uniform(1, 5), minutes=chance.uniform(0, 59))
        number += 1
        brought = _some(connection, chance.randint(2, 14), chance) if place else _first(connection, chance)
        yield from _run(connection, at, brought, is_relink=bool(place) and place % 9 == 0)
        if place and place % 7 == 0:
            number += 1
            ended = {"type": "records.invalidated", "direction": None, "records": _some(connection, 3, chance)}
            yield Sync(at + timedelta(minutes=5), _named(connection, number) | ended)
    if connection.rhythm == "disconnected":
        at = now - timedelta(days=chance.uniform(3, 40))
        yield Sync(at, _named(connection, number + 1) | {"type": "connector.disconnected"})
    if connection.rhythm == "failing":
        yield from _failures(connection, number, now, chance)


def _run(connection: Connection, at: datetime, records: list[Row], *, is_relink: bool = False) -> Iterator[Sync]:
    """Yield the messages of a run of some records, and the one that completes it, as the producer sends them."""
    kept = Kept()
    producer = Connector("", connection.id, sqs=kept, progress=lambda _: None)
    mode: Mode = "relink" if is_relink else "append"
    with producer.run(f"{at:%Y-%m-%dT%H:%M}", direction=connection.kind.direction, mode=mode, occurred_at=at) as run:
        for record in records:
            run.record(record["type"], record["id"])
    yield from (Sync(at + timedelta(seconds=place), body) for place, body in enumerate(kept.bodies))


def read_whole(workspace: int) -> Iterator[Connection]:
    """Yield a workspace's first connectors of these rhythms, where it has them: they are read whole last night."""
    of_workspace = [connection for connection in connections() if connection.workspace == workspace]
    for rhythm in ("nightly", "stale"):
        yield from [connection for connection in of_workspace if connection.rhythm == rhythm][:1]


def last_night(connection: Connection, known: Sequence[tuple[str, str]], now: datetime) -> list[Row]:
    """Return the messages of a run that has just read a tool whole; Wellspring has no rows that are younger.

    Args:
        connection: a nightly one's tool has lost a record of each twenty; another's answered with the first third.
        known: (type, id) of the records that it has live.
        now: when it was read.
    """
    kept = Kept()
    is_well = connection.rhythm == "nightly"
    found = [each for place, each in enumerate(known) if (place % 20 if is_well else place < len(known) // 3)]
    snapshot = Snapshot(connection.kind.direction, connection.kind.carries, now)
    producer = Connector("", connection.id, sqs=kept, progress=lambda _: None)
    with producer.run(f"{now:%Y-%m-%d} whole", mode="relink", snapshot=snapshot, occurred_at=now) as run:
        for type_, id_ in found:
            run.record(type_, id_)
    return kept.bodies


def _days(rhythm: str, chance: random.Random) -> list[int]:
    """Return the days before today on which a connector syncs, the first one first."""
    monthly = list(range(360, 30, -30))
    match rhythm:
        case "nightly" | "failing":
            recent = [day for day in range(24, -1, -1) if (day % 7) not in {2, 3}]
        case "weekly":
            recent = list(range(90, -1, -7))
        case "monthly" | "disconnected":
            recent = [45, 15] if rhythm == "monthly" else []
        case "stale":
            monthly, recent = [day for day in monthly if day > STALE_DAYS], [STALE_DAYS + chance.randint(5, 20)]
        case _:
            monthly, recent = [], []
    return sorted({*(day for day in monthly if day > max(recent, default=0)), *recent}, reverse=True)


def _failures(connection: Connection, number: int, now: datetime, chance: random.Random) -> Iterator[Sync]:
    """Yield messages that are parked, each for a reason of its own, in the connector's last days."""
    type_ = connection.kind.carries[0]
    elsewhere = connection.workspace % WORKSPACES + 1
    bad: tuple[Row, ...] = (
        {"records": [{"type": type_, "id": id_of(type_, 901, each)} for each in range(1, 4)]},
        {"records": [{"type": type_, "id": id_of(type_, elsewhere, 1)}, *_some(connection, 2, chance)]},
        {"direction": "sideways"},
        {"workspace_connector_id": id_of("workspace_connector", 902, connection.number)},
    )
    for place, wrong in enumerate(chance.sample(bad, chance.randint(1, 3)), 1):
        at = now - timedelta(hours=chance.uniform(1, 40))
        if "records" in wrong:
            # A producer does not know that they are unknown; its run is not whole.
            yield from _run(connection, at, wrong["records"])
        else:
            yield Sync(at, _synced(connection, number + place, at, _some(connection, 4, chance)) | wrong)


def _first(connection: Connection, chance: random.Random) -> list[Row]:
    """Return what a connector's first sync brings: a good part of each type that it carries."""
    share = chance.uniform(*FIRST_SHARE)
    return [
        {"type": type_, "id": id_of(type_, connection.workspace, number)}
        for type_ in connection.kind.carries
        for number in sorted(_sample(amount(type_, connection.workspace), share, chance))
    ]


def _sample(highest: int, share: float, chance: random.Random) -> list[int]:
    return chance.sample(range(1, highest + 1), max(1, round(highest * share)))


def _some(connection: Connection, wanted: int, chance: random.Random) -> list[Row]:
    """Return some of the records that a connector carries, the low numbers more often: those come again."""
    found: dict[tuple[str, int], None] = {}
    for _ in range(wanted):
        type_ = chance.choice(connection.kind.carries)
        found[type_, 1 + int(amount(type_, connection.workspace) * chance.random() ** 2)] = None
    return [{"type": type_, "id": id_of(type_, connection.workspace, number)} for type_, number in found]


def _named(connection: Connection, number: int) -> Row:
    id_ = demo_id("message", LETTER, connection.workspace * 10_000_000 + connection.number * 10_000 + number)
    return {"id": id_, "workspace_connector_id": connection.id}


def _synced(connection: Connection, number: int, at: datetime, records: list[Row]) -> Row:
    named = _named(connection, number)
    made = message(named["id"], connection.id, connection.kind.direction, records)
    return made | {"occurred_at": at.astimezone(UTC).isoformat(timespec="milliseconds")}
