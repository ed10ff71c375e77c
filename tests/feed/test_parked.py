"""Releasing and dismissing parked events by hand."""

from uuid import UUID, uuid4

import pytest

from tests.feed.conftest import Tables
from tests.support.feed import apply, erased, settle, upserted
from tests.support.world import World
from wellspring.access.principal import Service
from wellspring.database import Deadline
from wellspring.errors import Conflict, NotFound
from wellspring.services import parked
from wellspring.services.feed.parked import ParkedEvents, oldest_of
from wellspring.services.parked import Released

PIPELINE = Service("sync-pipeline", frozenset({"sync:write"}))


def release(id_: UUID) -> tuple[str, str | None]:
    """Release an event; return its outcome and reason."""
    row = parked.release(ParkedEvents(), PIPELINE, id_, Deadline(30))
    return row["outcome"], row["reason"]


def dismiss(id_: UUID, note: str) -> None:
    parked.dismiss(ParkedEvents(), PIPELINE, id_, note, Deadline(30))


def release_many(reason: str, source: str = "/well/other", *, is_dry: bool = False) -> Released:
    return parked.release_many(ParkedEvents(), PIPELINE, oldest_of(source, reason), Deadline(30), is_dry=is_dry)


def only(tables: Tables) -> UUID:
    id_: UUID = tables.one("SELECT id FROM wellspring.pending_events")[0]
    return id_


def test_a_released_event_is_applied_when_its_reason_is_gone(world: World, tables: Tables) -> None:
    id_ = uuid4()
    apply(upserted("workspace", id_, 1), upserted("workspace", id_, 2, source="/well/other", name="Theirs"))
    held = only(tables)
    assert release(held) == ("parked", "other_source")
    world.database.owner.exec_driver_sql("UPDATE core_api.workspaces SET source = '/well/other'")
    world.database.commit()
    assert release(held)[0] == "applied"
    assert tables.resource("workspaces", id_).name == "Theirs"
    row = tables.one("SELECT outcome, event FROM wellspring.pending_events")
    assert (row.outcome, row.event) == ("applied", None)
    with pytest.raises(Conflict):
        release(held)


def test_what_is_no_event_stays_parked(tables: Tables) -> None:
    apply({"specversion": "1.0"})
    assert release(only(tables)) == ("parked", "malformed")
    assert tables.pending() == [("parked", "malformed", None, None)]


def test_anothers_erasure_can_be_released(world: World, tables: Tables) -> None:
    person = world.person(world.workspace(), "Claire", source="/well/test")
    apply(erased(person, source="/well/other"))
    world.database.owner.exec_driver_sql("UPDATE core_api.peoples SET source = '/well/other'")
    world.database.commit()
    assert release(only(tables))[0] == "applied"
    assert tables.resource("peoples", person.id).full_name == "Erased"


def test_a_dismissed_event_is_done_also_when_it_is_sent_again(tables: Tables) -> None:
    id_ = uuid4()
    theirs = upserted("workspace", id_, 2, source="/well/other")
    apply(upserted("workspace", id_, 1), theirs)
    dismiss(only(tables), "agreed with them")
    apply(theirs)
    row = tables.one("SELECT outcome, note, event FROM wellspring.pending_events")
    assert (row.outcome, row.note, row.event) == ("dismissed", "agreed with them", None)
    with pytest.raises(Conflict):
        dismiss(only(tables), "again")
    with pytest.raises(NotFound):
        dismiss(uuid4(), "never there")


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
    assert release(only(tables)) == ("parked", "expired")
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


def test_the_oldest_hundred_of_a_source_and_reason_are_released_together(world: World, tables: Tables) -> None:
    ids = [uuid4() for _ in range(103)]
    apply(*(upserted("workspace", id_, 1) for id_ in ids))
    apply(*(upserted("workspace", id_, 2, source="/well/other", name="Theirs") for id_ in ids))
    assert release_many("other_source", is_dry=True) == Released(matching=103)
    assert tables.count("wellspring.pending_events") == 103
    run = world.database.owner.exec_driver_sql
    run("UPDATE core_api.workspaces SET source = '/well/other' WHERE id <> %s", (ids[0],))
    world.database.commit()
    released = release_many("other_source")
    assert (released, released.remaining) == (Released(matching=103, released=99, still_parked=1), 3)
    assert tables.one("SELECT count(*) FROM core_api.workspaces WHERE name = 'Theirs'")[0] == 99
    assert release_many("other_source", "/well/nobody") == Released(matching=0)


def test_what_is_no_event_is_released_with_others_and_stays_parked(tables: Tables) -> None:
    apply(upserted("workspace", uuid4(), 1) | {"sequence": "none"}, upserted("workspace", uuid4(), 1))
    assert release_many("malformed", "/well/test") == Released(matching=1, still_parked=1)
    assert [outcome for outcome, *_ in tables.pending()] == ["parked"]


def test_one_that_fails_for_a_reason_of_its_own_holds_up_no_other(world: World, tables: Tables) -> None:
    ids = [uuid4() for _ in range(3)]
    apply(*(upserted("workspace", id_, 1) for id_ in ids))
    apply(*(upserted("workspace", id_, 2, source="/well/other", name="Theirs") for id_ in ids))
    run = world.database.owner.exec_driver_sql
    run("UPDATE core_api.workspaces SET source = '/well/other'")
    # What nobody foresaw.
    run(
        "UPDATE wellspring.pending_events SET event = replace(event, 'Theirs', '\\u0000') WHERE subject = %s::uuid",
        (str(ids[1]),),
    )
    world.database.commit()
    released = release_many("other_source")
    assert released == Released(matching=3, released=2, still_parked=1)
    assert [reason for _, reason, *_ in tables.pending() if reason] == ["unexpected"]
    assert tables.one("SELECT count(*) FROM core_api.workspaces WHERE name = 'Theirs'")[0] == 2
