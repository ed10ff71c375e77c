"""Erasing a person: the name goes from everywhere, and nothing brings it or a membership back."""

import json
from uuid import UUID, uuid4

import pytest

from tests.feed.conftest import Tables
from tests.support.feed import apply, erased, settle, statuses, upserted
from tests.support.world import World

NAME = 'Zoë "Quille" Forgotten'


def everything(tables: Tables) -> str:
    """Return all that the database holds, as text."""
    names = tables.rows(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN ('core_api'::regnamespace, 'wellspring'::regnamespace)"
    )
    return "\n".join(str(tables.rows(f"SELECT row_to_json(t)::text FROM {row.name} AS t")) for row in names)


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
    assert tables.pending() == []
    assert statuses(upserted("people", person, 5, workspace_id=workspace, full_name=NAME)) == ["stale"]
    member = upserted("workspace_membership", membership, 1, workspace_id=workspace, people_id=person)
    assert statuses(member) == ["applied"]
    assert settle() == 0
    assert tables.resource("peoples", person) is None
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
