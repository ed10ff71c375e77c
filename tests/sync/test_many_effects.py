"""Very many rows end, and come back, in chunks."""

import logging
import resource
import time

import pytest
from sqlalchemy import text

from local.settings import number
from tests.support.databases import FreshDatabase
from tests.support.queue import consume, disconnected, reverted
from tests.support.sums import sums_are_right
from tests.support.world import World
from tests.sync.conftest import tenant
from wellspring.database import Transaction
from wellspring.messages import Outcome, ReceivedMessage
from wellspring.services.sync import applying

pytestmark = pytest.mark.long
logger = logging.getLogger(__name__)

# Rows that are made at once.
STEP = 50_000
# What a consumer may need beyond what it has at the first chunk, however many rows there are.
MOST_KIBIBYTES = 16 * 1024
MANY_ROWS = text("""
INSERT INTO core_api.company_workspace_connectors (company_pk, workspace_connector_pk, direction)
SELECT pks.many[1 + mod(n, cardinality(pks.many))], :connector,
       CAST(CASE mod(n, 5) WHEN 0 THEN 'output' ELSE 'input' END AS core_api.direction_enum)
  FROM generate_series(1, :rows) AS n, (SELECT CAST(:pks AS bigint[]) AS many) AS pks
""")
# How many rows are live, and which.
LIVE = (
    "SELECT count(*), coalesce(sum(hashint8(pk)::bigint), 0)::bigint FROM core_api.company_workspace_connectors"
    " WHERE deleted_at IS NULL"
)


def test_a_disconnect_of_very_many_rows_is_undone_by_one_message(
    fresh_database: FreshDatabase, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`REVERTED=1000000` asks for as many rows; `-o log_cli=true --log-level=INFO` shows what the two messages took."""
    ours, owner, rows = tenant(world, "Ours"), world.database.owner, number("REVERTED", 11_000, 10**9)
    records = world.companies(ours.workspace, 1000)
    for first in range(0, rows, STEP):
        wanted = {"connector": ours.connector.pk, "rows": min(STEP, rows - first), "pks": [row.pk for row in records]}
        owner.execute(MANY_ROWS, wanted)
        world.database.commit()
    owner.exec_driver_sql("ANALYZE core_api.company_workspace_connectors")
    world.database.commit()

    def live() -> tuple[int, ...]:
        found = tuple(owner.exec_driver_sql(LIVE).one())
        world.database.commit()
        return found

    chunks: list[int] = []
    do = applying._chunk

    def counted(transaction: Transaction, message: ReceivedMessage) -> Outcome:
        outcome = do(transaction, message)
        chunks.append(outcome.ended + outcome.linked)
        return outcome

    monkeypatch.setattr(applying, "_chunk", counted)
    before, disconnect = live(), disconnected(ours.connector)
    undo = reverted(ours.connector, disconnect["id"])
    for body, left in ((disconnect, 0), (undo, rows)):
        chunks.clear()
        began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # What is not done when an invocation ends goes back to the queue, and comes again.
        invocations = 1
        while consume(body):
            invocations += 1
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
        took = time.monotonic() - began
        said = (body["type"], rows, len(chunks), invocations, took, grown)
        logger.info("%s: %d rows, %d chunks, %d invocations, %.0f s, %d KiB more memory", *said)
        assert live()[0] == left
        # Of each direction.
        assert max(chunks) <= 2 * applying.CHUNK
        assert grown <= MOST_KIBIBYTES
    assert live() == before
    sums_are_right(world.database)
