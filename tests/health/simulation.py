"""A labelled year of connectors of different rhythm: when each syncs, and when it was away."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
YEAR = timedelta(days=364)
# How many there are of each rhythm.
NUMBERS = {"hourly": 80, "daily": 100, "weekdays": 70, "monthly": 23, "irregular": 40}
# The longest gap that each has while all is well: an outage is what lasts for longer than twice that.
RHYTHMS = {"hourly": HOUR, "daily": DAY, "weekdays": 3 * DAY, "monthly": 31 * DAY, "irregular": 4 * DAY}

# What a sync may be later than the one before at its time.
VARIES = 2 * HOUR


@dataclass(frozen=True)
class Outage:
    """A time in which a connector did not sync.

    Attributes:
        since: when its last sync before was.
        until: when it came again.
        is_long: whether it is longer than twice its rhythm, and than the day that everybody has.
    """

    since: datetime
    until: datetime
    is_long: bool


@dataclass(frozen=True)
class History:
    """A connector's year.

    Attributes:
        rhythm: of `NUMBERS`.
        syncs: when it synced.
        outages: when it should have and did not.
    """

    rhythm: str
    syncs: tuple[datetime, ...]
    outages: tuple[Outage, ...]


def histories(seed: int) -> list[History]:
    """Draw the year of each connector."""
    drawn = random.Random(seed)
    return [_history(drawn, rhythm) for rhythm, number in NUMBERS.items() for _ in range(number)]


def _history(drawn: random.Random, rhythm: str) -> History:
    times = list(_times(drawn, rhythm))
    away: list[tuple[datetime, datetime]] = []
    # One short enough to be borne with, and one or two that somebody should be told of.
    lengths = [1.5] if rhythm == "monthly" else [0.9, 1.5]
    longest = max(RHYTHMS[rhythm], DAY / 2)
    parts = YEAR / (len(lengths) + 1)
    for number, length in enumerate(lengths):
        begin = START + parts * (number + drawn.uniform(0.55, 0.95))
        away.append((begin, begin + 2 * longest * length))
    kept = [at for at in times if not any(begin <= at < end for begin, end in away)]
    found = []
    for begin, end in away:
        before = [at for at in kept if at < begin]
        after = [at for at in kept if at >= end]
        if before and after:
            away_for = after[0] - before[-1] - VARIES
            found.append(Outage(before[-1], after[0], away_for > 2 * max(RHYTHMS[rhythm], DAY / 2)))
    return History(rhythm, tuple(kept), tuple(found))


def _times(drawn: random.Random, rhythm: str) -> Iterator[datetime]:
    """Yield when a connector syncs where nothing is wrong: about its own time of day, and some take longer."""
    at = START + drawn.uniform(0, 1) * DAY
    while at < START + YEAR:
        late = timedelta(minutes=drawn.expovariate(1 / 10))
        match rhythm:
            case "hourly":
                yield at + min(late, HOUR / 2)
                at += HOUR
            case "daily":
                yield at + late
                at += DAY
            case "weekdays":
                if at.weekday() < 5:
                    yield at + late
                at += DAY
            case "monthly":
                yield at + late
                month = at.month % 12 + 1
                at = at.replace(year=at.year + (month == 1), month=month, day=min(at.day, 28))
            case _:
                # Somebody presses a button, two to four times a week.
                yield at + late
                at += drawn.uniform(1.5, 4) * DAY
