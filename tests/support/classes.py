"""The classes that a generator makes of an OpenAPI document, counted as openapi-python-client does."""

from collections.abc import Iterator, Mapping
from typing import Any

# One more type costs three or four: itself, its attributes, a document, a collection.
# A connector's health costs two: its values, and a reason.
# The fleet costs six: itself, its attributes, a document, and what it says of a health, of a tool and of a reason.
# The audit costs five: it has an object and a choice of its own.
# Erasures cost two: each, and what went of it. Whose a thing is costs two: attributes that no other type has.
MOST_CLASSES = 144


def classes(document: Mapping[str, Any]) -> list[str]:
    """Return where the schemas are that a class is made of: an object or a set of words that stands alone."""

    found = [made for name, schema in document["components"]["schemas"].items() for made in _classes_of(schema, name)]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            for parameter in (_resolved(document, each) for each in operation.get("parameters", ())):
                found += _classes_of(parameter["schema"], f"{where} {parameter['name']}")
            for status, part in {"body": operation.get("requestBody", {}), **operation["responses"]}.items():
                # A generator reads the first media type.
                for media in [*_resolved(document, part).get("content", {}).values()][:1]:
                    found += _classes_of(media["schema"], f"{where} {status}")
    return found


def _resolved(document: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document if "$ref" in part else part
    for step in part.get("$ref", "").split("/")[1:]:
        found = found[step]
    return found


def _classes_of(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    choices = [part for kind in ("allOf", "anyOf", "oneOf") for part in schema.get(kind, ())]
    # One reference is the class that it leads to, whatever stands beside it.
    if "$ref" in schema or (len(choices) == 1 and "$ref" in choices[0]):
        return
    if "enum" in schema:
        yield path
    elif choices:
        for number, part in enumerate(choices):
            yield from _classes_of(part, f"{path}/{number}")
    elif schema.get("type") == "array":
        yield from _classes_of(schema["items"], f"{path}/items")
    elif schema.get("type") == "object":
        yield path
        for name, part in schema.get("properties", {}).items():
            yield from _classes_of(part, f"{path}/{name}")
        if isinstance(schema.get("additionalProperties"), dict):
            yield from _classes_of(schema["additionalProperties"], f"{path}/*")
