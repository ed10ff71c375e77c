"""The predicate of every query: whatever is asked, and however, is answered with the caller's rows only.

Everybody of the scene asks. `tests.access.mutations` runs this file with the predicate taken away from one repository
method at a time and row-level security switched off: some test here must fail then.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from tests.access.scene import LEDGERS, PAIRS, Scene, Who
from tests.support.api import Caller, Reply, delete, draft, get, one_of_each_kind, patch, person, post, walked
from tests.support.transactions import in_transaction
from tests.support.world import RECORDS, Row
from wellspring.database import Transaction
from wellspring.database.flush import Flush
from wellspring.models import table_of
from wellspring.models.parents import workspace_group_memberships
from wellspring.repositories import ledger
from wellspring.repositories.answers import sole, states
from wellspring.resources import Resource, resource_of

CHOICES, ENROLMENTS = "/v1/workspace-providers", "/v1/workspace-group-workspaces"
GROUPS, WORKSPACES = "/v1/workspace-groups", "/v1/workspaces"
of_each_ledger = pytest.mark.parametrize(
    "resource",
    [
        pytest.param(resource_of(tried.values[0]), id=tried.values[0], marks=tried.marks)
        for tried in one_of_each_kind(resource.type for resource in LEDGERS)
    ],
)
of_each_record = pytest.mark.parametrize("type_", one_of_each_kind(RECORDS))
# Each sees something else; few enough to ask for every row one by one.
SOME = ("owner of A", "foreigner", "member of A and B", "member of G", "member of F", "nobody we know", "service")
# Who may choose providers for A.
CHOOSERS = ("owner of A", "admin of A", "member of A", "member of A and B", "member of A, and of many")


def parents(scene: Scene, relationship: str) -> Sequence[Row]:
    """Return the parents that a relationship may lead to, of all tenants."""
    if relationship in scene.records:
        return list(scene.records[relationship].values())
    known = {
        "workspace_connector": scene.connectors.values(),
        "workspace_group": scene.groups.values(),
        "provider": [scene.provider],
    }
    return list(known.get(relationship, ()))


def seen_workspaces(who: Who) -> set[str]:
    return {name for name in "ABC" if who.sees(name)}


# ---- lists ---------------------------------------------------------------------------------------------
@of_each_ledger
@pytest.mark.parametrize("sort", ["created_at", "-updated_at"])
def test_a_list_holds_the_callers_rows_on_all_its_pages(scene: Scene, resource: Resource, sort: str) -> None:
    url = f"{resource.route}?sort={sort}&filter[deleted]=include&page[size]=7"
    shown = scene.by_name(lambda who: sorted(walked(url, who.caller)))
    assert shown == scene.by_name(lambda who: sorted(scene.seen(who, resource.type)))


@of_each_ledger
def test_what_is_counted_is_what_is_shown(scene: Scene, resource: Resource) -> None:
    def counted(who: Who) -> tuple[int, int]:
        reply = get(f"{resource.route}?page[total]=true&page[size]=500", who.caller)
        return reply.document["meta"]["page"]["total"], len(reply.ids)

    def expected(who: Who) -> tuple[int, int]:
        number = len(scene.seen(who, resource.type, live_only=True))
        return number, number

    assert scene.by_name(counted) == scene.by_name(expected)


@of_each_ledger
@pytest.mark.parametrize("deleted", ["exclude", "include"])
def test_a_filter_that_names_the_parents_of_all_finds_the_callers_rows(
    scene: Scene, resource: Resource, deleted: str
) -> None:
    """Live rows alone and dead ones beside them are read by other indexes."""
    named = [
        f"filter[{relationship.name}]={','.join(str(row.id) for row in found)}"
        for relationship in resource.parents
        # The dead choice is of another provider.
        if (found := parents(scene, relationship.name)) and (relationship.name, deleted) != ("provider", "include")
    ]

    def shown(who: Who) -> list[set[UUID]]:
        urls = (f"{resource.route}?{filter_}&filter[deleted]={deleted}&page[size]=500" for filter_ in named)
        return [set(get(url, who.caller).ids) for url in urls]

    def expected(who: Who) -> list[set[UUID]]:
        return [scene.seen(who, resource.type, live_only=deleted == "exclude")] * len(named)

    assert scene.by_name(shown) == scene.by_name(expected)


@of_each_ledger
def test_a_claim_leaves_the_rows_of_that_workspace_to_who_sees_it(scene: Scene, resource: Resource) -> None:
    url = f"{resource.route}?page[size]=500&filter[workspace]"

    def shown(who: Who) -> dict[str, list[object]]:
        replies = {
            name: [get(f"{url}={row.id}{sort}", who.caller) for sort in ("", "&sort=updated_at")]
            for name, row in scene.workspaces.items()
        }
        return {
            name: [set(each.ids) if each.status == 200 else each.status for each in of] for name, of in replies.items()
        }

    def expected(who: Who) -> dict[str, list[object]]:
        ours = scene.seen(who, resource.type, live_only=True)
        rows = {
            name: {line.row.id for line in scene.of(resource.type) if line.workspaces == {name}} & ours
            for name in scene.workspaces
        }
        return {name: [found if who.sees(name) else 403] * 2 for name, found in rows.items()}

    assert scene.by_name(shown) == scene.by_name(expected)


def test_workspaces_are_listed_for_who_sees_them(scene: Scene) -> None:
    names = {row.id: name for name, row in scene.workspaces.items()}

    def shown(who: Who) -> set[str]:
        return {names[id_] for id_ in get(f"{WORKSPACES}?page[size]=100", who.caller).ids if id_ in names}

    assert scene.by_name(shown) == scene.by_name(seen_workspaces)


def test_a_list_of_messages_is_of_the_workspaces_one_sees(scene: Scene) -> None:
    names = {
        scene.world.message(scene.connectors[name], row, "parked", reason="malformed").id: name
        for name, row in scene.workspaces.items()
    }

    def shown(who: Who) -> set[str]:
        return {names[id_] for id_ in get("/v1/sync-messages?page[size]=100", who.caller).ids}

    assert scene.by_name(shown) == scene.by_name(seen_workspaces)


def test_a_row_is_not_found_by_a_message_that_one_does_not_see(scene: Scene) -> None:
    row, record = scene.row("company_workspace_connector", "A"), scene.records["company"]["A"]
    foreign = scene.world.message(scene.connectors["B"], scene.workspaces["B"])
    wrote = update(table_of("company_workspace_connectors")).values(sync_message_pk=foreign.pk)
    scene.world.database.owner.execute(wrote.where(table_of("company_workspace_connectors").c.pk == row.pk))
    scene.world.database.commit()
    url = f"/v1/company-workspace-connectors?filter[company]={record.id}&filter[sync_message]={foreign.id}"
    found = scene.by_name(lambda who: get(url, who.caller).ids)
    assert found == scene.by_name(lambda who: [row.id] if {"A", "B"} <= seen_workspaces(who) else [])


def test_a_workspaces_own_list_is_there_for_who_sees_it(scene: Scene) -> None:
    def listed(who: Who) -> dict[str, object]:
        replies = {name: get(f"{WORKSPACES}/{row.id}/providers", who.caller) for name, row in scene.workspaces.items()}
        return {name: reply.ids if reply.status == 200 else reply.codes for name, reply in replies.items()}

    def expected(who: Who) -> dict[str, object]:
        return {
            name: [scene.row("workspace_provider", name).id] if who.sees(name) else ["WORKSPACE_NOT_FOUND"]
            for name in scene.workspaces
        }

    assert scene.by_name(listed) == scene.by_name(expected)


def test_a_group_is_there_for_its_members(scene: Scene) -> None:
    def shown(who: Who) -> tuple[set[UUID], dict[str, int]]:
        found = {name: get(f"{GROUPS}/{row.id}", who.caller).status for name, row in scene.groups.items()}
        return set(walked(f"{GROUPS}?filter[deleted]=include", who.caller)), found

    def expected(who: Who) -> tuple[set[UUID], dict[str, int]]:
        names = {"G", "F"} if who.is_service else who.groups
        return {scene.groups[name].id for name in names}, {name: 200 if name in names else 404 for name in scene.groups}

    assert scene.by_name(shown) == scene.by_name(expected)


def test_a_group_names_its_live_enrolments_and_members(scene: Scene) -> None:
    group, members = scene.groups["G"], workspace_group_memberships
    live = select(members.c.id).where(members.c.workspace_group_pk == group.pk, members.c.deleted_at.is_(None))
    there = {str(id_) for id_ in scene.world.database.owner.execute(live).scalars()}
    reply = get(f"{GROUPS}/{group.id}?include=workspaces,memberships", scene.people["guest of G"].caller)
    workspaces, named = (
        {item["id"] for item in reply.data["relationships"][name]["data"]} for name in ("workspaces", "memberships")
    )
    assert (workspaces, named) == ({str(scene.workspaces[name].id) for name in "AC"}, there)


def test_the_workspaces_of_a_group_are_listed_for_its_members(scene: Scene) -> None:
    names = {row.id: name for name, row in scene.workspaces.items()}

    def listed(who: Who) -> dict[str, str]:
        urls = {name: f"{WORKSPACES}?filter[workspace_group]={group.id}" for name, group in scene.groups.items()}
        return {name: "".join(names[id_] for id_ in get(url, who.caller).ids) for name, url in urls.items()}

    def expected(who: Who) -> dict[str, str]:
        # One has left, one is gone, and so is a group.
        there = {"G": "AC", "F": "A", "H": ""}
        return {name: of if who.is_service or name in who.groups else "" for name, of in there.items()}

    assert scene.by_name(listed) == scene.by_name(expected)


# ---- single rows, and what is included -----------------------------------------------------------------
@of_each_ledger
def test_a_row_is_found_by_who_sees_it(scene: Scene, resource: Resource) -> None:
    rows = [line.row.id for line in scene.of(resource.type)]
    for name in SOME:
        who = scene.people[name]
        found = {id_ for id_ in rows if get(f"{resource.route}/{id_}", who.caller).status == 200}
        assert (name, found) == (name, scene.seen(who, resource.type, live_only=True))


def test_somebody_of_another_workspace_is_named_and_not_shown(scene: Scene) -> None:
    stranger = scene.records["people"]["B"].id

    def included(who: Who) -> set[str]:
        reply = get(f"{ENROLMENTS}?include=created_by&page[size]=500", who.caller)
        assert {item["relationships"]["created_by"]["data"]["id"] for item in reply.data} <= {str(stranger)}
        return {item["id"] for item in reply.document["included"]}

    def expected(who: Who) -> set[str]:
        has_rows = scene.seen(who, "workspace_group_workspace", live_only=True)
        return {str(stranger)} if has_rows and who.sees("B") else set()

    assert scene.by_name(included) == scene.by_name(expected)
    scene.world.tombstone(scene.records["people"]["B"])
    assert scene.by_name(included) == scene.by_name(lambda _: set())


def test_a_group_that_is_included_is_linked_for_its_members(scene: Scene) -> None:
    names = {str(row.id): name for name, row in scene.groups.items()}

    def linked(who: Who) -> dict[str, bool]:
        reply = get(f"{ENROLMENTS}?include=workspace_group&page[size]=500", who.caller)
        return {names[item["id"]]: "links" in item for item in reply.document["included"]}

    def expected(who: Who) -> dict[str, bool]:
        seen = scene.seen(who, "workspace_group_workspace", live_only=True)
        of = {line.group for line in scene.of("workspace_group_workspace") if line.row.id in seen}
        return {str(name): who.is_service or name in who.groups for name in of}

    assert scene.by_name(linked) == scene.by_name(expected)


# ---- answers -------------------------------------------------------------------------------------------
def ids_of(url: str, caller: Caller) -> list[str]:
    """Return the ids of the first page of a list; that it is not there, in words."""
    reply = get(url, caller)
    return [item["id"] for item in reply.data] if reply.status == 200 else reply.codes


@pytest.mark.parametrize("more", ["", "&sum[by]=connector"])
def test_an_answer_is_of_what_one_sees_by_day_and_in_all(scene: Scene, more: str) -> None:
    names = {str(row.id): name for name, row in scene.connectors.items()}
    url = f"/v1/connector-activity?filter[workspace_connector]={','.join(names)}{more}"
    told = scene.by_name(lambda who: {names[id_[:36]] for id_ in ids_of(url, who.caller)})
    assert told == scene.by_name(seen_workspaces)


def test_an_answer_of_a_workspace_is_of_its_connectors(scene: Scene) -> None:
    names = {str(row.id): name for name, row in scene.connectors.items()}
    url = f"/v1/connector-activity?filter[workspace]={scene.workspaces['A'].id}"
    told = scene.by_name(lambda who: {names[id_[:36]] for id_ in ids_of(url, who.caller) if id_[:36] in names})
    assert told == scene.by_name(lambda who: {"A"} if who.sees("A") else set())


def seen_pairs(who: Who) -> list[str]:
    """Return the pairs of a record's workspace and a connector's, both of which somebody sees."""
    return [pair for pair in PAIRS if {*pair} <= seen_workspaces(who)]


@of_each_record
def test_an_answer_is_of_what_one_sees_of_a_record(scene: Scene, type_: str) -> None:
    names = {str(row.id): name for name, row in scene.connectors.items()}
    route = resource_of(type_).route

    def told(who: Who) -> dict[str, set[str]]:
        found = {name: ids_of(f"{route}/{row.id}/sources", who.caller) for name, row in scene.records[type_].items()}
        parts = {name: [id_.split(":") for id_ in ids if ":" in id_] for name, ids in found.items()}
        return {name: {names[part[1]] for part in of if part[1] in names} for name, of in parts.items() if of}

    def expected(who: Who) -> dict[str, set[str]]:
        seen = seen_pairs(who)
        return {name: {pair[1] for pair in seen if pair[0] == name} for name in {pair[0] for pair in seen}}

    assert scene.by_name(told) == scene.by_name(expected)


@of_each_record
def test_an_answer_is_of_what_one_sees_alone(scene: Scene, type_: str) -> None:
    route, records = resource_of(type_).route, {str(row.id): name for name, row in scene.records[type_].items()}

    def told(who: Who) -> dict[str, set[str]]:
        urls = {name: f"{route}?filter[sole_source]={row.id}" for name, row in scene.connectors.items()}
        return {name: {records[id_] for id_ in ids_of(url, who.caller)} for name, url in urls.items()}

    def expected(who: Who) -> dict[str, set[str]]:
        seen = seen_pairs(who)
        shared = {(pair[0], name) for pair in seen for name in scene.connectors if pair[1] != name}
        alone = {name: {pair[0] for pair in seen if pair[1] == name} for name in scene.connectors}
        return {name: {record for record in of if (record, name) not in shared} for name, of in alone.items()}

    assert scene.by_name(told) == scene.by_name(expected)
    claim = f"{route}?filter[sole_source]={scene.connectors['A'].id}&filter[workspace]={scene.workspaces['B'].id}"
    assert ids_of(claim, scene.people["foreigner"].caller) == []
    # Of workspace A, and nobody else's.
    alone = scene.world.record(type_, scene.workspaces["A"])
    scene.world.provenance(alone, scene.connectors["A"])
    assert set(ids_of(claim, scene.people["service"].caller)) <= {str(scene.records[type_]["B"].id)}
    assert str(alone.id) in ids_of(claim.partition("&")[0], scene.people["service"].caller)


def test_an_answer_is_of_what_one_sees_of_a_connector(scene: Scene) -> None:
    def told(who: Who) -> dict[str, int]:
        urls = {name: f"/v1/workspace-connectors/{row.id}/impact" for name, row in scene.connectors.items()}
        replies = {name: get(url, who.caller) for name, url in urls.items()}
        return {name: reply.data["attributes"]["examined"] for name, reply in replies.items() if reply.status == 200}

    def expected(who: Who) -> dict[str, int]:
        of = {name: {pair[0] for pair in seen_pairs(who) if pair[1] == name} for name in seen_workspaces(who)}
        return {name: len(found) * len(RECORDS) for name, found in of.items()}

    assert scene.by_name(told) == scene.by_name(expected)


def test_live_rows_are_counted_of_a_live_connector_that_one_sees(scene: Scene) -> None:
    gone = scene.world.workspace_connector(scene.workspaces["A"])
    scene.world.provenance(scene.records["company"]["A"], gone)
    scene.world.tombstone(gone)

    def counted(who: Who) -> set[str]:
        def rows(connector: Row) -> list[object]:
            return in_transaction(
                lambda transaction: list(sole.live_rows(transaction, who.caller.principal, connector.id)), who.scope
            )

        return {name for name, connector in {**scene.connectors, "gone": gone}.items() if rows(connector)}

    assert scene.by_name(counted) == scene.by_name(seen_workspaces)


def test_the_audit_is_of_a_workspace_that_one_keeps_and_shows_whom_one_sees(scene: Scene) -> None:
    database = scene.world.database
    seen, stranger = (scene.records["people"][name] for name in "AB")
    columns = "caller, operation, resource_type, workspace_pk"
    add = text(f"INSERT INTO wellspring.audit ({columns}) VALUES (:caller, 'list', 'x', :pk)")
    for who in (seen, stranger):
        for name in "AD":
            database.owner.execute(add, {"caller": f"person:{who.id}", "pk": scene.workspaces[name].pk})
    database.commit()

    def told(url: str, caller: Caller) -> list[tuple[str | None, ...]] | None:
        """Return caller and workspace of each entry; None where it is 403."""
        reply = get(url, caller)
        if reply.status == 403:
            return None
        linked = ([item["relationships"][name]["data"] for name in ("caller", "workspace")] for item in reply.data)
        return [tuple(each and each["id"] for each in of) for of in linked]

    ours, gone = (str(scene.workspaces[name].id) for name in "AD")
    route = "/v1/audit-entries"
    by_keeper: list[tuple[str | None, ...]] = [(None, ours), (str(seen.id), ours)]
    expected = dict.fromkeys(scene.people) | dict.fromkeys(("owner of A", "admin of A"), by_keeper)
    expected |= {"service": [(str(who.id), ours) for who in (stranger, seen)]}
    assert scene.by_name(lambda who: told(f"{route}?filter[workspace]={ours}", who.caller)) == expected
    assert told(f"{route}?filter[workspace]={gone}", scene.people["service"].caller) is None
    # Of all, a service is shown what is of a workspace that is gone, and not which one.
    assert {workspace for _, workspace in told(route, scene.people["service"].caller) or []} == {ours, None}
    of_stranger = f"{route}?filter[workspace]={ours}&filter[caller]={stranger.id}"
    assert told(of_stranger, scene.people["owner of A"].caller) == []


def test_what_is_kept_about_a_connector_is_said_of_ones_own(scene: Scene) -> None:
    rows = {scene.row("company_workspace_connector", name).id: name for name in "ABC"}

    def kept(who: Who) -> set[str]:
        url = "/v1/company-workspace-connectors?include=workspace_connector&page[size]=500"
        reply = get(f"{url}&fields[workspace_connector]=live_rows", who.caller)
        assert all(item["attributes"]["live_rows"] >= 1 for item in reply.document["included"])
        return {rows[id_] for id_ in reply.ids if id_ in rows}

    assert scene.by_name(kept) == scene.by_name(seen_workspaces)
    every = [row.id for row in scene.connectors.values()]
    foreigner = scene.people["foreigner"].caller

    def ask(transaction: Transaction) -> Mapping[UUID, object]:
        flush = Flush(transaction)
        flush.ask(ledger.store({"workspace_connector": every}))
        found = flush.ask(states.states(foreigner.principal, ["workspace_connector"], failures=True))
        flush.send()
        return found.value

    assert in_transaction(ask, foreigner.scope).keys() == {scene.connectors["B"].id}


def test_the_last_failure_of_a_connector_is_a_message_that_one_sees(scene: Scene) -> None:
    connectors = {str(row.id): name for name, row in scene.connectors.items()}
    failed = {
        str(scene.world.message(row, scene.workspaces[name], "parked", reason="malformed").id): name
        for name, row in scene.connectors.items()
    }
    # No code writes it: a message of one workspace, on a connector of another.
    foreign = scene.world.message(scene.connectors["A"], scene.workspaces["B"], "parked", reason="malformed")
    failed[str(foreign.id)] = "A of B"

    def shown(who: Who) -> dict[str, str]:
        reply = get("/v1/workspace-connectors?include=last_failure&page[size]=500", who.caller)
        linked = {item["id"]: item["relationships"]["last_failure"]["data"] for item in reply.data}
        there = {item["id"] for item in reply.document["included"]}
        assert there == {one["id"] for one in linked.values() if one}
        return {connectors[id_]: failed[one["id"]] for id_, one in linked.items() if id_ in connectors}

    def expected(who: Who) -> dict[str, str]:
        newest = {"A": "A of B"} if who.sees("B") else {}
        return {name: newest.get(name, name) for name in seen_workspaces(who)}

    assert scene.by_name(shown) == scene.by_name(expected)


# ---- what a document or a path names --------------------------------------------------------------------
def refusals(scene: Scene, allowed: Sequence[str], seen: Callable[[Who], bool]) -> Mapping[str, int]:
    """Return what all but those who may are told of a write: 404 for what they do not see, then 403."""
    others = {name: who for name, who in scene.people.items() if name not in allowed}
    return {name: 403 if who.is_service or seen(who) else 404 for name, who in others.items()}


def told(scene: Scene, names: Iterable[str], ask: Callable[[Caller], Reply]) -> Mapping[str, int]:
    """Return what some of the people are told."""
    return {name: ask(scene.people[name].caller).status for name in names}


def test_a_provider_is_chosen_for_a_workspace_one_sees_and_works_in(scene: Scene) -> None:
    refused = refusals(scene, CHOOSERS, lambda who: who.sees("A"))
    by_path = draft("workspace_provider", provider=scene.provider)
    by_body = draft("workspace_provider", workspace=scene.workspaces["A"], provider=scene.provider)
    for url, body in ((CHOICES, by_body), (f"{WORKSPACES}/{scene.workspaces['A'].id}/providers", by_path)):
        choose = partial(post, url, document=body)
        assert told(scene, refused, choose) == refused
        assert told(scene, CHOOSERS, choose) == dict.fromkeys(CHOOSERS, 200)


def test_a_choice_is_changed_and_removed_by_who_sees_it_and_works_there(scene: Scene) -> None:
    choice = scene.row("workspace_provider", "A")
    url = f"{CHOICES}/{choice.id}"
    path = f"{WORKSPACES}/{scene.workspaces['A'].id}/providers/{scene.provider.id}"
    refused = refusals(scene, CHOOSERS, lambda who: who.sees("A"))
    assert told(scene, refused, partial(delete, url)) == told(scene, refused, partial(delete, path)) == refused
    change = partial(patch, url, document=draft("workspace_provider", {"is_matched": True}, choice.id))
    assert told(scene, refused, change) == refused
    assert delete(url, scene.people["member of A"].caller).status == 204


def test_a_workspace_joins_a_group_by_who_sees_both(scene: Scene) -> None:
    refused = refusals(scene, (), lambda who: "G" in who.groups and who.sees("B"))
    by_body = draft("workspace_group_workspace", workspace_group=scene.groups["G"], workspace=scene.workspaces["B"])
    by_path = draft("workspace_group_workspace", workspace=scene.workspaces["B"])
    for url, body in ((ENROLMENTS, by_body), (f"{GROUPS}/{scene.groups['G'].id}/workspaces", by_path)):
        assert told(scene, refused, partial(post, url, document=body)) == refused


def test_a_workspace_is_withdrawn_by_who_sees_that_it_is_enrolled(scene: Scene) -> None:
    enrolment = scene.row("workspace_group_workspace", "C")
    path = f"{GROUPS}/{scene.groups['G'].id}/workspaces/{scene.workspaces['C'].id}"
    refused = refusals(scene, ("owner of G", "admin of G"), lambda who: "G" in who.groups or who.sees("C"))
    for url in (f"{ENROLMENTS}/{enrolment.id}", path):
        assert told(scene, refused, partial(delete, url)) == refused
    assert delete(path, scene.people["admin of G"].caller).status == 204


def test_a_group_is_made_of_workspaces_one_keeps_by_somebody_who_is_there(scene: Scene) -> None:
    body = draft("workspace_group", {"name": "New"})
    absent = {"member of A who is gone", "member of G who is gone", "nobody we know", "service"}
    absent |= {name for name in scene.people if name.endswith("whom only a sync made")}
    make = partial(post, GROUPS, document=body)
    assert told(scene, scene.people, make) == {name: 403 if name in absent else 201 for name in scene.people}
    workspaces = [{"type": "workspace", "id": str(scene.workspaces["A"].id)}]
    body["data"]["relationships"] = {"workspaces": {"data": workspaces}}
    keepers = ("owner of A", "admin of A")
    refused = refusals(scene, keepers, lambda who: who.sees("A"))
    assert told(scene, scene.people, make) == {**refused, **dict.fromkeys(keepers, 201)}


def test_a_role_is_held_by_an_active_membership(scene: Scene) -> None:
    world, workspace = scene.world, scene.workspaces["A"]
    body = draft("workspace_provider", workspace=workspace, provider=scene.provider)
    for status, is_gone, expected in (("active", False, 200), ("pending", False, 403), ("active", True, 403)):
        row = world.people(world.workspace())
        # So that they see it in any case.
        world.group_member(row, scene.groups["G"])
        membership = world.member(row, workspace, "owner", status)
        if is_gone:
            world.tombstone(membership)
        assert (status, is_gone, post(CHOICES, person(row), body).status) == (status, is_gone, expected)


def test_what_is_gone_is_no_parent(scene: Scene) -> None:
    gone = scene.world.provider("no more")
    scene.world.tombstone(gone)
    body = draft("workspace_provider", workspace=scene.workspaces["A"], provider=gone)
    reply = post(CHOICES, scene.people["owner of A"].caller, body)
    assert (reply.status, reply.codes) == (404, ["PROVIDER_NOT_FOUND"])


def test_a_kept_answer_is_the_callers_who_got_it(scene: Scene) -> None:
    callers = [scene.people[name].caller for name in ("owner of A", "member of A")]
    bodies = [draft("workspace_group", {"name": name}) for name in ("One", "Two")]
    made, again = (
        [post(GROUPS, *request, idempotency_key="once") for request in zip(callers, bodies, strict=True)]
        for _ in range(2)
    )
    assert [reply.status for reply in (*made, *again)] == [201] * 4
    assert [reply.body for reply in again] == [reply.body for reply in made]
    assert made[0].data["id"] != made[1].data["id"]
