"""From an API Gateway HTTP API event (payload 2.0) to an operation, and from its outcome to an answer."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any
from uuid import UUID

from wellspring.access.principal import Operator, Principal, name_of, principal_of, scope_of, writing
from wellspring.database import Deadline, Transaction, in_transaction
from wellspring.database.readers import Server
from wellspring.database.readers import read as on_reader_or_writer
from wellspring.database.scope import circuit_breaker, noting
from wellspring.errors import (
    BadRequest,
    InternalError,
    OutcomeUnknown,
    Problems,
    QueryTooExpensive,
    TimeExceeded,
    WellspringError,
)
from wellspring.handlers.invocation import RESERVED_OF_A_REQUEST_SECONDS, deadline_of, keep_imports
from wellspring.ids import parse_id
from wellspring.jsonapi.errors import error_document
from wellspring.jsonapi.media import check_content_type, wants_cursor_profile
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.observability import describe, fingerprint, logger
from wellspring.services import operators
from wellspring.services.operators import Reading
from wellspring.settings import caller_settings, has_reader

type Event = Mapping[str, Any]
type HttpResponse = dict[str, Any]
# Contract, section 4. Lambda's own limit is 6 MB (6,291,456 bytes) for all of the answer as a JSON text, in which the
# body is a string: its quotation marks and backslashes are escaped. "Lambda quotas", invocation payload.
LARGEST_BODY_BYTES = 5_000_000
LARGEST_ANSWER_BYTES = 6_000_000

type LambdaHandler = Callable[[Event, object], HttpResponse]

WITH_DOCUMENT = frozenset({"POST", "PATCH"})
# Of a write's answer, and of a read that must see the write (docs/adr/0050).
TOKEN_HEADER = "Consistency-Token"  # noqa: S105  it opens nothing
_TOKEN = re.compile(r"[0-9]{1,19}", re.ASCII)
# RFC 9110, section 9.2.1.
SAFE = frozenset({"GET", "HEAD"})
_RENDERED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Request:
    """An HTTP request, as far as it was understood before anything was decided.

    Its `id` is in every log line and error object. What `also_logged` has is in the line of its answer.
    """

    event: Event
    id: str
    deadline: Deadline
    only_reads: bool = False
    also_logged: dict[str, object] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.event["requestContext"]["http"]["method"])

    @property
    def is_reading(self) -> bool:
        """Whether it changes nothing."""
        return self.only_reads or self.method in SAFE

    @property
    def path(self) -> str:
        """The path, decoded."""
        return str(self.event["rawPath"])

    @property
    def raw_query(self) -> str:
        """The query string, undecoded."""
        return str(self.event.get("rawQueryString", ""))

    @property
    def path_parameters(self) -> Mapping[str, str]:
        """The values of the route's `{names}`, decoded."""
        return self.event.get("pathParameters") or {}

    def path_id(self, name: str = "id") -> UUID | None:
        """Return the id that the route's `{name}` is; None where it is none."""
        return parse_id(self.path_parameters[name])

    def header(self, name: str) -> str | None:
        """Return a header's value, several joined by commas; None where there is none. `name` is in lower case."""
        value = self._headers.get(name)
        return None if value is None else str(value)

    @cached_property
    def _headers(self) -> Mapping[str, str]:
        # API Gateway sends them in lower case; whoever invokes the function by hand may not.
        return {name.lower(): value for name, value in (self.event.get("headers") or {}).items()}

    @cached_property
    def body(self) -> bytes:
        """The body; empty where there is none. Raises `BadRequest` where it is not what the event says."""
        body = self.event.get("body") or ""
        if not self.event.get("isBase64Encoded"):
            return str(body).encode(errors="surrogatepass")
        try:
            return base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadRequest("The body is not encoded as announced.") from error

    @cached_property
    def principal(self) -> Principal:
        """The caller, who operates only while they read. Raises `Unauthorized` where there are no claims."""
        claims: object = self.event
        for name in ("requestContext", "authorizer", "jwt", "claims"):
            claims = claims.get(name) if isinstance(claims, Mapping) else None
        principal = principal_of(claims if isinstance(claims, Mapping) else None, caller_settings())
        return principal if self.is_reading else writing(principal)

    @property
    def known_principal(self) -> Principal | None:
        """The caller, where the operation asked who calls and there is one."""
        return self.__dict__.get("principal")

    @property
    def scope(self) -> str | None:
        """For whom the transaction works; None where the operation did not ask who calls."""
        principal = self.known_principal
        return None if principal is None else scope_of(principal)

    @property
    def consistency_token(self) -> str | None:
        """What a read must see at least; None for all that there is. Raises `BadRequest`."""
        token = self.header(TOKEN_HEADER.lower())
        if token is None or _TOKEN.fullmatch(token):
            return token
        raise BadRequest("The value must be a token of an answer, or 0.", header=TOKEN_HEADER)

    @cached_property
    def wants_profile(self) -> bool:
        """Whether the answer to a list may name its profile. Raises `NotAcceptable`."""
        return wants_cursor_profile(self.header("accept"))


@dataclass(frozen=True, slots=True)
class Response:
    """What an operation answers; its headers stand beside those that every answer has."""

    body: str = ""
    status: HTTPStatus = HTTPStatus.OK
    media_type: str = MEDIA_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    is_base64: bool = False


@dataclass(frozen=True, slots=True)
class Plan[Result]:
    """One request, understood: what to do in the transaction, and what to say once it is committed.

    Attributes:
        work: runs in the transaction; that of a GET cannot change anything.
        answer: makes the response of what `work` returned.
        narrowing: how to ask for less, where a request takes longer than it may; empty where one cannot.
        is_repeatable: whether the same request may come again when nobody knows what became of it.
        reading: what a GET reads; None of what changes something, and of what nobody needs a token for.
    """

    work: Callable[[Transaction], Result]
    answer: Callable[[Result], Response]
    narrowing: str = ""
    is_repeatable: bool = False
    reading: Reading | None = None


def render(document: Mapping[str, Any]) -> str:
    """Return a document as the text of a body."""
    return _RENDERED.encode(document)


# The body of a failure, and its media type.
type ErrorBody = Callable[[Request, WellspringError], tuple[str, str]]


def error_body(request: Request, error: WellspringError) -> tuple[str, str]:
    """Return the body of a failure and its media type: a JSON:API error document."""
    return render(error_document(error, request.id)), MEDIA_TYPE


def http_handler[Result](
    operation: Callable[[Request], Plan[Result] | Response],
    failed: ErrorBody = error_body,
    *,
    only_reads: bool = False,
) -> LambdaHandler:
    """Return the Lambda handler of `operation`.

    `operation` turns the request into a plan, or into a response where there is nothing to ask the database, or raises
    a `WellspringError`: what cannot be understood never reaches for a connection. The database is waited for until the
    function's time is nearly over, and then it is 503: Lambda would end the function with an answer of its own.
    `only_reads` is of a route that changes nothing, whatever the method.
    """
    keep_imports()

    def handler(event: Event, context: object) -> HttpResponse:
        if not has_reader():
            return answered(event, context)
        with noting() as noted:
            answer = answered(event, context)
        if noted:
            # Also of a failure, before which something may have been committed.
            answer["headers"][TOKEN_HEADER.lower()] = noted[-1]
        return answer

    def answered(event: Event, context: object) -> HttpResponse:
        deadline = deadline_of(context, RESERVED_OF_A_REQUEST_SECONDS)
        id_ = str(event.get("requestContext", {}).get("requestId") or getattr(context, "aws_request_id", ""))
        request = Request(event, id_, deadline, only_reads)
        logger.append_keys(request_id=request.id)
        try:
            planned = operation(request)
            response = _execute(planned, request) if isinstance(planned, Plan) else planned
        except WellspringError as error:
            return _failure(request, error, failed)
        except Exception as error:  # noqa: BLE001  (the edge: whatever it is, the caller gets an error document)
            logger.error("unexpected exception", extra=describe(error))
            return _failure(request, InternalError("The request could not be completed."), failed)
        logger.info("answered", extra={"status": int(response.status), **_log_fields(request)})
        return _rendered(response)

    return handler


def jsonapi_handler[Result](operation: Callable[[Request], Plan[Result] | Response]) -> LambdaHandler:
    """Return the Lambda handler of an operation that speaks JSON:API with a caller it knows.

    Who calls is asked first, then whether the two understand each other (401, then 415 and 406).
    """

    def understood(request: Request) -> Plan[Result] | Response:
        _ = request.principal
        with_document = request.method in WITH_DOCUMENT and bool(request.event.get("body"))
        check_content_type(request.header("content-type"), required=with_document)
        _ = request.wants_profile
        return operation(request)

    return http_handler(understood)


def _execute[Result](plan: Plan[Result], request: Request) -> Response:
    circuit_breaker.raise_if_open()
    try:
        if request.is_reading:
            result = read(plan.work, request, plan.reading)
        else:
            result = in_transaction(plan.work, request.scope, deadline=request.deadline)
    except TimeExceeded as error:
        if not plan.narrowing:
            raise
        detail = f"The request asks for more than can be read in the time there is. {plan.narrowing}"
        raise _instead(error, QueryTooExpensive(detail)) from error
    except OutcomeUnknown as error:
        what_next = (
            "Repeat the request with the same Idempotency-Key."
            if plan.is_repeatable
            else "Read what is there before you repeat the request."
        )
        detail = f"{error.detail} {what_next}"
        raise _instead(error, OutcomeUnknown(detail, is_repeatable=plan.is_repeatable)) from error
    response = plan.answer(result)
    if plan.narrowing and _is_too_large(response.body):
        raise QueryTooExpensive(f"The answer would be larger than {LARGEST_BODY_BYTES:,} bytes. {plan.narrowing}")
    return response


def read[Result](work: Callable[[Transaction], Result], request: Request, reading: Reading | None) -> Result:
    """Run what only reads for a request, as a GET does. Raises what `in_transaction` raises."""
    token, principal = request.consistency_token, request.known_principal
    if isinstance(principal, Operator):
        if reading is None:
            raise RuntimeError("an operator reads what no audit entry could tell")
        # What they read is written down, which no reader of the database can do.
        return operators.read(work, principal, reading, request.deadline)

    def tell(server: Server) -> None:
        if token is not None:
            request.also_logged["server"] = server

    return on_reader_or_writer(work, request.scope, request.deadline, token, tell)


def _is_too_large(body: str) -> bool:
    """Say whether a body, or what it is within Lambda's own answer, is larger than may be."""
    # Of what is written as it is, a character is at most four bytes; most bodies need no closer look.
    if len(body) * 4 <= LARGEST_BODY_BYTES:
        return False
    size = len(body.encode(errors="surrogatepass"))
    return size > LARGEST_BODY_BYTES or size + body.count('"') + body.count("\\") > LARGEST_ANSWER_BYTES


def _instead(error: WellspringError, told: WellspringError) -> WellspringError:
    """Return `told`, with what the log may say of `error`."""
    told.evidence = error.evidence
    return told


def _log_fields(request: Request) -> dict[str, object]:
    """Return what the log says of every request: its route, and who asked (contract, section 3)."""
    principal = request.known_principal
    caller = {} if principal is None else {"caller": fingerprint(name_of(principal))}
    return {"route": request.event.get("routeKey"), **caller, **request.also_logged}


def _failure(request: Request, error: WellspringError, failed: ErrorBody) -> HttpResponse:
    log = logger.error if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logger.info
    codes = sorted({problem.code for problem in error.problems}) if isinstance(error, Problems) else [error.code]
    fields = {"status": int(error.status), "code": ", ".join(codes), **_log_fields(request)}
    log("answered", extra=fields | error.evidence)
    body, media_type = failed(request, error)
    return _rendered(Response(body, error.status, media_type, error.headers))


def _rendered(response: Response) -> HttpResponse:
    headers = {
        "content-type": response.media_type,
        "vary": "Accept",
        # An answer depends on who asks, and is a bank's data.
        "cache-control": "private, no-cache",
        # No answer is what a browser makes of its first bytes ("MIME Sniffing", WHATWG).
        "x-content-type-options": "nosniff",
        **response.headers,
    }
    answer: HttpResponse = {"statusCode": int(response.status), "headers": headers}
    if not response.body:
        del headers["content-type"]
        return answer
    return answer | {"body": response.body, "isBase64Encoded": response.is_base64}
