"""Create, update and delete, made from a resource's declaration."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from wellspring.access.rules import permit, permit_include
from wellspring.database import Transaction
from wellspring.errors import BadRequest, WellspringError, raise_all
from wellspring.handlers.http import LambdaHandler, Plan, Request, Response, jsonapi_handler
from wellspring.handlers.preconditions import state_of
from wellspring.handlers.reading import single_response
from wellspring.jsonapi.body import parse_create, parse_update
from wellspring.jsonapi.documents import location
from wellspring.jsonapi.query import no_parameters, parse_view
from wellspring.resources import Resource
from wellspring.services import idempotency
from wellspring.services.ledger import reading, writing

# Printable ASCII: what a header can carry without loss.
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

# Names of the path for the relationships that it settles, as `routes.Route.within` has them.
type Within = Mapping[str, str]


def create_of(resource: Resource, within: Within | None = None) -> LambdaHandler:
    """Return the handler of a `POST`; `within` are the path's names for the relationships that it settles."""

    def operation(request: Request) -> Plan[Response]:
        permit(request.principal, resource.policy, "create")
        view, problems = parse_view(resource, request.raw_query)
        permit_include(request.principal, view.include)
        key = _idempotency_key(request, problems)
        settled = {name: request.path_parameters[parameter] for parameter, name in (within or {}).items()}
        draft = parse_create(resource, request.body, problems=problems, within=settled)

        def perform(transaction: Transaction) -> Response:
            row, is_new = writing.create(transaction, request.principal, resource, draft)
            found = reading.found(transaction, request.principal, resource, row, view)
            path = location(resource, found.row)
            response = single_response(resource, found, view, path, request.raw_query)
            if not is_new:
                return response
            return replace(response, status=HTTPStatus.CREATED, headers={**response.headers, "location": path})

        def work(transaction: Transaction) -> Response:
            if key is None:
                return perform(transaction)
            kept = idempotency.once(
                transaction, request.principal, key, _fingerprint(request), lambda: _packed(perform(transaction))
            )
            status, headers, body = json.loads(kept)
            return Response(body, HTTPStatus(status), headers=headers)

        return Plan(work, lambda response: response, is_repeatable=key is not None)

    return jsonapi_handler(operation)


def update_of(resource: Resource) -> LambdaHandler:
    """Return the handler of `PATCH <route>/{id}`."""

    def operation(request: Request) -> Plan[reading.RowWithIncludes]:
        permit(request.principal, resource.policy, "update")
        view, problems = parse_view(resource, request.raw_query)
        permit_include(request.principal, view.include)
        precondition = state_of(resource, request.header("if-match"))
        draft = parse_update(resource, request.body, request.path_parameters["id"], problems=problems)
        raise_all(draft.problems)
        id_ = request.path_id()

        def work(transaction: Transaction) -> reading.RowWithIncludes:
            row = writing.update(transaction, request.principal, resource, id_, draft, precondition=precondition)
            return reading.found(transaction, request.principal, resource, row, view)

        return Plan(work, lambda found: single_response(resource, found, view, request.path, request.raw_query))

    return jsonapi_handler(operation)


def delete_of(resource: Resource, within: Within | None = None) -> LambdaHandler:
    """Return the handler of a `DELETE`; `within` are the path's names for what tells which, None for its `{id}`."""

    def operation(request: Request) -> Plan[None]:
        permit(request.principal, resource.policy, "delete")
        raise_all(no_parameters(request.raw_query))
        precondition = state_of(resource, request.header("if-match"))
        names = within or {"id": "id"}
        ids = {name: request.path_id(parameter) for parameter, name in names.items()}
        return Plan(
            lambda transaction: writing.remove(
                transaction, request.principal, resource, ids, precondition=precondition
            ),
            lambda _: Response(status=HTTPStatus.NO_CONTENT),
        )

    return jsonapi_handler(operation)


def _idempotency_key(request: Request, problems: list[WellspringError]) -> str | None:
    """Return the key of the request: None where it has none, or one that cannot be kept, which is a problem more."""
    key = request.header("idempotency-key")
    if key is None or _KEY.fullmatch(key):
        return key
    detail = "The value must be 1 to 255 printable ASCII characters without blanks."
    problems.append(BadRequest(detail, header=idempotency.HEADER))
    return None


def _fingerprint(request: Request) -> bytes:
    head = f"{request.method}\n{request.path}\n{request.raw_query}\n"
    return hashlib.sha256(head.encode(errors="surrogatepass") + request.body).digest()


def _packed(response: Response) -> str:
    return json.dumps([int(response.status), dict(response.headers), response.body])
