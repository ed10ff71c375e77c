"""Row-level security: what a statement sees and writes that carries no predicate at all (docs/adr/0011).

`tests.access.mutations` runs this file with one policy at a time taken away, or left wide open.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from pg8000 import legacy
from sqlalchemy import ColumnElement, Executable, Insert, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tests.access.scene import LEDGERS, Scene, Who
from tests.support.api import service, walked
from tests.support.databases import (
    CONSUMER,
    EXPORTER,
    FEEDER,
    PUBLISHER,
    READER,
    WRITER,
    AnyDatabase,
    FreshDatabase,
    Role,
)
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
    principal_of,
    scope_of,
)
from wellspring.database import Transaction
from wellspring.errors import SchemaValidationError, WellspringError
from wellspring.models import table_of
from wellspring.resources import Resource, resource_of
from wellspring.settings import CallerSettings

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

of_each_ledger = pytest.mark.parametrize("resource", LEDGERS, ids=lambda resource: resource.type)
of_each_role = pytest.mark.parametrize("role", ROLES)


def everything(table: str) -> Callable[[Transaction], set[UUID]]:
    """Return the work of reading a whole table."""
    statement = select(table_of(table).c.id)
    return lambda transaction: set(transaction.execute(statement).scalars())


def listed[Result](work: Callable[[Transaction], Result]) -> Callable[[Transaction], Result]:
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


def tombstone_everything(table: str, *conditions: ColumnElement[bool]) -> Callable[[Transaction], int]:
    """Return the work of tombstoning a whole table, or what of it fulfils conditions, which counts the rows."""
    statement = update(table_of(table)).where(*conditions).values(deleted_at=text("now()"))
    return lambda transaction: transaction.execute(statement).rowcount


def as_role(database: AnyDatabase, role: Role) -> None:
    """Let what follows run as a function's role."""
    database.role = role


def refused(work: Callable[[Transaction], object], scope: str | None) -> bool:
    """Say whether Postgres refuses `work` for want of a right; whatever else goes wrong is raised."""
    try:
        in_transaction(work, scope)
    except WellspringError as error:
        if error.evidence.get("sqlstate") == REFUSED_BY_POLICY:
            return True
        raise
    return False


# ---- reading -------------------------------------------------------------------------------------------
@of_each_role
@of_each_ledger
def test_everything_is_exactly_what_the_api_shows(scene: Scene, resource: Resource, role: Role) -> None:
    as_role(scene.world.database, role)
    raw, at_once, shown, expected = {}, {}, {}, {}
    for name, who in scene.people.items():
        raw[name] = in_transaction(everything(resource.table), who.scope)
        at_once[name] = in_transaction(listed(everything(resource.table)), who.scope)
        shown[name] = set(walked(f"{resource.route}?filter[deleted]=include&page[size]=11", who.caller))
        expected[name] = scene.seen(who, resource.type)
    assert raw == shown
    assert raw == expected
    assert at_once == expected


@of_each_role
def test_without_a_scope_there_is_nothing(scene: Scene, role: Role) -> None:
    as_role(scene.world.database, role)
    for scope in (None, ""):
        for table in TABLES:
            assert (table, in_transaction(everything(table), scope)) == (table, set())


@of_each_role
@pytest.mark.parametrize("scope", ["SERVICE", "service ", "Service", "*", "0", "true", "null", "'; SELECT 1 --"])
def test_a_scope_that_is_nobody_is_an_error_and_no_row(scene: Scene, role: Role, scope: str) -> None:
    as_role(scene.world.database, role)
    for table in TABLES:
        with pytest.raises(SchemaValidationError) as caught:
            in_transaction(everything(table), scope)
        assert scope not in caught.value.detail


def test_a_row_cannot_be_locked_by_who_does_not_see_it(scene: Scene) -> None:
    as_role(scene.world.database, WRITER)
    stranger = scene.people["foreigner"]
    for resource in LEDGERS:
        table = table_of(resource.table)
        locking = select(table.c.id).with_for_update()

        def lock(transaction: Transaction, statement: object = locking) -> set[UUID]:
            return set(transaction.execute(statement).scalars())  # type: ignore[call-overload]  # a select

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


def connectors_of(table: str) -> Callable[[Transaction], set[int | None]]:
    """Return the work of reading of which connectors a table keeps something."""
    statement = text(f"SELECT workspace_connector_pk FROM wellspring.{table}")
    return lambda transaction: set(transaction.execute(statement).scalars())


@of_each_role
@pytest.mark.parametrize("table", [*KEPT, *(f"{table}_of_caller" for table in KEPT_VIEWS)])
def test_everything_that_is_kept_is_of_the_callers_connectors(scene: Scene, table: str, role: Role) -> None:
    keep(scene)
    found = scene.world.database.owner.execute(text("SELECT pk, workspace_pk FROM core_api.workspace_connectors"))
    connectors: list[tuple[int, int]] = [(pk, workspace) for pk, workspace in found]
    as_role(scene.world.database, role)
    for name, who in scene.people.items():
        seen = {scene.workspaces[workspace].pk for workspace in who.workspaces}
        if who.is_service:
            # A view hides all that is in a workspace that is gone.
            gone = scene.workspaces["D"].pk if table.endswith("_of_caller") else None
            seen = {workspace for _, workspace in connectors if workspace != gone}
        expected: set[int | None] = {pk for pk, workspace in connectors if workspace in seen}
        # What no connector can be told of is the service's to mend.
        expected |= {None} if who.is_service and table == "sync_messages" else set()
        assert (name, in_transaction(connectors_of(table), who.scope)) == (name, expected)
    assert in_transaction(connectors_of(table)) == set()


@of_each_role
@pytest.mark.parametrize("type_", RECORDS)
def test_a_row_of_two_workspaces_is_of_who_sees_both(scene: Scene, type_: RecordType, role: Role) -> None:
    """No code writes one, and no tenant moves; policies look up both parents all the same."""
    records, connectors = scene.records[type_], scene.connectors
    pairs = ("AB", "BA", "AC", "CA", "AD", "DA")
    mixed = {scene.world.provenance(records[pair[0]], connectors[pair[1]]).id: pair for pair in pairs}
    as_role(scene.world.database, role)
    for name, who in scene.people.items():
        sees = "ABC" if who.is_service else who.workspaces
        found = in_transaction(everything(f"{type_}_workspace_connectors"), who.scope) & mixed.keys()
        assert (name, found) == (name, {id_ for id_, pair in mixed.items() if {*pair} <= {*sees} - {"D"}})


def test_everything_of_idempotency_keys_is_the_callers_own(scene: Scene) -> None:
    keys, database = table_of("idempotency_keys"), scene.world.database
    principals: dict[str, Principal] = {
        "owner of A": Person(uuid4()),
        "somebody else": Person(uuid4()),
        "service": Service("pipeline", frozenset()),
        "another service": Service("pipeline-2", frozenset()),
        # Nobody's name is a person's, whatever a service is called.
        "odd service": Service("person:pipeline", frozenset()),
    }
    names = {name_of(principal): principal for principal in principals.values()}
    row = {"key": "once", "fingerprint": b"", "answer": ""}
    database.owner.execute(insert(keys), [{"caller": name, **row} for name in names])
    database.commit()
    as_role(database, WRITER)
    read = select(keys.c.caller)
    touch = update(keys).values(answer="seen")
    for name, principal in names.items():
        scope = scope_of(principal)
        assert in_transaction(lambda transaction: set(transaction.execute(read).scalars()), scope) == {name}
        assert in_transaction(lambda transaction: transaction.execute(touch).rowcount, scope) == 1
        for other in names:
            add = insert(keys).values(caller=other, key="another", fingerprint=b"", answer="").inline()
            is_refused = refused(lambda transaction, made=add: transaction.execute(made), scope)  # type: ignore[misc]
            assert (name, other, is_refused) == (name, other, other != name)
    # Functions of the release before do not say which service they are.
    services = {name for name, principal in names.items() if isinstance(principal, Service)}
    assert in_transaction(lambda transaction: set(transaction.execute(read).scalars()), SERVICE_SCOPE) == services
    for nobody in (None, "", PIPELINE_SCOPE):
        assert in_transaction(lambda transaction: set(transaction.execute(read).scalars()), nobody) == set()


def test_everything_of_the_audit_is_of_workspaces_that_one_keeps(scene: Scene) -> None:
    database = scene.world.database
    add = "INSERT INTO wellspring.audit (caller, operation, resource_type, workspace_pk)"
    database.owner.execute(text(f"{add} SELECT 'service:x', 'list', 'company', pk FROM core_api.workspaces"))
    of_none = f"{add} VALUES ('service:x', 'list', 'company', NULL)"
    database.owner.execute(text(of_none))
    database.commit()

    def shown() -> dict[str, set[int | None]]:
        read = text("SELECT workspace_pk FROM wellspring.audit")
        return {
            name: in_transaction(lambda transaction: set(transaction.execute(read).scalars()), who.scope)
            for name, who in scene.people.items()
        }

    ours = scene.workspaces["A"].pk
    services = {*database.owner.execute(text("SELECT pk FROM core_api.workspaces")).scalars(), None}
    as_role(database, READER)
    kept = {name: {ours} if name in {"owner of A", "admin of A"} else set() for name in scene.people}
    assert shown() == kept | {"service": services}
    database.owner.execute(text("UPDATE core_api.workspace_memberships SET role = 'owner'"))
    database.commit()
    assert shown() == {
        name: services if who.is_service else {scene.workspaces[of].pk for of in who.direct} | who.others
        for name, who in scene.people.items()
    }
    as_role(database, WRITER)
    assert not refused(lambda transaction: transaction.execute(text(of_none)), SERVICE_SCOPE)


@pytest.mark.parametrize("table", OF_FEED)
def test_everything_of_the_feed_is_for_services_and_for_the_feed_itself(scene: Scene, table: str) -> None:
    keep(scene)

    def kept(transaction: Transaction) -> int:
        return int(transaction.execute(text(f"SELECT count(*) FROM wellspring.{table}")).scalar_one())

    as_role(scene.world.database, READER)
    shown = {name: in_transaction(kept, who.scope) for name, who in scene.people.items()}
    assert shown == {name: int(who.is_service) for name, who in scene.people.items()}
    assert in_transaction(kept) == 0
    as_role(scene.world.database, FEEDER)
    assert in_transaction(kept) == 1


@of_each_role
def test_what_is_said_of_all_connectors_together_is_for_services(scene: Scene, role: Role) -> None:
    def kept(transaction: Transaction) -> int:
        return int(transaction.execute(text("SELECT count(*) FROM wellspring.fleet")).scalar_one())

    as_role(scene.world.database, role)
    shown = {name: in_transaction(kept, who.scope) for name, who in scene.people.items()}
    assert shown == {name: int(who.is_service) for name, who in scene.people.items()}
    assert in_transaction(kept) == 0


@pytest.mark.parametrize("table", [*TABLES, "sync_messages", "sync_runs"])
def test_an_export_sees_the_workspace_that_it_names_and_nothing_else(scene: Scene, table: str) -> None:
    keep(scene)
    database, tenant = scene.world.database, "SELECT workspace_pk FROM core_api"
    if table in PROVENANCE:
        record = resource_of(table.removesuffix("_workspace_connectors"))
        parents = {"workspace_connectors": "workspace_connector_pk", record.table: f"{record.type}_pk"}
        of = ", ".join(f"({tenant}.{parent} WHERE pk = ledger.{pk})" for parent, pk in parents.items())
    else:
        of = "workspace_pk"
    there = database.owner.execute(text(f"SELECT id, ARRAY[{of}] FROM {table_of(table)} AS ledger")).all()
    as_role(database, EXPORTER)
    # A tombstoned one, too.
    for workspace in (scene.workspaces["A"], scene.workspaces["D"]):
        expected = {id_ for id_, workspaces in there if {*workspaces} == {workspace.pk}}
        assert expected
        assert in_transaction(everything(table), export_scope(workspace.id)) == expected
    for scope in (None, SERVICE_SCOPE, PIPELINE_SCOPE, export_scope(uuid4()), scene.people["owner of A"].scope):
        assert in_transaction(everything(table), scope) == set()


@pytest.mark.parametrize("table", VIEWS)
def test_everything_in_a_view_of_parents_is_of_the_callers_workspaces(scene: Scene, table: str) -> None:
    column, database = VIEWS[table], scene.world.database
    there = database.owner.execute(text(f"SELECT pk, {column} FROM core_api.{table}"))
    rows: list[tuple[int, int]] = [(pk, workspace) for pk, workspace in there]
    gone = scene.workspaces["D"].pk
    read = text(f"SELECT pk FROM wellspring.{table}_of_caller")
    as_role(database, READER)
    for name, who in scene.people.items():
        of = who.direct if table == "workspace_memberships" else who.workspaces
        seen = {scene.workspaces[workspace].pk for workspace in of} | who.others
        if who.is_service:
            seen = {workspace for _, workspace in rows if workspace != gone or table == "workspaces"}

        def pks(transaction: Transaction) -> set[int]:
            return set(transaction.execute(read).scalars())

        expected = {pk for pk, workspace in rows if workspace in seen}
        assert (name, in_transaction(pks, who.scope)) == (name, expected)
        assert (name, in_transaction(listed(pks), who.scope)) == (name, expected)


@pytest.mark.parametrize("table", PROVENANCE)
def test_everything_that_is_newest_is_of_the_callers_live_connectors(scene: Scene, table: str) -> None:
    """When each brought its last live row, before any row that there is."""
    owner, ledger, type_ = scene.world.database.owner, table_of(table), table.removesuffix("_workspace_connectors")
    record: RecordType = next(known for known in scene.records if known == type_)
    noon = datetime(2026, 5, 10, 12, tzinfo=UTC)
    for hour, deleted_at in enumerate((None, noon, None)):
        at = noon + timedelta(hours=hour)
        scene.world.provenance(
            scene.records[record]["A"], scene.connectors["A"], created_at=at, deleted_at=deleted_at and at
        )
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
    as_role(scene.world.database, READER)
    for name, who in scene.people.items():
        seen = {scene.workspaces[workspace].pk for workspace in who.workspaces}
        for at in (*times, times[-1] + timedelta(seconds=1)):
            newest = {
                connector: max(made for _, other, made in live if other == connector and made < at)
                for workspace, connector, made in live
                if workspace in seen and made < at
            }

            def ask(
                transaction: Transaction, *, wanted: int | None = 1, before: datetime = at
            ) -> Mapping[int, datetime]:
                said = transaction.execute(asked, {"wanted": wanted, "at": before.isoformat()})
                return {row.connector_pk: row.newest_at for row in said}

            # Of many workspaces only what is left to the policies is listed.
            assert (name, in_transaction(ask, who.scope)) == (name, {} if who.others else newest)
            assert (name, in_transaction(listed(ask), who.scope)) == (name, newest)
            assert in_transaction(partial(ask, wanted=None), who.scope) == {}


def test_what_was_left_is_believed_of_its_own_caller_and_where_nothing_is_changed(scene: Scene) -> None:
    as_role(scene.world.database, READER)
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


@pytest.mark.parametrize("table", PROVENANCE)
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
    as_role(scene.world.database, READER)
    for name, who in scene.people.items():
        workspaces = scene.workspaces.keys() - {"D"} if who.is_service else who.workspaces

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

        def is_seen(pk: int, of: Mapping[int, tuple[UUID, str]], seen: Any = workspaces) -> bool:
            return of[pk][1] in seen

        ids = [id_ for id_, _ in there.values()]
        of_each = asked(f"rows_of_record('{type_}', '{records}', each, 100)", ids)
        for pk, (id_, _) in there.items():
            of_record = [row for row in rows if row[1] == pk and is_seen(pk, there)]
            # A dead row outlives its connector: of these there is one, whose connector is live.
            expected = [row[2] for row in of_record if is_seen(row[2], connectors)]
            assert (name, sorted(row[0] for row in of_each[id_])) == (name, sorted(expected))
        ids = [id_ for id_, _ in connectors.values()]
        of_each = asked(f"rows_of_connector('{type_}', '{records}', each, 100, NULL, NULL, false)", ids)
        told_of = asked(f"sole_of('{type_}', each, :pks)", ids, pks=list(there))
        for pk, (id_, _) in connectors.items():
            of_connector = [row for row in rows if row[2] == pk and row[3] and is_seen(pk, connectors)]
            expected = [row[1] if is_seen(row[1], there) else 0 for row in of_connector]
            assert (name, sorted(row[3] or 0 for row in of_each[id_])) == (name, sorted(expected))
            shared = {row[1] for row in rows if row[3] and row[2] != pk and is_seen(row[2], connectors)}
            alone = {row[1]: row[1] not in shared for row in of_connector}
            assert (name, {row[0]: row[2] for row in told_of[id_]}) == (name, alone)


# ---- writing -------------------------------------------------------------------------------------------
@of_each_ledger
def test_what_is_not_seen_is_not_changed(scene: Scene, resource: Resource) -> None:
    as_role(scene.world.database, WRITER)
    table = table_of(resource.table)
    for name, who in scene.people.items():
        unseen = {line.row.id for line in scene.of(resource.type)} - scene.seen(who, resource.type)
        changed = in_transaction(tombstone_everything(resource.table, table.c.id.in_(unseen)), who.scope)
        assert (name, changed) == (name, 0)


def test_without_a_scope_nothing_is_changed(scene: Scene) -> None:
    as_role(scene.world.database, WRITER)
    for table in TABLES:
        for scope in (None, ""):
            assert in_transaction(tombstone_everything(table), scope) == 0


def additions(scene: Scene, workspace: str, group: str = "G") -> Mapping[str, Insert]:
    """Return, for each table, the statement that adds a row of a workspace, with nothing that asks who may."""
    provenance = {
        f"{type_}_workspace_connectors": {
            f"{type_}_pk": records[workspace].pk,
            "workspace_connector_pk": scene.connectors[workspace].pk,
            "direction": "input",
        }
        for type_, records in scene.records.items()
    }
    enrolment = {
        "workspace_group_pk": scene.groups[group].pk,
        "workspace_pk": scene.workspaces[workspace].pk,
        # Tombstoned, so that it is a second one to nobody.
        "deleted_at": text("now()"),
    }
    choice = {
        "workspace_pk": scene.workspaces[workspace].pk,
        "provider_pk": scene.provider.pk,
        "deleted_at": text("now()"),
    }
    values = {**provenance, "workspace_group_workspaces": enrolment, "workspace_providers": choice}
    # Inline: what is returned would have to be seen, too.
    return {table: insert(table_of(table)).values(columns).inline() for table, columns in values.items()}


def who_may_add(scene: Scene, who: Who, workspace: str, group: str) -> set[str]:
    """Return the tables to which the policies let somebody add such a row; roles are not their matter."""
    found = set(PROVENANCE) if who.is_service else set()
    if group in who.groups and workspace in who.workspaces:
        found = found | {"workspace_group_workspaces"}
    if workspace in who.workspaces or (who.is_service and workspace != "D"):
        found = found | {"workspace_providers"}
    return found


@pytest.mark.parametrize(("workspace", "group"), ["AG", "BG", "CF", "DH"])
def test_a_row_is_added_by_those_it_concerns(scene: Scene, workspace: str, group: str) -> None:
    as_role(scene.world.database, WRITER)
    statements = additions(scene, workspace, group)
    added, expected = {}, {}
    for name, who in scene.people.items():
        added[name] = {
            table
            for table, statement in statements.items()
            if not refused(lambda transaction, made=statement: transaction.execute(made), who.scope)  # type: ignore[misc]
        }
        expected[name] = who_may_add(scene, who, workspace, group)
    assert added == expected


def test_without_a_scope_nothing_is_added(scene: Scene) -> None:
    as_role(scene.world.database, WRITER)
    for statement in additions(scene, "A").values():
        for scope in (None, ""):
            assert refused(lambda transaction, made=statement: transaction.execute(made), scope)  # type: ignore[misc]


@pytest.mark.parametrize("table", PROVENANCE)
def test_a_person_changes_no_provenance_they_see(scene: Scene, table: str) -> None:
    as_role(scene.world.database, WRITER)
    assert refused(tombstone_everything(table), scene.people["owner of A"].scope)
    assert in_transaction(tombstone_everything(table), SERVICE_SCOPE) > 0


def test_an_enrolment_that_is_seen_through_the_workspace_is_ended_and_not_changed(scene: Scene) -> None:
    as_role(scene.world.database, WRITER)
    table = table_of("workspace_group_workspaces")
    row = scene.row("workspace_group_workspace", "A")
    withdraw = tombstone_everything(table.name, table.c.id == row.id)
    touch = text(f"UPDATE core_api.{table.name} SET updated_at = now() WHERE id = '{row.id}'")
    assert refused(lambda transaction: transaction.execute(touch), scene.people["owner of A"].scope)
    assert in_transaction(withdraw, scene.people["foreigner"].scope) == 0
    found: list[int] = []
    for who in ("owner of A", "member of G"):
        assert not refused(lambda transaction: found.append(withdraw(transaction)), scene.people[who].scope)
    assert found == [1, 1]


def test_a_choice_of_another_workspace_is_not_overwritten(scene: Scene) -> None:
    as_role(scene.world.database, WRITER)
    table = table_of("workspace_providers")
    made = upsert(table).values(workspace_pk=scene.workspaces["A"].pk, provider_pk=scene.provider.pk)
    statement = made.on_conflict_do_update(
        index_elements=["workspace_pk", "provider_pk"],
        index_where=text("deleted_at IS NULL"),
        set_={"is_matched": True, "is_selected": True},
    )
    assert refused(lambda transaction: transaction.execute(statement), scene.people["foreigner"].scope)
    assert not refused(lambda transaction: transaction.execute(statement), scene.people["owner of A"].scope)


def test_nobody_changes_what_a_row_belongs_to(scene: Scene) -> None:
    as_role(scene.world.database, WRITER)
    for table, column in (
        ("company_workspace_connectors", "company_pk"),
        ("company_workspace_connectors", "workspace_connector_pk"),
        ("workspace_group_workspaces", "workspace_pk"),
        ("workspace_group_workspaces", "workspace_group_pk"),
        ("workspace_providers", "workspace_pk"),
    ):
        statement = update(table_of(table)).values({column: table_of(table).c[column]})
        for scope in (SERVICE_SCOPE, scene.people["owner of G"].scope):
            assert refused(lambda transaction, moved=statement: transaction.execute(moved), scope)  # type: ignore[misc]


def test_the_reader_writes_nothing(scene: Scene) -> None:
    as_role(scene.world.database, READER)
    for table, statement in additions(scene, "A").items():
        for scope in (SERVICE_SCOPE, scene.people["owner of G"].scope):
            assert refused(lambda transaction, made=statement: transaction.execute(made), scope)  # type: ignore[misc]
            assert refused(tombstone_everything(table), scope)


@of_each_role
class TestTheWaysAround:
    """What else shows rows, or tells something about them, to whoever can run SQL within a scope."""

    @of_each_ledger
    def test_a_copy_has_the_rows_that_are_seen(self, scene: Scene, resource: Resource, role: Role) -> None:
        as_role(scene.world.database, role)

        def copied(transaction: Transaction) -> set[UUID]:
            # The product's own cursor knows no COPY: pg8000's asks behind what begins the transaction.
            transaction.execute(text("SELECT 1"))
            rows, driver = io.BytesIO(), transaction.connection.driver_connection
            legacy.Cursor(driver).execute(f"COPY core_api.{resource.table} (id) TO STDOUT", stream=rows)
            return {UUID(line) for line in rows.getvalue().decode().split()}

        for name in ("foreigner", "owner of G", "service"):
            who = scene.people[name]
            assert (name, in_transaction(copied, who.scope)) == (name, scene.seen(who, resource.type))
        assert in_transaction(copied) == set()

    def test_policies_are_not_switched_off(self, scene: Scene, role: Role) -> None:
        as_role(scene.world.database, role)

        def read_without(transaction: Transaction, table: str) -> object:
            transaction.execute(text("SET LOCAL row_security = off"))
            return everything(table)(transaction)

        for table in TABLES:
            assert refused(partial(read_without, table=table), SERVICE_SCOPE)

    def test_a_condition_is_never_asked_of_a_row_that_is_not_seen(self, scene: Scene, role: Role) -> None:
        as_role(scene.world.database, role)
        # On the row in question it fails, and says so.
        fails = "SELECT count(*) FROM core_api.{} WHERE 1 / (CASE WHEN id = :id THEN 0 ELSE 1 END) = 1"
        stranger = scene.people["foreigner"]
        for resource in LEDGERS:
            ours, theirs = scene.row(resource.type, "A").id, scene.seen(stranger, resource.type)
            statement = text(fails.format(resource.table))

            def ask(transaction: Transaction, id_: UUID, statement: Executable = statement) -> object:
                return transaction.execute(statement, {"id": id_}).scalar_one()

            assert in_transaction(partial(ask, id_=ours), stranger.scope) == len(theirs)
            for id_ in theirs:
                with pytest.raises(WellspringError):
                    in_transaction(partial(ask, id_=id_), stranger.scope)

    def test_the_planners_statistics_hold_no_value_of_a_row(self, scene: Scene, role: Role) -> None:
        owner = scene.world.database.owner
        kept = text(
            "SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'core_api' AND tablename = ANY(:tables)"
        )
        for table in TABLES:
            owner.exec_driver_sql(f"ANALYZE core_api.{table}")

        def look(transaction: Transaction) -> set[str]:
            return set(transaction.execute(kept, {"tables": list(TABLES)}).scalars())

        assert look(owner) == set(TABLES)
        as_role(scene.world.database, role)
        assert in_transaction(look, SERVICE_SCOPE) == set()


def test_a_row_that_would_be_a_second_one_is_refused_before_that_is_noticed(scene: Scene) -> None:
    as_role(scene.world.database, WRITER)
    stranger = scene.people["foreigner"]
    for table, row in (
        ("workspace_providers", {"workspace_pk": scene.workspaces["A"].pk, "provider_pk": scene.provider.pk}),
        (
            "workspace_group_workspaces",
            {"workspace_group_pk": scene.groups["G"].pk, "workspace_pk": scene.workspaces["A"].pk},
        ),
    ):
        again = insert(table_of(table)).values(row).inline()
        assert refused(lambda transaction, made=again: transaction.execute(made), stranger.scope)  # type: ignore[misc]


class TestThePipeline:
    """What works for no caller ends rows whose parents are gone; beyond those it is a service like any other."""

    @pytest.mark.parametrize("table", KEPT)
    def test_of_a_queue_sees_all_that_is_kept_of_provenance(self, scene: Scene, table: str) -> None:
        keep(scene)
        as_role(scene.world.database, CONSUMER)
        there = connectors_of(table)(scene.world.database.owner)
        assert in_transaction(connectors_of(table), PIPELINE_SCOPE) == there
        for scope in (None, scene.people["owner of A"].scope):
            assert in_transaction(connectors_of(table), scope) == set()

    @of_each_ledger
    def test_sees_all_of_provenance_and_of_the_rest_what_a_service_sees(self, scene: Scene, resource: Resource) -> None:
        as_role(scene.world.database, WRITER)
        everywhere = {line.row.id for line in scene.of(resource.type)}
        of_service = scene.seen(scene.people["service"], resource.type)
        expected = everywhere if resource.table in OF_PIPELINE else of_service
        assert in_transaction(everything(resource.table), PIPELINE_SCOPE) == expected
        assert everywhere > of_service

    @of_each_ledger
    def test_of_the_reader_is_a_service_and_no_more(self, scene: Scene, resource: Resource) -> None:
        as_role(scene.world.database, READER)
        found = in_transaction(everything(resource.table), PIPELINE_SCOPE)
        assert found == scene.seen(scene.people["service"], resource.type)

    def test_ends_what_hangs_from_parents_that_are_gone(self, scene: Scene) -> None:
        as_role(scene.world.database, WRITER)
        for resource in LEDGERS:
            if resource.table in PROVENANCE:
                gone = {line.row.id for line in scene.of(resource.type)}
                gone -= scene.seen(scene.people["service"], resource.type)
                end = tombstone_everything(resource.table, table_of(resource.table).c.id.in_(gone))
                assert in_transaction(end, SERVICE_SCOPE) == 0
                assert in_transaction(end, PIPELINE_SCOPE) == len(gone) > 0

    def test_is_no_scope_that_a_caller_can_have(self, scene: Scene) -> None:
        for who in scene.people.values():
            assert who.scope != PIPELINE_SCOPE
        principal = principal_of(service("system:read", client_id=PIPELINE_SCOPE).claims, CallerSettings())
        assert scope_of(principal) == f"{SERVICE_SCOPE}:{PIPELINE_SCOPE}"


# ---- how long a scope lasts ----------------------------------------------------------------------------
class TestTheScope:
    """On one connection, as a pool hands it from one caller to the next."""

    @of_each_role
    @pytest.mark.parametrize("ends", ["commit", "rollback"])
    def test_ends_with_its_transaction(
        self, scene_database: FreshDatabase, fresh_scene: Scene, role: Role, ends: str
    ) -> None:
        resource, owner = LEDGERS[0], fresh_scene.people["owner of A"]
        for scope, expected in (
            (owner.scope, fresh_scene.seen(owner, resource.type)),
            (SERVICE_SCOPE, fresh_scene.seen(fresh_scene.people["service"], resource.type)),
        ):
            with scene_database.engine(role).connect() as session:
                enter(session, scope)
                assert everything(resource.table)(session) == expected
                getattr(session, ends)()
                assert everything(resource.table)(session) == set()
                assert session.execute(text("SELECT current_setting('wellspring.scope', true)")).scalar_one() in {
                    None,
                    "",
                }

    def test_ends_when_the_transaction_fails(self, scene_database: FreshDatabase, fresh_scene: Scene) -> None:
        resource = LEDGERS[0]

        def fail(transaction: Transaction) -> None:
            assert everything(resource.table)(transaction) != set()
            raise ValueError

        with pytest.raises(ValueError, match=r"^$"):
            in_transaction(fail, SERVICE_SCOPE)
        assert in_transaction(everything(resource.table)) == set()

    def test_is_the_last_that_was_entered(self, scene_database: FreshDatabase, fresh_scene: Scene) -> None:
        resource, stranger = LEDGERS[0], fresh_scene.people["foreigner"]
        with scene_database.engine(READER).connect() as session:
            for scope in (SERVICE_SCOPE, stranger.scope):
                enter(session, scope)
            assert everything(resource.table)(session) == fresh_scene.seen(stranger, resource.type)

    def test_of_a_session_is_not_seen_by_another(self, scene_database: FreshDatabase, fresh_scene: Scene) -> None:
        resource, engine = LEDGERS[0], scene_database.engine(READER)
        with engine.connect() as ours, engine.connect() as theirs:
            enter(ours, SERVICE_SCOPE)
            assert everything(resource.table)(theirs) == set()
            assert everything(resource.table)(ours) != set()


def test_a_cursors_place_is_a_number_and_nothing_else(scene: Scene) -> None:
    as_role(scene.world.database, READER)
    place = text("SELECT wellspring.place_of(:ledger, :id)")
    foreign = scene.row("workspace_provider", "B")

    def find(ledger: str, id_: UUID) -> object:
        values = {"ledger": ledger, "id": id_}
        return in_transaction(lambda transaction: transaction.execute(place, values).scalar_one())

    assert find("workspace_providers", foreign.id) == foreign.pk
    assert find("workspace_providers", uuid4()) is None
    # A name is a name, whatever it holds.
    with pytest.raises(WellspringError):
        find('workspace_providers" WHERE false; --', foreign.id)


# ---- what Postgres's catalogue says ---------------------------------------------------------------------
class TestTheCatalogue:
    """That the guard is there for whom it is meant, and cannot be walked around."""

    @pytest.fixture
    def rows(self, world: object, request: pytest.FixtureRequest) -> Callable[..., list[tuple[object, ...]]]:
        database: AnyDatabase = request.getfixturevalue("world").database
        return lambda sql, **values: [tuple(row) for row in database.owner.execute(text(sql), values)]

    def test_the_ledger_and_what_is_kept_of_it_are_guarded(self, rows: Callable[..., list[tuple[object, ...]]]) -> None:
        guarded = rows("SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relrowsecurity")
        kept = {("wellspring", table) for table in (*KEPT, *OF_FEED, "fleet", "idempotency_keys", "audit")}
        assert set(guarded) == {("core_api", table) for table in TABLES} | kept

    def test_one_policy_of_each_table_is_for_callers_and_one_for_what_works_for_no_caller(
        self, rows: Callable[..., list[tuple[object, ...]]]
    ) -> None:
        policies = rows(
            "SELECT tablename, permissive, cmd, roles::text[], qual IS NULL, with_check IS NULL FROM pg_policies"
        )
        of_callers: set[tuple[str, str, tuple[Role, ...], bool]] = {
            (table, "ALL", (CONSUMER, *ROLES) if table == "workspace_providers" else ROLES, False) for table in TABLES
        }
        of_pipeline: set[tuple[str, str, tuple[Role, ...], bool]] = {
            (table, "ALL", (CONSUMER, WRITER), True) for table in PROVENANCE
        }
        # Who sweeps what has ended is the consumer (revision 0003).
        of_pipeline |= {("workspace_providers", "ALL", (CONSUMER, WRITER), True)}
        # Who keeps a workspace withdraws it from a group that they are not in (revision 0003).
        of_pipeline |= {("workspace_group_workspaces", "UPDATE", (WRITER,), False)}
        of_callers |= {(table, "SELECT", ROLES, True) for table in (*KEPT, "fleet")}
        of_callers |= {("idempotency_keys", "ALL", (WRITER,), True)}
        of_pipeline |= {(table, "ALL", (CONSUMER,), True) for table in (*KEPT, "fleet")}
        of_feed: set[tuple[str, str, tuple[Role, ...], bool]]
        of_feed = {(table, "SELECT", (READER,), True) for table in OF_FEED}
        of_feed |= {(table, "ALL", (FEEDER,), True) for table in OF_FEED}
        # Whoever writes adds a row of the audit; only a reader is shown any (revision 0011).
        of_feed |= {("audit", "SELECT", (READER,), True)}
        of_export: set[tuple[str, str, tuple[Role, ...], bool]]
        of_export = {(table, "SELECT", (EXPORTER,), True) for table in (*TABLES, "sync_messages", "sync_runs")}
        expected = {
            (table, "PERMISSIVE", command, roles, False, same)
            for table, command, roles, same in of_callers | of_pipeline | of_feed | of_export
        }
        expected |= {("audit", "PERMISSIVE", "INSERT", (CONSUMER, FEEDER, WRITER), True, False)}
        assert {(*policy[:3], tuple(cast(Any, policy[3])), *policy[4:]) for policy in policies} == expected

    @of_each_role
    def test_a_role_can_walk_around_nothing(self, rows: Callable[..., list[tuple[object, ...]]], role: Role) -> None:
        ((bypasses, is_super, may_create_roles, inherits),) = rows(
            "SELECT rolbypassrls, rolsuper, rolcreaterole, rolinherit FROM pg_roles WHERE rolname = :role", role=role
        )
        assert (bypasses, is_super, may_create_roles, inherits) == (False, False, False, False)
        assert rows("SELECT roleid FROM pg_auth_members WHERE member = CAST(:role AS regrole)", role=role) == []
        assert rows("SELECT oid::regclass::text FROM pg_class WHERE relowner = CAST(:role AS regrole)", role=role) == []
        owned = "SELECT oid::regprocedure::text FROM pg_proc WHERE proowner = CAST(:role AS regrole)"
        assert rows(owned, role=role) == []
        for schema in ("core_api", "wellspring", "public"):
            may_create = rows("SELECT has_schema_privilege(:role, :schema, 'CREATE')", role=role, schema=schema)
            assert (schema, may_create) == (schema, [(False,)])

    @of_each_role
    def test_a_role_may_do_with_a_table_only_what_policies_are_asked_about(
        self, rows: Callable[..., list[tuple[object, ...]]], role: Role
    ) -> None:
        # None of these is.
        rights = ("TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN", "DELETE")
        held = rows(
            "SELECT pg_class.oid::regclass::text, privilege FROM pg_class, unnest(CAST(:rights AS text[])) AS privilege"
            " WHERE relnamespace::regnamespace::text IN ('core_api', 'wellspring') AND relkind IN ('r', 'p')"
            "   AND has_table_privilege(:role, pg_class.oid, privilege)",
            role=role,
            rights=list(rights),
        )
        assert held == []
        counters = rows(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE CASE WHEN relkind = 'S' THEN has_sequence_privilege(:role, oid, 'USAGE, SELECT, UPDATE') END",
            role=role,
        )
        assert counters == []

    def test_nothing_but_tables_shows_rows(self, rows: Callable[..., list[tuple[object, ...]]]) -> None:
        # A view reads with its owner's eyes, who is not bound; so does a rule, and a materialised view is a copy. Those
        # of callers hold the condition themselves (`VIEWS`).
        others = rows(
            "SELECT relname, relkind FROM pg_class WHERE relkind NOT IN ('r', 'i', 'S', 't')"
            "   AND relnamespace::regnamespace::text IN ('core_api', 'wellspring', 'public')"
        )
        assert set(others) == {
            *((f"{table}_of_caller", "v") for table in (*VIEWS, *KEPT_VIEWS, "workspace_group_memberships")),
            ("sync_inbox", "v"),
            ("sync_messages_of_caller", "v"),
        }
        # Of messages a view reads with its caller's own eyes.
        options = rows("SELECT reloptions FROM pg_class WHERE relname = 'sync_messages_of_caller'")
        assert options == [(["security_invoker=true"],)]
        # For consumers of the revision before, which know messages by nothing else; a message's id is of no tenant.
        columns = rows("SELECT attname FROM pg_attribute WHERE attrelid = 'wellspring.sync_inbox'::regclass")
        assert set(columns) == {("message_id",), ("processed_at",)}
        assert rows("SELECT has_table_privilege(:role, 'wellspring.sync_inbox', 'SELECT')", role=READER) == [(False,)]
        assert rows("SELECT rulename FROM pg_rules WHERE schemaname IN ('core_api', 'wellspring', 'public')") == []

    def test_a_function_that_runs_as_its_owner_finds_no_other_names(
        self, rows: Callable[..., list[tuple[object, ...]]]
    ) -> None:
        definers = rows(
            "SELECT proname, proconfig[1] FROM pg_proc WHERE prosecdef AND pronamespace IN"
            " (SELECT oid FROM pg_namespace WHERE nspname IN ('core_api', 'wellspring', 'public'))"
        )
        assert {name for name, _ in definers} == {
            *("groups_of_caller", "workspaces_of_caller", "direct_workspaces_of_caller", "place_of", "prune"),
            *("workspaces_left", "is_member_of", "sees_workspace", "leave_workspaces"),
            "keeps_workspace",
            *(f"newest_of_{table}" for table in PROVENANCE),
            *(
                "lock_connectors",
                "lock_group",
                "lock_person",
                "lock_connector_of",
                "recount",
                "recount_rows",
                "recount_sums",
                "recount_health",
                "mend_times",
                "judge",
                "judge_connector",
                "judge_connectors",
                "judge_new_connectors",
                "note_reading",
                "is_of_erased",
                *FORGETTING,
            ),
            *ANSWERING,
            *(f"add_up_{change}" for change in ("insert", "update", "delete")),
            *(f"emit_{name}" for name in ("message", "run", "health", "endings")),
            *(f"emit_{of}_after_{what}" for of in ("choices", "enrolments", "writes") for what in ("insert", "update")),
            "prune_outbox",
        }
        assert {config for _, config in definers} == {'search_path=""'}

    def test_a_function_is_run_by_those_who_need_it_and_nobody_else(
        self, rows: Callable[..., list[tuple[object, ...]]]
    ) -> None:
        # A trigger's is run by nobody.
        grants = rows(
            "SELECT proname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END"
            "  FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))"
            " WHERE pronamespace = 'wellspring'::regnamespace AND grantee <> proowner"
            "   AND prorettype <> 'trigger'::regtype"
        )
        needed = {
            **dict.fromkeys(("is_service", "is_pipeline", "caller"), (*ROLES, CONSUMER, FEEDER)),
            "enter": (*ROLES, CONSUMER, FEEDER, EXPORTER),
            **dict.fromkeys(("enter_within", "enter_emitting"), (*ROLES, CONSUMER, FEEDER, EXPORTER, PUBLISHER)),
            "prune_outbox": (PUBLISHER,),
            "exported": (EXPORTER,),
            **dict.fromkeys(("groups_of_caller", "workspaces_of_caller", "sees_workspace"), (*ROLES, CONSUMER)),
            **dict.fromkeys(
                (
                    *("direct_workspaces_of_caller", "is_member_of", "place_of", "workspaces_left"),
                    *(f"newest_of_{table}" for table in PROVENANCE),
                    *ANSWERING,
                ),
                ROLES,
            ),
            **dict.fromkeys(("keeps_workspace", "note_reading"), (READER,)),
            **dict.fromkeys(("lock_connector_of", "prune"), (WRITER, CONSUMER)),
            "lock_connectors": (WRITER, CONSUMER, FEEDER),
            **dict.fromkeys(("fold", "leave_ids", "leave_workspaces"), (*ROLES, CONSUMER, FEEDER)),
            **dict.fromkeys(("is_caller", "lock_group", "lock_person"), (WRITER,)),
            "shown_problems": (*ROLES, CONSUMER, EXPORTER),
            **dict.fromkeys(FORGETTING, (FEEDER,)),
            **dict.fromkeys(("said_in", "erased_in", "is_of_erased"), (CONSUMER, FEEDER)),
            **dict.fromkeys(("recount", "mend_times", "next_message", "lock_fed_types", "add_counts"), (CONSUMER,)),
            **dict.fromkeys(("without_people", "without_erased"), (CONSUMER,)),
            **dict.fromkeys(("add_syncs", "rhythm", "health_of", "judge_connectors"), (CONSUMER,)),
        }
        assert set(grants) == {(name, role) for name, roles in needed.items() for role in roles}
