"""A connection that is lost or goes silent, at each border between two messages and in the middle of each, both ways.

Whatever was under way, a transaction has its effect once; only where a COMMIT was sent and its answer never came is
the outcome said to be unknown, and nothing is tried again (docs/adr/0003). Nobody waits beyond the deadline, and the
next one finds the database.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pg8000
import pytest
from sqlalchemy import CursorResult, Engine, make_url, text

from local.settings import HOST
from tests.protocol.relay import Loss, Messages, Side, of, relay
from tests.protocol.test_pipeline import assert_closed
from tests.support.databases import WRITER, FreshDatabase, engine_for
from wellspring.access.principal import SERVICE_SCOPE
from wellspring.database import Deadline, Transaction, in_transaction
from wellspring.database.flush import Statement, execute_pipelined
from wellspring.database.pipeline import PipelinedConnection as Driver
from wellspring.errors import DatabaseAway, OutcomeUnknown, ServiceUnavailable

pytestmark = pytest.mark.long

ADD = text("INSERT INTO wellspring.sync_inbox (message_id) VALUES (:id)")
LOOK = text("SELECT count(*), current_setting('wellspring.scope') FROM wellspring.sync_inbox WHERE message_id = :id")
# Long enough for whatever is not silent, on a machine that does other things too; and what is waited for in silence.
SECONDS, SILENT_SECONDS = 20.0, 1.5
AT_ONCE = 12
each_side = pytest.mark.parametrize("side", ["client", "server"])
each_place = pytest.mark.parametrize("halved", [False, True], ids=["between", "within"])
each_way = pytest.mark.parametrize("is_silent", [False, True], ids=["lost", "silent"])

type Work = Callable[[Transaction, UUID], None]


def sees(found: CursorResult[Any], rows: int) -> None:
    assert tuple(found.one()) == (rows, SERVICE_SCOPE)


def writes_one_by_one(transaction: Transaction, id_: UUID) -> None:
    transaction.execute(ADD, {"id": id_})
    sees(transaction.execute(LOOK, {"id": id_}), 1)


def writes_in_one_flush(transaction: Transaction, id_: UUID) -> None:
    _, found = execute_pipelined(transaction, [Statement(ADD, {"id": id_}), Statement(LOOK, {"id": id_})])
    sees(found, 1)


def reads(transaction: Transaction, id_: UUID) -> None:
    sees(transaction.execute(LOOK, {"id": id_}), 0)


def reads_in_its_last_flush(statements: int, transaction: Transaction, id_: UUID) -> None:
    for found in execute_pipelined(transaction, [Statement(LOOK, {"id": id_})] * statements, is_last=True):
        sees(found, 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one transaction: what it raised, how often its work began, and how many rows there are more."""

    raised: type[Exception] | None
    tries: int
    rows: int


class Runner:
    """Runs a transaction on a connection made for it, and then looks for what it left."""

    def __init__(self, database: FreshDatabase) -> None:
        self._server = make_url(database.url)
        self._own = threading.local()

    def connection(self) -> object:
        """Stand in for `scope.connection`, each thread with an engine of its own."""
        engine: Engine = self._own.engine
        return engine.connect()

    def run(self, work: Work, loss: Loss | None = None, *, is_read: bool = False) -> tuple[Outcome, Messages]:
        tries: list[None] = []
        id_ = uuid4()

        def tried(transaction: Transaction) -> None:
            tries.append(None)
            work(transaction, id_)

        raised: type[Exception] | None = None
        with relay((self._server.host or "", self._server.port or 0), loss) as between:
            through = self._server.set(port=between.port).render_as_string(hide_password=False)
            self._own.engine = engine_for(through, user=WRITER)
            try:
                seconds = SILENT_SECONDS if loss is not None and loss.is_silent else SECONDS
                in_transaction(tried, SERVICE_SCOPE, deadline=Deadline(seconds), is_read=is_read)
            except ServiceUnavailable as error:
                raised = type(error)
            # Read now: what comes next asks, too, and a connection that is closed says goodbye.
            messages = [list(connection) for connection in between.messages]
            left = in_transaction(lambda again: again.execute(LOOK, {"id": id_}).one()[0], deadline=Deadline(SECONDS))
            self._own.engine.dispose()
        return Outcome(raised, len(tries), left), messages

    def losing(
        self, work: Work, losses: list[Loss], *, is_read: bool = False
    ) -> Iterator[tuple[Loss, Outcome, Messages]]:
        """Yield what becomes of it by each of the losses."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for loss, ran in zip(losses, pool.map(partial(self.run, work, is_read=is_read), losses), strict=True):
                yield loss, *ran


@pytest.fixture
def runner(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Runner:
    given = Runner(fresh_database)
    monkeypatch.setattr("wellspring.database.scope.connection", given.connection)
    return given


@each_way
@each_place
@each_side
@pytest.mark.parametrize("work", [writes_one_by_one, writes_in_one_flush])
def test_a_transaction_has_its_effect_once_or_none_wherever_its_connection_is_lost(
    runner: Runner, work: Work, side: Side, *, halved: bool, is_silent: bool
) -> None:
    whole, messages = runner.run(work)
    assert whole == Outcome(None, 1, 1)
    kinds = of(side, messages[0])
    # The commit: one message of the client's, and CommandComplete and ReadyForQuery in return.
    ending = {"client": ["Q"], "server": ["C", "Z"]}[side]
    assert kinds[-len(ending) :] == ending
    losses = [Loss(side, after, halved=halved, is_silent=is_silent) for after in range(len(kinds))]
    for loss, outcome, messages in runner.losing(work, losses):
        if loss.after >= len(kinds) - len(ending):
            # Of a COMMIT that was sent, one arrived and the other did not; nothing is tried again.
            assert outcome == Outcome(OutcomeUnknown, 1, 1 if side == "server" else 0), loss
            assert len(messages) == 1 or is_silent, loss
        elif is_silent:
            assert (outcome.raised, outcome.rows, outcome.tries in {0, 1}) == (DatabaseAway, 0, True), loss
        else:
            # Where it was lost before the work began, the work begins once.
            assert (outcome.raised, outcome.rows, len(messages)) == (None, 1, 2), loss
            assert outcome.tries in {1, 2}


@each_side
@pytest.mark.parametrize("work", [writes_one_by_one, writes_in_one_flush])
def test_a_transaction_whose_second_connection_is_lost_too_has_no_effect(
    runner: Runner, work: Work, side: Side
) -> None:
    _, messages = runner.run(work)
    _, messages = runner.run(work, Loss(side, len(of(side, messages[0])) - 3))
    # SQLAlchemy asks the first connection of an engine more than the second.
    certain = len(of(side, messages[1])) - 2
    for after in (0, certain // 2, certain - 1):
        outcome, messages = runner.run(work, Loss(side, after, times=2))
        assert (outcome.raised, outcome.rows, len(messages)) == (DatabaseAway, 0, 2)


@each_way
@each_side
def test_a_read_whose_commit_is_lost_has_read_what_it_read(runner: Runner, side: Side, *, is_silent: bool) -> None:
    _, messages = runner.run(reads, is_read=True)
    for back in range(1, {"client": 1, "server": 2}[side] + 1):
        loss = Loss(side, len(of(side, messages[0])) - back, is_silent=is_silent)
        assert runner.run(reads, loss, is_read=True)[0] == Outcome(None, 1, 0)


@each_place
@each_side
@pytest.mark.parametrize("statements", [1, 2])
def test_a_read_whose_connection_is_lost_is_read_once_more(
    runner: Runner, side: Side, statements: int, *, halved: bool
) -> None:
    """COMMIT goes with the last statements, and as long as its answer has not come nothing was read."""
    work = partial(reads_in_its_last_flush, statements)
    whole, messages = runner.run(work, is_read=True)
    assert whole == Outcome(None, 1, 0)
    kinds = of(side, messages[0])
    assert kinds[-1] == {"client": "S", "server": "Z"}[side]
    losses = [Loss(side, after, halved=halved) for after in range(len(kinds))]
    for loss, outcome, messages in runner.losing(work, losses, is_read=True):
        assert (outcome.raised, outcome.rows, len(messages)) == (None, 0, 2), loss
        # Where it was lost before the work began, the work begins once.
        assert outcome.tries == 2 or (outcome.tries == 1 and loss.after < len(kinds) - 3 * (statements + 2)), loss


@each_side
def test_a_read_whose_connection_goes_silent_with_its_last_flush_is_unavailable(runner: Runner, side: Side) -> None:
    work = partial(reads_in_its_last_flush, 2)
    _, messages = runner.run(work, is_read=True)
    losses = [Loss(side, len(of(side, messages[0])) - back, is_silent=True) for back in (1, 2, 3)]
    for _, outcome, _ in runner.losing(work, losses, is_read=True):
        assert outcome == Outcome(DatabaseAway, 1, 0)


def message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


def refusal(severity: str, code: str) -> bytes:
    return message(b"E", f"S{severity}\0C{code}\0Mno\0\0".encode())


IDLE = message(b"Z", b"I")
WELCOME = message(b"R", struct.pack("!i", 0)) + IDLE


@contextmanager
def answering(answer: bytes, *, reset: bool = False) -> Iterator[Driver]:
    """Give a connection to a server that answers the first flush with these bytes and is gone; by RST where `reset`."""

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(WELCOME)
            client.recv(65536)
            client.sendall(answer)
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server((HOST, 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        dialled = socket.create_connection(listener.getsockname())
        with closing(Driver(user="x", sock=dialled, ssl_context=False)) as connection:
            yield connection
        serving.join()


class TestAServerThatIsNoPostgres:
    @pytest.mark.parametrize("reset", [False, True])
    def test_and_goes_away_is_a_lost_connection(self, *, reset: bool) -> None:
        with answering(b"", reset=reset) as connection:
            with pytest.raises(pg8000.InterfaceError, match=r"^network error$"):
                connection.cursor().execute("SELECT %s", (1,))
            assert_closed(connection)

    def test_and_refuses_what_is_ahead_has_refused_the_statement(self) -> None:
        # So does a pooler that has no server to lend: in one answer, for all that came before the Sync.
        with answering(refusal("ERROR", "08000") + IDLE) as connection:
            connection.session.ahead("SELECT 1")
            with pytest.raises(pg8000.DatabaseError) as caught:
                connection.cursor().execute("SELECT %s", (1,))
            assert caught.value.args[0]["C"] == "08000"
            connection.rollback()

    def test_and_says_what_nobody_knows_is_left(self) -> None:
        with answering(message(b"!") + IDLE) as connection:
            with pytest.raises(KeyError):
                connection.cursor().execute("SELECT %s", (1,))
            assert_closed(connection)
