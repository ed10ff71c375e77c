"""Worlds in which product and model are compared: what `test_worlds` and `test_worlds_predicates` share.

Agreement means nothing about what nobody asked for, so what was reached is counted too: who got which status for which
operation on which type, where problems pointed, and which parameters left rows on a page.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from itertools import product
from typing import Any

import pg8000.legacy
import pytest

from tests.access.model import Answer, Caller, Create, Delete, List, Person, Request
from tests.access.stage import Stage
from tests.access.worlds import OBJECTS, OPERATIONS, PROVENANCE, READABLE, Story, stories, worlds
from tests.support.databases import Database
from wellspring.observability import logger
from wellspring.resources import resource_of

WORLDS = 1000
# How many times so many, where something was not asked for.
MORE = 3

type Outcome = tuple[str, ...]

BOTH, ANYBODY = ("person", "service"), "anybody"
MADE, GONE = ("create", "create by path"), ("delete", "delete by path")
ENROLMENT, CHOICE, GROUP = ("workspace_group_workspace",), ("workspace_provider",), ("workspace_group",)
# Who does what to which types, and the statuses of what comes of it (contract, sections 3 and 4).
STATUSES: Sequence[tuple[Sequence[str], Sequence[str], Sequence[str], str]] = (
    (BOTH, ["list"], READABLE, "200"),
    ([ANYBODY], ["list"], OBJECTS, "403 filter[workspace]"),
    (["service"], ["list", "retrieve"], READABLE, "403"),
    (BOTH, ["list"], CHOICE, "404"),
    (BOTH, ["retrieve"], READABLE, "200 404"),
    (BOTH, ["create", "update", "delete"], PROVENANCE, "403"),
    (["service"], ["create"], PROVENANCE, "201 404 409"),
    (["service"], ["update"], PROVENANCE, "200 404"),
    (["service"], ["delete"], PROVENANCE, "204 404"),
    (BOTH, [*MADE, "update", *GONE], ENROLMENT, "403"),
    (["person"], MADE, ENROLMENT, "201 404 409"),
    (["person"], GONE, ENROLMENT, "204 404"),
    (BOTH, MADE, CHOICE, "200 201 403 404"),
    (BOTH, ["update"], CHOICE, "200 403 404"),
    ([ANYBODY], [*MADE, "update"], CHOICE, "409"),
    (BOTH, GONE, CHOICE, "403"),
    (["person"], GONE, CHOICE, "204 404"),
    # Also of somebody whom the platform does not know.
    (BOTH, ["create"], GROUP, "403"),
    (["person"], ["create"], GROUP, "201 404"),
)
# Where the problems of a write point, by its type; digits are an N.
POINTERS = {
    **{type_: ["relationships", "attributes/deleted_at"] for type_ in PROVENANCE},
    "workspace_provider": ["attributes/is_selected", "attributes/is_matched"],
    "workspace_group": ["relationships/workspaces/data/N/id"],
}


def explore(database: Database, *, row_level_security: bool) -> None:
    """Compare product and model in a thousand worlds, and see that all there is was asked for."""
    missing = {*_statuses(), *_pointers(), *_lists()}
    for more in range(MORE):
        # What is rare is not drawn in every thousand worlds.
        missing -= compare(database, WORLDS, row_level_security=row_level_security, more=more)
        if not missing:
            return
    pytest.fail(f"Never reached with this seed in {MORE * WORLDS} worlds or more: {sorted(missing)}")


def compare(
    database: Database,
    count: int,
    *,
    row_level_security: bool,
    operations: Sequence[tuple[str, str]] = OPERATIONS,
    shrink: bool = True,
    more: int = 0,
) -> set[Outcome]:
    """Compare product and model in so many worlds; return what was reached."""
    stage = Stage(database, row_level_security=row_level_security)
    reached: set[Outcome] = set()

    @worlds(stories(stage.now, operations), count, others=int(row_level_security) + 2 * more, shrink=shrink)
    def check(story: Story) -> None:
        with stage.set(story.world):
            for caller, request in story.asked:
                reached.update(_outcomes(caller, request, stage.compare(story.world, caller, request)))
            # Also what refused requests and lists should have left alone.
            stage.compare_tables(story.world)

    with quiet(), _reading_statements_once():
        check()
    return reached


# ---- what was reached, and what must be ----------------------------------------------------------------
def _outcomes(caller: Caller, request: Request, answer: Answer) -> Iterator[Outcome]:
    operation, type_ = type(request).__name__.lower(), request.type
    if isinstance(request, Create | Delete) and (request.within if isinstance(request, Create) else request.pair):
        operation += " by path"
    for who in ("person" if isinstance(caller, Person) else "service", ANYBODY):
        yield who, operation, type_, str(answer.status)
    for _, where in answer.problems:
        yield type_, re.sub(r"\d+", "N", where)
        yield ANYBODY, operation, type_, f"{answer.status} {where.removeprefix('parameter ')}"
    if isinstance(request, List):
        yield from ((type_, "includes", row.type) for row in answer.included or ())
        # What a type's lists are made of: those of provenance of the same.
        yield from ((_kind(type_), *said) for said in _parameters(request, answer) if answer.rows)


def _parameters(request: List, answer: Answer) -> Iterator[Outcome]:
    said = {each.name: getattr(request, each.name) for each in fields(request)}
    yield "sort", request.sort, str(request.descending)
    yield "deleted", request.deleted
    yield from (("filter", name) for name, _ in (*request.related, *request.equal))
    yield from ((name,) for name in ("workspaces", "since", "within", "total") if said[name])
    yield from [("cursor", str(request.backward))] if request.cursor else []
    yield from [("pages on both sides",)] if answer.before and answer.after else []


def _kind(type_: str) -> str:
    return "provenance" if type_ in PROVENANCE else type_


def _statuses() -> Iterator[Outcome]:
    for askers, operations, types, statuses in STATUSES:
        said = [statuses] if "[" in statuses else statuses.split()
        yield from product(askers, operations, types, said)


def _pointers() -> Iterator[Outcome]:
    for type_ in OBJECTS:
        parents = [parent.name for parent in resource_of(type_).parents if parent.written == "create"]
        yield from ((type_, f"pointer /data/relationships/{name}/data/id") for name in parents)
    yield from ((type_, f"pointer /data/{where}") for type_, places in POINTERS.items() for where in places)


def _lists() -> Iterator[Outcome]:
    for type_ in READABLE:
        resource, kind = resource_of(type_), _kind(type_)
        yield from ((kind, "sort", *said) for said in product(("created_at", "updated_at"), ("True", "False")))
        yield from ((kind, "cursor", backward) for backward in ("True", "False"))
        filters = [parent.name for parent in resource.parents if parent.name != "workspace"]
        filters += [said.name for said in resource.attributes if said.kind in {"boolean", "direction"}]
        yield from ((kind, "filter", name) for name in filters)
        yield from ((kind, "deleted", which) for which in ("exclude", "include"))
        yield from ((kind, name) for name in ("total", "since"))
        # A tombstoned group has no members, and nobody has many; its workspaces are no filter.
        if type_ != "workspace_group":
            yield from ((kind, "deleted", "only"), (kind, "pages on both sides"), (kind, "workspaces"))
        yield from [(kind, "within")] if type_ == "workspace_provider" else []
        # No message is behind a row of these worlds.
        for path in sorted({*resource.includes} - {trace.name for trace in resource.traces}):
            target = resource
            for name in path.split("."):
                relationship = target.relationship(name)
                assert relationship is not None
                target = resource_of(relationship.target)
            yield type_, "includes", target.type


# ---- how they run --------------------------------------------------------------------------------------
@contextmanager
def quiet() -> Iterator[None]:
    """Keep the lines of ten thousand answers out of a failure's report."""
    level = logger.log_level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _reading_statements_once() -> Iterator[None]:
    """Let pg8000 look for the parameters in a statement once: it goes through it letter by letter, for long."""
    real = pg8000.legacy.convert_paramstyle

    @cache
    def converted(style: str, statement: str) -> str:
        return str(real(style, statement, ())[0])

    def convert(style: str, statement: str, values: Any) -> tuple[str, Any]:
        return converted(style, statement), values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pg8000.legacy, "convert_paramstyle", convert)
        yield
