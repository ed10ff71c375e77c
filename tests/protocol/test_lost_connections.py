"""A connection that is lost at each border between two messages, and in the middle of each, in both directions.

Whatever was under way, a transaction has its effect once; only where a COMMIT was sent and its answer never came is
the outcome said to be unknown, and nothing is tried again (docs/adr/0003).
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pg8000
import pytest
from sqlalchemy import make_url, text

from local.settings import HOST
from tests.protocol.relay import Loss, Messages, Side, of, relay
from tests.protocol.test_pipeline import assert_closed
from tests.support.databases import CONSUMER, FreshDatabase, engine_for
from tests.support.transactions import in_transaction
from wellspring.access.principal import SERVICE_SCOPE
from wellspring.database import Transaction
from wellspring.database.flush import Statement, execute_pipelined
from wellspring.database.pipeline import PipelinedConnection
from wellspring.errors import DatabaseAway, OutcomeUnknown, ServiceUnavailable

pytestmark = pytest.mark.long

ADD = text("INSERT INTO wellspring.sync_messages (message_id) VALUES (uuidv7()) RETURNING CAST(:value AS text)")
SCOPE = text("SELECT current_setting('wellspring.scope')")
COUNT = "SELECT count(*) FROM wellspring.sync_messages"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one transaction: what it raised, how often its work began, and how many rows there are more."""

    raised: type[Exception] | None
    tries: int
    rows: int


def one_by_one(transaction: Transaction) -> None:
    assert transaction.execute(ADD, {"value": "x"}).scalar_one() == "x"
    assert transaction.execute(SCOPE).scalar_one() == SERVICE_SCOPE


def in_one_flush(transaction: Transaction) -> None:
    added, scope = execute_pipelined(transaction, [Statement(ADD, {"value": "x"}), Statement(SCOPE)])
    assert (added.scalar_one(), scope.scalar_one()) == ("x", SERVICE_SCOPE)


@pytest.fixture(params=[one_by_one, in_one_flush])
def outcome_of(
    request: pytest.FixtureRequest, fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Loss | None], tuple[Outcome, Messages]]:
    """Run a transaction of two statements, on a connection made for it, with a loss."""
    server = make_url(fresh_database.url)

    def rows() -> int:
        found = int(fresh_database.owner.exec_driver_sql(COUNT).scalar_one())
        fresh_database.owner.commit()
        return found

    def run(loss: Loss | None) -> tuple[Outcome, Messages]:
        tries: list[None] = []
        before = rows()

        def work(transaction: Transaction) -> None:
            tries.append(None)
            request.param(transaction)

        raised: type[Exception] | None = None
        with relay((server.host or "", server.port or 0), loss) as between:
            through = server.set(port=between.port).render_as_string(hide_password=False)
            engine = engine_for(through, user=CONSUMER)
            monkeypatch.setattr("wellspring.database.scope.connection", engine.connect)
            try:
                in_transaction(work, SERVICE_SCOPE)
            except ServiceUnavailable as error:
                raised = type(error)
            # Read now: a connection that is closed says goodbye.
            messages = [list(connection) for connection in between.messages]
            engine.dispose()
        return Outcome(raised, len(tries), rows() - before), messages

    return run


type Run = Callable[[Loss | None], tuple[Outcome, Messages]]


@pytest.mark.parametrize("where", ["between", "within"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_a_transaction_has_its_effect_once_wherever_its_connection_is_lost(
    outcome_of: Run, side: Side, where: str
) -> None:
    whole, messages = outcome_of(None)
    assert whole == Outcome(None, 1, 1)
    kinds = of(side, messages[0])
    # The commit: one message of the client's, and CommandComplete and ReadyForQuery in return.
    ending = {"client": ["Q"], "server": ["C", "Z"]}[side]
    assert kinds[-len(ending) :] == ending
    certain = len(kinds) - len(ending)
    for after in range(certain):
        outcome, messages = outcome_of(Loss(side, after, halved=where == "within"))
        # Where it was lost before the work began, the work begins once.
        assert (outcome.raised, outcome.rows, len(messages)) == (None, 1, 2), (after, kinds[after])
        assert outcome.tries in {1, 2}
    for after in range(certain, len(kinds)):
        outcome, messages = outcome_of(Loss(side, after, halved=where == "within"))
        done = 1 if side == "server" else 0
        assert (outcome, len(messages)) == (Outcome(OutcomeUnknown, 1, done), 1), (after, kinds[after])


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_transaction_whose_second_connection_is_lost_too_has_no_effect(outcome_of: Run, side: Side) -> None:
    _, messages = outcome_of(None)
    _, messages = outcome_of(Loss(side, len(of(side, messages[0])) - 3))
    # SQLAlchemy asks the first connection of an engine more than the second.
    certain = len(of(side, messages[1])) - 2
    for after in (0, certain // 2, certain - 1):
        outcome, messages = outcome_of(Loss(side, after, times=2))
        assert (outcome.raised, outcome.rows, len(messages)) == (DatabaseAway, 0, 2)


def message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


def refusal(severity: str, code: str) -> bytes:
    return message(b"E", f"S{severity}\0C{code}\0Mno\0\0".encode())


IDLE = message(b"Z", b"I")
WELCOME = message(b"R", struct.pack("!i", 0)) + IDLE


@contextmanager
def answering(answer: bytes, *, reset: bool = False) -> Iterator[PipelinedConnection]:
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
        with closing(PipelinedConnection(user="x", sock=dialled, ssl_context=False)) as connection:
            yield connection
        serving.join()


class TestAServerThatIsNoPostgres:
    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"1",
            b"1\0\0\0",
            message(b"1"),
            message(b"1") + message(b"2"),
            refusal("FATAL", "57P01"),
            refusal("ERROR", "22012"),
            message(b"N", b"SNOTICE\0Mby the way\0\0"),
        ],
        ids=lambda answer: answer[:1].decode() + str(len(answer)),
    )
    @pytest.mark.parametrize("how", ["closed", "reset"])
    def test_and_goes_away_is_a_lost_connection(self, answer: bytes, how: str) -> None:
        with answering(answer, reset=how == "reset") as connection:
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
