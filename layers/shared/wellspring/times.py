"""Times that are taken, and the reading of Postgres's: years 1 to 9999 in UTC, in milliseconds.

Postgres has years before and after, and infinity; `datetime`, RFC 3339 and JSON:API's clients have not.
"""

import re
from datetime import UTC, datetime, timedelta

MILLISECOND = timedelta(milliseconds=1)
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(microsecond=999_000, tzinfo=UTC)
# How far a clock may be ahead of ours: clocks differ by minutes, and a local time that is sent as UTC by hours.
MOST_AHEAD = timedelta(days=1)
# Postgres's documentation, "Date/Time Output": the year is longer, or BC stands behind it.
_BEFORE = re.compile(r"-infinity|[^B]*+BC")
_AFTER = re.compile(r"infinity|\d{5,}+-.*+")


def in_utc(instant: datetime) -> datetime | None:
    """Return a time in UTC, or None where that is not in the years 1 to 9999.

    What is finer than a millisecond is cut off. The database would round, and out of the last year.
    """
    try:
        moved = instant.astimezone(UTC)
    except OverflowError:
        return None
    return moved.replace(microsecond=moved.microsecond // 1000 * 1000)


def is_ahead(instant: datetime) -> bool:
    """Say whether a time is further ahead of our clock than clocks differ."""
    return instant - datetime.now(UTC) > MOST_AHEAD


def of_postgres(text: str) -> datetime:
    """Return a time as Postgres writes it, in UTC; what cannot be shown as the nearest. Raises `ValueError`."""
    # Most have a year of four digits, which is seen at once.
    if text[4:5] != "-" or text.endswith("BC"):
        if _BEFORE.fullmatch(text):
            return EARLIEST
        if _AFTER.fullmatch(text):
            return LATEST
    return datetime.fromisoformat(text).astimezone(UTC)
