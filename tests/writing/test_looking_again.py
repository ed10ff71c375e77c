"""A write that waited, or was slow, while what it points to ended: it looks again, and keeps no row of what is gone.

Each pair meets in two ways: held at the lock that orders them, and with the other in front of each flush of a request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Executable, text
from sqlalchemy.exc import DatabaseError

from tests.support.api import MATCHER, PIPELINE, Reply, call, draft, post
from tests.support.databases import FEEDER, FreshDatabase, role_of_call
from tests.support.feed import erased, statuses
from tests.support.sums import sums_are_right
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from tests.writing.conftest import CHOICES, COMPANIES, GROUPS, add, count, enrol, group_of, held, race, told
from wellspring.database.pipeline import PipelinedConnection
from wellspring.resources import resource_of

# More than any request here has.
MOST_FLUSHES = 9
PLACE = "/data/relationships/{}/data/id".format


@pytest.fixture
def newcomer(fresh_database: FreshDatabase, world: World, ours: Tenant) -> Row:
    return world.people(ours.workspace, source="/well/test")


def ended(row: Row) -> Executable:
    table = resource_of(row.type).table
    return text(f"UPDATE core_api.{table} SET deleted_at = now(), updated_at = now() WHERE pk = {row.pk}")


def end_person(row: Row) -> list[Executable]:
    """Return what an erasure does to a person and to the memberships that it sees."""
    of_person = f"SET deleted_at = now() WHERE people_pk = {row.pk} AND deleted_at IS NULL"
    erase = f"UPDATE core_api.peoples SET deleted_at = now(), erased_at = now() WHERE pk = {row.pk}"
    return [held(row), text(erase), text(f"UPDATE core_api.workspace_group_memberships {of_person}")]


def end_group(row: Row) -> list[Executable]:
    """Return what a deletion does to a group and to what it sees of it."""
    of_group = f"SET deleted_at = now() WHERE workspace_group_pk = {row.pk} AND deleted_at IS NULL"
    tables = ("workspace_group_workspaces", "workspace_group_memberships")
    return [held(row), *(text(f"UPDATE core_api.{table} {of_group}") for table in tables), ended(row)]


def erase(person: Row) -> list[str]:
    """Have the feed erase a person; return what became of the event."""
    token = role_of_call.set(FEEDER)
    try:
        return statuses(erased(person, 9))
    finally:
        role_of_call.reset(token)


@dataclass(frozen=True)
class Scene:
    """What meets: requests, and what ends what they point to, each by its name."""

    rows: Mapping[str, Row]
    requests: Mapping[str, Callable[[], Reply]]

    @property
    def others(self) -> Mapping[str, list[Executable]]:
        """What an end of each of the rows writes."""
        ends = {"workspace_group": end_group, "people": end_person}
        return {name: ends[row.type](row) if row.type in ends else [ended(row)] for name, row in self.rows.items()}


@pytest.fixture
def scene(fresh_database: FreshDatabase, world: World, ours: Tenant, group: Row, newcomer: Row) -> Scene:
    provider, row = world.provider("stripe"), world.provenance(ours.records["company"], ours.connector)
    dead = world.provenance(ours.records["company"], ours.connector)
    world.tombstone(dead)
    choice = world.choose(ours.workspace, world.provider("chosen"))
    restored, changed = (
        draft(row.type, {"deleted_at": None}, dead.id),
        draft(choice.type, {"is_matched": True}, choice.id),
    )
    chosen = draft("workspace_provider", workspace=ours.workspace, provider=provider)
    requests: dict[str, Callable[[], Reply]] = {
        "enrolment": lambda: enrol(group, ours.workspace, ours.caller),
        "deletion": lambda: call("DELETE", f"{GROUPS}/{group.id}", ours.caller),
        "member": lambda: add(newcomer, group, ours.caller),
        "new group": lambda: post(GROUPS, ours.caller, group_of(ours.workspace)),
        "provenance": lambda: post(COMPANIES, PIPELINE, ours.draft()),
        "restored provenance": lambda: call("PATCH", f"{COMPANIES}/{dead.id}", PIPELINE, restored),
        "removed provenance": lambda: call("DELETE", f"{COMPANIES}/{row.id}", PIPELINE),
        "choice": lambda: post(CHOICES, MATCHER, chosen),
        "changed choice": lambda: call("PATCH", f"{CHOICES}/{choice.id}", MATCHER, changed),
    }
    rows = {"workspace": ours.workspace, "connector": ours.connector, "provider": provider, "group": group}
    people = {"person": newcomer, "its maker": ours.owner}
    return Scene({**rows, **people, "record": ours.records["company"]}, requests)


# What must never be, however two meet.
OF_GROUP = """
SELECT count(*) FROM core_api.{} AS row JOIN core_api.workspace_groups AS team ON team.pk = row.workspace_group_pk
 WHERE row.deleted_at IS NULL AND team.deleted_at IS NOT NULL
"""
NEVER = {
    "an enrolment of a dead group": OF_GROUP.format("workspace_group_workspaces"),
    "a member of a dead group": OF_GROUP.format("workspace_group_memberships"),
    "a membership of nobody": "SELECT count(*) FROM core_api.workspace_group_memberships AS row"
    " JOIN core_api.peoples AS person ON person.pk = row.people_pk"
    " WHERE row.deleted_at IS NULL AND person.erased_at IS NOT NULL",
}


def nothing_is_left_over(database: FreshDatabase) -> None:
    for name, statement in NEVER.items():
        assert database.owner.execute(text(statement)).scalar_one() == 0, name
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert database.owner.execute(text(deadlocks)).scalar_one() == 0
    database.commit()
    sums_are_right(database)


@pytest.mark.parametrize(
    ("held_up_by", "names", "ends", "expected"),
    [
        # A group that is deleted before leaves nothing, and behind ends what was made.
        ("group", "deletion, enrolment", "", [[], ["workspace_group"]]),
        ("group", "enrolment, deletion", "", [[], []]),
        ("group", "deletion, member", "", [[], ["workspace_group"]]),
        # Who was erased before is nobody.
        ("person", "member", "person", [["people"]]),
        # Provenance waits for its connector.
        ("connector", "provenance", "record", [["company"]]),
        ("connector", "provenance", "connector", [["workspace_connector"]]),
        ("connector", "provenance", "workspace", [["company", "workspace_connector"]]),
    ],
)
def test_who_waited_is_told_what_is_not_there_any_more(
    fresh_database: FreshDatabase, scene: Scene, held_up_by: str, names: str, ends: str, expected: list[list[str]]
) -> None:
    row = scene.rows[held_up_by]
    hold = text(f"SELECT wellspring.lock_connectors(ARRAY[{row.pk}]::bigint[], NULL)")
    asked = names.split(", ")
    calls = [scene.requests[name] for name in asked]
    before = count(fresh_database, "company_workspace_connectors")
    meanwhile = scene.others[ends] if ends else ()
    replies = race(fresh_database, hold if held_up_by == "connector" else held(row), *calls, meanwhile=meanwhile)
    for name, reply, absent in zip(asked, replies, expected, strict=True):
        assert reply.status == (404 if absent else {"enrolment": 201, "deletion": 204}[name])
        refused = told(reply) if absent else []
        assert refused == [("404", f"{name.upper()}_NOT_FOUND", PLACE(name)) for name in absent]
    assert count(fresh_database, "company_workspace_connectors") == before
    nothing_is_left_over(fresh_database)


def test_who_was_erased_before_they_make_a_group_makes_none(fresh_database: FreshDatabase, scene: Scene) -> None:
    hold, erased = held(scene.rows["its maker"]), scene.others["its maker"]
    (made,) = race(fresh_database, hold, scene.requests["new group"], meanwhile=erased)
    assert made.codes in (["FORBIDDEN"], ["WORKSPACE_NOT_FOUND"])
    nothing_is_left_over(fresh_database)


def test_who_is_erased_behind_their_addition_is_no_member(
    fresh_database: FreshDatabase, scene: Scene, newcomer: Row
) -> None:
    # What is written last: the membership is there by then, and nobody sees it yet.
    hold = text("LOCK TABLE wellspring.audit IN ACCESS EXCLUSIVE MODE")
    fresh_database.engine(FEEDER)
    calls: list[Callable[[], Any]] = [scene.requests["member"], lambda: erase(newcomer)]
    added, erasure = race(fresh_database, hold, *calls)
    assert (added.status, erasure) == (201, ["applied"])
    nothing_is_left_over(fresh_database)


def test_neither_a_group_nor_a_person_is_held_by_whoever_does_not_see_them(
    fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant, group: Row
) -> None:
    asked: list[tuple[Row, str, Callable[[], Reply]]] = [
        (group, "workspace_group", lambda: enrol(group, theirs.workspace, theirs.caller)),
        (theirs.owner, "people", lambda: add(theirs.owner, group, ours.caller)),
    ]
    for row, name, ask in asked:
        fresh_database.owner.execute(held(row))
        assert told(ask()) == [("404", f"{name.upper()}_NOT_FOUND", PLACE(name))]
        fresh_database.owner.rollback()


class Meeting:
    """Something else that happens in front of one flush of a request, or behind it where that holds it up."""

    def __init__(self, database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, other: list[Executable]) -> None:
        self._database = database
        self._other = other
        self._left = 0
        self.happened = True
        exchange = PipelinedConnection.exchange

        def exchanged(connection: PipelinedConnection, *messages: Any, **options: Any) -> None:
            self._left -= 1
            if self._left == 0:
                self.happen()
            exchange(connection, *messages, **options)

        monkeypatch.setattr(PipelinedConnection, "exchange", exchanged)

    def at(self, flush: int, request: Callable[[], Reply]) -> Reply:
        self._left, self.happened = flush, False
        reply = request()
        self._left = 0
        if not self.happened:
            self.happen()
        assert self.happened
        return reply

    def happen(self) -> None:
        left, self._left = self._left, -1
        try:
            self._database.owner.execute(text("SET LOCAL lock_timeout = '100ms'"))
            for statement in self._other:
                self._database.owner.execute(statement)
            self._database.owner.commit()
            self.happened = True
        except DatabaseError:
            # Held by the request: it happens behind it.
            self._database.owner.rollback()
        finally:
            self._left = left


@pytest.mark.parametrize("flush", range(1, MOST_FLUSHES))
@pytest.mark.parametrize(
    "pair",
    [
        *("enrolment, group", "member, person", "new group, its maker", "provenance, record"),
        *("removed provenance, record", "choice, workspace"),
        # Beside the same request another parent, or another request beside the same parent.
        *(
            pytest.param(pair, marks=pytest.mark.long)
            for pair in (
                *("enrolment, workspace", "member, group", "new group, workspace", "provenance, connector"),
                *("restored provenance, record", "choice, provider", "changed choice, workspace"),
            )
        ),
    ],
)
def test_whatever_ends_in_front_of_a_flush_is_no_failure_and_leaves_nothing_over(
    fresh_database: FreshDatabase, scene: Scene, monkeypatch: pytest.MonkeyPatch, pair: str, flush: int
) -> None:
    mine, _, theirs = pair.partition(", ")
    reply = Meeting(fresh_database, monkeypatch, scene.others[theirs]).at(flush, scene.requests[mine])
    assert reply.status in {200, 201, 204, 403, 404, 409}, reply.body
    assert reply.status != 404 or ": ." not in reply.error["detail"], "it says of what there is none"
    nothing_is_left_over(fresh_database)
