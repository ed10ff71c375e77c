"""Sizes of the statements of reads: RDS Proxy pins the session of a longer one (contract, section 4)."""

from collections.abc import Iterator, Sequence
from itertools import product
from urllib.parse import urlencode

import pytest

from local.openapi.parameters import parameters
from tests.golden.rendering import compiled, size
from tests.golden.shapes import ID, PERSON, ask, callers, golden, listed
from wellspring.access.principal import Principal
from wellspring.database.flush import Query
from wellspring.errors import WellspringError
from wellspring.jsonapi.query import DELETED, parse_list, sorts_of
from wellspring.plan_cache import numbered
from wellspring.repositories import ledger
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR, Resource
from wellspring.routes import routes
from wellspring.services.ledger.reading import _unindexed

MOST_BYTES, PLAIN_BYTES = 16_384, 6_144
type Filters = tuple[tuple[str, str], ...]


def filters(resource: Resource) -> list[tuple[str, str]]:
    """Return each filter of a list, with a value, but that of halves and those that begin a list no ledger reads."""
    others = {"filter[deleted]", "filter[sole_source]", f"filter[{resource.enrolled_in}]"}
    route = next(route for route in routes() if route.operation == "list" and route.path == resource.route)
    said = {known["name"]: known["example"] for _, known in parameters(route, resource)}
    return [
        (name, ",".join(example) if isinstance(example, list) else str(example).lower())
        for name, example in said.items()
        if name.startswith("filter[") and name not in others
    ]


def together(resource: Resource, caller: Principal, order: Filters) -> Iterator[Filters]:
    """Yield no filter, each by itself, and all that go together, from each on.

    And all ranges with each: a direction takes half of what is read away.
    """
    known = [each for each in filters(resource) if is_offered(resource, caller, (*order, each))]
    ranges = tuple(each for each in known if each[0].count("[") > 1)
    yield ()
    yield ranges
    for at, each in enumerate(known):
        yield (each,)
        found: Filters = (each, *(one for one in ranges if one != each))
        yield found
        for other in (*known[at + 1 :], *known[:at]):
            if other not in found and is_offered(resource, caller, (*order, *found, other)):
                found = (*found, other)
        yield found


def is_offered(resource: Resource, caller: Principal, query: Sequence[tuple[str, str]]) -> bool:
    try:
        return not _unindexed(caller, parse_list(resource, urlencode(query)))
    except WellspringError:
        return False


def largest(resource: Resource, caller: Principal) -> Iterator[str]:
    """Yield queries: every order of each half under its filters, a large page that is read from a row on."""
    for name, deleted in product(sorts_of(resource), DELETED):
        order: Filters = (("sort", name),)
        if resource.has_tombstones:
            order = (*order, ("filter[deleted]", deleted))
        # Backward is the other order's forward, and turned round again.
        for found in dict.fromkeys(together(resource, caller, order)):
            if is_offered(resource, caller, (*order, *found)):
                yield urlencode((*order, *found, ("page[size]", "500"), ("page[before]", str(ID))))


def sizes(resource: Resource) -> Iterator[tuple[str, int]]:
    for caller in callers(resource):
        for query in dict.fromkeys(largest(resource, caller)):
            yield query, bytes_of(ask(resource, caller, query))
        for deleted in DELETED if resource.has_tombstones else ("",):
            half: Filters = (("filter[deleted]", deleted),) if deleted else ()
            for found in dict.fromkeys(together(resource, caller, half)):
                query = urlencode((*half, *found, ("page[total]", "true")))
                if is_offered(resource, caller, (*half, *found)):
                    yield query, bytes_of(ledger.count(caller, parse_list(resource, query)))


def bytes_of(question: Query[object]) -> int:
    return size(compiled(question))


@pytest.mark.parametrize("resource", [*listed()], ids=lambda resource: resource.type)
def test_no_statement_of_a_list_pins_a_session_whatever_is_asked(resource: Resource) -> None:
    found = dict(sizes(resource))
    assert len(found) > 8
    assert {query: bytes_ for query, bytes_ in found.items() if bytes_ > MOST_BYTES} == {}


def test_no_golden_statement_pins_a_session_and_each_size_is_that_of_what_the_driver_sends() -> None:
    """Reads of one row and includes, too."""
    for shape in golden():
        statement = compiled(shape.question)
        assert size(statement) == len(numbered(statement.text).encode()), shape.name
        assert size(statement) <= MOST_BYTES, shape.name


def test_a_plain_page_is_six_kilobytes_at_most() -> None:
    plain = {resource.type: bytes_of(ask(resource, PERSON, "")) for resource in listed()}
    assert COMPANY_WORKSPACE_CONNECTOR.type in plain
    assert {type_: bytes_ for type_, bytes_ in plain.items() if bytes_ > PLAIN_BYTES} == {}
