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

from bench import creates, data, pages, policies, processes, reads, sync
from bench.measure import Result, markdown, table
from bench.run import Run
from local.errors import Fault
from local.postgres import Cluster
from local.settings import state_folder

ROWS = 5_000_000
QUICK_ROWS = data.BETWEEN_ROWS
PACKAGES = ("pg8000", "psycopg", "SQLAlchemy", "pydantic", "aws-lambda-powertools")

type Measurement = Callable[[Run], Iterator[Result]]

GROUPS: tuple[tuple[Sequence[str], Measurement], ...] = (
    (reads.NAMES, reads.measure),
    (pages.NAMES, pages.measure),
    (policies.NAMES, policies.measure),
    (creates.NAMES, creates.measure),
    (sync.NAMES, sync.measure),
    (processes.NAMES, processes.measure),
)


def main() -> int:
    """Run the bench; return 0, or 1 with the reason."""
    arguments = _arguments()
    wanted = _wanted(arguments.only)
    if not wanted:
        print(f"no measurement is called so; there are: {', '.join(_names())}", file=sys.stderr)
        return 1
    try:
        results = _run(arguments.rows, wanted, quick=arguments.quick)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return 1
    print(f"\n{markdown(results) if arguments.markdown else table(results)}")
    file = state_folder() / "bench.json"
    file.write_text(json.dumps({result.name: result.as_json() for result in results}, indent=2) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure each promise beside its floor.")
    parser.add_argument(
        "--only", nargs="+", default=["*"], metavar="NAME", help="names or patterns, such as list 'page_*'"
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, a third of the samples")
    parser.add_argument("--rows", type=int, help=f"rows of the big table, in whole thousands (default {ROWS:,})")
    parser.add_argument("--markdown", action="store_true", help="print the table as docs/performance.md has it")
    arguments = parser.parse_args()
    if arguments.rows is None:
        arguments.rows = QUICK_ROWS if arguments.quick else ROWS
    if arguments.rows < data.SMALL_ROWS or arguments.rows % data.GRAIN:
        parser.error(f"--rows must be a multiple of {data.GRAIN:,}, at least {data.SMALL_ROWS:,}")
    return arguments


def _names() -> list[str]:
    return [name for names, _ in GROUPS for name in names]


def _wanted(patterns: Sequence[str]) -> set[str]:
    return {name for name in _names() if any(fnmatch(name, pattern) for pattern in patterns)}


def _run(rows: int, wanted: set[str], *, quick: bool) -> list[Result]:
    begin = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begin:6.1f} s  {text}", flush=True)

    with Cluster(state_folder() / "bench-pg", durable=False) as cluster:
        data.tuned(cluster)
        print(_machine(cluster))
        run = Run(cluster, rows, quick, say)
        found = [
            result for names, measure in GROUPS if wanted.intersection(names) for result in measure(run)
        ]  # a group is measured whole: its parts share what they are compared with
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
