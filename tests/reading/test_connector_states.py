"""State of connectors: where it is shown, in what order they stand by it, and that no ETag tells of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.dialects.postgresql import insert

from tests.support.api import READER, get, walked_both_ways
from tests.support.databases import Database, FreshDatabase, Statements
from tests.support.plans import Meter, rows_read, sent_for
from tests.support.tenants import Tenant
from tests.support.world import Row, World
from wellspring.models import table_of
from wellspring.resources import WORKSPACE_CONNECTOR
from wellspring.services.ledger import reading

URL = "/v1/workspace-connectors"
AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
LEDGER = "/v1/company-workspace-connectors"
KEPT = set(WORKSPACE_CONNECTOR.computed)
NONE = {
    "health": "new",
    "expected_by": None,
    "complete_through": None,
    "last_synced_at": None,
    "last_changed_at": None,
    "last_failed_at": None,
    "parked_messages": 0,
    "live_rows": 0,
}


def synced(world: World, connector: Row, at: datetime | None, **more: Any) -> None:
    """Keep that a connector was last synced at a time."""
    values = {"last_synced_at": at, **more}
    made = insert(table_of("connector_state")).values(workspace_connector_pk=connector.pk, **values)
    world.database.owner.execute(made.on_conflict_do_update(index_elements=["workspace_connector_pk"], set_=values))
    world.database.commit()


def failed(world: World, of: Tenant, reason: str, connector: Row | None = None, minutes: int = 0, **values: Any) -> Row:
    """Park a message of a tenant's connector, and return it."""
    said = {"outcome": "parked", "reason": reason, "received_at": AT + timedelta(minutes=minutes), **values}
    return world.message(connector or of.connector, of.workspace, **said)


def kept_of(item: Any) -> Any:
    return {name: value for name, value in item.get("attributes", {}).items() if name in KEPT}


def test_a_list_and_a_single_connector_say_what_is_kept(world: World, ours: Tenant) -> None:
    idle = world.workspace_connector(ours.workspace)
    synced(world, ours.connector, AT, last_failed_at=AT, parked_messages=2)
    listed = {item["id"]: kept_of(item) for item in get(URL, ours.caller).data}
    said = listed[str(ours.connector.id)]
    assert [reason["code"] for reason in listed[str(idle.id)].pop("health_reasons")] == ["new"]
    assert listed[str(idle.id)] == NONE
    assert said == kept_of(get(f"{URL}/{ours.connector.id}", ours.caller).data)
    assert said.pop("last_changed_at").endswith("Z")
    assert {name: said.pop(name) for name in ("health", "health_reasons", "expected_by", "complete_through")}
    assert said == {
        "last_synced_at": "2026-03-04T12:00:00.000Z",
        "last_failed_at": "2026-03-04T12:00:00.000Z",
        "parked_messages": 2,
        "live_rows": 1,
    }


def test_it_is_shown_linked_and_read_where_it_is_asked_for(world: World, ours: Tenant, statements: Statements) -> None:
    newest = str(failed(world, ours, "unknown_record").id)
    fields, beside = "fields[workspace_connector]", f"{LEDGER}?include=workspace_connector"
    row = f"{LEDGER}/{ours.provenance.id}?include=workspace_connector"
    for url, shown, linked, cost in (
        (URL, KEPT, newest, 2),
        (f"{URL}/{ours.connector.id}", KEPT, newest, 2),
        (f"{URL}?{fields}=status", set(), None, 1),
        (f"{URL}?{fields}=live_rows", {"live_rows"}, None, 2),
        (f"{URL}?{fields}=last_failure", set(), newest, 2),
        (f"{URL}?include=last_failure", KEPT, newest, 3),
        (f"{URL}?{fields}=status&include=last_failure", set(), None, 3),
        (beside, set(), None, 2),
        (f"{beside}&{fields}=live_rows", {"live_rows"}, None, 3),
        (f"{beside}&{fields}=last_failure", set(), newest, 3),
        (row, set(), None, 2),
        (f"{row}&{fields}=status,live_rows", {"live_rows"}, None, 3),
    ):
        sent, reply = sent_for(statements, url, ours.caller)
        found = reply.document["included"] if url.startswith(LEDGER) else reply.data
        item = found[0] if isinstance(found, list) else found
        related = item.get("relationships", {}).get("last_failure")
        assert (kept_of(item).keys(), related and related["data"]["id"], sent) == (shown, linked, cost), url
    hidden = get(f"{URL}?{fields}=status&include=last_failure", ours.caller).document
    assert [item["id"] for item in hidden["included"]] == [newest]


def test_health_is_read_with_what_is_kept_beside_it(fresh_database: FreshDatabase, world: World, ours: Tenant) -> None:
    """A page with it looks at a tenth more than a page without, at most."""
    for _ in range(30):
        synced(world, world.workspace_connector(ours.workspace), AT)
    meter = Meter(fresh_database)

    def looked_at(*fields: str) -> int:
        url = f"{URL}?fields[workspace_connector]={','.join(fields)}"
        assert {*get(url, ours.caller).data[0]["attributes"]} == {*fields}
        return meter.cost(url, ours.caller, again=True)

    without = ("status", "last_synced_at")
    with_it = ("health", "health_reasons", "expected_by", "complete_through", "consent_expires_at")
    assert looked_at(*without, *with_it) <= 1.1 * looked_at(*without)


def last_failure_of(item: Any) -> Any:
    data = item["relationships"]["last_failure"]["data"]
    return data and data["id"]


def test_which_connectors_fail_and_why_is_one_request(world: World, ours: Tenant) -> None:
    idle, other = (world.workspace_connector(ours.workspace) for _ in range(2))
    problems = [{"code": "tenant_mismatch", "type": "company", "id": "1"}]
    newest = failed(world, ours, "tenant_mismatch", minutes=1, problems=problems, problem_count=1)
    failed(world, ours, "overtaken")
    # What is applied or dismissed since then waits no more.
    for minutes, outcome in enumerate(("applied", "dismissed", "in_progress"), 2):
        failed(world, ours, "overtaken", minutes=minutes, outcome=outcome)
    same = [failed(world, ours, "unknown_record", other) for _ in range(2)]
    url = f"{URL}?filter[workspace]={ours.workspace.id}&sort=last_synced_at&include=last_failure"
    expected = {ours.connector.id: newest.id, idle.id: None, other.id: same[1].id}
    for caller, reason in ((ours.caller, "unknown_record"), (READER, "tenant_mismatch")):
        reply = get(url, caller)
        found = {item["id"]: last_failure_of(item) for item in reply.data}
        assert found == {str(id_): to and str(to) for id_, to in expected.items()}
        why = {item["id"]: item["attributes"] for item in reply.document["included"]}
        assert why.keys() == {to for to in found.values() if to}
        # To a person a tenant mismatch looks like an unknown record.
        assert why[str(newest.id)]["reason"] == reason
        assert why[str(newest.id)]["problems"][0]["code"] == reason
        assert "body" not in why[str(newest.id)]
    (item,) = (item for item in get(url, ours.caller).data if item["id"] == str(ours.connector.id))
    assert item["relationships"]["last_failure"]["links"] == {"related": f"/v1/sync-messages/{newest.id}"}
    assert get(item["relationships"]["last_failure"]["links"]["related"], ours.caller).status == 200


def test_the_last_failure_is_one_probe_of_many_messages(world: World, database: Database, ours: Tenant) -> None:
    failed(world, ours, "unknown_record")
    world.fill(
        "wellspring.sync_messages",
        2000,
        message_id="uuidv7()",
        workspace_connector_pk=ours.connector.pk,
        workspace_pk=ours.workspace.pk,
        outcome="CASE WHEN mod(n, 2) = 0 THEN 'parked' ELSE 'applied' END",
        received_at=f"timestamptz '{AT}'",
    )
    world.analyze("wellspring.sync_messages")
    for caller in (ours.caller, READER):
        url = f"{URL}?fields[workspace_connector]=last_failure"
        assert rows_read(database, url, caller, "wellspring.sync_messages")[0] <= 10


@pytest.mark.parametrize(
    "url",
    [
        f"{URL}/{{connector}}",
        f"{URL}/{{connector}}?fields[workspace_connector]=last_synced_at",
        f"{URL}/{{connector}}?fields[workspace_connector]=last_failure",
        f"{LEDGER}/{{row}}?include=workspace_connector&fields[workspace_connector]=last_synced_at",
        f"{LEDGER}/{{row}}?include=workspace_connector&fields[workspace_connector]=last_failure",
    ],
)
def test_no_etag_tells_of_it(world: World, ours: Tenant, url: str) -> None:
    path = url.format(connector=ours.connector.id, row=ours.provenance.id)
    before = get(path, ours.caller)
    synced(world, ours.connector, AT)
    failed(world, ours, "unknown_record")
    after = get(path, ours.caller)
    assert before.body != after.body
    assert before.headers["etag"] == after.headers["etag"]


def test_an_etag_with_a_query_tells_of_a_failure_that_is_included(world: World, ours: Tenant) -> None:
    path = f"{URL}/{ours.connector.id}?include=last_failure"
    before = get(path, ours.caller).headers["etag"]
    failed(world, ours, "unknown_record")
    after = get(path, ours.caller).headers["etag"]
    assert after != before
    # The version, which If-Match compares, is the connector's own.
    assert after.partition(".")[0] == before.partition(".")[0]


@pytest.fixture
def in_order(world: World, ours: Tenant, theirs: Tenant) -> Sequence[Row]:
    """Connectors of a workspace, the one that was synced longest ago first; two were never."""
    connectors = [ours.connector, *(world.workspace_connector(ours.workspace) for _ in range(4))]
    for days, connector in enumerate(connectors[2:]):
        synced(world, connector, AT + days * timedelta(days=1))
    synced(world, theirs.connector, AT - timedelta(days=9))
    return connectors


@pytest.mark.parametrize("size", [1, 2, 20])
def test_they_are_sorted_by_their_last_sync_never_is_oldest(ours: Tenant, in_order: Sequence[Row], size: int) -> None:
    ids = [str(connector.id) for connector in in_order]
    url = f"{URL}?filter[workspace]={ours.workspace.id}&sort="
    for caller in (ours.caller, READER):
        assert walked_both_ways(f"{url}last_synced_at", caller, size) == ids
        assert walked_both_ways(f"{url}-last_synced_at", caller, size) == ids[::-1]


def test_what_is_stale_is_found_with_what_never_synced_oldest_first(ours: Tenant, in_order: Sequence[Row]) -> None:
    url = f"{URL}?filter[workspace]={ours.workspace.id}&filter[last_synced_at]"
    assert get(f"{url}[lt]=2026-03-05T00:00:00Z", ours.caller).ids == [each.id for each in in_order[:3]]
    assert get(f"{url}[gte]=2026-03-05T00:00:00Z&sort=-last_synced_at", ours.caller).ids == [
        each.id for each in in_order[:2:-1]
    ]
    never = get(f"{url}[lt]=1990-01-01T00:00:00Z&page[total]=true", ours.caller)
    assert never.ids == [each.id for each in in_order[:2]]
    assert never.document["meta"] == {"page": {"total": 2}}
    assert [kept_of(item)["last_synced_at"] for item in never.data] == [None, None]


def test_too_many_to_sort_are_refused(ours: Tenant, in_order: Sequence[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{URL}?filter[workspace]={ours.workspace.id}&sort=last_synced_at"
    monkeypatch.setattr(reading, "MAX_STATES", len(in_order))
    assert get(url, ours.caller).status == 200
    monkeypatch.setattr(reading, "MAX_STATES", len(in_order) - 1)
    assert get(url, ours.caller).error["source"] == {"parameter": "sort"}
    by_filter = url.replace("sort=last_synced_at", "filter[last_synced_at][lt]=2026-05-10T12:00:00Z")
    assert get(by_filter, ours.caller).error["source"] == {"parameter": "filter[last_synced_at][lt]"}
