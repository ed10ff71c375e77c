"""Contract, section 4, "Update" and "Optimistic concurrency": PATCH, and what a client must know to send one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from tests.support.api import (
    MATCHER,
    NOWHERE,
    PIPELINE,
    READER,
    Caller,
    Reply,
    call,
    draft,
    get,
    of_every_ledger,
    patch,
)
from tests.support.databases import Database, FreshDatabase, Statements
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from tests.writing.conftest import COMPANIES, GONE, SOMEBODY, held, identifier, put, race, route_of, told, wrong
from wellspring.models import table_of
from wellspring.resources import resource_of

# When the rows of these tests were made: before the times that they are ended at.
MADE = datetime(2026, 1, 1, tzinfo=UTC)
AT = "2026-05-10T08:14:22.123Z"
LATER = "2026-05-11T08:14:22.456Z"
ATTRIBUTES = "/data/attributes"


def url_of(row: Row) -> str:
    """Return the path of a row of the ledger."""
    return f"/v1/{row.type.replace('_', '-')}s/{row.id}"


def change(row: Row, caller: Caller = PIPELINE, query: str = "", if_match: str | None = None, **said: object) -> Reply:
    """PATCH these attributes of a row."""
    headers = {} if if_match is None else {"if-match": if_match}
    return call("PATCH", url_of(row) + query, caller, draft(row.type, said, row.id), headers=headers)


@pytest.fixture
def row(world: World, ours: Tenant) -> Row:
    """A provenance row of ours."""
    return world.provenance(ours.records["company"], ours.connector, created_at=MADE)


@pytest.fixture
def choice(world: World, ours: Tenant) -> Row:
    """A provider that our workspace was matched to, and has not selected."""
    return world.choose(ours.workspace, world.provider("stripe"), is_matched=True)


@of_every_ledger
class TestAProvenanceRow:
    @pytest.fixture
    def row(self, world: World, ours: Tenant, type_: str) -> Row:
        return world.provenance(ours.records[type_], ours.connector, created_at=MADE)

    def test_is_tombstoned_by_a_time(self, ours: Tenant, row: Row) -> None:
        before = get(url_of(row), ours.caller).document
        reply = change(row, deleted_at=AT)
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/vnd.api+json"
        before["data"]["attributes"] |= {"deleted_at": AT, "updated_at": reply.data["attributes"]["updated_at"]}
        # Of what is dead, nothing is proven about its parents.
        for name, relationship in before["data"]["relationships"].items():
            route = relationship["data"] and resource_of(relationship["data"]["type"]).route
            link = {"related": f"{route}/{relationship['data']['id']}"} if route else None
            assert relationship.pop("links", None) == link, name
        # Neither link would show it.
        assert (before["links"], before["data"].pop("links")) == ({"self": url_of(row)}, {"self": url_of(row)})
        assert reply.document == before | {"links": {}}
        assert get(url_of(row), ours.caller).status == 404
        assert get(route_of(row.type.removesuffix("_workspace_connector")), ours.caller).ids == []

    def test_is_restored_by_null(self, ours: Tenant, row: Row) -> None:
        change(row, deleted_at=AT)
        reply = change(row, deleted_at=None)
        assert (reply.status, reply.data["attributes"]["deleted_at"]) == (200, None)
        assert get(url_of(row), ours.caller).data == reply.data

    def test_is_not_found_through_a_parent_that_is(self, world: World, ours: Tenant, row: Row) -> None:
        world.tombstone(ours.connector)
        assert told(change(row, deleted_at=None)) == [("404", f"{row.type.upper()}_NOT_FOUND", None)]

    def test_keeps_its_direction_and_its_parents(self, ours: Tenant, row: Row) -> None:
        pointer = f"{ATTRIBUTES}/direction"
        for direction in ("input", "output", None):
            assert told(change(row, direction=direction)) == [("403", "IMMUTABLE_ATTRIBUTE", pointer)]
        record = row.type.removesuffix("_workspace_connector")
        document = draft(
            row.type, None, row.id, **{record: ours.records[record], "workspace_connector": ours.connector}
        )
        assert told(patch(url_of(row), PIPELINE, document)) == [
            ("403", "IMMUTABLE_ATTRIBUTE", f"/data/relationships/{record}"),
            ("403", "IMMUTABLE_ATTRIBUTE", "/data/relationships/workspace_connector"),
        ]


# ---- what is wrong with a document ---------------------------------------------------------------------
NO_TIMES: tuple[Any, ...] = (
    *("", "now", "infinity", "2026-05-10", "2026-05-10T08:14:22", "2026-02-30T08:14:22Z", "2026-05-10T25:14:22Z"),
    *("2026-05-10T08:14:22+99:99", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"),
    *("10000-01-01T00:00:00Z", "+12026-05-10T08:14:22Z", "2026-05-10T08:14:22Z\x00", "\ud800"),
    *("٢٠٢٦-05-10T08:14:22Z", 1778400862, True, False, [], {}),
)
# Before the row was made, to the millisecond; and in the future.
OUTSIDE = (
    *("2025-12-31T23:59:59.9999Z", "2026-01-01T00:59:59.999+01:00", "0001-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999999999Z"),
)
NO_IDS: tuple[Any, ...] = (1, {}, [], True)
OF_A_ROW = [
    *wrong("400 BAD_REQUEST", "id", GONE, at="/data"),
    *wrong("400 BAD_REQUEST", "id", *NO_IDS),
    *wrong("409 CONFLICT", "id", NOWHERE, "", "nonsense", "\ud800", "\x00"),
    *wrong("409 CONFLICT", "type", "people_workspace_connector", "company", ""),
    *wrong("403 SYSTEM_ATTRIBUTE", "attributes/created_at updated_at", AT),
    *wrong("422 SCHEMA_VALIDATION_ERROR", "attributes/pk workspace_pk company_pk company is_selected", 1),
    *wrong("422 SCHEMA_VALIDATION_ERROR", "relationships/workspace", SOMEBODY),
    *wrong("422 SCHEMA_VALIDATION_ERROR", "attributes/deleted_at", *NO_TIMES, *OUTSIDE),
]
OF_A_CHOICE = [
    *wrong("403 SYSTEM_ATTRIBUTE", "attributes/created_at updated_at deleted_at", AT),
    *wrong("403 IMMUTABLE_ATTRIBUTE", "relationships/workspace provider", SOMEBODY),
    *wrong("422 SCHEMA_VALIDATION_ERROR", "attributes/is_selected is_matched", None, 0, 1, "true", "false", "", [], {}),
]


@pytest.mark.parametrize("what", ["row", "choice"])
def test_what_is_wrong_is_said_with_its_place_and_nothing_is_changed(
    ours: Tenant, row: Row, choice: Row, what: str
) -> None:
    of, caller, lines = (row, PIPELINE, OF_A_ROW) if what == "row" else (choice, ours.caller, OF_A_CHOICE)
    before = get(url_of(of), READER)
    for path, value, code, pointer in lines:
        document = draft(of.type, {"deleted_at": AT} if "attributes" not in path and of is row else {}, of.id)
        document["data"]["relationships"] = {}
        reply = patch(url_of(of), caller, put(document, path, value))
        assert (path, value, told(reply)) == (path, value, [(*code.split(), pointer)])
        if value in OUTSIDE:
            assert reply.error["detail"] == "The value must be a time from created_at until now, or null."
    after = get(url_of(of), READER)
    assert (after.document, after.headers["etag"]) == (before.document, before.headers["etag"])


class TestAField:
    def test_that_is_refused_keeps_the_others_from_being_changed(self, row: Row) -> None:
        reply = change(row, deleted_at=AT, direction="output", nonsense=1, created_at=AT)
        assert (reply.status, reply.codes) == (
            400,
            ["IMMUTABLE_ATTRIBUTE", "SCHEMA_VALIDATION_ERROR", "SYSTEM_ATTRIBUTE"],
        )
        assert get(url_of(row), READER).data["attributes"]["deleted_at"] is None

    def test_that_nobody_knows_is_ignored_where_it_is_none(self, row: Row) -> None:
        document = draft(row.type, {"deleted_at": AT, "@context": "x"}, row.id)
        document["data"] |= {"meta": {}, "links": {"self": "/nowhere"}, "lid": "x", "@type": "x"}
        document["data"]["relationships"] = {"@graph": 1}
        assert patch(url_of(row), PIPELINE, document).status == 200

    def test_may_be_none_at_all(self, row: Row) -> None:
        before = get(url_of(row), READER)
        empty: list[dict[str, object]] = [{}, {"attributes": {}}, {"relationships": {}}]
        for data in empty:
            reply = patch(url_of(row), PIPELINE, {"data": identifier(row) | data})
            assert (reply.status, reply.document) == (200, before.document)
            assert reply.headers["etag"] == before.headers["etag"]


class TestATime:
    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            (AT, AT),
            ("2026-05-10T10:14:22+02:00", "2026-05-10T08:14:22.000Z"),
            ("2026-05-10T08:14:22.1Z", "2026-05-10T08:14:22.100Z"),
            ("2026-05-10t08:14z", "2026-05-10T08:14:00.000Z"),
            ("2026-05-10T08:14:22,5-0030", "2026-05-10T08:44:22.500Z"),
            # Cut, not rounded: a rounded time would be later than what was said.
            ("2026-05-10T08:14:22.123999Z", AT),
            ("2026-02-28T23:59:59.9999Z", "2026-02-28T23:59:59.999Z"),
            ("2026-05-10T08:14:22.1239999999Z", "2026-05-10T08:14:22.123Z"),
            # The row's first moment.
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ],
    )
    def test_is_stored_in_milliseconds_shown_so_and_no_change_when_said_again(
        self, database: Database, row: Row, said: str, shown: str
    ) -> None:
        reply, again = change(row, deleted_at=said), change(row, deleted_at=said)
        assert (reply.status, reply.data["attributes"]["deleted_at"]) == (200, shown)
        assert (again.document, again.headers["etag"]) == (reply.document, reply.headers["etag"])
        table = table_of(f"{row.type}s")
        stored = database.owner.execute(select(table.c.deleted_at).where(table.c.pk == row.pk)).scalar_one()
        assert stored == datetime.fromisoformat(shown)
        only = f"sort=deleted_at&filter[deleted]=only&filter[deleted_at][gte]={shown}&filter[deleted_at][lte]={shown}"
        assert get(f"{COMPANIES}?{only}", READER).data[0]["attributes"]["deleted_at"] == shown

    def test_moves_within_the_life_of_a_row_that_has_ended(self, row: Row) -> None:
        assert [change(row, deleted_at=said).status for said in (AT, LATER, AT)] == [200] * 3
        assert change(row, deleted_at="9999-12-31T23:59:59Z").status == 422
        (gone,) = get(f"{COMPANIES}?filter[deleted]=only", READER).data
        assert gone["attributes"]["deleted_at"] == AT

    def test_is_compared_with_the_clock_of_the_database(self, database: Database, row: Row) -> None:
        """The transaction's `now()`, which stands still here, to the millisecond: what a DELETE would write."""
        now: datetime = database.owner.execute(text("SELECT now()::timestamptz(3)")).scalar_one()
        later = now + timedelta(milliseconds=1)
        assert told(change(row, deleted_at=later.isoformat())) == [
            ("422", "SCHEMA_VALIDATION_ERROR", f"{ATTRIBUTES}/deleted_at")
        ]
        assert change(row, deleted_at=now.isoformat()).status == 200


class TestTheTimeOfTheUpdate:
    """In a database with real commits: in the other, time stands still."""

    @pytest.fixture
    def row(self, fresh_database: FreshDatabase, world: World, ours: Tenant) -> Row:
        long_ago = datetime(2026, 5, 10, tzinfo=UTC)
        return world.provenance(ours.records["company"], ours.connector, created_at=long_ago)

    def test_moves_with_each_change(self, row: Row) -> None:
        first = change(row, deleted_at=AT).data["attributes"]
        second = change(row, deleted_at=None).data["attributes"]
        assert first["created_at"] < first["updated_at"] <= second["updated_at"]
        assert first["created_at"] == second["created_at"] == "2026-05-10T00:00:00.000Z"
        assert get(url_of(row), READER).data["attributes"] == second

    def test_stays_where_nothing_changes_and_moves_with_a_deletion(self, row: Row) -> None:
        nothing: list[dict[str, Any]] = [{}, {"deleted_at": None}]
        for said in nothing:
            assert change(row, **said).data["attributes"]["updated_at"] == "2026-05-10T00:00:00.000Z"
        assert call("DELETE", url_of(row), PIPELINE).status == 204
        (gone,) = get(f"{COMPANIES}?filter[deleted]=only", READER).data
        at = gone["attributes"]
        assert at["created_at"] < at["updated_at"] == at["deleted_at"]


class TestTheIdentity:
    def test_may_be_in_capitals(self, row: Row) -> None:
        document = draft(row.type, {"deleted_at": AT}, str(row.id).upper())
        assert patch(url_of(row), PIPELINE, document).status == 200

    @pytest.mark.parametrize("id_", [NOWHERE, "nonsense", "%00", "%C3%A9"])
    def test_of_no_row_is_not_found(self, database: Database, id_: str) -> None:
        said = {"%00": "\x00", "%C3%A9": "é"}.get(id_, id_)
        document = draft("company_workspace_connector", {"deleted_at": AT}, said)
        reply = patch(f"{COMPANIES}/{id_}", PIPELINE, document)
        assert told(reply) == [("404", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", None)]

    def test_of_no_row_comes_after_what_is_wrong_with_the_document(self, database: Database) -> None:
        id_ = uuid4()
        document = draft("company_workspace_connector", {"direction": "input"}, id_)
        assert patch(f"{COMPANIES}/{id_}", PIPELINE, document).codes == ["IMMUTABLE_ATTRIBUTE"]


class TestAnEnrolment:
    """The seed says that no PATCH exists for it; the route gives the reason. Who is told so: tests/access."""

    def test_is_403_for_everybody_whatever_they_say(self, world: World, ours: Tenant, statements: Statements) -> None:
        enrolment = world.enrol(world.group(), ours.workspace)
        for caller in (ours.caller, PIPELINE):
            reply = change(enrolment, caller, if_match='"stale"', nonsense=1)
            assert (reply.status, reply.error["code"]) == (403, "FORBIDDEN")
            assert "withdraw" in reply.error["detail"]
        assert len(statements) == 0


class TestAChoice:
    """Selecting forces matched; matched is taken back only with the selection."""

    @pytest.mark.parametrize(
        ("was", "said", "becomes"),
        [
            ((False, False), {}, (False, False)),
            ((False, False), {"is_selected": True}, (True, True)),
            ((False, False), {"is_matched": True}, (False, True)),
            ((False, False), {"is_selected": True, "is_matched": True}, (True, True)),
            ((False, True), {"is_selected": True}, (True, True)),
            ((False, True), {"is_selected": False}, (False, True)),
            ((False, True), {"is_matched": False}, (False, False)),
            ((True, True), {"is_selected": False}, (False, True)),
            ((True, True), {"is_selected": True}, (True, True)),
            ((True, True), {"is_matched": True}, (True, True)),
            ((True, True), {"is_selected": False, "is_matched": False}, (False, False)),
            ((True, True), {"is_selected": False, "is_matched": True}, (False, True)),
            # What is selected cannot be unmatched.
            ((True, True), {"is_matched": False}, None),
            ((True, True), {"is_selected": True, "is_matched": False}, None),
            ((False, True), {"is_selected": True, "is_matched": False}, None),
            ((False, False), {"is_selected": True, "is_matched": False}, None),
        ],
    )
    def test_is_what_is_said(
        self,
        world: World,
        ours: Tenant,
        was: tuple[bool, bool],
        said: dict[str, Any],
        becomes: tuple[bool, bool] | None,
    ) -> None:
        choice = world.choose(ours.workspace, world.provider("stripe"), is_selected=was[0], is_matched=was[1])
        before = get(url_of(choice), ours.caller).document
        reply = change(choice, ours.caller, **said)
        after = get(url_of(choice), ours.caller).document
        if becomes is None:
            assert told(reply) == [("409", "CONFLICT", f"{ATTRIBUTES}/is_matched")]
            assert after == before
        else:
            attributes = reply.data["attributes"]
            assert (reply.status, attributes["is_selected"], attributes["is_matched"]) == (200, *becomes)
            assert after == reply.document


def test_the_tag_that_is_asked_for_comes_before_what_the_change_would_be(world: World, ours: Tenant) -> None:
    choice = world.choose(ours.workspace, world.provider("stripe"), is_selected=True, is_matched=True)
    assert change(choice, ours.caller, if_match='"stale"', is_matched=False).status == 412


class TestTwoAtOnce:
    """Both have read the same state; both requests wait for the row before either goes on."""

    def test_with_the_same_tag_lose_no_update(self, fresh_database: FreshDatabase, row: Row) -> None:
        tag = get(url_of(row), READER).headers["etag"]
        calls: list[Callable[[], Reply]] = [
            lambda: change(row, if_match=tag, deleted_at=AT),
            lambda: change(row, if_match=tag, deleted_at=LATER),
        ]
        replies = race(fresh_database, held(row), *calls)
        assert sorted(reply.status for reply in replies) == [200, 412]
        (won,) = (reply for reply in replies if reply.status == 200)
        (lost,) = (reply for reply in replies if reply.status == 412)
        assert lost.error["code"] == "PRECONDITION_FAILED"
        (kept,) = get(f"{COMPANIES}?filter[deleted]=include", READER).data
        assert kept["attributes"] == won.data["attributes"]

    def test_cannot_break_the_rule_of_matched(self, fresh_database: FreshDatabase, ours: Tenant, choice: Row) -> None:
        """One selects, one unmatches: each is right by what it has read, and both would not be."""
        replies = race(
            fresh_database,
            held(choice),
            lambda: change(choice, ours.caller, is_selected=True),
            lambda: change(choice, MATCHER, is_matched=False),
        )
        selected, unmatched = (reply.status for reply in replies)
        attributes = get(url_of(choice), ours.caller).data["attributes"]
        assert selected == 200
        assert unmatched in {200, 409}
        assert (attributes["is_selected"], attributes["is_matched"]) == (True, True)
