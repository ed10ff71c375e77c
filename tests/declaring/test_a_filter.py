"""A filter on an attribute is a word of its declaration (docs/adding-a-filter.md)."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from local.openapi.parameters import parameters
from tests.support.api import Context, event, person
from tests.support.databases import Database
from tests.support.world import Row, World
from wellspring.handlers.http import LambdaHandler
from wellspring.handlers.reading import list_of
from wellspring.resources import ACCOUNT, Found, Resource
from wellspring.routes import routes


def accounts(found: Found) -> Resource:
    """Return accounts whose currency is found so, whatever is declared: who follows the page breaks no test here."""
    said = (replace(each, found=found) if each.name == "currency" else each for each in ACCOUNT.attributes)
    return replace(ACCOUNT, attributes=tuple(said))


@pytest.fixture
def filtered() -> Resource:
    """Accounts whose currency is found."""
    return accounts("equal")


@pytest.fixture
def member(database: Database, world: World) -> Row:
    """Somebody of a workspace with an account of each of two currencies."""
    workspace = world.workspace()
    made = world.people(workspace)
    world.member(made, workspace)
    for currency in ("EUR", "CHF"):
        world.account(workspace, currency, currency)
    return made


def names(handler: LambdaHandler, member: Row, query: str) -> tuple[int, Any]:
    answer = handler(event(ACCOUNT.route, quote(query, safe="=&"), person(member)), Context())
    document = json.loads(answer["body"])
    return answer["statusCode"], document.get("data") or document["errors"]


def test_is_answered_and_described_where_it_is_declared(filtered: Resource, member: Row) -> None:
    status, found = names(list_of(filtered), member, "filter[currency]=CHF")
    assert (status, [each["attributes"]["account_name"] for each in found]) == (200, ["CHF"])
    (route,) = (each for each in routes() if each.path == ACCOUNT.route)
    assert "filter[currency]" in {parameter["name"] for _, parameter in parameters(route, filtered)}


def test_is_400_where_it_is_not(member: Row) -> None:
    status, (error,) = names(list_of(accounts("")), member, "filter[currency]=CHF")
    assert (status, error["source"]) == (400, {"parameter": "filter[currency]"})
