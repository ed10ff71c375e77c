"""The server-side plan cache: the same answers, by a call in the place of the text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from migrations.run import make_functions
from tests.support.api import call, draft, get
from tests.support.databases import CONSUMER, FreshDatabase, engine_for
from tests.support.databases import READER as READER_ROLE
from tests.support.tenants import Tenant
from tests.support.transactions import enter
from tests.support.wire import noted_on_the_wire
from tests.support.world import Row
from wellspring.database import Compiled
from wellspring.database import engine as engines
from wellspring.database.pipeline import Part, PipelinedConnection
from wellspring.database.session import WireStatement
from wellspring.plan_cache import FUNCTIONS, SCHEMA, name_of
from wellspring.repositories.ledger.hot import hot_statements
from wellspring.repositories.sync import hot as syncing

COMPANIES = "/v1/company-workspace-connectors"
INCLUDES = "include=company,workspace_connector,workspace_connector.connector"
OF_THE_QUEUE = {said for said, _ in syncing.hot_statements()}
OF_THE_CACHE = f"FROM pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace ORDER BY proname"
# What a server connection may need beyond today's, with all of them called.
MOST_MEBIBYTES = 12


@pytest.fixture(autouse=True)
def swapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """On, also where the other tests run without."""
    monkeypatch.setattr(engines, "USES_PLAN_CACHE", True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the driver is given to send, in this test."""
    return noted_on_the_wire(monkeypatch)


def calls(sent: list[str]) -> int:
    return sum(f"FROM {SCHEMA}.q_" in statement for statement in sent)


def documents(ours: Tenant) -> list[Any]:
    """Return what is answered to three reads."""
    replies = [get(f"{COMPANIES}{of}", ours.caller) for of in (f"/{ours.provenance.id}", "", f"?{INCLUDES}")]
    assert {reply.status for reply in replies} == {200}
    return [reply.document for reply in replies]


def call_of(statement: str, values: Sequence[object]) -> str:
    return f"SELECT * FROM {SCHEMA}.{name_of(statement)}({', '.join(['%s'] * len(values))})"


def test_a_read_is_a_call_and_answers_as_its_text_does(
    fresh_database: FreshDatabase, ours: Tenant, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_call = documents(ours)
    assert calls(sent) == 6
    sent.clear()
    fresh_database.engine("wellspring_reader").dispose()
    fresh_database._engines.clear()
    monkeypatch.setattr(engines, "USES_PLAN_CACHE", False)
    by_text = documents(ours)
    assert calls(sent) == 0
    assert by_call == by_text


def test_what_is_no_function_goes_as_it_is(fresh_database: FreshDatabase, ours: Tenant, sent: list[str]) -> None:
    assert get(f"{COMPANIES}?sort=updated_at", ours.caller).ids == [ours.provenance.id]
    assert calls(sent) == 0


def test_the_policies_bind_a_call(fresh_database: FreshDatabase, ours: Tenant, theirs: Tenant) -> None:
    """A forgotten predicate shows nothing: called with the parameters of one, in the scope of another."""
    compiled = dict(hot_statements())["retrieve company_workspace_connector"]
    assert name_of(compiled.text) in named(fresh_database)
    values = compiled.values({"caller_id": theirs.owner.id, "id_eq": theirs.provenance.id})
    with fresh_database.engine("wellspring_reader").connect() as session:
        for scope, rows in ((theirs.caller.scope, 1), (ours.caller.scope, 0), ("", 0)):
            enter(session, scope)
            assert len(session.exec_driver_sql(call_of(compiled.text, values), values).all()) == rows
            session.rollback()


def named(database: FreshDatabase) -> dict[str, str]:
    """Return what is said of each function, by its name."""
    found = database.owner.exec_driver_sql(f"SELECT proname, obj_description(oid, 'pg_proc') {OF_THE_CACHE}").all()
    database.owner.rollback()
    return {row[0]: row[1] for row in found}


def test_one_that_has_gone_is_asked_for_as_text(fresh_database: FreshDatabase, ours: Tenant, sent: list[str]) -> None:
    before = documents(ours)
    owner = fresh_database.owner
    for name in named(fresh_database):
        owner.exec_driver_sql(f"DROP FUNCTION {SCHEMA}.{name}")
    owner.commit()
    sent.clear()
    assert documents(ours) == before
    assert calls(sent) == 1
    sent.clear()
    assert documents(ours) == before
    assert calls(sent) == 0


def test_a_request_is_answered_also_when_the_question_for_the_functions_is_ended(
    fresh_database: FreshDatabase, ours: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody cancels the first statement of an environment: it is not the caller's, and it ends a transaction."""
    cancelled: list[str] = []
    part = PipelinedConnection.part

    def cancel_first(connection: PipelinedConnection, statement: WireStatement, **options: Any) -> Part:
        if statement.text == FUNCTIONS and not cancelled:
            cancelled.append(statement.text)
            statement = WireStatement("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5)")
        return part(connection, statement, **options)

    monkeypatch.setattr(PipelinedConnection, "part", cancel_first)
    documents(ours)
    assert cancelled
    cancelled.clear()
    document = draft("workspace_group", {"name": "Harbour Partners"})
    assert call("POST", "/v1/workspace-groups", ours.caller, document).status == 201
    assert cancelled


def test_a_change_of_the_schema_is_no_error(fresh_database: FreshDatabase, ours: Tenant, sent: list[str]) -> None:
    before = documents(ours)
    fresh_database.owner.exec_driver_sql("ALTER TABLE core_api.companies ADD COLUMN note text; ANALYZE")
    fresh_database.commit()
    sent.clear()
    assert documents(ours) == before
    assert calls(sent) == 6


def everything() -> list[tuple[str, Compiled]]:
    """What the database plans once: what is read, and what the sync queue sends."""
    return [*hot_statements(), *syncing.hot_statements()]


def test_there_are_no_more_than_forty_and_each_is_its_callers(fresh_database: FreshDatabase) -> None:
    rows = fresh_database.owner.execute(
        text(
            "SELECT proname, obj_description(oid, 'pg_proc') AS said, prosecdef, provolatile::text,"
            "       proparallel::text, proconfig,"
            "       (SELECT array_agg(grantee::regrole::text ORDER BY 1) FROM aclexplode(proacl)"
            f"         WHERE grantee <> proowner) AS callers {OF_THE_CACHE}"
        )
    ).all()
    assert 20 <= len(rows) <= 40
    assert len(rows) == len(everything())
    for row in rows:
        # What writes sees what was written before it in its transaction, by a snapshot of its own.
        is_of_the_queue = row.said in OF_THE_QUEUE
        assert (row.prosecdef, row.provolatile, row.proparallel) == (False, "v" if is_of_the_queue else "s", "u")
        never = [f"enable_{way}=off" for way in ("bitmapscan", "hashjoin", "mergejoin", "seqscan")]
        assert sorted(row.proconfig) == [*never, "plan_cache_mode=force_generic_plan", 'search_path=""']
        readers = ["wellspring_reader", "wellspring_writer"]
        assert row.callers == (["wellspring_consumer"] if is_of_the_queue else readers)


def test_what_a_release_does_not_know_goes_when_it_has_not_been_known_for_a_day(fresh_database: FreshDatabase) -> None:
    owner, known = fresh_database.owner, named(fresh_database)
    owner.exec_driver_sql(f"CREATE FUNCTION {SCHEMA}.q_old() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    owner.commit()
    for _ in range(2):
        make_functions(owner)
        owner.commit()
        assert named(fresh_database)["q_old"].startswith("unused since ")
    # And one that this release knows again.
    for name in ("q_old()", next(iter(known))):
        owner.exec_driver_sql(f"COMMENT ON FUNCTION {SCHEMA}.{name} IS 'unused since 2026-01-01 00:00:00+00'")
    make_functions(owner)
    owner.commit()
    assert named(fresh_database) == known
    assert len(known) == len(everything())


def test_a_server_connection_that_has_called_them_all_keeps_little(fresh_database: FreshDatabase, ours: Tenant) -> None:
    """Beside one that has sent their texts: what is kept is plans."""
    kept = {}
    for swapped in (False, True):
        engine = engine_for(fresh_database.url, user="wellspring_reader")
        with engine.connect() as session:
            for _, statement in hot_statements():
                values = _values(statement, ours.owner)
                enter(session, ours.caller.scope)
                text_of = call_of(statement.text, values) if swapped else statement.text
                session.exec_driver_sql(text_of, values).all()
                session.rollback()
            pid = session.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            status = Path(f"/proc/{pid}/status").read_text()
            kept[swapped] = int(status.partition("RssAnon:")[2].split()[0]) / 1024
        engine.dispose()
    assert kept[True] - kept[False] <= MOST_MEBIBYTES, kept


def _values(statement: Compiled, member: Row) -> tuple[object, ...]:
    known: dict[str, object] = {"caller_id": member.id, "rows": 21, "ids": [member.id], "id_eq": member.id}
    return statement.values({**known, "cursor_pk": member.pk, "cursor_at": "2026-05-10T12:00:00Z"})


def test_a_role_is_told_of_what_it_may_call_alone(fresh_database: FreshDatabase) -> None:
    of_the_queue = {name for name, said in named(fresh_database).items() if said in OF_THE_QUEUE}
    for role, told in ((CONSUMER, of_the_queue), (READER_ROLE, named(fresh_database).keys() - of_the_queue)):
        with fresh_database.engine(role).connect() as session:
            assert {*session.exec_driver_sql(FUNCTIONS).scalars()} == told
