"""Exporting a workspace: all of it and nobody else's, tombstones too, part after part, killed or two at once."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID, uuid4

import pytest

from tests.support.databases import EXPORTER
from tests.support.events import event, replay
from tests.support.world import Row, World
from wellspring.database.retry import Deadline
from wellspring.errors import BadRequest, NotFound
from wellspring.files import Kept, Replaced, Shelf
from wellspring.handlers import exporting as edge
from wellspring.repositories import exporting as repository
from wellspring.resources import ledgers, resources
from wellspring.services import exporting

RUN = "2026-05-10"
# Events that this file gives to their functions.
REPLAYED = ["maintenance_export"]


class Memory(Shelf):
    """A bucket in memory; each file's tag counts how often it was written."""

    def __init__(self) -> None:
        self.bucket = "bucket"
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, int] = {}

    def get(self, key: str) -> Kept | None:
        return Kept(self.files[key], str(self.tags[key])) if key in self.tags else None

    def put_file(self, key: str, content: IO[bytes]) -> None:
        self.files[key] = content.read()

    def exchange(self, key: str, content: bytes, tag: str | None) -> str:
        if str(self.tags.get(key)) != str(tag):
            raise Replaced
        self.tags[key] = self.tags.get(key, 0) + 1
        self.files[key] = content
        return str(self.tags[key])


@dataclass(frozen=True)
class Whole:
    """What an export has come to."""

    answer: Mapping[str, Any]
    objects: list[dict[str, Any]]

    @property
    def ids(self) -> list[tuple[str, str]]:
        return [(each["type"], each["id"]) for each in self.objects]

    def of_type(self, type_: str) -> list[dict[str, Any]]:
        return [each for each in self.objects if each["type"] == type_]

    def one(self, row: Row) -> dict[str, Any]:
        (found,) = (each for each in self.objects if each["id"] == str(row.id))
        return found


@pytest.fixture(autouse=True)
def shelf(world: World, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The bucket of the exporter, which works as its role."""
    world.database.role = EXPORTER
    made = Memory()
    monkeypatch.setattr(edge, "_shelf", lambda: made)
    return made


def call(workspace: UUID, run: str = RUN) -> dict[str, Any]:
    return edge.exporter()({"workspace": str(workspace), "run": run}, Invocation())


class Invocation:
    """Lambda's context, with a minute left."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._deadline = Deadline(seconds)

    def get_remaining_time_in_millis(self) -> float:
        return self._deadline.seconds * 1000


def objects_in(shelf: Memory, parts: list[str]) -> list[dict[str, Any]]:
    """Read the parts as an operator does: put together they are one gzip file."""
    whole = gzip.decompress(b"".join(shelf.files[part] for part in parts))
    return [json.loads(line) for line in whole.splitlines()]


def exported(shelf: Memory, workspace: Row, run: str = RUN) -> Whole:
    answer = call(workspace.id, run)
    assert answer["outcome"] == "done"
    found = objects_in(shelf, answer["parts"])
    assert len(found) == answer["lines"]
    return Whole(answer, found)


@dataclass(frozen=True)
class Tenant:
    """A workspace with something of each type, some of it dead, and some of it named and not its own."""

    workspace: Row
    own: list[Row]
    named: list[Row]
    connector: Row
    person: Row


def tenant(world: World, of: str) -> Tenant:
    workspace, elsewhere = world.workspace(of), world.workspace(f"{of}'s neighbour")
    person, guest = world.people(workspace, f"Ada of {of}"), world.people(elsewhere, f"Guest of {of}")
    kind, provider = world.connector(f"Connector of {of}"), world.provider(f"provider-of-{of}")
    connector, gone = world.workspace_connector(workspace, kind), world.workspace_connector(workspace, kind)
    group = world.group(created_by=guest, name=f"Group of {of}")
    own = [person, connector, gone, world.member(person, workspace), world.member(guest, workspace, role="guest")]
    own += [world.enrol(group, workspace, created_by=person), world.choose(workspace, provider)]
    own.append(world.message(connector, workspace))
    for record in ("account", "company", "people"):
        live, dead = (world.record(record, workspace) for _ in range(2))
        rows = [world.provenance(live, connector), world.provenance(dead, gone, "output")]
        for row in (rows[1], dead):
            world.tombstone(row)
        own += [live, dead, *rows]
    world.tombstone(gone)
    return Tenant(workspace, own, [guest, kind, provider, group], connector, person)


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "ours")


@pytest.fixture
def theirs(world: World) -> Tenant:
    return tenant(world, "theirs")


class TestAnExport:
    def test_has_everything_of_the_workspace_once_and_nothing_of_another(
        self, shelf: Memory, ours: Tenant, theirs: Tenant
    ) -> None:
        found = exported(shelf, ours.workspace).ids
        assert sorted(found) == sorted((row.type, str(row.id)) for row in (*ours.own, *ours.named, ours.workspace))

    def test_is_the_same_of_a_workspace_that_is_withdrawn(self, shelf: Memory, world: World, ours: Tenant) -> None:
        before = exported(shelf, ours.workspace)
        world.tombstone(ours.workspace)
        after = exported(shelf, ours.workspace, "after")
        assert after.ids == before.ids
        assert after.one(ours.workspace)["attributes"]["deleted_at"] is not None

    def test_has_resource_objects_with_their_linkage_and_no_links(
        self, shelf: Memory, world: World, ours: Tenant
    ) -> None:
        company = world.company(ours.workspace, "Alder")
        row = world.provenance(company, ours.connector, "output")
        said = exported(shelf, ours.workspace).one(row)
        times = {"created_at", "updated_at", "deleted_at"}
        assert said["attributes"].keys() == {"direction", *times}
        assert said["attributes"]["direction"] == "output"
        assert said["attributes"]["created_at"].endswith("Z")
        assert said["relationships"] == {
            "company": {"data": {"type": "company", "id": str(company.id)}},
            "workspace_connector": {"data": {"type": "workspace_connector", "id": str(ours.connector.id)}},
            "sync_message": {"data": None},
            "ended_by": {"data": None},
        }
        assert said.keys() == {"type", "id", "attributes", "relationships"}

    def test_says_of_a_dead_row_when_it_ended(self, shelf: Memory, ours: Tenant) -> None:
        rows = exported(shelf, ours.workspace).of_type("company_workspace_connector")
        assert sorted(row["attributes"]["deleted_at"] is None for row in rows) == [False, True]

    def test_names_nothing_that_is_not_in_it(self, shelf: Memory, ours: Tenant) -> None:
        found = exported(shelf, ours.workspace)
        named = {
            (said["data"]["type"], said["data"]["id"])
            for each in found.objects
            for said in each["relationships"].values()
            if said["data"] is not None
        }
        assert named <= set(found.ids)

    def test_says_of_a_person_of_another_workspace_who_they_are_and_not_whose(
        self, shelf: Memory, ours: Tenant
    ) -> None:
        guest, *_ = ours.named
        said = exported(shelf, ours.workspace).one(guest)
        assert said["attributes"]["full_name"] == "Guest of ours"
        assert said["relationships"] == {}

    def test_tells_of_another_tenants_record_no_more_than_a_person_is_told(
        self, shelf: Memory, world: World, ours: Tenant
    ) -> None:
        problem = {"code": "tenant_mismatch", "type": "company", "id": str(uuid4())}
        message = world.message(
            ours.connector,
            ours.workspace,
            "parked",
            reason="tenant_mismatch",
            problems=[problem],
            problem_count=1,
            body="{}",
        )
        said = exported(shelf, ours.workspace).one(message)["attributes"]
        assert (said["reason"], said["problems"]) == ("unknown_record", [problem | {"code": "unknown_record"}])
        assert "body" not in said

    def test_leaves_out_provenance_of_another_workspaces_record(
        self, shelf: Memory, world: World, ours: Tenant, theirs: Tenant
    ) -> None:
        foreign = world.provenance(world.company(theirs.workspace), ours.connector)
        for number, workspace in enumerate((ours.workspace, theirs.workspace)):
            assert str(foreign.id) not in {id_ for _, id_ in exported(shelf, workspace, str(number)).ids}

    def test_is_what_the_event_asks_for(self, shelf: Memory, world: World, ours: Tenant) -> None:
        (name,) = REPLAYED
        asked = event(name)
        world.workspace("A", id=asked["workspace"])
        answer = replay(name)
        assert (answer["workspace"], answer["outcome"]) == (asked["workspace"], "done")
        assert [each["attributes"]["name"] for each in objects_in(shelf, answer["parts"])] == ["A"]

    def test_of_a_workspace_that_never_was_is_refused(self) -> None:
        with pytest.raises(NotFound):
            call(uuid4())

    @pytest.mark.parametrize(
        "event",
        [{}, {"workspace": "W", "run": RUN}, *({"workspace": str(uuid4()), "run": run} for run in ("", "..", "a/b"))],
    )
    def test_that_names_no_workspace_or_run_is_refused(self, event: dict[str, Any]) -> None:
        with pytest.raises(BadRequest):
            edge.exporter()(event, Invocation())

    def test_knows_every_type_that_is_of_a_workspace_or_named_by_what_is(self) -> None:
        known = {section.resource.type for section in repository.sections()}
        # Who else is in a group is the group's business, and the feed's events are of no tenant.
        assert {each.type for each in resources()} - known == {
            *("workspace_group_membership", "feed_event", "feed_status", "fleet")
        }
        assert set(ledgers()) <= known


class TestParts:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exporting, "PAGE", 3)
        monkeypatch.setattr(exporting, "PART_LINES", 7)

    @pytest.fixture
    def large(self, world: World, ours: Tenant) -> Tenant:
        """Rows of several connectors, of one moment."""
        for _ in range(2):
            world.provenances(world.companies(ours.workspace, 8), world.workspace_connector(ours.workspace))
        return ours

    def test_hold_together_what_one_would_hold(
        self, shelf: Memory, large: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = exported(shelf, large.workspace)
        assert len(found.answer["parts"]) > 5
        monkeypatch.setattr(exporting, "PAGE", 1000)
        monkeypatch.setattr(exporting, "PART_LINES", 1000)
        whole = exported(shelf, large.workspace, "whole")
        assert len(whole.answer["parts"]) == 1
        assert whole.objects == found.objects

    def test_go_on_where_a_turn_was_killed(self, shelf: Memory, large: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = exported(shelf, large.workspace).objects
        real, calls = shelf.exchange, iter(range(1000))

        def dying(key: str, content: bytes, tag: str | None) -> str:
            if next(calls) % 3 == 2:
                raise KeyboardInterrupt
            return real(key, content, tag)

        monkeypatch.setattr(shelf, "exchange", dying)
        turns = 0
        while True:
            turns += 1
            try:
                answer = call(large.workspace.id, "killed")
            except KeyboardInterrupt:
                continue
            break
        assert turns > 2
        assert objects_in(shelf, answer["parts"]) == whole

    def test_stop_before_the_time_is_over(self, shelf: Memory, large: Tenant) -> None:
        event = {"workspace": str(large.workspace.id), "run": RUN}
        idle = edge.exporter()(event, Invocation(exporting.LEAST_SECONDS))
        assert (idle["outcome"], idle["lines"], idle["parts"]) == ("in_progress", 0, [])
        assert exported(shelf, large.workspace).answer["outcome"] == "done"

    def test_are_written_once_where_the_export_is_done(self, shelf: Memory, large: Tenant) -> None:
        first, files = exported(shelf, large.workspace), set(shelf.files)
        assert exported(shelf, large.workspace) == first
        assert set(shelf.files) == files

    def test_of_two_turns_at_once_are_those_of_one(
        self, shelf: Memory, large: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, is_first = shelf.put_file, iter([True])

        def overtaken(key: str, content: IO[bytes]) -> None:
            real(key, content)
            if next(is_first, False):
                exported(shelf, large.workspace)

        monkeypatch.setattr(shelf, "put_file", overtaken)
        with pytest.raises(Replaced):
            call(large.workspace.id)
        found = exported(shelf, large.workspace)
        assert len(set(found.ids)) == len(found.ids)

    def test_have_each_row_once_that_ends_while_they_are_written(
        self, shelf: Memory, world: World, large: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = exported(shelf, large.workspace).ids
        doomed = iter([row for row in large.own if row.type == "company_workspace_connector"])
        real = repository.page

        def ending(*given: Any, **named: Any) -> Any:
            page = real(*given, **named)
            world.database.owner.exec_driver_sql("SET LOCAL ROLE NONE")
            if row := next(doomed, None):
                world.tombstone(row)
            world.database.owner.exec_driver_sql(f"SET LOCAL ROLE {EXPORTER}")
            return page

        monkeypatch.setattr(repository, "page", ending)
        assert sorted(exported(shelf, large.workspace, "meanwhile").ids) == sorted(before)

    def test_need_as_much_memory_for_many_rows_as_for_few(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exporting, "PAGE", 1000)
        monkeypatch.setattr(exporting, "PART_LINES", 1_000_000)
        times = dict.fromkeys(("created_at", "updated_at", "deleted_at"))

        def pages(most: int) -> Iterator[repository.Page]:
            for number in range(most):
                rows = [{"id": uuid4(), "direction": "input", **times} for _ in range(1000)]
                yield repository.Page(rows, repository.Place(pk=number), is_last=False)
            while True:
                yield repository.Page([], repository.Place(), is_last=True)

        def peak(most: int) -> int:
            read = pages(most)
            begun = exporting._begin(uuid4(), RUN)
            tracemalloc.start()
            with io.FileIO("/dev/null", "wb") as part:
                exporting._fill(part, begun, lambda *_: next(read), edge._line, Deadline(60.0))
            highest = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return highest

        peak(1)
        assert peak(12) < 1.2 * peak(3)
