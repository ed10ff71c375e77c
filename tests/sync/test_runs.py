"""`run.completed`: a run is whole when all of its messages are applied, and says so (contract, section 5)."""

from uuid import uuid4

import pytest

from maintenance.prune import handler as prune
from tests.support.api import Context
from tests.support.queue import completed, consume, invalidated, reverted, synced
from tests.sync.conftest import APPLIED, Ledger, Tenant, absent, applied, dismiss, ids, of_run, release, settle

# Time stands still in a transaction that is rolled back, and rows are known by their time: each has its own here.
pytestmark = pytest.mark.usefixtures("fresh_database")


def test_the_first_message_of_a_run_makes_its_row_and_others_count_in_it(ours: Tenant, ledger: Ledger) -> None:
    missed = absent()
    first, second = (of_run(synced(ours.connector, ours.mixed, mode="relink")) for _ in range(2))
    third = of_run(synced(ours.connector, [missed]))
    assert consume(first, second, synced(ours.other_connector, ours.mixed)) == []
    applied(third, first)
    run = ledger.run_of(ours.connector)
    assert (run.state, run.messages_applied, run.messages_parked, run.messages_expected) == ("open", 2, 1, None)
    each = {"named": 2, "made": 0, "linked": 2, "ended": 1}
    assert run.counts == dict.fromkeys(("account", "company", "people"), each)
    of = {body["id"]: row.sync_run_pk for body in (first, second, third) for row in [ledger.messages()[body["id"]]]}
    assert set(of.values()) == {run.pk}
    # What is parked counts no more once it is applied, or dismissed.
    ours.come(missed)
    settle()
    run = ledger.run_of(ours.connector)
    assert (run.messages_applied, run.messages_parked) == (3, 0)
    odd = of_run(synced(ours.connector, [absent()]))
    applied(odd)
    assert ledger.run_of(ours.connector).messages_parked == 1
    assert dismiss(ledger.messages()[odd["id"]].id).status == 200
    assert ledger.run_of(ours.connector).messages_parked == 0


def test_a_run_is_complete_when_all_of_its_messages_are_applied(ours: Tenant, ledger: Ledger) -> None:
    first, second = (of_run(synced(ours.connector, ours.mixed)) for _ in range(2))
    end = completed(ours.connector, "nightly", first["id"], second["id"])
    assert consume(first, second, end) == []
    assert ledger.fate(end) == APPLIED
    run = ledger.run_of(ours.connector)
    assert (run.state, run.messages_expected, run.messages_applied) == ("complete", 2, 2)
    assert run.completed_at is not None
    assert run.snapshot is None
    assert ledger.live() == ids([*ours.mixed, *ours.mixed])
    applied(end)
    # Of no messages at all.
    nothing = completed(ours.other_connector, "nightly")
    applied(nothing)
    assert ledger.run_of(ours.other_connector).state == "complete"


@pytest.mark.parametrize("missing", ["never sent", "parked", "of another run", "of another connector", "reverted"])
def test_a_run_that_misses_a_message_is_incomplete_and_waits_for_it(ours: Tenant, ledger: Ledger, missing: str) -> None:
    there, missed = of_run(synced(ours.connector, ours.mixed)), absent()
    late = of_run(synced(ours.connector, [missed] if missing == "parked" else ours.mixed))
    applied(there)
    if missing == "of another run":
        applied(of_run(late, "weekly"))
    elif missing == "of another connector":
        applied(late | {"workspace_connector_id": str(ours.other_connector.id)})
    elif missing != "never sent":
        applied(late)
    if missing == "reverted":
        applied(reverted(ours.connector, late["id"]))
    end = completed(ours.connector, "nightly", there["id"], late["id"])
    applied(end, end)
    settle()
    assert ledger.fate(end) == ("parked", "incomplete_run")
    run = ledger.run_of(ours.connector)
    assert (run.state, run.messages_expected) == ("incomplete", 2)
    assert ("message", late["id"]) in ledger.waits_for()
    message = ledger.messages()[end["id"]]
    assert message.problems == [{"code": "incomplete_run", "type": "message", "id": late["id"]}]


@pytest.mark.parametrize("by", ["its batch", "settle"])
def test_it_is_released_by_itself_once_what_it_misses_is_applied(ours: Tenant, ledger: Ledger, by: str) -> None:
    missed = absent()
    there, late = of_run(synced(ours.connector, ours.mixed)), of_run(synced(ours.connector, [missed]))
    end = completed(ours.connector, "nightly", there["id"], late["id"])
    if by == "settle":
        assert consume(there, late, end) == []
        ours.come(missed)
        settle()
        settle()
    else:
        assert consume(there, end) == []
        assert ledger.fate(end) == ("parked", "incomplete_run")
        ours.come(missed)
        applied(late)
    assert ledger.fate(end) == APPLIED
    assert ledger.run_of(ours.connector).state == "complete"
    assert ledger.waits_for() == set()


def test_a_reused_id_of_the_run_holds_it_up_until_it_is_dismissed(ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.companies[:1]))
    other = of_run(synced(ours.connector, ours.companies[1:2])) | {"id": first["id"]}
    end = completed(ours.connector, "nightly", first["id"])
    applied(first, other, end)
    assert ledger.fate(end) == ("parked", "incomplete_run")
    reused = ledger.value("SELECT id FROM wellspring.sync_messages WHERE reason = 'reused_id'")
    assert ledger.waits_for() == {("sync_message", str(reused))}
    settle()
    assert ledger.fate(end) == ("parked", "incomplete_run")
    assert dismiss(reused).status == 200
    settle()
    assert ledger.fate(end) == APPLIED


def test_later_messages_of_a_complete_run_are_parked(ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", first["id"])
    applied(first, end)
    late = [
        of_run(synced(ours.connector, ours.mixed)),
        of_run(invalidated(ours.connector, ours.mixed)),
        completed(ours.connector, "nightly"),
    ]
    applied(*late, first, end)
    assert {ledger.fate(body) for body in late} == {("parked", "completed_run")}
    assert {ledger.fate(body) for body in (first, end)} == {APPLIED}
    assert ledger.live() == ids(ours.mixed)
    assert ledger.run_of(ours.connector).state == "complete"
    assert release(late[0]).data["attributes"]["reason"] == "completed_run"


def test_it_is_never_overtaken_and_overtakes_nobody_while_it_is_parked(ours: Tenant, ledger: Ledger) -> None:
    missed = absent()
    waiting = synced(ours.connector, [missed], mode="relink")
    late = of_run(synced(ours.connector, ours.companies[:1]))
    end = completed(ours.connector, "nightly", late["id"])
    applied(waiting, end)
    assert ledger.fate(end) == ("parked", "incomplete_run")
    ours.come(missed)
    settle()
    # The relink, before which nothing but the parked end of the run has come since.
    assert ledger.fate(waiting) == APPLIED
    applied(synced(ours.connector, ours.companies, mode="relink"), late)
    assert ledger.fate(end) == APPLIED


@pytest.mark.parametrize(
    ("mode", "types", "becomes"),
    [
        ("append", (), APPLIED),
        ("relink", (), ("parked", "overtaken")),
        ("append", ("company",), ("parked", "overtaken")),
    ],
)
def test_without_a_snapshot_it_counts_as_an_append(
    ours: Tenant, ledger: Ledger, mode: str, types: tuple[str, ...], becomes: tuple[str, str | None]
) -> None:
    missed = absent()
    waiting, end = synced(ours.connector, [missed], mode=mode), completed(ours.connector, "nightly", types=types)
    applied(waiting, end)
    assert ledger.fate(end) == APPLIED
    ours.come(missed)
    settle()
    assert ledger.fate(waiting) == becomes


def test_a_run_of_thirty_days_is_expired(ours: Tenant, ledger: Ledger) -> None:
    late = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", late["id"])
    whole = completed(ours.other_connector, "nightly")
    applied(end, whole)
    ledger.sql("UPDATE wellspring.sync_runs SET started_at = now() - interval '31 days'")
    # Nobody has written it down yet.
    later = completed(ours.connector, "nightly")
    applied(later)
    assert ledger.fate(later) == ("parked", "expired")
    assert ledger.messages()[later["id"]].body is None
    settle()
    assert ledger.run_of(ours.connector).state == "expired"
    assert ledger.run_of(ours.other_connector).state == "complete"
    assert ledger.fate(end) == ("parked", "expired")
    assert ledger.waits_for() == set()
    assert release(end).status == 409
    applied(late, end)
    assert ledger.fate(late) == APPLIED
    assert ledger.fate(end) == ("parked", "expired")
    assert ledger.run_of(ours.connector).state == "expired"


def test_a_dismissed_end_leaves_its_run_open(ours: Tenant, ledger: Ledger) -> None:
    end = completed(ours.connector, "nightly", str(uuid4()))
    applied(end)
    assert dismiss(ledger.messages()[end["id"]].id).status == 200
    run = ledger.run_of(ours.connector)
    assert (run.state, run.messages_parked) == ("open", 0)
    again = completed(ours.connector, "nightly")
    applied(again)
    assert ledger.run_of(ours.connector).state == "complete"


def test_a_reverted_run_is_reverted_also_before_it_was_seen(ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", first["id"])
    undo = reverted(ours.connector, run="nightly")
    applied(first, end, undo)
    assert ledger.run_of(ours.connector).state == "reverted"
    assert not ledger.live()
    applied(reverted(ours.other_connector, run="nightly"))
    assert ledger.run_of(ours.other_connector).state == "reverted"
    late = completed(ours.other_connector, "nightly")
    applied(late)
    assert ledger.fate(late) == ("parked", "reverted_run")


def test_a_revert_of_single_messages_leaves_a_complete_run_complete(ours: Tenant, ledger: Ledger) -> None:
    first = of_run(synced(ours.connector, ours.mixed))
    end = completed(ours.connector, "nightly", first["id"])
    applied(first, end, reverted(ours.connector, first["id"]))
    assert ledger.run_of(ours.connector).state == "complete"
    applied(reverted(ours.connector, end["id"]))
    assert ledger.run_of(ours.connector).state == "reverted"


def test_a_run_goes_with_its_last_message(ours: Tenant, ledger: Ledger) -> None:
    first, second = (of_run(synced(ours.connector, ours.mixed)) for _ in range(2))
    applied(first, second, reverted(ours.other_connector, run="nightly"))

    def make_old(which: str) -> None:
        ledger.sql(f"UPDATE wellspring.sync_messages SET received_at = now() - interval '91 days' {which}")
        ledger.sql("UPDATE wellspring.sync_runs SET started_at = now() - interval '91 days'")
        prune({}, Context())

    make_old(f"WHERE message_id = '{first['id']}'")
    assert first["id"] not in ledger.messages()
    assert ledger.run_of(ours.connector) is not None
    make_old("WHERE message_type <> 'sync.reverted'")
    assert ledger.run_of(ours.connector) is None
    assert ledger.run_of(ours.other_connector) is not None
    make_old("")
    assert ledger.run_of(ours.other_connector) is None
