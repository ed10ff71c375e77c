"""Exporting a workspace: all of it and nobody else's, tombstones too, part after part, killed or two at once."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any
from uuid import UUID, uuid4

import pytest

from tests.support.api import Context
from tests.support.databases import EXPORTER
from tests.support.events import event, replay
from tests.support.tenants import one_of_each_type
from tests.support.world import RECORDS, Row, World
from wellspring.database.retry import Deadline
from wellspring.errors import BadRequest, NotFound
from wellspring.files import Replaced, Shelf
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

    def get(self, key: str) -> tuple[bytes, str] | None:
        return (self.files[key], str(self.tags[key])) if key in self.tags else None

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        assert bucket == self.bucket
        self.files[key] = content.read()

    def exchange(self, key: str, content: bytes, tag: str | None) -> str:
        if str(self.tags.get(key)) != str(tag):
            raise Replaced
        self.tags[key] = self.tags.get(key, 0) + 1
        self.files[key] = content
        return str(self.tags[key])

    def objects(self, parts: list[str]) -> list[dict[str, Any]]:
        """Read the parts as an operator does: put together they are one gzip file."""
        whole = gzip.decompress(b"".join(self.files[part] for part in parts))
        return [json.loads(line) for line in whole.splitlines()]


@dataclass(frozen=True)
class Whole:
    """What an export has come to."""

    parts: list[str]
    objects: list[dict[str, Any]]

    @property
    def ids(self) -> list[tuple[str, str]]:
        return [(each["type"], each["id"]) for each in self.objects]

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


def call(workspace: UUID, run: str = RUN, seconds: float = 60.0) -> dict[str, Any]:
    context = Context(milliseconds=int(seconds * 1000))
    return edge.exporter()({"workspace": str(workspace), "run": run}, context)


def exported(shelf: Memory, workspace: Row, run: str = RUN) -> Whole:
    answer = call(workspace.id, run)
    assert answer["outcome"] == "done"
    found = shelf.objects(answer["parts"])
    assert len(found) == answer["lines"]
    return Whole(answer["parts"], found)


@dataclass(frozen=True)
class Tenant:
    """A workspace with something of each type, some of it dead, and some of it named and not its own."""

    workspace: Row
    own: list[Row]
    guest: Row
    named: list[Row]
    connector: Row


def tenant(world: World, of: str) -> Tenant:
    rows = one_of_each_type(world, of)
    # Who else is in a group is the group's business.
    del rows["workspace_group_membership"]
    workspace, connector = rows.pop("workspace"), rows["workspace_connector"]
    guest = world.people(world.workspace(f"{of}'s neighbour"), f"Guest of {of}")
    named = [guest, *(rows.pop(type_) for type_ in ("connector", "provider", "workspace_group"))]
    gone = world.workspace_connector(workspace, named[1])
    dead = [world.record(type_, workspace) for type_ in RECORDS]
    dead += [world.provenance(record, gone, "output") for record in dead] + [gone]
    for row in dead:
        world.tombstone(row)
    own = [*rows.values(), *dead, world.member(guest, workspace, role="guest")]
    return Tenant(workspace, own, guest, named, connector)


@pytest.fixture
def ours(world: World) -> Tenant:
    return tenant(world, "ours")


@pytest.fixture
def theirs(world: World) -> Tenant:
    return tenant(world, "theirs")


# ---- what is in it -----------------------------------------------------------------------------------------
@pytest.mark.usefixtures("theirs")
def test_it_has_all_of_the_workspace_once_and_of_no_other(shelf: Memory, world: World, ours: Tenant) -> None:
    before = exported(shelf, ours.workspace)
    assert sorted(before.ids) == sorted((row.type, str(row.id)) for row in (*ours.own, *ours.named, ours.workspace))
    rows = [each for each in before.objects if each["type"] == "company_workspace_connector"]
    assert sorted(row["attributes"]["deleted_at"] is None for row in rows) == [False, True]
    # It names nothing that is not in it.
    linked = [said["data"] for each in before.objects for said in each["relationships"].values()]
    assert {(to["type"], to["id"]) for to in linked if to} <= set(before.ids)
    world.tombstone(ours.workspace)
    after = exported(shelf, ours.workspace, "after")
    assert after.ids == before.ids
    assert after.one(ours.workspace)["attributes"]["deleted_at"] is not None


def test_it_has_resource_objects_with_their_linkage_and_no_links(shelf: Memory, world: World, ours: Tenant) -> None:
    company = world.company(ours.workspace, "Alder")
    row = world.provenance(company, ours.connector, "output")
    said = exported(shelf, ours.workspace).one(row)
    assert said["attributes"].keys() == {"direction", "created_at", "updated_at", "deleted_at"}
    assert said["attributes"]["direction"] == "output"
    assert said["attributes"]["created_at"].endswith("Z")
    assert said["relationships"] == {
        "company": {"data": {"type": "company", "id": str(company.id)}},
        "workspace_connector": {"data": {"type": "workspace_connector", "id": str(ours.connector.id)}},
        "sync_message": {"data": None},
        "ended_by": {"data": None},
    }
    assert said.keys() == {"type", "id", "attributes", "relationships"}


def test_it_says_of_a_person_of_another_workspace_who_they_are_and_not_whose(shelf: Memory, ours: Tenant) -> None:
    said = exported(shelf, ours.workspace).one(ours.guest)
    assert said["attributes"]["full_name"] == "Guest of ours"
    assert said["relationships"] == {}


def test_another_tenants_record_is_told_of_as_to_a_person(shelf: Memory, world: World, ours: Tenant) -> None:
    problem = {"code": "tenant_mismatch", "type": "company", "id": str(uuid4())}
    values = {"reason": "tenant_mismatch", "problems": [problem], "problem_count": 1, "body": "{}"}
    message = world.message(ours.connector, ours.workspace, "parked", **values)
    said = exported(shelf, ours.workspace).one(message)["attributes"]
    assert (said["reason"], said["problems"]) == ("unknown_record", [problem | {"code": "unknown_record"}])
    assert "body" not in said


def test_it_leaves_out_another_workspaces_records(shelf: Memory, world: World, ours: Tenant, theirs: Tenant) -> None:
    foreign = world.provenance(world.company(theirs.workspace), ours.connector)
    for workspace in (ours.workspace, theirs.workspace):
        assert str(foreign.id) not in {id_ for _, id_ in exported(shelf, workspace).ids}


def test_it_is_what_the_event_asks_for(shelf: Memory, world: World) -> None:
    (name,) = REPLAYED
    asked = event(name)
    world.workspace("A", id=asked["workspace"])
    answer = replay(name)
    assert (answer["workspace"], answer["outcome"]) == (asked["workspace"], "done")
    assert [each["attributes"]["name"] for each in shelf.objects(answer["parts"])] == ["A"]


@pytest.mark.parametrize(
    "event",
    [{}, {"workspace": "W", "run": RUN}, *({"workspace": str(uuid4()), "run": run} for run in ("", "..", "a/b"))],
)
def test_what_names_no_workspace_or_run_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        edge.exporter()(event, Context())
    with pytest.raises(NotFound):
        call(uuid4())


def test_it_knows_every_type_that_is_of_a_workspace_or_named_by_what_is() -> None:
    known = {section.resource.type for section in repository.sections()}
    # Who else is in a group is the group's business, and the feed's events are of no tenant.
    of_no_tenant = {"feed_event", "feed_status", "fleet"}
    assert {each.type for each in resources()} - known == {"workspace_group_membership", *of_no_tenant}
    assert set(ledgers()) <= known


# ---- parts -------------------------------------------------------------------------------------------------
@pytest.fixture
def large(world: World, ours: Tenant, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """Rows of several connectors, of one moment, more than small pages and parts hold."""
    monkeypatch.setattr(exporting, "PAGE", 3)
    monkeypatch.setattr(exporting, "PART_LINES", 7)
    for _ in range(2):
        world.provenances(world.companies(ours.workspace, 8), world.workspace_connector(ours.workspace))
    return ours


def test_parts_hold_together_what_one_would_hold(shelf: Memory, large: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    found = exported(shelf, large.workspace)
    assert len(found.parts) > 5
    # They are written once.
    files = set(shelf.files)
    assert exported(shelf, large.workspace) == found
    assert set(shelf.files) == files
    monkeypatch.setattr(exporting, "PAGE", 1000)
    monkeypatch.setattr(exporting, "PART_LINES", 1000)
    whole = exported(shelf, large.workspace, "whole")
    assert len(whole.parts) == 1
    assert whole.objects == found.objects


def test_parts_go_on_where_a_turn_was_killed(shelf: Memory, large: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exported(shelf, large.workspace).objects
    real, calls = shelf.exchange, iter(range(1000))

    def dying(key: str, content: bytes, tag: str | None) -> str:
        if next(calls) % 3 == 2:
            raise KeyboardInterrupt
        return real(key, content, tag)

    monkeypatch.setattr(shelf, "exchange", dying)
    answer, turns = None, 0
    while answer is None:
        turns += 1
        try:
            answer = call(large.workspace.id, "killed")
        except KeyboardInterrupt:
            continue
    assert turns > 2
    assert shelf.objects(answer["parts"]) == whole


def test_parts_stop_before_the_time_is_over(shelf: Memory, large: Tenant) -> None:
    idle = call(large.workspace.id, seconds=exporting.LEAST_SECONDS)
    assert (idle["outcome"], idle["lines"], idle["parts"]) == ("in_progress", 0, [])
    assert exported(shelf, large.workspace).objects


def test_a_turn_is_not_done_where_it_does_not_know_the_place(shelf: Memory, ours: Tenant) -> None:
    begun = call(ours.workspace.id, "older", seconds=exporting.LEAST_SECONDS)
    checkpoint = asdict(exporting.Checkpoint(str(ours.workspace.id), begun["run"], section="of another release"))
    shelf.exchange(f"{exporting.EXPORTS}{ours.workspace.id}/older/export.json", json.dumps(checkpoint).encode(), None)
    with pytest.raises(ValueError, match="of another release"):
        call(ours.workspace.id, "older")


def test_two_turns_at_once_make_the_parts_of_one(shelf: Memory, large: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    real, is_first = shelf.put, iter([True])

    def overtaken(bucket: str, key: str, content: IO[bytes]) -> None:
        real(bucket, key, content)
        if next(is_first, False):
            exported(shelf, large.workspace)

    monkeypatch.setattr(shelf, "put", overtaken)
    with pytest.raises(Replaced):
        call(large.workspace.id)
    found = exported(shelf, large.workspace)
    assert len(set(found.ids)) == len(found.ids)


def test_parts_have_each_row_once_that_ends_while_they_are_written(
    shelf: Memory, world: World, large: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = exported(shelf, large.workspace).ids
    doomed = iter([row for row in large.own if row.type == "company_workspace_connector"])
    real, owner = repository.page, world.database.owner

    def ending(*given: Any, **named: Any) -> Any:
        page = real(*given, **named)
        owner.exec_driver_sql("SET LOCAL ROLE NONE")
        if row := next(doomed, None):
            world.tombstone(row)
        owner.exec_driver_sql(f"SET LOCAL ROLE {EXPORTER}")
        return page

    monkeypatch.setattr(repository, "page", ending)
    assert sorted(exported(shelf, large.workspace, "meanwhile").ids) == sorted(before)


def test_a_part_needs_as_much_memory_for_many_rows_as_for_few() -> None:
    times = dict.fromkeys(("created_at", "updated_at", "deleted_at"))

    def pages(most: int) -> Iterator[repository.Page]:
        for number in range(most):
            rows = [{"id": uuid4(), "direction": "input", **times} for _ in range(1000)]
            yield repository.Page(rows, repository.Place(pk=number), is_last=False)
        while True:
            yield repository.Page([], repository.Place(), is_last=True)

    def peak(most: int) -> int:
        read = pages(most)
        begun = exporting.Checkpoint(str(uuid4()), RUN)
        tracemalloc.start()
        with io.FileIO("/dev/null", "wb") as part:
            exporting._fill(part, begun, lambda *_: next(read), edge._line, Deadline(60.0))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)
    assert peak(12) < 1.2 * peak(3)
