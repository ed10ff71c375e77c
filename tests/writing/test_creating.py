"""Contract, section 4, "Create", on the provenance rows; what is special in groups and choices has its own file."""

import base64
import importlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.support.api import (
    ANONYMOUS,
    READER,
    Context,
    Reply,
    call,
    draft,
    event,
    get,
    of_every_ledger,
    patch,
    post,
    service,
)
from tests.support.databases import WRITER, Database
from tests.support.world import Row, World
from tests.writing.conftest import (
    COMPANIES,
    ENROLMENTS,
    GROUPS,
    NOWHERE,
    PIPELINE,
    Tenant,
    count,
    identifier,
    linked,
    route_of,
    told,
    without_id,
)
from wellspring.jsonapi.body import MAX_BODY_BYTES, MAX_LINKAGES
from wellspring.jsonapi.values import MEDIA_TYPE

TYPE = "company_workspace_connector"
TABLE = "company_workspace_connectors"
RELATIONSHIPS = "/data/relationships"
ATTRIBUTES = "/data/attributes"


def send(body: str | None) -> Reply:
    """POST a body as it is."""
    return call("POST", COMPANIES, PIPELINE, body=body)


def say(name: str, value: object, data: Any) -> None:
    """Have a resource object say an attribute."""
    data["attributes"][name] = value


def changed(ours: Tenant, change: Callable[[Any], object]) -> Any:
    """Return a good document, with something done to its resource object."""
    document = ours.draft()
    change(document["data"])
    return document


@of_every_ledger
class TestWithoutClaims:
    def test_it_is_401(self, ours: Tenant, type_: str) -> None:
        reply = post(route_of(type_), ANONYMOUS, ours.draft(type_))
        assert (reply.status, reply.error["code"]) == (401, "UNAUTHORIZED")

    def test_it_is_401_before_the_body_is_looked_at(self, type_: str) -> None:
        assert call("POST", route_of(type_), body="{").status == 401


class TestTheForeignTenant:
    """A service sees all tenants, and mixes no two of them."""

    @of_every_ledger
    def test_gives_no_parent_to_a_row_of_ours(
        self, database: Database, ours: Tenant, theirs: Tenant, type_: str
    ) -> None:
        document = ours.draft(type_)
        document["data"]["relationships"]["workspace_connector"]["data"] = identifier(theirs.connector)
        reply = post(route_of(type_), PIPELINE, document)
        assert reply.status == 409
        assert (reply.error["code"], reply.error["title"]) == ("TENANT_MISMATCH", "Tenant mismatch")
        assert reply.error["source"] == {"pointer": RELATIONSHIPS}
        assert count(database, f"{type_}_workspace_connectors") == 0

    def test_may_be_written_by_the_same_service(self, theirs: Tenant) -> None:
        assert post(COMPANIES, PIPELINE, theirs.draft()).status == 201


@of_every_ledger
class TestARow:
    def test_is_made_and_shown(self, ours: Tenant, type_: str) -> None:
        reply = post(route_of(type_), PIPELINE, ours.draft(type_, "output"))
        assert reply.status == 201
        assert reply.headers["content-type"] == "application/vnd.api+json"
        path = f"{route_of(type_)}/{reply.data['id']}"
        at = reply.data["attributes"]["created_at"]
        assert reply.document == {
            "jsonapi": {"version": "1.1"},
            "links": {"self": path},
            "data": {
                "type": f"{type_}_workspace_connector",
                "id": reply.data["id"],
                "attributes": {"direction": "output", "created_at": at, "updated_at": at, "deleted_at": None},
                "relationships": {
                    type_: linked(ours.records[type_]),
                    "workspace_connector": linked(ours.connector),
                    # Of a row that no message wrote.
                    "sync_message": {"data": None},
                    "ended_by": {"data": None},
                },
                "links": {"self": path},
            },
        }

    def test_is_where_the_answer_says(self, ours: Tenant, type_: str) -> None:
        made = post(route_of(type_), PIPELINE, ours.draft(type_))
        assert made.headers["location"] == made.data["links"]["self"]
        read = get(made.headers["location"], READER)
        assert (read.status, read.document) == (200, made.document)
        assert read.headers["etag"] == made.headers["etag"]
        assert get(made.headers["location"], ours.caller).data == made.data

    def test_may_be_made_again_since_duplicates_are_legal(self, database: Database, ours: Tenant, type_: str) -> None:
        replies = [post(route_of(type_), PIPELINE, ours.draft(type_)) for _ in range(3)]
        assert [reply.status for reply in replies] == [201, 201, 201]
        assert len({reply.data["id"] for reply in replies}) == 3
        assert count(database, f"{type_}_workspace_connectors") == 3

    def test_is_shown_with_what_is_included(self, ours: Tenant, type_: str) -> None:
        url = f"{route_of(type_)}?include={type_},workspace_connector.connector"
        reply = post(url, PIPELINE, ours.draft(type_))
        assert {item["type"] for item in reply.document["included"]} == {type_, "workspace_connector", "connector"}
        assert reply.headers["location"] == reply.data["links"]["self"]
        assert "?" not in reply.headers["location"]
        shown = get(f"{reply.headers['location']}?include={type_},workspace_connector.connector", READER)
        assert (shown.document, shown.headers["etag"]) == (reply.document, reply.headers["etag"])


class TestTheViewOfWhatWasMade:
    def test_may_include_nothing(self, ours: Tenant) -> None:
        assert post(f"{COMPANIES}?include=", PIPELINE, ours.draft()).document["included"] == []

    def test_may_have_fewer_fields(self, ours: Tenant) -> None:
        reply = post(f"{COMPANIES}?fields[{TYPE}]=direction", PIPELINE, ours.draft())
        assert reply.data["attributes"] == {"direction": "input"}
        assert "relationships" not in reply.data

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("include=nonsense", "include"),
            ("fields[nonsense]=a", "fields[nonsense]"),
            ("page[size]=1", "page[size]"),
            ("filter[direction]=input", "filter[direction]"),
            ("foo=1", "foo"),
        ],
    )
    def test_has_no_other_parameters(self, database: Database, ours: Tenant, query: str, parameter: str) -> None:
        reply = post(f"{COMPANIES}?{query}", PIPELINE, ours.draft())
        assert reply.status == 400
        assert (reply.error["code"], reply.error["source"]) == ("INVALID_QUERY_PARAMETER", {"parameter": parameter})
        assert count(database, TABLE) == 0

    def test_is_asked_for_in_the_same_answer_as_the_rest(self, ours: Tenant) -> None:
        reply = post(f"{COMPANIES}?foo=1", PIPELINE, changed(ours, lambda data: data.update(id=str(uuid4()))))
        assert (reply.status, reply.codes) == (400, ["INVALID_QUERY_PARAMETER", "FORBIDDEN"])
        assert reply.sources == [{"parameter": "foo"}, {"pointer": "/data/id"}]


class TestIdentity:
    @pytest.mark.parametrize("id_", [NOWHERE, "1", "", None, 7, {}])
    def test_is_the_servers_to_give(self, database: Database, ours: Tenant, id_: object) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data.update(id=id_)))
        assert told(reply) == [("403", "FORBIDDEN", "/data/id")]
        assert count(database, TABLE) == 0

    @pytest.mark.parametrize(
        "type_", ["people_workspace_connector", "company", "Company_workspace_connector", "", "\ud800"]
    )
    def test_of_another_type_is_a_conflict(self, ours: Tenant, type_: str) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data.update(type=type_)))
        assert told(reply) == [("409", "CONFLICT", "/data/type")]

    def test_without_a_type_is_no_resource_object(self, ours: Tenant) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data.pop("type")))
        assert told(reply) == [("400", "BAD_REQUEST", "/data")]

    @pytest.mark.parametrize("type_", [7, {}, [TYPE], True])
    def test_with_a_type_that_is_no_string_is_none_either(self, ours: Tenant, type_: object) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data.update(type=type_)))
        assert told(reply) == [("400", "BAD_REQUEST", "/data/type")]


class TestARelatedResource:
    @of_every_ledger
    @pytest.mark.parametrize("name", ["record", "connector"])
    def test_that_is_not_there_is_404_and_named(
        self, world: World, database: Database, ours: Tenant, type_: str, name: str
    ) -> None:
        relationship = type_ if name == "record" else "workspace_connector"
        gone = ours.records[type_] if name == "record" else ours.connector
        missing = ours.draft(type_)
        missing["data"]["relationships"][relationship]["data"]["id"] = str(uuid4())
        absent = post(route_of(type_), PIPELINE, missing)
        world.tombstone(gone)
        tombstoned = post(route_of(type_), PIPELINE, ours.draft(type_))
        pointer = f"{RELATIONSHIPS}/{relationship}/data/id"
        assert told(absent) == [("404", f"{relationship.upper()}_NOT_FOUND", pointer)]
        assert without_id(absent) == without_id(tombstoned)
        assert count(database, f"{type_}_workspace_connectors") == 0

    def test_is_not_there_in_a_workspace_that_is_gone(self, world: World, ours: Tenant) -> None:
        world.tombstone(ours.workspace)
        reply = post(COMPANIES, PIPELINE, ours.draft())
        assert (reply.status, reply.codes) == (404, ["COMPANY_NOT_FOUND", "WORKSPACE_CONNECTOR_NOT_FOUND"])

    @pytest.mark.parametrize("id_", ["nonsense", "", "1", "\x00", "\ud800", "é" * 3000, "{3fa85f64}", "3fa85f64" * 4])
    def test_whose_id_is_none_of_ours_is_not_there(self, ours: Tenant, id_: str) -> None:
        document = ours.draft()
        document["data"]["relationships"]["company"]["data"]["id"] = id_
        reply = post(COMPANIES, PIPELINE, document)
        assert told(reply) == [("404", "COMPANY_NOT_FOUND", f"{RELATIONSHIPS}/company/data/id")]

    def test_may_be_named_in_capitals(self, ours: Tenant) -> None:
        document = ours.draft()
        linkage = document["data"]["relationships"]["company"]["data"]
        linkage["id"] = linkage["id"].upper()
        assert post(COMPANIES, PIPELINE, document).status == 201

    @pytest.mark.parametrize("type_", ["people", "companies", "", "\ud800"])
    def test_of_another_type_does_not_validate(self, ours: Tenant, type_: str) -> None:
        document = ours.draft()
        document["data"]["relationships"]["company"]["data"]["type"] = type_
        reply = post(COMPANIES, PIPELINE, document)
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", f"{RELATIONSHIPS}/company/data/type")]

    def test_that_a_person_does_not_see_is_not_there(self, world: World, ours: Tenant, theirs: Tenant) -> None:
        provider, group = world.provider("stripe"), world.group()
        world.group_member(ours.owner, group, "owner")
        absent_one = Row("workspace", 0, uuid4())
        for url, type_, others in (
            ("/v1/workspace-providers", "workspace_provider", {"provider": provider}),
            (ENROLMENTS, "workspace_group_workspace", {"workspace_group": group}),
        ):
            foreign = post(url, ours.caller, draft(type_, None, None, workspace=theirs.workspace, **others))
            absent = post(url, ours.caller, draft(type_, None, None, workspace=absent_one, **others))
            assert told(foreign) == [("404", "WORKSPACE_NOT_FOUND", f"{RELATIONSHIPS}/workspace/data/id")]
            assert without_id(foreign) == without_id(absent)


class TestAField:
    @pytest.mark.parametrize("name", ["created_at", "updated_at", "deleted_at"])
    def test_of_the_systems_is_403_whatever_it_says(self, database: Database, ours: Tenant, name: str) -> None:
        for value in ("2026-05-10T08:14:22.000Z", None, "nonsense"):
            reply = post(COMPANIES, PIPELINE, changed(ours, partial(say, name, value)))
            assert told(reply) == [("403", "SYSTEM_ATTRIBUTE", f"{ATTRIBUTES}/{name}")]
            assert reply.error["title"] == "System attribute"
        assert count(database, TABLE) == 0

    def test_is_the_systems_in_relationships_too(self, world: World, ours: Tenant) -> None:
        group = world.group()
        world.group_member(ours.owner, group, "owner")
        enrolment = draft("workspace_group_workspace", workspace_group=group, workspace=ours.workspace)
        enrolment["data"]["relationships"]["created_by"] = {"data": identifier(ours.owner)}
        assert told(post(ENROLMENTS, ours.caller, enrolment)) == [
            ("403", "SYSTEM_ATTRIBUTE", f"{RELATIONSHIPS}/created_by")
        ]
        made = draft("workspace_group", {"name": "Made"})
        made["data"]["relationships"] = {"created_by": {"data": None}, "memberships": {"data": []}}
        assert told(post(GROUPS, ours.caller, made)) == [
            ("403", "SYSTEM_ATTRIBUTE", f"{RELATIONSHIPS}/created_by"),
            ("403", "SYSTEM_ATTRIBUTE", f"{RELATIONSHIPS}/memberships"),
        ]

    @pytest.mark.parametrize("name", ["pk", "workspace_pk", "external_id", "company", "Direction", "is_selected", ""])
    def test_that_is_none_of_the_attributes_does_not_validate(self, ours: Tenant, name: str) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["attributes"].update({name: 1})))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", f"{ATTRIBUTES}/{name}")]

    @pytest.mark.parametrize("name", ["workspace", "connector", "direction", "workspaceConnector", "created_by"])
    def test_that_is_none_of_the_relationships_does_not_validate(self, ours: Tenant, name: str) -> None:
        linkage = {"data": identifier(ours.workspace)}
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["relationships"].update({name: linkage})))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", f"{RELATIONSHIPS}/{name}")]

    @pytest.mark.parametrize(
        ("name", "step"),
        [("a/b", "a~1b"), ("~1", "~01"), ("é", "é"), ("\ud800", "?"), ("\x00", "\x00"), ("a b", "a b")],
    )
    def test_has_a_pointer_that_leads_to_it(self, ours: Tenant, name: str, step: str) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["attributes"].update({name: 1})))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", f"{ATTRIBUTES}/{step}")]
        assert reply.body.encode()

    @pytest.mark.parametrize(
        "direction",
        [
            "both",
            "INPUT",
            "",
            " input",
            "input\x00",
            "\ud800",
            None,
            1,
            1e400,
            True,
            ["input"],
            {"input": 1},
            "input" * 9,
        ],
    )
    def test_has_a_value_of_its_kind(self, database: Database, ours: Tenant, direction: object) -> None:
        text = json.dumps(changed(ours, lambda data: data["attributes"].update(direction="@"))).replace(
            '"@"', "1e400" if direction == 1e400 else json.dumps(direction)
        )
        assert told(send(text)) == [("422", "SCHEMA_VALIDATION_ERROR", f"{ATTRIBUTES}/direction")]
        assert count(database, TABLE) == 0


class TestWhatIsMissing:
    def test_is_the_direction(self, ours: Tenant) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["attributes"].clear()))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", "/data")]
        assert "direction" in reply.error["detail"]
        without = post(COMPANIES, PIPELINE, changed(ours, lambda data: data.pop("attributes")))
        assert told(without) == [("422", "SCHEMA_VALIDATION_ERROR", "/data")]

    @pytest.mark.parametrize("name", ["company", "workspace_connector"])
    def test_is_a_relationship(self, ours: Tenant, name: str) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["relationships"].pop(name)))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", RELATIONSHIPS)]
        assert name in reply.error["detail"]

    @pytest.mark.parametrize(
        "change", [lambda data: data.pop("relationships"), lambda data: data["relationships"].clear()]
    )
    def test_is_every_relationship(self, ours: Tenant, change: Callable[[Any], object]) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, change))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", "/data")] * 2

    def test_is_everything(self, ours: Tenant) -> None:
        reply = post(COMPANIES, PIPELINE, {"data": {"type": TYPE}})
        assert (reply.status, reply.codes) == (422, ["SCHEMA_VALIDATION_ERROR"] * 3)


class TestARelationship:
    @pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"links": {}}, {"meta": {}}])
    def test_is_an_object_with_data(self, ours: Tenant, value: object) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["relationships"].update(company=value)))
        assert told(reply) == [("400", "BAD_REQUEST", f"{RELATIONSHIPS}/company")]

    @pytest.mark.parametrize(
        "linkage",
        [[], "x", 1, {}, {"type": "company"}, {"id": NOWHERE}, {"type": 1, "id": "x"}, {"type": "company", "id": 1}],
    )
    def test_has_a_resource_identifier_object(self, ours: Tenant, linkage: object) -> None:
        value = {"data": linkage}
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["relationships"].update(company=value)))
        assert told(reply) == [("400", "BAD_REQUEST", f"{RELATIONSHIPS}/company/data")]

    def test_that_is_required_is_not_null(self, ours: Tenant) -> None:
        value = {"data": None}
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["relationships"].update(company=value)))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", f"{RELATIONSHIPS}/company/data")]

    @pytest.mark.parametrize("linkage", [None, {}, "x", 1])
    def test_to_many_has_an_array(self, ours: Tenant, linkage: object) -> None:
        document = draft("workspace_group", {"name": "Made"})
        document["data"]["relationships"] = {"workspaces": {"data": linkage}}
        reply = post(GROUPS, ours.caller, document)
        assert told(reply) == [("400", "BAD_REQUEST", f"{RELATIONSHIPS}/workspaces/data")]

    def test_to_many_names_each_that_is_no_identifier(self, ours: Tenant) -> None:
        document = draft("workspace_group", {"name": "Made"})
        linkage = [identifier(ours.workspace), None, {"type": "workspace"}]
        document["data"]["relationships"] = {"workspaces": {"data": linkage}}
        pointers = [f"{RELATIONSHIPS}/workspaces/data/{number}" for number in (1, 2)]
        assert told(post(GROUPS, ours.caller, document)) == [("400", "BAD_REQUEST", pointer) for pointer in pointers]

    def test_to_many_has_an_end(self, database: Database, ours: Tenant) -> None:
        document = draft("workspace_group", {"name": "Made"})
        linkage = [identifier(ours.workspace)] * (MAX_LINKAGES + 1)
        document["data"]["relationships"] = {"workspaces": {"data": linkage}}
        reply = post(GROUPS, ours.caller, document)
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", f"{RELATIONSHIPS}/workspaces/data")]
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

    @pytest.mark.parametrize("name", ["attributes", "relationships"])
    @pytest.mark.parametrize("value", [None, [], "x", 1])
    def test_are_not_those_that_everybody_knows(self, ours: Tenant, name: str, value: object) -> None:
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data.update({name: value})))
        assert told(reply) == [("400", "BAD_REQUEST", f"/data/{name}")]


class TestABody:
    @pytest.mark.parametrize(
        "body",
        [
            "{",
            "nonsense",
            "{'data': 1}",
            '{"data": {}} {}',
            '{"data": {},}',
            '{"data": NaN}',
            '{"data": Infinity}',
            '{"data": -Infinity}',
            '{"data": {}, "data": {}}',
            '{"data": {"type": "x", "type": "x"}}',
            '{"data": {"attributes": {"direction": "input", "direct\\u0069on": "output"}}}',
            "[" * 100_000,
            '{"data":' * 100_000,
            '{"data": {"type": "x", "attributes": {"direction": ' + "[" * 100_000 + "]" * 100_000 + "}}}",
            '{"data": ' + "1" * 5_000 + "}",
            '{"data": "\x01"}',
            '{"data": "\\x"}',
            '{"data": "\ud800"}',
            "\ufeff{}",
            "\ufeff",
            "\x00",
        ],
        ids=lambda body: ascii(body[:30]),
    )
    def test_that_is_no_json_is_400(self, database: Database, ours: Tenant, body: str) -> None:
        reply = send(body)
        assert reply.status == 400
        assert (reply.error["code"], reply.error["title"]) == ("INVALID_JSON", "Invalid JSON")
        assert "source" not in reply.error

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ("null", ""),
            ("[]", ""),
            ("{}", ""),
            ("1", ""),
            ('"data"', ""),
            ("true", ""),
            ('[{"data": {}}]', ""),
            ('{"errors": []}', ""),
            ('{"meta": {}}', ""),
            ('{"Data": {}}', ""),
            ('{"data": null}', "/data"),
            ('{"data": []}', "/data"),
            ('{"data": [{"type": "company_workspace_connector"}]}', "/data"),
            ('{"data": "x"}', "/data"),
            ('{"data": 1}', "/data"),
        ],
    )
    def test_that_is_no_document_of_one_resource_is_400(self, database: Database, body: str, pointer: str) -> None:
        assert told(send(body)) == [("400", "BAD_REQUEST", pointer)]

    @pytest.mark.parametrize("body", [None, "", " ", "\n\t \r\n"])
    def test_that_is_empty_is_400(self, database: Database, body: str | None) -> None:
        assert told(send(body)) == [("400", "BAD_REQUEST", "")]

    def test_that_is_empty_is_told_of_with_the_rest(self, database: Database) -> None:
        reply = call("POST", f"{COMPANIES}?foo=1", PIPELINE, body="")
        assert (reply.status, reply.codes) == (400, ["INVALID_QUERY_PARAMETER", "BAD_REQUEST"])

    def test_may_be_as_large_as_is_said(self, ours: Tenant) -> None:
        text = json.dumps(ours.draft())
        assert send(text + " " * (MAX_BODY_BYTES - len(text))).status == 201

    @pytest.mark.parametrize("filler", [" ", "é"])
    def test_that_is_larger_is_413(self, database: Database, ours: Tenant, filler: str) -> None:
        """In bytes, not in characters."""
        document = ours.draft()
        document["meta"] = {"filler": filler * (MAX_BODY_BYTES // len(filler.encode()))}
        reply = send(json.dumps(document, ensure_ascii=False))
        assert reply.status == 413
        assert (reply.error["code"], reply.error["title"]) == ("PAYLOAD_TOO_LARGE", "Payload too large")
        assert count(database, TABLE) == 0

    def test_that_is_larger_is_not_even_parsed(self, database: Database) -> None:
        assert send("[" * (MAX_BODY_BYTES + 1)).error["code"] == "PAYLOAD_TOO_LARGE"

    def test_of_numbers_that_are_out_of_range_is_no_fault_of_ours(self, ours: Tenant) -> None:
        text = json.dumps(ours.draft())
        for number in ("1e999999", "-1e999999", "1" * 4_000, "0." + "1" * 10_000):
            assert send(text[:-1] + f', "meta": {number}}}').status == 201


class TestABodyInBase64:
    """As API Gateway sends what it takes for bytes."""

    @staticmethod
    def send(body: str, path: str = COMPANIES) -> tuple[int, Any]:
        headers = {"accept": MEDIA_TYPE, "content-type": MEDIA_TYPE}
        sent = event(path, "", PIPELINE, method="POST", headers=headers, body=body) | {"isBase64Encoded": True}
        answer = importlib.import_module("company_workspace_connector.create").handler(sent, Context())
        return answer["statusCode"], json.loads(answer["body"])

    @pytest.fixture(autouse=True)
    def as_writer(self, database: Database) -> None:
        database.role = WRITER

    def test_is_read(self, database: Database, ours: Tenant) -> None:
        status, document = self.send(base64.b64encode(json.dumps(ours.draft()).encode()).decode())
        assert (status, document["data"]["type"]) == (201, TYPE)
        assert count(database, TABLE) == 1

    @pytest.mark.parametrize(
        "text", [b"\xff\xfe{}", b'{"data": "\xed\xa0\x80"}', '{"data": {}}'.encode("utf-16"), b"\x80"]
    )
    def test_is_utf_8(self, text: bytes) -> None:
        status, document = self.send(base64.b64encode(text).decode())
        assert (status, [error["code"] for error in document["errors"]]) == (400, ["INVALID_JSON"])

    @pytest.mark.parametrize("body", ["nonsense!", "a", "é", "e30=e30=", "\ud800"])
    def test_is_base64(self, body: str) -> None:
        status, document = self.send(body)
        assert (status, [error["code"] for error in document["errors"]]) == (400, ["BAD_REQUEST"])

    def test_is_measured_when_it_is_decoded(self) -> None:
        largest = b" " * (MAX_BODY_BYTES - 2) + b"{}"
        assert self.send(base64.b64encode(largest).decode())[0] == 400
        assert self.send(base64.b64encode(b" " + largest).decode())[0] == 413


class TestSeveralProblems:
    def test_of_different_kinds_are_one_answer_with_400(self, database: Database, ours: Tenant) -> None:
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

    def test_of_one_kind_keep_its_status(self, ours: Tenant) -> None:
        said: dict[str, object] = {"created_at": None, "updated_at": None}
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["attributes"].update(said)))
        assert (reply.status, reply.codes) == (403, ["SYSTEM_ATTRIBUTE"] * 2)
        said = {"a": 1, "b": 1}
        reply = post(COMPANIES, PIPELINE, changed(ours, lambda data: data["attributes"].update(said)))
        assert (reply.status, reply.codes) == (422, ["SCHEMA_VALIDATION_ERROR"] * 2)
        document = ours.draft()
        for relationship in document["data"]["relationships"].values():
            relationship["data"]["id"] = "nonsense"
        reply = post(COMPANIES, PIPELINE, document)
        assert (reply.status, reply.codes) == (404, ["COMPANY_NOT_FOUND", "WORKSPACE_CONNECTOR_NOT_FOUND"])

    def test_of_two_codes_with_one_status_keep_it_too(self, ours: Tenant) -> None:
        document = changed(ours, lambda data: data.update(id="x", attributes={"direction": "input", "created_at": 1}))
        reply = post(COMPANIES, PIPELINE, document)
        assert (reply.status, reply.codes) == (403, ["FORBIDDEN", "SYSTEM_ATTRIBUTE"])


NO_NAMES: tuple[object, ...] = (
    *("", " ", "\u3000\u2003", "a\x00b", "\x00", "\ud800", "a\udfff", "\ude00\ud83d"),
    *("x" * 501, "\U0001f600" * 501, "a\nb", "a\tb", "a\rb", "\x1b[2J", "a\x7fb", "a\x85b", "a\x9fb"),
    *(None, 1, True, [], {}),
)
# Five hundred characters: not UTF-16 units, of which an emoji has two, nor bytes, of which it has four.
NAMES = (
    "x",
    " x ",
    "x" * 500,
    "é" * 500,
    "\U0001f600" * 500,
    "'; DROP TABLE x --",
    "%s :name $1 \\",
    "a\u200fb\u2028c\xa0",
)


def renaming(id_: str, name: object) -> Any:
    return {"data": {"type": "workspace_group", "id": id_, "attributes": {"name": name}}}


class TestText:
    """A group's name is the only text that a client writes."""

    @pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
    def test_that_cannot_be_kept_does_not_validate(self, database: Database, ours: Tenant, name: object) -> None:
        reply = post(GROUPS, ours.caller, draft("workspace_group", {"name": name}))
        assert told(reply) == [("422", "SCHEMA_VALIDATION_ERROR", f"{ATTRIBUTES}/name")]
        assert count(database, "workspace_groups") == 0
        made = post(GROUPS, ours.caller, draft("workspace_group", {"name": "Before"}))
        renamed = patch(made.headers["location"], ours.caller, renaming(made.data["id"], name))
        assert told(renamed) == told(reply)
        assert get(made.headers["location"], ours.caller).data["attributes"]["name"] == "Before"

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_is_kept_as_it_is(self, ours: Tenant, name: str) -> None:
        made = post(GROUPS, ours.caller, draft("workspace_group", {"name": name}))
        assert (made.status, made.data["attributes"]["name"]) == (201, name)
        assert get(made.headers["location"], ours.caller).data["attributes"]["name"] == name
        other = post(GROUPS, ours.caller, draft("workspace_group", {"name": "Before"}))
        renamed = patch(other.headers["location"], ours.caller, renaming(other.data["id"], name))
        assert (renamed.status, renamed.data["attributes"]["name"]) == (200, name)

    def test_of_an_escaped_pair_is_one_character(self, ours: Tenant) -> None:
        body = '{"data": {"type": "workspace_group", "attributes": {"name": "\\ud83d\\ude00"}}}'
        made = call("POST", GROUPS, ours.caller, body=body)
        assert made.data["attributes"]["name"] == "\U0001f600"

    def test_is_required(self, ours: Tenant) -> None:
        assert told(post(GROUPS, ours.caller, {"data": {"type": "workspace_group"}})) == [
            ("422", "SCHEMA_VALIDATION_ERROR", "/data")
        ]


def test_a_service_that_only_writes_gets_its_answer(ours: Tenant) -> None:
    """Without `system:read` it may not list, and is shown what it has just made."""
    writer = service("sync:write")
    assert post(COMPANIES, writer, ours.draft()).status == 201
    assert get(COMPANIES, writer).status == 403


def test_a_query_may_be_percent_encoded(ours: Tenant) -> None:
    brackets = quote(f"fields[{TYPE}]", safe="")
    assert post(f"{COMPANIES}?{brackets}=direction", PIPELINE, ours.draft()).data["attributes"] == {
        "direction": "input"
    }
