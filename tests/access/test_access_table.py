"""Contract, section 3, as a table: who is told what, on every route.

The cells of writing are in `tests/writing/test_who_may_write.py`, which has a table like this one. Here are those of
reading, those who once belonged, and the proof that no route and nobody is without a cell.
"""

import re
from collections.abc import Callable, Mapping

import pytest

from tests.access.good_requests import CLOSED, DEFAULT, Good, Requests, named
from tests.support.api import ANONYMOUS, Caller, Reply, person, service
from tests.support.databases import Database, Statements
from tests.support.world import FEED, World
from tests.writing.test_who_may_write import CALLERS, OF_THEIR_OWN, OPERATIONS, VERDICTS
from wellspring.resources import FEED_EVENT, SINGLE, Resource
from wellspring.routes import Route, routes

SCOPES = ("system:read", "sync:write", "providers:match")
NOWHERE = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


# ---- who -------------------------------------------------------------------------------------------------
def somebody(requests: Requests, workspace: str = "", group: str = "", *, gone: str = "", **claims: str) -> Caller:
    """Return somebody new, who owns a workspace of their own and nothing of the tenant's.

    Args:
        requests: the tenant.
        workspace: their role in its workspace, or `pending`; empty for none.
        group: the same in its group.
        gone: what is tombstoned: their `memberships`, or the `person`; `source` where only a sync has made them.
        claims: what their token says besides.
    """
    world = requests.world
    home = world.workspace()
    row = world.people(home, source=None if gone == "source" else FEED)
    world.member(row, home, "owner")
    memberships = []
    for role, joined, parent in (
        (workspace, world.member, requests.workspace),
        (group, world.group_member, requests.group),
    ):
        if role:
            status = "pending" if role == "pending" else "active"
            memberships.append(joined(row, parent, "owner" if role == "pending" else role, status))
    for tombstoned in {"memberships": memberships, "person": [row]}.get(gone, []):
        world.tombstone(tombstoned)
    return person(row, **claims)


def contact(requests: Requests) -> Caller:
    """Return somebody who belongs to the workspace, as a contact of it, and is a member of nothing."""
    return person(requests.world.people(requests.workspace))


def unknown(_: Requests) -> Caller:
    return Caller({"sub": NOWHERE})


WHO: Mapping[str, Callable[[Requests], Caller]] = {
    "anonymous": lambda _: ANONYMOUS,
    "unknown": unknown,
    "contact": contact,
    "foreign": somebody,
    "pending": lambda requests: somebody(requests, "pending", "pending"),
    "former": lambda requests: somebody(requests, "owner", "owner", gone="memberships"),
    "gone": lambda requests: somebody(requests, "owner", "owner", gone="person"),
    "made by a sync": lambda requests: somebody(requests, "owner", "owner", gone="source"),
    "foreign with every scope": lambda requests: somebody(requests, scope=" ".join(SCOPES)),
    "guest": lambda requests: somebody(requests, "guest"),
    "member": lambda requests: somebody(requests, "member"),
    "admin": lambda requests: somebody(requests, "admin"),
    "owner": lambda requests: somebody(requests, "owner"),
    "group guest": lambda requests: somebody(requests, group="guest"),
    "group member": lambda requests: somebody(requests, group="member"),
    "group admin": lambda requests: somebody(requests, group="admin"),
    "group owner": lambda requests: somebody(requests, group="owner"),
    "service": lambda _: service(),
    "service sync:write": lambda _: service("sync:write"),
    "service providers:match": lambda _: service("providers:match"),
    "service system:read": lambda _: service("system:read"),
    "service with every scope": lambda _: service(*SCOPES),
}

# ---- what they are told ----------------------------------------------------------------------------------
# `rows`: a list with the tenant's row in it; `none`: one without.
# `a membership`: of a workspace, seen by its direct members. `an entry`: of a catalogue, which is for everybody.
OPERATIONS_OF_READING = (
    "a row",
    "rows",
    "a group",
    "groups",
    "rows of a workspace",
    "rows, claiming a workspace",
    "a membership",
    "memberships",
    "memberships, claiming a workspace",
    "an entry",
    "a catalogue",
    "the feed",
    "the audit of a workspace",
)
CLAIMED = {"rows": "rows, claiming a workspace", "memberships": "memberships, claiming a workspace"}
TABLE = """
    anonymous                   401   401   401   401   401   401  401   401   401   401   401      401      401
    unknown                     404   none  404   none  404   403  404   none  403   200   rows     403      403
    contact                     404   none  404   none  404   403  404   none  403   200   rows     403      403
    foreign                     404   none  404   none  404   403  404   none  403   200   rows     403      403
    pending                     404   none  404   none  404   403  404   none  403   200   rows     403      403
    former                      404   none  404   none  404   403  404   none  403   200   rows     403      403
    gone                        404   none  404   none  404   403  404   none  403   200   rows     403      403
    made by a sync              404   none  404   none  404   403  404   none  403   200   rows     403      403
    foreign with every scope    404   none  404   none  404   403  404   none  403   200   rows     403      403
    guest                       200   rows  404   none  rows  rows  200   rows  rows  200   rows     403      403
    member                      200   rows  404   none  rows  rows  200   rows  rows  200   rows     403      403
    admin                       200   rows  404   none  rows  rows  200   rows  rows  200   rows     403      200
    owner                       200   rows  404   none  rows  rows  200   rows  rows  200   rows     403      200
    group guest                 200   rows  200   rows  rows  rows  404   none  none  200   rows     403      403
    group member                200   rows  200   rows  rows  rows  404   none  none  200   rows     403      403
    group admin                 200   rows  200   rows  rows  rows  404   none  none  200   rows     403      403
    group owner                 200   rows  200   rows  rows  rows  404   none  none  200   rows     403      403
    service                     403   403   403   403   403   403  403   403   403   403   403      403      403
    service sync:write          403   403   403   403   403   403  403   403   403   403   403      403      403
    service providers:match     403   403   403   403   403   403  403   403   403   403   403      403      403
    service system:read         200   rows  200   rows  rows  rows  200   rows  rows  200   rows     200      200
    service with every scope    200   rows  200   rows  rows  rows  200   rows  rows  200   rows     200      200
"""
LINES = [re.split(r" {2,}", line.strip()) for line in TABLE.strip().splitlines()]
CELLS = {
    operation: {name: cells[number] for name, *cells in LINES} for number, operation in enumerate(OPERATIONS_OF_READING)
}


def rule_of(route: Route) -> str:
    """Return the line of the table that a reading route follows."""
    assert route.resource is not None
    if route.operation in {"answers", "answer"}:
        if route.resource.policy == "audit":
            return "the audit of a workspace"
        return "rows" if route.of is None else "a row"
    if route.within:
        return "rows of a workspace"
    return {
        ("group", "retrieve"): "a group",
        ("group", "list"): "groups",
        ("member", "retrieve"): "a group",
        ("member", "list"): "groups",
        ("direct", "retrieve"): "a membership",
        ("direct", "list"): "memberships",
        ("everybody", "retrieve"): "an entry",
        ("everybody", "list"): "a catalogue",
        ("feed", "list"): "the feed",
        ("feed", "retrieve"): "the feed",
        ("feed", "status"): "the feed",
        # Who sees the one sees the other.
        ("fleet", "status"): "the feed",
    }.get((_kind(route.resource), route.operation), "rows" if route.operation == "list" else "a row")


def _kind(resource: Resource) -> str:
    return resource.tenancy if resource.policy in {"none", "message", "run"} else resource.policy


# The audit is of a workspace that is named: who may not read that of one may that of another.
AUDIT = next(route for route in CLOSED if route.resource is not None and route.resource.policy == "audit")
READING = tuple(route for route in CLOSED if route.method == "GET" and route not in (DEFAULT, AUDIT))
CLAIMING = tuple(route for route in READING if rule_of(route) in CLAIMED)
WRITING = tuple(route for route in CLOSED if route.method != "GET")


@pytest.fixture
def requests(world: World, database: Database) -> Requests:
    return Requests(world, database)


def told(good: Good, reply: Reply, row: str) -> str:
    """Return the cell that an answer stands for."""
    if reply.status != 200:
        codes = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: f"{_absent(good.route)}_NOT_FOUND"}
        assert reply.codes == [codes[reply.status]]
        return str(reply.status)
    if good.route.operation in {"retrieve", "status"}:
        assert reply.data["id"] == (SINGLE if good.route.operation == "status" else row)
        return "200"
    if good.route.operation in {"answers", "answer"}:
        # What is known of the row: its id begins with the row's.
        told_of = reply.data if good.route.operation == "answers" else [reply.data]
        assert {item["id"].partition(":")[0] for item in told_of} <= {row}
        return "200" if good.route.of else "rows" if told_of else "none"
    shown = {str(id_) for id_ in reply.ids}
    # Whoever asks has a workspace of their own; of the catalogues they see more.
    assert good.route.resource is None or good.route.resource.policy in {"none", "member"} or shown <= {row}
    if good.route.resource is not None and good.route.resource.tenancy == "services":
        return "200" if row in shown else "none"
    return "rows" if row in shown else "none"


def _absent(route: Route) -> str:
    """Return what is missing where a path leads nowhere: the workspace of its list, or the row."""
    assert route.resource is not None
    missing = next(iter(route.within.values())) if route.within else (route.of or route.resource).type
    return missing.upper()


def cells(requests: Requests, good: Good, **changes: str) -> Mapping[str, str]:
    """Ask as everybody, and return what each was told."""
    assert good.route.resource is not None
    # What there is one of shows no row of anybody's.
    resource = good.route.resource
    type_ = FEED_EVENT.type if resource.policy in {"feed", "fleet"} else resource.type
    if good.route.operation == "list":
        # Of a catalogue, and as a service, there are more rows than the tenant's.
        changes["query"] = "&".join(part for part in (changes.get("query"), "page[size]=500") if part)
    asked = {name: good.but(caller=who(requests), **changes) for name, who in WHO.items()}
    row = requests.rows[
        "workspace_connector" if type_ == "connector_activity" else good.route.of.type if good.route.of else type_
    ]
    return {name: told(good, found.ask(), str(row.id)) for name, found in asked.items()}


@pytest.mark.parametrize("route", READING, ids=named)
def test_each_cell_of_reading(requests: Requests, route: Route) -> None:
    assert cells(requests, requests.good(route)) == CELLS[rule_of(route)]


def test_each_cell_of_the_audit_of_a_workspace(requests: Requests) -> None:
    good = requests.good(AUDIT)
    told = {name: str(good.but(caller=who(requests)).ask().status) for name, who in WHO.items()}
    assert told == CELLS[rule_of(AUDIT)]


@pytest.mark.parametrize("route", CLAIMING, ids=named)
def test_each_cell_of_claiming_a_workspace(requests: Requests, route: Route) -> None:
    claim = f"filter[workspace]={requests.workspace.id}"
    assert cells(requests, requests.good(route), query=claim) == CELLS[CLAIMED[rule_of(route)]]


@pytest.mark.parametrize("route", READING, ids=named)
def test_who_may_never_read_is_403_before_anything_is_looked_at(
    requests: Requests, route: Route, statements: Statements
) -> None:
    good = requests.good(route)
    for name, cell in CELLS[rule_of(route)].items():
        if cell == "403":
            asked = good.but(caller=WHO[name](requests))
            replies = [
                asked.ask(),
                asked.but(parameters=dict.fromkeys(good.parameters, NOWHERE)).ask(),
                asked.but(parameters=dict.fromkeys(good.parameters, "nonsense")).ask(),
                asked.but(query="nonsense=1&page[size]=0").ask(),
                asked.but(headers={"if-none-match": "nonsense"}).ask(),
            ]
            assert {reply.body.replace(reply.request_id, "") for reply in replies} == {
                replies[0].body.replace(replies[0].request_id, "")
            }
            assert replies[0].codes == ["FORBIDDEN"]
    assert len(statements) == 0


@pytest.mark.parametrize("route", CLOSED, ids=named)
def test_without_claims_it_is_401_and_nothing_is_asked(
    requests: Requests, route: Route, statements: Statements
) -> None:
    assert requests.good(route).but(caller=ANONYMOUS).ask().codes == ["UNAUTHORIZED"]
    assert len(statements) == 0


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_who_once_belonged_may_write_what_a_stranger_may(requests: Requests, route: Route) -> None:
    good = requests.good(route)

    def status(caller: Caller) -> int:
        return requests.ask(good.but(caller=caller)).status

    strangers = {"former": somebody(requests), "pending": somebody(requests), "gone": unknown(requests)}
    for name, stranger in strangers.items():
        assert status(WHO[name](requests)) == status(stranger), name


# ---- nothing is left out ---------------------------------------------------------------------------------
def test_every_route_has_its_cells() -> None:
    written = {operation.key for operation in OPERATIONS} | OF_THEIR_OWN
    read = {f"{route.method} {route.path}" for route in (*READING, AUDIT)}
    open_to_all = {f"{route.method} {route.path}" for route in routes() if route.open_to_all}
    assert not written & read
    assert written | read | open_to_all == {f"{route.method} {route.path}" for route in routes()}
    assert {rule_of(route) for route in (*READING, AUDIT)} | set(CLAIMED.values()) == CELLS.keys()
    assert [name for name, *_ in LINES] == list(WHO)


def test_everybody_who_reads_has_a_cell_in_writing_or_is_a_stranger_there() -> None:
    strangers = {"anonymous", "former", "gone"}
    others = {"service with every scope": f"service {' '.join(SCOPES)}"}
    assert {others.get(name, name) for name in WHO.keys() - strangers} <= set(CALLERS)
    assert {operation.rule for operation in OPERATIONS} == VERDICTS.keys()
