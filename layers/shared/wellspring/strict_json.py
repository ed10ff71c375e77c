"""Strict JSON, as all that is sent to us is read: HTTP bodies, messages, events and lines of files.

RFC 8259 leaves to each reader what becomes of a member that stands twice (section 4), and knows no NaN; Python takes
both. What two readers may understand differently is refused. A number that no float holds is JSON: it is infinite here,
and no value of any field.
"""

import json
from typing import Any


def loads(text: str | bytes) -> Any:
    """Return the value that a JSON text is, in UTF-8 where it is bytes.

    Raises `ValueError` where it is none, nests too deep, or names a member of an object twice. Its own message may
    repeat what was sent.
    """
    if isinstance(text, bytes):
        text = text.decode()
    else:
        # A lone surrogate, which Python's strings can hold, is no text.
        text.encode()
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
