"""Row-level security: what a statement sees and writes that carries no predicate at all (docs/adr/0011).

`tests.access.mutations` runs this file with one policy at a time taken away, or left wide open.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000 import legacy
from sqlalchemy import ColumnElement, Executable, Insert, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tests.access.scene import LEDGERS, Scene, Who
from tests.support.api import service, walked
from tests.support.databases import CONSUMER, EXPORTER, FEEDER, PUBLISHER, READER, WRITER, FreshDatabase, Role
from tests.support.transactions import enter, in_transaction
from tests.support.world import RECORDS, RecordType
from wellspring.access.principal import (
    PIPELINE_SCOPE,
    SERVICE_SCOPE,
    Person,
    Principal,
    Service,
    export_scope,
    name_of,
    scope_of,
)
from wellspring.database import Transaction
from wellspring.errors import SchemaValidationError, WellspringError
from wellspring.models import table_of
from wellspring.resources import Resource, resource_of

TABLES = tuple(resource.table for resource in LEDGERS)
PROVENANCE = tuple(resource.table for resource in LEDGERS if resource.policy == "provenance")
# Of these the pipeline sees whatever there is.
OF_PIPELINE = (*PROVENANCE, "workspace_providers")
# What is kept of each connector, and shown with it (contract, section 7).
KEPT = {
    "sync_messages": "(workspace_connector_pk, workspace_pk) SELECT pk, workspace_pk",
    "sync_runs": "(workspace_connector_pk, workspace_pk, run) SELECT pk, workspace_pk, 'nightly'",
    "connector_state": "(workspace_connector_pk) SELECT pk",
    "connector_rows": "(workspace_connector_pk, type, direction) SELECT pk, 'company', 'input'",
    "connector_activity": "(workspace_connector_pk, date, type, direction) SELECT pk, '2026-01-01', 'company', 'input'",
}
# The feed's tables that are shown, to services alone.
OF_FEED = {
    "pending_events": "(digest, outcome) VALUES (sha256('a'), 'parked')",
    "feed_sources": "(source, type) VALUES ('/well/test', 'company')",
    "loads": "(key, object_version) VALUES ('load/a.jsonl', '1')",
    "erasures": "(workspace_id, source, source_version) VALUES (uuidv7(), '/well/test', 1)",
}
# Of these there are views that ask about each connector once, and not about each row.
KEPT_VIEWS = ("connector_activity",)
# The views that parents are read by, and which column of each is a workspace.
VIEWS = {
    "workspaces": "pk",
    **dict.fromkeys(
        ("workspace_memberships", "peoples", "companies", "accounts", "workspace_connectors"), "workspace_pk"
    ),
}
# What answers are made of: each asks about the caller itself.
ANSWERING = ("rows_of_record", "rows_of_connector", "sole_of")
FORGETTING = (
    *("forget_in_answers", "forget_in_messages", "forget_answers_of", "forget_messages_of", "forget_notes_of"),
    *("forget_runs_of", "forget_people_in_messages"),
)
ROLES: tuple[Role, ...] = (READER, WRITER)
REFUSED_BY_POLICY = "42501"
# Where nobody is said to work.
NOBODY = (None, "")

of_each_ledger = pytest.mark.parametrize("resource", LEDGERS, ids=lambda resource: resource.type)
of_each_role = pytest.mark.parametrize("role", ROLES)
of_each_provenance = pytest.mark.parametrize("table", PROVENANCE)

type Work[Result] = Callable[[Transaction], Result]


def scalars(statement: Executable, **values: object) -> Work[set[Any]]:
    """Return the work of reading one column."""
    return lambda transaction: set(transaction.execute(statement, values).scalars())


def everything(table: str) -> Work[set[UUID]]:
    """Return the work of reading a whole table."""
    return scalars(select(table_of(table).c.id))


def listed[Result](work: Work[Result]) -> Work[Result]:
    """Return the same reading in a transaction in which the policies list all workspaces of the caller."""

    def work_so(transaction: Transaction) -> Result:
        with transaction.begin_nested() as nested:
            transaction.execute(text("SET LOCAL transaction_read_only TO on"))
            for direct in ("true", "false"):
                transaction.execute(text(f"SELECT wellspring.leave_workspaces({direct})"))
            found = work(transaction)
            nested.rollback()
        return found

    return work_so


def changing(statement: Executable) -> Work[int]:
    """Return the work of a statement that writes, which counts the rows."""
    return lambda transaction: transaction.execute(statement).rowcount


def tombstone_everything(table: str, *conditions: ColumnElement[bool]) -> Work[int]:
    """Return the work of tombstoning a whole table, or what of it fulfils conditions."""
    return changing(update(table_of(table)).where(*conditions).values(deleted_at=text("now()")))


def refused(work: Work[object], scope: str | None) -> bool:
    """Say whether Postgres refuses `work` for want of a right; whatever else goes wrong is raised."""
    try:
        in_transaction(work, scope)
    except WellspringError as error:
        if error.evidence.get("sqlstate") == REFUSED_BY_POLICY:
            return True
        raise
    return False


def seen_of_each[Seen](scene: Scene, role: Role, work: Work[Seen]) -> Mapping[str, Seen]:
    """Return what everybody sees, as a function's role."""
    scene.world.database.role = role
    return scene.by_name(lambda who: in_transaction(work, who.scope))


def pks_of(scene: Scene, who: Who) -> set[int]:
    """Return the keys of the scene's workspaces that a person sees."""
    return {scene.workspaces[name].pk for name in who.workspaces}


# ---- reading -------------------------------------------------------------------------------------------
@of_each_role
@of_each_ledger
def test_everything_is_exactly_what_the_api_shows(scene: Scene, resource: Resource, role: Role) -> None:
    expected = scene.by_name(lambda who: scene.seen(who, resource.type))
    assert seen_of_each(scene, role, everything(resource.table)) == expected
    assert seen_of_each(scene, role, listed(everything(resource.table))) == expected
    url = f"{resource.route}?filter[deleted]=include&page[size]=11"
    assert scene.by_name(lambda who: set(walked(url, who.caller))) == expected


@of_each_role
def test_without_a_scope_there_is_nothing(scene: Scene, role: Role) -> None:
    scene.world.database.role = role
    for table in TABLES:
        assert [in_transaction(everything(table), scope) for scope in NOBODY] == [set(), set()], table


@of_each_role
@pytest.mark.parametrize("scope", ["SERVICE", "service ", "Service", "*", "0", "true", "null", "'; SELECT 1 --"])
def test_a_scope_that_is_nobody_is_an_error_and_no_row(scene: Scene, role: Role, scope: str) -> None:
    scene.world.database.role = role
    for table in TABLES:
        with pytest.raises(SchemaValidationError) as caught:
            in_transaction(everything(table), scope)
        assert scope not in caught.value.detail


def test_a_row_cannot_be_locked_by_who_does_not_see_it(scene: Scene) -> None:
    scene.world.database.role = WRITER
    stranger = scene.people["foreigner"]
    for resource in LEDGERS:
        lock = scalars(select(table_of(resource.table).c.id).with_for_update())
        assert in_transaction(lock, stranger.scope) == scene.seen(stranger, resource.type)
        assert in_transaction(lock) == set()


def keep(scene: Scene) -> None:
    """Keep something of every connector, a message of none, and an event of the feed."""
    owner = scene.world.database.owner
    for table, values in KEPT.items():
        statement = f"INSERT INTO wellspring.{table} {values} FROM core_api.workspace_connectors ON CONFLICT DO NOTHING"
        owner.execute(text(statement))
    owner.execute(text("INSERT INTO wellspring.sync_messages (outcome, reason) VALUES ('parked', 'malformed')"))
    for table, values in OF_FEED.items():
        owner.execute(text(f"INSERT INTO wellspring.{table} {values}"))
    scene.world.database.commit()


def connectors_of(table: str) -> Work[set[int | None]]:
    """Return the work of reading of which connectors a table keeps something."""
    return scalars(text(f"SELECT workspace_connector_pk FROM wellspring.{table}"))


@of_each_role
@pytest.mark.parametrize("table", [*KEPT, *(f"{table}_of_caller" for table in KEPT_VIEWS)])
def test_everything_that_is_kept_is_of_the_callers_connectors(scene: Scene, table: str, role: Role) -> None:
    keep(scene)
    read = text("SELECT pk, workspace_pk AS workspace FROM core_api.workspace_connectors")
    of = {row.pk: row.workspace for row in scene.world.database.owner.execute(read)}
    # A view hides all that is in a workspace that is gone.
    hidden = {scene.workspaces["D"].pk} if table.endswith("_of_caller") else set()

    def expected(who: Who) -> set[int | None]:
        seen = {*of.values()} - hidden if who.is_service else pks_of(scene, who)
        # What no connector can be told of is the service's to mend.
        unknown: set[int | None] = {None} if who.is_service and table == "sync_messages" else set()
        return {pk for pk, workspace in of.items() if workspace in seen} | unknown

    assert seen_of_each(scene, role, connectors_of(table)) == scene.by_name(expected)
    assert in_transaction(connectors_of(table)) == set()


@of_each_role
@pytest.mark.parametrize("type_", RECORDS)
def test_a_row_of_two_workspaces_is_of_who_sees_both(scene: Scene, type_: RecordType, role: Role) -> None:
    """No code writes one, and no tenant moves; policies look up both parents all the same."""
    records, connectors = scene.records[type_], scene.connectors
    pairs = ("AB", "BA", "AC", "CA", "AD", "DA")
    mixed = {scene.world.provenance(records[pair[0]], connectors[pair[1]]).id: pair for pair in pairs}

    def expected(who: Who) -> set[UUID]:
        return {id_ for id_, pair in mixed.items() if all(who.sees(name) for name in pair)}

    found = seen_of_each(scene, role, everything(f"{type_}_workspace_connectors"))
    assert {name: ids & mixed.keys() for name, ids in found.items()} == scene.by_name(expected)


def test_everything_of_idempotency_keys_is_the_callers_own(scene: Scene) -> None:
    keys, database = table_of("idempotency_keys"), scene.world.database
    services = [Service("pipeline", frozenset()), Service("pipeline-2", frozenset())]
    # Nobody's name is a person's, whatever a service is called.
    services.append(Service("person:pipeline", frozenset()))
    principals: list[Principal] = [Person(uuid4()), Person(uuid4()), *services]
    names = {name_of(principal): principal for principal in principals}
    row = {"key": "once", "fingerprint": b"", "answer": ""}
    database.owner.execute(insert(keys), [{"caller": name, **row} for name in names])
    database.commit()
    database.role = WRITER
    read, touch = scalars(select(keys.c.caller)), changing(update(keys).values(answer="seen"))
    for name, principal in names.items():
        scope = scope_of(principal)
        assert in_transaction(read, scope) == {name}
        assert in_transaction(touch, scope) == 1
        for other in names:
            add = changing(insert(keys).values(caller=other, key="another", fingerprint=b"", answer="").inline())
            assert (name, other, refused(add, scope)) == (name, other, other != name)
    # Functions of the release before do not say which service they are.
    assert in_transaction(read, SERVICE_SCOPE) == {*map(name_of, services)}
    for nobody in (*NOBODY, PIPELINE_SCOPE):
        assert in_transaction(read, nobody) == set()


def test_everything_of_the_audit_is_of_workspaces_that_one_keeps(scene: Scene) -> None:
    database = scene.world.database
    add = "INSERT INTO wellspring.audit (caller, operation, resource_type, workspace_pk)"
    database.owner.execute(text(f"{add} SELECT 'service:x', 'list', 'company', pk FROM core_api.workspaces"))
    of_none = text(f"{add} VALUES ('service:x', 'list', 'company', NULL)")
    database.owner.execute(of_none)
    database.commit()
    read = scalars(text("SELECT workspace_pk FROM wellspring.audit"))
    ours = scene.workspaces["A"].pk
    services = {*scalars(text("SELECT pk FROM core_api.workspaces"))(database.owner), None}
    kept = {name: {ours} if name in {"owner of A", "admin of A"} else set() for name in scene.people}
    assert seen_of_each(scene, READER, read) == kept | {"service": services}
    database.owner.execute(text("UPDATE core_api.workspace_memberships SET role = 'owner'"))
    database.commit()
    assert seen_of_each(scene, READER, read) == scene.by_name(
        lambda who: services if who.is_service else {scene.workspaces[of].pk for of in who.direct} | who.others
    )
    database.role = WRITER
    assert not refused(changing(of_none), SERVICE_SCOPE)


def count_of(table: str) -> Work[int]:
    return lambda transaction: int(transaction.execute(text(f"SELECT count(*) FROM wellspring.{table}")).scalar_one())


@pytest.mark.parametrize("table", OF_FEED)
def test_everything_of_the_feed_is_for_services_and_for_the_feed_itself(scene: Scene, table: str) -> None:
    keep(scene)
    assert seen_of_each(scene, READER, count_of(table)) == scene.by_name(lambda who: int(who.is_service))
    assert in_transaction(count_of(table)) == 0
    scene.world.database.role = FEEDER
    assert in_transaction(count_of(table)) == 1


@of_each_role
def test_what_is_said_of_all_connectors_together_is_for_services(scene: Scene, role: Role) -> None:
    assert seen_of_each(scene, role, count_of("fleet")) == scene.by_name(lambda who: int(who.is_service))
    assert in_transaction(count_of("fleet")) == 0


@pytest.mark.parametrize("table", [*TABLES, "sync_messages", "sync_runs"])
def test_an_export_sees_the_workspace_that_it_names_and_nothing_else(scene: Scene, table: str) -> None:
    keep(scene)
    database, tenant = scene.world.database, "SELECT workspace_pk FROM core_api"
    of = "workspace_pk"
    if table in PROVENANCE:
        record = resource_of(table.removesuffix("_workspace_connectors"))
        parents = {"workspace_connectors": "workspace_connector_pk", record.table: f"{record.type}_pk"}
        of = ", ".join(f"({tenant}.{parent} WHERE pk = ledger.{pk})" for parent, pk in parents.items())
    there = database.owner.execute(text(f"SELECT id, ARRAY[{of}] FROM {table_of(table)} AS ledger")).all()
    database.role = EXPORTER
    # A tombstoned one, too.
    for workspace in (scene.workspaces["A"], scene.workspaces["D"]):
        expected = {id_ for id_, workspaces in there if {*workspaces} == {workspace.pk}}
        assert expected
        assert in_transaction(everything(table), export_scope(workspace.id)) == expected
    for scope in (None, SERVICE_SCOPE, PIPELINE_SCOPE, export_scope(uuid4()), scene.people["owner of A"].scope):
        assert in_transaction(everything(table), scope) == set()


@pytest.mark.parametrize("table", VIEWS)
def test_everything_in_a_view_of_parents_is_of_the_callers_workspaces(scene: Scene, table: str) -> None:
    there = text(f"SELECT pk, {VIEWS[table]} AS workspace FROM core_api.{table}")
    rows = {row.pk: row.workspace for row in scene.world.database.owner.execute(there)}
    gone = {scene.workspaces["D"].pk} if table != "workspaces" else set()

    def expected(who: Who) -> set[int]:
        of = who.direct if table == "workspace_memberships" else who.workspaces
        seen = {*rows.values()} - gone if who.is_service else {scene.workspaces[name].pk for name in of} | who.others
        return {pk for pk, workspace in rows.items() if workspace in seen}

    read = scalars(text(f"SELECT pk FROM wellspring.{table}_of_caller"))
    assert seen_of_each(scene, READER, read) == scene.by_name(expected)
    assert seen_of_each(scene, READER, listed(read)) == scene.by_name(expected)


@of_each_provenance
def test_everything_that_is_newest_is_of_the_callers_live_connectors(scene: Scene, table: str) -> None:
    """When each brought its last live row, before any row that there is."""
    owner, ledger, record = scene.world.database.owner, table_of(table), table.removesuffix("_workspace_connectors")
    noon = datetime(2026, 5, 10, 12, tzinfo=UTC)
    for hour, is_dead in enumerate((False, True, False)):
        at = noon + timedelta(hours=hour)
        ended = at if is_dead else None
        scene.world.provenance(scene.records[record]["A"], scene.connectors["A"], created_at=at, deleted_at=ended)
    times = sorted(owner.execute(select(ledger.c.created_at).distinct()).scalars())
    live = owner.execute(
        text(
            "SELECT connector.workspace_pk, connector.pk, row.created_at"
            "  FROM core_api.workspace_connectors AS connector"
            f" JOIN core_api.{table} AS row ON row.workspace_connector_pk = connector.pk"
            " WHERE connector.deleted_at IS NULL AND row.deleted_at IS NULL"
        )
    ).all()
    asked = text(f"SELECT * FROM wellspring.newest_of_{table}(:wanted, CAST(:at AS timestamptz), 0)")

    def ask(transaction: Transaction, *, before: datetime, wanted: int | None = 1) -> Mapping[int, datetime]:
        said = transaction.execute(asked, {"wanted": wanted, "at": before.isoformat()})
        return {row.connector_pk: row.newest_at for row in said}

    for at in (*times, times[-1] + timedelta(seconds=1)):

        def newest(who: Who, at: datetime = at) -> Mapping[int, datetime]:
            seen = sorted((made, pk) for workspace, pk, made in live if workspace in pks_of(scene, who) and made < at)
            return {pk: made for made, pk in seen}

        expected = scene.by_name(newest)
        assert seen_of_each(scene, READER, listed(partial(ask, before=at))) == expected
    # Of many workspaces only what is left to the policies is listed.
    unlisted = {name: {} if who.others else expected[name] for name, who in scene.people.items()}
    assert seen_of_each(scene, READER, partial(ask, before=at)) == unlisted
    assert not any(seen_of_each(scene, READER, partial(ask, before=at, wanted=None)).values())


def test_what_was_left_is_believed_of_its_own_caller_and_where_nothing_is_changed(scene: Scene) -> None:
    scene.world.database.role = READER
    kept = text("SELECT coalesce(current_setting('wellspring.workspaces', true), '')")
    seen = text("SELECT wellspring.workspaces_of_caller()")
    leave = text("SELECT wellspring.leave_workspaces(false)")
    wide, narrow = scene.people["member of A, and of many"], scene.people["foreigner"]
    theirs = {scene.workspaces["A"].pk} | wide.others

    def read(transaction: Transaction) -> tuple[object, ...]:
        own = transaction.execute(seen).scalar_one()
        enter(transaction, narrow.scope)
        other = transaction.execute(seen).scalar_one()
        enter(transaction, wide.scope)
        return set(own), other, set(transaction.execute(seen).scalar_one())

    assert in_transaction(listed(read), wide.scope) == (theirs, [scene.workspaces["B"].pk], theirs)

    def write(transaction: Transaction) -> tuple[object, ...]:
        assert transaction.execute(leave).scalar_one()
        return transaction.execute(kept).scalar_one(), transaction.execute(seen).scalar_one()

    assert in_transaction(write, wide.scope) == ("", None)


@of_each_provenance
def test_everything_that_answers_are_made_of_is_of_the_callers_workspaces(scene: Scene, table: str) -> None:
    type_, owner = table.removesuffix("_workspace_connectors"), scene.world.database.owner
    records = resource_of(type_).table
    names = {row.pk: name for name, row in scene.workspaces.items()}
    # A dead row of another connector is no source.
    other = scene.world.workspace_connector(scene.workspaces["A"])
    scene.world.tombstone(scene.world.provenance(scene.records[type_]["A"], other))

    def all_of(of: str) -> dict[int, tuple[UUID, str]]:
        found = owner.execute(text(f"SELECT pk, id, workspace_pk, deleted_at IS NULL FROM core_api.{of}"))
        # What is gone is in no workspace.
        return {pk: (id_, names.get(workspace, "") if live else "") for pk, id_, workspace, live in found}

    there, connectors = all_of(records), all_of("workspace_connectors")
    rows = owner.execute(
        text(f"SELECT pk, {type_}_pk, workspace_connector_pk, deleted_at IS NULL FROM core_api.{table}")
    ).all()
    scene.world.database.role = READER
    for name, who in scene.people.items():

        def asked(call: str, ids: Iterable[UUID], scope: str = who.scope, **values: object) -> dict[UUID, list[Any]]:
            """Call a function for each id, in one statement."""
            statement = text(
                f"SELECT each, told.* FROM unnest(CAST(:ids AS uuid[])) AS each, wellspring.{call} AS told"
            )
            found: dict[UUID, list[Any]] = {id_: [] for id_ in ids}
            given = {"ids": list(found), **values}
            for each, *told in in_transaction(lambda transaction: list(transaction.execute(statement, given)), scope):
                found[each].append(told)
            return found

        seen = {pk for pk, (_, workspace) in there.items() if who.sees(workspace)}
        seen_connectors = {pk for pk, (_, workspace) in connectors.items() if who.sees(workspace)}
        of_each = asked(f"rows_of_record('{type_}', '{records}', each, 100)", [id_ for id_, _ in there.values()])
        for pk, (id_, _) in there.items():
            # A dead row outlives its connector: of these there is one, whose connector is live.
            expected = [row[2] for row in rows if row[1] == pk in seen and row[2] in seen_connectors]
            assert (name, sorted(row[0] for row in of_each[id_])) == (name, sorted(expected))
        ids = [id_ for id_, _ in connectors.values()]
        of_each = asked(f"rows_of_connector('{type_}', '{records}', each, 100, NULL, NULL, false)", ids)
        told_of = asked(f"sole_of('{type_}', each, :pks)", ids, pks=list(there))
        for pk, (id_, _) in connectors.items():
            of_connector = [row[1] for row in rows if row[2] == pk in seen_connectors and row[3]]
            shown = [record if record in seen else 0 for record in of_connector]
            assert (name, sorted(row[3] or 0 for row in of_each[id_])) == (name, sorted(shown))
            shared = {row[1] for row in rows if row[3] and row[2] != pk and row[2] in seen_connectors}
            alone = {record: record not in shared for record in of_connector}
            assert (name, {row[0]: row[2] for row in told_of[id_]}) == (name, alone)


# ---- writing -------------------------------------------------------------------------------------------
@of_each_ledger
def test_what_is_not_seen_is_not_changed(scene: Scene, resource: Resource) -> None:
    scene.world.database.role = WRITER
    table, everywhere = table_of(resource.table), {line.row.id for line in scene.of(resource.type)}

    def changed(who: Who) -> int:
        unseen = table.c.id.in_(everywhere - scene.seen(who, resource.type))
        return in_transaction(tombstone_everything(resource.table, unseen), who.scope)

    assert scene.by_name(changed) == scene.by_name(lambda _: 0)


def additions(scene: Scene, workspace: str, group: str = "G") -> Mapping[str, Insert]:
    """Return, for each table, the statement that adds a row of a workspace, with nothing that asks who may."""
    place = {"workspace_pk": scene.workspaces[workspace].pk, "deleted_at": text("now()")}
    values: dict[str, dict[str, object]] = {
        f"{type_}_workspace_connectors": {
            f"{type_}_pk": records[workspace].pk,
            "workspace_connector_pk": scene.connectors[workspace].pk,
            "direction": "input",
        }
        for type_, records in scene.records.items()
    }
    # Tombstoned, so that it is a second one to nobody.
    values["workspace_group_workspaces"] = place | {"workspace_group_pk": scene.groups[group].pk}
    values["workspace_providers"] = place | {"provider_pk": scene.provider.pk}
    # Inline: what is returned would have to be seen, too.
    return {table: insert(table_of(table)).values(columns).inline() for table, columns in values.items()}


@pytest.mark.parametrize(("workspace", "group"), ["AG", "BG", "CF", "DH"])
def test_a_row_is_added_by_those_it_concerns(scene: Scene, workspace: str, group: str) -> None:
    """Roles are not the policies' matter."""
    scene.world.database.role = WRITER
    works = {table: changing(statement) for table, statement in additions(scene, workspace, group).items()}

    def expected(who: Who) -> set[str]:
        found = {*PROVENANCE} if who.is_service else set()
        found |= {"workspace_group_workspaces"} if group in who.groups and workspace in who.workspaces else set()
        return found | ({"workspace_providers"} if who.sees(workspace) else set())

    added = scene.by_name(lambda who: {table for table, work in works.items() if not refused(work, who.scope)})
    assert added == scene.by_name(expected)


def test_without_a_scope_nothing_is_added_and_nothing_is_changed(scene: Scene) -> None:
    scene.world.database.role = WRITER
    for table, statement in additions(scene, "A").items():
        for scope in NOBODY:
            assert refused(changing(statement), scope)
            assert in_transaction(tombstone_everything(table), scope) == 0


@of_each_provenance
def test_a_person_changes_no_provenance_they_see(scene: Scene, table: str) -> None:
    scene.world.database.role = WRITER
    assert refused(tombstone_everything(table), scene.people["owner of A"].scope)
    assert in_transaction(tombstone_everything(table), SERVICE_SCOPE) > 0


def test_an_enrolment_that_is_seen_through_the_workspace_is_ended_and_not_changed(scene: Scene) -> None:
    scene.world.database.role = WRITER
    table = table_of("workspace_group_workspaces")
    row = scene.row("workspace_group_workspace", "A")
    withdraw = tombstone_everything(table.name, table.c.id == row.id)
    touch = text(f"UPDATE core_api.{table.name} SET updated_at = now() WHERE id = '{row.id}'")
    assert refused(changing(touch), scene.people["owner of A"].scope)
    found: list[int] = []
    for who in ("foreigner", "owner of A", "member of G"):
        assert not refused(lambda transaction: found.append(withdraw(transaction)), scene.people[who].scope)
    assert found == [0, 1, 1]


def test_a_second_row_is_neither_noticed_nor_overwritten_by_who_does_not_see_the_first(scene: Scene) -> None:
    scene.world.database.role = WRITER
    choice = upsert(table_of("workspace_providers")).values(
        workspace_pk=scene.workspaces["A"].pk, provider_pk=scene.provider.pk
    )
    enrolment = insert(table_of("workspace_group_workspaces")).values(
        workspace_pk=scene.workspaces["A"].pk, workspace_group_pk=scene.groups["G"].pk
    )
    overwriting = choice.on_conflict_do_update(
        index_elements=["workspace_pk", "provider_pk"],
        index_where=text("deleted_at IS NULL"),
        set_={"is_matched": True},
    )
    for statement in (choice.inline(), enrolment.inline(), overwriting):
        assert refused(changing(statement), scene.people["foreigner"].scope)
    assert not refused(changing(overwriting), scene.people["owner of A"].scope)


def test_nobody_changes_what_a_row_belongs_to(scene: Scene) -> None:
    scene.world.database.role = WRITER
    for table, column in (
        ("company_workspace_connectors", "company_pk"),
        ("company_workspace_connectors", "workspace_connector_pk"),
        ("workspace_group_workspaces", "workspace_pk"),
        ("workspace_group_workspaces", "workspace_group_pk"),
        ("workspace_providers", "workspace_pk"),
    ):
        move = changing(update(table_of(table)).values({column: table_of(table).c[column]}))
        assert all(refused(move, scope) for scope in (SERVICE_SCOPE, scene.people["owner of G"].scope)), column


@of_each_role
class TestTheWaysAround:
    """What else shows rows, or tells something about them, to whoever can run SQL within a scope."""

    def test_a_copy_has_the_rows_that_are_seen(self, scene: Scene, role: Role) -> None:
        scene.world.database.role = role

        def copied(transaction: Transaction, table: str) -> set[UUID]:
            # The product's own cursor knows no COPY: pg8000's asks behind what begins the transaction.
            transaction.execute(text("SELECT 1"))
            rows, driver = io.BytesIO(), transaction.connection.driver_connection
            legacy.Cursor(driver).execute(f"COPY core_api.{table} (id) TO STDOUT", stream=rows)
            return {UUID(line) for line in rows.getvalue().decode().split()}

        for resource in LEDGERS:
            work = partial(copied, table=resource.table)
            for who in (scene.people["foreigner"], scene.people["owner of G"]):
                assert in_transaction(work, who.scope) == scene.seen(who, resource.type)
            assert in_transaction(work) == set()

    def test_policies_are_not_switched_off(self, scene: Scene, role: Role) -> None:
        scene.world.database.role = role

        def read_without(transaction: Transaction, table: str) -> object:
            transaction.execute(text("SET LOCAL row_security = off"))
            return everything(table)(transaction)

        for table in TABLES:
            assert refused(partial(read_without, table=table), SERVICE_SCOPE)

    def test_a_condition_is_never_asked_of_a_row_that_is_not_seen(self, scene: Scene, role: Role) -> None:
        scene.world.database.role = role
        stranger = scene.people["foreigner"]
        for resource in LEDGERS:
            # On the row in question it fails, and says so.
            fails = text(f"SELECT count(*) FROM core_api.{resource.table} WHERE 1 / (id <> :id)::int = 1")
            ours, theirs = scene.row(resource.type, "A").id, scene.seen(stranger, resource.type)
            assert in_transaction(scalars(fails, id=ours), stranger.scope) == {len(theirs)}
            for id_ in theirs:
                with pytest.raises(WellspringError):
                    in_transaction(scalars(fails, id=id_), stranger.scope)


class TestThePipeline:
    """What works for no caller ends rows whose parents are gone; beyond those it is a service like any other."""

    @pytest.mark.parametrize("table", KEPT)
    def test_of_a_queue_sees_all_that_is_kept_of_provenance(self, scene: Scene, table: str) -> None:
        keep(scene)
        scene.world.database.role = CONSUMER
        there = connectors_of(table)(scene.world.database.owner)
        assert in_transaction(connectors_of(table), PIPELINE_SCOPE) == there
        for scope in (None, scene.people["owner of A"].scope):
            assert in_transaction(connectors_of(table), scope) == set()

    @of_each_ledger
    def test_sees_and_ends_all_of_provenance_and_of_the_rest_what_a_service_does(
        self, scene: Scene, resource: Resource
    ) -> None:
        everywhere = {line.row.id for line in scene.of(resource.type)}
        of_service = scene.seen(scene.people["service"], resource.type)
        assert everywhere > of_service
        # Of the reader it is a service and no more.
        scene.world.database.role = READER
        assert in_transaction(everything(resource.table), PIPELINE_SCOPE) == of_service
        scene.world.database.role = WRITER
        expected = everywhere if resource.table in OF_PIPELINE else of_service
        assert in_transaction(everything(resource.table), PIPELINE_SCOPE) == expected
        if resource.table in PROVENANCE:
            gone = everywhere - of_service
            end = tombstone_everything(resource.table, table_of(resource.table).c.id.in_(gone))
            assert in_transaction(end, SERVICE_SCOPE) == 0
            assert in_transaction(end, PIPELINE_SCOPE) == len(gone) > 0

    def test_is_no_scope_that_a_caller_can_have(self, scene: Scene) -> None:
        assert PIPELINE_SCOPE not in scene.by_name(lambda who: who.scope).values()
        assert service("system:read", client_id=PIPELINE_SCOPE).scope == f"{SERVICE_SCOPE}:{PIPELINE_SCOPE}"


# ---- how long a scope lasts ----------------------------------------------------------------------------
class TestTheScope:
    """On one connection, as a pool hands it from one caller to the next."""

    read = staticmethod(everything(LEDGERS[0].table))

    @of_each_role
    @pytest.mark.parametrize("ends", ["commit", "rollback"])
    def test_ends_with_its_transaction(self, fresh_scene: Scene, role: Role, ends: str) -> None:
        database = fresh_scene.world.database
        assert isinstance(database, FreshDatabase)
        owner, reader = fresh_scene.people["owner of A"], fresh_scene.people["service"]
        left = text("SELECT coalesce(current_setting('wellspring.scope', true), '')")
        for scope, who in ((owner.scope, owner), (SERVICE_SCOPE, reader)):
            with database.engine(role).connect() as session:
                enter(session, scope)
                assert self.read(session) == fresh_scene.seen(who, LEDGERS[0].type)
                getattr(session, ends)()
                assert self.read(session) == set()
                assert session.execute(left).scalar_one() == ""

    def test_ends_when_the_transaction_fails(self, fresh_scene: Scene) -> None:
        def fail(transaction: Transaction) -> None:
            assert self.read(transaction) != set()
            raise ValueError

        with pytest.raises(ValueError, match=r"^$"):
            in_transaction(fail, SERVICE_SCOPE)
        assert in_transaction(self.read) == set()

    def test_is_the_last_that_was_entered_and_of_no_other_session(self, fresh_scene: Scene) -> None:
        database, stranger = fresh_scene.world.database, fresh_scene.people["foreigner"]
        assert isinstance(database, FreshDatabase)
        with database.engine(READER).connect() as ours, database.engine(READER).connect() as theirs:
            enter(ours, SERVICE_SCOPE)
            assert self.read(ours) > fresh_scene.seen(stranger, LEDGERS[0].type)
            assert self.read(theirs) == set()
            enter(ours, stranger.scope)
            assert self.read(ours) == fresh_scene.seen(stranger, LEDGERS[0].type)


# ---- what Postgres's catalogue says ---------------------------------------------------------------------
type Rows = Callable[..., list[tuple[Any, ...]]]
OURS = "('core_api', 'wellspring', 'public')"


class TestTheCatalogue:
    """That the guard is there for whom it is meant, and cannot be walked around."""

    @pytest.fixture
    def rows(self, scene: Scene) -> Rows:
        owner = scene.world.database.owner
        return lambda sql, **values: [tuple(row) for row in owner.execute(text(sql), values)]

    def test_the_ledger_and_what_is_kept_of_it_are_guarded(self, rows: Rows) -> None:
        guarded = rows("SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relrowsecurity")
        kept = {("wellspring", table) for table in (*KEPT, *OF_FEED, "fleet", "idempotency_keys", "audit")}
        assert set(guarded) == {("core_api", table) for table in TABLES} | kept

    def test_one_policy_of_each_table_is_for_callers_and_one_for_what_works_for_no_caller(self, rows: Rows) -> None:
        policies = rows(
            "SELECT tablename, permissive, cmd, roles::text[], qual IS NULL, with_check IS NULL FROM pg_policies"
        )
        shown, kept = (*KEPT, "fleet"), (*TABLES, "sync_messages", "sync_runs")
        # By tables: the command, the roles, and whether what is written is what is seen.
        declared: list[tuple[Iterable[str], str, tuple[Role, ...], bool]] = [
            ([table for table in TABLES if table != "workspace_providers"], "ALL", ROLES, False),
            (["workspace_providers"], "ALL", (CONSUMER, *ROLES), False),
            # Who sweeps what has ended is the consumer (revision 0003).
            (OF_PIPELINE, "ALL", (CONSUMER, WRITER), True),
            # Who keeps a workspace withdraws it from a group that they are not in (revision 0003).
            (["workspace_group_workspaces"], "UPDATE", (WRITER,), False),
            (shown, "SELECT", ROLES, True),
            (shown, "ALL", (CONSUMER,), True),
            (["idempotency_keys"], "ALL", (WRITER,), True),
            # Whoever writes adds a row of the audit; only a reader is shown any (revision 0011).
            ([*OF_FEED, "audit"], "SELECT", (READER,), True),
            (OF_FEED, "ALL", (FEEDER,), True),
            (kept, "SELECT", (EXPORTER,), True),
        ]
        expected = {
            (table, "PERMISSIVE", command, roles, False, same)
            for tables, command, roles, same in declared
            for table in tables
        }
        expected |= {("audit", "PERMISSIVE", "INSERT", (CONSUMER, FEEDER, WRITER), True, False)}
        assert {(*policy[:3], tuple(policy[3]), *policy[4:]) for policy in policies} == expected

    @of_each_role
    def test_a_role_counts_with_no_sequence(self, rows: Rows, role: Role) -> None:
        """What else it may is in tests/schema/test_catalogue.py."""
        counters = rows(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE CASE WHEN relkind = 'S' THEN has_sequence_privilege(:role, oid, 'USAGE, SELECT, UPDATE') END",
            role=role,
        )
        assert counters == []

    def test_nothing_but_tables_shows_rows(self, rows: Rows) -> None:
        # A view reads with its owner's eyes, who is not bound; so does a rule, and a materialised view is a copy. Those
        # of callers hold the condition themselves (`VIEWS`).
        others = rows(
            "SELECT relname, relkind FROM pg_class WHERE relkind NOT IN ('r', 'i', 'S', 't')"
            f"   AND relnamespace::regnamespace::text IN {OURS}"
        )
        of_caller = (*VIEWS, *KEPT_VIEWS, "workspace_group_memberships", "sync_messages")
        assert set(others) == {("sync_inbox", "v"), *((f"{table}_of_caller", "v") for table in of_caller)}
        # Of messages a view reads with its caller's own eyes.
        options = rows("SELECT reloptions FROM pg_class WHERE relname = 'sync_messages_of_caller'")
        assert options == [(["security_invoker=true"],)]
        # For consumers of the revision before, which know messages by nothing else; a message's id is of no tenant.
        columns = rows("SELECT attname FROM pg_attribute WHERE attrelid = 'wellspring.sync_inbox'::regclass")
        assert set(columns) == {("message_id",), ("processed_at",)}
        assert rows("SELECT has_table_privilege(:role, 'wellspring.sync_inbox', 'SELECT')", role=READER) == [(False,)]
        assert rows(f"SELECT rulename FROM pg_rules WHERE schemaname IN {OURS}") == []

    def test_a_function_that_runs_as_its_owner_finds_no_other_names(self, rows: Rows) -> None:
        definers = rows(
            "SELECT proname, proconfig[1] FROM pg_proc WHERE prosecdef AND pronamespace IN"
            f" (SELECT oid FROM pg_namespace WHERE nspname IN {OURS})"
        )
        assert {name for name, _ in definers} == {
            *("groups_of_caller", "workspaces_of_caller", "direct_workspaces_of_caller", "place_of", "prune"),
            *("workspaces_left", "is_member_of", "sees_workspace", "leave_workspaces", "keeps_workspace"),
            *("lock_connectors", "lock_group", "lock_person", "lock_connector_of", "mend_times", "note_reading"),
            *("recount", "recount_rows", "recount_sums", "recount_health", "is_of_erased", "prune_outbox"),
            *("judge", "judge_connector", "judge_connectors", "judge_new_connectors", *FORGETTING, *ANSWERING),
            *(f"newest_of_{table}" for table in PROVENANCE),
            *(f"add_up_{change}" for change in ("insert", "update", "delete")),
            *(f"emit_{name}" for name in ("message", "run", "health", "endings")),
            *(f"emit_{of}_after_{what}" for of in ("choices", "enrolments", "writes") for what in ("insert", "update")),
        }
        assert {config for _, config in definers} == {'search_path=""'}

    def test_a_function_is_run_by_those_who_need_it_and_nobody_else(self, rows: Rows) -> None:
        # A trigger's is run by nobody.
        grants = rows(
            "SELECT proname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END"
            "  FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))"
            " WHERE pronamespace = 'wellspring'::regnamespace AND grantee <> proowner"
            "   AND prorettype <> 'trigger'::regtype"
        )
        newest = [f"newest_of_{table}" for table in PROVENANCE]
        all_four: tuple[Role, ...] = (*ROLES, CONSUMER, FEEDER)
        needed: list[tuple[tuple[Role, ...], str]] = [
            (all_four, "is_service is_pipeline caller fold leave_ids leave_workspaces"),
            ((*all_four, EXPORTER), "enter"),
            ((*all_four, EXPORTER, PUBLISHER), "enter_within enter_emitting"),
            ((*ROLES, CONSUMER), "groups_of_caller workspaces_of_caller sees_workspace"),
            ((*ROLES, CONSUMER, EXPORTER), "shown_problems"),
            (ROLES, "direct_workspaces_of_caller is_member_of place_of workspaces_left"),
            (ROLES, " ".join([*newest, *ANSWERING])),
            ((READER,), "keeps_workspace note_reading"),
            ((WRITER,), "is_caller lock_group lock_person"),
            ((WRITER, CONSUMER), "lock_connector_of prune"),
            ((WRITER, CONSUMER, FEEDER), "lock_connectors"),
            ((FEEDER,), " ".join(FORGETTING)),
            ((CONSUMER, FEEDER), "said_in erased_in is_of_erased"),
            ((CONSUMER,), "recount mend_times next_message lock_fed_types add_counts without_people without_erased"),
            ((CONSUMER,), "add_syncs rhythm health_of judge_connectors"),
            ((PUBLISHER,), "prune_outbox"),
            ((EXPORTER,), "exported"),
        ]
        assert set(grants) == {(name, role) for roles, names in needed for name in names.split() for role in roles}


def test_a_cursors_place_is_a_number_and_nothing_else(scene: Scene) -> None:
    """The last of them: `tests.access.mutations` takes what it provokes for a mutant that is no SQL."""
    scene.world.database.role = READER
    place = text("SELECT wellspring.place_of(:ledger, :id)")
    foreign = scene.row("workspace_provider", "B")

    def find(ledger: str, id_: UUID) -> set[int | None]:
        return in_transaction(scalars(place, ledger=ledger, id=id_))

    assert find("workspace_providers", foreign.id) == {foreign.pk}
    assert find("workspace_providers", uuid4()) == {None}
    # A name is a name, whatever it holds.
    with pytest.raises(WellspringError):
        find('workspace_providers" WHERE false; --', foreign.id)
