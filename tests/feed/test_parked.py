"""Releasing and dismissing parked events by hand."""

from uuid import UUID, uuid4

import pytest

from tests.feed.conftest import Tables
from tests.support.feed import apply, erased, settle, upserted
from tests.support.world import World
from wellspring.database.retry import Deadline
from wellspring.errors import Conflict
from wellspring.services.feed.parked import Released, dismiss, release


def only(tables: Tables) -> UUID:
    id_: UUID = tables.one("SELECT id FROM wellspring.pending_events")[0]
    return id_


def test_a_released_event_is_applied_when_its_reason_is_gone(world: World, tables: Tables) -> None:
    id_ = uuid4()
    apply(upserted("workspace", id_, 1), upserted("workspace", id_, 2, source="/well/other", name="Theirs"))
    parked = only(tables)
    assert release(parked, Deadline(30)) == Released(is_applied=False, reason="other_source")
    world.database.owner.exec_driver_sql("UPDATE core_api.workspaces SET source = '/well/other'")
    world.database.commit()
    assert release(parked, Deadline(30)) == Released(is_applied=True, reason=None)
    assert tables.resource("workspaces", id_).name == "Theirs"
    row = tables.one("SELECT outcome, event FROM wellspring.pending_events")
    assert (row.outcome, row.event) == ("applied", None)
    with pytest.raises(Conflict):
        release(parked, Deadline(30))


def test_what_is_no_event_stays_parked(tables: Tables) -> None:
    apply({"specversion": "1.0"})
    assert release(only(tables), Deadline(30)) == Released(is_applied=False, reason="malformed")
    assert tables.pending() == [("parked", "malformed", None, None)]


def test_anothers_erasure_can_be_released(world: World, tables: Tables) -> None:
    person = world.person(world.workspace(), "Claire", source="/well/test")
    apply(erased(person, source="/well/other"))
    world.database.owner.exec_driver_sql("UPDATE core_api.peoples SET source = '/well/other'")
    world.database.commit()
    assert release(only(tables), Deadline(30)).is_applied
    assert tables.resource("peoples", person.id).full_name == "Erased"


def test_a_dismissed_event_is_done_also_when_it_is_sent_again(tables: Tables) -> None:
    id_ = uuid4()
    theirs = upserted("workspace", id_, 2, source="/well/other")
    apply(upserted("workspace", id_, 1), theirs)
    dismiss(only(tables), "agreed with them", Deadline(30))
    apply(theirs)
    row = tables.one("SELECT outcome, note, event FROM wellspring.pending_events")
    assert (row.outcome, row.note, row.event) == ("dismissed", "agreed with them", None)
    with pytest.raises(Conflict):
        dismiss(only(tables), "again", Deadline(30))
    with pytest.raises(Conflict):
        dismiss(uuid4(), "never there", Deadline(30))


def test_what_is_old_is_forgotten_and_what_is_parked_loses_its_body_first(tables: Tables) -> None:
    def age(days: int) -> None:
        tables.database.owner.exec_driver_sql(
            "UPDATE wellspring.pending_events SET received_at = now() - make_interval(days => %s)", (days,)
        )
        tables.database.commit()
        settle()

    apply({"specversion": "1.0"})
    age(44)
    assert tables.one("SELECT reason, event IS NULL FROM wellspring.pending_events") == ("malformed", False)
    age(46)
    assert tables.one("SELECT reason, event IS NULL FROM wellspring.pending_events") == ("expired", True)
    assert release(only(tables), Deadline(30)).reason == "expired"
    age(89)
    assert tables.count("wellspring.pending_events") == 1
    age(91)
    assert tables.count("wellspring.pending_events") == 0


def test_endings_and_loads_that_are_over_are_forgotten(tables: Tables) -> None:
    run = tables.database.owner.exec_driver_sql
    run(
        "INSERT INTO wellspring.endings (type, of_pk, done_at) VALUES ('company', 1, now() - interval '8 days'),"
        " ('company', 2, now() - interval '6 days'), ('company', 3, NULL)"
    )
    run(
        "INSERT INTO wellspring.loads (key, object_version, started_at) VALUES ('a', '1', now() - interval '91 days'),"
        " ('b', '1', now())"
    )
    run("INSERT INTO wellspring.load_rejects SELECT pk, 1, 'json_invalid', '' FROM wellspring.loads")
    tables.database.commit()
    settle()
    assert {row[0] for row in tables.rows("SELECT of_pk FROM wellspring.endings")} == {2, 3}
    assert {row[0] for row in tables.rows("SELECT key FROM wellspring.loads")} == {"b"}
    assert tables.count("wellspring.load_rejects") == 1
