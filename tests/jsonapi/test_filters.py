"""Contract, section 4, "Filters": each filter of each object, at its boundary; nothing is ever ignored."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from operator import ge, gt, le, lt
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.jsonapi.conftest import LISTED, LISTS, PROVIDERS, ROUTES, Tenant, add, list_url, of_every_type, refusal
from tests.support.api import READER, get
from tests.support.world import Row, World
from wellspring.resources import Relationship, Resource, resource_of

TIMES = ("created_at", "updated_at", "deleted_at")
NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
OBJECTS = [resource.type for resource in LISTED if resource.type != "workspace_group"]
PROVENANCE = [resource.type for resource in LISTED if resource.policy == "provenance"]
OWN_WORKSPACE = ["workspace_group_workspace", "workspace_provider"]
OPERATORS = {"gte": ge, "gt": gt, "lte": le, "lt": lt}
INVALID = "INVALID_QUERY_PARAMETER"
of_every_object = pytest.mark.parametrize("type_", OBJECTS)


def written(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def filtered(resource: Resource) -> list[Relationship]:
    """Return the relationships that a list is filtered by."""
    return [relationship for relationship in resource.to_one if relationship.is_filter]


# ---- relationships -------------------------------------------------------------------------------------
def parent_of(world: World, ours: Tenant, target: str) -> Row:
    """Make another parent that the owner sees."""
    if target == "workspace":
        workspace = world.workspace()
        world.member(ours.owner, workspace, role="guest")
        return workspace
    makers: dict[str, Callable[[], Row]] = {
        "workspace_connector": lambda: world.workspace_connector(ours.workspace),
        "workspace_group": lambda: add(world, ours, "workspace_group"),
        "provider": lambda: world.provider("another"),
    }
    return makers.get(target, lambda: world.record(target, ours.workspace))()


@of_every_type
def test_by_a_relationship_to_one_or_several_and_to_all_of_them_together(
    world: World, ours: Tenant, type_: str
) -> None:
    resource = resource_of(type_)
    related = [one for one in filtered(resource) if not one.is_trace]
    second = {one.name: parent_of(world, ours, one.target) for one in related}
    rows = [add(world, ours, type_, **{name: parent}).id for name, parent in second.items()]
    shown = get(f"{resource.route}?page[size]=100", ours.caller).data
    for one in related:
        linked = {UUID(item["id"]): (item["relationships"][one.name]["data"] or {}).get("id") for item in shown}
        first, other = str(ours.rows[one.target].id), str(second[one.name].id)
        for named in ([first], [other], [first, other]):
            expected = {id_ for id_, to in linked.items() if to in named}
            assert expected
            url = f"{resource.route}?filter[{one.name}]={','.join(named).upper()}"
            assert set(get(url, ours.caller).ids) == expected
            assert set(get(f"{url}&sort=updated_at&page[size]=2", ours.caller).ids) <= expected
        reply = get(f"{resource.route}?filter[{one.name}]={other}", READER)
        assert reply.status == (200 if one.name in resource.driving or not resource.driving else 400)
    together = "&".join(f"filter[{one.name}]={ours.rows[one.target].id}" for one in related)
    found = get(f"{resource.route}?{together}", ours.caller).ids
    assert ours.rows[type_].id in found
    assert not {*rows} & {*found}


# ---- enums and booleans --------------------------------------------------------------------------------
FLAGS = [("workspace_provider", name, (True, False)) for name in ("is_selected", "is_matched")]
DIRECTIONS = [(type_, "direction", ("input", "output")) for type_ in PROVENANCE]


@pytest.mark.parametrize(("type_", "name", "values"), [*DIRECTIONS, *FLAGS])
def test_by_direction_or_flag(world: World, ours: Tenant, type_: str, name: str, values: tuple[object, object]) -> None:
    said = {"is_matched": True, "is_selected": False} if type_ == "workspace_provider" else {}
    rows = [ours.rows[type_], *(add(world, ours, type_, **said | {name: value}) for value in values)]
    known = [("input" if name == "direction" else said[name]), *values]
    for value in values:
        expected = {row.id for row, of in zip(rows, known, strict=True) if of == value}
        query = f"filter[{name}]={str(value).lower()}"
        for sort in ("created_at", "updated_at"):
            assert set(get(f"{resource_of(type_).route}?{query}&sort={sort}", ours.caller).ids) == expected
        if type_ == "workspace_provider":
            assert set(get(f"{list_url(PROVIDERS, ours)}?{query}", ours.caller).ids) == expected


# ---- instants ------------------------------------------------------------------------------------------
@pytest.fixture
def instants(world: World, ours: Tenant, type_: str) -> dict[str, dict[UUID, datetime]]:
    """Five rows around noon, each with its three times; the first was never updated."""
    found: dict[str, dict[UUID, datetime]] = {"created_at": {}, "updated_at": {}, "deleted_at": {}}
    for number in range(-2, 3):
        created, updated, deleted = (NOON + shift * number * MILLISECOND for shift in (1, -1, 2))
        row = add(world, ours, type_) if number > -2 else ours.rows[type_]
        times: dict[str, Any] = {"created_at": created, "updated_at": updated}
        if type_ != "workspace_group":
            times["deleted_at"] = deleted
            found["deleted_at"][row.id] = deleted
        if number == -2:
            times["updated_at"], updated = None, created
        world.change(row, **times)
        found["created_at"][row.id], found["updated_at"][row.id] = created, updated
    return found


@of_every_type
def test_by_time_at_the_exact_boundary(ours: Tenant, instants: dict[str, dict[UUID, datetime]], type_: str) -> None:
    route = resource_of(type_).route
    for (name, times), (operator, holds) in product(instants.items(), OPERATORS.items()):
        halves = "only" if name == "deleted_at" else "include"
        # There are rows one millisecond before, at, and one after.
        expected = {id_ for id_, at in times.items() if holds(at, NOON)}
        assert not times or 0 < len(expected) < len(times)
        url = f"{route}?filter[{name}][{operator}]={written(NOON)}&filter[deleted]={halves}&sort="
        for caller, sort in ((ours.caller, name), (READER, f"-{name}")):
            found = get(f"{url}{sort}", caller).ids
            assert set(found) == expected, (name, operator)
            ordered = sorted(found, key=lambda id_: (times[id_], id_), reverse=sort.startswith("-"))
            assert found == ordered


@of_every_type
def test_a_range_of_a_time_asks_for_its_order(ours: Tenant, type_: str) -> None:
    route, bound = resource_of(type_).route, written(NOON)
    for name in TIMES:
        for sort in {"created_at", "updated_at", "-updated_at"} - {name, f"-{name}"}:
            reply = get(f"{route}?filter[{name}][gte]={bound}&sort={sort}", ours.caller)
            assert refusal(reply) == (400, INVALID, {"parameter": f"filter[{name}][gte]"})
            assert f"sort=-{name}" in reply.error["detail"]


@of_every_type
def test_the_order_of_deletion_is_of_the_dead_alone(ours: Tenant, type_: str) -> None:
    route = resource_of(type_).route
    assert get(f"{route}?sort=deleted_at&filter[deleted]=only", ours.caller).status == 200
    for query in ("", "&filter[deleted]=exclude", "&filter[deleted]=include"):
        told = refusal(get(f"{route}?sort=-deleted_at{query}", ours.caller))
        assert told == (400, INVALID, {"parameter": "sort"})


@of_every_object
def test_a_service_that_names_no_parent_filters_by_times_alone(ours: Tenant, type_: str) -> None:
    resource = resource_of(type_)
    for name, value in {"direction": "output", "is_selected": "true"}.items():
        if resource.attribute(name) is not None or resource.relationship(name) is not None:
            reply = get(f"{resource.route}?filter[{name}]={value}", READER)
            assert refusal(reply) == (400, INVALID, {"parameter": f"filter[{name}]"})
            assert "filter[workspace]" in reply.error["detail"]
            within = f"filter[{name}]={value}&filter[workspace]={ours.workspace.id}"
            assert get(f"{resource.route}?{within}", READER).status == 200


@pytest.mark.parametrize("type_", ["company_workspace_connector"])
def test_a_bound_finer_than_a_millisecond_lies_between_two(
    ours: Tenant, instants: dict[str, dict[UUID, datetime]], type_: str
) -> None:
    for shift, (operator, holds) in product((400, 600), OPERATORS.items()):
        bound = NOON + timedelta(microseconds=shift)
        url = f"{resource_of(type_).route}?filter[deleted]=include&filter[created_at][{operator}]={written(bound)}"
        assert set(get(url, ours.caller).ids) == {id_ for id_, at in instants["created_at"].items() if holds(at, bound)}


SPELLINGS = (
    *("2026-05-10T12:00:00Z", "2026-05-10T12:00Z", "2026-05-10t12:00:00.000z", "2026-05-10T12:00:00,000Z"),
    *("2026-05-10T12:00:00.000000000Z", "2026-05-10T14:00:00+02:00", quote("2026-05-10T14:00:00+02:00")),
    *("2026-05-10T14:00:00+0200", "2026-05-10T14:00:00+02", "2026-05-10T07:30:00-04:30"),
)


@pytest.mark.parametrize("type_", ["workspace_provider"])
def test_a_time_may_be_written_in_any_offset(
    ours: Tenant, instants: dict[str, dict[UUID, datetime]], type_: str
) -> None:
    for spelling in SPELLINGS:
        url = f"{list_url(type_, ours)}?filter[deleted]=include&filter[created_at][gte]={spelling}"
        assert len(get(f"{url}&filter[created_at][lte]={spelling}", ours.caller).ids) == 1, spelling


# ---- tombstones ----------------------------------------------------------------------------------------
@of_every_object
def test_tombstones_are_left_out_shown_too_or_shown_alone(world: World, ours: Tenant, type_: str) -> None:
    live, gone = ours.rows[type_].id, add(world, ours, type_, deleted_at=NOON).id
    route = resource_of(type_).route
    for query, expected in {
        "": {live},
        "filter[deleted]=exclude": {live},
        "filter[deleted]=include": {live, gone},
        "filter[deleted]=only": {gone},
    }.items():
        for caller, sort in ((ours.caller, "created_at"), (READER, "-updated_at")):
            reply = get(f"{route}?sort={sort}&page[total]=true&{query}", caller)
            assert set(reply.ids) == expected
            assert reply.document["meta"]["page"]["total"] == len(expected)


def test_tombstones_of_a_workspace_are_shown_in_its_own_list_too(world: World, ours: Tenant) -> None:
    gone = add(world, ours, "workspace_provider", deleted_at=NOON)
    assert get(f"{list_url(PROVIDERS, ours)}?filter[deleted]=only", ours.caller).ids == [gone.id]


# ---- the claim of a workspace --------------------------------------------------------------------------
@of_every_object
def test_the_claim_of_what_is_no_workspace_is_403_and_of_what_is_no_id_400(ours: Tenant, type_: str) -> None:
    route = resource_of(type_).route
    assert get(f"{route}?filter[workspace]={ours.group.id}", ours.caller).status == 403
    several = f"{ours.workspace.id},{uuid4()}" if type_ in PROVENANCE else "x,y"
    for value in ("", "7", f"{ours.workspace.id},", "%00", several):
        reply = get(f"{route}?filter[workspace]={value}", ours.caller)
        assert (reply.status, reply.error["source"]) == (400, {"parameter": "filter[workspace]"})


@pytest.mark.parametrize("type_", PROVENANCE)
def test_a_row_between_two_workspaces_is_in_neither(world: World, ours: Tenant, theirs: Tenant, type_: str) -> None:
    """No code writes one, and no tenant moves."""
    world.member(ours.owner, theirs.workspace)
    record = type_.removesuffix("_workspace_connector")
    mixed = world.provenance(ours.rows[record], theirs.connector)
    route = resource_of(type_).route
    assert get(f"{route}/{mixed.id}", ours.caller).status == 404
    for name, parent in ((record, ours.rows[record]), ("workspace_connector", theirs.connector)):
        assert mixed.id not in get(f"{route}?filter[{name}]={parent.id}", ours.caller).ids
    assert mixed.id not in get(route, ours.caller).ids
    for tenant in (ours, theirs):
        url = f"{route}?filter[workspace]={tenant.workspace.id}"
        assert get(url, ours.caller).ids == get(url, READER).ids == [tenant.rows[type_].id]


@pytest.mark.parametrize("type_", OWN_WORKSPACE)
def test_where_the_workspace_is_a_relationship_several_may_be_named(
    world: World, ours: Tenant, theirs: Tenant, type_: str
) -> None:
    url = f"{resource_of(type_).route}?filter[workspace]={ours.workspace.id},{theirs.workspace.id}"
    assert get(url, ours.caller).status == 403
    assert set(get(url, READER).ids) == {ours.rows[type_].id, theirs.rows[type_].id}
    world.member(ours.owner, theirs.workspace)
    assert set(get(url, ours.caller).ids) == {ours.rows[type_].id, theirs.rows[type_].id}


# ---- what is refused -----------------------------------------------------------------------------------
def names_of(resource: Resource) -> set[str]:
    """Return the filters that a type has, without its instants and without what all have."""
    found = {relationship.name for relationship in filtered(resource)}
    found |= {attribute.name for attribute in resource.attributes if attribute.kind in {"direction", "boolean"}}
    return found | ({"workspace"} if resource.policy != "group" else set())


ALL_NAMES = {
    *(name for resource in LISTED for name in names_of(resource)),
    *("pk", "name", "workspaces", "company_pk", "company.workspace", "DIRECTION"),
}


@of_every_type
def test_a_filter_that_the_type_does_not_have_is_400(type_: str) -> None:
    resource = resource_of(type_)
    for name in ALL_NAMES - names_of(resource):
        told = refusal(get(f"{resource.route}?filter[{name}]={uuid4()}", READER))
        assert told == (400, INVALID, {"parameter": f"filter[{name}]"})


def test_the_workspace_of_the_path_is_not_filtered_by_again() -> None:
    reply = get(f"/v1/workspaces/{uuid4()}/providers?filter[workspace]={uuid4()}", READER)
    assert (reply.status, reply.error["source"]) == (400, {"parameter": "filter[workspace]"})


@of_every_type
def test_an_operator_that_a_filter_does_not_have_is_400(type_: str) -> None:
    resource = resource_of(type_)
    wrong = [f"filter[{name}][{operator}]" for name in names_of(resource) for operator in ("eq", "gte")]
    wrong += ["filter[created_at]", *(f"filter[updated_at][{operator}]" for operator in ("eq", "GTE", "", "gte][lt"))]
    for parameter in (*wrong, "filter", "filter[deleted][eq]", "filter[created_at].gte", "filter(direction)"):
        reply = get(f"{resource.route}?{quote(parameter)}=2026-05-10T12:00:00Z", READER)
        assert (reply.status, reply.error["source"]) == (400, {"parameter": parameter})


# Near what there is; what is far from it is in tests/access/test_hostile_input.py.
MALFORMED = {
    "workspace_provider": {
        "filter[provider]": ("", "null", "{id},", ",{id}", "{id};{id}", "{hex}"),
        "filter[is_selected]": ("TRUE", "1", "null", "true,false"),
        "filter[deleted]": ("", "EXCLUDE", "include,only", "all"),
    },
    "company_workspace_connector": {
        "filter[direction]": ("", "INPUT", "input,output"),
        "filter[created_at][gte]": ("now", "2026-05-10", "2026-05-10T12:00:00", "2026-13-10T12:00:00Z", "1747000000"),
    },
}


@pytest.mark.parametrize("type_", MALFORMED)
def test_a_value_that_is_not_of_its_form_is_400(type_: str) -> None:
    for parameter, values in MALFORMED[type_].items():
        for value in values:
            said = value.format(id=uuid4(), hex=uuid4().hex)
            told = refusal(get(f"{resource_of(type_).route}?{parameter}={said}", READER))
            assert told == (400, INVALID, {"parameter": parameter}), value


def test_a_hundred_ids_are_some_and_one_more_is_too_many(ours: Tenant) -> None:
    ids = [str(uuid4()) for _ in range(99)] + [str(ours.rows["company"].id)]
    url = "/v1/company-workspace-connectors?filter[company]="
    assert get(url + ",".join(ids), ours.caller).ids == [ours.rows["company_workspace_connector"].id]
    assert get(f"{url}{uuid4()},{','.join(ids)}", ours.caller).error["source"] == {"parameter": "filter[company]"}


@pytest.mark.parametrize(
    "query",
    [
        "sort=created_at&sort=created_at",
        "page[size]=1&page%5Bsize%5D=1",
        "page[total]=true&page[total]=true",
        "filter[deleted]=only&filter[deleted]=only",
        "filter[created_at][gte]=2026-05-10T12:00:00Z&filter[created_at][gte]=2026-05-10T12:00:00Z",
        "&".join(["include="] * 101),
    ],
)
def test_a_parameter_that_takes_one_value_and_is_given_twice_or_one_a_hundred_times_and_more_is_400(query: str) -> None:
    for route in ROUTES:
        assert get(f"{route}?{query}", READER).status == 400


def test_a_parameter_that_takes_a_list_may_be_repeated(ours: Tenant) -> None:
    route = "/v1/company-workspace-connectors"
    company, connector = ours.rows["company"].id, ours.rows["workspace_connector"].id
    for listed, repeated in (
        ("include=company,workspace_connector", "include=company&include=workspace_connector"),
        ("include=company", "include=&include=company"),
        (
            "fields[company]=name,created_at&include=company",
            "fields[company]=name&include=company&fields[company]=created_at",
        ),
        (f"filter[company]={uuid4()},{company}", f"filter[company]={uuid4()}&filter[company]={company}"),
        (f"filter[workspace_connector]={connector}", f"filter[workspace_connector]={connector}&" * 2 + "page[size]=20"),
    ):
        one, other = (get(f"{route}?{query}", ours.caller).document for query in (listed, repeated))
        assert one["data"] == other["data"] != []
        assert one.get("included") == other.get("included")
    # None is skipped when it is wrong.
    for query in ("include=company&include=nothing", f"filter[company]={company}&filter[company]=x"):
        assert get(f"{route}?{query}", ours.caller).status == 400


@pytest.mark.parametrize(
    ("parameter", "advice"),
    [
        ("filter[company][]", "Separate the values with commas: filter[company]=A,B."),
        ("filter[company][0]", "Separate the values with commas: filter[company]=A,B."),
        ("include[]", "Separate the values with commas: include=A,B."),
        ("filter[colour]", "filter[company], filter[workspace_connector], filter[sync_message], filter[direction]"),
        ("filter[created_at]", "filter[created_at][gte|gt|lte|lt]"),
        ("page[number]", "There are: page[size], page[after], page[before], page[total]."),
        ("limit", "There are: include, sort, page[size]"),
    ],
)
def test_a_parameter_that_is_not_known_is_answered_with_what_there_is(parameter: str, advice: str) -> None:
    reply = get(f"/v1/company-workspace-connectors?{quote(parameter)}=1", READER)
    assert (reply.status, reply.error["source"]) == (400, {"parameter": parameter})
    assert advice in reply.error["detail"]


def test_one_resource_has_other_parameters_than_a_list() -> None:
    reply = get(f"/v1/company-workspace-connectors/{uuid4()}?limit=1", READER)
    assert reply.error["detail"].endswith("There are: include, fields[TYPE].")


def test_brackets_may_be_escaped_or_not(ours: Tenant) -> None:
    query = "filter[created_at][gte]=2000-01-01T00:00:00Z&page[size]=1&fields[provider]=name,slug"
    escaped = query.replace("[", "%5B").replace("]", "%5D")
    others: tuple[str, ...] = (escaped.replace("%5B", "%5b"), escaped.replace("%5B", "["), f"&{query}&")
    others += (query.replace("&", "&&"), query.replace(",", "%2c"), query.replace("page", "%70age"))
    for name in LISTS:
        plain, *replies = (get(f"{list_url(name, ours)}?{way}", ours.caller) for way in (query, escaped, *others))
        assert (plain.status, plain.body) == (200, replies[0].body), name
        assert [reply.data for reply in replies] == [plain.data] * len(replies), name


@pytest.mark.parametrize("type_", PROVENANCE)
def test_all_filters_at_once(world: World, ours: Tenant, type_: str) -> None:
    record = type_.removesuffix("_workspace_connector")
    said = {"direction": "output", **dict.fromkeys(TIMES, NOON)}
    wanted = add(world, ours, type_, **said)
    for change in ({"direction": "input"}, dict.fromkeys(TIMES, NOON - MILLISECOND), {"deleted_at": None}):
        add(world, ours, type_, **said | change)
    query = (
        f"filter[{record}]={ours.rows[record].id}&filter[workspace_connector]={ours.connector.id}"
        f"&filter[workspace]={ours.workspace.id}&filter[direction]=output&filter[deleted]=only"
    )
    for sort in TIMES:
        bounds = f"filter[{sort}][gte]={written(NOON)}&filter[{sort}][lte]={written(NOON)}"
        reply = get(f"{resource_of(type_).route}?{query}&{bounds}&sort={sort}&page[total]=true", ours.caller)
        assert (reply.ids, reply.document["meta"]["page"]["total"]) == ([wanted.id], 1)
