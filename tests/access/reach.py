"""Reach of the worlds: agreement means nothing about what nobody asked for.

An outcome is who asked for which operation on which type, and what came of it, once more whoever asked; of a list also
which of its parameters left rows on the page, and what was included. Digits in pointers are an `N`.
"""

import re
from collections.abc import Iterator

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
    return {*_reading(), *_lists(), *_provenance(), *_enrolments(), *_choices(), *_groups()}


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


def _provenance() -> Iterator[Outcome]:
    for type_ in PROVENANCE:
        for operation in ("create", "update", "delete"):
            yield PERSON, operation, type_, "403 FORBIDDEN"
            yield SERVICE, operation, type_, "403 FORBIDDEN"
        record = type_.removesuffix("_workspace_connector")
        missing = [
            f"{name.upper()}_NOT_FOUND pointer /data/relationships/{name}/data/id"
            for name in (record, "workspace_connector")
        ]
        for refusal in (*missing, ", ".join(missing)):
            yield SERVICE, "create", type_, f"404 {refusal}"
        yield SERVICE, "create", type_, "409 TENANT_MISMATCH pointer /data/relationships"
        yield SERVICE, "create", type_, "201"
        yield SERVICE, "update", type_, "200"
        yield SERVICE, "delete", type_, "204"
        for operation in ("update", "delete"):
            yield SERVICE, operation, type_, f"404 {type_.upper()}_NOT_FOUND"


def _enrolments() -> Iterator[Outcome]:
    type_ = SERVED[0]
    workspace = "pointer /data/relationships/workspace/data/id"
    for operation in ("create", "create by path"):
        yield PERSON, operation, type_, "201"
        yield PERSON, operation, type_, "403 FORBIDDEN"
        yield SERVICE, operation, type_, "403 FORBIDDEN"
        yield PERSON, operation, type_, f"403 FORBIDDEN {workspace}"
        yield PERSON, operation, type_, f"404 WORKSPACE_NOT_FOUND {workspace}"
        yield PERSON, operation, type_, "409 WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS"
    yield PERSON, "create by path", type_, "404 WORKSPACE_GROUP_NOT_FOUND"
    group = "WORKSPACE_GROUP_NOT_FOUND pointer /data/relationships/workspace_group/data/id"
    yield PERSON, "create", type_, f"404 {group}"
    yield PERSON, "create", type_, f"404 {group}, WORKSPACE_NOT_FOUND {workspace}"
    yield PERSON, "update", type_, "403 FORBIDDEN"
    yield SERVICE, "update", type_, "403 FORBIDDEN"
    for operation in ("delete", "delete by path"):
        yield PERSON, operation, type_, "204"
        yield PERSON, operation, type_, "403 FORBIDDEN"
        yield SERVICE, operation, type_, "403 FORBIDDEN"
        yield PERSON, operation, type_, "404 WORKSPACE_GROUP_WORKSPACE_NOT_FOUND"


def _choices() -> Iterator[Outcome]:
    type_ = SERVED[1]
    selected, matched = (f"pointer /data/attributes/{name}" for name in ("is_selected", "is_matched"))
    for who in BOTH:
        for operation in ("create", "create by path"):
            for outcome in ("201", "200", "403 FORBIDDEN"):
                yield who, operation, type_, outcome
            yield ANYBODY, operation, type_, f"409 CONFLICT {matched}"
            provider = "404 PROVIDER_NOT_FOUND pointer /data/relationships/provider/data/id"
            yield who, operation, type_, provider
        workspace = "404 WORKSPACE_NOT_FOUND"
        yield who, "create", type_, f"{workspace} pointer /data/relationships/workspace/data/id"
        yield who, "create by path", type_, workspace
        for outcome in ("200", "403 FORBIDDEN", "404 WORKSPACE_PROVIDER_NOT_FOUND"):
            yield who, "update", type_, outcome
        yield ANYBODY, "update", type_, f"409 CONFLICT {matched}"
    for operation in ("create", "create by path", "update"):
        yield SERVICE, operation, type_, f"403 FORBIDDEN {selected}"
    for operation in ("delete", "delete by path"):
        yield PERSON, operation, type_, "204"
        yield PERSON, operation, type_, "403 FORBIDDEN"
        yield SERVICE, operation, type_, "403 FORBIDDEN"
        yield PERSON, operation, type_, "404 WORKSPACE_PROVIDER_NOT_FOUND"


def _groups() -> Iterator[Outcome]:
    type_ = READABLE[-1]
    workspaces = "pointer /data/relationships/workspaces/data/N/id"
    yield PERSON, "create", type_, "201"
    # Somebody whom the platform does not know.
    yield PERSON, "create", type_, "403 FORBIDDEN"
    yield SERVICE, "create", type_, "403 FORBIDDEN"
    yield PERSON, "create", type_, f"403 FORBIDDEN {workspaces}"
    yield PERSON, "create", type_, f"404 WORKSPACE_NOT_FOUND {workspaces}"
