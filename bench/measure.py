"""Samples, side by side with their floor, and what is said of them."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

type Action = Callable[[], object]
type Timed = Callable[[], float]

MILLISECONDS = 1000.0
PATIENCE = 3.0
ENOUGH = 10


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table.

    Attributes:
        name: as in docs/performance/tables.md.
        median: of the product's samples.
        p95: of the product's samples; 19 of 20 are not above it.
        unit: of `median`, `p95` and `floor`.
        floor: the median of what the product is compared with, sampled in turns with it; None where there is nothing.
        aim: the ratio to stay under, or, where `aims_at_value`, the value.
        aims_at_value: whether `aim` is a bound of `median` itself.
    """

    name: str
    median: float
    p95: float
    unit: str
    floor: float | None
    aim: float | None = None
    aims_at_value: bool = False

    @property
    def ratio(self) -> float | None:
        """The median in floors."""
        return self.median / self.floor if self.floor else None

    @property
    def verdict(self) -> str:
        """Return `ok` or `missed`, or nothing where there is no aim."""
        reached = self.median if self.aims_at_value else self.ratio
        if self.aim is None or reached is None:
            return ""
        return "ok" if reached <= self.aim else "missed"

    def as_json(self) -> Mapping[str, object]:
        """Return what `.local/bench.json` says of it."""
        return {
            "median": _rounded(self.median),
            "p95": _rounded(self.p95),
            "unit": self.unit,
            "floor": _rounded(self.floor),
            "ratio": _rounded(self.ratio),
        }


@dataclass(frozen=True, slots=True)
class Curve:
    """What grows with something, for a plot.

    Attributes:
        name: as in docs/performance/tables.md.
        of: what it grows with, such as records.
        unit: of medians and 95th percentiles.
        lines: for each line its points: how many of them, the median and the 95th percentile.
    """

    name: str
    of: str
    unit: str
    lines: Mapping[str, Sequence[tuple[int, float, float]]]

    def as_json(self) -> Mapping[str, object]:
        """Return what `.local/bench.json` says of it."""
        lines = {
            name: [
                {self.of: number, "median": _rounded(median), "p95": _rounded(high)} for number, median, high in points
            ]
            for name, points in self.lines.items()
        }
        return {"unit": self.unit, "of": self.of, "lines": lines}


def point(number: int, samples: Sequence[float]) -> tuple[int, float, float]:
    """Return a point of a curve."""
    return number, statistics.median(samples), percentile(samples, 95)


def compared(
    name: str, product: Sequence[float], floor: Sequence[float], *, unit: str = "ms", aim: float | None = None
) -> Result:
    """Return the line of samples and the floor's samples, both in `unit`."""
    return Result(name, statistics.median(product), percentile(product, 95), unit, statistics.median(floor), aim)


def worst(name: str, results: Sequence[Result]) -> Result:
    """Return the result with the highest ratio, under another name."""
    return replace(max(results, key=lambda result: result.ratio or 0.0), name=name)


def percentile(samples: Sequence[float], share: int) -> float:
    """Return the value that `share` of a hundred `samples` do not exceed, by the nearest rank."""
    ordered = sorted(samples)
    return ordered[max(0, -(-share * len(ordered) // 100) - 1)]


def milliseconds(action: Action) -> float:
    """Return how long `action` takes."""
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * MILLISECONDS


def timed(action: Action) -> Timed:
    """Return a sampler that measures `action`."""
    return lambda: milliseconds(action)


def interleaved(samplers: Sequence[Timed], *, rounds: int, warm_up: int) -> list[list[float]]:
    """Return `rounds` samples of each sampler, taken in turns, so that whatever drifts hits all of them alike.

    Every other round goes backwards: none always comes after the same one. Rounds of `warm_up` are thrown away.
    What is slow gets fewer rounds: none begins after `PATIENCE` seconds, once there are `ENOUGH`.
    """
    for _ in range(warm_up):
        for sampler in samplers:
            sampler()
    # What the imports left is not looked at again by the collector, which stays on as in production.
    gc.collect()
    gc.freeze()
    samples: list[list[float]] = [[] for _ in samplers]
    end = time.monotonic() + PATIENCE
    for number in range(rounds):
        if number >= ENOUGH and time.monotonic() > end:
            break
        turn = range(len(samplers))
        for index in turn if number % 2 == 0 else reversed(turn):
            samples[index].append(samplers[index]())
    return samples


HEAD = ("name", "median", "p95", "unit", "floor", "ratio", "aim", "")
# Its columns that are text.
LEFT = (0, 3, 7)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return the lines of the table of `results`."""
    return [_row(result) for result in results]


CURVE_HEAD = ("name", "line", "of", "median", "p95", "unit")
CURVE_LEFT = (0, 1, 5)


def curve_rows(curves: Sequence[Curve]) -> list[tuple[str, ...]]:
    """Return the lines of the table of `curves`."""
    return [
        (curve.name, name, f"{number:,} {curve.of}", _shown(median), _shown(high), curve.unit)
        for curve in curves
        for name, points in curve.lines.items()
        for number, median, high in points
    ]


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Return a Markdown table, for docs/performance.md. Columns in `left` are text, the first of them names."""
    rule = ["---" if column in left else "--:" for column in range(len(head))]
    named = [(f"`{line[0]}`", *line[1:]) for line in lines]
    return "\n".join("".join(f"| {cell} " if cell else "| " for cell in line) + "|" for line in (head, rule, *named))


def table(head: Sequence[str], lines: Sequence[Sequence[str]], left: Sequence[int]) -> str:
    """Return a table as text, one line each. Columns in `left` are text, the others numbers."""
    whole = [head, *lines]
    widths = [max(len(line[column]) for line in whole) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in whole
    )


def _row(result: Result) -> tuple[str, ...]:
    aim = "" if result.aim is None else f"<= {result.aim:g}{'' if result.aims_at_value else ' x'}"
    return (
        result.name,
        _shown(result.median),
        _shown(result.p95),
        result.unit,
        "" if result.floor is None else _shown(result.floor),
        "" if result.ratio is None else f"{result.ratio:.2f} x",
        aim,
        result.verdict,
    )


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 or value == int(value) else f"{value:.3g}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
