"""`make load FILE=…`: puts a file of events into the running stack's bucket and shows how it is loaded."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from local.errors import Fault
from local.postgres import connected
from local.queue import client
from local.running import facts
from local.settings import Settings

PAUSE_SECONDS = 0.2
# A turn that was killed is taken again after the local visibility timeout; this is longer than any pause of a good one.
SECONDS_WITHOUT_PROGRESS = 120.0
WIDTH = 30

_PROGRESS = """
SELECT outcome, lines, applied, waiting, parked + rejected FROM wellspring.loads
 WHERE key = :key ORDER BY pk DESC LIMIT 1
"""


def load(settings: Settings, name: str) -> dict[str, Any]:
    """Load the file called `name`, `-` for standard input, and return its summary.

    What became of each line that was not applied is in the file `rejects` of the summary; None where all were.

    Raises Fault when no stack runs, there is no such file, or loading comes no further.
    """
    if not name:
        raise Fault("say which file of events: make load FILE=companies.jsonl, or FILE=- for standard input")
    stack = facts(settings)
    s3 = client(stack["s3_endpoint_url"], "s3")
    with _file(name) as path:
        total = _lines(path)
        key = f"load/{uuid4()}-{path.name}"
        s3.upload_file(str(path), stack["bucket"], key)
    _wait(stack["database_url"], key, total)
    result = f"results/{key.removeprefix('load/')}"
    summary: dict[str, Any] = json.loads(
        s3.get_object(Bucket=stack["bucket"], Key=f"{result}.summary.json")["Body"].read()
    )
    rejects = None
    if summary["parked"] + summary["rejected"]:
        # A file of this machine: what is in the bucket no local command opens.
        rejects = settings.state / f"{result}.rejects.jsonl"
        rejects.parent.mkdir(exist_ok=True)
        s3.download_file(stack["bucket"], f"{result}.rejects.jsonl", str(rejects))
    return summary | {"rejects": None if rejects is None else str(rejects)}


def complaint(summary: Mapping[str, Any]) -> str | None:
    """Return what to say of a load that did not apply every line; None where it did, or they wait."""
    if summary["outcome"] != "done":
        return f"loading {summary['outcome']} at line {summary['lines']:,}"
    if summary["rejects"] is None:
        return None
    said = f"{summary['rejected']:,} rejected and {summary['parked']:,} parked of {summary['lines']:,} lines"
    return f"{said}: {summary['rejects']} says which, and why"


@contextmanager
def _file(name: str) -> Iterator[Path]:
    if name != "-":
        path = Path(name)
        if not path.is_file():
            raise Fault(f"there is no file {name}")
        yield path
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "stdin.jsonl"
        with path.open("wb") as file:
            while block := sys.stdin.buffer.read(1 << 20):
                file.write(block)
        yield path


def _lines(path: Path) -> int:
    """Return how many lines there are, for the bar; 0 where the file is packed."""
    if path.suffix == ".gz":
        return 0
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _wait(database_url: str, key: str, total: int) -> None:
    began = moved = time.monotonic()
    before = -1
    with connected(database_url) as connection:
        while True:
            rows = connection.run(_PROGRESS, key=key)
            outcome, lines, *counts = rows[0] if rows else ("in_progress", 0, 0, 0, 0)
            now = time.monotonic()
            _show(lines, total, now - began, counts)
            if outcome != "in_progress":
                print(file=sys.stderr)
                return
            if lines > before:
                before, moved = lines, now
            elif now - moved > SECONDS_WITHOUT_PROGRESS:
                raise Fault(f"\nloading stands at line {lines}; see the functions' log")
            time.sleep(PAUSE_SECONDS)


def _show(lines: int, total: int, seconds: float, counts: list[int]) -> None:
    """Draw the bar over the line before; where nobody looks, draw none."""
    if not sys.stderr.isatty():
        return
    share = min(1.0, lines / total) if total else 0.0
    bar = "#" * round(share * WIDTH) + "." * (WIDTH - round(share * WIDTH))
    applied, waiting, rejected = counts
    print(
        f"\r[{bar}] {lines:,} lines  {lines / max(seconds, 0.001):,.0f}/s"
        f"  applied {applied:,}  pending {waiting:,}  rejected {rejected:,} ",
        end="",
        file=sys.stderr,
        flush=True,
    )
