"""32 callers of different tenants on two connections a role to Postgres, lent by the transaction: who asks is answered.

pgbouncer stands in for RDS Proxy. What it cannot show is said in docs/adr/0003.
"""

from dataclasses import dataclass

import pytest

from local.postgres import Cluster
from tests.pooler.callers import Asking
from tests.pooler.stage import CALLERS, DISTURB_SECONDS, WATCH_SECONDS, Disturbance, Watch, beside, staged
from tests.support.pooler import SERVERS, Pooler

pytestmark = pytest.mark.outside

QUIET, DISTURBED = 14_000, 6_000
ANSWERS = {200, 201, 204, 400, 403, 404}


@dataclass
class Run:
    """What became of requests while nothing else happened, and while statements and connections were ended.

    And how many transactions pgbouncer counted, and what was in the pool's connections after each of the two.
    """

    quiet: Asking
    disturbed: Asking
    watch: Watch
    disturbance: Disturbance
    transactions: int
    left_behind: list[str]


@pytest.fixture(scope="module")
def run(cluster: Cluster, template: str, transaction_pooler: Pooler) -> Run:
    with staged(cluster, template, transaction_pooler) as stage:
        watch = Watch(stage)
        with beside(watch.look, WATCH_SECONDS):
            quiet = stage.ask(QUIET)
        left_behind = stage.left_behind()
        disturbance = Disturbance(stage)
        with beside(disturbance.disturb, DISTURB_SECONDS):
            disturbed = stage.ask(DISTURBED, disturbed=True)
        transactions = transaction_pooler.transactions(stage.dbname)
        left_behind += stage.left_behind()
        return Run(quiet, disturbed, watch, disturbance, transactions, left_behind)


def test_every_answer_belongs_to_its_caller(run: Run) -> None:
    assert run.quiet.leaks + run.disturbed.leaks == []
    assert len(run.quiet.statuses + run.disturbed.statuses) >= QUIET + DISTURBED


def test_every_answer_is_the_right_one(run: Run) -> None:
    assert run.quiet.faults + run.disturbed.faults == []
    assert {*run.quiet.statuses} == ANSWERS


def test_a_request_that_is_disturbed_is_answered_503_and_nothing_else(run: Run) -> None:
    assert {*run.disturbed.statuses} == ANSWERS | {503}
    assert "57014" in run.disturbed.sqlstates
    assert min(run.disturbance.done.values()) > 0


def test_all_callers_share_two_connections_a_role(run: Run) -> None:
    assert (run.watch.servers, run.watch.backends) == (SERVERS, SERVERS)
    assert run.watch.clients >= CALLERS
    # A request that is understood is a transaction at least.
    assert run.transactions > len(run.quiet.statuses)


def test_no_connection_keeps_anything_of_a_caller(run: Run) -> None:
    assert run.left_behind == []


def test_a_scope_that_is_said_before_the_transaction_is_seen_to_leak(
    cluster: Cluster, template: str, transaction_pooler: Pooler
) -> None:
    """The same callers, had the product said `set_config(…, false)` for its session: they need a few requests each."""
    with staged(cluster, template, transaction_pooler) as stage:
        assert stage.ask(QUIET, unsafe=True).leaks != []
        assert [found for found in stage.left_behind() if found.startswith("the scope ")] != []
