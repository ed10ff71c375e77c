"""The way up, the way down, and that both may be walked while others do the same."""

import subprocess
import sys

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from local.settings import ROOT
from migrations import run
from tests.schema.conftest import Catalogue
from tests.schema.everything import everything

ENROLMENTS = "core_api.workspace_group_workspaces"
OLD_UNIQUE = "workspace_group_workspaces_workspace_group_pk_wor_3c190_unique"
NEW_UNIQUE = "workspace_group_workspaces_group_workspace_active_unique"


migrated = pytest.mark.parametrize("empty_database", ["template"], indirect=True)


@migrated
def test_the_migrated_database_is_what_the_models_say(empty_database: str) -> None:
    run.check(empty_database)


@migrated
def test_down_leaves_nothing_and_up_again_makes_the_same(empty_database: str, look_into: Catalogue) -> None:
    first = everything(look_into)
    run.downgrade(empty_database, "base")
    assert look_into.tables() == set()
    assert look_into.tables("wellspring") <= {"alembic_version"}
    assert look_into.column("SELECT typname FROM pg_type WHERE typname = 'direction_enum'") == []
    run.upgrade(empty_database)
    assert everything(look_into) == first


@pytest.mark.long
def test_every_step_down_and_up_again_is_the_same(empty_database: str, look_into: Catalogue) -> None:
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    shapes = []
    for revision in revisions:
        run.upgrade(empty_database, revision)
        shapes.append(everything(look_into))
    for revision, before in zip(reversed(revisions[:-1]), reversed(shapes[:-1]), strict=True):
        run.downgrade(empty_database, revision)
        assert everything(look_into) == before


@migrated
def test_up_when_all_is_up_changes_nothing(empty_database: str, look_into: Catalogue) -> None:
    before = everything(look_into)
    run.upgrade(empty_database)
    assert everything(look_into) == before


def test_a_database_of_another_history_is_left_as_it_is(empty_database: str, look_into: Catalogue) -> None:
    run.upgrade(empty_database, "0001")
    look_into.connection.exec_driver_sql("UPDATE wellspring.alembic_version SET version_num = '0035x'")
    before = everything(look_into)
    with pytest.raises(run.OtherHistory, match="0035x"):
        run.upgrade(empty_database)
    assert everything(look_into) == before


class TestTheUniqueOfEnrolments:
    """The seed tells that it was unconditional once, and why that had to change."""

    def test_was_unconditional_at_first_became_one_of_the_live_rows_and_can_go_back(
        self, empty_database: str, look_into: Catalogue
    ) -> None:
        def indexes() -> dict[str, str]:
            return look_into.indexes(ENROLMENTS)

        run.upgrade(empty_database, "0001")
        assert look_into.constraints(ENROLMENTS, "u")[OLD_UNIQUE] == "UNIQUE (workspace_group_pk, workspace_pk)"
        assert NEW_UNIQUE not in indexes()
        run.upgrade(empty_database, "0002")
        assert OLD_UNIQUE not in look_into.constraints(ENROLMENTS, "u")
        assert OLD_UNIQUE not in indexes()
        assert indexes()[NEW_UNIQUE].endswith("WHERE (deleted_at IS NULL)")
        # While no pair was enrolled twice.
        run.downgrade(empty_database, "0001")
        assert OLD_UNIQUE in look_into.constraints(ENROLMENTS, "u")
        assert NEW_UNIQUE not in indexes()

    def test_is_built_anew_where_a_build_was_cut_short(self, empty_database: str, look_into: Catalogue) -> None:
        run.upgrade(empty_database, "0001")
        # What CREATE INDEX CONCURRENTLY leaves behind: the name is taken, the index is of no use.
        look_into.connection.exec_driver_sql(f"CREATE INDEX {NEW_UNIQUE} ON {ENROLMENTS} (pk)")
        look_into.connection.commit()
        run.upgrade(empty_database, "0002")
        assert look_into.indexes(ENROLMENTS)[NEW_UNIQUE].startswith("UNIQUE (workspace_group_pk, workspace_pk)")


@pytest.mark.long
def test_two_migrations_at_the_same_time_do_not_clash(empty_database: str, look_into: Catalogue) -> None:
    # In processes: Alembic keeps its context in module globals.
    program = "import sys; from migrations import run; run.upgrade(sys.argv[1])"
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, empty_database],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'shared'}"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        _, said = process.communicate(timeout=60)
        assert said == ""
        assert process.returncode == 0
    run.check(empty_database)
    assert len(look_into.column("SELECT version_num FROM wellspring.alembic_version")) == 1


@pytest.mark.long
def test_a_migration_gives_up_on_a_lock_rather_than_queue_the_service_behind_it(
    empty_database: str, look_into: Catalogue
) -> None:
    run.upgrade(empty_database, "0001")
    look_into.connection.exec_driver_sql(f"LOCK TABLE {ENROLMENTS} IN ACCESS SHARE MODE")
    with pytest.raises(DBAPIError, match=r"55P03|57014"):
        run.upgrade(empty_database, "0002")
    look_into.connection.rollback()
    assert OLD_UNIQUE in look_into.constraints(ENROLMENTS, "u")
    run.upgrade(empty_database)
    run.check(empty_database)
