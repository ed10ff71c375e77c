"""The operations that every ledger object has, made from its declaration."""

from wellspring.access.principal import Principal
from wellspring.errors import Unauthorized
from wellspring.handlers.http import LambdaHandler, Plan, Request, Response, http_handler
from wellspring.jsonapi.documents import page_document, single_document
from wellspring.jsonapi.query import parse_list, parse_retrieve
from wellspring.jsonapi.values import parse_id
from wellspring.resources import Resource
from wellspring.services import health, ledger


def list_of(resource: Resource) -> LambdaHandler:
    """Return the handler of `GET <route>`."""

    def operation(request: Request) -> Plan[ledger.Page]:
        principal = _caller(request)
        query = parse_list(resource, request.raw_query)
        return Plan(
            work=lambda transaction: ledger.list_page(transaction, principal, query),
            answer=lambda page: Response(page_document(resource, page, query.include, request.path, request.raw_query)),
        )

    return http_handler(operation)


def retrieve_of(resource: Resource) -> LambdaHandler:
    """Return the handler of `GET <route>/{id}`."""

    def operation(request: Request) -> Plan[ledger.Found]:
        principal = _caller(request)
        include = parse_retrieve(resource, request.raw_query)
        id_ = parse_id(request.path_parameters["id"])
        return Plan(
            work=lambda transaction: ledger.retrieve(transaction, principal, resource, id_, include),
            answer=lambda found: Response(single_document(resource, found, include, request.path, request.raw_query)),
        )

    return http_handler(operation)


def health_check() -> LambdaHandler:
    """Return the handler of `GET /health`: 200 when the database answers, 503 when it does not."""

    def operation(_request: Request) -> Plan[None]:
        return Plan(work=health.check, answer=lambda _: Response({"status": "ok"}, media_type="application/json"))

    return http_handler(operation, open_to_all=True)


def _caller(request: Request) -> Principal:
    if request.principal is None:
        raise Unauthorized("This operation needs a bearer token.")
    return request.principal
