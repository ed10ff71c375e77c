"""The OpenAPI document is valid, complete, and says what the code does."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.demo_data import rows
from local.example_ids import id_of
from local.openapi import document, examples
from local.openapi.naming import pascal
from local.openapi.parameters import WITH_VIEW
from local.settings import ROOT
from tests.jsonapi.structure import CODES
from wellspring.errors import InvalidQueryParameter, Problems, WellspringError
from wellspring.jsonapi.answers import parse_activity, parse_audit, parse_page
from wellspring.jsonapi.query import UNKNOWN, no_parameters, parse_list, parse_view
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.models import table_of
from wellspring.resources import (
    ANSWERS,
    RECORD_SOURCE,
    SINGLES,
    resource_of,
    resources,
)
from wellspring.routes import Route, routes

DOCUMENT = document()
# What there is more than one of.
SEVERAL = [found for found in resources() if found not in SINGLES]
OPERATIONS = [route for route in routes() if route.resource is not None]
PARSERS: dict[str, Callable[[str], object]] = {
    "connector_activity": parse_activity,
    "audit_entry": parse_audit,
    "record_source": partial(parse_page, RECORD_SOURCE),
}
WRITING = [route for route in OPERATIONS if route.operation in {"create", "update"}]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][route.path][route.method.lower()]
    return found


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return dict(found)


def parameters(route: Route, place: str) -> dict[str, dict[str, Any]]:
    found = [resolved(part) for part in operation(route).get("parameters", [])]
    return {parameter["name"]: parameter for parameter in found if parameter["in"] == place}


def validator(schema: Mapping[str, Any]) -> Any:
    """Return what validates against a schema of the document."""
    return OAS31Validator({**schema, "components": DOCUMENT["components"]}, format_checker=oas31_format_checker)


def walk(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object in the document that has a schema of its own, and where it is."""
    if isinstance(part, dict):
        if "schema" in part:
            yield path, part
        for name, value in part.items():
            # What is in an example is not a part of the document.
            if name not in {"example", "examples", "value"}:
                yield from walk(value, f"{path}/{name}")
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from walk(value, f"{path}/{number}")


# ---- the document as such -------------------------------------------------------------------------------
def test_the_document_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_every_route_is_an_operation_and_every_operation_a_route() -> None:
    """The template's routes are the declared ones: tests/truth/test_documentation.py."""
    described = {f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == set(map(name_of, routes()))
    # It is not an operation of its own (ADR 0049).
    assert "`HEAD`" in DOCUMENT["info"]["description"]


def test_what_needs_no_token_says_so() -> None:
    assert DOCUMENT["security"] == [{"jwt": []}]
    for route in routes():
        assert operation(route).get("security") == ([] if route.open_to_all else None), name_of(route)


def test_every_part_that_is_shared_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for kind in ("schemas", "parameters", "responses"):
        for name in DOCUMENT["components"][kind]:
            # No path stands for $default.
            assert name.startswith("Default") or f'"#/components/{kind}/{name}"' in text, name


def test_no_two_shared_schemas_say_the_same() -> None:
    said = Counter(json.dumps(schema, sort_keys=True) for schema in DOCUMENT["components"]["schemas"].values())
    assert [text for text, times in said.items() if times > 1] == []


# ---- errors ---------------------------------------------------------------------------------------------
def codes_of(response: dict[str, Any]) -> list[str]:
    """Return the codes of an answer; none where the gateway alone gives it."""
    said = resolved(response)
    if MEDIA_TYPE not in said["content"]:
        return []
    schema = said["content"][MEDIA_TYPE]["schema"]
    # Where the gateway may answer too, that is the other choice.
    (narrowed, *_) = schema.get("anyOf", [schema])
    # One reference and keywords beside it: generators take the shared class for it.
    assert narrowed["allOf"] == [{"$ref": "#/components/schemas/ErrorDocument"}]
    found: list[str] = narrowed["properties"]["errors"]["items"]["properties"]["code"]["enum"]
    assert all(f"`{code}`" in said["description"] for code in found)
    return found


def failures(route: Route) -> dict[str, list[str]]:
    return {status: codes_of(response) for status, response in operation(route)["responses"].items() if status >= "400"}


def test_every_code_of_the_contract_is_in_the_document() -> None:
    # Of what is answered from sums no single one is looked for.
    stored = [route.resource for route in OPERATIONS if route.resource and route.resource not in ANSWERS]
    of_types = {f"{resource.type.upper()}_NOT_FOUND" for resource in stored if resource not in SINGLES}
    wanted = {*CODES.split()} | of_types | {"WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS"}
    described = {code for route in routes() for codes in failures(route).values() for code in codes}
    for name in ("DefaultNotFound", "DefaultMethodNotAllowed"):
        described |= set(codes_of(DOCUMENT["components"]["responses"][name]))
    assert wanted <= described
    assert described == set(DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"])


# ---- examples -------------------------------------------------------------------------------------------
def examples_of(part: dict[str, Any]) -> list[Any]:
    return [part["example"]] if "example" in part else [named["value"] for named in part.get("examples", {}).values()]


def test_every_example_is_valid() -> None:
    tried = 0
    for path, part in walk(DOCUMENT):
        for example in examples_of(part):
            assert [f"{path}: {error.message}" for error in validator(part["schema"]).iter_errors(example)] == []
            tried += 1
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for example in schema.get("examples", []):
            assert [f"{name}: {error.message}" for error in validator(schema).iter_errors(example)] == []
    assert tried > 150


@pytest.mark.parametrize("route", routes(), ids=name_of)
def test_every_operation_has_an_example_of_what_is_sent_and_of_each_answer(route: Route) -> None:
    body = operation(route).get("requestBody", {"content": {}})
    assert bool(body["content"]) == (route.operation in {"create", "update", "mcp", *examples.META})
    answers = [resolved(response).get("content", {}) for response in operation(route)["responses"].values()]
    for content in (body["content"], *answers):
        for media in content.values():
            assert examples_of(media)
    for place in ("path", "query", "header"):
        assert all(examples_of(parameter) for parameter in parameters(route, place).values())


def test_the_answer_on_the_first_screen_of_the_readme_is_as_described() -> None:
    shown = json.loads((ROOT / "README.md").read_text().partition("```json\n")[2].partition("```")[0])
    validator({"$ref": "#/components/schemas/CompanyWorkspaceConnectorCollection"}).validate(shown)
    example = examples.resource_object(resource_of("company_workspace_connector"))
    for member in ("attributes", "relationships"):
        assert shown["data"][0][member].keys() == example[member].keys()


def test_a_document_that_says_more_than_is_described_is_not_valid() -> None:
    checked = validator({"$ref": "#/components/schemas/CompanyWorkspaceConnectorDocument"})
    made = examples.single_document(resource_of("company_workspace_connector"), "/v1")
    checked.validate(made)
    relationship = ("data", "relationships", "company", "data")
    for path in ((), ("data",), ("data", "attributes"), ("data", "relationships"), relationship):
        spoilt = json.loads(json.dumps(made))
        part = spoilt
        for step in path:
            part = part[step]
        part["pk"] = 7
        assert not checked.is_valid(spoilt), path


@pytest.mark.parametrize(
    ("type_", "other"),
    [("company_workspace_connector", "account"), ("workspace_membership", "workspace_group"), ("people", "provider")],
)
def test_a_relationship_of_another_type_is_not_valid_though_they_share_a_schema(type_: str, other: str) -> None:
    checked = validator({"$ref": f"#/components/schemas/{pascal(type_)}Document"})
    made = examples.single_document(resource_of(type_), "/v1")
    checked.validate(made)
    made["data"]["relationships"][other] = {"data": {"type": other, "id": id_of(other)}}
    assert not checked.is_valid(made)


def test_what_another_type_takes_is_not_valid_in_a_request_though_they_share_a_schema() -> None:
    every = {
        "attributes": {said.name for known in resources() for said in known.attributes if said.written != "never"},
        "relationships": {said.name for known in resources() for said in known.relationships},
    }
    tried = 0
    for route in WRITING:
        content = operation(route)["requestBody"]["content"][MEDIA_TYPE]
        assert route.resource is not None
        checked = validator(content["schema"])
        for member, names in every.items():
            own = route.resource.attributes if member == "attributes" else route.resource.relationships
            takes = {said.name for said in own if said.written in {route.operation, "always"}}
            for name in sorted(names - takes) if route.operation in {"create", "update"} else ():
                body = json.loads(json.dumps(content["example"]))
                body["data"].setdefault(member, {})["@comment"] = "ignored"
                assert checked.is_valid(body)
                body["data"][member][name] = {"data": None}
                assert not checked.is_valid(body), (name_of(route), name)
                tried += 1
    assert tried > 100


def test_an_attribute_that_is_never_null_has_such_a_column() -> None:
    for resource in SEVERAL:
        shown = resolved(DOCUMENT["components"]["schemas"][pascal(resource.type)]["properties"]["attributes"])[
            "properties"
        ]
        columns = table_of(resource.table).c
        for attribute in resource.attributes:
            if not attribute.computed and not validator(shown[attribute.name]).is_valid(None):
                assert not columns[attribute.column or attribute.name].nullable, f"{resource.type}.{attribute.name}"


MADE_HERE = {"provenance", "feed", "fleet", "group", "member", "enrolment", "selection", "run"}


def test_the_examples_can_be_tried_on_a_local_stack() -> None:
    demo = {row.get("id") for of_table in rows().values() for row in of_table}
    # But for what is made over HTTP or by messages, whose ids are the server's, and what the feed could not apply.
    for known in resources():
        by_itself = known.policy in MADE_HERE or known.tenancy == "message"
        assert by_itself or id_of(known.type) in demo, known.type


# ---- parameters -----------------------------------------------------------------------------------------
def refused(route: Route, name: str) -> dict[str, str]:
    """Return the query parameters that are refused where one is sent, each with what is said of it."""
    resource, query = route.resource, urlencode({name: ""})
    assert resource is not None
    problems: tuple[WellspringError, ...] = ()
    try:
        if route.operation == "list":
            parse_list(resource, query, within={name: UUID(id_of(name)) for name in route.within.values()})
        elif route.operation == "answers":
            PARSERS[resource.type](query)
        elif route.operation in WITH_VIEW:
            problems = tuple(parse_view(resource, query)[1])
        else:
            problems = tuple(no_parameters(query))
    except Problems as error:
        problems = error.problems
    except InvalidQueryParameter as error:
        problems = (error,)
    return {problem.source["parameter"]: problem.detail for problem in problems}


def told_in(detail: str, described: set[str]) -> set[str]:
    """Return the parameters that a refusal says there are, each as it is written in a URL."""
    if detail == f"{UNKNOWN} It takes none.":
        return set()
    found = set()
    for told in detail.removeprefix(f"{UNKNOWN} There are: ").removesuffix(".").split(", "):
        prefix, _, operators = told.removesuffix("]").rpartition("[")
        if told == "fields[TYPE]":
            found |= {name for name in described if name.startswith("fields[")}
        elif "|" in operators:
            found |= {f"{prefix}[{operator}]" for operator in operators.split("|")}
        else:
            found.add(told)
    return found


@pytest.mark.parametrize("route", OPERATIONS, ids=name_of)
def test_a_refusal_names_the_parameters_that_there_are_and_no_others(route: Route) -> None:
    described = set(parameters(route, "query"))
    assert told_in(refused(route, "quetzal")["quetzal"], described) == described
    filters = {name for name in described if name.startswith("filter[")}
    assert told_in(refused(route, "filter[quetzal]")["filter[quetzal]"], described) == (filters or described)


def test_every_order_has_a_name_that_a_program_can_have() -> None:
    order = DOCUMENT["components"]["schemas"]["Order"]
    names = order["x-enum-varnames"]
    assert len(set(names)) == len(order["enum"])
    assert dict(zip(order["enum"], names, strict=True))["-created_at"] == "CREATED_AT_DESCENDING"
    assert all(re.fullmatch("[A-Z][A-Z_]*", name) for name in names)
    # Every other value makes a name by itself.
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if name != "Order":
            assert all(re.fullmatch(r"[A-Za-z][\w.]*", value) for value in schema.get("enum", ()))
