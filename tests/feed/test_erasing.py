"""Erasing a person: the name goes from everywhere, and nothing brings it or a membership back."""

import json
from uuid import UUID, uuid4

import pytest

from tests.feed.conftest import Tables
from tests.feed.test_loading import Shelf
from tests.support.feed import Event, apply, erased, settle, statuses, upserted
from tests.support.world import World
from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.services import feed
from wellspring.services.feed.loading import load

NAME = 'Zoë "Quille" Forgotten'


def everything(tables: Tables) -> str:
    """Return all that the database holds, as text."""
    names = tables.rows(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'm')"
        " AND relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'"
    )
    # Text by text: what SQLAlchemy writes of a row is cut where it is long.
    rows = (tables.rows(f"SELECT row_to_json(t)::text AS whole FROM {row.name} AS t") for row in names)
    return "\n".join(row.whole for found in rows for row in found)


def person_of(tables: Tables, workspace: UUID) -> UUID:
    id_ = uuid4()
    apply(upserted("workspace", workspace), upserted("people", id_, 3, workspace_id=workspace, full_name=NAME))
    return id_


def test_leaves_the_name_nowhere(tables: Tables, world: World, log: list[dict[str, object]]) -> None:
    workspace = uuid4()
    person = person_of(tables, workspace)
    # One waits, one is parked, one is no event, and an answer is kept.
    apply(upserted("people", person, 5, workspace_id=uuid4(), full_name=NAME))
    apply(upserted("people", person, 6, source="/well/other", workspace_id=workspace, full_name=NAME))
    apply(upserted("people", person, 7, workspace_id=workspace, full_name=NAME) | {"sequence": "none"})
    answer = {"id": str(person), "attributes": {"full_name": NAME}}
    world.database.owner.exec_driver_sql(
        "INSERT INTO wellspring.idempotency_keys (caller, key, fingerprint, answer) VALUES"
        " ('service:a', 'k', '', %s), ('service:a', 'l', '', %s)",
        # As a kept answer holds its document, and as one without a document's quotes might.
        (json.dumps({"body": json.dumps(answer)}), json.dumps({"body": answer}, ensure_ascii=False)),
    )
    world.database.commit()
    assert everything(tables).count("Forgotten") == 6
    assert statuses(erased(person, 4)) == ["applied"]
    assert "Forgotten" not in everything(tables)
    assert "Forgotten" not in str(log)
    row = tables.resource("peoples", person)
    assert row.full_name == "Erased"
    assert row.deleted_at is not None
    assert row.erased_at is not None


def test_leaves_the_name_in_nothing_malformed_that_holds_the_persons_id(tables: Tables) -> None:
    workspace = uuid4()
    person, other = person_of(tables, workspace), uuid4()
    told = upserted("people", person, 2, workspace_id=workspace, full_name=NAME)
    bodies = (
        # A subject of another form, a body that ends too early, and what is said of somebody else.
        json.dumps(told | {"subject": f"urn:uuid:{str(person).upper()}"}),
        f"[{json.dumps(told)}, ",
        json.dumps(upserted("people", other, 2, full_name="Kept") | {"subject": f"urn:uuid:{other}"}),
    )
    for body in bodies:
        (verdict,) = feed.apply(feed_events.parse(body), Deadline(30.0))
        assert verdict.reason == "malformed"
    assert everything(tables).count("Forgotten") == 3
    assert statuses(erased(person, 4)) == ["applied"]
    assert "Forgotten" not in everything(tables)
    kept = tables.rows("SELECT outcome, event FROM wellspring.pending_events WHERE reason = 'malformed' ORDER BY pk")
    assert [row.outcome for row in kept] == ["dismissed", "dismissed", "parked"]
    assert "Kept" in kept[2].event


def test_leaves_the_name_in_no_result_of_a_file(tables: Tables, log: list[dict[str, object]]) -> None:
    workspace = uuid4()
    person = person_of(tables, workspace)
    bucket = Shelf()
    lines: list[Event | str] = [
        upserted("people", person, 6, source="/well/other", workspace_id=workspace, full_name=NAME),
        upserted("people", person, 7, workspace_id=uuid4(), full_name=NAME),
        upserted("people", person, 8, workspace_id=workspace, full_name=NAME) | {"sequence": "none"},
        f'{{"subject": "{person}", "data": {{"full_name": "Forgotten',
        upserted("people", uuid4(), 1, workspace_id=workspace, full_name="x" * 600 + "Forgotten"),
    ]
    file = bucket.file("people.jsonl", lines)
    assert load(bucket, file, feed_events.parse_line, Deadline(60)).outcome == "done"
    apply(erased(person, 4))
    results = {name: content for name, content in bucket.kept.items() if name.startswith("results/")}
    assert len(bucket.rejects("people.jsonl")) == 4
    assert not [name for name, content in results.items() if b"Forgotten" in content]
    assert "Forgotten" not in everything(tables)
    assert "Forgotten" not in str(log)


def parked_message(world: World, body: str, reason: str = "unknown_record") -> int:
    """Keep a sync message that is parked, with this body; return its pk."""
    statement = (
        "INSERT INTO wellspring.sync_messages (outcome, reason, body, digest, processed_at)"
        " VALUES ('parked', %s, %s, sha256(convert_to(%s, 'UTF8')), NULL) RETURNING pk"
    )
    pk = world.database.owner.exec_driver_sql(statement, (reason, body, body)).scalar_one()
    world.database.commit()
    return int(pk)


def test_takes_what_parked_messages_say_of_the_person_and_leaves_the_rest(tables: Tables, world: World) -> None:
    person, company = person_of(tables, uuid4()), str(uuid4())
    said = {"type": "people", "id": str(person).upper(), "attributes": {"full_name": NAME}}
    other = {"type": "company", "id": company, "attributes": {"name": "Alder"}}
    parked = parked_message(world, json.dumps({"type": "records.synced", "records": [said, other]}))
    untouched = parked_message(world, json.dumps({"type": "records.synced", "records": [other]}))
    no_message = parked_message(world, json.dumps({"id": str(person), "name": NAME}), "malformed")
    cut_short = parked_message(world, f'{{"id": "{person}", "name": "Forgotten')
    apply(erased(person, 4))
    assert "Forgotten" not in everything(tables)
    rows = {row.pk: row for row in tables.rows("SELECT pk, body, reason FROM wellspring.sync_messages")}
    assert json.loads(rows[parked].body)["records"] == [{"type": "people", "id": said["id"]}, other]
    assert json.loads(rows[untouched].body)["records"] == [other]
    assert (rows[no_message].body, rows[no_message].reason) == (None, "malformed")
    assert (rows[cut_short].body, rows[cut_short].reason) == (None, "expired")


def test_anothers_erasure_leaves_messages_alone(tables: Tables, world: World) -> None:
    person = person_of(tables, uuid4())
    said = {"type": "people", "id": str(person), "attributes": {"full_name": NAME}}
    parked = parked_message(world, json.dumps({"records": [said]}))
    assert statuses(erased(person, 9, source="/well/other")) == ["other_source"]
    assert (
        NAME
        in json.loads(tables.one("SELECT body FROM wellspring.sync_messages WHERE pk = :pk", pk=parked)[0])["records"][
            0
        ]["attributes"]["full_name"]
    )


def test_nothing_brings_the_person_or_a_membership_back(tables: Tables) -> None:
    workspace = uuid4()
    person = person_of(tables, workspace)
    membership, later = uuid4(), uuid4()
    apply(upserted("workspace_membership", membership, 1, workspace_id=workspace, people_id=person))
    apply(erased(person, 4))
    assert tables.resource("workspace_memberships", membership).deleted_at is not None
    assert statuses(upserted("people", person, 9, workspace_id=workspace, full_name=NAME)) == ["stale"]
    assert statuses(
        upserted("workspace_membership", membership, 9, workspace_id=workspace, people_id=person),
        upserted("workspace_membership", later, 9, workspace_id=workspace, people_id=person),
    ) == ["applied", "applied"]
    assert tables.resource("workspace_memberships", membership).deleted_at is not None
    assert tables.resource("workspace_memberships", later) is None
    assert statuses(erased(person, 10)) == ["stale"]
    assert tables.resource("peoples", person).full_name == "Erased"


def test_a_membership_that_becomes_anothers_lives(tables: Tables) -> None:
    workspace = uuid4()
    person, other = person_of(tables, workspace), person_of(tables, workspace)
    membership = uuid4()
    apply(upserted("workspace_membership", membership, 1, workspace_id=workspace, people_id=person), erased(person))
    apply(upserted("workspace_membership", membership, 2, workspace_id=workspace, people_id=other))
    assert tables.resource("workspace_memberships", membership).deleted_at is None


def test_ends_memberships_of_groups_and_rows_of_provenance(tables: Tables, world: World) -> None:
    workspace = world.workspace()
    person = world.person(workspace)
    group = world.group(person)
    membership = world.group_member(person, group, role="owner")
    assert statuses(erased(person, 1)) == ["applied"]
    row = tables.one("SELECT * FROM core_api.workspace_group_memberships WHERE pk = :pk", pk=membership.pk)
    assert row.deleted_at is not None
    assert tables.one("SELECT type, of_pk FROM wellspring.endings") == ("people", person.pk)


@pytest.mark.parametrize("version", [1, 9])
def test_of_a_person_who_was_never_seen_is_kept(tables: Tables, version: int) -> None:
    workspace, person = uuid4(), uuid4()
    membership = uuid4()
    apply(upserted("workspace", workspace))
    waits = upserted("workspace_membership", uuid4(), 1, workspace_id=workspace, people_id=person)
    assert statuses(waits) == ["waiting"]
    assert statuses(erased(person, version)) == ["applied"]
    # What waits for nobody any more is settled as an ending.
    assert settle() == 1
    assert tables.pending() == []
    assert statuses(upserted("people", person, 5, workspace_id=workspace, full_name=NAME)) == ["stale"]
    member = upserted("workspace_membership", membership, 1, workspace_id=workspace, people_id=person)
    assert statuses(member) == ["applied"]
    assert settle() == 0
    assert tables.resource("peoples", person) is None
    assert tables.resource("workspace_memberships", membership) is None


def test_keeps_the_version_of_what_waits_for_the_person(tables: Tables) -> None:
    workspace, person, membership = uuid4(), uuid4(), uuid4()
    apply(upserted("workspace", workspace))
    other = person_of(tables, workspace)
    waits = upserted("workspace_membership", membership, 7, workspace_id=workspace, people_id=person)
    assert statuses(waits) == ["waiting"]
    assert statuses(erased(person, 1)) == ["applied"]
    assert settle() == 1
    older = upserted("workspace_membership", membership, 3, workspace_id=workspace, people_id=other)
    assert statuses(older) == ["stale"]
    assert tables.resource("workspace_memberships", membership) is None


def test_anothers_erasure_is_parked(tables: Tables) -> None:
    person = person_of(tables, uuid4())
    assert statuses(erased(person, 9, source="/well/other")) == ["other_source"]
    assert tables.resource("peoples", person).full_name == NAME
    assert tables.pending() == [("parked", "other_source", None, None)]


def test_stands_beside_other_events_of_a_batch(tables: Tables) -> None:
    workspace = uuid4()
    person = person_of(tables, workspace)
    company = uuid4()
    found = statuses(
        upserted("people", person, 9, workspace_id=workspace, full_name=NAME),
        erased(person, 8),
        upserted("company", company, workspace_id=workspace),
    )
    assert found == ["stale", "applied", "applied"]
    assert tables.resource("peoples", person).full_name == "Erased"
