"""Draws curves as SVG: `draw.py FOLDER`, with the curves of `.local/bench.json` on its input. Run by `bench.plots`.

The same numbers make the same file.
"""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

# Of Okabe and Ito, told apart by everybody.
STYLES = (
    {"color": "#0072b2", "marker": "o"},
    {"color": "#d55e00", "marker": "s"},
    {"color": "#009e73", "marker": "^"},
)
LEGEND = "median; dotted: 95th percentile"
SIZE = (7.0, 4.0)

type Points = Mapping[str, Any]


def figure(title: str, x: str, y: str) -> tuple[Figure, Any]:
    """Return an empty figure with logarithmic axes, and its axes."""
    drawn = Figure(figsize=SIZE, layout="constrained", facecolor="white")
    axes = drawn.subplots()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xscale("log")
    axes.grid(which="major", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return drawn, axes


def pages(curve: Points) -> Figure:
    """Draw what a page costs as the table grows: the median and the 95th percentile."""
    drawn, axes = figure("One page of 20, from the middle of a tenant's rows", "rows in the table", "time (ms)")
    for (name, points), style in zip(curve["lines"].items(), STYLES, strict=True):
        rows = [point["rows"] for point in points]
        plot(axes, name, rows, [point["median"] for point in points], [point["p95"] for point in points], style)
    axes.set_ylim(bottom=0)
    # Room for what it says at the top.
    axes.set_ylim(top=axes.get_ylim()[1] * 1.25)
    axes.legend(title=LEGEND, frameon=False, ncols=3, loc="upper left", alignment="left")
    return drawn


def sync(curve: Points) -> Figure:
    """Draw how many records are written in a second as batches grow, at the median and at the 95th percentile."""
    drawn, axes = figure("Sync of one batch, and COPY of the same rows", "records in the batch", "records per second")
    axes.set_yscale("log")
    # COPY first: it is above.
    for (name, points), style in zip(reversed(curve["lines"].items()), STYLES, strict=False):
        records = [point["records"] for point in points]
        medians, highs = ([point["records"] / point[share] * 1000 for point in points] for share in ("median", "p95"))
        plot(axes, name, records, medians, highs, style)
    low, high = axes.get_ylim()
    axes.set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
    axes.yaxis.set_major_formatter(FuncFormatter(grouped))
    axes.legend(title=LEGEND, frameon=False, loc="lower right", alignment="left")
    return drawn


def plot(
    axes: Any,
    name: str,
    numbers: Sequence[int],
    medians: Sequence[float],
    highs: Sequence[float],
    style: Mapping[str, str],
) -> None:
    """Draw a line of medians, and one of 95th percentiles; mark what was measured on the x axis, and nothing else."""
    axes.plot(numbers, medians, label=name, **style)
    axes.plot(numbers, highs, linestyle=":", linewidth=1.2, markersize=3, **style)
    axes.set_xticks(numbers)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(grouped))


def grouped(value: float, _position: int | None) -> str:
    """Return 50,000 for fifty thousand."""
    return f"{value:,.0f}"


PLOTS: Mapping[str, tuple[str, Callable[[Points], Figure]]] = {
    "page_by_rows": ("page-latency", pages),
    "sync_by_records": ("sync-throughput", sync),
}


def main(folder: Path, curves: Mapping[str, Points]) -> None:
    """Write a file for each curve, and say which."""
    # No random ids and no date; letters as shapes, since fonts differ.
    mpl.rcParams.update({"svg.hashsalt": "wellspring", "svg.fonttype": "path", "font.size": 10})
    folder.mkdir(parents=True, exist_ok=True)
    for name, curve in curves.items():
        file, drawing = PLOTS[name]
        path = folder / f"{file}.svg"
        drawing(curve).savefig(path, metadata={"Date": None, "Creator": None})
        print(f"drawn: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.load(sys.stdin))
