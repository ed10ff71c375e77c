"""JSON:API 1.1, "Sorting" and "Pagination", the cursor-pagination profile, and contract, section 4, "Lists"."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from uuid import UUID, uuid4

import pytest

from tests.jsonapi.conftest import LISTED, LISTS, ROUTES, Tenant, add, list_url, of_every_list, refusal
from tests.support.api import READER, get, walk, walked
from tests.support.databases import Database
from tests.support.world import Row, World
from wellspring.jsonapi.values import CURSOR_PAGINATION
from wellspring.services.ledger import cursors

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)
SORTS = ("created_at", "-created_at", "updated_at", "-updated_at")
COMPANIES = "/v1/company-workspace-connectors"
INVALID = ("400", "INVALID_QUERY_PARAMETER")
ROWS = 11
every_sort = pytest.mark.parametrize("sort", SORTS)


@dataclass(frozen=True)
class Made:
    """A row and its times."""

    row: Row
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Ledger:
    """A list of a tenant's, whose rows share their times in the two orders differently."""

    ours: Tenant
    url: str
    made: list[Made]

    def sorted_by(self, sort: str) -> list[UUID]:
        """Return the ids in this order; rows of one instant stand in the order in which they were made."""
        name = sort.removeprefix("-")
        ordered = sorted(self.made, key=lambda one: (getattr(one, name), one.row.pk), reverse=sort.startswith("-"))
        return [one.row.id for one in ordered]


@pytest.fixture
def ledger(world: World, ours: Tenant, name: str) -> Ledger:
    type_ = LISTS[name].type
    made = []
    for number in range(ROWS):
        created = NOON + timedelta(milliseconds=number * 5 % ROWS // 3)
        # Every third row was never updated.
        updated = created if number % 3 == 0 else NOON + timedelta(milliseconds=number * 7 % ROWS // 2)
        times = {"created_at": created, "updated_at": None if number % 3 == 0 else updated}
        row = ours.rows[type_] if number == 0 else add(world, ours, type_, **times)
        made.append(Made(row, created, updated))
    world.change(made[0].row, created_at=NOON, updated_at=None)
    return Ledger(ours, list_url(name, ours), made)


@of_every_list
class TestOrder:
    @every_sort
    def test_is_the_one_that_is_asked_for_on_pages_of_any_size(self, ledger: Ledger, sort: str) -> None:
        for size in (3, ROWS - 1, ROWS, ROWS + 1):
            assert walked(f"{ledger.url}?sort={sort}&page[size]={size}", ledger.ours.caller) == ledger.sorted_by(sort)

    @every_sort
    def test_is_the_same_backward(self, ledger: Ledger, sort: str) -> None:
        cursor = get(f"{ledger.url}?sort={sort}", ledger.ours.caller).data[-1]["meta"]["page"]["cursor"]
        url = f"{ledger.url}?sort={sort}&page[size]=4&page[before]={cursor}"
        assert walked(url, ledger.ours.caller, "prev") == ledger.sorted_by(sort)[:-1]

    def test_is_newest_first_unless_asked(self, ledger: Ledger) -> None:
        assert get(ledger.url, ledger.ours.caller).ids == ledger.sorted_by("-created_at")


UNSUPPORTED = (
    *("", "-", "+created_at", "--created_at", "direction", "id", "pk", "name", "deleted_at", "created_at,id"),
    *("created_at,updated_at", "CREATED_AT", "workspace.name"),
)


def test_an_order_that_is_not_supported_is_an_error_of_the_profile() -> None:
    for value, route in product(UNSUPPORTED, ROUTES):
        error = get(f"{route}?sort={value}", READER).error
        assert (error["status"], error["code"], error["source"]) == (*INVALID, {"parameter": "sort"}), value
        assert error["links"] == {"type": f"{CURSOR_PAGINATION}unsupported-sort"}


@pytest.mark.parametrize("query", ["sort=created_at", "page[size]=1", "page[total]=true", "filter[deleted]=include"])
def test_a_single_resource_is_neither_sorted_nor_paged_nor_filtered(query: str) -> None:
    for resource in LISTED:
        reply = get(f"{resource.route}/{uuid4()}?{query}", READER)
        assert (reply.status, reply.error["source"]) == (400, {"parameter": query.partition("=")[0]})


@of_every_list
class TestPages:
    def test_are_as_long_as_asked_and_lead_to_each_other_and_to_the_first(self, ledger: Ledger) -> None:
        pages = walk(f"{ledger.url}?page[size]=4", ledger.ours.caller)
        assert [len(page.ids) for page in pages] == [4, 4, 3]
        for page, following in pairwise(pages):
            assert get(following.document["links"]["prev"], ledger.ours.caller).ids == page.ids
        first = get(pages[2].document["links"]["first"], ledger.ours.caller)
        assert first.body == pages[0].body.replace(pages[0].document["links"]["self"], first.document["links"]["self"])

    def test_have_prev_and_next_null_at_the_ends_and_only_there(self, ledger: Ledger) -> None:
        pages = walk(f"{ledger.url}?page[size]=4", ledger.ours.caller)
        links = [page.document["links"] for page in pages]
        assert all({"prev", "next"} <= found.keys() for found in links)
        assert [found["prev"] is None for found in links] == [True, False, False]
        assert [found["next"] is None for found in links] == [False, False, True]

    def test_begin_right_after_or_end_right_before_any_row(self, ledger: Ledger) -> None:
        whole = get(ledger.url, ledger.ours.caller)
        for place in (0, 1, 5, ROWS - 2, ROWS - 1):
            cursor = whole.data[place]["meta"]["page"]["cursor"]
            after = get(f"{ledger.url}?page[size]=2&page[after]={cursor}", ledger.ours.caller)
            before = get(f"{ledger.url}?page[size]=2&page[before]={cursor}", ledger.ours.caller)
            assert after.ids == whole.ids[place + 1 : place + 3]
            assert before.ids == whole.ids[max(place - 2, 0) : place]

    def test_beyond_the_ends_are_empty_arrays(self, ledger: Ledger) -> None:
        data = get(ledger.url, ledger.ours.caller).data
        first, last = (data[place]["meta"]["page"]["cursor"] for place in (0, -1))
        after = get(f"{ledger.url}?page[after]={last}", ledger.ours.caller)
        before = get(f"{ledger.url}?page[before]={first}", ledger.ours.caller)
        assert (after.data, after.document["links"]["next"]) == ([], None)
        assert (before.data, before.document["links"]["prev"]) == ([], None)

    def test_know_their_total_when_asked_and_only_then(self, ledger: Ledger) -> None:
        for page in walk(f"{ledger.url}?page[size]=4&page[total]=true", ledger.ours.caller):
            assert page.document["meta"] == {"page": {"total": ROWS}}
        assert "meta" not in get(ledger.url, ledger.ours.caller).document
        assert "meta" not in get(f"{ledger.url}?page[total]=false", ledger.ours.caller).document


def test_a_page_has_twenty_rows_unless_asked_and_five_hundred_at_most(world: World, ours: Tenant) -> None:
    world.provenances(world.companies(ours.workspace, 504), ours.connector)
    assert len(get(COMPANIES, ours.caller).data) == 20
    assert len(get(f"{COMPANIES}?page[size]=500", ours.caller).data) == 500
    assert len(walked(f"{COMPANIES}?page[size]=300", ours.caller)) == 505


def test_a_size_is_a_whole_number_in_decimals(world: World, ours: Tenant) -> None:
    world.provenances(world.companies(ours.workspace, 5), ours.connector)
    for value in ("3", "03", "0003", "000000000000000000003"):
        assert len(get(f"{COMPANIES}?page[size]={value}", ours.caller).data) == 3


def test_a_size_beyond_the_largest_is_an_error_of_the_profile() -> None:
    for value, route in product(("501", "0501", "1000000", "9" * 4000), ROUTES):
        error = get(f"{route}?page[size]={value}", READER).error
        assert (error["status"], error["code"], error["source"]) == (*INVALID, {"parameter": "page[size]"})
        assert error["meta"] == {"page": {"maxSize": 500}}
        assert error["links"] == {"type": f"{CURSOR_PAGINATION}max-size-exceeded"}


def test_a_range_is_an_error_of_the_profile(ours: Tenant) -> None:
    cursor = get(COMPANIES, ours.caller).data[0]["meta"]["page"]["cursor"]
    for route in ROUTES:
        error = get(f"{route}?page[after]={cursor}&page[before]={cursor}", ours.caller).error
        assert (error["status"], error["code"]) == INVALID
        assert error["links"] == {"type": f"{CURSOR_PAGINATION}range-pagination-not-supported"}


NO_SIZES = ("0", "000", "-1", "%2B1", "1.0", "1e2", "ten", "", "%20", "1 ", "%D9%A3", "%00")
OTHER_WAYS = ("page", "page[]", "page[number]", "page[offset]", "page[limit]", "page[size][x]")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *(("page[size]", value) for value in NO_SIZES),
        *(("page[total]", value) for value in ("TRUE", "1", "yes", "", "%00")),
        *((name, "1") for name in OTHER_WAYS),
    ],
)
def test_what_is_no_way_of_paging_is_400(parameter: str, value: str) -> None:
    for route in ROUTES:
        error = get(f"{route}?{parameter}={value}", READER).error
        assert (error["status"], error["source"]) == ("400", {"parameter": parameter})
        assert not {"meta", "links"} & error.keys()


@of_every_list
def test_a_cursor_is_bound_to_its_order(ours: Tenant, name: str) -> None:
    url = list_url(name, ours)
    for sort in SORTS:
        cursor = get(f"{url}?sort={sort}", ours.caller).data[0]["meta"]["page"]["cursor"]
        for other in SORTS:
            parameter = "page[after]" if other.startswith("-") else "page[before]"
            reply = get(f"{url}?sort={other}&{parameter}={cursor}", ours.caller)
            if other == sort:
                assert reply.status == 200
            else:
                assert refusal(reply) == (400, "INVALID_CURSOR", {"parameter": parameter})


def test_a_cursor_is_bound_to_its_type(ours: Tenant) -> None:
    cursors = {resource.type: get(resource.route, ours.caller).data[0]["meta"]["page"]["cursor"] for resource in LISTED}
    for resource in LISTED:
        for type_, cursor in cursors.items():
            status = get(f"{resource.route}?page[after]={cursor}", ours.caller).status
            assert status == (200 if type_ == resource.type else 400)


def test_a_cursor_may_be_used_with_other_filters_and_sizes(ours: Tenant) -> None:
    cursor = get(COMPANIES, ours.caller).data[0]["meta"]["page"]["cursor"]
    for query in ("filter[direction]=input", "page[size]=3", "include=company", "filter[deleted]=include"):
        assert get(f"{COMPANIES}?{query}&page[after]={cursor}", ours.caller).status == 200


@pytest.mark.parametrize("parameter", ["page[after]", "page[before]"])
def test_a_cursor_that_was_not_made_here_is_400(ours: Tenant, parameter: str) -> None:
    cursor = get(COMPANIES, ours.caller).data[0]["meta"]["page"]["cursor"]
    wrong = [cursor[:-1], cursor[1:], f"{cursor}A", cursor * 2, f"{cursor}%00", "", "7", "é", "==", " "]
    wrong += [f"{cursor[:at]}{'A' if cursor[at] != 'A' else 'B'}{cursor[at + 1 :]}" for at in (0, 9, 30, 50)]
    for spoilt in wrong:
        error = get(f"{COMPANIES}?{parameter}={spoilt}", ours.caller).error
        assert (error["status"], error["source"]) == ("400", {"parameter": parameter})
        assert error["code"] == ("INVALID_QUERY_PARAMETER" if "%00" in spoilt else "INVALID_CURSOR")


def test_a_cursor_of_an_older_key_still_leads_on(
    database: Database, world: World, ours: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.provenances(world.companies(ours.workspace, 3), ours.connector)
    monkeypatch.setattr(cursors, "_known", [])
    whole = get(COMPANIES, ours.caller)
    cursor = whole.data[1]["meta"]["page"]["cursor"]
    database.owner.exec_driver_sql("INSERT INTO wellspring.cursor_keys (key) VALUES (sha256('another'))")
    for known in (cursors._known, []):
        monkeypatch.setattr(cursors, "_known", known)
        assert get(f"{COMPANIES}?page[after]={cursor}", ours.caller).ids == whole.ids[2:]
    # A process that does not know the new key yet learns of it from the cursor.
    newer = get(COMPANIES, ours.caller).data[1]["meta"]["page"]["cursor"]
    assert newer != cursor
    monkeypatch.setattr(cursors, "_known", cursors._known[1:])
    assert get(f"{COMPANIES}?page[after]={newer}", ours.caller).ids == whole.ids[2:]


def test_a_row_that_is_updated_during_a_walk_by_updated_at_moves_and_the_others_stay(
    world: World, ours: Tenant
) -> None:
    rows = [ours.rows["company_workspace_connector"]]
    rows += [add(world, ours, "company_workspace_connector") for _ in range(5)]
    for number, row in enumerate(rows):
        world.change(row, created_at=NOON, updated_at=NOON + timedelta(seconds=number))
    first = get(f"{COMPANIES}?sort=updated_at&page[size]=2", ours.caller)
    world.change(rows[0], updated_at=NOON + timedelta(hours=1))
    world.change(rows[1], updated_at=NOON + timedelta(hours=2))
    rest = walked(first.document["links"]["next"], ours.caller)
    assert rest == [row.id for row in (*rows[2:], rows[0], rows[1])]
