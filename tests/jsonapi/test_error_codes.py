"""Contract, section 4, "Errors": every code, provoked over HTTP, whole, and of the class that stands for it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import NestedTransaction
from sqlalchemy.exc import DBAPIError

from tests.jsonapi.conftest import Tenant
from tests.jsonapi.structure import CODES
from tests.support.api import PIPELINE, READER, Reply, call, draft, get, post
from tests.support.databases import Database, engine_for
from tests.support.queue import synced
from tests.support.world import Row, World
from wellspring import errors
from wellspring.errors import Problems, WellspringError
from wellspring.jsonapi.errors import error_document
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.repositories import ledger

COMPANIES = "/v1/company-workspace-connectors"
COMPANY = "company_workspace_connector"
ENROLMENTS = "/v1/workspace-group-workspaces"
RETRY = {"retry-after": "2"}
SECRET = "SELECT pk FROM core_api.vault -- at db.internal"

# One <TYPE> each: a path's of each type is in tests/access/test_access_table.py.
OF_TYPES = {"COMPANY_NOT_FOUND", "COMPANY_WORKSPACE_CONNECTOR_NOT_FOUND", "WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS"}


@dataclass(frozen=True)
class Scene:
    """Where an error is provoked."""

    world: World
    ours: Tenant
    theirs: Tenant
    patch: pytest.MonkeyPatch

    def row(self, *, company: Row | None = None, connector: Row | None = None, **said: object) -> Any:
        """Return a document that makes a row of provenance; what is said of its id and type replaces theirs."""
        parents = {
            "company": company or self.ours.rows["company"],
            "workspace_connector": connector or self.ours.connector,
        }
        top = {name: said.pop(name) for name in ("id", "type") if name in said}
        document = draft(COMPANY, {"direction": "input", **said}, **parents)
        return {"data": document["data"] | top}


type Provoke = Callable[[Scene], Reply]
OF_A_TYPE: Mapping[type[WellspringError], str] = {errors.NotFound: "not found", errors.AlreadyExists: "already exists"}


@dataclass(frozen=True)
class Case:
    """One way to an error.

    Attributes:
        error: the class that stands for it.
        provoke: sends the request.
        source: what is at fault: the one member of `source`, and its value.
        of: the type that its code begins with.
        headers: those that go with the error.
    """

    error: type[WellspringError]
    provoke: Provoke
    source: str = ""
    of: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        return f"{self.of} {OF_A_TYPE[self.error]}".replace(" ", "_").upper() if self.of else self.error.code

    @property
    def title(self) -> str:
        name = self.of.replace("_", " ").capitalize()
        return f"{name} {OF_A_TYPE[self.error]}" if self.of else self.error.title


def asks(
    method: str, document: Any = None, *, by_owner: bool = False, url: str = "", query: str = "", **headers: str
) -> Provoke:
    """Return a request of a service, or of the owner: to the list of provenance, or to the tenant's row of it.

    The document may be of the scene. A `body` is sent as it is.
    """

    def provoke(scene: Scene) -> Reply:
        path = url or (scene.ours.url(COMPANY) if method in {"PATCH", "DELETE"} else COMPANIES)
        body, said = headers.get("body"), document(scene) if callable(document) else document
        sent = {name.replace("_", "-"): value for name, value in headers.items() if name != "body"}
        caller = scene.ours.caller if by_owner else PIPELINE
        return call(method, path + query, caller, said, body=body, headers=sent)

    return provoke


def row(**said: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.row(**said)


def away(scene: Scene) -> Reply:
    """Ask while no database listens."""
    engine = engine_for(f"postgresql://{SECRET.rsplit(maxsplit=1)[-1]}:password@127.0.0.1:1/vault")
    scene.patch.setattr("wellspring.database.scope.connection", engine.connect)
    try:
        return get(COMPANIES, READER)
    finally:
        engine.dispose()


def raising(state: str) -> Provoke:
    """Return a write that Postgres gives up with an SQLSTATE."""

    def provoke(scene: Scene) -> Reply:
        owner = scene.world.database.owner
        owner.exec_driver_sql(
            f"CREATE FUNCTION pg_temp.give_up() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
        )
        owner.exec_driver_sql(
            "CREATE TRIGGER give_up BEFORE INSERT ON core_api.company_workspace_connectors"
            " FOR EACH ROW EXECUTE FUNCTION pg_temp.give_up()"
        )
        return MAKE(scene)

    return provoke


def out_of_time(ask: Provoke) -> Provoke:
    """Return a request when all the time that there is for statements is over."""

    def provoke(scene: Scene) -> Reply:
        scene.patch.setattr("wellspring.database.scope.ENDING_SECONDS", 3600.0)
        return ask(scene)

    return provoke


MAKE = asks("POST", row())


def lost_at_commit(scene: Scene) -> Reply:
    """Write, and lose the connection while the commit is under way."""

    def lose(_: NestedTransaction) -> None:
        raise DBAPIError("COMMIT", None, OSError(SECRET), connection_invalidated=True)

    scene.patch.setattr(NestedTransaction, "commit", lose)
    return MAKE(scene)


def broken(scene: Scene) -> Reply:
    """Ask while the code is wrong."""

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError(SECRET)

    scene.patch.setattr(ledger, "page", fail)
    return get(COMPANIES, READER)


def overtaken(scene: Scene) -> Reply:
    body = json.dumps(synced(scene.ours.connector, [scene.ours.rows["company"]], mode="relink"))
    of = {"group_id": str(scene.ours.connector.id), "subject_id": scene.ours.connector.id}
    said = {"reason": "overtaken", "body": body, "digest": sha256(body.encode()).digest()}
    message = scene.world.message(scene.ours.connector, scene.ours.workspace, "parked", mode="relink", **of, **said)
    return post(f"/v1/sync-messages/{message.id}/release", PIPELINE, None)


LARGE = json.dumps({"data": "x" * 1024 * 1024})
DIRECTION, CREATED_AT = ("pointer /data/attributes/" + name for name in ("direction", "created_at"))
OF_COMPANY = "pointer /data/relationships/company/data/id"


def another_direction(scene: Scene) -> Any:
    return draft(COMPANY, {"direction": "output"}, scene.ours.rows[COMPANY].id)


def mixed(scene: Scene) -> Any:
    return scene.row(connector=scene.theirs.connector)


def enrolment(scene: Scene) -> Any:
    return draft("workspace_group_workspace", workspace_group=scene.ours.group, workspace=scene.ours.workspace)


# One way to each class; to that of what is absent one for each kind of thing.
CASES = [
    # ---- 400
    Case(errors.BadRequest, asks("POST", {"data": []}), "pointer /data"),
    Case(errors.InvalidJson, asks("POST", body='{"data": }')),
    Case(errors.InvalidQueryParameter, asks("GET", query="?limit=10"), "parameter limit"),
    Case(errors.InvalidCursor, asks("GET", query="?page[after]=abcd"), "parameter page[after]"),
    Case(errors.QueryTooExpensive, out_of_time(asks("GET"))),
    # ---- 401, 403
    Case(errors.Unauthorized, lambda _: get(COMPANIES)),
    Case(errors.Forbidden, asks("POST", row(id=str(uuid4()))), "pointer /data/id"),
    Case(errors.ImmutableAttribute, asks("PATCH", another_direction), DIRECTION),
    Case(errors.SystemAttribute, asks("POST", row(created_at="2026-05-10T12:00:00Z")), CREATED_AT),
    # ---- 404, 405, 406
    Case(errors.NotFound, asks("GET", url="/v1/nothing")),
    Case(errors.NotFound, asks("GET", url=f"{COMPANIES}/{uuid4()}"), of=COMPANY),
    Case(errors.NotFound, asks("POST", row(company=Row("company", 0, uuid4()))), OF_COMPANY, of="company"),
    Case(errors.MethodNotAllowed, asks("PUT"), headers={"allow": "GET, HEAD, POST"}),
    Case(errors.NotAcceptable, asks("GET", accept="text/html"), "header Accept"),
    # ---- 409, 412, 413, 415, 422
    Case(errors.Conflict, asks("POST", row(type="company")), "pointer /data/type"),
    Case(errors.TenantMismatch, asks("POST", mixed), "pointer /data/relationships"),
    Case(errors.AlreadyExists, asks("POST", enrolment, by_owner=True, url=ENROLMENTS), of="workspace_group_workspace"),
    Case(errors.Overtaken, overtaken),
    Case(errors.PreconditionFailed, asks("DELETE", if_match='"old"'), "header If-Match"),
    Case(errors.PayloadTooLarge, asks("POST", body=LARGE)),
    Case(errors.UnsupportedMediaType, asks("POST", body="{}", content_type="application/json"), "header Content-Type"),
    Case(errors.SchemaValidationError, asks("POST", row(direction="sideways")), DIRECTION),
    # ---- 500, 503
    Case(errors.InternalError, broken),
    Case(errors.DatabaseAway, away, headers=RETRY),
    Case(errors.DatabaseBusy, raising("55P03"), headers=RETRY),
    Case(errors.ServiceUnavailable, raising("40P01"), headers=RETRY),
    Case(errors.TimeExceeded, out_of_time(MAKE), headers=RETRY),
    Case(errors.OutcomeUnknown, lost_at_commit),
]


SECRETS = ("SELECT", "pk", "core_api", "vault", "db.internal", "127.0.0.1", "password", "Traceback", "companies")


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[type[WellspringError]]:
    """The classes of the errors that are answered in this test."""
    found: list[type[WellspringError]] = []

    def note(error: WellspringError, request_id: str) -> dict[str, Any]:
        found.append(type(error))
        return error_document(error, request_id)

    monkeypatch.setattr("wellspring.handlers.http.error_document", note)
    return found


@pytest.fixture
def scene(world: World, ours: Tenant, theirs: Tenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with monkeypatch.context() as patched:
        yield Scene(world, ours, theirs, patched)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.error.__name__}")
def test_a_code_comes_with_its_status_title_and_source_and_the_id_of_the_request(
    scene: Scene, rendered: list[type[WellspringError]], log: list[dict[str, Any]], case: Case
) -> None:
    reply = case.provoke(scene)
    assert reply.document.keys() == {"jsonapi", "errors"}
    (error,) = reply.errors
    assert error.pop("detail")
    assert error == {
        "id": reply.request_id,
        "status": str(int(case.error.status)),
        "code": case.code,
        "title": case.title,
        **({"source": dict([case.source.split(" ", 1)])} if case.source else {}),
    }
    assert reply.status == case.error.status
    assert rendered == [case.error]
    assert (reply.headers["content-type"], reply.headers["vary"]) == (MEDIA_TYPE, "Accept")
    assert {name: reply.headers[name] for name in case.headers} == case.headers
    assert not {"allow", "retry-after", "location", "etag"} & reply.headers.keys() - case.headers.keys()
    line = log[-1]
    assert (line["message"], line["request_id"], line["status"]) == ("answered", reply.request_id, reply.status)
    assert case.code in line["code"]
    if case.error.status >= 500:
        # A fault of ours tells nobody anything.
        assert [secret for secret in SECRETS if secret in reply.body] == []
        assert "password" not in json.dumps(log)


# ---- several at once -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("attributes", "id_", "query", "status", "codes"),
    [
        ({"direction": "up", "name": 1}, None, "", 422, ["SCHEMA_VALIDATION_ERROR"] * 2),
        ({"direction": "input", "created_at": None, "updated_at": None}, None, "", 403, ["SYSTEM_ATTRIBUTE"] * 2),
        ({"direction": "up"}, uuid4(), "", 400, ["FORBIDDEN", "SCHEMA_VALIDATION_ERROR"]),
        ({"direction": "up"}, None, "?a=b", 400, ["INVALID_QUERY_PARAMETER", "SCHEMA_VALIDATION_ERROR"]),
        (
            {"direction": "up", "deleted_at": None, "é": 1},
            uuid4(),
            "?include=x&fields[company]=y",
            400,
            ["INVALID_QUERY_PARAMETER"] * 2
            + ["FORBIDDEN", "SCHEMA_VALIDATION_ERROR", "SYSTEM_ATTRIBUTE"]
            + ["SCHEMA_VALIDATION_ERROR"],
        ),
    ],
)
def test_problems_of_one_status_keep_it_and_of_different_ones_are_400(
    scene: Scene,
    rendered: list[type[WellspringError]],
    attributes: dict[str, object],
    id_: object,
    query: str,
    status: int,
    codes: list[str],
) -> None:
    parents = {"company": scene.ours.rows["company"], "workspace_connector": scene.ours.connector}
    reply = post(f"{COMPANIES}{query}", PIPELINE, draft(COMPANY, attributes, id_, **parents))
    assert (reply.status, reply.codes, rendered) == (status, codes, [Problems])
    assert {error["id"] for error in reply.errors} == {reply.request_id}
    by_code = {case.code: case for case in CASES}
    for error in reply.errors:
        assert error["status"] == str(int(by_code[error["code"]].error.status))
        assert error["title"] == by_code[error["code"]].title


# ---- nothing is missing --------------------------------------------------------------------------------
def test_every_code_of_the_contract_is_provoked() -> None:
    assert {case.code for case in CASES} == {*CODES.split()} | OF_TYPES
    assert {case.source.partition(" ")[0] for case in CASES} == {"", "pointer", "parameter", "header"}


def test_every_class_of_error_is_provoked() -> None:
    classes = {found for found in vars(errors).values() if isinstance(found, type)}
    kinds = {found for found in classes if issubclass(found, WellspringError)}
    # The root is never raised itself, and Problems has a test of its own.
    assert {case.error for case in CASES} == kinds - {WellspringError, Problems}


def test_of_two_that_are_absent_each_detail_names_its_own(database: Database) -> None:
    """JSON:API 1.1, "Error Objects": a detail is of one occurrence."""
    for id_ in (uuid4(), uuid4()):
        assert str(id_) in get(f"/v1/companies/{id_}", READER).error["detail"]
