"""`make events`: writes events/*.json, one request for each route and one batch for each thing that a queue may bring.

events/out/*.json are the events that the ledger sends out, one of each type.

Most of a request comes from its route and its resource; `SPECIAL` has what does not. Ids are the demo's, so that the
events can be tried on a local stack.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from local.demo_data import PRINCIPALS, message
from local.example_ids import demo_id, id_of
from local.generate import ledger_events
from local.openapi.examples import META, request_document
from wellspring.ledger_events import LEDGER_EVENTS
from wellspring.resources import Resource
from wellspring.routes import Route, routes
from wellspring_producer.messages import ConnectorDisconnected, ProvidersMatched, RecordsInvalidated, RunCompleted

FOLDER = Path(__file__).resolve().parents[2] / "events"
OUT = FOLDER / "out"
MEDIA_TYPE = "application/vnd.api+json"
HOST = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
TIME_MS = 1_778_400_862_000
NEW_PROVIDER, MATCHED_PROVIDER = (demo_id("provider", "0", number) for number in (7, 6))
ENROLMENT_B = demo_id("workspace_group_workspace", "b")

type Event = dict[str, Any]


@dataclass(frozen=True)
class Special:
    """What of a request does not come from its route.

    Attributes:
        query: the query string; None for the usual one.
        ids: what stands for names in the path.
        attributes: what the document says, instead of the examples' attributes.
        linked: to what the document's relationships point, instead of the examples.
        caller: the demo's principal; empty for the usual one.
        has_key: whether an Idempotency-Key comes with it.
        headers: beside those that every request has.
        body: the body, where it is no document of JSON:API.
    """

    query: str | None = None
    ids: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, object] | None = None
    linked: Mapping[str, str | list[str]] = field(default_factory=dict)
    caller: str = ""
    has_key: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None


_B = demo_id("workspace", "b")
SECOND_MEMBER = demo_id("workspace_group_membership", "0", 2)
_BROWSER = {
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}
# The demo has both workspaces in its group: what is enrolled or withdrawn is B.
SPECIAL: Mapping[str, Special] = {
    "workspace_group_workspace.list": Special(
        query=f"include=workspace,created_by&filter[workspace_group]={id_of('workspace_group')}"
    ),
    "workspace_group_workspace.create": Special(linked={"workspace": _B}),
    "workspace_group_workspace.update": Special(ids={"id": ENROLMENT_B}),
    "workspace_group_workspace.delete": Special(ids={"id": ENROLMENT_B}),
    "workspace_provider.list": Special(
        query=f"include=provider&filter[workspace]={id_of('workspace')}&filter[is_selected]=true"
    ),
    "workspace_provider.retrieve": Special(query="include=provider"),
    "workspace_provider.create": Special(
        attributes={"is_matched": True}, linked={"provider": MATCHED_PROVIDER}, caller="matcher"
    ),
    "workspace_provider.update": Special(
        ids={"id": demo_id("workspace_provider", "a", 3)}, attributes={"is_selected": True}
    ),
    "workspace_provider.delete": Special(ids={"id": demo_id("workspace_provider", "a", 2)}),
    "workspace.list_providers": Special(query=""),
    "workspace.select_provider": Special(
        query="include=provider", attributes={}, linked={"provider": NEW_PROVIDER}, has_key=True
    ),
    "workspace.remove_provider": Special(ids={"provider_id": demo_id("provider", "0", 1)}),
    "workspace_group.list": Special(query="include=workspaces"),
    "workspace_group.retrieve": Special(query="include=workspaces,memberships"),
    "workspace_group.create": Special(
        query="include=workspaces",
        attributes={"name": "Verdier Holding"},
        linked={"workspaces": [id_of("workspace"), _B]},
        has_key=True,
    ),
    "workspace_group.update": Special(attributes={"name": "Verdier Holding"}),
    "workspace_group_membership.list": Special(
        query=f"include=people&filter[workspace_group]={id_of('workspace_group')}"
    ),
    "workspace_group_membership.create": Special(
        attributes={"role": "guest"}, linked={"people": demo_id("people", "a", 4)}, has_key=True
    ),
    "workspace_group_membership.update": Special(ids={"id": SECOND_MEMBER}, attributes={"role": "admin"}),
    "workspace_group_membership.delete": Special(ids={"id": SECOND_MEMBER}),
    "workspace_group.enrol": Special(linked={"workspace": _B}),
    "workspace_group.withdraw": Special(ids={"workspace_id": _B}),
    "feed_event.list": Special(query="filter[outcome]=parked&filter[reason]=other_source"),
    "audit_entry.list": Special(query=f"filter[workspace]={id_of('workspace')}&include=caller"),
    "connector_activity.list": Special(
        query=f"filter[workspace]={id_of('workspace')}&filter[date][gte]=2026-05-01&filter[date][lte]=2026-05-10"
    ),
    "agents.mcp": Special(
        headers={
            "accept": "application/json, text/event-stream",
            "content-type": "application/json",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": "find",
        },
        body={
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": "find",
                "arguments": {"name": "Verdier Foods"},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": {"name": "example", "version": "1.0.0"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        },
    ),
    "agents.metadata": Special(headers={"accept": "application/json"}),
    "openapi.document": Special(headers={"accept": "application/json"}),
    "docs.page": Special(headers=_BROWSER),
    "console.page": Special(headers=_BROWSER),
    # Its name holds a hash, which an event does not know: it is one that is gone.
    "console.asset": Special(headers={**_BROWSER, "accept": "*/*"}, ids={"file": "main.0000000000000000.js"}),
}
# What no route matches.
NOWHERE = Route("/v1/organisations", "default.answer", "retrieve", None, "What no route matches")


# ---- requests -------------------------------------------------------------------------------------------
def request(route: Route) -> Event:
    """Return the event that API Gateway sends for a good request of a route."""
    special = SPECIAL.get(route.function, Special())
    ids = {name: special.ids.get(name) or _id_in_path(route, name) for name in _names_in(route.path)}
    path = route.path.format(**ids)
    query = _usual_query(route) if special.query is None else special.query
    body = _body(route, special, ids)
    number = crc32(route.function.encode())
    usual = {
        "accept": MEDIA_TYPE,
        "accept-encoding": "gzip, deflate, br",
        **({} if route.open_to_all else {"authorization": "Bearer not-needed-the-claims-are-below"}),
        **({"content-length": str(len(body.encode())), "content-type": MEDIA_TYPE} if body else {}),
        "host": HOST,
        **({"idempotency-key": str(uuid5(NAMESPACE_URL, route.function))} if _has_key(route, special) else {}),
        "user-agent": "python-httpx/0.28.1",
        "x-amzn-trace-id": f"Root=1-69fb0a4e-5f0c1d2e3b4a5968{number:08x}",
        "x-forwarded-for": "203.0.113.24",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    key = "$default" if route is NOWHERE else f"{route.method} {route.path}"
    claims = _claims(special.caller or _usual_caller(route))
    parameters = dict(parse_qsl(query))
    headers = usual | dict(special.headers)
    return {
        "version": "2.0",
        "routeKey": key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        **({"queryStringParameters": parameters} if parameters else {}),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": HOST.partition(".")[0],
            **({} if route.open_to_all else {"authorizer": {"jwt": {"claims": claims, "scopes": None}}}),
            "domainName": HOST,
            "domainPrefix": HOST.partition(".")[0],
            "http": {
                "method": route.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.24",
                "userAgent": headers["user-agent"],
            },
            "requestId": f"Kx1V{number:08x}iGYEPdA=",
            "routeKey": key,
            "stage": "$default",
            "time": "10/May/2026:08:14:22 +0000",
            "timeEpoch": TIME_MS + number % 1000,
        },
        **({"pathParameters": ids} if ids else {}),
        **({"body": body} if body else {}),
        "isBase64Encoded": False,
    }


def _names_in(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def _id_in_path(route: Route, name: str) -> str:
    """Return the example of what a name of the path stands for: of a relationship, or of the resource itself."""
    resource = _resource(route)
    if name in route.within:
        related = resource.relationship(route.within[name])
        if related is None:
            raise KeyError(name)
        return id_of(related.target)
    return id_of((route.of or resource).type)


def _resource(route: Route) -> Resource:
    if route.resource is None:
        raise ValueError(route.function)
    return route.resource


def _usual_query(route: Route) -> str:
    """Return a page of two with the parents of a provenance row, or one resource with its first relationship."""
    if route.resource is None or not route.resource.includes:
        return "page[size]=2" if route.operation == "list" else ""
    is_provenance = route.resource.policy == "provenance"
    match route.operation:
        case "answers":
            return f"include={route.resource.includes[0]}"
        case "list":
            include = ",".join(path for path in route.resource.includes if "." not in path)
            return f"page[size]=2&include={include}" + ("&filter[direction]=input" if is_provenance else "")
        case "retrieve":
            return f"include={route.resource.includes[0]}"
        case _:
            return ""


def _usual_caller(route: Route) -> str:
    if route.resource is not None and route.resource.policy in {"feed", "fleet"}:
        return "pipeline"
    writes = {"provenance", "message"}
    of_pipeline = route.resource is not None and route.resource.policy in writes and route.method != "GET"
    return "pipeline" if of_pipeline else "owner"


def _has_key(route: Route, special: Special) -> bool:
    of_pipeline = route.operation == "create" and _usual_caller(route) == "pipeline"
    return special.has_key or of_pipeline


def _claims(principal: str) -> dict[str, str]:
    issued = TIME_MS // 1000
    return {
        "aud": "wellspring",
        "exp": str(issued + 43_200),
        "iat": str(issued),
        "iss": "https://auth.example.com/",
        "nbf": str(issued),
        **PRINCIPALS[principal],
    }


def _body(route: Route, special: Special, ids: Mapping[str, str]) -> str:
    if special.body is not None:
        return _compact(special.body)
    if route.operation in META:
        return _compact(META[route.operation][_resource(route).type])
    if route.operation not in {"create", "update"}:
        return ""
    resource = _resource(route)
    document = request_document(resource, route.operation, frozenset(route.within.values()))
    data = document["data"]
    if route.operation == "update":
        data["id"] = ids["id"]
    if special.attributes is not None:
        data["attributes"] = dict(special.attributes)
    if not data.get("attributes", True):
        del data["attributes"]
    for name, to in special.linked.items():
        target = next(said.target for said in resource.relationships if said.name == name)
        linkage = [{"type": target, "id": id_} for id_ in to] if isinstance(to, list) else {"type": target, "id": to}
        data["relationships"][name] = {"data": linkage}
    return _compact(document)


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


# ---- messages of the sync queue -------------------------------------------------------------------------
def _about(number: int, letter: str = "a") -> str:
    """Return the id of a message that the demo itself does not send."""
    return demo_id("message", letter, 9 * 10**9 + number)


def _records(*named: tuple[str, str, int]) -> list[dict[str, str]]:
    return [{"type": type_, "id": demo_id(type_, letter, number)} for type_, letter, number in named]


def _synced(
    number: int, connector: tuple[str, int], *records: tuple[str, str, int], direction: str = "input", **members: object
) -> Event:
    made = message(
        _about(number, connector[0]), demo_id("workspace_connector", *connector), direction, _records(*records)
    )
    return made | members


def _disconnected(number: int, letter: str) -> Event:
    connector = demo_id("workspace_connector", letter)
    return ConnectorDisconnected(id=_about(number, letter), workspace_connector_id=connector).members()


def _invalidated(number: int, direction: str | None, *records: tuple[str, str, int]) -> Event:
    connector = demo_id("workspace_connector", "a")
    of = {"direction": direction, "records": _records(*records)}
    return RecordsInvalidated(id=_about(number), workspace_connector_id=connector, **of).members()


def _completed(number: int, run: str, *numbers: int, types: tuple[str, ...] = ()) -> Event:
    snapshot = {"direction": "input", "types": types, "read_since": "2026-05-10T08:00:00.000Z"} if types else None
    of = {"run": run, "message_ids": [_about(each) for each in numbers], "snapshot": snapshot}
    connector, at = demo_id("workspace_connector", "a"), "2026-05-10T08:14:22.000Z"
    return RunCompleted(id=_about(number), workspace_connector_id=connector, occurred_at=at, **of).members()


def _matched(number: int, letter: str, *providers: tuple[str, int]) -> Event:
    named = [demo_id("provider", *provider) for provider in providers]
    workspace = demo_id("workspace", letter)
    return ProvidersMatched(id=_about(number, letter), workspace_id=workspace, provider_ids=named).members()


_A1, _B1 = ("a", 1), ("b", 1)
# A body that ends in the middle, and whose group is therefore all that is known of it.
CUT_SHORT = f'{{"type":"records.synced","id":"{_about(5)}","records":['
# What each batch brings. D is a workspace that the demo does not have.
BATCHES: Mapping[str, tuple[Event | str, ...]] = {
    "append": (_synced(1, _A1, ("company", "a", 1), ("company", "a", 2), ("account", "a", 1)),),
    "relink": (_synced(2, _A1, ("company", "a", 1), ("people", "a", 4), mode="relink"),),
    "malformed": (
        {
            "type": "records.synced",
            "id": _about(3),
            "workspace_connector_id": demo_id("workspace_connector", "a", 2),
            "direction": "sideways",
            "records": [{"type": "unheard_of", "id": demo_id("company", "a")}],
        },
    ),
    "foreign_workspace": (_synced(4, ("a", 4), ("company", "a", 3), ("company", "c", 1), direction="output"),),
    "poisoned_group": (
        CUT_SHORT,
        _synced(6, _B1, ("company", "b", 1), ("account", "b", 1)),
        _synced(7, _A1, ("company", "a", 5)),
        _synced(8, _B1, ("company", "b", 2)),
    ),
    "invalidate": (_invalidated(9, None, ("company", "a", 1), ("account", "a", 1)),),
    "disconnect": (_disconnected(10, "a"),),
    "match": (_matched(11, "a", ("0", 6), ("0", 8)),),
    "mixed": (
        _synced(12, _A1, ("company", "a", 2), ("company", "a", 3)),
        _invalidated(13, "input", ("company", "a", 2)),
        _matched(14, "b", ("0", 1)),
        _synced(15, _B1, ("company", "b", 1)),
        _disconnected(16, "b"),
        _synced(17, _B1, ("company", "b", 2)),
    ),
    "unknown_connector": (_disconnected(18, "d"),),
    "unknown_record": (_synced(19, _A1, ("company", "a", 1), ("company", "d", 1)),),
    "unknown_workspace": (_matched(20, "d", ("0", 1)),),
    "unknown_provider": (_matched(21, "a", ("0", 1), ("d", 1)),),
    "complete": (
        _synced(22, _A1, ("company", "a", 1), ("company", "a", 2), run="2026-05-10-events"),
        _completed(23, "2026-05-10-events", 22),
    ),
    "incomplete": (
        _synced(24, _A1, ("company", "a", 1), run="2026-05-11-events"),
        _completed(25, "2026-05-11-events", 24, 26, types=("company",)),
    ),
}


def batches() -> Iterator[tuple[str, Event]]:
    """Yield each batch as SQS delivers it, by the name of its event."""
    number = 0
    for name, bodies in BATCHES.items():
        delivered = []
        for body in bodies:
            number += 1
            delivered.append(_delivered(number, body))
        yield f"sync_{name}", {"Records": delivered}


def _delivered(number: int, body: Event | str) -> Event:
    text = body if isinstance(body, str) else _compact(body)
    said = {"workspace_connector_id": demo_id("workspace_connector", "a")} if isinstance(body, str) else body
    sent = TIME_MS + 113 + 37 * number
    return {
        "messageId": str(uuid5(NAMESPACE_URL, f"sync-{number}")),
        "receiptHandle": f"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a+{sha256(text.encode()).hexdigest()[:32]}",
        "body": text,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(sent),
            "SequenceNumber": str(18_893_476_182_034_432_000 + 256 * number),
            "MessageGroupId": said.get("workspace_connector_id") or said["workspace_id"],
            "SenderId": "AROAEXAMPLE:connector-sync",
            "MessageDeduplicationId": said.get("id") or sha256(text.encode()).hexdigest(),
            "ApproximateFirstReceiveTimestamp": str(sent + 11),
        },
        "messageAttributes": {},
        "md5OfBody": md5(text.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:wellspring-sync.fifo",
        "awsRegion": "eu-west-1",
    }


def _told(kind: str, what: str, subject: str, version: int, **data: object) -> Event:
    made = {
        "specversion": "1.0",
        "id": f"{version}-{subject[-4:]}",
        "source": "/well/demo",
        "type": f"wellspring.{kind}.{what}",
        "subject": subject,
        "sequence": str(version),
        "time": "2026-05-10T08:14:22.000Z",
    }
    return made | {"data": data} if data else made


_HOME = demo_id("workspace", "a")
# One body each, by the name of its event.
FEED: Mapping[str, Event | list[Event] | str] = {
    "batch": [
        _told("workspace", "upserted", _HOME, 2, name="Verdier Foods SA"),
        _told("company", "upserted", demo_id("company", "a", 1), 2, name="Alder & Sons", workspace_id=_HOME),
        _told("people", "deleted", demo_id("people", "a", 4), 2),
    ],
    "erased": _told("people", "erased", demo_id("people", "a", 5), 2),
    "waiting": _told(
        "company", "upserted", demo_id("company", "d", 1), 1, name="Birch", workspace_id=demo_id("workspace", "d")
    ),
    "workspace_changed": _told(
        "company", "upserted", demo_id("company", "a", 2), 2, name="Moved", workspace_id=demo_id("workspace", "b")
    ),
    "malformed": [_told("company", "upserted", demo_id("company", "a", 3), 2, name="")],
}


def feed_bodies() -> Iterator[tuple[str, Event]]:
    """Yield each body of the feed as SQS delivers it, by the name of its event."""
    for number, (name, body) in enumerate(FEED.items(), start=100):
        delivered = _delivered(number, body if isinstance(body, str) else _compact(body))
        of_groups = {"MessageGroupId", "MessageDeduplicationId", "SequenceNumber"}
        delivered["attributes"] = {
            attribute: value for attribute, value in delivered["attributes"].items() if attribute not in of_groups
        }
        delivered["eventSourceARN"] = "arn:aws:sqs:eu-west-1:123456789012:wellspring-feed"
        yield f"feed_{name}", {"Records": [delivered]}


# Neither is a request nor comes from a declaration: S3's notification, and what a schedule, a deployment or an operator
# sends.
BY_HAND = frozenset(
    {
        *("feed_load", "feed_settle", "maintenance_export", "maintenance_prune", "maintenance_publish"),
        *("maintenance_settle", "schema_migrate", "schema_migrate_by_hand"),
    }
)


def events() -> dict[str, Event]:
    """Return every event that comes from a declaration, by its name."""
    requests = {route.function.replace(".", "_"): request(route) for route in (*routes(), NOWHERE)}
    return {**requests, **dict(batches()), **dict(feed_bodies())}


def outgoing() -> dict[str, Event]:
    """Return an event of each type that the ledger sends out, by the type without its prefix."""
    return {event.type.removeprefix("wellspring."): ledger_events.example(event) for event in LEDGER_EVENTS}


def written(event: Event) -> str:
    """Return an event as its file holds it."""
    return json.dumps(event, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all events, and remove those that no declaration asks for any more."""
    for folder, wanted, by_hand in ((FOLDER, events(), BY_HAND), (OUT, outgoing(), frozenset())):
        for path in folder.glob("*.json"):
            if path.stem not in wanted.keys() | by_hand:
                path.unlink()
        for name, event in wanted.items():
            (folder / f"{name}.json").write_text(written(event))
    sys.stdout.write(f"wrote {len(events()) + len(outgoing())} events\n")


if __name__ == "__main__":
    main()
