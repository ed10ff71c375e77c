"""Handlers of answers from sums and from several rows: pages, and resources without a row (contract, section 7)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from wellspring.access.principal import Principal
from wellspring.access.rules import permit
from wellspring.database import Transaction
from wellspring.errors import raise_all
from wellspring.handlers.http import LambdaHandler, Plan, Request, Response, jsonapi_handler, render
from wellspring.handlers.reading import NARROWING, page_response
from wellspring.jsonapi.answers import parse_activity, parse_audit, parse_page
from wellspring.jsonapi.documents import document_of_single, single_document, url_of
from wellspring.jsonapi.query import no_parameters, parse_view
from wellspring.queries import ActivityQuery, AnswerQuery, AuditQuery
from wellspring.resources import (
    AUDIT_ENTRY,
    CONNECTOR_ACTIVITY,
    CONNECTOR_IMPACT,
    FLEET,
    RECORD_SOURCE,
    WORKSPACE_CONNECTOR,
    Resource,
)
from wellspring.services import answers
from wellspring.services.ledger.reading import Page, RowWithIncludes
from wellspring.services.operators import Reading


def _list_of[Query: ActivityQuery | AuditQuery](
    resource: Resource,
    parse: Callable[[str], Query],
    read: Callable[[Transaction, Principal, Query], Page],
) -> LambdaHandler:
    return _pages_of(
        resource,
        parse,
        lambda transaction, request, query: read(transaction, request.principal, query),
        lambda _, query: Reading("list", resource, workspaces=(query.workspace,) if query.workspace else ()),
    )


def sources_of(record: Resource) -> LambdaHandler:
    """Return the handler of `GET <route>/{id}/sources` of a record type."""

    def read(transaction: Transaction, request: Request, query: AnswerQuery) -> Page:
        return answers.record_sources(transaction, request.principal, record, request.path_id(), query)

    def read_of(request: Request, _: AnswerQuery) -> Reading:
        return Reading("sources", record, request.path_id())

    return _pages_of(RECORD_SOURCE, lambda raw_query: parse_page(RECORD_SOURCE, raw_query), read, read_of)


def impact() -> LambdaHandler:
    """Return the handler of `GET /v1/workspace-connectors/{id}/impact`."""

    def operation(request: Request) -> Plan[RowWithIncludes]:
        permit(request.principal, CONNECTOR_IMPACT.policy, "read")
        view, problems = parse_view(CONNECTOR_IMPACT, request.raw_query)
        raise_all(problems)
        id_, url = request.path_id(), url_of(request.path, request.raw_query)
        return Plan(
            lambda transaction: answers.connector_impact(transaction, request.principal, id_),
            lambda found: Response(render(single_document(CONNECTOR_IMPACT, found, view, url))),
            reading=Reading("impact", WORKSPACE_CONNECTOR, id_),
        )

    return jsonapi_handler(operation)


def status_of(resource: Resource, read: Callable[[Transaction], Mapping[str, Any]]) -> LambdaHandler:
    """Return the handler of a `GET` of what there is one of; `read` returns its attributes."""

    def operation(request: Request) -> Plan[Mapping[str, Any]]:
        permit(request.principal, resource.policy, "read")
        raise_all(no_parameters(request.raw_query))
        return Plan(
            read,
            lambda found: Response(render(document_of_single(resource, found))),
            reading=Reading("retrieve", resource),
        )

    return jsonapi_handler(operation)


def _pages_of[Query: AnswerQuery](
    resource: Resource,
    parse: Callable[[str], Query],
    read: Callable[[Transaction, Request, Query], Page],
    read_of: Callable[[Request, Query], Reading],
) -> LambdaHandler:
    """Return the handler of a `GET` that answers with the pages that `read` returns, of what `read_of` says."""

    def operation(request: Request) -> Plan[Page]:
        permit(request.principal, resource.policy, "read")
        query = parse(request.raw_query)
        return Plan(
            lambda transaction: read(transaction, request, query),
            lambda page: page_response(request, resource, page, query.view),
            narrowing=NARROWING,
            reading=read_of(request, query),
        )

    return jsonapi_handler(operation)


# Each returns the handler of its operation (functions/connector_activity, functions/audit_entry, functions/fleet).
activity = partial(_list_of, CONNECTOR_ACTIVITY, parse_activity, answers.connector_activity)
audit_entries = partial(_list_of, AUDIT_ENTRY, parse_audit, answers.audit_entries)
fleet = partial(status_of, FLEET, answers.fleet)
