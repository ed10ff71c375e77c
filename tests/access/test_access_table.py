"""Contract, section 3, as two tables: who is told what, on every route; and the proof that none is without a cell."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.access.good_requests import CLOSED, DEFAULT, Good, Requests, named
from tests.support.api import ANONYMOUS, NOWHERE, Caller, Reply, person, service
from tests.support.databases import Statements
from tests.support.world import FEED, OBJECTS
from wellspring.models import table_of
from wellspring.resources import FEED_EVENT, SINGLE
from wellspring.routes import Route

SCOPES = ("system:read", "sync:write", "providers:match")


# ---- who -------------------------------------------------------------------------------------------------
def somebody(requests: Requests, workspace: str = "", group: str = "", *, gone: str = "", **claims: str) -> Caller:
    """Return somebody new, who owns a workspace of their own and nothing of the tenant's."""
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


type Ask = Callable[[Requests], Caller]


def whoever(workspace: str = "", group: str = "", **more: str) -> Ask:
    return lambda requests: somebody(requests, workspace, group, **more)


ROLES = ("guest", "member", "admin", "owner")
EVERY = " ".join(SCOPES)
WHO: Mapping[str, Ask] = {
    "anonymous": lambda _: ANONYMOUS,
    "unknown": lambda _: Caller({"sub": NOWHERE}),
    # Of whom the workspace keeps a record, and who is a member of nothing.
    "contact": lambda requests: person(requests.world.people(requests.workspace)),
    "foreign": whoever(),
    "pending": whoever("pending", "pending"),
    "former": whoever("owner", "owner", gone="memberships"),
    "gone": whoever("owner", "owner", gone="person"),
    "made by a sync": whoever("owner", "owner", gone="source"),
    "foreign with every scope": whoever(scope=EVERY),
    **{role: whoever(role) for role in ROLES},
    "owner with every scope": whoever("owner", scope=EVERY),
    **{f"group {role}": whoever(group=role) for role in ROLES},
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
    *("a row", "rows", "a group", "groups", "rows of a workspace", "rows, claiming a workspace"),
    *("a membership", "memberships", "memberships, claiming a workspace", "an entry", "a catalogue"),
    *("the feed", "the audit of a workspace"),
)
CLAIMED = {"rows": "rows, claiming a workspace", "memberships": "memberships, claiming a workspace"}
# Who is told the same everywhere.
ALIKE: Mapping[str, Sequence[str]] = {
    "nobody": ("unknown", "gone", "made by a sync"),
    "outsider": ("contact", "foreign", "pending", "former", "foreign with every scope"),
    "keeper": ("admin", "owner", "owner with every scope"),
    "in the group": ("group guest", "group member"),
    "keeper of the group": ("group admin", "group owner"),
}
TABLE = """
    anonymous                   401   401   401   401   401   401  401   401   401   401   401      401      401
    nobody                      404   none  404   none  404   403  404   none  403   200   rows     403      403
    outsider                    404   none  404   none  404   403  404   none  403   200   rows     403      403
    guest                       200   rows  404   none  rows  rows  200   rows  rows  200   rows     403      403
    member                      200   rows  404   none  rows  rows  200   rows  rows  200   rows     403      403
    keeper                      200   rows  404   none  rows  rows  200   rows  rows  200   rows     403      none
    in the group                200   rows  200   rows  rows  rows  404   none  none  200   rows     403      403
    keeper of the group         200   rows  200   rows  rows  rows  404   none  none  200   rows     403      403
    service                     403   403   403   403   403   403  403   403   403   403   403      403      403
    service sync:write          403   403   403   403   403   403  403   403   403   403   403      403      403
    service providers:match     403   403   403   403   403   403  403   403   403   403   403      403      403
    service system:read         200   rows  200   rows  rows  rows  200   rows  rows  200   rows     200      none
    service with every scope    200   rows  200   rows  rows  rows  200   rows  rows  200   rows     200      none
"""
OPERATIONS_OF_WRITING = (
    *("provenance", "make a group", "change an enrolment", "withdraw", "rename a group", "delete a group"),
    *("keep a member", "choose", "change a choice", "remove a choice", "release"),
)
# `ok`: it is done. A person works by the roles that they hold in the workspace itself, or in the group.
TABLE_OF_WRITING = """
    anonymous                   401   401   401   401   401   401   401   401   401   401   401
    nobody                      403   403   403   404   404   404   404   404   404   404   403
    outsider                    403    ok   403   404   404   404   404   404   404   404   403
    guest                       403    ok   403   403   404   404   404   403   403   403   403
    member                      403    ok   403   403   404   404   404    ok    ok    ok   403
    keeper                      403    ok   403    ok   404   404   404    ok    ok    ok   403
    in the group                403    ok   403   403   403   403   403   403   403   403   403
    group admin                 403    ok   403    ok    ok   403    ok   403   403   403   403
    group owner                 403    ok   403    ok    ok    ok    ok   403   403   403   403
    service                     403   403   403   403   403   403   403   403   403   403   403
    service sync:write           ok   403   403   403   403   403   403   403   403   403    ok
    service providers:match     403   403   403   403   403   403   403    ok    ok   403   403
    service system:read         403   403   403   403   403   403   403   403   403   403   403
    service with every scope     ok   403   403   403   403   403   403    ok    ok   403    ok
"""


def cells_of(table: str, operations: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Return who is told what, by operation."""
    lines = [line.strip().partition("  ") for line in table.strip().splitlines()]
    told = {who: rest.split() for name, _, rest in lines for who in ALIKE.get(name, [name])}
    assert told.keys() == WHO.keys()
    return {operation: {who: cells[at] for who, cells in told.items()} for at, operation in enumerate(operations)}


CELLS = cells_of(TABLE, OPERATIONS_OF_READING) | cells_of(TABLE_OF_WRITING, OPERATIONS_OF_WRITING)


# By what a route is of, and what it does there; others are `a row` and `rows`.
RULES = {
    ("group", "retrieve"): "a group",
    ("group", "list"): "groups",
    ("member", "retrieve"): "a group",
    ("member", "list"): "groups",
    ("direct", "retrieve"): "a membership",
    ("direct", "list"): "memberships",
    ("everybody", "retrieve"): "an entry",
    ("everybody", "list"): "a catalogue",
    **dict.fromkeys((("feed", "list"), ("feed", "retrieve"), ("feed", "status")), "the feed"),
    # Who sees the one sees the other.
    ("fleet", "status"): "the feed",
    ("audit", "answers"): "the audit of a workspace",
    ("group", "create"): "make a group",
    ("group", "update"): "rename a group",
    ("group", "delete"): "delete a group",
    ("enrolment", "update"): "change an enrolment",
    ("enrolment", "delete"): "withdraw",
    ("selection", "create"): "choose",
    ("selection", "update"): "change a choice",
    ("selection", "delete"): "remove a choice",
    **dict.fromkeys((("member", "update"), ("member", "delete")), "keep a member"),
    **dict.fromkeys((("provenance", "create"), ("provenance", "update"), ("provenance", "delete")), "provenance"),
}


def rule_of(route: Route) -> str:
    """Return the column that a route follows."""
    assert route.resource is not None
    if route.operation in {"release", "dismiss", "release_many"}:
        return "release"
    if route.method == "GET" and route.within:
        return "rows of a workspace"
    by_tenancy = route.resource.policy in {"none", "message", "run"}
    kind = route.resource.tenancy if by_tenancy else route.resource.policy
    is_list = route.operation == "list" or (route.operation == "answers" and route.of is None)
    return RULES.get((kind, route.operation), "rows" if is_list else "a row")


READING = tuple(route for route in CLOSED if route.method == "GET" and route is not DEFAULT)
CLAIMING = tuple(route for route in READING if rule_of(route) in CLAIMED)
# Enrolling has two gates: it, the adding of members, and what agents ask, which only reads, have tables of their own:
# tests/writing/test_enrolling.py, tests/writing/test_group_members.py, tests/agents.
OF_THEIR_OWN = {("enrolment", "create"), ("member", "create")}
WRITING = tuple(
    route
    for route in CLOSED
    if route.method != "GET" and route.resource and (route.resource.policy, route.operation) not in OF_THEIR_OWN
)


def told(good: Good, reply: Reply, row: str) -> str:
    """Return the cell that an answer stands for."""
    if reply.status != 200:
        codes = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: f"{_absent(good.route)}_NOT_FOUND"}
        assert reply.codes == [codes[reply.status]]
        return str(reply.status)
    route, resource = good.route, good.route.resource
    assert resource is not None
    if route.operation in {"retrieve", "status"}:
        assert reply.data["id"] == (SINGLE if route.operation == "status" else row)
        return "200"
    if route.operation in {"answers", "answer"}:
        # What is known of the row: its id begins with the row's.
        told_of = reply.data if route.operation == "answers" else [reply.data]
        assert {item["id"].partition(":")[0] for item in told_of} <= {row}
        return "200" if route.of else "rows" if told_of else "none"
    shown = {str(id_) for id_ in reply.ids}
    # Whoever asks has a workspace of their own; of the catalogues they see more.
    assert resource.policy in {"none", "member"} or shown <= {row}
    there = "200" if resource.tenancy == "services" else "rows"
    return there if row in shown else "none"


def _absent(route: Route) -> str:
    """Return what is missing where a path leads nowhere: the workspace of its list, or the row."""
    assert route.resource is not None
    missing = next(iter(route.within.values())) if route.within else (route.of or route.resource).type
    return missing.upper()


def cells(requests: Requests, good: Good, **changes: str) -> Mapping[str, str]:
    """Ask as everybody, and return what each was told."""
    resource = good.route.of or good.route.resource
    assert resource is not None
    if good.route.operation == "list":
        # Of a catalogue, and as a service, there are more rows than the tenant's.
        changes["query"] = "&".join(part for part in (changes.get("query"), "page[size]=500") if part)
    asked = {name: good.but(caller=who(requests), **changes) for name, who in WHO.items()}
    # What there is one of shows no row of anybody's; activity is a connector's.
    of = {
        "connector_activity": "workspace_connector",
        "audit_entry": "workspace",
        **dict.fromkeys(("feed_status", "fleet"), FEED_EVENT.type),
    }
    row = requests.rows[of.get(resource.type, resource.type)]
    return {name: told(good, found.ask(), str(row.id)) for name, found in asked.items()}


@pytest.mark.parametrize("route", READING, ids=named)
def test_each_cell_of_reading(requests: Requests, route: Route) -> None:
    assert cells(requests, requests.good(route)) == CELLS[rule_of(route)]


@pytest.mark.parametrize("route", CLAIMING, ids=named)
def test_each_cell_of_claiming_a_workspace(requests: Requests, route: Route) -> None:
    claim = f"filter[workspace]={requests.workspace.id}"
    assert cells(requests, requests.good(route), query=claim) == CELLS[CLAIMED[rule_of(route)]]


def written(requests: Requests, route: Route) -> Good:
    """Return a request that changes something, of which the route's rule says who may make it."""
    good = requests.good(route)
    now = requests.database.owner.exec_driver_sql("SELECT now()::timestamptz(3)").scalar_one().isoformat()
    said: dict[str, dict[str, Any]] = {"provenance": {"deleted_at": now}, "change a choice": {"is_matched": False}}
    data = dict((good.document or {}).get("data", {}))
    rule = rule_of(route)
    # A group of nothing, and a choice of what the caller may choose.
    data.pop({"make a group": "relationships", "choose": "attributes"}.get(rule, ""), None)
    if rule in said and route.operation == "update":
        data["attributes"] = said[rule]
    return good.but(document={"data": data}) if data else good


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_each_cell_of_writing(requests: Requests, route: Route) -> None:
    good, rule = written(requests, route), rule_of(route)
    asked = {name: good.but(caller=who(requests)) for name, who in WHO.items()}
    before = state(requests)
    replies = {name: requests.ask(found) for name, found in asked.items()}
    assert route.resource is not None
    absent = "WORKSPACE" if rule == "choose" else route.resource.type.upper()
    codes = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: f"{absent}_NOT_FOUND"}
    refused = {
        name: reply for name, reply in replies.items() if reply.status not in {good.status, 200} or reply.status >= 400
    }
    assert {name: str(refused[name].status) if name in refused else "ok" for name in WHO} == CELLS[rule]
    assert all(reply.codes == [codes[reply.status]] for reply in refused.values())
    # What was done is undone, and what was refused did nothing.
    assert state(requests) == before


def state(requests: Requests) -> list[Any]:
    """Return all that a write could change."""
    kept = ("pending_events", "sync_messages", "workspace_groups", "workspace_group_memberships")
    tables = (*map(table_of, kept), *(table_of(resource.table) for resource in OBJECTS))
    return [requests.database.owner.exec_driver_sql(f"SELECT * FROM {table} ORDER BY pk").all() for table in tables]


def never(rule: str) -> list[str]:
    """Return who is refused by a rule for what their claims say, whatever there is."""
    refused = [name for name, cell in CELLS[rule].items() if cell == "403"]
    persons = {name for name in WHO if not name.startswith(("service", "anonymous"))}
    return refused if persons <= {*refused} else [name for name in refused if name not in persons]


@pytest.mark.parametrize("route", [*READING, *WRITING], ids=named)
def test_who_may_never_ask_is_403_before_anything_is_looked_at(
    requests: Requests, route: Route, sql: Statements
) -> None:
    good = requests.good(route)
    for name in never(rule_of(route)):
        asked = good.but(caller=WHO[name](requests))
        spoilt = asked.but(query="nonsense=1&page[size]=0") if route.method == "GET" else asked.but(document=None)
        replies = [
            asked.ask(),
            asked.but(parameters=dict.fromkeys(good.parameters, NOWHERE)).ask(),
            asked.but(parameters=dict.fromkeys(good.parameters, "nonsense")).ask(),
            spoilt.but(body=None if route.method == "GET" else "{").ask(),
            spoilt.but(headers={"if-none-match": "nonsense", "if-match": "nonsense"}).ask(),
        ]
        assert len({reply.body.replace(reply.request_id, "") for reply in replies}) == 1, name
        assert replies[0].codes == ["FORBIDDEN"]
    assert len(sql) == 0


# ---- nothing is left out ---------------------------------------------------------------------------------
def test_every_route_has_its_cells() -> None:
    told = [*READING, *WRITING]
    apart = [route for route in CLOSED if route not in [*told, DEFAULT]]
    assert {(route.resource.policy, route.operation) for route in apart if route.resource} == OF_THEIR_OWN
    assert [route.operation for route in apart if not route.resource] == ["mcp"]
    assert {rule_of(route) for route in told} | set(CLAIMED.values()) == CELLS.keys()
