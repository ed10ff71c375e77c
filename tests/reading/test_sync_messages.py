"""Messages over HTTP: who sees which, what of them is shown to whom, and which rows they wrote and ended."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.api import PIPELINE, READER, Caller, draft, get, patch, walked
from tests.support.databases import CONSUMER, FreshDatabase
from tests.support.plans import Meter
from tests.support.queue import consume, invalidated, synced
from tests.support.tenants import Tenant, tenant
from tests.support.world import World

MESSAGES = "/v1/sync-messages"
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
PERSON, SERVICE = "person", "service"


def at(number: int) -> datetime:
    return NOON + timedelta(seconds=number)


def wrong(*problems: tuple[str, str, str]) -> dict[str, Any]:
    """Return what is kept of problems, each a code, a type and an id."""
    kept = [{"code": code, "type": type_, "id": id_} for code, type_, id_ in problems]
    return {"problems": kept, "problem_count": len(kept)}


def listed(query: str, caller: Caller) -> list[UUID]:
    """Return the ids of a whole list, page by page."""
    return walked(f"{MESSAGES}?page[size]=3&{query}", caller)


def test_a_message_of_nobody_is_for_services_alone(ours: Tenant, world: World) -> None:
    own, nobodys = world.message(ours.connector, ours.workspace), world.message(outcome="parked")
    for caller, found, status in ((ours.caller, {own.id}, 404), (READER, {own.id, nobodys.id}, 200)):
        assert {*get(MESSAGES, caller).ids} == found
        assert get(f"{MESSAGES}/{nobodys.id}", caller).status == status


def test_a_connector_s_end_leaves_its_messages_and_a_workspace_s_hides_them(ours: Tenant, world: World) -> None:
    message = world.message(ours.connector, ours.workspace)
    world.tombstone(ours.connector)
    for caller in (ours.caller, READER):
        assert get(f"{MESSAGES}?filter[workspace_connector]={ours.connector.id}", caller).ids == [message.id]
        assert get(f"{MESSAGES}/{message.id}", caller).status == 200
    world.tombstone(ours.workspace)
    for caller in (ours.caller, READER):
        assert get(f"{MESSAGES}?filter[workspace_connector]={ours.connector.id}", caller).ids == []
        assert get(MESSAGES, caller).ids == []
        assert get(f"{MESSAGES}/{message.id}", caller).status == 404


def test_a_row_names_the_message_that_wrote_it_and_the_one_that_ended_it(ours: Tenant, world: World) -> None:
    world.database.role = CONSUMER
    company, other = world.companies(ours.workspace, 2)
    sent = [synced(ours.connector, [each]) for each in (company, other)] + [invalidated(ours.connector, [company])]
    assert consume(*sent) == []
    wrote, _, ended = (id_ for body in sent for id_ in _found(body["id"], ours.caller))
    rows = "/v1/company-workspace-connectors?filter[deleted]=include&include=sync_message,ended_by"
    page = get(f"{rows}&filter[company]={company.id}", ours.caller).document
    (row,) = page["data"]
    assert {name: row["relationships"][name]["data"] for name in ("sync_message", "ended_by")} == {
        "sync_message": {"type": "sync_message", "id": wrote},
        "ended_by": {"type": "sync_message", "id": ended},
    }
    included = {found["id"]: found for found in page["included"]}
    assert included.keys() == {wrote, ended}
    assert included[wrote] == get(f"{MESSAGES}/{wrote}", ours.caller).data
    assert row["relationships"]["sync_message"]["links"] == {"related": f"{MESSAGES}/{wrote}"}
    for asked in ("", f"&filter[workspace_connector]={ours.connector.id}", f"&filter[company]={company.id}"):
        for sort in ("created_at", "-updated_at"):
            url = f"{rows}&sort={sort}&filter[sync_message]={wrote}{asked}"
            for caller in (ours.caller, READER):
                assert [str(id_) for id_ in get(url, caller).ids] == [row["id"]], url
    # By HTTP it was nobody's message.
    (by_hand,) = get(f"{rows}&filter[company]={ours.record.id}", ours.caller).data
    assert by_hand["relationships"]["sync_message"] == {"data": None}
    # A message that is forgotten reads as null.
    world.database.owner.exec_driver_sql("DELETE FROM wellspring.sync_messages")
    (row,) = get(f"{rows}&filter[company]={company.id}", ours.caller).data
    assert {row["relationships"][name]["data"] for name in ("sync_message", "ended_by")} == {None}


def _found(message_id: str, caller: Caller) -> list[str]:
    return [found["id"] for found in get(MESSAGES, caller).data if found["attributes"]["message_id"] == message_id]


def test_a_message_looks_as_the_contract_says(ours: Tenant, world: World) -> None:
    world.database.role = CONSUMER
    body = synced(ours.connector, [ours.record], mode="relink") | {"run": "nightly"}
    assert consume(body) == []
    (id_,) = _found(body["id"], ours.caller)
    document = get(f"{MESSAGES}/{id_}?include=workspace_connector,workspace", ours.caller).document
    times = {name: document["data"]["attributes"].pop(name) for name in ("received_at", "processed_at")}
    assert all(times.values())
    (run,) = get("/v1/sync-runs", ours.caller).data
    of_run = document["data"]["relationships"].pop("sync_run")
    assert of_run["data"] == {"type": "sync_run", "id": run["id"]}
    assert document["data"] == {
        "type": "sync_message",
        "id": id_,
        "attributes": {
            "message_id": body["id"],
            "message_type": "records.synced",
            "direction": "input",
            "mode": "relink",
            "run": "nightly",
            "occurred_at": "2026-05-10T08:14:22.000Z",
            "outcome": "applied",
            "reason": None,
            "problems": [],
            "counts": {"company": {"named": 1, "made": 0, "linked": 1, "ended": 1}},
        },
        "relationships": {
            name: {"links": {"related": f"{path}/{row.id}"}, "data": {"type": name, "id": str(row.id)}}
            for name, path, row in (
                ("workspace_connector", "/v1/workspace-connectors", ours.connector),
                ("workspace", "/v1/workspaces", ours.workspace),
            )
        },
        "links": {"self": f"{MESSAGES}/{id_}"},
    }
    assert [found["type"] for found in document["included"]] == ["workspace_connector", "workspace"]


def test_to_a_person_a_tenant_mismatch_is_an_unknown_record(ours: Tenant, world: World) -> None:
    named = (("account", "c"), ("company", "a"), ("company", "b"))
    codes = ("tenant_mismatch", "tenant_mismatch", "unknown_record")
    mixed = wrong(*((code, *of) for code, of in reversed([*zip(codes, named, strict=True)])))
    mismatch = world.message(ours.connector, ours.workspace, "parked", reason="tenant_mismatch", **mixed)
    unknown = world.message(ours.connector, ours.workspace, "parked", reason="unknown_record", **mixed)
    both = [unknown.id, mismatch.id]
    for caller, shown in ((ours.caller, ("unknown_record",) * 3), (READER, codes)):
        for row in (*get(MESSAGES, caller).data, *(get(f"{MESSAGES}/{id_}", caller).data for id_ in both)):
            problems = row["attributes"]["problems"]
            assert [((found["type"], found["id"]), found["code"]) for found in problems] == [
                *zip(named, shown, strict=True)
            ]
    assert {get(f"{MESSAGES}/{id_}", ours.caller).data["attributes"]["reason"] for id_ in both} == {"unknown_record"}
    assert get(f"{MESSAGES}/{mismatch.id}", READER).data["attributes"]["reason"] == "tenant_mismatch"
    within = f"filter[workspace]={ours.workspace.id}"
    for outcome in ("", "&filter[outcome]=parked"):
        for reason, persons, services in (("unknown_record", both, both[:1]), ("tenant_mismatch", [], both[1:])):
            asked = f"{MESSAGES}?{within}&filter[reason]={reason}{outcome}&page[total]=true"
            for caller, expected in ((ours.caller, persons), (READER, services)):
                page = get(asked, caller)
                assert page.ids == expected
                assert page.document["meta"]["page"]["total"] == len(expected)


def test_a_list_has_five_problems_and_no_body_and_one_message_has_all(ours: Tenant, world: World) -> None:
    many = wrong(*(("unknown_record", "company", f"{number:02}") for number in range(12)))
    message = world.message(ours.connector, ours.workspace, "parked", reason="unknown_record", body="sent", **many)
    for caller in (ours.caller, READER):
        (row,) = get(MESSAGES, caller).data
        assert [found["id"] for found in row["attributes"]["problems"]] == ["00", "01", "02", "03", "04"]
        assert "body" not in row["attributes"]
    persons, services = (get(f"{MESSAGES}/{message.id}", caller).data["attributes"] for caller in (ours.caller, READER))
    assert [len(row["problems"]) for row in (persons, services)] == [12, 12]
    assert services["body"] == "sent"
    assert "body" not in persons


# By letter, the oldest first: outcome, reason and run; `d` to `f` are of another connector of the workspace.
HISTORY: dict[str, tuple[str, str | None, str | None]] = {
    "a": ("applied", None, "one"),
    "b": ("parked", "unknown_record", "two"),
    "c": ("parked", "tenant_mismatch", "one"),
    "d": ("dismissed", "unknown_record", None),
    "e": ("in_progress", None, "one"),
    "f": ("parked", "overtaken", "two"),
}
# What a list is of, in its order; to a person a tenant mismatch is an unknown record.
QUERIES = {
    "": "fedcba",
    "sort=received_at": "abcdef",
    "filter[outcome]=applied": "a",
    "filter[outcome]=in_progress": "e",
    "filter[outcome]=dismissed": "d",
    "sort=received_at&filter[outcome]=parked": "bcf",
    "filter[reason]=unknown_record": "dcb",
    "filter[reason]=tenant_mismatch": "",
    "filter[reason]=overtaken": "f",
    "filter[reason]=unknown_record&filter[outcome]=dismissed": "d",
    "filter[run]=one": "eca",
    "sort=received_at&filter[run]=two&filter[outcome]=parked": "bf",
    # Each second one says when it occurred, and the latest comes first; what waits was processed by nobody.
    "sort=occurred_at": "eca",
    "sort=-occurred_at": "ace",
    "sort=processed_at": "ade",
    "sort=-processed_at": "eda",
    f"filter[received_at][gte]={at(1):%FT%TZ}&filter[received_at][lt]={at(5):%FT%TZ}&filter[outcome]=parked": "cb",
    f"sort=occurred_at&filter[occurred_at][lte]={at(98):%FT%TZ}": "ec",
}
OF_SERVICES = {"filter[reason]=unknown_record": "db", "filter[reason]=tenant_mismatch": "c"}


@pytest.mark.parametrize("who", [PERSON, SERVICE])
def test_a_list_is_what_was_asked_for(ours: Tenant, theirs: Tenant, world: World, who: str) -> None:
    second, made = world.workspace_connector(ours.workspace), {}
    for number, (letter, (outcome, reason, run)) in enumerate(HISTORY.items()):
        said: dict[str, Any] = {
            "received_at": at(number),
            "occurred_at": at(100 - number) if number % 2 == 0 else None,
            "processed_at": None if outcome == "parked" else at(number + 1),
            "reason": reason,
            "run": run,
        }
        made[world.message(second if letter in "def" else ours.connector, ours.workspace, outcome, **said).id] = letter
        world.message(theirs.connector, theirs.workspace, outcome, **said)
    caller = ours.caller if who == PERSON else READER
    within = f"filter[workspace]={ours.workspace.id}"
    first, other = (f"filter[workspace_connector]={of.id}" for of in (ours.connector, second))
    scopes = {
        first: "abc",
        other: "def",
        f"{first},{second.id}": "abcdef",
        within: "abcdef",
        f"{within}&{first}": "abc",
    }
    scopes |= {"": "abcdef"} if who == PERSON else {}
    for query, found in (QUERIES | (OF_SERVICES if who == SERVICE else {})).items():
        for scope, letters in scopes.items():
            whole = "&".join(part for part in (query, scope) if part)
            wanted = [letter for letter in found if letter in letters]
            assert [made[id_] for id_ in listed(whole, caller)] == wanted, whole
            page = get(f"{MESSAGES}?page[size]=1&page[total]=true&{whole}", caller).document
            assert page["meta"]["page"]["total"] == len(wanted), whole


def test_a_message_is_found_by_the_id_that_its_producer_gave_it(ours: Tenant, theirs: Tenant, world: World) -> None:
    world.database.role = CONSUMER
    first, other = synced(ours.connector, [ours.record]), synced(ours.connector, [ours.record])
    # The foreign tenant's producer took our id: its message is parked, and is theirs.
    reused = synced(theirs.connector, [theirs.record], id_=first["id"])
    assert consume(first, other, reused) == []
    own, foreign = ([UUID(id_) for id_ in _found(first["id"], of.caller)] for of in (ours, theirs))
    assert len({*own, *foreign}) == 2
    url = f"filter[message_id]={first['id']}"
    for caller in (ours.caller, READER):
        assert listed(f"{url}&filter[workspace]={ours.workspace.id}", caller) == own
    assert (listed(url, ours.caller), listed(url, theirs.caller)) == (own, foreign)
    assert {*listed(url, READER)} == {*own, *foreign}
    page = get(f"{MESSAGES}?{url}&sort=received_at&page[total]=true", READER).document
    assert page["meta"]["page"]["total"] == 2
    assert listed(f"filter[message_id]={uuid4()}", ours.caller) == []


def test_a_service_asks_for_a_reason_anywhere(ours: Tenant, theirs: Tenant, world: World) -> None:
    spoilt = [
        world.message(tenant.connector, tenant.workspace, "parked", reason="malformed") for tenant in (ours, theirs)
    ]
    spoilt.append(world.message(outcome="parked", reason="malformed"))
    dismissed = world.message(outcome="dismissed", reason="malformed")
    world.message(ours.connector, ours.workspace, "parked", reason="overtaken")
    asked = "filter[reason]=malformed&sort=received_at"
    assert listed(f"{asked}&filter[outcome]=parked", READER) == [row.id for row in spoilt]
    assert listed(asked, READER) == [row.id for row in (*spoilt, dismissed)]


def test_who_sees_a_connector_sees_what_was_malformed_of_it(world: World, ours: Tenant, theirs: Tenant) -> None:
    world.database.role = CONSUMER
    spoilt = synced(ours.connector, [ours.record]) | {"direction": "sideways", "run": "nightly"}
    foreign = synced(theirs.connector, [theirs.record]) | {"direction": "sideways"}
    assert consume(spoilt, foreign, groups=[str(ours.connector.id)] * 2) == []
    asked = f"{MESSAGES}?filter[reason]=malformed"
    (row,) = get(asked, ours.caller).data
    said = row["attributes"]
    assert (said["message_id"], said["run"], said["message_type"]) == (spoilt["id"], "nightly", "records.synced")
    assert row["relationships"]["workspace_connector"]["data"]["id"] == str(ours.connector.id)
    assert "body" not in get(f"{MESSAGES}/{row['id']}", ours.caller).data["attributes"]
    assert get(asked, theirs.caller).data == []
    assert {each["attributes"]["message_id"] for each in get(asked, READER).data} == {spoilt["id"], foreign["id"]}
    connector = get(f"/v1/workspace-connectors/{ours.connector.id}", ours.caller).data
    assert connector["attributes"]["parked_messages"] == 1


@pytest.mark.parametrize("sort", ["received_at", "-received_at", "-occurred_at"])
def test_a_walk_goes_on_where_its_cursors_message_has_been_pruned(world: World, ours: Tenant, sort: str) -> None:
    """Ten came at the same time."""
    made = [world.message(ours.connector, ours.workspace, occurred_at=NOON) for _ in range(10)]
    world.database.owner.exec_driver_sql("UPDATE wellspring.sync_messages SET received_at = now()")
    first = get(f"{MESSAGES}?sort={sort}&page[size]=3", ours.caller)
    world.database.owner.exec_driver_sql("DELETE FROM wellspring.sync_messages WHERE id = %s", (first.ids[-1],))
    world.database.commit()
    seen = [*first.ids, *walked(first.document["links"]["next"], ours.caller)]
    assert len(seen) == len(set(seen))
    assert {row.id for row in made} <= {*seen}


# ---- what a page costs ----------------------------------------------------------------------------------
MANY, RARE = 20_000, 2000
CELLS = [
    *QUERIES,
    "filter[outcome]=applied&page[size]=100",
    "filter[reason]=expired",
    "filter[run]=rare&filter[outcome]=applied",
    "sort=received_at&filter[outcome]=parked",
    "filter[outcome]=parked&filter[reason]=overtaken",
    "filter[outcome]=parked&filter[reason]=expired",
]
# What a service may ask for of all workspaces.
OF_ALL = [
    query for query in CELLS if re.search("outcome.=(parked|in_progress|dismissed)", query) and "run" not in query
]
OF_ALL += ["filter[reason]=overtaken", "filter[reason]=expired"]


@pytest.fixture
def crowded(fresh_database: FreshDatabase, world: World) -> Tenant:
    """A connector of many messages, most of which are dismissed mismatches, among small ones of the workspace."""
    ours = tenant(world, "company")
    for _ in range(10):
        world.message(world.workspace_connector(ours.workspace), ours.workspace)
    world.fill(
        "wellspring.sync_messages",
        f"generate_series(1, {MANY}) AS n"
        f" CROSS JOIN LATERAL (SELECT timestamptz '{NOON.isoformat()}' + n / 20 * interval '1 second' AS at) AS t",
        message_id="uuidv7()",
        workspace_connector_pk=ours.connector.pk,
        workspace_pk=ours.workspace.pk,
        **dict.fromkeys(("received_at", "occurred_at", "processed_at"), "at"),
        outcome=f"CASE n % {RARE} WHEN 0 THEN 'applied' WHEN 1 THEN 'parked' ELSE 'dismissed' END",
        reason=f"CASE n % {RARE} WHEN 0 THEN NULL WHEN 1 THEN 'overtaken' ELSE 'tenant_mismatch' END",
        run=f"CASE n % {RARE} WHEN 0 THEN 'rare' ELSE 'one' END",
    )
    world.analyze()
    return ours


@pytest.mark.parametrize("who", [PERSON, SERVICE])
def test_a_message_id_is_looked_up_where_it_is_and_where_it_is_not(
    fresh_database: FreshDatabase, crowded: Tenant, theirs: Tenant, world: World, who: str
) -> None:
    """A foreign id costs a person what an absent one costs, in the same plan."""
    caller = crowded.caller if who == PERSON else READER
    one = "SELECT message_id FROM wellspring.sync_messages ORDER BY pk OFFSET 15000 LIMIT 1"
    ids = {"own": fresh_database.owner.exec_driver_sql(one).scalar_one(), "foreign": uuid4(), "absent": uuid4()}
    world.message(theirs.connector, theirs.workspace, message_id=ids["foreign"])
    meter, url = Meter(fresh_database), f"{MESSAGES}?filter[message_id]="
    cost = {name: meter.cost(f"{url}{id_}", caller, again=True) for name, id_ in ids.items()}
    assert len(get(f"{url}{ids['own']}", caller).ids) == 1
    assert max(cost.values()) < 200, cost
    if who == PERSON:
        assert cost["foreign"] == cost["absent"]


@pytest.mark.parametrize("who", [PERSON, SERVICE])
def test_no_list_costs_more_than_ten_plain_pages(fresh_database: FreshDatabase, crowded: Tenant, who: str) -> None:
    meter, caller = Meter(fresh_database), crowded.caller if who == PERSON else READER
    scopes = [f"filter[workspace_connector]={crowded.connector.id}", f"filter[workspace]={crowded.workspace.id}"]
    asked = [f"{query}&{scope}" for query in CELLS for scope in scopes]
    asked += CELLS if who == PERSON else OF_ALL
    plain = meter.cost(f"{MESSAGES}?{scopes[0]}", caller)
    costs = {query: meter.cost(f"{MESSAGES}?{query}", caller) for query in asked}
    assert {query: cost for query, cost in costs.items() if cost > max(10 * plain, 600)} == {}, plain


def test_a_row_that_is_restored_or_ended_over_http_was_ended_by_no_message(ours: Tenant, world: World) -> None:
    world.database.role = CONSUMER
    assert consume(synced(ours.connector, [ours.record]), invalidated(ours.connector, [ours.record])) == []
    path = "/v1/company-workspace-connectors"
    rows = get(f"{path}?filter[deleted]=only&filter[company]={ours.record.id}", ours.caller).data
    row = next(found for found in rows if found["relationships"]["sync_message"]["data"])
    assert row["relationships"]["ended_by"]["data"] is not None
    for at in (None, row["attributes"]["created_at"]):
        body = draft("company_workspace_connector", {"deleted_at": at}, row["id"])
        changed = patch(f"{path}/{row['id']}", PIPELINE, body).data
        assert changed["relationships"]["ended_by"] == {"data": None}
        assert changed["relationships"]["sync_message"]["data"] == row["relationships"]["sync_message"]["data"]
        rows = get(f"{path}?filter[deleted]=include&filter[company]={ours.record.id}", ours.caller).data
        (found,) = (each for each in rows if each["id"] == row["id"])
        assert found["relationships"]["ended_by"] == {"data": None}
