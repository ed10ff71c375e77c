"""Erasing a person: no name is kept, whatever comes in whichever order and whoever sends it; nothing brings it back.

Each test looks for the name in every column of every table, and in the log (contract, section 6).
"""

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import sleep
from typing import Any, Literal, get_args
from uuid import UUID, uuid4

import pytest

from maintenance.settle import handler as settle_syncs
from tests.feed.conftest import Tables, sync
from tests.feed.test_loading import Shelf
from tests.support.api import Context, call, service
from tests.support.databases import CONSUMER, FreshDatabase, acting_as
from tests.support.feed import SOURCE, Event, apply, erased, settle, statuses, told, upserted
from tests.support.queue import Body, disconnected, invalidated, synced
from tests.support.world import Row, World
from tests.sync.conftest import absent
from wellspring import feed_events, messages
from wellspring.database.retry import Deadline
from wellspring.repositories.feed import pending, sources
from wellspring.repositories.feed.work import UNEXPECTED, parked
from wellspring.services import feed
from wellspring.services.feed.loading import load

NAME = 'Zoë "Quille" Forgotten'
OTHER = "/well/other"
type When = Literal["before", "after"]
each_time = pytest.mark.parametrize("when", get_args(When.__value__))


def everything(tables: Tables) -> str:
    names = tables.sql(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'm')"
        " AND relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'"
    )
    # Text by text: what SQLAlchemy writes of a row is cut where it is long.
    rows = (tables.sql(f"SELECT row_to_json(t)::text AS whole FROM {row.name} AS t") for row in names)
    return "\n".join(row.whole for found in rows for row in found)


def person_of(workspace: UUID, name: str = NAME) -> UUID:
    id_ = uuid4()
    apply(upserted("workspace", workspace), upserted("people", id_, 3, workspace_id=workspace, full_name=name))
    return id_


@pytest.fixture(autouse=True)
def nothing_has_the_name(tables: Tables, log: list[dict[str, object]]) -> Any:
    yield
    assert "Forgotten" not in everything(tables)
    assert "Forgotten" not in str(log)


@pytest.fixture
def workspace(world: World) -> Row:
    return world.workspace()


@pytest.fixture
def connector(world: World, workspace: Row) -> Row:
    return world.workspace_connector(workspace)


@pytest.fixture
def person(tables: Tables, workspace: Row) -> Row:
    return Row("people", 0, person_of(workspace.id))


def naming(body: Body, **more: Any) -> Body:
    """Return a message that says what the people are called whom it names, and `more` of them."""
    for record in body["records"]:
        if record["type"] == "people":
            record.update({"attributes": {"full_name": NAME}} | more)
    return body


def kept(tables: Tables, body: Body) -> Any:
    return tables.one("SELECT * FROM wellspring.sync_messages WHERE message_id = :id", id=body["id"])


def around(when: When, erase: Callable[[], object], happens: Callable[[], object]) -> None:
    for step in (happens, erase) if when == "before" else (erase, happens):
        step()


def test_leaves_the_name_nowhere(tables: Tables) -> None:
    workspace = uuid4()
    person = person_of(workspace)
    # One waits, one is parked, and one is no event.
    apply(upserted("people", person, 5, workspace_id=uuid4(), full_name=NAME))
    apply(upserted("people", person, 6, source="/well/other", workspace_id=workspace, full_name=NAME))
    apply(upserted("people", person, 7, workspace_id=workspace, full_name=NAME) | {"sequence": "none"})
    assert everything(tables).count("Forgotten") == 4
    assert statuses(erased(person, 4)) == ["applied"]
    row = tables.resource("peoples", person)
    assert row.full_name == "Erased"
    assert row.deleted_at is not None
    assert row.erased_at is not None


def test_leaves_the_name_in_no_result_of_a_file(tables: Tables) -> None:
    workspace = uuid4()
    person = person_of(workspace)
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


def test_anothers_erasure_is_parked_and_takes_nothing(tables: Tables) -> None:
    person = person_of(uuid4(), "Kept")
    body = json.dumps({"records": [{"type": "people", "id": str(person), "attributes": {"full_name": "Kept"}}]})
    sync(body)
    assert statuses(erased(person, 9, source=OTHER)) == ["other_source"]
    assert tables.value("SELECT body FROM wellspring.sync_messages") == body
    assert tables.resource("peoples", person).full_name == "Kept"
    assert tables.pending() == [("parked", "other_source", None, None)]


def test_nothing_brings_the_person_or_a_membership_back(tables: Tables) -> None:
    workspace = uuid4()
    person = person_of(workspace)
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
    person, other = person_of(workspace), person_of(workspace, "Kept")
    membership = uuid4()
    apply(upserted("workspace_membership", membership, 1, workspace_id=workspace, people_id=person), erased(person))
    apply(upserted("workspace_membership", membership, 2, workspace_id=workspace, people_id=other))
    assert tables.resource("workspace_memberships", membership).deleted_at is None


def test_ends_memberships_of_groups_and_rows_of_provenance(tables: Tables, world: World) -> None:
    workspace = world.workspace()
    person = world.people(workspace)
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
    for source in (SOURCE, OTHER):
        later = upserted("people", person, 5, source=source, workspace_id=workspace, full_name=NAME)
        assert statuses(later) == ["stale"]
    member = upserted("workspace_membership", membership, 1, workspace_id=workspace, people_id=person)
    assert statuses(member) == ["applied"]
    assert settle() == 0
    assert tables.resource("peoples", person) is None
    assert tables.resource("workspace_memberships", membership) is None


def test_keeps_the_version_of_what_waits_for_the_person(tables: Tables) -> None:
    workspace, person, membership = uuid4(), uuid4(), uuid4()
    apply(upserted("workspace", workspace))
    other = person_of(workspace, "Kept")
    waits = upserted("workspace_membership", membership, 7, workspace_id=workspace, people_id=person)
    assert statuses(waits) == ["waiting"]
    assert statuses(erased(person, 1)) == ["applied"]
    assert settle() == 1
    older = upserted("workspace_membership", membership, 3, workspace_id=workspace, people_id=other)
    assert statuses(older) == ["stale"]
    assert tables.resource("workspace_memberships", membership) is None


@pytest.mark.parametrize("way", ["by hand", "by itself"])
def test_what_is_left_is_released(tables: Tables, connector: Row, workspace: Row, person: Row, way: str) -> None:
    missing = absent()
    body = naming(invalidated(connector, [person, missing]))
    sync(body)
    assert kept(tables, body).reason == "unknown_record"
    digest = bytes(kept(tables, body).digest)
    statuses(erased(person, 9), upserted("company", missing.id, workspace_id=workspace.id))
    if way == "by hand":
        url = f"/v1/sync-messages/{kept(tables, body).id}/release"
        assert call("POST", url, service("system:read", "sync:write")).status == 200
    else:
        with acting_as(CONSUMER):
            settle_syncs({}, Context())
    row = kept(tables, body)
    assert (row.outcome, row.reason, row.body, bytes(row.digest)) == ("applied", None, None, digest)
    # Sent again it is done.
    sync(body)
    assert tables.count("wellspring.sync_messages") == 1


@each_time
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda body, _: json.dumps(body | {"comment": NAME}), id="beside the records"),
        pytest.param(lambda body, _: json.dumps(naming(body, nickname=NAME)), id="beside the attributes"),
        pytest.param(lambda body, id_: json.dumps(naming(body)).replace(id_, id_.upper()), id="in capitals"),
        pytest.param(
            lambda body, id_: json.dumps(naming(body)).replace(id_, id_.replace("-", "\\u002d")), id="with escapes"
        ),
    ],
)
def test_wherever_a_message_says_it(
    tables: Tables, connector: Row, person: Row, when: When, written: Callable[[Body, str], str]
) -> None:
    missing = {"type": "company", "id": str(uuid4())}
    body = synced(connector, [person])
    body["records"] += [missing, {"type": "account", "id": str(uuid4()), "attributes": {"account_name": "Kept"}}]
    text, foreign = written(body, str(person.id)), synced(connector, [absent("people")])
    around(when, lambda: statuses(erased(person, 9)), lambda: sync(text, foreign))
    assert kept(tables, foreign).body == json.dumps(foreign)
    left = json.loads(kept(tables, body).body)
    named, *others = left["records"]
    assert (named.keys(), named["id"].lower()) == ({"type", "id"}, str(person.id))
    assert others == body["records"][1:]
    assert left.keys() == body.keys()


@each_time
@pytest.mark.parametrize(
    "text",
    [
        '{{"type": "records.synced", "records": [{{"type": "people", "id": "{id}", "name": "Forgotten"}}]}}',
        '{{"records": [{{"id": "{id}", "name": "Forgotten',
        '["{id}", "Forgotten"]',
        '{{"type": "records.synced", "records": ["Forgotten"], "records": [{{"type": "people", "id": "{id}"}}]}}',
        # Deeper than Postgres reads JSON.
        '{{"id": "{id}", "name": "Forgotten", "deep": ' + "[" * 50_000 + "]" * 50_000 + "}}",
        '{{"id": "{id}", "name": "Forgotten \\u0000"}}',
        '{{"type": "records.synced", "records": [{{"type": "people", "id": "{id.hex}", "name": "Forgotten"}}]}}',
    ],
    ids=["no id", "cut short", "no object", "a member twice", "deep", "no text of Postgres", "no hyphens"],
)
def test_what_is_no_message_is_kept_without_its_text(tables: Tables, person: Row, when: When, text: str) -> None:
    around(when, lambda: statuses(erased(person, 9)), lambda: sync(text.format(id=person.id)))
    row = tables.one("SELECT outcome, reason, body FROM wellspring.sync_messages")
    assert tuple(row) == ("parked", "malformed", None)


def test_a_disconnect_goes_on_without_what_it_says_besides(tables: Tables, person: Row) -> None:
    statuses(erased(person, 9))
    body = disconnected(uuid4()) | {"who": {"id": str(person.id), "name": NAME}}
    sync(body)
    assert kept(tables, body).reason == "unknown_connector"


def test_a_message_that_is_parked_while_they_are_erased_waits_for_that(
    fresh_database: FreshDatabase, tables: Tables, connector: Row, person: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = absent()
    body = naming(invalidated(connector, [person, missing]))
    count, parking = sources.count, list[Future[None]]()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    def count_later(*counted: Any, **options: Any) -> None:
        """Have the message come when the person is erased, and nobody can see it yet."""
        if not parking:
            parking.append(threads.submit(sync, body))
            while not parking[0].done() and not tables.value(waiting):
                sleep(0.01)
        count(*counted, **options)

    monkeypatch.setattr(sources, "count", count_later)
    with ThreadPoolExecutor(1) as threads:
        assert statuses(erased(person, 9)) == ["applied"]
        parking[0].result(30)
    assert kept(tables, body).reason == "unknown_record"


def test_what_another_source_tells_of_them_is_done_and_not_kept(tables: Tables, person: Row) -> None:
    assert statuses(erased(person, 9)) == ["applied"]
    later = upserted("people", person.id, 10, source=OTHER, workspace_id=uuid4(), full_name=NAME)
    assert statuses(later, erased(person, 11, source=OTHER)) == ["stale", "stale"]
    assert tables.pending() == []


def malformed_of(person: UUID) -> list[str]:
    """Return bodies of what is no event: of the person, and of a membership of theirs."""
    membership = upserted("workspace_membership", uuid4(), workspace_id=uuid4(), people_id=person, full_name=NAME)
    told = upserted("people", person, 7, workspace_id=uuid4(), full_name=NAME)
    homeless = upserted("people", person, 7, workspace_id="none", full_name=NAME)
    events = [
        told | {"sequence": "none"},
        homeless,
        membership | {"data": membership["data"] | {"role": "king"}},
        membership | {"type": "wellspring.workspace_membership.crowned", "people": {"full_name": NAME}},
        homeless | {"subject": person.hex},
        told | {"subject": f"urn:uuid:{str(person).upper()}"},
    ]
    # The last ends too early.
    return [*map(json.dumps, events), f"[{json.dumps(told)}, "]


@each_time
def test_an_event_that_is_none_and_names_them_is_kept_without_its_text(tables: Tables, person: Row, when: When) -> None:
    def tell(*bodies: str) -> None:
        for body in bodies:
            (verdict,) = feed.apply(feed_events.parse(body), Deadline(30.0))
            assert verdict.reason == "malformed"

    bodies, other = malformed_of(person.id), uuid4()
    others = json.dumps(upserted("people", other, 2, full_name="Kept") | {"subject": f"urn:uuid:{other}"})
    around(when, lambda: statuses(erased(person, 9)), lambda: tell(*bodies, others))
    # Sent again they are known, and another's stays.
    tell(*bodies, others)
    *rows, kept = tables.sql("SELECT event, reason, outcome FROM wellspring.pending_events ORDER BY pk")
    expected = "dismissed" if when == "before" else "parked"
    assert [tuple(row) for row in rows] == [(None, "malformed", expected)] * len(bodies)
    assert ("Kept" in kept.event, kept.outcome) == (True, "parked")


def test_an_event_that_nobody_foresaw_the_failure_of_is_kept_without_its_text(tables: Tables, person: Row) -> None:
    statuses(erased(person, 9))
    (event,) = told(upserted("people", person.id, 12, workspace_id=uuid4(), full_name=NAME))
    pending.keep(tables.database.owner, [(event, parked(UNEXPECTED))])
    assert tables.pending() == [("parked", UNEXPECTED, None, None)]


def test_a_kept_answer_that_names_them_is_dropped_whatever_they_were_called(tables: Tables) -> None:
    # A name that is also a word of every document, and an older one that nobody remembers.
    workspace = uuid4()
    called_attributes, renamed, other = uuid4(), uuid4(), uuid4()
    statuses(
        upserted("workspace", workspace),
        upserted("people", called_attributes, 1, workspace_id=workspace, full_name="attributes"),
        upserted("people", renamed, 1, workspace_id=workspace, full_name="New Name"),
    )

    def answer(*ids: UUID) -> str:
        people = [{"type": "people", "id": str(id_), "attributes": {"full_name": "Forgotten"}} for id_ in ids]
        document = {"data": {"type": "workspace_group", "id": str(workspace), "attributes": {}}, "included": people}
        return json.dumps([201, {"location": "/v1/workspace-groups"}, json.dumps(document)])

    untouched = answer(other).replace("Forgotten", "attributes")
    keep = "INSERT INTO wellspring.idempotency_keys (caller, key, fingerprint, answer) VALUES ('a', :key, '', :answer)"
    for key, kept in {"a": answer(called_attributes), "b": answer(renamed, other), "c": untouched}.items():
        tables.sql(keep, key=key, answer=kept)
    assert statuses(erased(called_attributes, 2), erased(renamed, 2)) == ["applied", "applied"]
    rows = tables.sql("SELECT key, answer FROM wellspring.idempotency_keys")
    assert [tuple(row) for row in rows] == [("c", untouched)]


def test_erasing_again_takes_away_what_names_them_by_then(tables: Tables, person: Row) -> None:
    assert statuses(erased(person, 9)) == ["applied"]
    sync(synced(uuid4(), [person]))
    # As a database has it that is older than this, or was restored.
    tables.sql("UPDATE wellspring.sync_messages SET body = :body", body=json.dumps(naming(synced(uuid4(), [person]))))
    assert statuses(erased(person, 9)) == ["stale"]


def test_a_message_whose_type_is_added_keeps_its_members(world: World) -> None:
    """What is left of a message has all the members that its type knows, so that it can be released."""
    known = {name for model in get_args(messages.Message.__value__) for name in model.model_fields}
    body = json.dumps(dict.fromkeys(sorted(known), 1))
    statement = "SELECT wellspring.without_people(%s, ARRAY[uuidv7()])"
    left = world.database.owner.exec_driver_sql(statement, (body,)).scalar_one()
    assert json.loads(left).keys() == known
