"""Contract, section 4, "Errors": every code, provoked over HTTP, whole, and of the class that stands for it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from tests.jsonapi.conftest import LISTED, Tenant
from tests.jsonapi.structure import check
from tests.support.api import PIPELINE, READER, Caller, Reply, call, draft, get, patch, post
from tests.support.databases import Database, SavepointConnection, engine_for
from tests.support.queue import synced
from tests.support.world import Row, World
from wellspring import errors
from wellspring.errors import Conflict, InternalError, Problems, SchemaValidationError, WellspringError
from wellspring.jsonapi.errors import error_document
from wellspring.jsonapi.values import MEDIA_TYPE
from wellspring.repositories import ledger
from wellspring.resources import ledgers, resource_of, resources

COMPANIES = "/v1/company-workspace-connectors"
COMPANY = "company_workspace_connector"
# The tenant's row of provenance.
ROW = "{0.url}"
ENROLMENTS = "/v1/workspace-group-workspaces"
SECRET = "SELECT pk FROM core_api.vault -- at db.internal"

# The contract's list; <TYPE> stands for each type that a path or a document can name.
CODES = """
    BAD_REQUEST INVALID_JSON INVALID_QUERY_PARAMETER INVALID_CURSOR UNAUTHORIZED FORBIDDEN NOT_FOUND METHOD_NOT_ALLOWED
    NOT_ACCEPTABLE CONFLICT TENANT_MISMATCH PRECONDITION_FAILED UNSUPPORTED_MEDIA_TYPE SCHEMA_VALIDATION_ERROR
    IMMUTABLE_ATTRIBUTE SYSTEM_ATTRIBUTE PAYLOAD_TOO_LARGE SERVICE_UNAVAILABLE INTERNAL_ERROR
"""
NAMED_IN_PATHS = {resource.type for resource in LISTED} | {"workspace"}
NAMED_IN_DOCUMENTS = {
    relationship.target
    for resource in LISTED
    for relationship in resource.relationships
    if relationship.written == "create"
}


@dataclass(frozen=True)
class Scene:
    """Where an error is provoked."""

    world: World
    ours: Tenant
    theirs: Tenant
    patch: pytest.MonkeyPatch

    def row(self, *, company: Row | None = None, connector: Row | None = None, **attributes: object) -> Any:
        """Return a document that makes a row of provenance."""
        parents = {
            "company": company or self.ours.parents["company"],
            "workspace_connector": connector or self.ours.connector,
        }
        return draft(COMPANY, {"direction": "input", **attributes}, **parents)

    @property
    def url(self) -> str:
        """The path of the tenant's row of provenance."""
        return self.ours.url(COMPANY)


type Provoke = Callable[[Scene], Reply]
INVALID = errors.InvalidQueryParameter


@dataclass(frozen=True)
class Case:
    """One way to an error.

    Attributes:
        what: in a few words.
        error: the class that stands for it.
        code: its stable code.
        title: its constant title.
        source: what is at fault.
        provoke: sends the request.
        headers: those that go with the error.
    """

    what: str
    error: type[WellspringError]
    code: str
    title: str
    source: Mapping[str, str] | None
    provoke: Provoke
    headers: Mapping[str, str] = field(default_factory=dict)


def case(
    what: str, error: type[WellspringError], provoke: Provoke, *, allow: str = "", retry_after: str = "", **source: str
) -> Case:
    """Return a case of a class whose code is its own; `source` is the one member that it has, if any."""
    headers = {name: value for name, value in (("allow", allow), ("retry-after", retry_after)) if value}
    return Case(what, error, error.code, error.title, source or None, provoke, headers)


def asks(method: str, url: str, caller: Callable[[Scene], Caller], document: Any = None, **headers: Any) -> Provoke:
    """Return a request; the URL and the document may be of the scene. A `body` is sent as it is."""

    def provoke(scene: Scene) -> Reply:
        body, said = headers.get("body"), document(scene) if callable(document) else document
        sent = {name.replace("_", "-"): value for name, value in headers.items() if name != "body"}
        return call(method, url.format(scene), caller(scene), said, body=body, headers=sent)

    return provoke


def owner(scene: Scene) -> Caller:
    return scene.ours.caller


def pipeline(_: Scene) -> Caller:
    return PIPELINE


def reader(_: Scene) -> Caller:
    return READER


def row(**attributes: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.row(**attributes)


def enrolment(*names: str) -> Callable[[Scene], Any]:
    """Return a document that enrols our workspace in our group, and says more."""
    related = {"workspace_group": "group", "workspace": "workspace", "created_by": "owner"}
    return lambda scene: draft(
        "workspace_group_workspace", **{name: getattr(scene.ours, related[name]) for name in names}
    )


def absent(type_: str, provoke: Provoke, **source: str) -> Case:
    """Return the case that a resource of a type is not there."""
    where = "in a document" if source else "in a path"
    title = f"{type_.replace('_', ' ').capitalize()} not found"
    return Case(f"{type_} {where}", errors.NotFound, f"{type_.upper()}_NOT_FOUND", title, source or None, provoke)


def linked(type_: str, name: str, caller: Callable[[Scene], Caller], *others: str) -> Case:
    """Return the case that a document of `type_` names a related resource that is not there."""
    resource = resource_of(type_)
    relationship = resource.relationship(name)
    assert relationship is not None
    target = relationship.target

    def document(scene: Scene) -> Any:
        attributes = {"direction": "input"} if "connector" in type_ else None
        parents = {known: scene.ours.parents[known] for known in others}
        return draft(type_, attributes, **{name: Row(target, 0, uuid4())}, **parents)

    provoke = asks("POST", resource.route, caller, document)
    return absent(target, provoke, pointer=f"/data/relationships/{name}/data/id")


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


MAKE = asks("POST", COMPANIES, pipeline, row())


def twice(scene: Scene) -> Reply:
    """Send two documents with one key."""
    key, first, second = {"idempotency_key": "once"}, scene.row(), scene.row(direction="output")
    assert post(COMPANIES, PIPELINE, first, **key).status == 201
    return post(COMPANIES, PIPELINE, second, **key)


def lost_at_commit(scene: Scene) -> Reply:
    """Write, and lose the connection while the commit is under way."""
    begin = SavepointConnection.begin

    def begin_what_never_ends(connection: SavepointConnection) -> Any:
        transaction = begin(connection)

        class Lost:
            rollback = transaction.rollback

            def commit(self) -> None:
                transaction.rollback()
                raise DBAPIError("COMMIT", None, OSError(SECRET), connection_invalidated=True)

        return Lost()

    scene.patch.setattr(SavepointConnection, "begin", begin_what_never_ends)
    return MAKE(scene)


def broken(scene: Scene) -> Reply:
    """Ask while the code is wrong."""

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError(SECRET)

    scene.patch.setattr(ledger, "page", fail)
    return get(COMPANIES, READER)


def refused(scene: Scene) -> Reply:
    """Ask while the database refuses, for a reason that is nobody's business."""
    scene.world.database.owner.exec_driver_sql("REVOKE SELECT ON core_api.companies FROM wellspring_reader")
    return get(COMPANIES, READER)


def unmatched(scene: Scene) -> Reply:
    """Say of a selected provider that it is not matched."""
    row = scene.world.choose(scene.ours.workspace, scene.world.provider("selected"), is_selected=True, is_matched=True)
    document = draft("workspace_provider", {"is_matched": False}, row.id)
    return patch(f"/v1/workspace-providers/{row.id}", scene.ours.caller, document)


def overtaken(scene: Scene) -> Reply:
    body = json.dumps(synced(scene.ours.connector, [scene.ours.parents["company"]], mode="relink"))
    of = {"group_id": str(scene.ours.connector.id), "subject_id": scene.ours.connector.id}
    said = {"reason": "overtaken", "body": body, "digest": sha256(body.encode()).digest()}
    message = scene.world.message(scene.ours.connector, scene.ours.workspace, "parked", mode="relink", **of, **said)
    return post(f"/v1/sync-messages/{message.id}/release", PIPELINE, None)


CASES = [
    # ---- 400
    case("no resource object", errors.BadRequest, asks("POST", COMPANIES, pipeline, {"data": []}), pointer="/data"),
    case(
        "no type",
        errors.BadRequest,
        asks("PATCH", ROW, pipeline, lambda scene: {"data": {"id": str(scene.ours.rows[COMPANY].id)}}),
        pointer="/data",
    ),
    case(
        "a key that is none",
        errors.BadRequest,
        asks("POST", COMPANIES, pipeline, row(), idempotency_key="a b"),
        header="Idempotency-Key",
    ),
    case("a condition that is none", errors.BadRequest, asks("DELETE", ROW, pipeline, if_match="x"), header="If-Match"),
    case("no JSON", errors.InvalidJson, asks("POST", COMPANIES, pipeline, body='{"data": }')),
    case("an unknown parameter", INVALID, asks("GET", f"{COMPANIES}?limit=10", owner), parameter="limit"),
    case("a parameter of a removal", INVALID, asks("DELETE", f"{ROW}?include=x", pipeline), parameter="include"),
    case(
        "a cursor of nobody's",
        errors.InvalidCursor,
        asks("GET", f"{COMPANIES}?page[after]=abcd", owner),
        parameter="page[after]",
    ),
    # ---- 401, 403
    case("no claims", errors.Unauthorized, lambda _: get(COMPANIES)),
    case("never for this caller", errors.Forbidden, asks("DELETE", ROW, owner)),
    case(
        "an id of the client's",
        errors.Forbidden,
        asks("POST", COMPANIES, pipeline, lambda scene: {"data": {**scene.row()["data"], "id": str(uuid4())}}),
        pointer="/data/id",
    ),
    case(
        "a foreign workspace",
        errors.Forbidden,
        asks("GET", f"{COMPANIES}?filter[workspace]={{0.theirs.workspace.id}}", owner),
        parameter="filter[workspace]",
    ),
    case(
        "a direction is for ever",
        errors.ImmutableAttribute,
        asks(
            "PATCH", ROW, pipeline, lambda scene: draft(COMPANY, {"direction": "output"}, scene.ours.rows[COMPANY].id)
        ),
        pointer="/data/attributes/direction",
    ),
    case(
        "a time of the system's",
        errors.SystemAttribute,
        asks("POST", COMPANIES, pipeline, row(created_at="2026-05-10T12:00:00Z")),
        pointer="/data/attributes/created_at",
    ),
    case(
        "a relationship of the system's",
        errors.SystemAttribute,
        asks("POST", ENROLMENTS, owner, enrolment("workspace_group", "workspace", "created_by")),
        pointer="/data/relationships/created_by",
    ),
    # ---- 404, 405, 406
    case("no such path", errors.NotFound, asks("GET", "/v1/nothing", owner)),
    *(absent(resource.type, asks("GET", f"{resource.route}/{uuid4()}", owner)) for resource in LISTED),
    absent("workspace", asks("GET", f"/v1/workspaces/{uuid4()}/providers", owner)),
    *(linked(ledger.type, record, pipeline, "workspace_connector") for record, ledger in ledgers().items()),
    linked(COMPANY, "workspace_connector", pipeline, "company"),
    linked("workspace_group_workspace", "workspace_group", owner, "workspace"),
    linked("workspace_group_workspace", "workspace", owner, "workspace_group"),
    linked("workspace_provider", "provider", owner, "workspace"),
    case("no such method", errors.MethodNotAllowed, asks("PUT", COMPANIES, owner), allow="GET, HEAD, POST"),
    case("no such language", errors.NotAcceptable, asks("GET", COMPANIES, owner, accept="text/html"), header="Accept"),
    # ---- 409, 412, 413, 415, 422
    case(
        "a type of another collection",
        Conflict,
        asks("POST", COMPANIES, pipeline, lambda scene: {"data": {**scene.row()["data"], "type": "company"}}),
        pointer="/data/type",
    ),
    case(
        "an id of another path", Conflict, asks("PATCH", ROW, pipeline, draft(COMPANY, {}, uuid4())), pointer="/data/id"
    ),
    case("selected and not matched", Conflict, unmatched, pointer="/data/attributes/is_matched"),
    case(
        "parents of two tenants",
        errors.TenantMismatch,
        asks("POST", COMPANIES, pipeline, lambda scene: scene.row(connector=scene.theirs.connector)),
        pointer="/data/relationships",
    ),
    Case(
        "an enrolment that there is",
        errors.AlreadyExists,
        "WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS",
        "Workspace group workspace already exists",
        None,
        asks("POST", ENROLMENTS, owner, enrolment("workspace_group", "workspace")),
    ),
    case(
        "a state of yesterday",
        errors.PreconditionFailed,
        asks("DELETE", ROW, pipeline, if_match='"old"'),
        header="If-Match",
    ),
    case(
        "more than a document holds",
        errors.PayloadTooLarge,
        asks("POST", COMPANIES, pipeline, body=json.dumps({"data": "x" * 1024 * 1024})),
    ),
    case(
        "a body in another language",
        errors.UnsupportedMediaType,
        asks("POST", COMPANIES, pipeline, body="{}", content_type="application/json"),
        header="Content-Type",
    ),
    case(
        "a direction that is none",
        SchemaValidationError,
        asks("POST", COMPANIES, pipeline, row(direction="sideways")),
        pointer="/data/attributes/direction",
    ),
    case("a parked message that others have overtaken", errors.Overtaken, overtaken),
    case("a key that stands for something else", SchemaValidationError, twice, header="Idempotency-Key"),
    case("a list that takes too long", errors.QueryTooExpensive, out_of_time(asks("GET", COMPANIES, reader))),
    # ---- 500, 503
    case("code that is wrong", InternalError, broken),
    case("a database that refuses", InternalError, refused),
    case("a database that is away", errors.DatabaseAway, away, retry_after="2"),
    case("a lock that is not to be had", errors.DatabaseBusy, raising("55P03"), retry_after="2"),
    case("a deadlock", errors.ServiceUnavailable, raising("40P01"), retry_after="2"),
    case("a statement that somebody ends", errors.DatabaseBusy, raising("57014"), retry_after="2"),
    case("a write that takes too long", errors.TimeExceeded, out_of_time(MAKE), retry_after="2"),
    case("a commit without an answer", errors.OutcomeUnknown, lost_at_commit),
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}: {case.what}")
def test_a_code_comes_with_its_status_title_and_source_and_the_id_of_the_request(
    scene: Scene, rendered: list[type[WellspringError]], log: list[dict[str, Any]], case: Case
) -> None:
    reply = case.provoke(scene)
    check(reply.document)
    assert reply.document.keys() == {"jsonapi", "errors"}
    (error,) = reply.errors
    assert error.pop("detail")
    assert error == {
        "id": reply.request_id,
        "status": str(int(case.error.status)),
        "code": case.code,
        "title": case.title,
        **({"source": case.source} if case.source is not None else {}),
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


def test_what_was_refused_or_lost_was_not_done(scene: Scene, database: Database) -> None:
    before = get(COMPANIES, READER).ids
    for case in CASES:
        if case.error in {
            SchemaValidationError,
            errors.TenantMismatch,
            errors.OutcomeUnknown,
            errors.PreconditionFailed,
            errors.SystemAttribute,
        }:
            with pytest.MonkeyPatch.context() as patched:
                case.provoke(Scene(scene.world, scene.ours, scene.theirs, patched))
    # But for the first request of the key that was used again.
    assert len(get(COMPANIES, READER).ids) == len(before) + 1


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
    parents = {"company": scene.ours.parents["company"], "workspace_connector": scene.ours.connector}
    reply = post(f"{COMPANIES}{query}", PIPELINE, draft(COMPANY, attributes, id_, **parents))
    check(reply.document)
    assert (reply.status, reply.codes, rendered) == (status, codes, [Problems])
    assert {error["id"] for error in reply.errors} == {reply.request_id}
    by_code = {case.code: case for case in CASES}
    for error in reply.errors:
        assert error["status"] == str(int(by_code[error["code"]].error.status))
        assert error["title"] == by_code[error["code"]].title


# ---- nothing is missing --------------------------------------------------------------------------------
def test_every_code_of_the_contract_is_provoked() -> None:
    wanted = set(CODES.split()) | {"WORKSPACE_GROUP_WORKSPACE_ALREADY_EXISTS", "OVERTAKEN"}
    wanted |= {f"{type_.upper()}_NOT_FOUND" for type_ in NAMED_IN_PATHS | NAMED_IN_DOCUMENTS}
    assert {case.code for case in CASES} == wanted
    assert {name for case in CASES for name in case.source or {}} == {"pointer", "parameter", "header"}


def test_every_class_of_error_is_provoked() -> None:
    classes = {found for found in vars(errors).values() if isinstance(found, type)}
    kinds = {found for found in classes if issubclass(found, WellspringError)}
    # The root is never raised itself, and Problems has a test of its own.
    assert {case.error for case in CASES} == kinds - {WellspringError, Problems}


def test_a_code_has_one_title_and_one_status_wherever_it_comes_from() -> None:
    said: dict[str, set[tuple[str, HTTPStatus]]] = {}
    for case in CASES:
        said.setdefault(case.code, set()).add((case.title, case.error.status))
    assert {code: len(found) for code, found in said.items()} == dict.fromkeys(said, 1)


def test_two_that_are_absent_share_a_title_and_differ_in_detail(scene: Scene) -> None:
    """JSON:API 1.1, "Error Objects": the title does not change from occurrence to occurrence, the detail is of one."""
    for resource in (found for found in resources() if found.is_readable and found.policy != "feed"):
        ids = [uuid4(), uuid4()]
        errors_ = [get(f"{resource.route}/{id_}", READER).error for id_ in ids]
        assert {error["status"] for error in errors_} == {"404"}
        assert len({error["title"] for error in errors_}) == 1
        assert [str(id_) in error["detail"] for id_, error in zip(ids, errors_, strict=True)] == [True, True]
    # What is no id of ours is not repeated.
    assert "quetzal" not in get("/v1/companies/quetzal", READER).error["detail"]
