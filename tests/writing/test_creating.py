"""Contract, section 4, "Create", on the provenance rows; what is special in groups and choices has its own file."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import NOWHERE, PIPELINE, READER, Reply, call, draft, get, of_every_ledger, patch, post
from tests.support.databases import Database
from tests.support.tenants import Tenant
from tests.support.world import World
from tests.writing.conftest import (
    COMPANIES,
    ENROLMENTS,
    GONE,
    GROUPS,
    SOMEBODY,
    Wrong,
    count,
    identifier,
    is_shown_whole,
    linked,
    put,
    route_of,
    told,
    wrong,
)
from wellspring.jsonapi.body import MAX_BODY_BYTES, MAX_LINKAGES

TYPE = "company_workspace_connector"
TABLE = "company_workspace_connectors"
RELATIONSHIPS = "/data/relationships"
ATTRIBUTES = "/data/attributes"
TIMES = "attributes/created_at updated_at deleted_at"


def send(body: str | None) -> Reply:
    """POST a body as it is."""
    return call("POST", COMPANIES, PIPELINE, body=body)


@of_every_ledger
def test_a_foreign_tenant_gives_no_parent_to_a_row_of_ours(
    database: Database, ours: Tenant, theirs: Tenant, type_: str
) -> None:
    """A service sees all tenants, and mixes no two of them."""
    document = ours.draft(type_)
    document["data"]["relationships"]["workspace_connector"]["data"] = identifier(theirs.connector)
    assert told(post(route_of(type_), PIPELINE, document)) == [("409", "TENANT_MISMATCH", RELATIONSHIPS)]
    assert count(database, f"{type_}_workspace_connectors") == 0


@of_every_ledger
class TestARow:
    def test_is_made_and_shown(self, ours: Tenant, type_: str) -> None:
        reply = post(route_of(type_), PIPELINE, ours.draft(type_, "output"))
        assert reply.headers["content-type"] == "application/vnd.api+json"
        relationships = {
            type_: linked(ours.records[type_]),
            "workspace_connector": linked(ours.connector),
            # Of a row that no message wrote.
            "sync_message": {"data": None},
            "ended_by": {"data": None},
        }
        is_shown_whole(reply, ours.caller, relationships, direction="output")

    def test_may_be_made_again_since_duplicates_are_legal(self, database: Database, ours: Tenant, type_: str) -> None:
        replies = [post(route_of(type_), PIPELINE, ours.draft(type_)) for _ in range(3)]
        assert [reply.status for reply in replies] == [201, 201, 201]
        assert count(database, f"{type_}_workspace_connectors") == 3


def test_other_parameters_are_told_with_the_rest(database: Database, ours: Tenant) -> None:
    for query in ("include=nonsense", "fields[nonsense]=a", "page[size]=1", "filter[direction]=input", "foo=1"):
        reply = post(f"{COMPANIES}?{query}", PIPELINE, put(ours.draft(), "id", NOWHERE))
        assert (reply.status, reply.codes) == (400, ["INVALID_QUERY_PARAMETER", "FORBIDDEN"])
        assert reply.sources == [{"parameter": query.partition("=")[0]}, {"pointer": "/data/id"}]
    assert count(database, TABLE) == 0


# ---- what is wrong with a document ---------------------------------------------------------------------
NO_IDS = ("nonsense", "", "1", "\x00", "\ud800", "é" * 3000, "{3fa85f64}", "3fa85f64" * 4)
NO_TYPES: tuple[Any, ...] = (7, {}, [TYPE], True)
NO_DIRECTIONS = ("both", "INPUT", "", " input", "input\x00", "\ud800", None, 1, True, ["input"], {"input": 1})
WRONG: dict[str, list[Wrong]] = {
    "its identity": [
        *wrong("403 FORBIDDEN", "id", NOWHERE, "1", "", None, 7, {}),
        *wrong("409 CONFLICT", "type", "people_workspace_connector", "company", TYPE.capitalize(), "", "\ud800"),
        *wrong("400 BAD_REQUEST", "type", *NO_TYPES),
        *wrong("400 BAD_REQUEST", "type", GONE, at="/data"),
    ],
    "a related resource": [
        *wrong("404 COMPANY_NOT_FOUND", "relationships/company/data/id", *NO_IDS),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "relationships/company/data/type", "people", "companies", "", "\ud800"),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "relationships/company/data", None),
        *wrong("400 BAD_REQUEST", "relationships/company", None, [], "x", 1, {}, {"links": {}}, {"meta": {}}),
        *wrong("400 BAD_REQUEST", "relationships/company/data", [], "x", 1, {}, {"type": "company"}, {"id": NOWHERE}),
        *wrong("400 BAD_REQUEST", "relationships/company/data", {"type": 1, "id": "x"}, {"type": "company", "id": 1}),
    ],
    "a field": [
        *wrong("403 SYSTEM_ATTRIBUTE", TIMES, "2026-05-10T08:14:22.000Z", None, "nonsense"),
        *wrong(
            "422 SCHEMA_VALIDATION_ERROR", "attributes/pk workspace_pk external_id company Direction is_selected", 1
        ),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "attributes/", 1),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "relationships/workspace connector direction created_at", SOMEBODY),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "relationships/workspaceConnector", SOMEBODY),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "attributes/direction", *NO_DIRECTIONS),
    ],
    # A pointer leads to what it is of, whatever that is called.
    "a name": [
        ("attributes", {"direction": "input", name: 1}, "422 SCHEMA_VALIDATION_ERROR", f"{ATTRIBUTES}/{step}")
        for name, step in (
            ("a/b", "a~1b"),
            ("~1", "~01"),
            ("é", "é"),
            ("\ud800", "?"),
            ("\x00", "\x00"),
            ("a b", "a b"),
        )
    ],
    "what is missing": [
        *wrong("422 SCHEMA_VALIDATION_ERROR", "attributes/direction", GONE, at="/data"),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "attributes", GONE, at="/data"),
        *wrong("422 SCHEMA_VALIDATION_ERROR", "relationships/company workspace_connector", GONE, at=RELATIONSHIPS),
        *wrong("400 BAD_REQUEST", "attributes relationships", None, [], "x", 1),
    ],
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_its_place_and_nothing_is_made(database: Database, ours: Tenant, what: str) -> None:
    for path, value, code, pointer in WRONG[what]:
        reply = post(COMPANIES, PIPELINE, put(ours.draft(), path, value))
        assert (value, told(reply)) == (value, [(*code.split(), pointer)])
        assert reply.body.encode()
    assert count(database, TABLE) == 0


@pytest.mark.parametrize(("path", "errors"), [("relationships", 2), ("attributes", 1)])
def test_all_that_is_missing_is_named(ours: Tenant, path: str, errors: int) -> None:
    names = {"relationships": {"company", "workspace_connector"}, "attributes": {"direction"}}[path]
    nothing: dict[str, Any] = {}
    for value in (GONE, nothing):
        reply = post(COMPANIES, PIPELINE, put(ours.draft(), path, value))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", "/data")] * errors
        assert all(any(name in error["detail"] for error in reply.errors) for name in names)
    assert post(COMPANIES, PIPELINE, {"data": {"type": TYPE}}).codes == ["SCHEMA_VALIDATION_ERROR"] * 3


def test_a_related_resource_may_be_named_in_capitals(ours: Tenant) -> None:
    document = put(ours.draft(), "relationships/company/data/id", str(ours.records["company"].id).upper())
    assert post(COMPANIES, PIPELINE, document).status == 201


def test_a_field_is_the_systems_in_relationships_too(world: World, ours: Tenant) -> None:
    group = world.group()
    world.group_member(ours.owner, group, "owner")
    enrolment = draft("workspace_group_workspace", workspace_group=group, workspace=ours.workspace)
    made = draft("workspace_group", {"name": "Made"})
    for url, document, said in (
        (ENROLMENTS, enrolment, {"created_by": {"data": identifier(ours.owner)}}),
        (GROUPS, made, {"created_by": {"data": None}, "memberships": {"data": []}}),
    ):
        document["data"].setdefault("relationships", {}).update(said)
        assert told(post(url, ours.caller, document)) == [
            ("403", "SYSTEM_ATTRIBUTE", f"{RELATIONSHIPS}/{name}") for name in said
        ]


def test_a_relationship_to_many_has_an_array_of_identifiers_with_an_end(database: Database, ours: Tenant) -> None:
    own, place = identifier(ours.workspace), f"{RELATIONSHIPS}/workspaces/data"
    no_arrays: tuple[Any, ...] = (None, {}, "x", 1)
    lines: list[tuple[Any, str, list[str]]] = [
        *((value, "400 BAD_REQUEST", [place]) for value in no_arrays),
        ([own, None, {"type": "workspace"}], "400 BAD_REQUEST", [f"{place}/1", f"{place}/2"]),
        ([own] * (MAX_LINKAGES + 1), "422 SCHEMA_VALIDATION_ERROR", [place]),
    ]
    for linkage, code, places in lines:
        document = draft("workspace_group", {"name": "Made"})
        document["data"]["relationships"] = {"workspaces": {"data": linkage}}
        assert told(post(GROUPS, ours.caller, document)) == [(*code.split(), pointer) for pointer in places]
    assert count(database, "workspace_groups") == 0


class TestMembersThatNobodyKnows:
    """JSON:API 1.1, "Document Structure": a server ignores what it does not recognise."""

    def test_are_ignored_wherever_they_are(self, ours: Tenant) -> None:
        document = ours.draft()
        noise = {"nonsense": 1, "meta": {"a": 1}, "links": {"self": "/nowhere"}, "@context": "x", "lid": "local"}
        document.update(noise, jsonapi={"version": "9.9"}, included=[{"type": "company", "id": "nonsense"}])
        data = document["data"]
        data.update(noise)
        for relationship in data["relationships"].values():
            relationship.update(noise)
            relationship["data"].update(noise)
        reply = post(COMPANIES, PIPELINE, document)
        assert reply.status == 201
        assert get(reply.headers["location"], READER).data == reply.data
        assert "nonsense" not in reply.body

    def test_are_no_fields_where_they_begin_with_an_at_sign(self, ours: Tenant) -> None:
        """JSON:API 1.1, "@-Members": a MUST."""
        document = ours.draft()
        document["data"]["attributes"] |= {"@type": "x", "@": None}
        document["data"]["relationships"] |= {"@graph": "x"}
        assert post(COMPANIES, PIPELINE, document).status == 201
        document["data"]["attributes"] = {"@type": "x"}
        assert post(COMPANIES, PIPELINE, document).status == 422


# ---- bodies --------------------------------------------------------------------------------------------
NO_DOCUMENTS = (
    *((body, "") for body in ("null", "[]", "{}", "1", '"data"', "true", '[{"data": {}}]', '{"errors": []}')),
    *((body, "") for body in ('{"meta": {}}', '{"Data": {}}', None, "", " ", "\n\t \r\n")),
    *((f'{{"data": {data}}}', "/data") for data in ("null", "[]", '[{"type": "x"}]', '"x"', "1")),
)


class TestABody:
    def test_that_is_no_document_of_one_resource_is_400(self, database: Database) -> None:
        for body, pointer in NO_DOCUMENTS:
            assert (body, told(send(body))) == (body, [("400", "BAD_REQUEST", pointer)])

    def test_that_is_empty_is_told_of_with_the_rest(self, database: Database) -> None:
        reply = call("POST", f"{COMPANIES}?foo=1", PIPELINE, body="")
        assert (reply.status, reply.codes) == (400, ["INVALID_QUERY_PARAMETER", "BAD_REQUEST"])

    def test_may_be_as_large_as_is_said_in_bytes(self, database: Database, ours: Tenant) -> None:
        text = json.dumps(ours.draft())
        assert send(text + " " * (MAX_BODY_BYTES - len(text))).status == 201
        for filler in (" ", "é"):
            document = ours.draft() | {"meta": {"filler": filler * (MAX_BODY_BYTES // len(filler.encode()))}}
            assert send(json.dumps(document, ensure_ascii=False)).codes == ["PAYLOAD_TOO_LARGE"]
        # It is not even parsed.
        assert send("[" * (MAX_BODY_BYTES + 1)).codes == ["PAYLOAD_TOO_LARGE"]
        assert count(database, TABLE) == 1

    def test_of_numbers_that_are_out_of_range_is_no_fault_of_ours(self, ours: Tenant) -> None:
        text = json.dumps(ours.draft())
        for number in ("1e999999", "-1e999999", "1" * 4_000, "0." + "1" * 10_000):
            assert send(text[:-1] + f', "meta": {number}}}').status == 201


def test_several_problems_of_different_kinds_are_one_answer_with_400(database: Database, ours: Tenant) -> None:
    document = ours.draft()
    data = document["data"]
    data["id"] = str(uuid4())
    data["type"] = "company"
    data["attributes"] = {"direction": "both", "created_at": None, "nonsense": 1}
    data["relationships"]["company"]["data"]["id"] = str(uuid4())
    data["relationships"]["workspace_connector"] = {"data": []}
    data["relationships"]["nonsense"] = {}
    reply = post(f"{COMPANIES}?include=nonsense", PIPELINE, document, idempotency_key="a b")
    assert reply.status == 400
    assert {error["id"] for error in reply.errors} == {reply.request_id}
    assert [(error["status"], error["code"], error["source"]) for error in reply.errors] == [
        ("400", "INVALID_QUERY_PARAMETER", {"parameter": "include"}),
        ("400", "BAD_REQUEST", {"header": "Idempotency-Key"}),
        ("409", "CONFLICT", {"pointer": "/data/type"}),
        ("403", "FORBIDDEN", {"pointer": "/data/id"}),
        ("422", "SCHEMA_VALIDATION_ERROR", {"pointer": f"{ATTRIBUTES}/direction"}),
        ("403", "SYSTEM_ATTRIBUTE", {"pointer": f"{ATTRIBUTES}/created_at"}),
        ("422", "SCHEMA_VALIDATION_ERROR", {"pointer": f"{ATTRIBUTES}/nonsense"}),
        ("400", "BAD_REQUEST", {"pointer": f"{RELATIONSHIPS}/workspace_connector/data"}),
        ("422", "SCHEMA_VALIDATION_ERROR", {"pointer": f"{RELATIONSHIPS}/nonsense"}),
        ("404", "COMPANY_NOT_FOUND", {"pointer": f"{RELATIONSHIPS}/company/data/id"}),
    ]
    assert count(database, TABLE) == 0


# ---- text ----------------------------------------------------------------------------------------------
NO_NAMES: tuple[object, ...] = (
    *("", " ", "\u3000\u2003", "a\x00b", "\x00", "\ud800", "a\udfff", "\ude00\ud83d"),
    *("x" * 501, "\U0001f600" * 501, "a\nb", "a\tb", "a\rb", "\x1b[2J", "a\x7fb", "a\x85b", "a\x9fb"),
    *(None, 1, True, [], {}),
)
# Five hundred characters: not UTF-16 units, of which an emoji has two, nor bytes, of which it has four.
NAMES = (
    *("x", " x ", "x" * 500, "é" * 500, "\U0001f600" * 500),
    *("'; DROP TABLE x --", "%s :name $1 \\", "a\u200fb\u2028c\xa0", 'Zoë "Café" </script>'),
)


class TestText:
    """A group's name is the only text that a client writes."""

    @staticmethod
    def said(ours: Tenant, name: object) -> tuple[Reply, Reply]:
        """Make a group of this name, and give it to another."""
        other = post(GROUPS, ours.caller, draft("workspace_group", {"name": "Before"}))
        change: Any = draft("workspace_group", {"name": name}, other.data["id"])
        return (
            post(GROUPS, ours.caller, draft("workspace_group", {"name": name})),
            patch(other.headers["location"], ours.caller, change),
        )

    def test_that_cannot_be_kept_does_not_validate(self, database: Database, ours: Tenant) -> None:
        for number, name in enumerate(NO_NAMES, 1):
            for reply in self.said(ours, name):
                assert (ascii(name), told(reply)) == (
                    ascii(name),
                    [("422", "SCHEMA_VALIDATION_ERROR", f"{ATTRIBUTES}/name")],
                )
            assert count(database, "workspace_groups") == number
        shown = get(f"{GROUPS}?page[size]=100", ours.caller).data
        assert {group["attributes"]["name"] for group in shown} == {"Before"}

    def test_is_kept_as_it_is(self, ours: Tenant) -> None:
        for name in NAMES:
            made, renamed = self.said(ours, name)
            assert (made.status, renamed.status) == (201, 200)
            for reply in (made, renamed, get(made.headers["location"], ours.caller)):
                assert reply.data["attributes"]["name"] == name

    def test_of_an_escaped_pair_is_one_character(self, ours: Tenant) -> None:
        body = '{"data": {"type": "workspace_group", "attributes": {"name": "\\ud83d\\ude00"}}}'
        made = call("POST", GROUPS, ours.caller, body=body)
        assert made.data["attributes"]["name"] == "\U0001f600"

    def test_is_required(self, ours: Tenant) -> None:
        assert told(post(GROUPS, ours.caller, {"data": {"type": "workspace_group"}})) == [
            ("422", "SCHEMA_VALIDATION_ERROR", "/data")
        ]
