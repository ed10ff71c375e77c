"""Exporting one workspace's ledger: turns that write parts of some thousand lines, each with a checkpoint.

A turn goes on where the one before has stopped, or was killed. Memory holds a page of rows; a part is written on disk.
Each page is a transaction of its own: the file is no snapshot (docs/adr/0040 says what that means).
"""

import gzip
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import dropwhile
from typing import IO, Any
from uuid import UUID, uuid4

from wellspring.access.principal import export_scope
from wellspring.database.flush import Row
from wellspring.database.retry import Deadline, with_retries
from wellspring.errors import NotFound
from wellspring.files import Shelf
from wellspring.observability import logger
from wellspring.repositories import exporting
from wellspring.repositories.exporting import Page, Place, Section, sections
from wellspring.resources import Resource

# Rows of one statement, and lines of one part.
PAGE = 1000
PART_LINES = 50_000
# Writing a part to the bucket takes less.
LEAST_SECONDS = 20.0
EXPORTS = "exports/"

type Write = Callable[[Resource, Row], bytes]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the `run` of an export has come: the file `export.json` beside the parts.

    Its `outcome` is `in_progress` or `done`. What was there at `began_at` is in the parts, whose keys stand in their
    order: together they are one gzip file. Which `section` goes on, at `place`, is empty when it is done.
    """

    workspace: str
    run: str
    outcome: str = "in_progress"
    began_at: str = field(default_factory=_now)
    finished_at: str | None = None
    lines: int = 0
    parts: tuple[str, ...] = ()
    section: str = field(default_factory=lambda: sections()[0].name)
    place: Place = field(default_factory=Place)


def export(shelf: Shelf, workspace: UUID, run: str, write: Write, deadline: Deadline) -> Checkpoint:
    """Take a turn at an export, the first or another one; one that is done stays as it is.

    The workspace may be tombstoned; another `run` begins anew; `write` makes a line of a row. Raises `NotFound` where
    there never was such a workspace, `Replaced` where another turn has gone on meanwhile, and what the database raises.
    """
    folder = f"{EXPORTS}{workspace}/{run}/"
    scope = export_scope(workspace)
    pk = with_retries(partial(exporting.workspace_pk, id_=workspace), scope, deadline)
    if pk is None:
        raise NotFound("There never was such a workspace.", resource_type="workspace")
    kept = shelf.get(f"{folder}export.json")
    checkpoint, tag = Checkpoint(str(workspace), run), None
    if kept is not None:
        members: dict[str, Any] = json.loads(kept[0])
        tag = kept[1]
        checkpoint = Checkpoint(**members | {"parts": tuple(members["parts"]), "place": Place(**members["place"])})

    def read(section: Section, place: Place) -> Page:
        work = partial(exporting.page, workspace=pk, section=section, place=place, most=PAGE)
        return with_retries(work, scope, deadline)

    while checkpoint.outcome != "done" and deadline.seconds > LEAST_SECONDS:
        with tempfile.TemporaryFile() as part:
            after = _fill(part, checkpoint, read, write, deadline)
            # A name of its own: whoever takes the same turn at the same time writes another file.
            key = f"{folder}{len(checkpoint.parts) + 1:05d}-{uuid4()}.jsonl.gz"
            part.seek(0)
            shelf.put(shelf.bucket, key, part)
        checkpoint = replace(after, parts=(*checkpoint.parts, key))
        tag = shelf.exchange(f"{folder}export.json", json.dumps(asdict(checkpoint), indent=2).encode(), tag)
    told = {"run": run, "outcome": checkpoint.outcome, "lines": checkpoint.lines, "parts": len(checkpoint.parts)}
    logger.info("turn at an export", extra=told)
    return checkpoint


def _fill(
    part: IO[bytes], checkpoint: Checkpoint, read: Callable[[Section, Place], Page], write: Write, deadline: Deadline
) -> Checkpoint:
    """Write the next lines into `part`, until it is full or the time is over; return how far that is."""
    left = list(dropwhile(lambda section: section.name != checkpoint.section, sections()))
    place, lines = checkpoint.place, 0
    with gzip.GzipFile(fileobj=part, mode="wb", mtime=0) as packed:
        while left and lines < PART_LINES and deadline.seconds > LEAST_SECONDS:
            page = read(left[0], place)
            packed.writelines(write(left[0].resource, row) for row in page.rows)
            lines += len(page.rows)
            place = page.place
            if page.is_last:
                del left[0]
                place = Place()
    after = replace(checkpoint, lines=checkpoint.lines + lines, place=place)
    if left:
        return replace(after, section=left[0].name)
    return replace(after, section="", outcome="done", finished_at=_now())
