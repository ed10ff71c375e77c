"""Contract, section 4, "Retries": the first answer again, byte for byte, from the transaction of the write."""

import random
import string
from copy import deepcopy
from dataclasses import replace

import pytest
from sqlalchemy import insert, update

from tests.support.api import PIPELINE, READER, Caller, Reply, call, draft, get, one_of_each_kind, service
from tests.support.databases import AnyDatabase, Database, FreshDatabase
from tests.support.tenants import Tenant, tenant
from tests.support.world import World
from tests.writing.conftest import (
    COMPANIES,
    GONE,
    GROUPS,
    KEY,
    WAYS,
    Subject,
    count,
    group_of,
    put,
    race,
    route_of,
    subject_of,
    told,
)
from wellspring.models.infrastructure import idempotency_keys
from wellspring.resources import ledgers

HEADER = {"header": "Idempotency-Key"}
THREADS = 8


@pytest.fixture
def one(world: World) -> Subject:
    """A request for a provenance row of a company, of which there may be as many as are asked for."""
    return subject_of(world, "company")


def keys(database: AnyDatabase) -> int:
    number = database.owner.exec_driver_sql("SELECT count(*) FROM wellspring.idempotency_keys").scalar_one()
    database.commit()
    return int(number)


def age(database: AnyDatabase, interval: str) -> None:
    """Make every kept answer older."""
    database.owner.exec_driver_sql(f"UPDATE wellspring.idempotency_keys SET created_at = now() - interval '{interval}'")
    database.commit()


def whole(reply: Reply) -> tuple[int, dict[str, str], str]:
    """Return all of an answer."""
    return reply.status, dict(reply.headers), reply.body


@pytest.mark.parametrize("way", ["group", "enrolment", "choice by the workspace"])
def test_a_foreign_tenants_key_is_another_key(subject: Subject, theirs: Tenant, world: World) -> None:
    subject.send()
    reply = subject.send(caller=theirs.caller)
    assert reply.status == 404
    # It names the id that was asked for, and nothing that the first answer has.
    assert set(reply.document) == {"jsonapi", "errors"}
    assert keys(world.database) == 1


@pytest.mark.parametrize("way", [*one_of_each_kind(ledgers()), "group", *WAYS])
class TestARetry:
    def test_gets_the_first_answer_byte_for_byte_also_when_the_row_has_gone(
        self, subject: Subject, world: World
    ) -> None:
        first, second = subject.send(), subject.send()
        assert first.status == 201
        assert first.headers["location"]
        assert first.headers["etag"]
        assert whole(second) == whole(first)
        ended = "SET deleted_at = now(), updated_at = now()"
        world.database.owner.exec_driver_sql(f"UPDATE core_api.{subject.table} {ended}")
        assert get(first.headers["location"], READER).status == 404
        assert whole(subject.send()) == whole(first)
        assert (count(world.database, subject.table), keys(world.database)) == (1, 1)

    def test_without_a_key_is_a_request_like_any_other(self, subject: Subject, world: World, way: str) -> None:
        first, second = subject.send(key=None), subject.send(key=None)
        again = {"choice": 200, "enrolment": 409}.get(way.partition(" ")[0], 201)
        assert (first.status, second.status) == (201, again)
        assert keys(world.database) == 0

    def test_leaves_nothing_of_a_write_whose_answer_could_not_be_kept(
        self, fresh_database: FreshDatabase, subject: Subject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The key and the row are of one transaction: neither is there without the other."""

        def fail(*_: object) -> None:
            raise RuntimeError("after the write")

        with monkeypatch.context() as patched:
            patched.setattr("wellspring.repositories.infrastructure.keep_answer", fail)
            broken = subject.send()
            assert (broken.status, broken.error["code"]) == (500, "INTERNAL_ERROR")
        assert (count(fresh_database, subject.table), keys(fresh_database)) == (0, 0)
        assert subject.send().status == 201
        assert (count(fresh_database, subject.table), keys(fresh_database)) == (1, 1)

    def test_of_several_at_once_makes_one_row_and_one_answer(
        self, fresh_database: FreshDatabase, subject: Subject
    ) -> None:
        claims = subject.caller.claims or {}
        kind = "service" if "scope" in claims else "person"
        hold = insert(idempotency_keys).values(caller=f"{kind}:{claims['sub']}", key=KEY, fingerprint=b"", answer="")
        replies = race(fresh_database, hold, *[subject.send] * THREADS)
        assert {reply.status for reply in replies} == {201}
        assert len({str(whole(reply)) for reply in replies}) == 1
        assert (count(fresh_database, subject.table), keys(fresh_database)) == (1, 1)


class TestTheFirstAnswer:
    def test_of_an_update_has_no_location(self, world: World) -> None:
        subject = subject_of(world, "choice")
        subject.send(key=None)
        first, second = subject.send(), subject.send()
        assert first.status == 200
        assert "location" not in first.headers
        assert whole(second) == whole(first)

    def test_may_hold_any_text(self, world: World) -> None:
        ours = tenant(world)
        document = group_of(name='é "\U0001f600" \\ %s {}')
        subject = Subject(ours, "workspace_group", ours.caller, document, GROUPS)
        assert whole(subject.send()) == whole(subject.send())

    def test_stays_when_a_role_is_lost_and_not_when_the_scope_is(self, world: World, one: Subject) -> None:
        """What the claims say is asked each time; what was shown once may be shown again."""
        subject = subject_of(world, "choice by the workspace")
        first = subject.send()
        world.database.owner.exec_driver_sql("UPDATE core_api.workspace_memberships SET role = 'guest'")
        assert whole(subject.send()) == whole(first)
        one.send()
        assert one.send(caller=service("system:read")).status == 403


class TestAnotherRequest:
    """The same key stands for one request: method, path, query and body."""

    def refused(self, reply: Reply) -> None:
        assert reply.status == 422
        assert (reply.error["code"], reply.error["source"]) == ("SCHEMA_VALIDATION_ERROR", HEADER)

    def test_with_another_body_query_or_path_is_422(self, world: World, database: Database, one: Subject) -> None:
        first, body = one.send(), one.document
        output, wrong = ({"attributes": said} for said in ({"direction": "output"}, {"direction": "input", "a": 1}))
        for other in (
            replace(one, document={"data": body["data"] | output}),
            # Whose document is wrong is told of the key.
            replace(one, document={"data": body["data"] | wrong}),
            replace(one, document=one.ours.draft("people"), url=route_of("people")),
            *(
                replace(one, url=one.url + query)
                for query in ("?include=", "?include=company", "?fields[company]=name")
            ),
        ):
            self.refused(other.send())
        assert whole(one.send()) == whole(first)
        choice = subject_of(world, "choice")
        choice.send()
        self.refused(choice.send(url=choice.ours.providers))
        assert (count(database, one.table), count(database, "people_workspace_connectors")) == (1, 0)

    def test_that_cannot_be_read_is_told_of_that(self, one: Subject) -> None:
        one.send()
        reply = call("POST", one.url, PIPELINE, body="{", headers={"idempotency-key": KEY})
        assert reply.error["code"] == "INVALID_JSON"


class TestAnotherCaller:
    def test_has_keys_of_their_own(self, database: Database, one: Subject) -> None:
        scopes = ("system:read", "sync:write")
        callers = [service(*scopes, client_id=name) for name in ("sync-pipeline", "Sync-pipeline", "sync", "p:sync")]
        replies = [one.send(caller=caller) for caller in callers]
        assert {reply.status for reply in replies} == {201}
        assert len({reply.data["id"] for reply in replies}) == len(callers)
        assert [whole(one.send(caller=caller)) for caller in callers] == [whole(reply) for reply in replies]
        assert (count(database, one.table), keys(database)) == (4, 4)

    def test_is_not_the_same_person_in_another_spelling(self, world: World, database: Database) -> None:
        subject = subject_of(world, "group")
        shouted = Caller({"sub": str(subject.ours.owner.id).upper()})
        assert whole(subject.send(caller=shouted)) == whole(subject.send())
        assert count(database, "workspace_groups") == 1


class TestADay:
    def test_keeps_the_answer(self, database: Database, one: Subject) -> None:
        first = one.send()
        age(database, "23 hours 59 minutes 59 seconds")
        assert whole(one.send()) == whole(first)

    def test_over_the_key_is_free_again_for_another_request(self, database: Database, one: Subject) -> None:
        first = one.send()
        age(database, "24 hours 1 second")
        one.document["data"]["attributes"]["direction"] = "output"
        second = one.send()
        assert (second.status, second.data["attributes"]["direction"]) == (201, "output")
        assert second.data["id"] != first.data["id"]
        assert whole(one.send()) == whole(second)
        assert (count(database, one.table), keys(database)) == (2, 1)

    def test_over_it_is_taken_once_by_several_at_once(self, fresh_database: FreshDatabase, one: Subject) -> None:
        one.send()
        age(fresh_database, "2 days")
        # The row is held, and not changed: all of them find it too old, and one may have it.
        hold = update(idempotency_keys).values(key=KEY)
        replies = race(fresh_database, hold, *[one.send] * THREADS)
        assert {reply.status for reply in replies} == {201}
        assert len({str(whole(reply)) for reply in replies}) == 1
        assert (count(fresh_database, one.table), keys(fresh_database)) == (2, 1)


class TestAFailure:
    def test_is_not_kept(self, world: World, database: Database, one: Subject) -> None:
        record = one.ours.records["company"]
        world.tombstone(record)
        assert told(one.send()) == [("404", "COMPANY_NOT_FOUND", "/data/relationships/company/data/id")]
        assert keys(database) == 0
        database.owner.exec_driver_sql("UPDATE core_api.companies SET deleted_at = NULL")
        assert one.send().status == 201

    def test_of_whatever_kind_takes_no_key(self, database: Database, one: Subject) -> None:
        for path, value in (
            *(("type", "nonsense"), ("id", "x"), ("attributes/nonsense", 1), ("attributes/created_at", None)),
            *(("relationships", GONE), ("relationships/company/data/id", "nonsense")),
        ):
            spoilt = put(deepcopy(one.document), path, value)
            reply = call("POST", one.url, PIPELINE, spoilt, headers={"idempotency-key": KEY})
            assert reply.status in {403, 404, 409, 422}
        assert (count(database, one.table), keys(database)) == (0, 0)


class TestTheKey:
    def test_is_any_visible_ascii(self, database: Database, one: Subject) -> None:
        good = ("x", "x" * 255, '"quoted"', "a/b;c=d,e~!", "%00", "5f3a1e0c-7b1d")
        for key in good:
            assert whole(one.send(key)) == whole(one.send(key))
        assert count(database, one.table) == len(good)

    def test_of_another_form_is_400(self, database: Database, one: Subject) -> None:
        # The last is longer than what an index can hold, and of a kind that does not shrink.
        dense = "".join(random.Random(1).choices(string.ascii_letters, k=9_000))
        bad = (" ", "a b", " a", "a ", "a\tb", "a\n", "a\x7f", "é", "\x00", "a\x00", "\ud800", "\U0001f600", "x" * 256)
        for key in (*bad, dense):
            reply = one.send(key)
            assert (reply.status, reply.error["code"], reply.error["source"]) == (400, "BAD_REQUEST", HEADER)
        assert (count(database, one.table), keys(database)) == (0, 0)
        # The connection is as good as before.
        assert one.send().status == 201

    def test_is_a_name_in_any_case(self, database: Database, one: Subject) -> None:
        first = one.send()
        again = call("POST", one.url, PIPELINE, one.document, headers={"Idempotency-Key": KEY})
        assert whole(again) == whole(first)

    def test_says_nothing_to_other_methods(self, database: Database, one: Subject) -> None:
        first = one.send()
        url, headers = first.headers["location"], {"idempotency-key": KEY}
        document = draft(first.data["type"], {"deleted_at": None}, first.data["id"])
        assert call("GET", url, PIPELINE, headers=headers).status == 200
        assert call("GET", COMPANIES, PIPELINE, headers={"idempotency-key": "a b"}).status == 200
        assert call("PATCH", url, PIPELINE, document, headers=headers).status == 200
        assert call("DELETE", url, PIPELINE, headers=headers).status == 204
        assert keys(database) == 1
