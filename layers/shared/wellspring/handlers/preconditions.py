"""Conditional requests (RFC 9110, section 13): `If-Match` and `If-None-Match`."""

import re
from collections.abc import Callable

from wellspring.database.flush import Row
from wellspring.errors import BadRequest, PreconditionFailed
from wellspring.jsonapi.documents import version_of
from wellspring.resources import Resource

# Possessive, so that a header that is none is found out in one pass, however many ways there are to read it.
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*+"')
_TAGS = re.compile(rf"\s*+(?:{_TAG.pattern})?+\s*+(?:,\s*+(?:{_TAG.pattern})?+\s*+)*+")


def _tags(header: str, name: str) -> list[str]:
    """Return the entity tags in a header. Raises `BadRequest`."""
    found: list[str] = _TAG.findall(header)
    if not found or not _TAGS.fullmatch(header):
        raise BadRequest("The value must be entity tags in double quotes, comma-separated, or *.", header=name)
    return found


def state_of(resource: Resource, if_match: str | None) -> Callable[[Row], None]:
    """Return the check that a row is in a state that the client knows.

    The tags of all views of a row begin with its version, and a change is safe from whichever of them it was seen.
    Without the header any state will do. Raises `BadRequest` where it is not of its form.
    """
    if if_match is None or if_match.strip() == "*":
        return lambda _row: None
    # A weak tag never matches here: section 13.1.1 asks for the strong comparison.
    versions = {tag.strip('"').partition(".")[0] for tag in _tags(if_match, "If-Match") if not tag.startswith("W/")}

    def check(row: Row) -> None:
        if version_of(resource, row) not in versions:
            raise PreconditionFailed("The resource was changed since; read it again.", header="If-Match")

    return check


def none_match(if_none_match: str | None, tag: str) -> bool:
    """Say whether the client lacks the answer with this tag. Raises `BadRequest`."""
    if if_none_match is None:
        return True
    if if_none_match.strip() == "*":
        return False
    return tag not in {found.removeprefix("W/") for found in _tags(if_none_match, "If-None-Match")}
