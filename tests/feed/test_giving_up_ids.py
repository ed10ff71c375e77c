"""The owner's chore that gives up the id of a record that only a sync made, so that the feed can say whose it is."""

from uuid import uuid4

import pytest

from migrations.chores import CHORES
from tests.feed.conftest import Tables
from tests.support.feed import SOURCE, Event, apply, deleted, statuses, upserted
from tests.support.world import Row, World
from wellspring.access.principal import Service
from wellspring.database.retry import Deadline
from wellspring.resources import records
from wellspring.services import parked
from wellspring.services.feed.parked import ParkedEvents

CHORE = "GiveUpId"
PIPELINE = Service("sync-pipeline", frozenset({"sync:write"}))


def give_up(world: World, type_: str, id_: object) -> dict[str, object]:
    said = CHORES[CHORE](world.database.owner, {"Chore": CHORE, "Type": type_, "Id": str(id_)})
    world.database.commit()
    return said


@pytest.mark.parametrize("type_", [record.type for record in records()])
def test_the_feed_can_make_it_in_the_workspace_that_it_belongs_to(tables: Tables, world: World, type_: str) -> None:
    old = world.record(type_, world.workspace())
    home = world.workspace()
    assert statuses(upserted(type_, old, 5, workspace_id=home)) == ["workspace_changed"]
    said = give_up(world, type_, old.id)
    assert (said["GivenUp"], said["Memberships"]) == (1, 0)
    (event,) = tables.sql("SELECT id FROM wellspring.pending_events")
    assert parked.release(ParkedEvents(), PIPELINE, event.id, Deadline(30))["outcome"] == "applied"
    table = next(record.table for record in records() if record.type == type_)
    row = tables.resource(table, old.id)
    assert (row.workspace_pk, row.source, row.source_version, row.deleted_at) == (home.pk, SOURCE, 5, None)
    # The one that the sync made is there under another id, dead, and its rows of provenance end with it.
    before = tables.one(f"SELECT id, deleted_at FROM core_api.{table} WHERE pk = :pk", pk=old.pk)
    assert str(before.id) == said["Id"]
    assert before.deleted_at is not None
    assert tables.one("SELECT type, of_pk FROM wellspring.endings") == (type_, old.pk)


def test_what_a_source_has_told_of_keeps_its_id(tables: Tables, world: World) -> None:
    company = uuid4()
    apply(upserted("company", company, workspace_id=world.workspace()))
    assert give_up(world, "company", company) == {"GivenUp": 0}
    apply(deleted("company", company))
    assert give_up(world, "company", company) == {"GivenUp": 0}
    assert give_up(world, "company", uuid4()) == {"GivenUp": 0}
    assert tables.resource("companies", company) is not None


def member_of(person: Row, workspace: Row) -> Event:
    return upserted("workspace_membership", uuid4(), 3, people_id=person, workspace_id=workspace)


def test_memberships_of_the_person_end_and_have_an_effect_when_sent_again(tables: Tables, world: World) -> None:
    home = world.workspace()
    person, other = world.people(world.workspace(), source=None), world.people(home)
    theirs, others = member_of(person, home), member_of(other, home)
    in_group = world.group_member(person, world.group(other))
    apply(theirs, others)
    assert give_up(world, "people", person.id)["Memberships"] == 1
    live = "SELECT live FROM wellspring.feed_sources WHERE type = 'workspace_membership'"
    assert tables.value(live) == 1
    assert tables.resource("workspace_memberships", theirs["subject"]).deleted_at is not None
    assert tables.resource("workspace_memberships", others["subject"]).deleted_at is None
    assert tables.resource("workspace_group_memberships", in_group.id).deleted_at is not None
    assert statuses(upserted("people", person, 1, workspace_id=home)) == ["applied"]
    assert statuses(theirs, others) == ["applied", "stale"]
    row = tables.resource("workspace_memberships", theirs["subject"])
    assert (row.deleted_at, row.people_pk) == (None, tables.resource("peoples", person.id).pk)
    assert tables.value(live) == 2


@pytest.mark.parametrize(("arguments", "error"), [({"Type": "workspace"}, KeyError), ({"Id": "no uuid"}, ValueError)])
def test_another_type_and_no_id_are_refused(world: World, arguments: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        CHORES[CHORE](world.database.owner, {"Type": "company", "Id": str(uuid4())} | arguments)
