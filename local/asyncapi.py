"""`make asyncapi`: writes docs/asyncapi.yaml and docs/events.schema.json from the declarations.

AsyncAPI 3.0 of what comes in by the two queues and of what goes out by the bus (`messages`, `feed_events`,
`ledger_events`).
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from local.generate.ledger_events import example
from local.settings import ROOT
from local.template import Template
from wellspring import feed_events, messages
from wellspring.ledger_events import (
    BUS_SOURCE,
    CONTENT_TYPE,
    LEDGER_EVENTS,
    SEQUENCE_DIGITS,
    SOURCE,
    SPECVERSION,
    LedgerEvent,
    members_of,
)
from wellspring.resources import Attribute, resource_of

type Object = dict[str, Any]

ASYNCAPI = "3.0.0"
VERSION = "1.0.0"
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
SCHEMA = ROOT / "docs" / "events.schema.json"
DEFINED, SHARED = "#/$defs/", "#/components/schemas/"
IN_COMMON = "LedgerEvent"

DESCRIPTION = (
    "What the ledger takes in by its two queues, and what it sends out on a bus of EventBridge. docs/messages.md, "
    "docs/feed.md and docs/events.md tell the same to people; the HTTP API is in docs/openapi.json."
)
SYNC = (
    "A FIFO queue. `MessageGroupId` is the id of the workspace connector in lower case, of `providers.matched` the "
    "workspace's. A body is one message, of less than 256 KiB."
)
FEED = (
    "A standard queue: order does not matter, the higher `sequence` wins. A body is one event, or an array of up to "
    "1,000, of less than 256 KiB."
)
BUS = (
    "The bus that the parameter `EventBus` names. Events come at least once, and in any order: `id` tells repetition, "
    "`sequence` the order within a `partitionkey`. `detail` is a CloudEvent 1.0; EventBridge adds members of its own."
)


# ---- events of the ledger -------------------------------------------------------------------------------
def title(event: LedgerEvent) -> str:
    """Return a type's name as a schema's: `SyncRunCompleted`."""
    return event.type.removeprefix("wellspring.").replace(".", "_").title().replace("_", "")


def _in_common() -> Object:
    """Return the schema of what every event has: the context attributes of CloudEvents."""
    return _object(
        {
            "specversion": {"const": SPECVERSION},
            "id": _described("uuid", "The event's own id, the same each time it is sent."),
            "source": {"const": SOURCE},
            "type": {"type": "string"},
            "subject": _described("uuid", "What it is about."),
            "time": _described("instant", "When it happened, by the database's clock."),
            "partitionkey": _described("uuid", "Within which `sequence` tells the order."),
            "sequence": {
                "type": "string",
                "pattern": f"^[0-9]{{{SEQUENCE_DIGITS}}}$",
                "description": "Grows within a partition key, with gaps; compares as a text and as a number.",
            },
            "datacontenttype": {"const": CONTENT_TYPE},
            "data": {"type": "object"},
        },
        "What every event of the ledger has.",
    )


def _own(event: LedgerEvent) -> Object:
    """Return the schema of an event of one type."""
    described = f"{event.meaning} {event.comes} Its subject is {_said(event.subject)}, its partition key "
    properties = {
        "type": {"const": event.type},
        "data": _object({member.name: _member(member) for member in members_of(event)}),
    }
    return {
        "description": f"{described}the id of {_said(event.partition)}.",
        "allOf": [{"$ref": f"{DEFINED}{IN_COMMON}"}],
        "type": "object",
        "properties": properties,
    }


def _said(type_: str) -> str:
    return f"the {resource_of(type_).name}"


def _object(properties: Object, description: str = "") -> Object:
    """Return the schema of an object that has these members, and may have more: what is new is ignored."""
    described = {"description": description} if description else {}
    return {"type": "object", **described, "properties": properties, "required": list(properties)}


def _described(kind: str, description: str) -> Object:
    return {**_OF_KINDS[kind], "description": description}


def _member(said: Attribute) -> Object:
    known = _of_kind(said) | {"description": said.description}
    if said.required:
        return known
    return known | {"type": [known["type"], "null"]} | ({"enum": [*said.choices, None]} if said.choices else {})


def _of_kind(said: Attribute) -> Object:
    match said.kind:
        case "counts":
            counted = dict.fromkeys(("named", "made", "linked", "ended"), _OF_KINDS["count"])
            return {"type": "object", "additionalProperties": {"type": "object", "properties": counted}}
        case "objects":
            return {"type": "array", "items": _object({each.name: _member(each) for each in said.members})}
        case "text" if said.choices:
            return {"type": "string", "enum": list(said.choices)}
    return _OF_KINDS[said.kind]


# A text without choices is a link.
_OF_KINDS: Mapping[str, Object] = {
    "uuid": {"type": "string", "format": "uuid"},
    "instant": {"type": "string", "format": "date-time"},
    "count": {"type": "integer", "minimum": 0},
    "text": {"type": "string", "format": "uri-reference"},
}


def schema() -> Object:
    """Return the JSON Schema (2020-12) of an event of the ledger, as docs/events.schema.json holds it."""
    own = {title(event): _own(event) for event in LEDGER_EVENTS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Event of the ledger",
        "description": "One CloudEvent, told apart by its type. docs/events.md says what each means.",
        "$defs": {IN_COMMON: _in_common(), **own},
        "oneOf": [{"$ref": f"{DEFINED}{name}"} for name in own],
    }


# ---- the document ---------------------------------------------------------------------------------------
def document() -> Object:
    """Return the AsyncAPI document of both queues and the bus."""
    queues = Template().queues
    of_sync, of_feed, of_bus = (_of_models(messages.schema()), _of_models(feed_events.schema()), dict(_of_bus()))
    of_feed["Batch"] = {
        "title": "Several events",
        "payload": {
            "type": "array",
            "minItems": 1,
            "maxItems": feed_events.MOST_EVENTS,
            "items": {"oneOf": [message["payload"] for message in of_feed.values()]},
        },
    }
    channels = {
        "sync": _channel(queues["SyncQueue"].name, SYNC, of_sync, is_queue=True),
        "feed": _channel(queues["FeedQueue"].name, FEED, of_feed, is_queue=True),
        "bus": _channel("{bus}", BUS, of_bus) | {"parameters": {"bus": {"description": "The ARN of the bus."}}},
    }
    defined = (_hoisted(each)["$defs"] for each in (messages.schema(), feed_events.schema(), schema()))
    return {
        "asyncapi": ASYNCAPI,
        "info": {"title": "Wellspring", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": {
            "takeSync": _operation("receive", "sync", "Apply a message of a sync."),
            "takeEvent": _operation("receive", "feed", "Take over what the platform tells."),
            "sendEvent": _operation("send", "bus", "Tell what happened in the ledger."),
        },
        "components": {"messages": of_sync | of_feed | of_bus, "schemas": _together(*defined)},
    }


def _channel(address: str, description: str, of: Mapping[str, Object], *, is_queue: bool = False) -> Object:
    named = {"name": address, "fifoQueue": address.endswith(".fifo")}
    bindings = {"bindings": {"sqs": {"queue": named, "bindingVersion": "0.2.0"}}} if is_queue else {}
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in of},
        **bindings,
    }


def _operation(action: str, channel: str, summary: str) -> Object:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _of_models(made: Object) -> dict[str, Object]:
    """Return a message for each model of a union."""
    found = {}
    for each in made["oneOf"]:
        name = each["$ref"].removeprefix(DEFINED)
        model = made["$defs"][name]
        type_ = model["properties"]["type"].get("const")
        summary, _, _ = model["description"].partition("\n")
        named = {"name": type_} if type_ else {}
        found[name] = {**named, "title": name, "summary": summary, "payload": {"$ref": SHARED + name}}
    return found


def _of_bus() -> Iterator[tuple[str, Object]]:
    for event in LEDGER_EVENTS:
        name = title(event)
        wrapped = {
            "source": {"const": BUS_SOURCE},
            "detail-type": {"const": event.type},
            "detail": {"$ref": SHARED + name},
        }
        yield (
            name,
            {
                "name": event.type,
                "title": name,
                "summary": event.meaning,
                "payload": _object(wrapped),
                "examples": [{"payload": example(event)}],
            },
        )


def _hoisted(made: Any) -> Any:
    """Return a schema with its references to what the document shares.

    A `discriminator` of pydantic's is OpenAPI's, and no AsyncAPI has it so.
    """
    match made:
        case {"$ref": str(to)}:
            return {**made, "$ref": to.replace(DEFINED, SHARED)}
        case dict():
            return {name: _hoisted(value) for name, value in made.items() if name != "discriminator"}
        case list():
            return [_hoisted(value) for value in made]
    return made


def _together(*several: Mapping[str, Object]) -> Object:
    """Return all schemas by name. Raises ValueError where two of one name differ."""
    found: Object = {}
    for each in several:
        for name, made in each.items():
            if found.setdefault(name, made) != made:
                raise ValueError(f"two schemas are called {name}")
    return found


class _Plain(yaml.SafeDumper):
    """YAML without anchors, which not everybody reads."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  as PyYAML calls it
        """Write each thing in full."""
        return True


def written() -> Mapping[Path, str]:
    """Return what each file holds."""
    made = yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    return {DOCUMENT: made, SCHEMA: json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"}


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
    sys.stdout.write(f"wrote {', '.join(path.name for path in written())}\n")
