"""Erasure of a person: no name is kept, whatever comes in whichever order, and whoever sends it.

Each test looks for the name in every column of every table, and in the log (contract, section 6).
"""

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from time import sleep
from typing import Any, Literal, get_args
from uuid import UUID, uuid4

import pytest

from maintenance.settle import handler as settle
from tests.feed.conftest import Tables, sync
from tests.feed.test_erasing import everything, person_of
from tests.support.api import Context, call, service
from tests.support.databases import CONSUMER, FreshDatabase, role_of_call
from tests.support.feed import Event, erased, statuses, told, upserted
from tests.support.queue import Body, disconnected, invalidated, synced
from tests.support.world import Row, World
from wellspring import messages
from wellspring.repositories.feed import pending, sources
from wellspring.repositories.feed.work import UNEXPECTED, parked

NAME = 'Zoë "Quille" Forgotten'
OTHER = "/well/other"
type When = Literal["before", "after"]
each_time = pytest.mark.parametrize("when", get_args(When.__value__))


@pytest.fixture(autouse=True)
def nothing_has_the_name(tables: Tables, log: list[dict[str, object]]) -> Any:
    """Look everywhere, in the end."""
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
    """Somebody of whom the feed has told."""
    return Row("people", 0, person_of(tables, workspace.id))


def naming(body: Body, **more: Any) -> Body:
    """Return a message that says what the people are called whom it names, and `more` of them."""
    for record in body["records"]:
        if record["type"] == "people":
            record.update({"attributes": {"full_name": NAME}} | more)
    return body


def kept(tables: Tables, body: Body) -> Any:
    """Return the row of a message; there is one."""
    return tables.one("SELECT * FROM wellspring.sync_messages WHERE message_id = :id", id=body["id"])


def around(when: When, erase: Callable[[], object], happens: Callable[[], object]) -> None:
    """Have something happen before somebody is erased, or after it."""
    for step in (happens, erase) if when == "before" else (erase, happens):
        step()


def test_a_message_that_names_them_is_parked_without_the_name_each_night_again(
    tables: Tables, connector: Row, person: Row
) -> None:
    company = {"type": "company", "id": str(uuid4()), "attributes": {"name": "Alder"}}
    assert statuses(erased(person, 9)) == ["applied"]
    for _ in range(2):
        body = naming(synced(connector, [person]))
        body["records"].append(company)
        sync(body)
        row = kept(tables, body)
        assert (row.outcome, row.reason) == ("parked", "unknown_record")
        assert json.loads(row.body) == body | {"records": [{"type": "people", "id": str(person.id)}, company]}


def test_a_message_that_was_parked_before_is_the_same_when_it_is_sent_again(
    tables: Tables, connector: Row, person: Row
) -> None:
    missing = Row("company", 0, uuid4())
    body = naming(synced(connector, [person, missing]))
    sync(body)
    first = kept(tables, body)
    assert first.reason == "unknown_record"
    assert statuses(erased(person, 9)) == ["applied"]
    sync(body)
    again = kept(tables, body)
    assert (again.pk, again.outcome, again.reason) == (first.pk, "parked", "unknown_record")
    assert bytes(again.digest) == bytes(first.digest) == sha256(json.dumps(body).encode()).digest()
    assert tables.count("wellspring.sync_messages") == 1


@pytest.mark.parametrize("way", ["by hand", "by itself"])
def test_what_is_left_of_a_message_is_released(
    tables: Tables, connector: Row, workspace: Row, person: Row, way: str
) -> None:
    missing = Row("company", 0, uuid4())
    body = naming(invalidated(connector, [person, missing]))
    sync(body)
    assert kept(tables, body).reason == "unknown_record"
    digest = bytes(kept(tables, body).digest)
    statuses(erased(person, 9), upserted("company", missing.id, workspace_id=workspace.id))
    if way == "by hand":
        url = f"/v1/sync-messages/{kept(tables, body).id}/release"
        assert call("POST", url, service("system:read", "sync:write")).status == 200
    else:
        role = role_of_call.set(CONSUMER)
        settle({}, Context())
        role_of_call.reset(role)
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
    missing = Row("account", 0, uuid4())
    body = synced(connector, [person, missing])
    text = written(body, str(person.id))
    around(when, lambda: statuses(erased(person, 9)), lambda: sync(text))
    left = json.loads(kept(tables, body).body)
    named = [record for record in left["records"] if record["type"] == "people"]
    assert [(set(record), record["id"].lower()) for record in named] == [({"type", "id"}, str(person.id))]
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
def test_what_is_no_message_and_names_them_is_kept_without_its_text(
    tables: Tables, person: Row, when: When, text: str
) -> None:
    around(when, lambda: statuses(erased(person, 9)), lambda: sync(text.format(id=person.id)))
    row = tables.one("SELECT outcome, reason, body FROM wellspring.sync_messages")
    assert tuple(row) == ("parked", "malformed", None)


def test_a_disconnect_goes_on_without_what_it_says_besides(tables: Tables, connector: Row, person: Row) -> None:
    statuses(erased(person, 9))
    body = disconnected(uuid4()) | {"who": {"id": str(person.id), "name": NAME}}
    sync(body)
    assert kept(tables, body).reason == "unknown_connector"


def test_a_message_that_is_parked_while_they_are_erased_waits_for_that(
    fresh_database: FreshDatabase, tables: Tables, connector: Row, person: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Row("company", 0, uuid4())
    body = naming(invalidated(connector, [person, missing]))
    count, parking = sources.count, list[Future[None]]()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    def count_later(*counted: Any, **options: Any) -> None:
        """Have the message come when the person is erased, and nobody can see it yet."""
        if not parking:
            parking.append(threads.submit(sync, body))
            while not parking[0].done() and not tables.one(waiting)[0]:
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


@pytest.mark.parametrize("version", [1, 9])
def test_what_is_told_of_somebody_who_was_erased_before_they_came_is_not_kept(tables: Tables, version: int) -> None:
    nobody = uuid4()
    assert statuses(erased(nobody, version)) == ["applied"]
    later = upserted("people", nobody, 5, source=OTHER, workspace_id=uuid4(), full_name=NAME)
    assert statuses(later) == ["stale"]
    assert tables.pending() == []


def malformed_of(person: UUID) -> list[Event]:
    """Return events that are none: of the person, and of a membership of theirs, with subjects that can be read."""
    membership = upserted("workspace_membership", uuid4(), workspace_id=uuid4(), people_id=person, full_name=NAME)
    return [
        upserted("people", person, 7, workspace_id=uuid4(), full_name=NAME) | {"sequence": "none"},
        upserted("people", person, 7, workspace_id="none", full_name=NAME),
        membership | {"data": membership["data"] | {"role": "king"}},
        membership | {"type": "wellspring.workspace_membership.crowned", "people": {"full_name": NAME}},
        upserted("people", person, 7, workspace_id="none", full_name=NAME) | {"subject": person.hex},
    ]


@each_time
def test_an_event_that_is_none_and_names_them_is_kept_without_its_text(tables: Tables, person: Row, when: When) -> None:
    events = malformed_of(person.id)
    around(when, lambda: statuses(erased(person, 9)), lambda: statuses(*events))
    rows = tables.rows("SELECT event, reason, outcome FROM wellspring.pending_events")
    expected = "dismissed" if when == "before" else "parked"
    assert [tuple(row) for row in rows] == [(None, "malformed", expected)] * len(events)
    # Sent again they are known, and another's stays.
    statuses(*events, upserted("people", uuid4(), 7, full_name="Kept"))
    assert tables.count("wellspring.pending_events") == len(events) + 1
    assert "Kept" in everything(tables)


def test_an_event_that_nobody_foresaw_the_failure_of_is_kept_without_its_text(tables: Tables, person: Row) -> None:
    statuses(erased(person, 9))
    (event,) = told(upserted("people", person.id, 12, workspace_id=uuid4(), full_name=NAME))
    pending.keep(tables.database.owner, [(event, parked(UNEXPECTED))])
    assert tables.pending() == [("parked", UNEXPECTED, None, None)]


def test_a_kept_answer_that_names_them_is_dropped_whatever_they_were_called(tables: Tables, world: World) -> None:
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
    for key, text in {"1": answer(called_attributes), "2": answer(renamed, other), "3": untouched}.items():
        world.database.owner.exec_driver_sql(
            "INSERT INTO wellspring.idempotency_keys (caller, key, fingerprint, answer) VALUES ('a', %s, '', %s)",
            (key, text),
        )
    assert statuses(erased(called_attributes, 2), erased(renamed, 2)) == ["applied", "applied"]
    rows = tables.rows("SELECT key, answer FROM wellspring.idempotency_keys")
    assert [tuple(row) for row in rows] == [("3", untouched)]


def test_erasing_again_takes_away_what_names_them_by_then(world: World, person: Row) -> None:
    assert statuses(erased(person, 9)) == ["applied"]
    # As a database has it that is older than this, or was restored.
    body = json.dumps(naming(synced(uuid4(), [person])))
    statement = (
        "INSERT INTO wellspring.sync_messages (outcome, reason, body, processed_at)"
        " VALUES ('parked', 'unknown_record', %s, NULL)"
    )
    world.database.owner.exec_driver_sql(statement, (body,))
    assert statuses(erased(person, 9)) == ["stale"]


def test_a_message_whose_type_is_added_keeps_its_members(world: World) -> None:
    """What is left of a message has all the members that its type knows, so that it can be released."""
    known = {name for model in get_args(messages.Message.__value__) for name in model.model_fields}
    body = json.dumps(dict.fromkeys(sorted(known), 1))
    statement = "SELECT wellspring.without_people(%s, ARRAY[uuidv7()])"
    left = world.database.owner.exec_driver_sql(statement, (body,)).scalar_one()
    assert json.loads(left).keys() == known
