"""Releasing and dismissing parked events by hand."""

from typing import Any
from uuid import UUID, uuid4

from tests.feed.conftest import Tables
from tests.support.api import call, post, service
from tests.support.feed import apply, erased, settle, upserted
from tests.support.world import World

PIPELINE = service("sync:write")


def release(id_: UUID) -> tuple[str, str | None]:
    """Release an event; return its outcome and reason."""
    attributes = call("POST", f"/v1/feed-events/{id_}/release", PIPELINE).data["attributes"]
    return attributes["outcome"], attributes["reason"]


def release_many(reason: str, source: str = "/well/other", *, is_dry: bool = False) -> Any:
    meta = {"source": source, "reason": reason, "dry_run": is_dry}
    return post("/v1/feed-events/release", PIPELINE, {"meta": meta}).document["meta"]


def came_to(matching: int, released: int = 0, still_parked: int = 0, remaining: int = 0) -> dict[str, int]:
    return {"matching": matching, "released": released, "still_parked": still_parked, "remaining": remaining}


def only(tables: Tables) -> UUID:
    id_: UUID = tables.one("SELECT id FROM wellspring.pending_events")[0]
    return id_


def test_what_is_no_event_stays_parked(tables: Tables) -> None:
    apply({"specversion": "1.0"})
    assert release(only(tables)) == ("parked", "malformed")
    assert tables.pending() == [("parked", "malformed", None, None)]


def test_anothers_erasure_can_be_released(world: World, tables: Tables) -> None:
    person = world.person(world.workspace(), "Claire", source="/well/test")
    apply(erased(person, source="/well/other"))
    tables.rows("UPDATE core_api.peoples SET source = '/well/other'")
    assert release(only(tables))[0] == "applied"
    assert tables.resource("peoples", person.id).full_name == "Erased"


def test_what_is_old_is_forgotten_and_what_is_parked_loses_its_body_first(tables: Tables) -> None:
    def age(days: int) -> None:
        tables.rows(
            "UPDATE wellspring.pending_events SET received_at = now() - make_interval(days => :days)", days=days
        )
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
    tables.rows(
        "INSERT INTO wellspring.endings (type, of_pk, done_at) VALUES ('company', 1, now() - interval '8 days'),"
        " ('company', 2, now() - interval '6 days'), ('company', 3, NULL)"
    )
    tables.rows(
        "INSERT INTO wellspring.loads (key, object_version, started_at) VALUES ('a', '1', now() - interval '91 days'),"
        " ('b', '1', now())"
    )
    tables.rows("INSERT INTO wellspring.load_rejects SELECT pk, 1, 'json_invalid', '' FROM wellspring.loads")
    settle()
    assert {row[0] for row in tables.rows("SELECT of_pk FROM wellspring.endings")} == {2, 3}
    assert {row[0] for row in tables.rows("SELECT key FROM wellspring.loads")} == {"b"}
    assert tables.count("wellspring.load_rejects") == 1


def test_the_oldest_hundred_of_a_source_and_reason_are_released_together(tables: Tables) -> None:
    ids = [uuid4() for _ in range(103)]
    apply(*(upserted("workspace", id_, 1) for id_ in ids))
    apply(*(upserted("workspace", id_, 2, source="/well/other", name="Theirs") for id_ in ids))
    assert release_many("other_source", is_dry=True) == came_to(103, remaining=103)
    assert tables.count("wellspring.pending_events") == 103
    # Of one batch none is older: they are in the order of their events' ids.
    oldest = tables.rows("SELECT subject FROM wellspring.pending_events ORDER BY received_at, pk LIMIT 1")[0].subject
    tables.rows("UPDATE core_api.workspaces SET source = '/well/other' WHERE id <> :id", id=oldest)
    assert release_many("other_source") == came_to(103, released=99, still_parked=1, remaining=3)
    assert tables.one("SELECT count(*) FROM core_api.workspaces WHERE name = 'Theirs'")[0] == 99
    assert release_many("other_source", "/well/nobody") == came_to(0)


def test_what_is_no_event_is_released_with_others_and_stays_parked(tables: Tables) -> None:
    apply(upserted("workspace", uuid4(), 1) | {"sequence": "none"}, upserted("workspace", uuid4(), 1))
    assert release_many("malformed", "/well/test") == came_to(1, still_parked=1)
    assert [outcome for outcome, *_ in tables.pending()] == ["parked"]


def test_one_that_fails_for_a_reason_of_its_own_holds_up_no_other(tables: Tables) -> None:
    ids = [uuid4() for _ in range(3)]
    apply(*(upserted("workspace", id_, 1) for id_ in ids))
    apply(*(upserted("workspace", id_, 2, source="/well/other", name="Theirs") for id_ in ids))
    tables.rows("UPDATE core_api.workspaces SET source = '/well/other'")
    # What nobody foresaw.
    tables.rows(
        "UPDATE wellspring.pending_events SET event = replace(event, 'Theirs', '\\u0000') WHERE subject = :id",
        id=ids[1],
    )
    assert release_many("other_source") == came_to(3, released=2, still_parked=1)
    assert [reason for _, reason, *_ in tables.pending() if reason] == ["unexpected"]
    assert tables.one("SELECT count(*) FROM core_api.workspaces WHERE name = 'Theirs'")[0] == 2
