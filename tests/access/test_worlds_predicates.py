"""The same with the queries' predicates alone, row-level security switched off; and proof that the model has teeth.

A file of its own, so that a worker of its own can run it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Select, Table, select, true
from sqlalchemy.sql.elements import BooleanClauseList
from sqlalchemy.sql.operators import and_

from tests.access.exploring import compare, explore
from tests.access.worlds import OPERATIONS
from tests.support.databases import Database
from wellspring.access import predicates
from wellspring.access.predicates import Visible
from wellspring.models import parents as models
from wellspring.repositories import parents
from wellspring.repositories.ledger import counts, includes, pages, single
from wellspring.services import policies

pytestmark = pytest.mark.worlds
# Most of the bugs below are found in the first twenty worlds.
ENOUGH = 500

type Bug = Callable[[pytest.MonkeyPatch], None]


def test_whoever_asks_for_whatever_gets_the_models_answer_by_the_predicates_alone(database: Database) -> None:
    explore(database, row_level_security=False)


# ---- bugs that it must find ----------------------------------------------------------------------------


def _forgotten(module: Any, name: str, condition: str) -> Bug:
    """Return the bug that the statement which a function builds lacks the conditions with these words in them."""

    def introduce(patch: pytest.MonkeyPatch) -> None:
        build = getattr(module, name)
        patch.setattr(module, name, lambda *arguments, **options: _without(build(*arguments, **options), condition))

    return introduce


def _forgotten_of(table: Table, name: str, condition: str) -> Bug:
    """Return the same bug of what a function of the predicates builds for one table."""

    def introduce(patch: pytest.MonkeyPatch) -> None:
        build = getattr(predicates, name)

        def built(of: Table, *arguments: Any) -> Select[Any]:
            statement = build(of, *arguments)
            return _without(statement, condition) if of is table else statement

        patch.setattr(predicates, name, built)

    return introduce


def _without(statement: Select[Any], condition: str) -> Select[Any]:
    where = statement.whereclause
    assert where is not None
    clauses = where.clauses if isinstance(where, BooleanClauseList) and where.operator is and_ else [where]
    kept = [clause for clause in clauses if condition not in str(clause)]
    return select(*statement.selected_columns).select_from(*statement.get_final_froms()).where(*kept)


def _nobody_is_asked(module: Any, name: str) -> Bug:
    """Return the bug that the statement which a function builds asks for no caller."""

    def introduce(patch: pytest.MonkeyPatch) -> None:
        build = getattr(module, name)

        def built(*arguments: Any, **options: Any) -> Select[Any]:
            with pytest.MonkeyPatch.context() as everything:
                for question in ("workspace", "group"):
                    everything.setattr(Visible, question, lambda *_, **__: true())
                statement: Select[Any] = build(*arguments, **options)
                return statement

        patch.setattr(module, name, built)

    return introduce


def _services_see_what_is_gone(patch: pytest.MonkeyPatch) -> None:
    asked = Visible.workspace

    def answered(visible: Visible, pk: ColumnElement[int], *, leads: bool = False) -> ColumnElement[bool]:
        return asked(visible, pk, leads=leads) if visible._person else true()

    patch.setattr(Visible, "workspace", answered)


def _anybody_keeps_a_group(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policies, "require_group_keeper", lambda _roles: None)
    patch.setattr(policies, "require_withdrawer", lambda _in_group, _in_workspace: None)


def _guests_choose(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policies, "require_selector", lambda _principal, _roles: None)


# Each with the operation that shows it.
BUGS: dict[str, tuple[str, Bug]] = {
    "a pending membership counts": ("list", _forgotten_of(models.workspace_memberships, "_held", ".status")),
    "somebody who is gone still sees": ("list", _forgotten(predicates, "_caller", "deleted_at")),
    "a tombstoned group opens its workspaces": ("list", _forgotten_of(models.workspace_groups, "_live", "deleted_at")),
    "a withdrawn enrolment opens its workspace": ("list", _forgotten(predicates, "_enrolled", "deleted_at")),
    "an invitation to a group shows it": (
        "list",
        _forgotten_of(models.workspace_group_memberships, "_held", ".status"),
    ),
    "the connectors of a tombstoned workspace count": ("list", _services_see_what_is_gone),
    "a stranger is included": ("list", _nobody_is_asked(includes, "related_statement")),
    "the total counts foreign rows": ("list", _nobody_is_asked(counts, "_count_statement")),
    "any member keeps a group": ("delete", _anybody_keeps_a_group),
    "a guest chooses": ("update", _guests_choose),
}


@contextmanager
def _introduced(bug: Bug) -> Iterator[None]:
    try:
        with pytest.MonkeyPatch.context() as patch:
            _forget_statements()
            bug(patch)
            yield
    finally:
        _forget_statements()


def _forget_statements() -> None:
    """Let all statements be composed anew."""
    for module in (counts, includes, pages, parents, single):
        for found in vars(module).values():
            if hasattr(found, "cache_clear"):
                found.cache_clear()


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_found(database: Database, name: str) -> None:
    operation, bug = BUGS[name]
    operations = [asked for asked in OPERATIONS if asked[0] == operation]
    with _introduced(bug), pytest.raises(AssertionError, match="They do not agree") as found:
        compare(database, ENOUGH, row_level_security=False, operations=operations, shrink=False)
    # Not because some statement is no SQL any more.
    assert "INTERNAL_ERROR" not in str(found.value)
