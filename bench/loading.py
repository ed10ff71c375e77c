"""The first load: a file of events through the loader, beside COPY of the rows that it makes."""

import json
from collections.abc import Iterator, Sequence
from typing import IO
from uuid import UUID, uuid4, uuid5

import psycopg

from bench import product
from bench.data import FEEDER, scratch
from bench.measure import Result, Timed, compared, interleaved, milliseconds
from bench.run import Run
from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.files import BLOCK, Bucket, File
from wellspring.services.feed.loading import load

NAMES = ("load_100k",)
AIM = 3.0
COMPANIES = 100_000
WORKSPACES = 50
ROUNDS = 3
SECONDS = 600.0
SOURCE = "/well/bench"
_COPY = b"COPY core_api.companies (id, name, workspace_pk, source, source_version) FROM STDIN"


class OneFile(Bucket):
    """A bucket of one file, in memory: S3 is not measured."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def _blocks(self, _file: File, place: int) -> Iterator[bytes]:
        return (self._content[begin : begin + BLOCK] for begin in range(place, len(self._content), BLOCK))

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        """Keep no result."""


def measure(run: Run) -> Iterator[Result]:
    """Measure whole files into a copy of the small ledger, as `wellspring_feeder`; the copy is dropped afterwards."""
    with scratch(run.small(), run.say) as copy, product.functions(copy, FEEDER), copy.connect() as copying:
        run.say(f"load_100k: {COMPANIES:,} companies of {WORKSPACES} workspaces")
        workspaces = [uuid4() for _ in range(WORKSPACES)]
        _load([_event("workspace", workspace, {"name": "Workspace"}) for workspace in workspaces])
        samples = interleaved(
            [lambda: _loaded(workspaces), _copied(copying, workspaces)], rounds=run.samples(ROUNDS), warm_up=1
        )
        _check(copying)
    yield compared("load_100k", *samples, aim=AIM)


def _loaded(workspaces: Sequence[UUID]) -> float:
    """Return how long the loader takes for a file of companies that nobody has told of."""
    space = uuid4()
    events = [
        _event(
            "company",
            uuid5(space, str(number)),
            {"name": f"Company {number}", "workspace_id": str(workspaces[number % WORKSPACES])},
        )
        for number in range(COMPANIES)
    ]
    return _load(events)


def _load(events: Sequence[dict[str, object]]) -> float:
    content = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    file = File("bench", "load/companies.jsonl", str(uuid4()), "")
    outcomes: list[str] = []
    elapsed = milliseconds(
        lambda: outcomes.append(load(OneFile(content), file, feed_events.parse_line, Deadline(SECONDS)).outcome)
    )
    assert outcomes == ["done"]
    return elapsed


def _copied(connection: psycopg.Connection, workspaces: Sequence[UUID]) -> Timed:
    """Return a sampler of the floor: as many rows by COPY and COMMIT, their workspaces' keys known, as the owner."""
    found = connection.execute("SELECT pk FROM core_api.workspaces WHERE id = ANY (%s)", (list(workspaces),)).fetchall()
    pks = [pk for (pk,) in found]
    connection.commit()

    def sample() -> float:
        rows = "".join(
            f"{uuid4()}\tCompany {number}\t{pks[number % WORKSPACES]}\t{SOURCE}/copied\t1\n"
            for number in range(COMPANIES)
        ).encode()

        def copy() -> None:
            with connection.cursor() as cursor, cursor.copy(_COPY) as stream:
                stream.write(rows)
            connection.commit()

        return milliseconds(copy)

    return sample


def _check(connection: psycopg.Connection) -> None:
    """Make sure that the loader has written as many rows as the floor."""
    counted = connection.execute(
        "SELECT source, count(*) FROM core_api.companies WHERE source ^@ %s GROUP BY source", (SOURCE,)
    )
    found = [number for _, number in counted.fetchall()]
    assert len(found) == 2, found
    assert len(set(found)) == 1, found


def _event(type_: str, id_: UUID, data: dict[str, str]) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": str(id_),
        "source": SOURCE,
        "type": f"wellspring.{type_}.upserted",
        "subject": str(id_),
        "sequence": "1",
        "time": "2026-05-10T08:14:22Z",
        "data": data,
    }
