"""Data of the demo: three workspaces, a group of two of them, and what their connectors brought and took.

Every id is fixed and can be read: `01990000-KIND-7000-8000-W…N` is number N of its kind in workspace W (a, b, c). But
for provenance, and for groups, their members, enrolments and choices of providers: those ids are the server's; and for
messages of runs, whose ids the producer derives.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local.example_ids import demo_id
from wellspring.resources import Resource, ledgers, records, resource_of
from wellspring_producer import Connector as Producer
from wellspring_producer import Snapshot
from wellspring_producer.messages import ConnectorDisconnected, Direction, ProvidersMatched, RecordsSynced
from wellspring_producer.sending import Sqs

OCCURRED_AT = "2026-05-10T08:14:22.000Z"

type Row = dict[str, Any]


@dataclass(frozen=True)
class Workspace:
    """One workspace of the demo: its letter, its name, and how much it has of everything."""

    letter: str
    name: str
    people: tuple[str, ...]
    companies: int
    accounts: tuple[str, ...]
    connectors: tuple[int, ...]

    @property
    def id(self) -> str:
        """The workspace's id."""
        return demo_id("workspace", self.letter)


WORKSPACES = (
    Workspace(
        "a",
        "Verdier Foods",
        people=(
            *("Claire Verdier", "Malik Haddad", "Greta Lindqvist", "Jonas Albrecht"),
            *("Amara Diallo", "Hugo Perrin", "Sofia Marchetti", "Tomasz Zielinski"),
            *("Ines Carvalho", "Noah Fischer", "Lea Moreau", "Priya Raman"),
        ),
        companies=72,
        accounts=("Current EUR", "Savings EUR", "Suppliers EUR", "Payroll EUR", "Card float EUR", "Export USD"),
        connectors=(1, 2, 3, 4, 5),
    ),
    Workspace(
        "b",
        "Verdier Logistics",
        people=("Marc Olivier", "Elena Petrova", "Yusuf Demir", "Anna Kowalska", "Luca Ferri", "Nora Haugen"),
        companies=18,
        accounts=("Current EUR", "Fuel cards EUR", "Freight USD"),
        connectors=(1, 2, 4, 5),
    ),
    Workspace(
        "c",
        "Northwind Studio",
        people=("Olga Brandt", "Peter Novak", "Rania Saleh", "Simon Weiss", "Tara Quinn"),
        companies=24,
        accounts=("Current GBP", "Clients GBP", "Tax GBP"),
        connectors=(1, 2, 4, 5),
    ),
)
OWNER, MEMBER, GUEST = (demo_id("people", "a", number) for number in (1, 2, 3))
OUTSIDER = demo_id("people", "c", 1)
# In no workspace as a member.
OPERATOR = demo_id("people", "c", 5)
OPERATOR_CLAIM, OPERATORS = "groups", "operators"
# The owner's group, the workspaces that it has, and its member beside the owner. Its id is of the server's making.
GROUP_NAME = "Verdier Group"
GROUPED = ("a", "b")
# Which providers (by their line in the catalogue) a workspace has chosen, or was only matched to, and who chooses.
CHOOSERS = {"a": "owner", "b": "owner", "c": "outsider"}
CHOICES = (("a", 1, True), ("a", 2, True), ("a", 3, False), ("b", 2, True), ("c", 4, True), ("c", 5, False))

# What the token of each principal says of them.
PRINCIPALS: dict[str, dict[str, Any]] = {
    "owner": {"sub": OWNER},
    "member": {"sub": MEMBER},
    "guest": {"sub": GUEST},
    "outsider": {"sub": OUTSIDER},
    "operator": {"sub": OPERATOR, OPERATOR_CLAIM: ["staff", OPERATORS]},
    "pipeline": {"sub": "sync-pipeline", "client_id": "sync-pipeline", "scope": "system:read sync:write"},
    "matcher": {"sub": "provider-matcher", "client_id": "provider-matcher", "scope": "system:read providers:match"},
}


@dataclass(frozen=True)
class Connector:
    """A connector of the catalogue, its direction, and the types of record that it carries."""

    number: int
    name: str
    provider: str
    direction: Direction
    carries: tuple[str, ...]


# What no other line names is brought in by the first connector and carried out by the last.
_NAMED = {"account", "company", "people"}
_OTHERS = tuple(type_ for type_ in ledgers() if type_ not in _NAMED)

CONNECTORS = (
    Connector(1, "Payments", "stripe", "input", ("account", "company", *_OTHERS)),
    Connector(2, "Mail", "google", "input", ("people", "company")),
    Connector(3, "Payroll", "payfit", "input", ("people", "account")),
    Connector(4, "CRM", "attio", "output", ("company", "people")),
    Connector(5, "Archive", "dropbox", "output", ("account", "company", *_OTHERS)),
)
# How many of a record type there are in a workspace, where no line above says it.
AMOUNT = 12


@dataclass(frozen=True)
class Ailing:
    """A connector of the second workspace of which something is to be said: its number, and which connector it is.

    Attributes:
        number: its own, and that of its first message.
        connector: of the catalogue.
        health: what the API says of it.
        status: as the platform tells it.
        consent_ends_in: days until the consent that it works by ends.
        syncs: days before the last sync of the demo on which it synced.
    """

    number: int
    connector: int
    health: str
    status: str = "active"
    consent_ends_in: int | None = None
    syncs: tuple[int, ...] = ()


# One of each health but `ok`, which the others have. Who came daily and then not for months is late.
AILING_IN = "b"
AILING = (
    Ailing(11, 1, "new"),
    Ailing(12, 3, "failing", status="error", syncs=(0,)),
    Ailing(13, 1, "consent_expired", consent_ends_in=-2, syncs=(0,)),
    Ailing(14, 2, "consent_expires", consent_ends_in=6, syncs=(0,)),
    Ailing(15, 2, "late", syncs=(4, 3, 2, 1)),
    Ailing(16, 4, "disconnected", syncs=(0,)),
)

# The number of the message that matches a workspace's providers: above those of its connectors.
MATCHED = 100

_FIRST = ("Alder", "Birch", "Cedar", "Dune", "Ember", "Fjord", "Grove", "Harbour", "Iris")
_SECOND = ("Trading", "Foods", "Transport", "Studio", "Partners", "Packaging", "Energy", "Textiles")


def company_name(number: int) -> str:
    """Return the name of the `number`th company: 72 different ones."""
    first, second = divmod(number - 1, len(_SECOND))
    return f"{_FIRST[first % len(_FIRST)]} {_SECOND[second]}"


def rows() -> dict[str, list[Row]]:
    """Return the rows of every parent table, those that others refer to first; references are by id."""
    found: dict[str, list[Row]] = {"workspaces": [], "peoples": [], "companies": [], "accounts": []}
    found |= {resource_of(type_).table: _examples(resource_of(type_)) for type_ in _OTHERS}
    found["connectors"] = [
        {
            "id": demo_id("connector", "0", each.number),
            "name": each.name,
            "provider": each.provider,
            "direction": each.direction,
        }
        for each in CONNECTORS
    ]
    found["workspace_connectors"] = []
    for of in WORKSPACES:
        own, letter = {"workspace": of.id}, of.letter
        found["workspaces"].append({"id": of.id, "name": of.name})
        found["peoples"] += [
            {"id": demo_id("people", letter, number), "full_name": name, **own}
            for number, name in enumerate(of.people, 1)
        ]
        found["companies"] += [
            {"id": demo_id("company", letter, number), "name": company_name(number), **own}
            for number in range(1, of.companies + 1)
        ]
        found["accounts"] += [
            {"id": demo_id("account", letter, number), "account_name": name, "currency": name.rpartition(" ")[2], **own}
            for number, name in enumerate(of.accounts, 1)
        ]
        found["workspace_connectors"] += [_connected(letter, number, number) for number in of.connectors]
    found["workspace_connectors"] += [_ailing(each) for each in AILING]
    found["workspace_memberships"] = [
        {
            "id": demo_id("workspace_membership", letter, number),
            "people": person,
            "workspace": demo_id("workspace", letter),
            "role": role,
            "status": "active",
        }
        for letter, number, person, role in (
            ("a", 1, OWNER, "owner"),
            ("a", 2, MEMBER, "member"),
            ("a", 3, GUEST, "guest"),
            ("b", 1, OWNER, "admin"),
            ("c", 1, OUTSIDER, "member"),
        )
    ]
    return found | {"providers": providers()}


def _connected(letter: str, number: int, connector: int, status: str = "active") -> Row:
    return {
        "id": demo_id("workspace_connector", letter, number),
        "workspace": demo_id("workspace", letter),
        "connector": demo_id("connector", "0", connector),
        "status": status,
    }


# The record types and others that the feed tells of, those that others name first.
FED = {
    "workspace": "workspaces",
    "connector": "connectors",
    "provider": "providers",
    **{record.type: record.table for record in records()},
    "workspace_connector": "workspace_connectors",
    "workspace_membership": "workspace_memberships",
}
SOURCE = "/well/demo"


def events() -> Iterator[Row]:
    """Yield the events of the platform's feed from which every parent of the demo comes."""
    every = rows()
    for type_, table in FED.items():
        for row in sorted(every[table], key=lambda row: str(row["id"])):
            references = {name for name in row if name in {"workspace", "connector", "people"}}
            data = {f"{name}_id" if name in references else name: value for name, value in row.items() if name != "id"}
            yield upserted(SOURCE, "demo", type_, row["id"], data, time=OCCURRED_AT)


def upserted(source: str, demo: str, type_: str, id_: str, data: Row, **more: str) -> Row:
    """Return the first event of the feed of a resource of a demo, after which the event is named."""
    return {
        "specversion": "1.0",
        "id": f"{demo}-{id_}",
        "source": source,
        "type": f"wellspring.{type_}.upserted",
        "subject": id_,
        "sequence": "1",
        **more,
        "data": data,
    }


def _ailing(each: Ailing) -> Row:
    row, ends = _connected(AILING_IN, each.number, each.connector, each.status), each.consent_ends_in
    if ends is not None:
        row["consent_expires_at"] = (datetime.now(UTC) + timedelta(days=ends)).isoformat()
    return row


def _examples(record: Resource) -> list[Row]:
    """Return records of a type that has no names of its own here: as its example, numbered."""
    texts = [said for said in record.attributes if said.kind == "text"]
    return [
        {
            "id": demo_id(record.type, of.letter, number),
            "workspace": of.id,
            **{said.name: said.example if number == 1 else f"{said.example} {number}" for said in texts},
        }
        for of in WORKSPACES
        for number in range(1, AMOUNT + 1)
    ]


def providers() -> list[Row]:
    """Return the provider catalogue, numbered in the order of the file."""
    with (Path(__file__).with_name("data") / "providers.csv").open(newline="", encoding="utf-8") as file:
        return [
            {
                "id": demo_id("provider", "0", number),
                "slug": line["slug"],
                "name": line["name"],
                "category": line["category"],
                "url": line["url"],
                "countries": [line["country"]] if line["country"] else [],
            }
            for number, line in enumerate(csv.DictReader(file), start=1)
        ]


@dataclass(frozen=True)
class Sync:
    """One run of a connector of the demo.

    Attributes:
        connector: the workspace connector's id.
        name: the run's.
        direction: of its rows.
        types: it names all there is of them.
        records: (type, id) of each that it names.
        gone: (type, id) of what it says to be gone.
        occurred_at: when it happened.
    """

    connector: str
    name: str
    direction: Direction
    types: tuple[str, ...]
    records: tuple[tuple[str, str], ...] = ()
    gone: tuple[tuple[str, str], ...] = ()
    occurred_at: str = OCCURRED_AT

    def send(self, queue_url: str, sqs: Sqs) -> None:
        """Send the run, and complete it."""
        at = datetime.fromisoformat(self.occurred_at)
        # Its rows were made just now, and a snapshot ends none that is younger than five minutes: where it names
        # nothing, the producer's clock is an hour fast.
        read_since = at if self.records else datetime.now(UTC) + timedelta(hours=1)
        snapshot = Snapshot(self.direction, self.types, read_since)
        producer = Producer(queue_url, self.connector, sqs=sqs, progress=lambda _: None)
        with producer.run(self.name, snapshot=snapshot, occurred_at=at) as run:
            for type_, id_ in self.records:
                run.record(type_, id_)
            for type_, id_ in self.gone:
                run.invalidate(type_, id_)

    def bodies(self) -> list[Row]:
        """Return its messages as they are sent, its `run.completed` last."""
        kept = Kept()
        self.send("", kept)
        return kept.bodies


class Kept:
    """Takes messages in the place of SQS, and keeps their bodies."""

    def __init__(self) -> None:
        self.bodies: list[Row] = []

    def send_message_batch(self, **batch: Any) -> Row:
        """Take up to ten messages."""
        entries: list[Row] = batch["Entries"]
        self.bodies += [json.loads(entry["MessageBody"]) for entry in entries]
        return {"Successful": [{"Id": entry["Id"]} for entry in entries]}


# Who tells of one company too many, and who of none: the workspace's letter and the connector's number.
MISSES_A_MESSAGE, TELLS_NOTHING = ("b", 2), ("a", 4)


def runs() -> Iterator[Sync]:
    """Yield the runs from which every provenance row of the demo comes, and what shows what may become of a run.

    Each connector has one that names all it has. One of them says besides that a company is gone which nobody knows, so
    that it is not whole; and one tool has answered the next night as if it had nothing, so that its snapshot is held.
    """
    for workspace in WORKSPACES:
        amounts = {
            "account": len(workspace.accounts),
            "company": workspace.companies,
            "people": len(workspace.people),
        }
        for connector in CONNECTORS:
            if connector.number not in workspace.connectors:
                continue
            of = (workspace.letter, connector.number)
            id_ = demo_id("workspace_connector", *of)
            yield Sync(
                id_,
                "2026-05-10-nightly",
                connector.direction,
                connector.carries,
                records=tuple(
                    (kind, demo_id(kind, workspace.letter, number))
                    for kind in connector.carries
                    for number in range(1, amounts.get(kind, AMOUNT) + 1)
                ),
                gone=(("company", demo_id("company", workspace.letter, 999)),) if of == MISSES_A_MESSAGE else (),
            )
            if of == TELLS_NOTHING:
                next_night = "2026-05-11T08:14:22.000Z"
                yield Sync(id_, "2026-05-11-nightly", connector.direction, ("company",), occurred_at=next_night)


def messages() -> Iterator[Row]:
    """Yield the messages that bring records in or carry them out: those of the runs, and of who has no runs."""
    for run in runs():
        yield from (body for body in run.bodies() if body["type"] == "records.synced")
    yield from ailing()


def ailing() -> Iterator[Row]:
    """Yield the messages of the connectors of which something is to be said; they are of no run."""
    for each in AILING:
        of = demo_id("workspace_connector", AILING_IN, each.number)
        for place, days in enumerate(each.syncs):
            company = {"type": "company", "id": demo_id("company", AILING_IN, 1)}
            id_ = demo_id("message", AILING_IN, 10 * each.number + place)
            at = datetime.fromisoformat(OCCURRED_AT) - timedelta(days=days)
            yield message(id_, of, CONNECTORS[each.connector - 1].direction, [company], at.isoformat())
        if each.health == "disconnected":
            id_ = demo_id("message", AILING_IN, 10 * each.number + 9)
            yield ConnectorDisconnected(id=id_, workspace_connector_id=of).members()


def matches() -> Iterator[Row]:
    """Yield the sync messages that match providers to workspaces, each with a fixed id."""
    for workspace in WORKSPACES:
        chosen = [demo_id("provider", "0", number) for letter, number, _ in CHOICES if letter == workspace.letter]
        id_ = demo_id("message", workspace.letter, MATCHED)
        yield ProvidersMatched(id=id_, workspace_id=workspace.id, provider_ids=chosen).members()


def message(
    message_id: str, workspace_connector: str, direction: str, records: list[Row], occurred_at: str = OCCURRED_AT
) -> Row:
    """Return the body of a `records.synced` message."""
    return RecordsSynced(
        id=message_id,
        workspace_connector_id=workspace_connector,
        direction=direction,
        records=records,
        mode="append",
        occurred_at=occurred_at,
    ).members()
