"""The extremes of all that may be sent: every field of every message, event and body, at the ends of what it may be.

The fields and their bounds are read from the schemas that are published, so that a new one needs nothing here.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.access.good_requests import Path

type Schema = Mapping[str, Any]

INSTANTS = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.001Z", "0001-01-01T14:00:00+14:00", "0001-01-01T00:00:00-12:00"),
    *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:01", "0000-12-31T23:59:59Z", "-0001-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.9999999Z"),
    *("9999-12-31T23:59:59.999-14:00", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999+14:00"),
    *("10000-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "infinity", "-infinity"),
    *(f"{datetime.now(UTC) + timedelta(hours=hours):%FT%T}Z" for hours in (-25, 0, 23, 25)),
)
# The first and the last, which UUIDv7's index meets out of order; and one in another spelling.
IDS = (str(UUID(int=0)), str(UUID(int=2**128 - 1)), "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFE")
NUMBERS = ("1", "9223372036854775807", "0" * 39 + "1", "0", "9223372036854775808", "9" * 40)
# Each as long as may be: of four bytes that no compression shortens, what grows when it is folded or normalised, what
# is escaped in JSON, and what looks like nothing.
LONGEST = (
    *("\U0010ffff", "\u0130", "\u0390", "\ufb03", "\u0345", "\u1e9e", '"', "\\", "\u00a0", "\u200e", "%", "\ufdfa"),
    *("\ufeff", "\ufffe", "\ufdd0", "\u202e", "\U0001f4a3"),
)
SHORTEST = ("", " ", "x", "\u2028", "\x00", "\x7f", "\x9f", "\ud800", "\udfff", "e\u0301", "\u00e9", "NaN", "null")
# Where a schema says nothing of a text's length.
LONG = 2000


def dense(length: int) -> str:
    """Return a text of characters of four bytes each, in no order that could be compressed."""
    chance = random.Random(length)
    return "".join(chr(chance.randrange(0x20000, 0x2A6DF)) for _ in range(length))


def texts(most: int) -> tuple[str, ...]:
    """Return the extremes of a text of so many characters."""
    return (*SHORTEST, *(character * most for character in LONGEST), dense(most), dense(most + 1))


def at_extremes(body: Any, schema: Schema, definitions: Mapping[str, Schema]) -> Iterator[tuple[Path, Any]]:
    """Give each place in `body`, or that it might have, with each extreme of it."""
    schema = _resolved(schema, definitions, body)
    if schema.get("type") == "object":
        for name, member in schema.get("properties", {}).items():
            if "const" not in _resolved(member, definitions):
                inner = body.get(name) if isinstance(body, dict) else None
                yield from (((name, *path), value) for path, value in at_extremes(inner, member, definitions))
        return
    if schema.get("type") == "array":
        yield (), []
        if isinstance(body, list) and body:
            yield (), body[:1] * schema["maxItems"]
            yield (), body[:1] * (schema["maxItems"] + 1)
            yield from (((0, *path), value) for path, value in at_extremes(body[0], schema["items"], definitions))
        elif schema["items"]:
            for value in _leaves(_resolved(schema["items"], definitions)):
                yield (), [value]
        of_one = _resolved(schema["items"], definitions)
        if of_one.get("maxLength"):
            # Each another, and all of them as long as may be.
            each = of_one["maxLength"]
            whole = dense(each * schema["maxItems"])
            yield (), [whole[begin : begin + each] for begin in range(0, len(whole), each)]
        return
    yield from (((), value) for value in _leaves(schema))


def _resolved(schema: Schema, definitions: Mapping[str, Schema], body: Any = None) -> Schema:
    """Return what a schema refers to: of one of a type and null the type, of several types that of `body`."""
    while True:
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(one for one in schema["anyOf"] if one.get("type") != "null")
        elif "discriminator" in schema:
            types = schema["discriminator"]["mapping"]
            reference = types[body["type"]] if isinstance(body, dict) else next(iter(types.values()))
            schema = {"$ref": reference}
        else:
            return schema


def _leaves(schema: Schema) -> Sequence[Any]:
    if "enum" in schema:
        return (*schema["enum"], None)
    if schema.get("format") == "uuid":
        return (*IDS, None)
    if schema.get("format") == "date-time":
        return (*INSTANTS, None)
    if "[0-9]{1,40}" in schema.get("pattern", ""):
        return NUMBERS
    return (*texts(schema.get("maxLength", LONG)), None)
