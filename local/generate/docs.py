"""`make docs`: writes the tables and lists of the documents that the declarations hold, between their markers.

A marker is a line or a place in a line: `<!-- NAME -->` before, `<!-- /NAME -->` after.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from local.generate import ledger_events
from wellspring import reasons
from wellspring.ledger_events import HEALTH_CHANGED, LEDGER_EVENTS, LedgerEvent
from wellspring.reasons import Reason
from wellspring.resources import records, resource_of
from wellspring.routes import Route, routes

ROOT = Path(__file__).resolve().parents[2]

# What a route of a kind answers.
KINDS: Mapping[tuple[str, str], str] = {
    ("provenance", "list"): "which connectors brought the records in or carried them out",
    ("provenance", "create"): "records one; for the pipeline",
    ("provenance", "retrieve"): "one row",
    ("provenance", "update"): "tombstones or restores it; for the pipeline",
    ("provenance", "delete"): "tombstones it; for the pipeline",
    ("enrolment", "list"): "which workspaces belong to which groups",
    ("enrolment", "create"): "enrols a workspace; for who keeps both the group and the workspace",
    ("enrolment", "retrieve"): "one enrolment",
    ("enrolment", "update"): "403, for an enrolment is withdrawn and made anew, never changed",
    ("enrolment", "delete"): "withdraws it",
    ("selection", "list"): "which providers the workspaces selected or were matched to",
    ("selection", "create"): "selects (a person) or matches (the matching service): 201, or 200 where there was one",
    ("selection", "retrieve"): "one choice",
    ("selection", "update"): "changes `is_selected`, `is_matched`",
    ("selection", "delete"): "removes it",
    ("group", "list"): "the groups that the caller is a member of",
    ("group", "create"): "makes one, its owner and its first enrolments, all or none",
    ("group", "retrieve"): "one, with its workspaces and members",
    ("group", "update"): "renames it; for its owners and admins",
    ("group", "delete"): "deletes it with its enrolments and memberships; for its owners",
    ("member", "list"): "the members of the caller's groups",
    ("member", "create"): "adds a person; for the group's owners and admins",
    ("member", "retrieve"): "one membership",
    ("member", "update"): "changes a member's role",
    ("member", "delete"): "removes a member, or leaves the group",
    ("message", "list"): "what syncs brought, what failed and why",
    ("message", "retrieve"): "one message, with all its problems",
    ("run", "list"): "which syncs came whole, and what their snapshots ended",
    ("run", "retrieve"): "one run",
    ("feed", "list"): "the feed's events that wait or are parked; for services",
    ("feed", "retrieve"): "one event",
    ("none", "list"): "those that the caller sees",
    ("none", "retrieve"): "one of them",
}
# What is answered at a path of its own.
PATHS: Mapping[str, str] = {
    "workspace.list_providers": "its live choices, with their providers",
    "workspace.select_provider": "selects one for it",
    "workspace.remove_provider": "removes it",
    "workspace_group.enrol": "enrols a workspace",
    "workspace_group.withdraw": "withdraws it",
    "sync_message.release": "tries a parked one again; for the pipeline",
    "sync_message.dismiss": "closes a parked one for good; for the pipeline",
    "sync_message.release_many": "tries up to 100 of a connector and reason again",
    "feed_event.release": "tries a parked one again",
    "feed_event.dismiss": "closes a parked one for good",
    "feed_event.release_many": "tries up to 100 of a source and reason again",
    "feed_status.retrieve": "how far the feed is: counts by source and type, lag, the latest files; for services",
    "fleet.retrieve": "whether all is well: connectors by health and tool, what is parked; for services, operators",
    "audit_entry.list": "who did what in a workspace: for its owners and admins, and for services",
    "connector_activity.list": "how much connectors linked and ended, by day and record type, or added up",
    "company.sources": "which connectors brought it in or carried it out, how often and when last",
    "account.sources": "which connectors brought it in or carried it out, how often and when last",
    "people.sources": "which connectors brought it in or carried it out, how often and when last",
    "workspace_connector.impact": "what is lost if it is disconnected",
    "agents.mcp": "the ledger's questions as tools for [agents](docs/agents.md)",
    "agents.metadata": "who issues tokens for agents (RFC 9728); open",
    "health.check": "200 when the database answers; open",
    "openapi.document": "the API's description in OpenAPI 3.1; open ([the same file](docs/openapi.json))",
    "docs.page": "that description to read and to try; open",
    "console.page": "[the console](docs/console.md): the ledger, to look at; open",
    "console.asset": "a file of the console; open",
}


def answered(route: Route) -> str:
    """Return what a route answers, in a line."""
    if route.function in PATHS:
        return PATHS[route.function]
    resource = route.resource
    if resource is None:
        raise KeyError(route.function)
    return KINDS[resource.policy, route.operation]


def routes_table() -> str:
    """Return README's table of the routes: a row for all paths that answer alike."""
    answers: dict[str, list[str]] = {}
    for route in routes():
        answers.setdefault(route.path, []).append(f"{route.method}: {answered(route)}")
    paths: dict[str, list[str]] = {}
    for path, of_path in answers.items():
        paths.setdefault(". ".join(of_path), []).append(f"`{path}`")
    rows = [f"| {', '.join(alike)} | {answer} |" for answer, alike in paths.items()]
    return "\n".join(("| path | what it answers |", "| --- | --- |", *rows))


def record_types() -> str:
    """Return the record types of a message, as a sentence names them."""
    *first, last = (f"`{record.type}`" for record in records())
    return f"{', '.join(first)} or {last}"


def reasons_table(of: tuple[Reason, ...], indent: str = "") -> str:
    """Return the table of the reasons why something is parked, as it stands between markers that are lines."""
    rows = [f"| `{each.code}` | {each.cause} | {each.advice} |" for each in of]
    lines = ("| `reason` | cause | what to do |", "| --- | --- | --- |", *rows)
    return "\n".join(("", *(f"{indent}{line}" for line in lines), indent))


def reasons_script(of: tuple[Reason, ...], prefix: str = "", suffix: str = "") -> str:
    """Return the console's words for the reasons, and which of them wait or may be helped, between comments."""
    words = [f"  {each.code}: {json.dumps([each.says, each.advice], ensure_ascii=False)}," for each in of]
    lines = ["", f"const {prefix}WORDS = {{", *words, "};"]
    waiting = [each.code for each in of if each.waits]
    if waiting:
        lines += ["// It waits by itself for what is missing, and then goes on.", f"const WAITS = {_set(waiting)};"]
    helped = [each.code for each in of if each.waits or each.mended]
    lines += ["// The others would be parked again.", f"const MAY_HELP{suffix} = {_set(helped)};", "// "]
    return "\n".join(lines)


def _set(codes: list[str]) -> str:
    return f"new Set({json.dumps(codes)})"


def event_types() -> str:
    """Return the table of the ledger's events."""
    rows = [f"| [`{each.type}`](#{each.type.replace('.', '')}) | {each.meaning} |" for each in LEDGER_EVENTS]
    return "\n".join(("", "| type | what has happened |", "| --- | --- |", *rows, ""))


def event_example() -> str:
    """Return an event as a target gets it."""
    return f"\n```json\n{json.dumps(ledger_events.example(HEALTH_CHANGED), indent=2)}\n```\n"


def event_sections() -> str:
    """Return a section for each type of the ledger's events; what has happened is in the table of the types."""
    return "\n\n".join(("", *(_event_section(each) for each in LEDGER_EVENTS))) + "\n"


def _event_section(event: LedgerEvent) -> str:
    rows = [f"| `{said.name}` | {said.description} |" for said in event.members]
    subject, partition = resource_of(event.subject).name, resource_of(event.partition).name
    return "\n".join(
        (
            f"### {event.type}\n",
            f"{event.comes}\n",
            f"Subject: the {subject}. Partition key: the {partition}.\n",
            "| `data` | what it says |",
            "| --- | --- |",
            *rows,
        )
    )


CONSOLE = "layers/console/wellspring_console/static/reasons.js"
DOCUMENTS = ("README.md", "docs/messages.md", "docs/feed.md", "docs/events.md", CONSOLE)


def written(name: str) -> dict[str, str]:
    """Return what stands between the markers of a document, by the marker's name."""
    return {
        "README.md": {"routes": f"\n{routes_table()}\n"},
        "docs/messages.md": {"record types": record_types(), "reasons": reasons_table(reasons.MESSAGES, "  ")},
        "docs/feed.md": {"reasons": reasons_table(reasons.EVENTS)},
        "docs/events.md": {"types": event_types(), "example": event_example(), "sections": event_sections()},
        CONSOLE: {
            "reasons of messages": reasons_script(reasons.MESSAGES),
            "reasons of events": reasons_script(reasons.EVENTS, "FEED_", "_FEED"),
        },
    }[name]


def document(name: str, text: str) -> str:
    """Return a document with what the declarations say between its markers.

    Raises:
        ValueError: a marker is missing, or there twice.
    """
    for marker, between in written(name).items():
        begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        if (text.count(begin), text.count(end)) != (1, 1):
            raise ValueError(f"{name}: {begin}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{between}{end}{rest.partition(end)[2]}"
    return text


def main() -> None:
    """Write the documents."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(document(name, path.read_text()))
    sys.stdout.write(f"wrote {', '.join(DOCUMENTS)}\n")


if __name__ == "__main__":
    main()
