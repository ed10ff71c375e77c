"""Reach of the worlds: agreement means nothing about what nobody asked for.

An outcome is who asked for which operation on which type, and what came of it, once more whoever asked; of a list also
which of its parameters left rows on the page, and what was included. Digits in pointers are an `N`.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import product

from tests.access.model import Answer, Caller, Create, Delete, List, Person, Request
from tests.access.worlds import PROVENANCE, READABLE, SERVED
from wellspring.resources import resource_of

type Outcome = tuple[str, str, str, str]

PERSON, SERVICE, ANYBODY = "person", "service", "anybody"
BOTH = (PERSON, SERVICE)


def outcomes(caller: Caller, request: Request, answer: Answer) -> Iterator[Outcome]:
    """Give what this request reached."""
    who = PERSON if isinstance(caller, Person) else SERVICE
    operation = type(request).__name__.lower()
    if isinstance(request, Create) and request.within:
        operation = "create by path"
    if isinstance(request, Delete) and request.pair is not None:
        operation = "delete by path"
    if answer.problems:
        # A problem that several parts of a document have is one.
        said = dict.fromkeys(re.sub(r"\d+", "N", " ".join(problem).strip()) for problem in answer.problems)
        for asker in (who, ANYBODY):
            yield asker, operation, request.type, f"{answer.status} {', '.join(said)}"
        return
    yield who, operation, request.type, str(answer.status)
    if isinstance(request, List):
        for row in answer.included or ():
            yield ANYBODY, operation, request.type, f"includes {row.type}"
        for parameter in _parameters(request, answer) if answer.rows else ():
            yield ANYBODY, operation, _kind(request.type), parameter


def _kind(type_: str) -> str:
    """Return what a type's lists are made of: those of provenance of the same, but for the filter on the record."""
    return "provenance" if type_ in PROVENANCE else type_


def _parameters(request: List, answer: Answer) -> Iterator[str]:
    yield f"{request.deleted} deleted"
    yield f"sort {'-' if request.descending else ''}{request.sort}"
    yield from (f"filter {name}" for name, _ in (*request.related, *request.equal))
    if request.workspaces:
        yield "filter workspace"
    if request.since:
        yield "filter created_at"
    if request.within:
        yield "by path"
    if request.cursor:
        yield "before a cursor" if request.backward else "after a cursor"
    if request.total:
        yield "total"
    if answer.before and answer.after:
        yield "pages on both sides"


def wanted() -> set[Outcome]:
    """Return what must have been reached, refusals as contract section 3 and 4 have them."""
    return {*_reading(), *_lists(), *_writes()}


def _reading() -> Iterator[Outcome]:
    for type_ in READABLE:
        for who in BOTH:
            yield who, "list", type_, "200"
            yield who, "retrieve", type_, "200"
            yield who, "retrieve", type_, f"404 {type_.upper()}_NOT_FOUND"
        yield SERVICE, "list", type_, "403 FORBIDDEN"
        yield SERVICE, "retrieve", type_, "403 FORBIDDEN"
        if type_ != "workspace_group":
            yield ANYBODY, "list", type_, "403 FORBIDDEN parameter filter[workspace]"
    for who in BOTH:
        yield who, "list", "workspace_provider", "404 WORKSPACE_NOT_FOUND"


def _lists() -> Iterator[Outcome]:
    for type_ in READABLE:
        resource = resource_of(type_)
        parameters = [f"sort {sort}" for sort in ("created_at", "-created_at", "updated_at", "-updated_at")]
        parameters += ["before a cursor", "after a cursor", "total", "filter created_at"]
        parameters += ["exclude deleted", "include deleted"]
        # A tombstoned group has no members, and nobody has many.
        parameters += [] if type_ == "workspace_group" else ["only deleted", "pages on both sides"]
        parameters += [f"filter {relationship.name}" for relationship in resource.parents]
        parameters += ["by path", "filter is_selected", "filter is_matched"] if type_ == "workspace_provider" else []
        parameters += ["filter direction", "filter workspace"] if type_ in PROVENANCE else []
        for parameter in parameters:
            yield ANYBODY, "list", _kind(type_), parameter
        # No message is behind a row of these worlds.
        messages = {trace.name for trace in resource.traces}
        for path in sorted(set(resource.includes) - messages):
            target = resource
            for name in path.split("."):
                relationship = target.relationship(name)
                assert relationship is not None
                target = resource_of(relationship.target)
            yield ANYBODY, "list", type_, f"includes {target.type}"


def _writes() -> Iterator[Outcome]:
    for askers, operations, types, refusals in WRITES:
        yield from product(askers, operations, types, refusals)
    for type_ in PROVENANCE:
        record = type_.removesuffix("_workspace_connector")
        missing = [f"{name.upper()}_NOT_FOUND {_at(name)}" for name in (record, "workspace_connector")]
        for refusal in (*missing, ", ".join(missing)):
            yield SERVICE, "create", type_, f"404 {refusal}"
        for operation in ("update", "delete"):
            yield SERVICE, operation, type_, f"404 {type_.upper()}_NOT_FOUND"


def _at(name: str) -> str:
    return f"pointer /data/relationships/{name}/data/id"


MADE, GONE = ("create", "create by path"), ("delete", "delete by path")
ENROLMENT, CHOICE, GROUP = ([type_] for type_ in (*SERVED, READABLE[-1]))
SELECTED, MATCHED = (f"pointer /data/attributes/{name}" for name in ("is_selected", "is_matched"))
NO_WORKSPACE, NO_GROUP, NO_PROVIDER = (
    f"{name.upper()}_NOT_FOUND {_at(name)}" for name in ("workspace", "workspace_group", "provider")
)
OF_SEVERAL = _at("workspaces").replace("data/id", "data/N/id")
EXISTS = "WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS"
# Who does what to which types, and each of what comes of it.
WRITES: Sequence[tuple[Sequence[str], Sequence[str], Sequence[str], Sequence[str]]] = (
    (BOTH, ["create", "update", "delete"], PROVENANCE, ["403 FORBIDDEN"]),
    ([SERVICE], ["create"], PROVENANCE, ["201", "409 TENANT_MISMATCH pointer /data/relationships"]),
    ([SERVICE], ["update"], PROVENANCE, ["200"]),
    ([SERVICE], ["delete"], PROVENANCE, ["204"]),
    (BOTH, [*MADE, "update", *GONE], ENROLMENT, ["403 FORBIDDEN"]),
    ([PERSON], MADE, ENROLMENT, ["201", f"403 FORBIDDEN {_at('workspace')}", f"404 {NO_WORKSPACE}", f"409 {EXISTS}"]),
    ([PERSON], ["create"], ENROLMENT, [f"404 {NO_GROUP}", f"404 {NO_GROUP}, {NO_WORKSPACE}"]),
    ([PERSON], ["create by path"], ENROLMENT, ["404 WORKSPACE_GROUP_NOT_FOUND"]),
    ([PERSON], GONE, ENROLMENT, ["204", "404 WORKSPACE_GROUP_WORKSPACE_NOT_FOUND"]),
    (BOTH, MADE, CHOICE, ["201", "200", "403 FORBIDDEN", f"404 {NO_PROVIDER}"]),
    (BOTH, ["create"], CHOICE, [f"404 {NO_WORKSPACE}"]),
    (BOTH, ["create by path"], CHOICE, ["404 WORKSPACE_NOT_FOUND"]),
    (BOTH, ["update"], CHOICE, ["200", "403 FORBIDDEN", "404 WORKSPACE_PROVIDER_NOT_FOUND"]),
    ([ANYBODY], [*MADE, "update"], CHOICE, [f"409 CONFLICT {MATCHED}"]),
    ([SERVICE], [*MADE, "update"], CHOICE, [f"403 FORBIDDEN {SELECTED}"]),
    (BOTH, GONE, CHOICE, ["403 FORBIDDEN"]),
    ([PERSON], GONE, CHOICE, ["204", "404 WORKSPACE_PROVIDER_NOT_FOUND"]),
    # Also of somebody whom the platform does not know.
    (BOTH, ["create"], GROUP, ["403 FORBIDDEN"]),
    ([PERSON], ["create"], GROUP, ["201", f"403 FORBIDDEN {OF_SEVERAL}", f"404 WORKSPACE_NOT_FOUND {OF_SEVERAL}"]),
)
