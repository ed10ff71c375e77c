"""A connection that says nothing any more, from each border between two messages on, in both directions.

Nobody waits beyond the deadline, what became of the transaction is said as it is, and the next one finds the database.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, make_url, text

from tests.protocol.relay import Loss, Messages, Side, of, relay
from tests.protocol.test_lost_connections import Outcome
from tests.support.databases import WRITER, FreshDatabase, engine_for
from wellspring.access.principal import SERVICE_SCOPE
from wellspring.database import Deadline, Transaction, in_transaction
from wellspring.database.flush import Statement, execute_pipelined
from wellspring.errors import DatabaseAway, OutcomeUnknown, ServiceUnavailable

pytestmark = pytest.mark.long

ADD = text("INSERT INTO wellspring.sync_inbox (message_id) VALUES (:id)")
LOOK = text("SELECT count(*) FROM wellspring.sync_inbox WHERE message_id = :id")
# Long enough for whatever is not silent, on a machine that does other things too; and what is waited for in silence.
SECONDS, SILENT_SECONDS = 20.0, 1.5
AT_ONCE = 12


class Runner:
    """Runs a transaction of two statements on a connection made for it, and then looks for what it left."""

    def __init__(self, database: FreshDatabase) -> None:
        self._server = make_url(database.url)
        self._own = threading.local()

    def connection(self) -> object:
        """Stand in for `scope.connection`, each thread with an engine of its own."""
        engine: Engine = self._own.engine
        return engine.connect()

    def run(self, loss: Loss | None, *, is_read: bool = False, in_one_flush: int = 0) -> tuple[Outcome, Messages]:
        tries: list[None] = []
        id_ = uuid4()

        def work(transaction: Transaction) -> None:
            tries.append(None)
            if in_one_flush:
                found = execute_pipelined(transaction, [Statement(LOOK, {"id": id_})] * in_one_flush, is_last=True)
                assert [each.scalar_one() for each in found] == [0] * in_one_flush
                return
            if not is_read:
                transaction.execute(ADD, {"id": id_})
            assert look(transaction, id_) == (0 if is_read else 1)

        raised: type[Exception] | None = None
        with relay((self._server.host or "", self._server.port or 0), loss) as between:
            through = self._server.set(port=between.port).render_as_string(hide_password=False)
            self._own.engine = engine_for(through, user=WRITER)
            try:
                seconds = SILENT_SECONDS if loss is not None and loss.is_silent else SECONDS
                in_transaction(work, SERVICE_SCOPE, deadline=Deadline(seconds), is_read=is_read)
            except ServiceUnavailable as error:
                raised = type(error)
            messages = [list(connection) for connection in between.messages]
            rows = in_transaction(lambda transaction: look(transaction, id_), deadline=Deadline(20))
            self._own.engine.dispose()
        return Outcome(raised, len(tries), rows), messages


def look(transaction: Transaction, id_: UUID) -> int:
    return int(transaction.execute(LOOK, {"id": id_}).scalar_one())


@pytest.fixture
def runner(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Runner:
    given = Runner(fresh_database)
    monkeypatch.setattr("wellspring.database.scope.connection", given.connection)
    return given


@pytest.mark.parametrize("halved", [False, True], ids=["between", "within"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_nobody_waits_longer_than_until_the_deadline_wherever_a_connection_goes_silent(
    runner: Runner, side: Side, *, halved: bool
) -> None:
    whole, messages = runner.run(None)
    assert whole == Outcome(None, 1, 1)
    kinds = of(side, messages[0])
    certain = len(kinds) - {"client": 1, "server": 2}[side]
    losses = [Loss(side, after, halved=halved, is_silent=True) for after in range(len(kinds))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for loss, (outcome, _) in zip(losses, pool.map(runner.run, losses), strict=True):
            if loss.after < certain:
                assert (outcome.raised, outcome.rows) == (DatabaseAway, 0), loss
                assert outcome.tries in {0, 1}
            else:
                # Of a COMMIT that was sent, one arrived and the other did not.
                assert outcome == Outcome(OutcomeUnknown, 1, 1 if side == "server" else 0), loss


@pytest.mark.parametrize("is_silent", [False, True], ids=["lost", "silent"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_a_read_whose_commit_is_lost_has_read_what_it_read(runner: Runner, side: Side, *, is_silent: bool) -> None:
    _, messages = runner.run(None, is_read=True)
    for back in range(1, {"client": 1, "server": 2}[side] + 1):
        loss = Loss(side, len(of(side, messages[0])) - back, is_silent=is_silent)
        outcome, _ = runner.run(loss, is_read=True)
        assert outcome == Outcome(None, 1, 0)


@pytest.mark.parametrize("halved", [False, True], ids=["between", "within"])
@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("statements", [1, 2])
def test_a_read_whose_connection_is_lost_is_read_once_more(
    runner: Runner, side: Side, statements: int, *, halved: bool
) -> None:
    """COMMIT goes with the last statements, and as long as its answer has not come nothing was read."""
    read = partial(runner.run, is_read=True, in_one_flush=statements)
    whole, messages = read(None)
    assert whole == Outcome(None, 1, 0)
    kinds = of(side, messages[0])
    assert kinds[-1] == {"client": "S", "server": "Z"}[side]
    losses = [Loss(side, after, halved=halved) for after in range(len(kinds))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for loss, (outcome, messages) in zip(losses, pool.map(read, losses), strict=True):
            assert (outcome.raised, outcome.rows, len(messages)) == (None, 0, 2), loss
            # Where it was lost before the work began, the work begins once.
            assert outcome.tries == 2 or (outcome.tries == 1 and loss.after < len(kinds) - 3 * (statements + 2)), loss


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_read_whose_connection_goes_silent_with_its_last_flush_is_unavailable(runner: Runner, side: Side) -> None:
    read = partial(runner.run, is_read=True, in_one_flush=2)
    _, messages = read(None)
    kinds = of(side, messages[0])
    losses = [Loss(side, len(kinds) - back, is_silent=True) for back in (1, 2, 3)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for outcome, _ in pool.map(read, losses):
            assert outcome == Outcome(DatabaseAway, 1, 0)
