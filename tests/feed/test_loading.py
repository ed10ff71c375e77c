"""Loading files: any order of lines, twice, killed in the middle, two at once; what is rejected; bounded memory."""

import gzip
import io
import json
import random
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any
from uuid import UUID, uuid4

import pytest

from local.settings import number
from tests.feed.conftest import Tables
from tests.support.databases import FEEDER, FreshDatabase
from tests.support.feed import Event, deleted, platform, upserted
from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.files import BLOCK, Bucket, File, split, unpacked
from wellspring.services.feed import applying, loading
from wellspring.services.feed.loading import Loaded, load


class Shelf(Bucket):
    """A bucket in memory; `reads` counts the bytes that were asked for."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.reads = 0

    def _blocks(self, file: File, place: int) -> Iterator[bytes]:
        content = self.kept[file.key][place:]
        self.reads += len(content)
        blocks = (content[begin : begin + BLOCK] for begin in range(0, len(content), BLOCK))
        return unpacked(io.BytesIO(content)) if file.is_packed else blocks

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        self.kept[key] = content.read()

    def file(self, name: str, lines: Sequence[Event | str], *, version: str | None = None) -> File:
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
        self.kept[f"load/{name}"] = gzip.compress(text) if name.endswith(".gz") else text
        return File("bucket", f"load/{name}", version or str(uuid4()), "")

    def summary(self, name: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.kept[f"results/{name}.summary.json"])
        return said

    def rejects(self, name: str) -> list[tuple[int, str, str]]:
        lines = self.kept[f"results/{name}.rejects.jsonl"].splitlines()
        return [(said["line"], said["code"], said["pointer"]) for said in map(json.loads, lines)]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def turn(shelf: Shelf, file: File, seconds: float = 60.0) -> Loaded:
    return load(shelf, file, feed_events.parse_line, Deadline(seconds))


def state(tables: Tables) -> list[Any]:
    return [
        tuple(row)
        for row in tables.sql(
            "SELECT c.id, c.name, c.source_version, w.id FROM core_api.companies c"
            " JOIN core_api.workspaces w ON w.pk = c.workspace_pk WHERE c.deleted_at IS NULL"
            " UNION ALL SELECT m.id, m.role, m.source_version, p.id FROM core_api.workspace_memberships m"
            " JOIN core_api.peoples p ON p.pk = m.people_pk WHERE m.deleted_at IS NULL ORDER BY 1"
        )
    ]


def end_of(events: Sequence[Event]) -> list[Any]:
    """Return what `state` is when all of these upserts have been applied, whatever way."""
    shown = {"company": ("name", "workspace_id"), "workspace_membership": ("role", "people_id")}
    rows = []
    for said in events:
        if names := shown.get(said["type"].split(".")[1]):
            value, parent = (said["data"][name] for name in names)
            rows.append((UUID(said["subject"]), value, int(said["sequence"]), UUID(parent)))
    return sorted(rows, key=lambda row: row[0].bytes)


class TestAFile:
    @pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz"])
    def test_fills_an_empty_ledger(self, shelf: Shelf, tables: Tables, name: str) -> None:
        events = platform()
        assert turn(shelf, shelf.file(name, events)) == Loaded(len(events), "done")
        assert state(tables) == end_of(events)
        assert len(state(tables)) == 1005
        said = shelf.summary(name)
        assert (said["outcome"], said["lines"], said["applied"], said["rejected"]) == ("done", len(events), 1017, 0)
        assert shelf.rejects(name) == []

    def test_twice_changes_nothing(self, shelf: Shelf, tables: Tables) -> None:
        events = platform(100)
        turn(shelf, shelf.file("one.jsonl", events))
        before = state(tables)
        turn(shelf, shelf.file("again.jsonl", events))
        assert state(tables) == before == end_of(events)
        assert shelf.summary("again.jsonl")["stale"] == len(events)

    def test_that_is_told_of_twice_is_loaded_once(self, shelf: Shelf) -> None:
        file = shelf.file("one.jsonl", platform(10))
        turn(shelf, file)
        reads = shelf.reads
        assert turn(shelf, file).is_done
        assert shelf.reads == reads

    def test_with_bad_lines_is_loaded_but_for_them(self, shelf: Shelf, tables: Tables) -> None:
        good = platform(3)
        lines: list[Event | str] = [
            "nonsense",
            *good[:5],
            "",
            json.dumps(good[5] | {"sequence": "0"}),
            "[" * 100_000,
            "x" * 300_000,
            json.dumps(upserted("workspace", UUID(int=1), 9, source="/well/other")),
            *good[5:],
            '{"specversion": "1.0"}',
        ]
        assert turn(shelf, shelf.file("bad.jsonl", lines)).outcome == "done"
        assert len(state(tables)) == 8
        assert shelf.rejects("bad.jsonl") == [
            (1, "json_invalid", ""),
            (8, "sequence_out_of_range", "/sequence"),
            (9, "json_invalid", ""),
            (10, "line_too_long", ""),
            (11, "other_source", ""),
            (len(lines), "union_tag_not_found", ""),
        ]
        said = shelf.summary("bad.jsonl")
        assert (said["rejected"], said["parked"], said["lines"]) == (5, 1, len(lines))

    def test_that_is_no_gzip_fails(self, shelf: Shelf) -> None:
        file = shelf.file("broken.jsonl.gz", platform(3))
        shelf.kept[file.key] = shelf.kept[file.key][:-20]
        assert turn(shelf, file) == Loaded(0, "failed")
        assert shelf.summary("broken.jsonl.gz")["outcome"] == "failed"


class TestTurns:
    @pytest.fixture(autouse=True)
    def small_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "LINES", 50)

    @pytest.mark.parametrize("name", ["killed.jsonl", "killed.jsonl.gz"])
    def test_go_on_where_killed(self, shelf: Shelf, tables: Tables, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        events = platform(400)
        file = shelf.file(name, events)
        real, calls = applying.apply_at_once, iter(range(1000))

        def dying(*given: Any) -> Any:
            if next(calls) % 4 == 3:
                raise KeyboardInterrupt
            return real(*given)

        monkeypatch.setattr(loading, "apply_at_once", dying)
        turns = 0
        while True:
            turns += 1
            try:
                done = turn(shelf, file)
                break
            except KeyboardInterrupt:
                continue
        assert turns == 3
        assert done.outcome == "done"
        assert state(tables) == end_of(events)
        said = shelf.summary(name)
        assert (said["lines"], said["applied"]) == (len(events), len(events))

    def test_end_before_the_time_is_over(self, shelf: Shelf) -> None:
        file = shelf.file("slow.jsonl", platform(100))
        assert turn(shelf, file, seconds=loading.LEAST_SECONDS - 1) == Loaded(0, "in_progress")
        assert turn(shelf, file).outcome == "done"

    def test_two_that_come_no_further_end_the_file(self, shelf: Shelf) -> None:
        file = shelf.file("stuck.jsonl", platform(100))
        for _ in range(2):
            assert not turn(shelf, file, seconds=loading.LEAST_SECONDS - 1).is_done
        assert turn(shelf, file) == Loaded(0, "failed")
        assert shelf.summary("stuck.jsonl")["outcome"] == "failed"

    def test_of_one_file_count_a_line_once(self, shelf: Shelf, fresh_database: FreshDatabase, tables: Tables) -> None:
        fresh_database.role = FEEDER
        events = platform(600)
        file = shelf.file("twice.jsonl", events)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: turn(shelf, file), range(2)))
        turn(shelf, file)
        said = shelf.summary("twice.jsonl")
        assert said["lines"] == len(events)
        assert said["applied"] == len(events)
        assert state(tables) == end_of(events)

    def test_of_two_files_come_to_one_end(self, shelf: Shelf, fresh_database: FreshDatabase, tables: Tables) -> None:
        fresh_database.role = FEEDER
        events = platform(300)
        later = [deleted("company", UUID(int=number + 10_000), 5) for number in range(0, 300, 3)]
        shuffled = random.Random(3).sample(events + later, len(events + later))
        files = [shelf.file("one.jsonl", events), shelf.file("two.jsonl", shuffled)]
        with ThreadPoolExecutor(2) as pool:
            assert [done.outcome for done in pool.map(lambda file: turn(shelf, file), files)] == ["done", "done"]
        gone = {one["subject"] for one in later}
        assert state(tables) == end_of([one for one in events if one["subject"] not in gone])
        assert tables.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


class Endless(Shelf):
    """A bucket of one file, of as many hundreds of lines as are asked for, which is nowhere as a whole.

    Their strings are the same again and again: pydantic remembers some thousands, and no more, in a process.
    """

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines = lines

    def _blocks(self, file: File, place: int) -> Iterator[bytes]:
        assert (file.key, place) == ("load/endless.jsonl", 0)
        for begin in range(0, self._lines, 100):
            lines = [
                json.dumps(upserted("workspace", UUID(int=number % 200 + 1)) | {"id": "1"})
                for number in range(begin, begin + 100)
            ]
            yield "".join(f"{line}\n" for line in lines).encode()


@pytest.mark.long
def test_a_file_of_many_lines_takes_the_memory_of_one_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first line to the summary, with the database's driver: twenty times as many lines.

    `LOADED=1000000` asks for as many, and compares them with 10,000.
    """
    many = number("LOADED", 6000, 10**8)
    few = min(10_000, many // 20)
    monkeypatch.setattr(loading, "LINES", min(loading.LINES, few // 3))

    def peak(lines: int) -> int:
        tracemalloc.start()
        file = File("bucket", "load/endless.jsonl", str(uuid4()), "")
        assert load(Endless(lines), file, feed_events.parse_line, Deadline(3600)).lines == lines
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # What is loaded and cached once is not of a file.
    peak(loading.LINES)
    small, large = peak(few), peak(many)
    assert large < 1.5 * small


def test_lines_keep_their_places_however_they_are_cut() -> None:
    content = b"one\n\ntwo two\n" + b"x" * 300_000 + b"\nlast"
    for size in (1, 2, 3, 5, 1000, BLOCK):
        if size < 5 and len(content) > 1000:
            blocks = [content[:20][begin : begin + size] for begin in range(0, 20, size)] + [content[20:]]
        else:
            blocks = [content[begin : begin + size] for begin in range(0, len(content), size)]
        found = list(split(iter(blocks), 0, 0))
        assert [line.content for line in found] == [b"one", b"", b"two two", None, b"last"]
        assert [content[: line.end].count(b"\n") for line in found] == [1, 2, 3, 4, 4]
        assert found[-1].end == len(content)
