"""What is answered from sums and from several rows: pages, and one resource that has no row (contract, section 7)."""

from collections.abc import Callable
from typing import Protocol

from wellspring.access.principal import Principal
from wellspring.access.rules import permit
from wellspring.database import Transaction
from wellspring.handlers.http import LambdaHandler, Plan, Request, jsonapi_handler
from wellspring.handlers.reading import NARROWING, page_response
from wellspring.jsonapi.answers import parse_activity
from wellspring.queries import View
from wellspring.resources import CONNECTOR_ACTIVITY, Resource
from wellspring.services import answers
from wellspring.services.reading import Page


def activity() -> LambdaHandler:
    """Return the handler of `GET /v1/connector-activity`."""
    return pages_of(CONNECTOR_ACTIVITY, lambda request: parse_activity(request.raw_query), answers.connector_activity)


class Query(Protocol):
    """What a request for a page asks for."""

    @property
    def view(self) -> View:
        """What of each resource to show."""


def pages_of[Asked: Query](
    resource: Resource, parse: Callable[[Request], Asked], read: Callable[[Transaction, Principal, Asked], Page]
) -> LambdaHandler:
    """Return the handler of a `GET` that answers with pages.

    Args:
        resource: what they are of.
        parse: what the request asks for; raises what is wrong with it.
        read: the page of it.
    """

    def operation(request: Request) -> Plan[Page]:
        permit(request.principal, resource.policy, "read")
        asked = parse(request)
        return Plan(
            lambda transaction: read(transaction, request.principal, asked),
            lambda page: page_response(request, resource, page, asked.view),
            narrowing=NARROWING,
        )

    return jsonapi_handler(operation)
