"""Refusals of lists and answers: 400 with the parameter, before anything is read."""

from collections.abc import Mapping

import pytest

from tests.support.api import NOWHERE, READER, get
from tests.support.databases import Statements
from tests.support.tenants import Tenant
from tests.support.world import World
from wellspring.queries import MAX_SUMMED

ANYBODY, A_PERSON, A_SERVICE = "anybody", "a person", "a service"
ANOTHER = f"{NOWHERE[:-1]}7"
AT = "2026-05-10T12:00:00Z"
NAMED = f"filter[workspace_connector]={NOWHERE}"
ALONE = f"filter[sole_source]={NOWHERE}"
OF_A_GROUP = f"filter[workspace_group]={NOWHERE}"
OF_A_RUN = f"filter[sync_run]={NOWHERE}"
WITHIN = "filter[workspace]={workspace}"
PARTS_OF_NAMES = ("filter[name][contains]=abc", f"{WITHIN}&filter[name][contains]=ab")

# Of each query the last parameter is the one that is refused.
REFUSED: Mapping[tuple[str, str], tuple[str, ...]] = {
    (ANYBODY, "/v1/connector-activity"): (
        f"{NAMED}&filter[workspace]={NOWHERE}",
        f"filter[workspace]={NOWHERE},{ANOTHER}",
        "filter[workspace]=",
        "filter[workspace_connector]=7",
        f"filter[workspace_connector]={','.join(f'{n:08x}-0000-7000-8000-000000000000' for n in range(101))}",
        f"{NAMED}&filter[date][gte]=2026-03-04T00:00:00Z",
        f"{NAMED}&filter[date][gte]=20260304",
        f"{NAMED}&filter[date][lt]=0001-01-01",
        f"{NAMED}&filter[date]=2026-03-04",
        f"{NAMED}&filter[date][gte]=2020-01-01",
        f"{NAMED}&sum[by]=day",
        f"{NAMED}&sum[by]=connector&page[size]={MAX_SUMMED + 1}",
        f"{NAMED}&page[total]=true",
        f"{NAMED}&sort=date",
        f"{NAMED}&include=workspace_connector",
        f"{NAMED}&fields[connector_activity]=linked,total",
    ),
    (A_SERVICE, "/v1/audit-entries"): ("filter[caller]=me", "filter[at][gte]=yesterday", "sort=at", "page[total]=true"),
    (A_SERVICE, "/v1/fleet"): (WITHIN,),
    (ANYBODY, "/v1/workspace-connectors"): (
        "sort=last_synced_at",
        f"filter[last_synced_at][lt]={AT}",
        f"{WITHIN}&sort=last_changed_at",
        f"{WITHIN}&filter[last_failed_at][lt]={AT}",
        f"{WITHIN}&filter[live_rows]=0",
        f"{WITHIN}&sort=created_at&filter[last_synced_at][lt]={AT}",
        "filter[health]=unwell",
        ALONE,
    ),
    (A_SERVICE, "/v1/workspace-connectors"): (
        "filter[health]=late&sort=updated_at",
        "filter[health]=late&filter[deleted]=include",
        "filter[health]=late&filter[status]=active",
        "filter[health]=late,failing",
    ),
    (A_PERSON, "/v1/sync-messages"): (
        "filter[workspace_connector]={connector}&filter[run]=one&filter[reason]=overtaken",
        "filter[outcome]=parked&sort=occurred_at",
        f"filter[processed_at][gte]={AT}",
        "filter[outcome]=lost",
        "filter[deleted]=include",
        "filter[message_id]=one",
        f"filter[message_id]={NOWHERE}&filter[outcome]=parked",
        "sort=created_at",
        f"{OF_A_RUN}&filter[reason]=unknown_record",
        f"{OF_A_RUN}&filter[run]=nightly",
        f"{OF_A_RUN}&sort=-occurred_at",
    ),
    (A_SERVICE, "/v1/sync-messages"): (
        "filter[outcome]=applied",
        "filter[outcome]=parked,dismissed",
        "filter[reason]=overtaken&filter[outcome]=applied",
        "filter[reason]=unknown_record&sort=processed_at",
        f"filter[message_id]={NOWHERE}&sort=processed_at",
        f"filter[message_id]={NOWHERE}&filter[workspace_connector]={NOWHERE}",
        "filter[run]=one",
        "sort=processed_at",
    ),
    (ANYBODY, "/v1/sync-runs"): ("filter[state]=whole", f"{NAMED}&filter[state]=open&sort=completed_at"),
    (A_SERVICE, "/v1/sync-runs"): ("filter[state]=open,incomplete", "filter[state]=open&sort=completed_at"),
    (A_PERSON, "/v1/accounts"): (
        "sort=created_at&filter[name]=A",
        "sort=-updated_at&filter[name][starts]=A",
        "filter[deleted]=include&sort=name",
        "filter[name]=A&filter[deleted]=only",
        "filter[name][ends]=A",
        "filter[full_name]=A",
        "filter[name]=",
        "filter[name][starts]=",
        f"filter[name][starts]={'a' * 201}",
        "filter[colour]=red",
        *PARTS_OF_NAMES,
    ),
    (A_PERSON, "/v1/people"): PARTS_OF_NAMES,
    (A_PERSON, "/v1/companies"): PARTS_OF_NAMES,
    (ANYBODY, "/v1/companies"): (
        "filter[sole_source]=7",
        f"filter[sole_source]={NOWHERE},{ANOTHER}",
        *(f"{ALONE}&{more}" for more in ("sort=name", "page[total]=true", "filter[deleted]=include")),
        *(f"{ALONE}&{more}" for more in ("filter[name]=Alder", f"filter[created_at][gte]={AT}")),
    ),
    (A_SERVICE, "/v1/companies"): ("sort=-updated_at", "filter[deleted]=include"),
    (A_PERSON, "/v1/companies/{record}/sources"): (
        *("sort=last_at", "filter[direction]=input", "page[total]=true", "include=record"),
    ),
    (ANYBODY, "/v1/company-workspace-connectors"): (
        f"filter[ended_by]={NOWHERE}",
        ALONE,
        # Rows of so many records are sorted by no index.
        f"sort=updated_at&filter[company]={','.join(f'{n:08x}-0000-7000-8000-000000000000' for n in range(11))}",
    ),
    (ANYBODY, "/v1/workspaces"): (
        ALONE,
        "filter[workspace_group]=7",
        f"filter[workspace_group]={NOWHERE},{ANOTHER}",
        *(f"{OF_A_GROUP}&{more}" for more in ("sort=name", "sort=created_at", "filter[name]=Alder")),
        *(f"{OF_A_GROUP}&{more}" for more in ("filter[deleted]=include", f"filter[workspace]={NOWHERE}")),
        f"{OF_A_GROUP}&filter[created_at][gte]={AT}",
        "sort=-created_at&filter[name][starts]=a",
    ),
    (ANYBODY, "/v1/providers"): ("with_choices=yes", WITHIN),
    (ANYBODY, "/v1/connectors"): ("with_choices=true", WITHIN),
}


@pytest.mark.parametrize(("who", "path"), REFUSED)
def test_what_is_not_taken_is_400_and_nothing_is_read(
    ours: Tenant, statements: Statements, who: str, path: str
) -> None:
    ids = {"workspace": ours.workspace.id, "connector": ours.connector.id, "record": ours.record.id}
    statements.clear()
    for caller in {ANYBODY: (ours.caller, READER), A_PERSON: (ours.caller,), A_SERVICE: (READER,)}[who]:
        replies = {query: get(f"{path}?{query}".format(**ids), caller) for query in REFUSED[who, path]}
        assert {query: (reply.status, reply.sources) for query, reply in replies.items()} == {
            query: (400, [{"parameter": query.rpartition("&")[2].partition("=")[0]}]) for query in replies
        }
    assert len(statements) == 0


def test_what_was_left_out_or_does_not_go_together_is_told_too(ours: Tenant) -> None:
    for url, *parameters in (
        ("/v1/connector-activity?", "filter[workspace_connector]"),
        ("/v1/connector-activity?sum[by]=connector", "filter[workspace_connector]"),
        (
            f"/v1/connector-activity?{NAMED}&filter[date][lte]=2025-02-05&filter[date][gt]=2023-12-31",
            "filter[date][lte]",
        ),
        (
            f"/v1/audit-entries?filter[caller]={NOWHERE}&filter[resource]={NOWHERE}",
            "filter[caller]",
            "filter[resource]",
        ),
    ):
        for caller in (ours.caller, READER):
            reply = get(url, caller)
            assert (reply.status, reply.sources) == (400, [{"parameter": name} for name in parameters])


@pytest.mark.parametrize(
    ("url", "another"),
    [
        ("/v1/connector-activity?filter[workspace_connector]={connector}", "&sum[by]=connector"),
        ("/v1/companies?page[size]=1", "&filter[sole_source]={connector}"),
        ("/v1/workspaces?page[size]=1", "&filter[workspace_group]={group}"),
    ],
)
def test_a_cursor_of_another_order_is_refused(world: World, ours: Tenant, url: str, another: str) -> None:
    ids = {"connector": ours.connector.id, "group": world.group().id}
    cursor = get(url.format(**ids), ours.caller).data[0]["meta"]["page"]["cursor"]
    for other in (cursor, "AAAA"):
        reply = get(f"{url}{another}&page[after]={other}".format(**ids), ours.caller)
        assert (reply.codes, reply.sources) == (["INVALID_CURSOR"], [{"parameter": "page[after]"}])
