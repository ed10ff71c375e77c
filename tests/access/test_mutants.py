"""Completeness of `tests.access.mutations`: what comes to the database asks for the caller, or says why not."""

import ast
import re

from tests.access.mutants import (
    ASKS_FOR_ITS_CALLER,
    EQUIVALENT,
    MODULES,
    NO_CONDITION,
    TABLES,
    behind_doors,
    doors,
    functions,
    marks,
    mutants,
    policies,
    sites,
    sql_functions,
    within_functions,
)
from tests.support.databases import Database

NAMES = {name for module in MODULES for name, _ in functions(module)}


def test_every_door_to_the_database_asks_or_is_marked_with_a_reason_not_to() -> None:
    assert [name for name, asks, mark in doors() if asks == bool(mark)] == []
    assert {mark for _, _, mark in doors() if mark} == marks()


def test_every_statement_is_behind_a_door() -> None:
    hidden = {
        name
        for module in MODULES
        for name, function in functions(module)
        if re.search(r"\.execute\(|\btogether\(", ast.unparse(function)) and name not in behind_doors()
    }
    assert hidden == set()


def test_every_question_is_taken_away_once() -> None:
    wanted = {f"{site} asks for no {question}" for site, questions in sites().items() for question in questions}
    assert len(wanted) > 10
    assert wanted <= {mutant.name for mutant in mutants()} | EQUIVALENT


def test_every_condition_of_a_text_is_in_one_that_is_taken_away() -> None:
    """A text within a function would be left as it is."""
    lists = [module for module in MODULES if ".ledger." in module.__name__]
    assert len(lists) > 6
    assert [name for module in lists for name in within_functions(module)] == []


def test_every_policy_is_dropped_once(database: Database) -> None:
    found = database.owner.exec_driver_sql("SELECT schemaname || '.' || tablename, policyname FROM pg_policies").all()
    assert {(policy.table, policy.name) for policy in policies()} == {tuple(row) for row in found}
    assert {f"core_api.{table}" for table in TABLES} <= {policy.table for policy in policies()}
    dropped = {statement for mutant in mutants() for statement in mutant.sql if statement.startswith("DROP POLICY")}
    assert dropped == {f"DROP POLICY {name} ON {table}" for table, name in found}


def test_every_function_of_the_policies_is_found(database: Database) -> None:
    """What a revision replaced is known as it is now."""
    names = database.owner.exec_driver_sql(
        "SELECT proname FROM pg_proc WHERE pronamespace = CAST('wellspring' AS regnamespace)"
    ).scalars()
    assert {signature.partition("(")[0] for signature in sql_functions()} == set(names)
    assert "'pipeline'" in sql_functions()["is_service()"]


def test_every_exception_is_of_something_that_is_there() -> None:
    assert {ASKS_FOR_ITS_CALLER, *NO_CONDITION} <= NAMES
    assert {mutant.name for mutant in mutants(with_equivalent=True)} >= EQUIVALENT
