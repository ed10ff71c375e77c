"""Strict JSON, as all that is sent to us is read: HTTP bodies, messages, events and lines of files.

RFC 8259 leaves to each reader what becomes of a member that stands twice (section 4) and of a number that it cannot
hold (section 6), and knows no NaN; Python takes all three. What two readers may understand differently is refused.
"""

import json
import math
from typing import Any


def loads(text: str | bytes) -> Any:
    """Return the value that a JSON text is, in UTF-8 where it is bytes.

    Raises:
        ValueError: it is none, nests too deep, names a member of an object twice, or has a number that no float holds.
            Its own message may repeat what was sent.
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


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_no_constant)
