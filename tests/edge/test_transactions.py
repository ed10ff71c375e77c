"""The one session scope: commit at the edge, roll back whatever happens. Of lost connections: tests/protocol."""

from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.support.databases import FreshDatabase
from tests.support.transactions import in_transaction
from wellspring.database import Transaction
from wellspring.errors import InternalError, SchemaValidationError, ServiceUnavailable

INSERT = "INSERT INTO wellspring.sync_inbox (message_id) VALUES (uuidv7())"


@pytest.fixture(autouse=True)
def as_writer(fresh_database: FreshDatabase) -> None:
    fresh_database.role = "wellspring_writer"


def rows(database: FreshDatabase) -> int:
    count = database.owner.exec_driver_sql("SELECT count(*) FROM wellspring.sync_inbox").scalar_one()
    database.owner.commit()
    return int(count)


def add(transaction: Transaction) -> None:
    transaction.execute(text(INSERT))


def answer_to(question: str, transaction: Transaction) -> object:
    return transaction.execute(text(question)).scalar_one()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("SELECT CAST(:value AS json)", "9" * 5000),  # no number that Python reads
        ("SELECT CAST(:value AS text)", "\ud800"),  # no UTF-8
    ],
)
def test_what_fails_within_the_driver_leaves_nothing_for_the_next_one(
    fresh_database: FreshDatabase, statement: str, value: str
) -> None:
    with pytest.raises(ValueError, match=r"4300 digits|surrogates"):
        in_transaction(lambda transaction: transaction.execute(text(statement), {"value": value}).all())
    for number in range(3):
        assert in_transaction(partial(answer_to, f"SELECT {number}")) == number


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_raises_is_rolled_back(fresh_database: FreshDatabase, raised: type[BaseException]) -> None:
    def work(transaction: Transaction) -> None:
        add(transaction)
        raise raised

    with pytest.raises(raised):
        in_transaction(work)
    assert rows(fresh_database) == 0


def test_a_connection_lost_while_idle_is_replaced_without_a_word(
    fresh_database: FreshDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    in_transaction(add)
    idle = in_transaction(lambda transaction: int(transaction.execute(text("SELECT pg_backend_pid()")).scalar_one()))
    fresh_database.end(idle)
    in_transaction(add)
    assert (rows(fresh_database), caplog.messages) == (2, [])


def test_a_commit_that_never_began_leaves_nothing_for_the_next_one(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COMMIT that is cancelled before it begins fails as a statement does: the transaction is still there."""

    def fail(driver: Any) -> None:
        driver.cursor().execute("SELECT 1/0")

    with monkeypatch.context() as patched:
        patched.setattr(fresh_database.engine("wellspring_writer").dialect, "do_commit", fail)
        with pytest.raises(SchemaValidationError):
            in_transaction(add)
    in_transaction(add)
    assert rows(fresh_database) == 1


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1/0", SchemaValidationError),
        ("SELECT nothing FROM nowhere", InternalError),
        ("DELETE FROM core_api.workspaces", InternalError),
    ],
)
def test_a_database_error_says_nothing_of_the_database(
    fresh_database: FreshDatabase, statement: str, expected: type[Exception]
) -> None:
    with pytest.raises(expected) as caught:
        in_transaction(lambda transaction: transaction.execute(text(statement)))
    assert not any(word in str(caught.value) for word in ("nowhere", "SELECT", "core_api", "division"))


@pytest.mark.parametrize(("is_read", "tries"), [(True, 2), (False, 1)])
def test_a_read_that_meets_a_serialization_failure_is_tried_once_more(
    fresh_database: FreshDatabase, *, is_read: bool, tries: int
) -> None:
    tried: list[None] = []

    def work(transaction: Transaction) -> None:
        tried.append(None)
        if len(tried) == 1:
            transaction.execute(text("DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$"))

    with nullcontext() if is_read else pytest.raises(ServiceUnavailable):
        in_transaction(work, is_read=is_read)
    assert len(tried) == tries


def test_nothing_is_ever_sent_in_autocommit(fresh_database: FreshDatabase) -> None:
    states: list[bool] = []

    @event.listens_for(fresh_database.engine("wellspring_writer"), "before_cursor_execute")
    def note(connection: Connection, *_: object) -> None:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        states.append(bool(driver.autocommit))

    in_transaction(add)
    assert states == [False]
