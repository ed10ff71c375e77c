"""Several statements in one flush: what is sent, whose answer is whose, and what a failure takes with it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, bindparam, column, func, select, text, values
from sqlalchemy.exc import DatabaseError, DBAPIError

from tests.protocol.test_pipeline import AHEAD, BEGIN, COMMIT, SIMPLE, STATEMENT, SYNC
from tests.support.databases import FreshDatabase, engine_for
from tests.support.wire import Flushes
from wellspring.database.flush import Statement, execute_pipelined
from wellspring.database.session import session_of
from wellspring.models.infrastructure import idempotency_keys

# Each of them with pipelining, and without.
pytestmark = pytest.mark.usefixtures("pipelining")

ECHO = text("SELECT CAST(:value AS text) AS value")
KEY = text("INSERT INTO wellspring.idempotency_keys (caller, key, fingerprint, answer) VALUES ('me', :key, '', '')")
KEYS = text("SELECT count(*) FROM wellspring.idempotency_keys")


@pytest.fixture
def transaction(fresh_database: FreshDatabase) -> Iterator[Connection]:
    """A transaction of the owner's, that nothing was asked in yet."""
    engine = engine_for(fresh_database.url)
    with engine.connect() as connection:
        # What SQLAlchemy asks a new connection, and an engine its first transaction.
        connection.begin()
        connection.rollback()
        yield connection
    engine.dispose()


def still_answers(transaction: Connection) -> bool:
    """Say whether each of the next questions gets the answer that belongs to it."""
    transaction.rollback()
    answers = [transaction.execute(ECHO, {"value": str(number)}).scalar_one() for number in range(3)]
    transaction.rollback()
    return answers == ["0", "1", "2"]


def test_statements_leave_in_one_flush_with_what_begins_the_transaction(
    transaction: Connection, flushes: Flushes
) -> None:
    session_of(transaction).ahead("SELECT wellspring.enter($1)", "service")
    scope = text("SELECT current_setting('wellspring.scope')")
    first, second = execute_pipelined(transaction, [Statement(ECHO, {"value": "one"}), Statement(scope)])
    transaction.commit()
    assert (first.scalar_one(), second.scalar_one()) == ("one", "service")
    assert flushes == [BEGIN + AHEAD + STATEMENT + STATEMENT + SYNC, SIMPLE]


def test_the_last_of_a_transaction_that_only_reads_end_it_and_no_others(
    transaction: Connection, flushes: Flushes
) -> None:
    session_of(transaction).begin(is_read=True)
    execute_pipelined(transaction, [Statement(ECHO, {"value": "one"})], is_last=False)
    results = execute_pipelined(transaction, [Statement(ECHO, {"value": "two"})] * 2, is_last=True)
    assert [result.scalar_one() for result in results] == ["two", "two"]
    transaction.commit()
    assert flushes == [BEGIN + STATEMENT + SYNC, STATEMENT + STATEMENT + COMMIT + SYNC]
    assert still_answers(transaction)


def test_a_failure_of_the_last_is_rolled_back(transaction: Connection, flushes: Flushes, pipelining: str) -> None:
    session_of(transaction).begin(is_read=True)
    with pytest.raises(DBAPIError):
        execute_pipelined(transaction, [Statement(ECHO, {"value": "one"}), Statement(text("SELECT 1/0"))], is_last=True)
    transaction.rollback()
    assert flushes == [BEGIN + STATEMENT + STATEMENT + COMMIT * (pipelining == "true") + SYNC, SIMPLE]
    assert still_answers(transaction)


def test_each_result_is_what_it_is_alone(transaction: Connection) -> None:
    listed = values(column("n"), name="listed").data([(1,), (2,)])
    asked = [
        Statement(text("SELECT n FROM generate_series(1, CAST(:most AS int)) AS n"), {"most": 2500}),
        Statement(KEY, {"key": "a"}),
        Statement(KEYS),
        Statement(text("SELECT 1 WHERE false")),
        Statement(
            text("UPDATE wellspring.idempotency_keys SET answer = 'x' WHERE key = ANY (:keys)"), {"keys": ["a", "b"]}
        ),
        Statement(select(idempotency_keys).where(idempotency_keys.c.key == bindparam("k")), {"k": "a"}),
        Statement(select(func.uuidv7().label("id"), listed.c.n)),
        Statement(text("SELECT now(), CAST('{\"a\": [1]}' AS jsonb), 1.5, NULL")),
    ]
    many, added, counted, none, updated, selected, ids, kinds = execute_pipelined(transaction, asked)
    assert many.scalars().all() == list(range(1, 2501))
    assert (added.rowcount, counted.scalar_one(), none.all(), updated.rowcount) == (1, 1, [], 1)
    assert selected.mappings().one()["answer"] == "x"
    assert [row.n for row in ids] == [1, 2]
    alone = asked[-1].run(transaction).one()
    assert kinds.one() == alone
    assert still_answers(transaction)


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize(
    ("statement", "state"), [("SELECT 1 / CAST(:n AS int)", "22012"), ("SELECT :n FROM nowhere", "42P01")]
)
def test_the_first_failure_is_that_of_all(
    transaction: Connection, fresh_database: FreshDatabase, statement: str, state: str, at: int
) -> None:
    asked = [Statement(KEY, {"key": "a"}), Statement(KEY, {"key": "b"})]
    asked.insert(at, Statement(text(statement), {"n": 0}))
    with pytest.raises(DatabaseError) as caught:
        execute_pipelined(transaction, asked)
    assert caught.value.orig is not None
    assert caught.value.orig.args[0]["C"] == state
    # The statement that failed is told, not the first or the last.
    assert caught.value.statement is not None
    assert caught.value.statement.startswith("SELECT")
    with pytest.raises(DatabaseError) as caught:
        transaction.execute(KEYS)
    assert still_answers(transaction)
    assert fresh_database.owner.execute(KEYS).scalar_one() == 0


def test_what_is_ahead_and_fails_keeps_all_of_them_from_running(
    transaction: Connection, fresh_database: FreshDatabase
) -> None:
    session_of(transaction).ahead("SELECT 1/0")
    with pytest.raises(DatabaseError):
        execute_pipelined(transaction, [Statement(KEY, {"key": "a"}), Statement(KEYS)])
    assert still_answers(transaction)
    assert fresh_database.owner.execute(KEYS).scalar_one() == 0


def test_a_value_that_cannot_be_sent_sends_nothing(transaction: Connection, flushes: Flushes) -> None:
    with pytest.raises(UnicodeEncodeError):
        execute_pipelined(transaction, [Statement(KEY, {"key": "a"}), Statement(ECHO, {"value": "\ud800"})])
    assert flushes == []
    assert still_answers(transaction)


def test_two_statements_in_one_text_are_refused(transaction: Connection, flushes: Flushes) -> None:
    with pytest.raises(ValueError, match="several statements"):
        execute_pipelined(transaction, [Statement(KEYS), Statement(text("SELECT 1; SELECT 2"))])
    assert flushes == []
    assert still_answers(transaction)


def test_another_statement_than_the_next_gets_no_answer(transaction: Connection) -> None:
    statements = [Statement(ECHO, {"value": str(number)}).on_the_wire() for number in range(2)]
    with session_of(transaction).pipelined(statements), pytest.raises(DBAPIError, match="another statement"):
        transaction.execute(ECHO, {"value": "1"})
    assert still_answers(transaction)
