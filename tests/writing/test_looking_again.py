"""A write that waited, or was slow, while what it points to ended: it looks again, and keeps no row of what is gone.

Each pair meets in two ways: held at the lock that orders them, and with the other in front of each flush of a request.
"""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Executable, func, select, text
from sqlalchemy.exc import DatabaseError

from tests.support.api import Reply, call, draft, post
from tests.support.databases import FEEDER, FreshDatabase, role_of_call
from tests.support.feed import erased, statuses
from tests.support.sums import sums_are_right
from tests.support.world import Row, World
from tests.writing.conftest import (
    CHOICES,
    ENROLMENTS,
    GROUPS,
    MATCHER,
    MEMBERSHIPS,
    PIPELINE,
    Tenant,
    identifier,
    race,
    route_of,
    told,
)
from wellspring.database.pipeline import PipelinedConnection
from wellspring.models import table_of

# More than any request here has.
MOST_FLUSHES = 9
PLACE = "/data/relationships/{}/data/id".format


@pytest.fixture
def group(fresh_database: FreshDatabase, world: World, ours: Tenant) -> Row:
    """A group whose owner is ours."""
    made = world.group(ours.owner)
    world.group_member(ours.owner, made, "owner")
    return made


@pytest.fixture
def newcomer(fresh_database: FreshDatabase, world: World, ours: Tenant) -> Row:
    return world.people(ours.workspace, source="/well/test")


def enrol(tenant: Tenant, group: Row) -> Reply:
    document = draft("workspace_group_workspace", workspace_group=group, workspace=tenant.workspace)
    return post(ENROLMENTS, tenant.caller, document)


def delete(tenant: Tenant, group: Row) -> Reply:
    return call("DELETE", f"{GROUPS}/{group.id}", tenant.caller)


def add(tenant: Tenant, group: Row, person: Row) -> Reply:
    document = draft("workspace_group_membership", {"role": "member"}, people=person, workspace_group=group)
    return post(MEMBERSHIPS, tenant.caller, document)


def make(tenant: Tenant) -> Reply:
    document: Any = draft("workspace_group", {"name": "Holding"})
    document["data"]["relationships"] = {"workspaces": {"data": [identifier(tenant.workspace)]}}
    return post(GROUPS, tenant.caller, document)


def locked(row: Row) -> Executable:
    table = {"people": "peoples"}.get(row.type, f"{row.type}s")
    return text(f"SELECT pk FROM core_api.{table} WHERE pk = {row.pk} FOR UPDATE")


def ended(row: Row) -> Executable:
    table = {"people": "peoples", "company": "companies"}.get(row.type, f"{row.type}s")
    return text(f"UPDATE core_api.{table} SET deleted_at = now(), updated_at = now() WHERE pk = {row.pk}")


def end_person(row: Row) -> list[Executable]:
    """Return what an erasure does to a person and to the memberships that it sees."""
    of_person = f"SET deleted_at = now() WHERE people_pk = {row.pk} AND deleted_at IS NULL"
    erase = f"UPDATE core_api.peoples SET deleted_at = now(), erased_at = now() WHERE pk = {row.pk}"
    return [locked(row), text(erase), text(f"UPDATE core_api.workspace_group_memberships {of_person}")]


def end_group(row: Row) -> list[Executable]:
    """Return what a deletion does to a group and to what it sees of it."""
    of_group = f"SET deleted_at = now() WHERE workspace_group_pk = {row.pk} AND deleted_at IS NULL"
    tables = ("workspace_group_workspaces", "workspace_group_memberships")
    return [locked(row), *(text(f"UPDATE core_api.{table} {of_group}") for table in tables), ended(row)]


def erase(person: Row) -> list[str]:
    """Have the feed erase a person; return what became of the event."""
    token = role_of_call.set(FEEDER)
    try:
        return statuses(erased(person, 9))
    finally:
        role_of_call.reset(token)


# What must never be, however two meet.
NEVER = {
    "an enrolment of a dead group": "SELECT count(*) FROM core_api.workspace_group_workspaces AS row"
    " JOIN core_api.workspace_groups AS team ON team.pk = row.workspace_group_pk"
    " WHERE row.deleted_at IS NULL AND team.deleted_at IS NOT NULL",
    "a member of a dead group": "SELECT count(*) FROM core_api.workspace_group_memberships AS row"
    " JOIN core_api.workspace_groups AS team ON team.pk = row.workspace_group_pk"
    " WHERE row.deleted_at IS NULL AND team.deleted_at IS NOT NULL",
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


class TestAGroupThatIsDeleted:
    def test_before_an_enrolment_leaves_none(self, fresh_database: FreshDatabase, ours: Tenant, group: Row) -> None:
        deleted, enrolled = race(fresh_database, locked(group), lambda: delete(ours, group), lambda: enrol(ours, group))
        assert deleted.status == 204
        assert told(enrolled) == [("404", "WORKSPACE_GROUP_NOT_FOUND", PLACE("workspace_group"))]
        nothing_is_left_over(fresh_database)

    def test_behind_an_enrolment_ends_it(self, fresh_database: FreshDatabase, ours: Tenant, group: Row) -> None:
        enrolled, deleted = race(fresh_database, locked(group), lambda: enrol(ours, group), lambda: delete(ours, group))
        assert (enrolled.status, deleted.status) == (201, 204)
        nothing_is_left_over(fresh_database)

    def test_before_a_member_is_added_leaves_none(
        self, fresh_database: FreshDatabase, ours: Tenant, group: Row, newcomer: Row
    ) -> None:
        deleted, added = race(
            fresh_database, locked(group), lambda: delete(ours, group), lambda: add(ours, group, newcomer)
        )
        assert (deleted.status, added.status) == (204, 404)
        nothing_is_left_over(fresh_database)

    def test_is_not_held_by_whoever_is_not_in_it(
        self, fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant, group: Row
    ) -> None:
        fresh_database.owner.execute(locked(group))
        assert told(enrol(theirs, group)) == [("404", "WORKSPACE_GROUP_NOT_FOUND", PLACE("workspace_group"))]
        fresh_database.owner.rollback()


class TestAPersonWhoIsErased:
    def test_before_they_are_added_is_nobody(
        self, fresh_database: FreshDatabase, ours: Tenant, group: Row, newcomer: Row
    ) -> None:
        (added,) = race(
            fresh_database, locked(newcomer), lambda: add(ours, group, newcomer), meanwhile=end_person(newcomer)
        )
        assert told(added) == [("404", "PEOPLE_NOT_FOUND", PLACE("people"))]
        nothing_is_left_over(fresh_database)

    def test_behind_their_addition_is_no_member(
        self, fresh_database: FreshDatabase, ours: Tenant, group: Row, newcomer: Row
    ) -> None:
        # What is written last: the membership is there by then, and nobody sees it yet.
        hold = text("LOCK TABLE wellspring.audit IN ACCESS EXCLUSIVE MODE")
        fresh_database.engine(FEEDER)
        calls: list[Callable[[], Any]] = [lambda: add(ours, group, newcomer), lambda: erase(newcomer)]
        added, erasure = race(fresh_database, hold, *calls)
        assert (added.status, erasure) == (201, ["applied"])
        nothing_is_left_over(fresh_database)

    def test_before_they_make_a_group_makes_none(self, fresh_database: FreshDatabase, ours: Tenant) -> None:
        (made,) = race(fresh_database, locked(ours.owner), lambda: make(ours), meanwhile=end_person(ours.owner))
        assert made.codes in (["FORBIDDEN"], ["WORKSPACE_NOT_FOUND"])
        nothing_is_left_over(fresh_database)

    def test_is_not_held_by_whoever_does_not_see_them(
        self, fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant, group: Row
    ) -> None:
        fresh_database.owner.execute(locked(theirs.owner))
        assert told(add(ours, group, theirs.owner)) == [("404", "PEOPLE_NOT_FOUND", PLACE("people"))]
        fresh_database.owner.rollback()


class TestProvenanceThatWaitsForItsConnector:
    @pytest.mark.parametrize("gone", ["company", "workspace_connector", "workspace"])
    def test_is_not_made_of_what_has_ended(self, fresh_database: FreshDatabase, ours: Tenant, gone: str) -> None:
        rows = {"company": ours.records["company"], "workspace_connector": ours.connector, "workspace": ours.workspace}
        hold = text(f"SELECT wellspring.lock_connectors(ARRAY[{ours.connector.pk}]::bigint[], NULL)")
        (reply,) = race(
            fresh_database,
            hold,
            lambda: post(route_of("company"), PIPELINE, ours.draft()),
            meanwhile=[ended(rows[gone])],
        )
        names = {"company": ["company"], "workspace_connector": ["workspace_connector"]}
        expected = names.get(gone, ["company", "workspace_connector"])
        assert sorted(told(reply)) == [("404", f"{name.upper()}_NOT_FOUND", PLACE(name)) for name in expected]
        made = select(func.count()).select_from(table_of("company_workspace_connectors"))
        assert fresh_database.owner.execute(made).scalar_one() == 0


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
    fresh_database: FreshDatabase,
    world: World,
    ours: Tenant,
    group: Row,
    newcomer: Row,
    monkeypatch: pytest.MonkeyPatch,
    pair: str,
    flush: int,
) -> None:
    provider = world.provider("stripe")
    row = world.provenance(ours.records["company"], ours.connector)
    if "restored" in pair:
        world.tombstone(row)
    url = f"{route_of('company')}/{row.id}"
    restored = draft(row.type, {"deleted_at": None}, row.id)
    choice = world.choose(ours.workspace, world.provider("chosen"))
    changed = draft(choice.type, {"is_matched": True}, choice.id)
    chosen = draft("workspace_provider", workspace=ours.workspace, provider=provider)
    requests: dict[str, Callable[[], Reply]] = {
        "enrolment": lambda: enrol(ours, group),
        "member": lambda: add(ours, group, newcomer),
        "new group": lambda: make(ours),
        "provenance": lambda: post(route_of("company"), PIPELINE, ours.draft()),
        "restored provenance": lambda: call("PATCH", url, PIPELINE, restored),
        "removed provenance": lambda: call("DELETE", url, PIPELINE),
        "choice": lambda: post(CHOICES, MATCHER, chosen),
        "changed choice": lambda: call("PATCH", f"{CHOICES}/{choice.id}", MATCHER, changed),
    }
    others: dict[str, list[Executable]] = {
        "group": end_group(group),
        "workspace": [ended(ours.workspace)],
        "person": end_person(newcomer),
        "its maker": end_person(ours.owner),
        "record": [ended(ours.records["company"])],
        "connector": [ended(ours.connector)],
        "provider": [ended(provider)],
    }
    mine, _, theirs = pair.partition(", ")
    reply = Meeting(fresh_database, monkeypatch, others[theirs]).at(flush, requests[mine])
    assert reply.status in {200, 201, 204, 403, 404, 409}, reply.body
    assert reply.status != 404 or ": ." not in reply.error["detail"], "it says of what there is none"
    nothing_is_left_over(fresh_database)
