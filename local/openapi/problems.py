"""Errors of each operation: the operation's kind decides, with the resource's declaration."""

import inspect
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from wellspring import errors
from wellspring.errors import WellspringError
from wellspring.jsonapi.body import MAX_BODY_BYTES
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.resources import Resource
from wellspring.routes import Route, routes

# An id that no example has.
NOBODYS = "01990000-0009-7000-8000-f00000000009"
UNAUTHORIZED = errors.Unauthorized("This operation needs a bearer token.")
UNKNOWN_PATH = errors.NotFound("There is no such path.")
OTHER_METHOD = errors.MethodNotAllowed("This path knows GET, POST.", allowed=["GET", "POST"])
UNAVAILABLE = errors.ServiceUnavailable("The database does not answer at the moment; nothing was changed.")
FAULT = errors.InternalError("The request could not be completed.")

# A document whose problems are of several kinds is 400, and names them all (JSON:API 1.1, "Processing Errors").
MIXED = (
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)

type ByStatus = Mapping[HTTPStatus, list[WellspringError]]


def meaning(problem: WellspringError) -> str:
    """Return what a kind of error means, as its class says it."""
    return inspect.getdoc(type(problem)).partition("\n")[0]  # type: ignore[union-attr]  # each class has one


def codes() -> list[str]:
    """Return every code that some operation, or `$default`, can answer with, by status."""
    found = {problem.code: problem for route in routes() for problem in _problems(route)}
    found |= {problem.code: problem for problem in (UNKNOWN_PATH, OTHER_METHOD)}
    return sorted(found, key=lambda code: (found[code].status, code))


def by_status(route: Route) -> ByStatus:
    """Return what an operation can answer beside its success, by status, each code once."""
    found: dict[HTTPStatus, dict[str, WellspringError]] = {}
    for problem in _problems(route):
        found.setdefault(problem.status, {}).setdefault(problem.code, problem)
    if route.operation in {"create", "update"} and HTTPStatus.BAD_REQUEST in found:
        for status in MIXED:
            for code, problem in found.get(status, {}).items():
                found[HTTPStatus.BAD_REQUEST].setdefault(code, problem)
    return {status: list(found[status].values()) for status in sorted(found)}


def _problems(route: Route) -> Iterator[WellspringError]:
    if route.resource is None:
        yield FAULT
        if route.operation == "mcp":
            yield UNAUTHORIZED
        if route.operation == "health":
            yield UNAVAILABLE
        if route.operation == "asset":
            yield errors.NotFound("The console has no such file now. Load the page again.")
        return
    resource = route.resource
    yield UNAUTHORIZED
    yield errors.Forbidden("This needs the scope system:read.")
    yield errors.NotAcceptable(
        f"Answers are {MEDIA_TYPE}, without extensions and without parameters other than profile.", header="Accept"
    )
    yield errors.UnsupportedMediaType(f"{MEDIA_TYPE} takes no parameters but ext and profile.", header="Content-Type")
    yield FAULT
    if is_never_permitted(route):
        return
    yield errors.InvalidQueryParameter("There is no such parameter for this operation.", parameter="foo")
    yield UNAVAILABLE
    yield from _of_operation(route, resource)


def _of_operation(route: Route, resource: Resource) -> Iterator[WellspringError]:
    match route.operation:
        case "list" | "answers":
            yield errors.InvalidCursor("The cursor is not one of this list.", parameter="page[after]")
            yield from (_absent(of) for of in (route.of.type if route.of else "", *route.within.values()) if of)
        case "answer" if route.of is not None:
            yield _absent(route.of.type)
        case "retrieve":
            yield errors.BadRequest("The value must be entity tags in double quotes.", header="If-None-Match")
            yield _absent(resource.type)
        case "delete":
            yield from _conditional()
            yield _absent(resource.type)
            yield from _of_the_last_owner(resource)
        case "update":
            yield from _conditional()
            yield _absent(resource.type)
            yield from _of_document(resource)
            yield errors.ImmutableAttribute("The direction is never changed.", pointer="/data/attributes/direction")
            yield from _of_the_last_owner(resource)
        case "release" | "dismiss" | "release_many":
            yield from _of_release(route, resource)
        case "create":
            yield from _of_document(resource)
            yield from _of_creation(resource)


def _of_the_last_owner(resource: Resource) -> Iterator[WellspringError]:
    if resource.policy == "member":
        yield errors.Conflict("The group would have no owner.")


def is_never_permitted(route: Route) -> bool:
    """Say whether nobody may ever do this: the route is there so that a client gets a reason."""
    return route.resource is not None and route.resource.policy == "enrolment" and route.operation == "update"


def _absent(type_: str, pointer: str | None = None) -> errors.NotFound:
    return errors.NotFound(f"There is no such {type_}: {NOBODYS}.", resource_type=type_, pointer=pointer)


def _conditional() -> Iterator[WellspringError]:
    yield errors.BadRequest("The value must be entity tags in double quotes, comma-separated, or *.", header="If-Match")
    yield errors.PreconditionFailed("The resource was changed since; read it again.", header="If-Match")


def _of_document(resource: Resource) -> Iterator[WellspringError]:
    yield errors.BadRequest("The document must have a resource object as its data.", pointer="")
    yield errors.InvalidJson("The body is not a JSON text in UTF-8 with each member of an object named once.")
    yield errors.SystemAttribute("The system sets created_at.", pointer="/data/attributes/created_at")
    yield errors.Conflict(f"The type must be {resource.type}.", pointer="/data/type")
    yield errors.PayloadTooLarge(f"A document has at most {MAX_BODY_BYTES} bytes.")
    yield errors.SchemaValidationError("There is no such attribute.", pointer="/data/attributes/foo")


def _of_release(route: Route, resource: Resource) -> Iterator[WellspringError]:
    if route.operation != "release_many":
        yield _absent(resource.type)
        yield errors.Conflict(f"The {resource.name.split()[-1]} is not parked: it is applied.")
    if route.operation == "release" and resource.policy == "message":
        yield errors.Overtaken("Something of its connector has been applied since it came.")
    if route.operation == "release_many" and resource.policy == "message":
        yield _absent("workspace_connector", "/meta/workspace_connector")
    yield errors.BadRequest("The document must have an object as its meta.", pointer="")
    yield errors.InvalidJson("The body is not a JSON text in UTF-8 with each member of an object named once.")
    yield errors.PayloadTooLarge(f"A document has at most {MAX_BODY_BYTES} bytes.")
    if route.operation != "release":
        yield errors.SchemaValidationError("The member is missing.", pointer="/meta")


def _of_creation(resource: Resource) -> Iterator[WellspringError]:
    for relationship in resource.relationships:
        if relationship.written == "create":
            pointer = f"/data/relationships/{relationship.name}/data{'/0' if relationship.many else ''}/id"
            yield _absent(relationship.target, pointer)
    if resource.policy == "provenance":
        names = " and ".join(relationship.name for relationship in resource.parents)
        yield errors.TenantMismatch(f"The {names} belong to different workspaces.", pointer="/data/relationships")
    if resource.policy in {"enrolment", "member"}:
        yield errors.AlreadyExists(f"There is such a live {resource.name} already.", resource_type=resource.type)
