"""The one error hierarchy: a class fixes status, stable code and constant title; an instance says what happened.

    WellspringError
    ├── BadRequest                  400 BAD_REQUEST
    │   ├── InvalidQueryParameter   400 INVALID_QUERY_PARAMETER
    │   └── InvalidCursor           400 INVALID_CURSOR
    ├── Unauthorized                401 UNAUTHORIZED
    ├── Forbidden                   403 FORBIDDEN
    ├── NotFound                    404 NOT_FOUND, or <TYPE>_NOT_FOUND for a resource
    ├── SchemaValidationError       422 SCHEMA_VALIDATION_ERROR
    ├── ServiceUnavailable          503 SERVICE_UNAVAILABLE (with Retry-After; the caller may try again)
    │   └── OutcomeUnknown          the same, when a COMMIT was sent and its answer never came
    ├── InternalError               500 INTERNAL_ERROR
    └── Problems                    several of these, answered together

`jsonapi.errors` renders them for HTTP, `handlers.queue` decides by `transient` whether a message is worth another
try. Source: contract, section 4, "Errors".
"""

from collections.abc import Sequence
from http import HTTPStatus


class WellspringError(Exception):
    """A failure that may be shown to the caller.

    Args:
        detail: what happened this time; shown to the caller, so never a secret, SQL, a host's name or a pk.
        pointer: JSON Pointer into the request's document.
        parameter: the query parameter at fault.
        header: the request header at fault.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "INTERNAL_ERROR"
    title = "Internal error"
    transient = False

    def __init__(
        self,
        detail: str,
        *,
        pointer: str | None = None,
        parameter: str | None = None,
        header: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        # What the log may say beside it, such as the SQLSTATE.
        self.evidence: dict[str, str] = {}
        self.source = {
            name: value
            for name, value in (("pointer", pointer), ("parameter", parameter), ("header", header))
            if value is not None
        }


class BadRequest(WellspringError):
    """The request is not one that this API understands."""

    status = HTTPStatus.BAD_REQUEST
    code = "BAD_REQUEST"
    title = "Bad request"


class InvalidQueryParameter(BadRequest):
    """A query parameter is unknown, or its value is not of its form."""

    code = "INVALID_QUERY_PARAMETER"
    title = "Invalid query parameter"


class InvalidCursor(BadRequest):
    """A page cursor was not made by this service, or was made for another sort."""

    code = "INVALID_CURSOR"
    title = "Invalid cursor"


class Unauthorized(WellspringError):
    """There are no usable claims."""

    status = HTTPStatus.UNAUTHORIZED
    code = "UNAUTHORIZED"
    title = "Unauthorized"


class Forbidden(WellspringError):
    """The caller may never do this."""

    status = HTTPStatus.FORBIDDEN
    code = "FORBIDDEN"
    title = "Forbidden"


class NotFound(WellspringError):
    """There is no such thing, or the caller may not see it: the two look the same.

    Args:
        resource_type: the JSON:API type looked for, if it was a resource.
    """

    status = HTTPStatus.NOT_FOUND
    code = "NOT_FOUND"
    title = "Not found"

    def __init__(self, detail: str, *, resource_type: str | None = None, pointer: str | None = None) -> None:
        super().__init__(detail, pointer=pointer)
        if resource_type is not None:
            self.code = f"{resource_type.upper()}_NOT_FOUND"
            self.title = f"{resource_type.replace('_', ' ').capitalize()} not found"


class SchemaValidationError(WellspringError):
    """A document or message is well formed, but a value in it is not of its form."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "SCHEMA_VALIDATION_ERROR"
    title = "Schema validation error"


class ServiceUnavailable(WellspringError):
    """The database is away or busy; nothing was changed, and the same request may succeed later."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "SERVICE_UNAVAILABLE"
    title = "Service unavailable"
    transient = True
    retry_after_seconds = 2


class OutcomeUnknown(ServiceUnavailable):
    """The connection was lost while a commit was under way: the change may have been made."""


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
        if len(statuses) == 1:
            self.status = statuses.pop()
        elif max(statuses) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.status = HTTPStatus.INTERNAL_SERVER_ERROR
        else:
            self.status = HTTPStatus.BAD_REQUEST


def raise_all(problems: Sequence[WellspringError]) -> None:
    """Raise what was collected: nothing, the one problem itself, or all of them as `Problems`."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Problems(problems)
