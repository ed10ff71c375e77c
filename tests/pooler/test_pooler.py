"""32 callers of different tenants on two connections a role to Postgres, lent by the transaction: who asks is answered.

pgbouncer stands in for RDS Proxy. What it cannot show is said in docs/adr/0003.
"""

from dataclasses import dataclass

import pytest

from local.postgres import Cluster
from tests.pooler.callers import Asking
from tests.pooler.stage import CALLERS, Watch, staged
from tests.support.pooler import SERVERS, Pooler

pytestmark = pytest.mark.outside

REQUESTS = 14_000


@dataclass
class Run:
    """What became of requests, how many transactions pgbouncer counted, and what was in its connections after."""

    asking: Asking
    watch: Watch
    transactions: int
    left_behind: list[str]


@pytest.fixture(scope="module")
def run(cluster: Cluster, template: str, transaction_pooler: Pooler) -> Run:
    with staged(cluster, template, transaction_pooler) as stage:
        watch = Watch(stage)
        with watch.looking():
            asking = stage.ask(REQUESTS)
        return Run(asking, watch, transaction_pooler.transactions(stage.dbname), stage.left_behind())


def test_every_answer_belongs_to_its_caller(run: Run) -> None:
    assert run.asking.leaks == []
    assert len(run.asking.statuses) >= REQUESTS


def test_every_answer_is_the_right_one(run: Run) -> None:
    assert run.asking.faults == []
    assert {*run.asking.statuses} == {200, 201, 204, 400, 403, 404}


def test_all_callers_share_two_connections_a_role(run: Run) -> None:
    assert (run.watch.servers, run.watch.backends) == (SERVERS, SERVERS)
    assert run.watch.clients >= CALLERS
    # A request that is understood is a transaction at least.
    assert run.transactions > len(run.asking.statuses)


def test_no_connection_keeps_anything_of_a_caller(run: Run) -> None:
    assert run.left_behind == []
