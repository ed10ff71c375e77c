"""Single values, as they are written in URLs and documents."""

import re
from datetime import UTC, date, datetime

from wellspring.times import of_postgres

MEDIA_TYPE = "application/vnd.api+json"
CURSOR_PAGINATION = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination/"
PROFILED = f'{MEDIA_TYPE};profile="{CURSOR_PAGINATION}"'

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# Milliseconds at most: what is finer is cut off by `isoformat`, not here.
_OF_POSTGRES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?\+00", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.,](?P<fraction>\d++))?)?(Z|[+-]\d\d(:?\d\d)?)",
    re.IGNORECASE | re.ASCII,
)


def parse_boolean(text: str) -> bool | None:
    """Return the truth value that `text` names, or None."""
    return {"true": True, "false": False}.get(text)


def is_text(value: str) -> bool:
    """Say whether Postgres can hold `value`: no NUL, no lone surrogate."""
    if "\x00" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_printable(value: str) -> bool:
    """Say whether `value` has no control character: Unicode's category Cc, NUL and line ends among them."""
    return not _CONTROL.search(value)


def parse_instant(text: str) -> datetime | None:
    """Return the time that `text` is in ISO 8601 with a UTC offset, or None.

    A space is taken for a plus sign: a client that leaves `+02:00` unescaped sends it so. What is finer than a
    microsecond makes the last one odd: no row has such a time (contract, section 4: milliseconds), so that every
    comparison with a row's comes out as with the time that was meant.
    """
    text = text.replace(" ", "+")
    matched = _INSTANT.fullmatch(text)
    if not matched:
        return None
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    is_finer = (matched["fraction"] or "")[6:].strip("0")
    return instant.replace(microsecond=instant.microsecond | 1) if is_finer else instant


def parse_day(text: str) -> date | None:
    """Return the day that `text` is in ISO 8601 (`2026-05-10`), or None."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def render_instant(value: datetime | str) -> str:
    """Return `value` in UTC with milliseconds and `Z` (contract, section 4, "Times").

    A text is a time as Postgres writes it. Where its zone is UTC and its year has four digits, nothing is parsed. One
    that cannot be written so is the nearest that can: what was stored never makes a read fail.
    """
    if isinstance(value, str):
        if _OF_POSTGRES.fullmatch(value):
            # 2026-05-10 08:14:22.12+00
            return f"{value[:10]}T{value[11:19]}.{value[20:-3]:0<3}Z"
        value = of_postgres(value)
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
