"""Results of the load generator, and how they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.measure import percentile

# How many answers a percentile takes: of fewer, its place is that of one of the slowest few.
ENOUGH = {50: 1, 95: 20, 99: 100}


@dataclass(slots=True)
class Served:
    """What one server did under one load.

    Attributes:
        milliseconds: of each good answer that counted.
        seconds: from the first request that counted to the answer to the last.
        errors: wrong answers and lost connections.
    """

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    errors: int = 0

    @property
    def throughput(self) -> float:
        """Good answers in a second."""
        return len(self.milliseconds) / self.seconds if self.seconds else 0.0

    def percentile(self, share: int) -> float | None:
        """Return the time in milliseconds that `share` of a hundred answers do not exceed; None of too few answers."""
        return percentile(self.milliseconds, share) if len(self.milliseconds) >= ENOUGH[share] else None


@dataclass(frozen=True, slots=True)
class Load:
    """One operation under the load of so many clients.

    Attributes:
        name: as in docs/performance/tables.md.
        clients: connections that ask one thing after the other.
        servers: what each of them did.
    """

    name: str
    clients: int
    servers: Mapping[str, Served]

    def as_json(self) -> Mapping[str, object]:
        """Return what `.local/bench.json` says of it."""
        return {
            "clients": self.clients,
            "unit": "ms",
            "servers": {
                name: {
                    "requests_per_second": round(served.throughput, 1),
                    **{f"p{share}": _rounded(served.percentile(share)) for share in ENOUGH},
                    "requests": len(served.milliseconds),
                    "errors": served.errors,
                }
                for name, served in self.servers.items()
            },
        }


HEAD = ("name", "clients", "server", "requests/s", *(f"p{share} (ms)" for share in ENOUGH), "errors")
# Its columns that are text.
LEFT = (0, 2)


def rows(loads: Sequence[Load]) -> list[tuple[str, ...]]:
    """Return the lines of the table."""
    return [
        (
            load.name,
            str(load.clients),
            name,
            _shown(served.throughput),
            *(_shown(served.percentile(share)) for share in ENOUGH),
            str(served.errors),
        )
        for load in loads
        for name, served in load.servers.items()
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
