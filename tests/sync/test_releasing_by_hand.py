"""Releasing and dismissing parked messages over HTTP: for services, in the order that the contract demands."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api import PIPELINE, get, post, service
from tests.support.databases import FreshDatabase
from tests.support.queue import Body, consume, invalidated, synced
from tests.support.world import Row, World
from tests.sync.conftest import Ledger, Tenant, absent, came_to, dismiss, ids, message_of, release, release_many, settle
from wellspring.queries import MOST_RELEASED
from wellspring.resources import MESSAGE_REASONS

MESSAGES = "/v1/sync-messages"


# Who releases many: what it comes to.
WAYS: dict[str, Callable[..., Any]] = {
    "over HTTP": lambda *asked, **said: release_many(*asked, **said).document["meta"],
    "by the verb": lambda connector, reason, *, dry_run=False: settle(
        Verb="Release", Connector=str(connector.id), Reason=reason, DryRun=dry_run
    ),
}
each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def parked(ours: Tenant) -> tuple[Body, Row]:
    record = absent()
    body = synced(ours.connector, [record])
    assert consume(body) == []
    return body, record


def audited(ledger: Ledger) -> list[tuple[str, str]]:
    rows = ledger.sql("SELECT operation, resource_id::text FROM wellspring.audit ORDER BY pk")
    return [tuple(row) for row in rows]


def test_a_message_whose_record_came_is_applied_at_once(ours: Tenant, ledger: Ledger, parked: tuple[Body, Row]) -> None:
    body, record = parked
    still = release(body)
    assert (still.status, still.data["attributes"]["outcome"]) == (200, "parked")
    assert still.data["attributes"]["reason"] == "unknown_record"
    ours.come(record)
    reply = release(body)
    assert (reply.status, reply.data["attributes"]["outcome"], reply.data["attributes"]["reason"]) == (
        200,
        "applied",
        None,
    )
    assert reply.data == get(f"{MESSAGES}/{reply.data['id']}", PIPELINE).data
    assert ledger.live() == ids([record])
    assert audited(ledger) == [("release", reply.data["id"])] * 2
    again = release(body)
    assert (again.status, again.codes) == (409, ["CONFLICT"])
    assert ledger.live() == ids([record])


def test_who_may_not_read_is_shown_no_body(parked: tuple[Body, Row]) -> None:
    assert "body" in release(parked[0]).data["attributes"]
    assert "body" not in release(parked[0], service("sync:write")).data["attributes"]


def test_what_was_overtaken_stays_parked_and_says_so(ours: Tenant, ledger: Ledger, parked: tuple[Body, Row]) -> None:
    body, record = parked
    assert consume(invalidated(ours.connector, [ours.companies[0]])) == []
    ours.come(record)
    for _ in range(2):
        reply = release(body)
        assert (reply.status, reply.codes) == (409, ["OVERTAKEN"])
    assert message_of(body)["attributes"]["reason"] == "overtaken"
    assert not ledger.live()


def test_what_is_no_message_stays_parked(ours: Tenant) -> None:
    assert consume("not json", groups=[str(ours.connector.id)]) == []
    (row,) = get(f"{MESSAGES}?filter[outcome]=parked", PIPELINE).data
    reply = post(f"{MESSAGES}/{row['id']}/release", PIPELINE, None)
    assert (reply.status, reply.data["attributes"]["reason"]) == (200, "malformed")


def test_a_dismissed_message_is_over(world: World, ours: Tenant, ledger: Ledger, parked: tuple[Body, Row]) -> None:
    body, record = parked
    reply = dismiss(message_of(body)["id"], "Told the producer.")
    assert (reply.status, reply.data["attributes"]["outcome"]) == (200, "dismissed")
    row = ledger.messages()[body["id"]]
    assert (row.note, row.body) == ("Told the producer.", None)
    ours.come(record)
    assert [release(body).codes, dismiss(message_of(body)["id"]).codes] == [["CONFLICT"]] * 2
    assert consume(body) == []
    assert not ledger.live()
    assert audited(ledger) == [("dismiss", reply.data["id"])]
    kept = "SELECT workspace_pk, note FROM wellspring.audit"
    assert world.database.owner.exec_driver_sql(kept).one() == (ours.workspace.pk, "Told the producer.")


@each_way
def test_many_are_released_oldest_first_and_counted_before(ours: Tenant, ledger: Ledger, way: str) -> None:
    missing = [absent() for _ in range(4)]
    for record in missing:
        assert consume(synced(ours.connector, [record])) == []
    assert consume(synced(ours.other_connector, [missing[0]])) == []
    for record in missing[:3]:
        ours.come(record)
    assert WAYS[way](ours.connector, "unknown_record", dry_run=True) == came_to(4, 0, remaining=4)
    assert not ledger.live()
    assert WAYS[way](ours.connector, "unknown_record") == came_to(4, 3, 1)
    assert ledger.live() == ids(missing[:3])
    assert WAYS[way](ours.connector, "overtaken") == came_to(0, 0)
    assert len(audited(ledger)) == (4 if way == "over HTTP" else 0)


@each_way
def test_of_many_the_oldest_are_released_a_limited_number_at_a_time(
    ours: Tenant, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    assert MOST_RELEASED == 100
    monkeypatch.setattr("wellspring.services.sync.releasing.MOST_RELEASED", 2)
    monkeypatch.setattr("wellspring.services.sync.releasing.BY_HAND", 2)
    monkeypatch.setattr("wellspring.services.sync.releasing.TOGETHER", 1)
    record = absent()
    assert consume(*(synced(ours.connector, [record]) for _ in range(3))) == []
    ours.come(record)
    assert WAYS[way](ours.connector, "unknown_record") == came_to(3, 2, remaining=1)
    assert WAYS[way](ours.connector, "unknown_record") == came_to(1, 1)


@pytest.mark.parametrize("reason", ["unknown_records", "UNKNOWN_RECORD", "other_source", "", 5, ["malformed"]])
def test_a_reason_that_there_is_not_is_told_and_the_reasons_there_are(ours: Tenant, reason: Any) -> None:
    """A typo must not look as if nothing were parked."""
    reply = release_many(ours.connector, reason, dry_run=True)
    assert (reply.status, reply.codes) == (422, ["SCHEMA_VALIDATION_ERROR"])
    assert reply.sources == [{"pointer": "/meta/reason"}]
    assert reply.error["detail"] == f"The value must be one of: {', '.join(MESSAGE_REASONS)}."


@pytest.mark.parametrize("connector", ["00000000-0000-7000-8000-00000000dead", "no-uuid"])
def test_many_of_no_connector_are_not_found(connector: str) -> None:
    meta = {"workspace_connector": connector, "reason": "overtaken"}
    reply = post(f"{MESSAGES}/release", PIPELINE, {"meta": meta})
    assert (reply.status, reply.codes) == (404, ["WORKSPACE_CONNECTOR_NOT_FOUND"])
    assert reply.sources == [{"pointer": "/meta/workspace_connector"}]


@each_way
def test_a_failure_holds_up_none(
    fresh_database: FreshDatabase, world: World, ours: Tenant, ledger: Ledger, way: str
) -> None:
    missing = [absent() for _ in range(3)]
    bodies = [synced(ours.connector, [record]) for record in missing]
    for body in bodies:
        assert consume(body) == []
    for record in missing:
        ours.come(record)
    made = world.database.owner.exec_driver_sql(
        "SELECT pk FROM core_api.companies WHERE id = %s::uuid", (str(missing[1].id),)
    ).scalar_one()
    ledger.sql(f"ALTER TABLE core_api.company_workspace_connectors ADD CONSTRAINT poison CHECK (company_pk <> {made})")
    assert WAYS[way](ours.connector, "unknown_record") == came_to(3, 2, 1)
    assert ledger.live() == ids([missing[0], missing[2]])
    assert message_of(bodies[1])["attributes"]["reason"] == "unexpected"


def test_the_body_of_what_is_parked_for_long_expires(ours: Tenant, ledger: Ledger, parked: tuple[Body, Row]) -> None:
    old, young = parked[0], synced(ours.connector, [parked[1]])
    assert consume(young) == []
    ledger.grow_old("46 days", old)
    assert settle()["expire"] == {"expired": 1, "is_all": True}
    assert (ledger.fate(old), ledger.messages()[old["id"]].body) == (("parked", "expired"), None)
    ours.come(parked[1])
    assert release(old).codes == ["CONFLICT"]
    settle()
    assert message_of(young)["attributes"]["outcome"] == "applied"
