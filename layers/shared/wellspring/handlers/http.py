"""From an API Gateway HTTP API event (payload 2.0) to an operation, and from its outcome to an answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from wellspring.access.principal import Principal, principal_of
from wellspring.database import Transaction, in_transaction
from wellspring.errors import InternalError, ServiceUnavailable, WellspringError
from wellspring.jsonapi.errors import error_document
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.observability import describe, logger

type Event = Mapping[str, Any]
type Answer = dict[str, Any]
type LambdaHandler = Callable[[Event, object], Answer]


@dataclass(frozen=True, slots=True)
class Request:
    """What an operation may know of an HTTP request.

    Attributes:
        path: the path as the client wrote it, without the stage.
        raw_query: the query string, undecoded.
        path_parameters: the values of the route's `{names}`, decoded.
        principal: the caller; None where the route is open.
        id: the request's id, in every log line and error object.
    """

    path: str
    raw_query: str
    path_parameters: Mapping[str, str]
    principal: Principal | None
    id: str


@dataclass(frozen=True, slots=True)
class Response:
    """What an operation answers.

    Attributes:
        document: the body, as JSON values.
        status: the HTTP status.
        media_type: the body's.
    """

    document: Mapping[str, Any]
    status: HTTPStatus = HTTPStatus.OK
    media_type: str = MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Plan[Result]:
    """One request, understood: what to do in the transaction, and what to say once it is committed.

    Attributes:
        work: runs in the transaction.
        answer: makes the response of what `work` returned.
    """

    work: Callable[[Transaction], Result]
    answer: Callable[[Result], Response]


def http_handler[Result](operation: Callable[[Request], Plan[Result]], *, open_to_all: bool = False) -> LambdaHandler:
    """Return the Lambda handler of `operation`.

    A request that cannot be understood never reaches for a connection, and the transaction is over before the
    answer is written. Every failure is answered as a JSON:API error document.

    Args:
        operation: turns the request into a plan; raises a `WellspringError` when it cannot.
        open_to_all: whether it is answered without claims.
    """

    def handler(event: Event, context: object) -> Answer:
        request_id = _request_id(event, context)
        logger.append_keys(request_id=request_id)
        try:
            plan = operation(_request(event, request_id, open_to_all=open_to_all))
            response = plan.answer(in_transaction(plan.work))
        except WellspringError as error:
            return _failure(event, error, request_id)
        except Exception as error:  # noqa: BLE001  (the edge: whatever it is, the caller gets an error document)
            logger.error("unexpected exception", extra=describe(error))
            return _failure(event, InternalError("The request could not be completed."), request_id)
        logger.info("answered", extra={"status": int(response.status), "route": event.get("routeKey")})
        return _rendered(response)

    return handler


def _request(event: Event, request_id: str, *, open_to_all: bool) -> Request:
    return Request(
        path=event["rawPath"],
        raw_query=event.get("rawQueryString", ""),
        path_parameters=event.get("pathParameters") or {},
        principal=None if open_to_all else principal_of(_claims(event)),
        id=request_id,
    )


def _request_id(event: Event, context: object) -> str:
    return str(event.get("requestContext", {}).get("requestId") or getattr(context, "aws_request_id", ""))


def _claims(event: Event) -> Mapping[str, object] | None:
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    claims = (authorizer.get("jwt") or {}).get("claims")
    return claims if isinstance(claims, Mapping) else None


def _failure(event: Event, error: WellspringError, request_id: str) -> Answer:
    log = logger.error if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else logger.info
    said = {"status": int(error.status), "code": error.code, "route": event.get("routeKey")}
    log("answered", extra=said | error.evidence)
    answer = _rendered(Response(error_document(error, request_id), error.status))
    if isinstance(error, ServiceUnavailable):
        answer["headers"]["retry-after"] = str(error.retry_after_seconds)
    return answer


def _rendered(response: Response) -> Answer:
    return {
        "statusCode": int(response.status),
        "headers": {
            "content-type": response.media_type,
            "vary": "Accept",
            # An answer depends on who asks, and is a bank's data.
            "cache-control": "private, no-cache",
        },
        "body": json.dumps(response.document, ensure_ascii=False, separators=(",", ":")),
    }
