"""Effects of an event on its resource: versions, sources, tenants, what waits; and the chore that gives up an id."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection

from local.settings import number
from migrations.chores import CHORES
from tests.feed.conftest import Tables
from tests.support.databases import FreshDatabase, Statements, tuples_read
from tests.support.feed import SOURCE, Event, apply, deleted, event, settle, statuses, told, upserted
from tests.support.histories import TABLES
from tests.support.world import Row, World
from wellspring.access.principal import Service
from wellspring.database.retry import Deadline
from wellspring.repositories.feed import pending
from wellspring.resources import records
from wellspring.services import feed, parked
from wellspring.services.feed.applying import CHUNK
from wellspring.services.feed.parked import ParkedEvents

OTHER = "/well/other"


class TestVersions:
    @pytest.mark.parametrize(
        ("batches", "effects", "left"),
        [
            # The higher version wins, as a number, and another has no effect.
            (["5", "4", "5", "10"], "applied stale stale applied", (10, True)),
            (["2 9 4"], "stale applied stale", (9, True)),
            (["9 10 9223372036854775807"], "stale stale applied", (9223372036854775807, True)),
            # A deletion ends, and a higher upsert revives.
            (["1", "-5", "4"], "applied applied stale", (5, False)),
            (["1", "-5", "6"], "applied applied applied", (6, True)),
            (["3 -2"], "applied stale", (3, True)),
            # One of the unseen is kept.
            (["-5", "5", "-7", "6 -6"], "applied stale applied stale stale", None),
            (["-2 1"], "applied stale", None),
            (["-7", "8"], "applied applied", (8, True)),
        ],
    )
    def test_the_highest_has_the_effect(
        self, tables: Tables, batches: list[str], effects: str, left: tuple[int, bool] | None
    ) -> None:
        id_ = uuid4()
        found: list[str] = []
        for batch in batches:
            told = (
                (deleted if each < 0 else upserted)("workspace", id_, abs(each)) for each in map(int, batch.split())
            )
            found += statuses(*told)
        row = tables.resource("workspaces", id_)
        assert (found, row and (row.source_version, row.deleted_at is None)) == (effects.split(), left)

    def test_an_upsert_is_the_whole_state(self, tables: Tables) -> None:
        workspace, id_ = uuid4(), uuid4()
        apply(upserted("workspace", workspace), upserted("account", id_, 1, workspace_id=workspace, currency="EUR"))
        assert tables.resource("accounts", id_).currency == "EUR"
        apply(upserted("account", id_, 2, workspace_id=workspace))
        assert tables.resource("accounts", id_).currency is None

    def test_every_type_is_written(self, tables: Tables) -> None:
        workspace, person, connector = uuid4(), uuid4(), uuid4()
        events = [
            upserted("workspace_membership", uuid4(), workspace_id=workspace, people_id=person, role="owner"),
            upserted("workspace_connector", uuid4(), workspace_id=workspace, connector_id=connector, status="paused"),
            upserted("account", uuid4(), workspace_id=workspace, account_name="Current", currency="EUR"),
            upserted("company", uuid4(), workspace_id=workspace, name="Alder"),
            upserted("people", person, workspace_id=workspace, full_name="Claire"),
            upserted("provider", uuid4(), slug="qonto", countries=["FR", "DE"], category="bank"),
            upserted("connector", connector, name="Qonto", provider="qonto", direction="input"),
            upserted("workspace", workspace, name="Verdier"),
        ]
        assert statuses(*events) == ["applied"] * len(TABLES)
        for each in events:
            row = tables.resource(TABLES[each["type"].split(".")[1]][0], each["subject"])
            said = {name: value for name, value in each["data"].items() if not name.endswith("_id")}
            assert {name: getattr(row, name) for name in said} == said


class TestSources:
    def test_anothers_event_is_parked_whatever_its_version(self, tables: Tables) -> None:
        id_ = uuid4()
        apply(upserted("workspace", id_, 5, name="Ours"))
        for version in (1, 9):
            assert statuses(upserted("workspace", id_, version, source=OTHER, name="Theirs")) == ["other_source"]
        assert statuses(deleted("workspace", id_, 9, source=OTHER)) == ["other_source"]
        assert tables.resource("workspaces", id_).name == "Ours"
        assert tables.pending() == [("parked", "other_source", None, None)] * 3

    def test_of_two_in_one_batch_the_first_is_the_owner(self) -> None:
        id_ = uuid4()
        events = upserted("workspace", id_, 1, name="Ours"), upserted("workspace", id_, 2, source=OTHER, name="Theirs")
        assert statuses(*events) == ["applied", "other_source"]

    def test_what_only_a_sync_made_belongs_to_the_first_that_tells_of_it(self, world: World, tables: Tables) -> None:
        workspace = world.workspace()
        company = world.company(workspace, "From a sync")
        assert statuses(upserted("company", company, 3, workspace_id=workspace, name="Told")) == ["applied"]
        row = tables.resource("companies", company.id)
        assert (row.name, row.source, row.source_version) == ("Told", "/well/test", 3)
        assert statuses(upserted("company", company, 4, source=OTHER, workspace_id=workspace)) == ["other_source"]

    def test_a_deletion_of_the_unseen_has_an_owner_too(self) -> None:
        id_ = uuid4()
        assert statuses(deleted("workspace", id_, 3)) == ["applied"]
        assert statuses(upserted("workspace", id_, 9, source=OTHER)) == ["other_source"]


class TestTenants:
    def test_an_upsert_with_another_workspace_is_parked(self, world: World, tables: Tables) -> None:
        ours, theirs, id_ = world.workspace("Ours"), world.workspace("Theirs"), uuid4()
        apply(upserted("company", id_, 1, workspace_id=ours, name="First"))
        assert statuses(upserted("company", id_, 2, workspace_id=theirs, name="Second")) == ["workspace_changed"]
        row = tables.resource("companies", id_)
        assert (row.name, row.workspace_pk, row.source_version) == ("First", ours.pk, 1)
        apply(deleted("company", id_, 3))
        assert statuses(upserted("company", id_, 4, workspace_id=theirs)) == ["workspace_changed"]

    def test_a_membership_may_become_anothers_but_not_of_another_workspace(self, world: World, tables: Tables) -> None:
        ours, theirs, id_ = world.workspace("Ours"), world.workspace("Theirs"), uuid4()
        one, two = world.people(ours), world.people(ours)
        apply(upserted("workspace_membership", id_, 1, workspace_id=ours, people_id=one))
        assert statuses(upserted("workspace_membership", id_, 2, workspace_id=ours, people_id=two)) == ["applied"]
        assert tables.resource("workspace_memberships", id_).people_pk == two.pk
        later = upserted("workspace_membership", id_, 3, workspace_id=theirs, people_id=two)
        assert statuses(later) == ["workspace_changed"]


class TestWaiting:
    def test_what_names_a_parent_that_is_not_there_waits_until_it_comes(self, tables: Tables) -> None:
        workspace, id_ = uuid4(), uuid4()
        assert statuses(upserted("company", id_, workspace_id=workspace)) == ["waiting"]
        assert tables.pending() == [("waiting", None, "workspace", str(workspace))]
        assert settle() == 0
        apply(upserted("workspace", workspace))
        assert settle() == 1
        assert tables.pending() == []
        assert tables.resource("companies", id_).deleted_at is None

    def test_chains_are_settled_at_once_in_bounded_steps(self, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wellspring.services.feed.applying.CHUNK", 7)
        workspace, person = uuid4(), uuid4()
        apply(upserted("workspace_membership", uuid4(), workspace_id=workspace, people_id=person))
        apply(*(upserted("people", id_, workspace_id=workspace) for id_ in (person, *(uuid4() for _ in range(20)))))
        apply(upserted("workspace", workspace))
        assert settle() == 22
        assert tables.pending() == []

    def test_an_event_that_is_sent_twice_waits_once(self, tables: Tables) -> None:
        waits = upserted("company", uuid4(), workspace_id=uuid4())
        apply(waits, waits)
        apply(waits)
        assert len(tables.pending()) == 1

    def test_after_a_day_it_is_parked_and_applied_even_then_when_what_it_names_comes(self, tables: Tables) -> None:
        workspace, id_ = uuid4(), uuid4()
        apply(upserted("company", id_, workspace_id=workspace))
        tables.sql("UPDATE wellspring.pending_events SET received_at = received_at - interval '24 hours 1 second'")
        settle()
        assert tables.pending() == [("parked", "unknown_reference", "workspace", str(workspace))]
        apply(upserted("workspace", workspace))
        settle()
        assert tables.pending() == [("applied", None, None, None)]
        assert tables.resource("companies", id_) is not None

    def test_a_slug_that_another_provider_has_is_waited_for(self, tables: Tables) -> None:
        one, other = uuid4(), uuid4()
        assert statuses(upserted("provider", one, slug="qonto"), upserted("provider", other, slug="qonto")) == [
            "applied",
            "waiting",
        ]
        assert tables.pending() == [("waiting", None, "provider_slug", "qonto")]
        assert settle() == 0
        apply(upserted("provider", one, 2, slug="qonto-2"))
        assert settle() == 1
        assert tables.resource("providers", other).slug == "qonto"


class TestBadNeighbours:
    def test_are_parked_and_the_others_are_applied(self, tables: Tables) -> None:
        good = [upserted("workspace", uuid4()) for _ in range(3)]
        bad = [
            {"specversion": "1.0"},
            upserted("workspace", uuid4()) | {"sequence": "0"},
            upserted("workspace", uuid4(), name="a\x00b"),
            upserted("workspace", uuid4(), name=""),
            upserted("workspace", uuid4(), name="x" * 501),
            upserted("workspace", uuid4(), name="\ud800"),
            event("company", "erased", uuid4()),
            upserted("company", uuid4()),
            "nothing",
            17,
            None,
        ]
        assert statuses(good[0], *bad, *good[1:]) == ["applied", *["malformed"] * len(bad), "applied", "applied"]  # type: ignore[arg-type]  # that is what they are
        assert [row[:2] for row in tables.pending()] == [("parked", "malformed")] * len(bad)
        assert tables.count("core_api.workspaces") == 3

    def test_what_the_database_refuses_is_parked_at_last(self, tables: Tables) -> None:
        tables.sql("ALTER TABLE core_api.workspaces ADD CHECK (name <> 'poison')")
        events = told(*(upserted("workspace", uuid4(), name=name) for name in ("a", "poison", "b")))
        assert [verdict.status for verdict in feed.apply(events, Deadline(30))] == ["applied", "returned", "applied"]
        assert tables.pending() == []
        again = feed.apply(events, Deadline(30), is_last_try=True)
        assert [verdict.status for verdict in again] == ["stale", "parked", "stale"]
        assert tables.pending() == [("parked", "unexpected", None, None)]


class TestSums:
    def test_count_what_came_and_what_is_live(self, tables: Tables) -> None:
        one, two = uuid4(), uuid4()
        first = upserted("workspace", one, 3)
        apply(first, upserted("workspace", two, 9))
        apply(first, deleted("workspace", two, 10), deleted("workspace", uuid4(), 1))
        kept = "SELECT source, type, events, applied, live, last_version FROM wellspring.feed_sources"
        assert tuple(tables.one(kept)) == ("/well/test", "workspace", 5, 4, 1, 10)


def test_a_thousand_mixed_events_are_a_handful_of_statements(world: World, statements: Statements) -> None:
    workspace = world.workspace()
    apply(*(upserted("company", uuid4(), workspace_id=workspace) for _ in range(10)))
    few = len(statements)
    statements.clear()
    people = [uuid4() for _ in range(200)]
    events = [upserted("people", person, workspace_id=workspace) for person in people]
    events += [upserted("company", uuid4(), workspace_id=workspace) for _ in range(400)]
    events += [upserted("account", uuid4(), workspace_id=workspace) for _ in range(100)]
    events += [upserted("workspace_membership", uuid4(), workspace_id=workspace, people_id=person) for person in people]
    events += [upserted("company", uuid4(), workspace_id=uuid4()) for _ in range(100)]
    found = statuses(*events)
    assert found.count("applied") == 900
    assert found.count("waiting") == 100
    # The locks, a statement for each type, what waits, and the sums.
    assert few == 3
    assert len(statements) == 7


@pytest.mark.long
def test_very_many_that_wait_for_one_are_settled_in_bounded_steps(
    fresh_database: FreshDatabase, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`WAITING=100000` asks for as many."""
    workspace, kept, waiting = UUID(int=1), "wellspring.pending_events", number("WAITING", 5 * CHUNK, 10**7)
    for begin in range(0, waiting, CHUNK):
        some = range(begin, min(begin + CHUNK, waiting))
        apply(*(upserted("company", UUID(int=one + 10), workspace_id=workspace) for one in some))
    apply(upserted("workspace", workspace))
    steps: list[tuple[int, int]] = []
    take = pending.take

    def counted(transaction: Connection, *given: Any) -> Any:
        before = tuples_read(transaction, kept)
        taken = take(transaction, *given)
        steps.append((len(taken), (tuples_read(transaction, kept) - before).total()))
        return taken

    monkeypatch.setattr(pending, "take", counted)
    settled = 0
    while done := settle():
        settled += done
    assert settled == waiting
    assert tables.count("core_api.companies") == waiting
    assert tables.count(kept) == 0
    # No step takes more, and what is settled is not read again.
    sizes, reads = zip(*steps, strict=True)
    assert (max(sizes), sum(sizes)) == (min(CHUNK, waiting), waiting)
    assert max(reads) <= 5 * CHUNK


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
