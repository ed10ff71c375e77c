"""List and retrieve, made from a resource's declaration."""

from http import HTTPStatus

from wellspring.access.rules import permit
from wellspring.database import Transaction
from wellspring.errors import raise_all
from wellspring.handlers.http import LambdaHandler, Plan, Request, Response, jsonapi_handler, render
from wellspring.handlers.preconditions import none_match
from wellspring.jsonapi.documents import entity_tag, page_document, single_document, url_of
from wellspring.jsonapi.query import parse_list, parse_view
from wellspring.jsonapi.values import MEDIA_TYPE, PROFILED
from wellspring.queries import View
from wellspring.resources import Resource
from wellspring.services.ledger import reading
from wellspring.services.operators import Reading

NARROWING = "Ask for less: a filter that narrows it, a smaller page[size], fewer paths in include, no page[total]."


def list_of(resource: Resource, *, workspace_in: str | None = None, include: tuple[str, ...] = ()) -> LambdaHandler:
    """Return the handler of `GET <route>`.

    `workspace_in` is the path's name for the workspace that the list is of; `include` holds where a request says none.
    """

    def operation(request: Request) -> Plan[reading.Page]:
        permit(request.principal, resource.policy, "read")
        workspace = request.path_id(workspace_in) if workspace_in else None
        # A path that leads nowhere is found out before the list is read, whatever it is a list of.
        settled = {"workspace": workspace} if workspace else {}
        query = parse_list(resource, request.raw_query, within=settled, include=include)

        def work(transaction: Transaction) -> reading.Page:
            if workspace_in:
                reading.require_workspace(transaction, request.principal, workspace)
            return reading.list_page(transaction, request.principal, query)

        return Plan(
            work,
            lambda page: page_response(request, resource, page, query.view),
            narrowing=NARROWING,
            reading=Reading("list", resource, workspaces=(workspace,) if workspace else query.workspaces),
        )

    return jsonapi_handler(operation)


def page_response(request: Request, resource: Resource, page: reading.Page, view: View) -> Response:
    """Return the answer that has a page of resources."""
    profiled = request.wants_profile
    document = page_document(resource, page, view, request.path, request.raw_query, names_profile=profiled)
    return Response(render(document), media_type=PROFILED if profiled else MEDIA_TYPE)


def single_response(
    resource: Resource, found: reading.RowWithIncludes, view: View, path: str, raw_query: str = ""
) -> Response:
    """Return the answer that has one resource, with its validator."""
    document = single_document(resource, found, view, url_of(path, raw_query))
    body = render(document)
    return Response(body, headers={"etag": entity_tag(resource, found, view, raw_query, document, body)})


def retrieve_of(resource: Resource) -> LambdaHandler:
    """Return the handler of `GET <route>/{id}`; what the client has already is 304."""

    def operation(request: Request) -> Plan[reading.RowWithIncludes]:
        permit(request.principal, resource.policy, "read")
        view, problems = parse_view(resource, request.raw_query)
        raise_all(problems)
        id_ = request.path_id()

        def answer(found: reading.RowWithIncludes) -> Response:
            response = single_response(resource, found, view, request.path, request.raw_query)
            if none_match(request.header("if-none-match"), response.headers["etag"]):
                return response
            return Response(status=HTTPStatus.NOT_MODIFIED, headers=response.headers)

        return Plan(
            lambda transaction: reading.retrieve(transaction, request.principal, resource, id_, view),
            answer,
            reading=Reading("retrieve", resource, id_),
        )

    return jsonapi_handler(operation)
