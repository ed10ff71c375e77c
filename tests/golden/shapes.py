"""The requests whose SQL is golden: of each kind of list those that make a statement of another form."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

from wellspring.access.principal import Person, Principal, Service
from wellspring.database.flush import Query
from wellspring.jsonapi.query import parse_list
from wellspring.queries import Position
from wellspring.repositories import ledger
from wellspring.repositories.answers import sources
from wellspring.repositories.groups import linkage
from wellspring.repositories.ledger.pages import Slice
from wellspring.resources import COMPANY, Resource, resource_of, resources

ID = UUID(int=1)
PERSON, SERVICE = Person(ID), Service("golden", frozenset({"system:read"}))
AT = datetime(2026, 5, 10, tzinfo=UTC)
_T = "2026-05-10T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Golden:
    """One file: its name without the ending, what is asked and by whom, and the statement."""

    name: str
    says: str
    question: Query[Any]


def golden() -> Iterator[Golden]:
    """Yield each statement."""
    for resource in listed():
        # Of three that differ in names alone one is asked for in every way.
        for caller in callers(resource):
            yield _page(f"{resource.type}.plain", resource, caller, "")
    both: tuple[Principal, ...] = (PERSON, SERVICE)
    for ways, asking in ((_WAYS, both), (_OF_PERSONS, both[:1]), (_OF_SERVICES, both[1:])):
        for (type_, name, query), caller in product(ways, asking):
            yield _page(f"{type_}.{name}", resource_of(type_), caller, query)
    for type_ in ("company_workspace_connector", "workspace_group_workspace", "workspace_provider", "sync_message"):
        resource = resource_of(type_)
        for caller in callers(resource):
            asked = parse_list(resource, "page[total]=true")
            says = f"GET {resource.route}?page[total]=true: the total, for a {_name(caller)}"
            yield Golden(f"{type_}.total.{_name(caller)}", says, ledger.count(caller, asked))
            says = f"GET {resource.route}/ID, for a {_name(caller)}"
            yield Golden(f"{type_}.retrieve.{_name(caller)}", says, ledger.one(caller, resource, {"id": ID}))
    for type_ in ("company", "workspace_connector", "connector", "workspace", "workspace_group", "sync_message"):
        says = f"include: the rows of type {type_} that rows before it in the flush point to, for a person"
        question = ledger.related(PERSON, resource_of(type_), [ledger.place("type", "relationship")])
        yield Golden(f"include.{type_}", says, question)
    says = "GET /v1/workspace-groups?include=workspaces,memberships: the linkage of the groups"
    yield Golden("include.linkage", says, linkage(("workspaces", "memberships"), 20))
    says = "GET /v1/companies?include=sources: where the companies of a page came from, for a person"
    yield Golden("include.sources", says, sources.sources_of_page(PERSON, COMPANY, 20))


def listed() -> Iterator[Resource]:
    """Yield the types whose lists the ledger reads."""
    yield from (resource for resource in resources() if "list" in resource.operations)


def callers(resource: Resource) -> tuple[Principal, ...]:
    """Return who may list a type."""
    return (SERVICE,) if resource.tenancy == "services" else (PERSON, SERVICE)


def ask(resource: Resource, caller: Principal, query: str) -> Query[Slice]:
    """Return the question for a page, from anywhere where the query has a cursor. Raises as `parse_list` does."""
    asked = parse_list(resource, query)
    position = None if asked.cursor is None else Position("a name" if asked.sort.by_text else AT, ID)
    return ledger.page(caller, asked, position)


def _page(name: str, resource: Resource, caller: Principal, query: str) -> Golden:
    says = f"GET {resource.route}{'?' if query else ''}{query}, for a {_name(caller)}"
    return Golden(f"{name}.{_name(caller)}", says, ask(resource, caller, query))


def _name(caller: Principal) -> str:
    return "person" if isinstance(caller, Person) else "service"


_POLLING = f"sort=updated_at&filter[updated_at][gte]={_T}&filter[deleted]=include"
_LEDGER, _ENROLMENT, _CHOICE = "company_workspace_connector", "workspace_group_workspace", "workspace_provider"
# For a person and for a service: the type, the name of the file, the query.
_WAYS = (
    (_LEDGER, "after", f"page[after]={ID}"),
    (_LEDGER, "before", f"page[before]={ID}"),
    (_LEDGER, "large", "page[size]=500"),
    (_LEDGER, "ascending", "sort=created_at"),
    (_LEDGER, "by_update", "sort=-updated_at"),
    (_LEDGER, "dead", "filter[deleted]=only"),
    (_LEDGER, "dead_by_deletion", f"filter[deleted]=only&sort=-deleted_at&filter[deleted_at][gte]={_T}"),
    (_LEDGER, "both_halves", "filter[deleted]=include"),
    (_LEDGER, "polling", f"{_POLLING}&page[size]=500"),
    (_LEDGER, "polling_after", f"{_POLLING}&page[size]=500&page[after]={ID}"),
    (_LEDGER, "of_workspace", f"filter[workspace]={ID}"),
    (_LEDGER, "of_records", f"filter[company]={ID}"),
    (_LEDGER, "of_connectors", f"filter[workspace_connector]={ID}"),
    (_LEDGER, "of_both", f"filter[company]={ID}&filter[workspace_connector]={ID}"),
    (_LEDGER, "of_messages", f"filter[sync_message]={ID}"),
    (_LEDGER, "range", f"filter[created_at][gte]={_T}&filter[created_at][lt]={_T}"),
    (_ENROLMENT, "dead", "filter[deleted]=only"),
    (_ENROLMENT, "polling", _POLLING),
    (_ENROLMENT, "of_group", f"filter[workspace_group]={ID}"),
    (_ENROLMENT, "of_workspace", f"filter[workspace]={ID}"),
    (_CHOICE, "dead", "filter[deleted]=only"),
    (_CHOICE, "of_workspace_and_provider", f"filter[workspace]={ID}&filter[provider]={ID}"),
    ("sync_message", "parked", "filter[outcome]=parked"),
    ("sync_message", "of_connector", f"filter[workspace_connector]={ID}"),
    ("sync_message", "of_reason", f"filter[workspace]={ID}&filter[reason]=unknown_record"),
    ("sync_message", "of_run", f"filter[sync_run]={ID}"),
    ("sync_run", "incomplete", "filter[state]=incomplete"),
    ("sync_run", "of_connector", f"filter[workspace_connector]={ID}"),
    ("company", "named", f"filter[workspace]={ID}&filter[name]=Alder"),
    ("company", "containing", f"filter[workspace]={ID}&filter[name][contains]=alder"),
    ("workspace", "named", "filter[name][starts]=alder"),
    ("provider", "of_country", "filter[country]=FR"),
    ("workspace_connector", "by_last_sync", f"filter[workspace]={ID}&sort=-last_synced_at"),
    ("workspace_connector", "of_health", "filter[health]=failing"),
    ("workspace_connector", "of_health_and_tool", f"filter[health]=late&filter[connector]={ID}"),
    ("sync_message", "parked_for_reason", "filter[outcome]=parked&filter[reason]=unknown_record"),
)
_OF_PERSONS = (
    (_LEDGER, "directed", "filter[direction]=output"),
    (_ENROLMENT, "after", f"page[after]={ID}"),
    (_ENROLMENT, "made_by", f"filter[created_by]={ID}"),
    (_CHOICE, "of_provider", f"filter[provider]={ID}"),
    (_CHOICE, "selected", "filter[is_selected]=true"),
    ("company", "starting", "filter[name][starts]=alder"),
)
_OF_SERVICES = (
    (_LEDGER, "directed_of_workspace", f"filter[workspace]={ID}&filter[direction]=output"),
    ("company", "starting", "filter[name][starts]=alder"),
)
