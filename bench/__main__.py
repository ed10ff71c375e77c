"""`python -m bench`: measure, print a table, write `.local/bench.json`; `--help` lists the options.

The exit code says whether the bench ran, not whether an aim was met: a time is never an assertion.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from bench import (
    answers,
    creates,
    data,
    loading,
    matrix,
    measure,
    packages,
    pages,
    planned,
    plots,
    policies,
    processes,
    random_lists,
    reads,
    runs,
    sync,
)
from bench.load import measuring as load
from bench.load import results as loads
from bench.load.results import Load
from bench.matrix import Matrix
from bench.measure import Curve, Result
from bench.run import Run
from local.errors import Fault
from local.postgres import Cluster
from local.settings import make_state_folder, state_folder

ROWS = 5_000_000
QUICK_ROWS = data.BETWEEN_ROWS
PACKAGES = ("pg8000", "psycopg", "SQLAlchemy", "pydantic", "aws-lambda-powertools")

type Finding = Result | Curve | Load | Matrix
type Measurement = Callable[[Run], Iterator[Finding]]

GROUPS: tuple[tuple[Sequence[str], Measurement], ...] = (
    (reads.NAMES, reads.measure),
    (planned.NAMES, planned.measure),
    (pages.NAMES, pages.measure),
    (matrix.NAMES, matrix.measure),
    (answers.NAMES, answers.measure),
    (policies.NAMES, policies.measure),
    (creates.NAMES, creates.measure),
    (sync.NAMES, sync.measure),
    (runs.NAMES, runs.measure),
    (loading.NAMES, loading.measure),
    (processes.NAMES, processes.measure),
    (random_lists.NAMES, random_lists.measure),
    (packages.NAMES, packages.sizes),
    (load.NAMES, load.measure),
)


def main() -> int:
    """Run the bench; return 0, or 1 with the reason."""
    arguments = _arguments()
    wanted = _wanted(arguments.only)
    if not wanted:
        print(f"no measurement is called so; there are: {', '.join(_names())}", file=sys.stderr)
        return 1
    faults: list[str] = []
    try:
        results = _run(arguments.rows, wanted, faults, quick=arguments.quick)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 1
    print(f"\n{_shown(results, measure.markdown if arguments.markdown else measure.table)}")
    file = state_folder() / "bench.json"
    file.write_text(json.dumps({result.name: result.as_json() for result in results}, indent=2) + "\n")
    curves = [finding for finding in results if isinstance(finding, Curve)]
    if arguments.plots and curves:
        try:
            plots.draw(curves)
        except Fault as fault:
            faults.append(str(fault))
    for reason in faults:
        print(reason, file=sys.stderr)
    return int(bool(faults))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure each promise beside its floor.")
    parser.add_argument(
        "--only", nargs="+", default=["*"], metavar="NAME", help="names or patterns, such as list 'page_*'"
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, a third of the samples")
    parser.add_argument("--rows", type=int, help=f"rows of the big table, in whole thousands (default {ROWS:,})")
    parser.add_argument("--markdown", action="store_true", help="print the table as docs/performance/tables.md has it")
    parser.add_argument("--plots", action="store_true", help=f"write the plots of docs/performance.md ({plots.FOLDER})")
    arguments = parser.parse_args()
    if arguments.rows is None:
        arguments.rows = QUICK_ROWS if arguments.quick else ROWS
    if arguments.rows < data.SMALL_ROWS or arguments.rows % data.GRAIN:
        parser.error(f"--rows must be a multiple of {data.GRAIN:,}, at least {data.SMALL_ROWS:,}")
    return arguments


def _names() -> list[str]:
    return [name for names, _ in GROUPS for name in names]


def _wanted(patterns: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in _names() if any(fnmatch(name, pattern) for pattern in patterns))


def _shown(findings: Sequence[Finding], form: Callable[..., str]) -> str:
    """Return the tables: of what has a floor, of what grows, and of servers under load."""
    results = [finding for finding in findings if isinstance(finding, Result)]
    curves = [finding for finding in findings if isinstance(finding, Curve)]
    found = [finding for finding in findings if isinstance(finding, Load)]
    tables = (
        (measure.HEAD, measure.rows(results), measure.LEFT),
        (measure.CURVE_HEAD, measure.curve_rows(curves), measure.CURVE_LEFT),
        (loads.HEAD, loads.rows(found), loads.LEFT),
    )
    return "\n\n".join(form(*table) for table in tables if table[1])


def _run(rows: int, wanted: frozenset[str], faults: list[str], *, quick: bool) -> list[Finding]:
    """Return what was found; a group that cannot be measured is left out, and `faults` says why."""
    begin = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begin:6.1f} s  {text}", flush=True)

    found: list[Finding] = []
    make_state_folder(state_folder())
    with Cluster(state_folder() / "bench-pg", durable=False) as cluster:
        data.tuned(cluster)
        print(_machine(cluster))
        run = Run(cluster, rows, quick, say, wanted)
        for names, measured in GROUPS:
            if wanted.intersection(names):
                try:
                    # Most groups are measured whole: their parts share what they are compared with.
                    found += measured(run)
                except Fault as fault:
                    faults.append(str(fault))
        say("done")
    order = {name: place for place, name in enumerate(_names())}
    return sorted((result for result in found if result.name in wanted), key=lambda result: order[result.name])


def _machine(cluster: Cluster) -> str:
    """Return what the numbers depend on, in two lines."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    programs = [f"Python {platform.python_version()}", f"Postgres {data.server_version(cluster)}"]
    machine = f"{os.process_cpu_count()} cores, {_processor()}, {platform.system()} {platform.machine()}"
    return f"{machine}\n{', '.join(programs + versions)}"


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "processor unknown"


if __name__ == "__main__":
    sys.exit(main())
