"""Several statements in one flush: what is sent, whose answer is whose, and what a failure takes with it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, bindparam, column, func, select, text, values
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound, ProgrammingError

from tests.support.databases import FreshDatabase, engine_for
from wellspring.database.flush import Asked, together
from wellspring.database.pipeline import PipelinedConnection
from wellspring.models.infrastructure import idempotency_keys

BEGIN = AHEAD = COMMIT = "PBE"
STATEMENT = "PBDE"
SYNC = "S"
SIMPLE = "Q"
ECHO = text("SELECT CAST(:value AS text) AS value")
KEY = text("INSERT INTO wellspring.idempotency_keys (caller, key, fingerprint, answer) VALUES ('me', :key, '', '')")
KEYS = text("SELECT count(*) FROM wellspring.idempotency_keys")
MANY = 20_000_000


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


def driver_of(transaction: Connection) -> PipelinedConnection:
    driver = transaction.connection.dbapi_connection
    assert isinstance(driver, PipelinedConnection)
    return driver


def still_answers(transaction: Connection) -> bool:
    """Say whether each of the next questions gets the answer that belongs to it."""
    transaction.rollback()
    answers = [transaction.execute(ECHO, {"value": str(number)}).scalar_one() for number in range(3)]
    transaction.rollback()
    return answers == ["0", "1", "2"]


def test_statements_leave_in_one_flush_with_what_begins_the_transaction(
    transaction: Connection, flushes: list[str]
) -> None:
    driver_of(transaction).ahead("SELECT wellspring.enter($1)", ("service",))
    scope = text("SELECT current_setting('wellspring.scope')")
    first, second = together(transaction, [Asked(ECHO, {"value": "one"}), Asked(scope)])
    transaction.commit()
    assert (first.scalar_one(), second.scalar_one()) == ("one", "service")
    assert flushes == [BEGIN + AHEAD + STATEMENT + STATEMENT + SYNC, SIMPLE]


@pytest.mark.parametrize("number", [0, 1])
def test_none_and_one_need_no_flush_of_their_own(transaction: Connection, flushes: list[str], number: int) -> None:
    results = together(transaction, [Asked(ECHO, {"value": "one"})] * number)
    assert [result.scalar_one() for result in results] == ["one"] * number
    assert len(flushes) == number


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_last_of_a_transaction_that_only_reads_end_it(
    transaction: Connection, flushes: list[str], number: int
) -> None:
    driver_of(transaction).is_snapshot = True
    results = together(transaction, [Asked(ECHO, {"value": "one"})] * number, is_last=True)
    assert [result.scalar_one() for result in results] == ["one"] * number
    transaction.commit()
    assert flushes == [BEGIN + STATEMENT * number + COMMIT + SYNC]
    assert still_answers(transaction)


def test_those_that_are_not_the_last_of_it_do_not(transaction: Connection, flushes: list[str]) -> None:
    driver_of(transaction).is_snapshot = True
    together(transaction, [Asked(ECHO, {"value": "one"})], is_last=False)
    together(transaction, [Asked(ECHO, {"value": "one"})] * 2, is_last=True)
    transaction.commit()
    assert flushes == [BEGIN + STATEMENT + SYNC, STATEMENT + STATEMENT + COMMIT + SYNC]


@pytest.mark.parametrize("number", [1, 2])
def test_what_is_asked_behind_the_last_is_refused(transaction: Connection, flushes: list[str], number: int) -> None:
    driver_of(transaction).is_snapshot = True
    together(transaction, [Asked(ECHO, {"value": "one"})] * number, is_last=True)
    for more in ([Asked(ECHO, {"value": "two"})], [Asked(text("SET LOCAL work_mem = '1MB'"))] * 2):
        with pytest.raises(RuntimeError, match="the transaction has ended"):
            together(transaction, more)
    assert len(flushes) == 1
    assert still_answers(transaction)


def test_a_failure_of_the_last_is_rolled_back(transaction: Connection, flushes: list[str]) -> None:
    driver_of(transaction).is_snapshot = True
    with pytest.raises(DBAPIError):
        together(transaction, [Asked(ECHO, {"value": "one"}), Asked(text("SELECT 1/0"))], is_last=True)
    transaction.rollback()
    assert flushes == [BEGIN + STATEMENT + STATEMENT + COMMIT + SYNC, SIMPLE]
    assert still_answers(transaction)


def test_each_result_is_what_it_is_alone(transaction: Connection) -> None:
    listed = values(column("n"), name="listed").data([(1,), (2,)])
    asked = [
        Asked(text("SELECT n FROM generate_series(1, CAST(:most AS int)) AS n"), {"most": 2500}),
        Asked(KEY, {"key": "a"}),
        Asked(KEYS),
        Asked(text("SELECT 1 WHERE false")),
        Asked(
            text("UPDATE wellspring.idempotency_keys SET answer = 'x' WHERE key = ANY (:keys)"), {"keys": ["a", "b"]}
        ),
        Asked(select(idempotency_keys).where(idempotency_keys.c.key.in_(bindparam("k", expanding=True))), {"k": ["a"]}),
        Asked(select(func.uuidv7().label("id"), listed.c.n)),
        Asked(text("SELECT now(), CAST('{\"a\": [1]}' AS jsonb), 1.5, NULL")),
    ]
    many, added, counted, none, updated, selected, ids, kinds = together(transaction, asked)
    assert many.scalars().all() == list(range(1, 2501))
    assert (added.rowcount, counted.scalar_one(), none.all(), updated.rowcount) == (1, 1, [], 1)
    assert selected.mappings().one()["answer"] == "x"
    assert [row.n for row in ids] == [1, 2]
    alone = asked[-1].run(transaction).one()
    assert kinds.one() == alone
    assert still_answers(transaction)


def test_the_same_statement_twice_has_two_answers(transaction: Connection) -> None:
    results = together(transaction, [Asked(ECHO, {"value": str(number)}) for number in range(50)])
    assert [result.scalar_one() for result in results] == [str(number) for number in range(50)]


def test_a_statement_sees_what_the_ones_before_it_wrote(transaction: Connection) -> None:
    asked = [Asked(KEYS), Asked(KEY, {"key": "a"}), Asked(KEYS), Asked(KEY, {"key": "b"}), Asked(KEYS)]
    results = together(transaction, asked)
    assert [results[number].scalar_one() for number in (0, 2, 4)] == [0, 1, 2]


@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize(
    ("statement", "state"), [("SELECT 1 / CAST(:n AS int)", "22012"), ("SELECT :n FROM nowhere", "42P01")]
)
def test_the_first_failure_is_that_of_all(
    transaction: Connection, fresh_database: FreshDatabase, statement: str, state: str, at: int
) -> None:
    asked = [Asked(KEY, {"key": "a"}), Asked(KEY, {"key": "b"})]
    asked.insert(at, Asked(text(statement), {"n": 0}))
    with pytest.raises(ProgrammingError) as caught:
        together(transaction, asked)
    assert caught.value.orig is not None
    assert caught.value.orig.args[0]["C"] == state
    # The statement that failed is told, not the first or the last.
    assert caught.value.statement is not None
    assert caught.value.statement.startswith("SELECT")
    with pytest.raises(ProgrammingError) as caught:
        transaction.execute(KEYS)
    assert still_answers(transaction)
    assert fresh_database.owner.execute(KEYS).scalar_one() == 0


def test_a_violated_constraint_has_its_class(transaction: Connection) -> None:
    with pytest.raises(IntegrityError, match="pk_idempotency_keys"):
        together(transaction, [Asked(KEY, {"key": "a"}), Asked(KEY, {"key": "a"}), Asked(KEYS)])
    assert still_answers(transaction)


def test_what_is_ahead_and_fails_keeps_all_of_them_from_running(
    transaction: Connection, fresh_database: FreshDatabase
) -> None:
    driver_of(transaction).ahead("SELECT 1/0")
    with pytest.raises(ProgrammingError):
        together(transaction, [Asked(KEY, {"key": "a"}), Asked(KEYS)])
    assert still_answers(transaction)
    assert fresh_database.owner.execute(KEYS).scalar_one() == 0


def test_a_value_that_cannot_be_sent_sends_nothing(transaction: Connection, flushes: list[str]) -> None:
    with pytest.raises(UnicodeEncodeError):
        together(transaction, [Asked(KEY, {"key": "a"}), Asked(ECHO, {"value": "\ud800"})])
    assert flushes == []
    assert still_answers(transaction)


def test_two_statements_in_one_text_are_refused(transaction: Connection, flushes: list[str]) -> None:
    with pytest.raises(DBAPIError, match="several statements"):
        together(transaction, [Asked(KEYS), Asked(text("SELECT 1; SELECT 2"))])
    assert flushes == []
    assert still_answers(transaction)


def test_a_result_that_is_none_leaves_nothing_behind(transaction: Connection) -> None:
    first, _ = together(transaction, [Asked(text("SELECT 1 WHERE false")), Asked(ECHO, {"value": "x"})])
    with pytest.raises(NoResultFound):
        first.one()
    assert still_answers(transaction)


def test_long_answers_and_long_questions_do_not_wait_for_each_other(transaction: Connection) -> None:
    # The server answers the first while the second is being sent: both are longer than what the sockets hold.
    value = "x" * MANY
    asked = [
        Asked(text("SELECT repeat('y', CAST(:size AS int))"), {"size": MANY}),
        Asked(text("SELECT length(CAST(:value AS text))"), {"value": value}),
        Asked(ECHO, {"value": value}),
    ]
    first, second, third = together(transaction, asked)
    assert (len(first.scalar_one()), second.scalar_one(), len(third.scalar_one())) == (MANY, MANY, MANY)
    assert still_answers(transaction)


def test_another_statement_than_the_next_gets_no_answer(transaction: Connection) -> None:
    driver = driver_of(transaction)
    with driver.collecting() as questions:
        for number in range(2):
            transaction.execute(ECHO, {"value": str(number)})
    driver.together(questions)
    with pytest.raises(DBAPIError, match="another statement"):
        transaction.execute(ECHO, {"value": "1"})
    assert still_answers(transaction)
