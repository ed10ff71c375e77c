"""The one error hierarchy: a class fixes status, stable code and constant title; an instance says what happened.

`jsonapi.errors` renders them for HTTP, `handlers.queue` decides by `transient` whether a message is worth another
try. Source: contract, section 4, "Errors".
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any


class WellspringError(Exception):
    """A failure that may be shown to the caller.

    Args:
        detail: what happened this time; shown to the caller, so never a secret, SQL, a host's name or a pk.
        pointer: JSON Pointer into the request's document; so `parameter` and `header`, what of it is at fault.
        type_link: where this kind of problem is described, if it is somebody else's kind.
        meta: what a program may want to know of it.
    """

    status, code, title = HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "Internal error"
    # Whether the same may succeed later.
    transient = False
    # Of the answer.
    headers: Mapping[str, str] = {}

    def __init__(
        self,
        detail: str,
        *,
        pointer: str | None = None,
        parameter: str | None = None,
        header: str | None = None,
        type_link: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.type_link = type_link
        self.meta = meta
        # What the log may say beside it, such as the SQLSTATE.
        self.evidence: dict[str, str] = {}
        where = {"pointer": pointer, "parameter": parameter, "header": header}
        self.source = {name: value for name, value in where.items() if value is not None}


class BadRequest(WellspringError):
    """The request is not one that this API understands."""

    status, code, title = HTTPStatus.BAD_REQUEST, "BAD_REQUEST", "Bad request"


class InvalidJson(BadRequest):
    """The request's body is not JSON."""

    code, title = "INVALID_JSON", "Invalid JSON"


class InvalidQueryParameter(BadRequest):
    """A query parameter is unknown, or its value is not of its form."""

    code, title = "INVALID_QUERY_PARAMETER", "Invalid query parameter"


class QueryTooExpensive(BadRequest):
    """What is asked for cannot be read in the time there is; it would not be the next time either."""


class InvalidCursor(BadRequest):
    """A page cursor was not made by this service, or was made for another sort."""

    code, title = "INVALID_CURSOR", "Invalid cursor"


class Unauthorized(WellspringError):
    """There are no usable claims."""

    status, code, title = HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "Unauthorized"


class Forbidden(WellspringError):
    """The caller may never do this."""

    status, code, title = HTTPStatus.FORBIDDEN, "FORBIDDEN", "Forbidden"


class ImmutableAttribute(Forbidden):
    """A field that is said once, at the creation, is said again."""

    code, title = "IMMUTABLE_ATTRIBUTE", "Immutable attribute"


class SystemAttribute(Forbidden):
    """A field that only the system sets is said by a client."""

    code, title = "SYSTEM_ATTRIBUTE", "System attribute"


class NotFound(WellspringError):
    """There is no such thing, or the caller may not see it: the two look the same."""

    status, code, title = HTTPStatus.NOT_FOUND, "NOT_FOUND", "Not found"

    def __init__(self, detail: str, *, resource_type: str | None = None, pointer: str | None = None) -> None:
        super().__init__(detail, pointer=pointer)
        if resource_type is not None:
            self.code = f"{resource_type.upper()}_NOT_FOUND"
            self.title = f"{resource_type.replace('_', ' ').capitalize()} not found"


class MethodNotAllowed(WellspringError):
    """The path exists, for other methods."""

    status, code, title = HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "Method not allowed"

    def __init__(self, detail: str, *, allowed: Sequence[str]) -> None:
        super().__init__(detail)
        # RFC 9110, section 10.2.1.
        self.headers = {"allow": ", ".join(allowed)}


class NotAcceptable(WellspringError):
    """The client accepts nothing that this API answers with."""

    status, code, title = HTTPStatus.NOT_ACCEPTABLE, "NOT_ACCEPTABLE", "Not acceptable"


class Conflict(WellspringError):
    """The request contradicts what is, or itself."""

    status, code, title = HTTPStatus.CONFLICT, "CONFLICT", "Conflict"


class TenantMismatch(Conflict):
    """Two parents of one row live in different workspaces."""

    code, title = "TENANT_MISMATCH", "Tenant mismatch"


class Overtaken(Conflict):
    """What was parked may not be applied any more: it would bring back what has been ended since."""

    code, title = "OVERTAKEN", "Overtaken"


class AlreadyExists(Conflict):
    """There is a live row like it, and there can be but one."""

    def __init__(self, detail: str, *, resource_type: str) -> None:
        super().__init__(detail)
        self.code = f"{resource_type.upper()}_ALREADY_EXISTS"
        self.title = f"{resource_type.replace('_', ' ').capitalize()} already exists"


class PreconditionFailed(WellspringError):
    """The resource is not in the state that the client knows."""

    status, code, title = HTTPStatus.PRECONDITION_FAILED, "PRECONDITION_FAILED", "Precondition failed"


class PayloadTooLarge(WellspringError):
    """The request's body is larger than any document of this API."""

    status, code, title = HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "PAYLOAD_TOO_LARGE", "Payload too large"


class UnsupportedMediaType(WellspringError):
    """The request's body is not in JSON:API's media type, or uses an extension that is not supported."""

    status, code, title = HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type"


class SchemaValidationError(WellspringError):
    """A document or message is well formed, but a value in it is not of its form."""

    status, code, title = HTTPStatus.UNPROCESSABLE_ENTITY, "SCHEMA_VALIDATION_ERROR", "Schema validation error"


class ServiceUnavailable(WellspringError):
    """The database is away or busy; nothing was changed, and the same request may succeed later."""

    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "Service unavailable"
    transient = True
    headers: Mapping[str, str] = {"retry-after": "2"}


class DatabaseAway(ServiceUnavailable):
    """No connection could be made, or it was lost before the commit."""


class DatabaseBusy(ServiceUnavailable):
    """A lock was waited for longer than it may, or somebody has ended a statement within its time."""


class TimeExceeded(DatabaseBusy):
    """A statement, or all statements of a transaction together, took longer than they may."""


class OutcomeUnknown(ServiceUnavailable):
    """The connection was lost while a commit was under way: the change may have been made.

    What `is_repeatable` may be sent again whatever became of it.
    """

    def __init__(self, detail: str, *, is_repeatable: bool = False) -> None:
        super().__init__(detail)
        if not is_repeatable:
            self.headers = {}


class InternalError(WellspringError):
    """A fault of this service."""


class Problems(WellspringError):
    """Several problems of one request, answered together.

    Its status is theirs where they agree, else 400 or 500 (JSON:API 1.1, "Processing Errors").
    """

    def __init__(self, problems: Sequence[WellspringError]) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = tuple(problems)
        statuses = {problem.status for problem in problems}
        is_ours = max(statuses) >= HTTPStatus.INTERNAL_SERVER_ERROR
        general = HTTPStatus.INTERNAL_SERVER_ERROR if is_ours else HTTPStatus.BAD_REQUEST
        self.status = statuses.pop() if len(statuses) == 1 else general


def raise_all(problems: Sequence[WellspringError]) -> None:
    """Raise what was collected: nothing, the one problem itself, or all of them as `Problems`."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(problems)
