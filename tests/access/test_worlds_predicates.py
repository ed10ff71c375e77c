"""The same with the queries' predicates alone, row-level security switched off; and proof that the model has teeth.

A file of its own, so that a worker of its own can run it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.access.exploring import compare, explore
from tests.access.mutants import forget_statements
from tests.access.worlds import OPERATIONS
from tests.support.databases import Database
from wellspring.access import predicates
from wellspring.access.predicates import Visibility
from wellspring.repositories.ledger import pages, rows
from wellspring.services.ledger import policies

pytestmark = pytest.mark.worlds
# Most of the bugs below are found in the first twenty worlds.
ENOUGH = 500

type Bug = Callable[[pytest.MonkeyPatch], None]


def test_whoever_asks_for_whatever_gets_the_models_answer_by_the_predicates_alone(database: Database) -> None:
    explore(database, row_level_security=False)


# ---- bugs that it must find ----------------------------------------------------------------------------
def _forgotten(condition: str, *names: str) -> Bug:
    """Return the bug that texts of the predicates lack a condition."""

    def introduce(patch: pytest.MonkeyPatch) -> None:
        for name in names:
            whole = getattr(predicates, name)
            assert condition in whole
            patch.setattr(predicates, name, whole.replace(condition, "true"))

    return introduce


def _nobody_is_asked(module: Any, name: str) -> Bug:
    """Return the bug that the statement which a function builds asks for no caller."""

    def introduce(patch: pytest.MonkeyPatch) -> None:
        build = getattr(module, name)

        def built(*arguments: Any, **options: Any) -> Any:
            with pytest.MonkeyPatch.context() as everything:
                for question in ("workspace", "group"):
                    everything.setattr(Visibility, question, lambda *_, **__: "true")
                return build(*arguments, **options)

        patch.setattr(module, name, built)

    return introduce


def _services_see_what_is_gone(patch: pytest.MonkeyPatch) -> None:
    asked = Visibility.workspace

    def answered(visible: Visibility, pk: str, *, leads: bool = False) -> str:
        return asked(visible, pk, leads=leads) if visible._person else "true"

    patch.setattr(Visibility, "workspace", answered)


def _anybody_keeps_a_group(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policies, "require_group_keeper", lambda _roles: None)
    patch.setattr(policies, "require_withdrawer", lambda _in_group, _in_workspace: None)


def _guests_choose(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policies, "require_selector", lambda _principal, _roles: None)


# Each with the operation that shows it.
BUGS: dict[str, tuple[str, Bug]] = {
    "a pending membership counts": ("list", _forgotten("membership.status = 'active'", "DIRECT")),
    "somebody who is gone still sees": ("list", _forgotten("caller.deleted_at IS NULL", "WHO")),
    "a tombstoned group opens its workspaces": ("list", _forgotten("team.deleted_at IS NULL", "GROUPS")),
    "a withdrawn enrolment opens its workspace": (
        "list",
        _forgotten("enrolment.deleted_at IS NULL", "ENROLLED", "SOME_OF_GROUPS"),
    ),
    "an invitation to a group shows it": ("list", _forgotten("membership.status = 'active'", "GROUPS")),
    "the connectors of a tombstoned workspace count": ("list", _services_see_what_is_gone),
    "a stranger is included": ("list", _nobody_is_asked(rows, "related_statement")),
    "the total counts foreign rows": ("list", _nobody_is_asked(pages, "_count_statement")),
    "any member keeps a group": ("delete", _anybody_keeps_a_group),
    "a guest chooses": ("update", _guests_choose),
}


@pytest.fixture
def introduced() -> Iterator[pytest.MonkeyPatch]:
    """What a bug is introduced with, so that no statement that was composed before or with it is sent."""
    forget_statements()
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    forget_statements()


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_is_found(database: Database, introduced: pytest.MonkeyPatch, name: str) -> None:
    operation, bug = BUGS[name]
    operations = [asked for asked in OPERATIONS if asked[0] == operation]
    bug(introduced)
    with pytest.raises(AssertionError, match="They do not agree") as found:
        compare(database, ENOUGH, row_level_security=False, operations=operations, shrink=False)
    # Not because some statement is no SQL any more.
    assert "INTERNAL_ERROR" not in str(found.value)
