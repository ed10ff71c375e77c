"""The feed over HTTP: its events are listed and shown, released, dismissed and forgotten; its status is told."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.feed.conftest import Tables
from tests.support.api import READER, Reply, get, post, service, walk
from tests.support.databases import Statements
from tests.support.feed import apply, erased, settle, upserted
from tests.support.world import World
from tests.sync.conftest import came_to
from wellspring.repositories.feed.sources import LOADS
from wellspring.resources import FEED_REASONS

EVENTS = "/v1/feed-events"
STATUS = "/v1/feed-status"
PIPELINE = service("sync:write")


def parked(*, source: str = "/well/other") -> dict[str, Any]:
    id_ = uuid4()
    theirs = upserted("workspace", id_, 9223372036854775807, source=source, name="Theirs")
    apply(upserted("workspace", id_, 1), theirs)
    return theirs


def ids(reply: Reply) -> list[UUID]:
    assert reply.status == 200, reply.body
    return reply.ids


def id_of(tables: Tables, subject: str) -> UUID:
    found: UUID = tables.value("SELECT id FROM wellspring.pending_events WHERE subject = :id", id=subject)
    return found


def test_an_event_is_shown_with_all_that_the_contract_says(tables: Tables) -> None:
    theirs = parked()
    reply = get(f"{EVENTS}/{id_of(tables, theirs['subject'])}", READER)
    attributes = dict(reply.data["attributes"])
    received = datetime.fromisoformat(attributes.pop("received_at"))
    assert abs((datetime.now(UTC) - received).total_seconds()) < 3600
    assert attributes == {
        "source": "/well/other",
        "event_id": theirs["id"],
        "event_type": "wellspring.workspace.upserted",
        "subject": theirs["subject"],
        "sequence": "9223372036854775807",
        "outcome": "parked",
        "reason": "other_source",
        "problems": attributes["problems"],
    }
    assert "Theirs" not in reply.body
    assert reply.data["links"] == {"self": f"{EVENTS}/{reply.data['id']}"}


def test_the_filters_find_what_they_name(tables: Tables) -> None:
    mine, other = (parked(source=source)["subject"] for source in ("/well/a", "/well/b"))
    apply({"specversion": "1.0", "source": "/well/a"})
    waits = upserted("company", uuid4(), 1, name="Later", workspace_id=str(uuid4()))
    apply(waits)
    one, two = id_of(tables, mine), id_of(tables, other)
    assert set(ids(get(f"{EVENTS}?filter[outcome]=parked&filter[reason]=other_source", READER))) == {one, two}
    assert len(ids(get(f"{EVENTS}?filter[outcome]=parked&filter[source]=/well/a", READER))) == 2
    assert ids(get(f"{EVENTS}?filter[subject]={other}", READER)) == [two]
    assert ids(get(f"{EVENTS}?filter[outcome]=waiting", READER)) == [id_of(tables, waits["subject"])]
    assert len(ids(get(EVENTS, READER))) == 4
    assert ids(get(f"{EVENTS}?sort=received_at", READER)) == ids(get(f"{EVENTS}?sort=-received_at", READER))[::-1]


@pytest.mark.parametrize("sort", ["received_at", "-received_at"])
def test_a_walk_goes_on_where_the_event_of_its_cursor_has_been_applied_meanwhile(tables: Tables, sort: str) -> None:
    """Of ten that came at the same time, the last one of the first page has been applied, and its row deleted."""
    awaited = [uuid4() for _ in range(10)]
    apply(*(upserted("company", uuid4(), 1, workspace_id=id_) for id_ in awaited))
    tables.database.owner.exec_driver_sql("UPDATE wellspring.pending_events SET received_at = now()")
    query = f"filter[outcome]=waiting&sort={sort}&page[size]=3"
    first = get(f"{EVENTS}?{query}", READER)
    missed = tables.one("SELECT missing_key FROM wellspring.pending_events WHERE id = :id", id=first.ids[-1])
    apply(upserted("workspace", missed[0], 1))
    assert settle() == 1
    others = walk(first.document["links"]["next"], READER)
    assert all(page.document["links"]["prev"] for page in others)
    seen = [id_ for page in (first, *others) for id_ in page.ids]
    assert len(seen) == len(set(seen)) == 10


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("filter[outcome]=done", ["filter[outcome]"]),
        ("filter[subject]=me", ["filter[subject]"]),
        ("filter[reason]=malformed", ["filter[reason]"]),
        (
            "filter[subject]=3fa85f64-5717-4562-b3fc-2c963f66afa6&filter[source]=a",
            ["filter[source]", "filter[subject]"],
        ),
        ("filter[deleted]=include", ["filter[deleted]"]),
        ("sort=created_at", ["sort"]),
        ("filter[workspace]=3fa85f64-5717-4562-b3fc-2c963f66afa6", ["filter[workspace]"]),
        ("filter[event_id]=1", ["filter[event_id]"]),
        ("include=subject", ["include"]),
    ],
)
def test_what_no_index_answers_is_not_offered(query: str, parameters: list[str]) -> None:
    reply = get(f"{EVENTS}?{query}", READER)
    assert reply.status == 400
    assert [error["source"]["parameter"] for error in reply.errors] == parameters


@pytest.mark.parametrize(
    "asked",
    [
        "outcome = 'parked'",
        "outcome = 'parked' AND reason = 'malformed'",
        "outcome = 'parked' AND source = '/well/7'",
        "subject = '00000000-0000-4000-8000-000000000007'",
        "received_at < now()",
    ],
)
def test_a_page_is_read_along_an_index(tables: Tables, asked: str) -> None:
    tables.database.owner.exec_driver_sql(
        "INSERT INTO wellspring.pending_events (source, event_type, subject, digest, outcome, reason, received_at)"
        " SELECT '/well/' || n % 10, 'x', ('00000000-0000-4000-8000-' || lpad((n % 100)::text, 12, '0'))::uuid,"
        " decode(md5(n::text), 'hex'), CASE WHEN n % 3 = 0 THEN 'parked' ELSE 'waiting' END,"
        " CASE WHEN n % 6 = 0 THEN 'malformed' END, now() - make_interval(secs => n)"
        " FROM generate_series(1, 5000) AS n"
    )
    tables.database.owner.exec_driver_sql("ANALYZE wellspring.pending_events")
    plan = tables.sql(
        f"EXPLAIN SELECT * FROM wellspring.pending_events WHERE {asked} ORDER BY received_at DESC, pk DESC LIMIT 21"
    )
    text = "\n".join(row[0] for row in plan)
    assert "Sort" not in text, text
    assert "Index Scan Backward" in text, text


def test_a_released_event_is_shown_as_it_is_now(tables: Tables) -> None:
    theirs = parked()
    id_ = id_of(tables, theirs["subject"])
    reply = post(f"{EVENTS}/{id_}/release", PIPELINE, None)
    assert (reply.status, reply.data["attributes"]["outcome"]) == (200, "parked")
    tables.sql("UPDATE core_api.workspaces SET source = '/well/other'")
    reply = post(f"{EVENTS}/{id_}/release", PIPELINE, None)
    assert (reply.status, reply.data["id"], reply.data["attributes"]["outcome"]) == (200, str(id_), "applied")
    assert tables.resource("workspaces", theirs["subject"]).name == "Theirs"
    assert tables.value("SELECT event FROM wellspring.pending_events") is None
    assert post(f"{EVENTS}/{id_}/release", PIPELINE, None).codes == ["CONFLICT"]
    assert post(f"{EVENTS}/{uuid4()}/release", PIPELINE, None).codes == ["FEED_EVENT_NOT_FOUND"]
    assert post(f"{EVENTS}/{id_}/release?page[size]=1", PIPELINE, None).codes == ["INVALID_QUERY_PARAMETER"]


def test_a_reason_that_the_feed_does_not_have_is_told() -> None:
    for reason in ("other_sources", "tenant_mismatch", ""):
        reply = post(f"{EVENTS}/release", PIPELINE, {"meta": {"source": "/well/test", "reason": reason}})
        assert (reply.status, reply.sources) == (422, [{"pointer": "/meta/reason"}])
        assert reply.error["detail"] == f"The value must be one of: {', '.join(FEED_REASONS)}."
    for reason in FEED_REASONS:
        meta = {"source": "/well/test", "reason": reason, "dry_run": True}
        assert post(f"{EVENTS}/release", PIPELINE, {"meta": meta}).document["meta"]["matching"] == 0


def test_a_dismissed_event_keeps_its_note_and_is_not_released(tables: Tables) -> None:
    theirs, agreed = parked(), {"meta": {"note": "agreed"}}
    id_ = id_of(tables, theirs["subject"])
    reply = post(f"{EVENTS}/{id_}/dismiss", PIPELINE, agreed)
    assert (reply.status, reply.data["attributes"]["outcome"]) == (200, "dismissed")
    # Also when it is sent again.
    apply(theirs)
    assert tables.one("SELECT outcome, note, event FROM wellspring.pending_events") == ("dismissed", "agreed", None)
    assert post(f"{EVENTS}/{id_}/release", PIPELINE, None).codes == ["CONFLICT"]
    assert post(f"{EVENTS}/{id_}/dismiss", PIPELINE, agreed).codes == ["CONFLICT"]
    assert post(f"{EVENTS}/{uuid4()}/dismiss", PIPELINE, agreed).codes == ["FEED_EVENT_NOT_FOUND"]


@pytest.mark.parametrize(
    ("path", "document", "code", "pointer"),
    [
        ("dismiss", {"meta": {}}, "SCHEMA_VALIDATION_ERROR", "/meta"),
        ("dismiss", {"meta": {"note": " "}}, "SCHEMA_VALIDATION_ERROR", "/meta/note"),
        ("dismiss", {"meta": {"note": "a\u0000b"}}, "SCHEMA_VALIDATION_ERROR", "/meta/note"),
        ("dismiss", {"meta": {"note": "x" * 2001}}, "SCHEMA_VALIDATION_ERROR", "/meta/note"),
        ("dismiss", {"meta": []}, "BAD_REQUEST", "/meta"),
        ("dismiss", {}, "BAD_REQUEST", ""),
        ("release", [], "BAD_REQUEST", ""),
    ],
)
def test_a_wrong_document_says_where(tables: Tables, path: str, document: object, code: str, pointer: str) -> None:
    reply = post(f"{EVENTS}/{id_of(tables, parked()['subject'])}/{path}", PIPELINE, document)
    assert (reply.error["code"], reply.error["source"]) == (code, {"pointer": pointer})


def test_all_problems_of_a_release_of_many_come_in_one_answer() -> None:
    reply = post(f"{EVENTS}/release", PIPELINE, {"meta": {"reason": 7, "dry_run": "yes"}})
    assert reply.sources == [{"pointer": "/meta"}, {"pointer": "/meta/reason"}, {"pointer": "/meta/dry_run"}]


def test_the_status_tells_what_each_source_told_and_what_waits(tables: Tables, statements: Statements) -> None:
    parked()
    apply(upserted("company", uuid4(), 4, name="Later", workspace_id=str(uuid4())))
    tables.sql(
        "UPDATE wellspring.pending_events SET received_at = now() - interval '90 seconds' WHERE outcome = 'waiting'"
    )
    tables.sql(
        "INSERT INTO wellspring.loads (key, object_version, outcome, lines, started_at)"
        " SELECT 'load/' || n || '.jsonl', '1', 'done', n, now() + make_interval(secs => n)"
        f" FROM generate_series(1, {LOADS + 2}) AS n"
    )
    before = len(statements)
    reply = get(STATUS, READER)
    assert len(statements) - before == 4
    said = reply.data["attributes"]
    assert (said["waiting"], said["parked"]) == (1, 1)
    assert 80 <= said["lag_seconds"] < 3600
    assert [load["name"] for load in said["loads"]] == [f"load/{LOADS + 2 - n}.jsonl" for n in range(LOADS)]
    told = {(each["source"], each["type"]): each for each in said["sources"]}
    assert {key: (each["events"], each["applied"], each["live"]) for key, each in told.items()} == {
        ("/well/other", "workspace"): (1, 0, 0),
        ("/well/test", "company"): (1, 0, 0),
        ("/well/test", "workspace"): (1, 1, 1),
    }
    assert told["/well/test", "company"]["waiting"] == told["/well/other", "workspace"]["parked"] == 1
    assert told["/well/test", "company"]["last_sequence"] == "4"
    assert reply.document["links"] == {"self": STATUS}


def test_the_status_of_a_feed_that_was_never_used_is_empty() -> None:
    said = get(STATUS, READER).data["attributes"]
    assert said == {"waiting": 0, "parked": 0, "lag_seconds": 0, "loads": [], "erasures": [], "sources": []}


def last_event_at() -> str | None:
    (source,) = get(STATUS, READER).data["attributes"]["sources"]
    found: str | None = source["last_event_at"]
    return found


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59.999-14:00", "0001-01-01T00:00:00+14:00"])
def test_an_event_of_a_time_that_nobody_can_show_is_malformed(time: str) -> None:
    (verdict,) = apply(upserted("workspace", uuid4()) | {"time": time})
    assert (verdict.status, verdict.reason) == ("parked", "malformed")
    assert verdict.problems == ({"code": "datetime_out_of_range", "pointer": "/time"},)
    assert get(STATUS, READER).status == 200


def test_a_time_far_ahead_changes_nothing_but_is_not_taken_for_when_a_source_told_last(tables: Tables) -> None:
    ahead, first, later = (upserted("workspace", uuid4()) for _ in range(3))
    (verdict,) = apply(ahead | {"time": "2999-01-01T00:00:00Z"})
    assert (verdict.status, last_event_at()) == ("applied", None)
    apply(first, later | {"time": "2026-05-11T08:14:22Z"})
    assert last_event_at() == "2026-05-11T08:14:22.000Z"


@pytest.mark.parametrize("stored", ["10000-01-01 13:59:59.999+00", "0001-12-31 10:00:00+00 BC", "infinity"])
def test_a_stored_time_that_nobody_can_show_is_shown_as_the_nearest(tables: Tables, stored: str) -> None:
    apply(upserted("workspace", uuid4()))
    tables.sql(f"UPDATE wellspring.feed_sources SET last_event_at = '{stored}'")
    nearest = "0001-01-01T00:00:00.000Z" if stored.endswith("BC") else "9999-12-31T23:59:59.999Z"
    assert last_event_at() == nearest
    apply(upserted("workspace", uuid4()))
    assert last_event_at() == "2026-05-10T08:14:22.000Z"


# ---- what becomes of parked events ------------------------------------------------------------------------
def release(id_: UUID) -> tuple[str, str | None]:
    attributes = post(f"{EVENTS}/{id_}/release", PIPELINE, None).data["attributes"]
    return attributes["outcome"], attributes["reason"]


def release_many(reason: str, source: str = "/well/other", *, is_dry: bool = False) -> Any:
    meta = {"source": source, "reason": reason, "dry_run": is_dry}
    return post(f"{EVENTS}/release", PIPELINE, {"meta": meta}).document["meta"]


def test_anothers_erasure_can_be_released(world: World, tables: Tables) -> None:
    person = world.people(world.workspace(), "Claire", source="/well/test")
    apply(erased(person, source="/well/other"))
    tables.sql("UPDATE core_api.peoples SET source = '/well/other'")
    assert release(id_of(tables, str(person.id)))[0] == "applied"
    assert tables.resource("peoples", person.id).full_name == "Erased"


def test_what_is_old_is_forgotten_and_what_is_parked_loses_its_body_first(tables: Tables) -> None:
    def age(days: int) -> None:
        tables.sql("UPDATE wellspring.pending_events SET received_at = now() - make_interval(days => :days)", days=days)
        settle()

    apply({"specversion": "1.0"})
    age(44)
    assert tables.one("SELECT reason, event IS NULL FROM wellspring.pending_events") == ("malformed", False)
    age(46)
    assert tables.one("SELECT reason, event IS NULL FROM wellspring.pending_events") == ("expired", True)
    assert release(tables.value("SELECT id FROM wellspring.pending_events")) == ("parked", "expired")
    age(89)
    assert tables.count("wellspring.pending_events") == 1
    age(91)
    assert tables.count("wellspring.pending_events") == 0


def test_endings_and_loads_that_are_over_are_forgotten(tables: Tables) -> None:
    tables.sql(
        "INSERT INTO wellspring.endings (type, of_pk, done_at) VALUES ('company', 1, now() - interval '8 days'),"
        " ('company', 2, now() - interval '6 days'), ('company', 3, NULL)"
    )
    tables.sql(
        "INSERT INTO wellspring.loads (key, object_version, started_at) VALUES ('a', '1', now() - interval '91 days'),"
        " ('b', '1', now())"
    )
    tables.sql("INSERT INTO wellspring.load_rejects SELECT pk, 1, 'json_invalid', '' FROM wellspring.loads")
    settle()
    assert {row[0] for row in tables.sql("SELECT of_pk FROM wellspring.endings")} == {2, 3}
    assert {row[0] for row in tables.sql("SELECT key FROM wellspring.loads")} == {"b"}
    assert tables.count("wellspring.load_rejects") == 1


def test_the_oldest_hundred_of_a_source_and_reason_are_released_together(tables: Tables) -> None:
    ids = [uuid4() for _ in range(103)]
    apply(*(upserted("workspace", id_, 1) for id_ in ids))
    apply(*(upserted("workspace", id_, 2, source="/well/other", name="Theirs") for id_ in ids))
    assert release_many("other_source", is_dry=True) == came_to(103, remaining=103)
    assert tables.count("wellspring.pending_events") == 103
    # Of one batch none is older: they are in the order of their events' ids.
    oldest = tables.sql("SELECT subject FROM wellspring.pending_events ORDER BY received_at, pk LIMIT 1")[0].subject
    tables.sql("UPDATE core_api.workspaces SET source = '/well/other' WHERE id <> :id", id=oldest)
    assert release_many("other_source") == came_to(103, released=99, still_parked=1, remaining=3)
    assert tables.value("SELECT count(*) FROM core_api.workspaces WHERE name = 'Theirs'") == 99
    assert release_many("other_source", "/well/nobody") == came_to(0)


def test_one_that_fails_for_a_reason_of_its_own_holds_up_no_other(tables: Tables) -> None:
    ids = [uuid4() for _ in range(3)]
    apply(*(upserted("workspace", id_, 1) for id_ in ids))
    apply(*(upserted("workspace", id_, 2, source="/well/other", name="Theirs") for id_ in ids))
    tables.sql("UPDATE core_api.workspaces SET source = '/well/other'")
    # What nobody foresaw.
    tables.sql(
        "UPDATE wellspring.pending_events SET event = replace(event, 'Theirs', '\\u0000') WHERE subject = :id",
        id=ids[1],
    )
    assert release_many("other_source") == came_to(3, released=2, still_parked=1)
    assert [reason for _, reason, *_ in tables.pending() if reason] == ["unexpected"]
    assert tables.value("SELECT count(*) FROM core_api.workspaces WHERE name = 'Theirs'") == 2
