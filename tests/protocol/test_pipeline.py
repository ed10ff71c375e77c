"""The pipelining connection before a real server: what it sends, and what it makes of the answers (docs/adr/0019)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pg8000
import pytest
from pg8000 import legacy

from local.postgres import Cluster
from tests.local.stack_process import until
from tests.support.databases import FreshDatabase, Statements, fresh, settings_for
from tests.support.wire import Flushes
from wellspring import plan_cache
from wellspring.database import session
from wellspring.database.pipeline import PipelinedConnection as Driver
from wellspring.database.session import WireStatement
from wellspring.database.wire import Wire

# Each of them with pipelining, and without.
pytestmark = pytest.mark.usefixtures("pipelining")

BEGIN = AHEAD = COMMIT = "PBE"
STATEMENT = "PBDE"
SYNC = "S"
SIMPLE = "Q"
PATIENCE_SECONDS = 20
INBOX = "wellspring.sync_messages"
ADD = f"INSERT INTO {INBOX} (message_id) VALUES (uuidv7())"


@pytest.fixture(scope="module")
def shared(cluster: Cluster, template: str) -> Iterator[FreshDatabase]:
    with fresh(cluster, template, Statements()) as given:
        yield given


@pytest.fixture
def fresh_database(shared: FreshDatabase) -> Iterator[FreshDatabase]:
    """The same for all of them: what they leave behind is in one table."""
    yield shared
    shared.owner.exec_driver_sql(f"TRUNCATE {INBOX} CASCADE")
    shared.commit()


def ask(driver: Driver, statement: str, *values: object) -> list[Any]:
    """Return the rows of a statement; `%s` stands for a value."""
    return list(driver.cursor().execute(statement, values).fetchall())


def run(driver: Driver, statement: str, *values: object) -> legacy.Cursor:
    """Run what has no rows to return."""
    return driver.cursor().execute(statement, values)


def code(caught: pytest.ExceptionInfo[pg8000.Error]) -> str:
    return str(caught.value.args[0]["C"])


def refused(do: Callable[..., object], *given: Any, **named: Any) -> str:
    """Return the SQLSTATE with which the server refuses something."""
    with pytest.raises(pg8000.DatabaseError) as caught:
        do(*given, **named)
    return code(caught)


def assert_closed(driver: Driver) -> None:
    with pytest.raises(pg8000.InterfaceError, match="connection is closed"):
        ask(driver, "SELECT 1")


def still_answers(driver: Driver) -> bool:
    """Say whether each of the next questions gets the answer that belongs to it."""
    driver.rollback()
    answers = [ask(driver, "SELECT CAST(%s AS int)", number) for number in range(3)]
    driver.rollback()
    return answers == [[[0]], [[1]], [[2]]]


def added(other: Driver) -> int:
    return int(ask(other, f"SELECT count(*) FROM {INBOX}")[0][0])


class TestWhatIsSent:
    def test_is_nothing_where_nothing_was_asked(self, driver: Driver, flushes: Flushes) -> None:
        driver.session.ahead("SELECT wellspring.enter($1)", "service")
        driver.commit()
        driver.rollback()
        assert flushes == []

    @pytest.mark.parametrize("end", ["commit", "rollback"])
    def test_ahead_does_not_outlive_the_transaction(self, driver: Driver, end: str) -> None:
        driver.session.ahead("SELECT wellspring.enter($1)", "service")
        getattr(driver, end)()
        assert ask(driver, "SELECT current_setting('wellspring.scope', true)") != [["service"]]

    def test_of_several_statements_in_one_text_waits_for_what_is_ahead(self, driver: Driver, flushes: Flushes) -> None:
        driver.session.ahead("SELECT wellspring.enter($1)", "service")
        assert ask(driver, "SELECT 1; SELECT current_setting('wellspring.scope')") == [[1], ["service"]]
        assert flushes == [BEGIN + AHEAD + SYNC, SIMPLE]

    def test_holds_no_begin_in_autocommit(self, driver: Driver, flushes: Flushes) -> None:
        driver.autocommit = True
        ask(driver, "SELECT %s", "x")
        ask(driver, "SELECT 1")
        assert flushes == [STATEMENT + SYNC, SIMPLE]

    def test_holds_no_begin_once_it_was_sent(self, driver: Driver, flushes: Flushes) -> None:
        ask(driver, "SELECT 1; SELECT 2")
        ask(driver, "SELECT 1")
        assert flushes == [BEGIN + SYNC, SIMPLE, STATEMENT + SYNC]

    def test_is_parsed_for_placeholders_once(
        self, driver: Driver, pipelining: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parsed: list[str] = []
        statement = f"SELECT CAST(%s AS int) AS parsed_once_{pipelining}"

        def convert(style: str, statement: str, values: object) -> Any:
            parsed.append(statement)
            return legacy.convert_paramstyle(style, statement, values)

        monkeypatch.setattr(plan_cache, "convert_paramstyle", convert)
        for number in range(3):
            assert ask(driver, statement, number) == [[number]]
        assert parsed == [statement]


# What pg8000 itself makes of these is what SQLAlchemy's dialect was written for.
QUESTIONS: list[tuple[str, tuple[object, ...]]] = [
    ("SELECT 1, 'a', NULL, true, 1.5, 2::float8, '\\x00ff'::bytea", ()),
    ("SELECT CAST(%s AS text), CAST(%s AS int), CAST(%s AS uuid)", (None, 7, "0198f3a0-0000-7000-8000-000000000000")),
    ("SELECT CAST(%s AS bytea)", (b"\x00\xff",)),
    ("SELECT CAST(%s AS int[]), CAST(%s AS text[])", ([1, None, 3], ["a", None, 'quo"te', "NULL", "{,}"])),
    ("SELECT '{\"a\": [1, null]}'::jsonb, '[]'::json, '1 day 02:03:04'::interval, '2026-05-10'::date", ()),
    ("SELECT 'input'::core_api.direction_enum, '10.0.0.1'::inet, '(1,2)'::point, NULL::uuid", ()),
    ("SELECT '', ' ', 'é\U0001f600'", ()),
    ("SELECT 'is ; and %%', %s", ("%s",)),
    ("SELECT 'a;b' AS semicolon", ()),
    ("SELECT", ()),
    ("SELECT WHERE false", ()),
    ("SELECT 1 WHERE false", ()),
    ("", ()),
    (";", ()),
    ("SELECT generate_series(1, 3)", ()),
    ("SELECT 1; SELECT 'two' AS b, 3", ()),
    (ADD, ()),
    (f"{ADD} RETURNING 1, %s", ("x",)),
    (f"INSERT INTO {INBOX} (message_id) SELECT uuidv7() FROM generate_series(1, %s)", (4,)),
    (f"UPDATE {INBOX} SET message_id = message_id WHERE %s", (False,)),
    (f"DELETE FROM {INBOX}", ()),
    ("SAVEPOINT here", ()),
    ("CREATE TEMPORARY TABLE made (a int) ON COMMIT DROP", ()),
    ("SHOW server_encoding", ()),
    ("EXPLAIN (COSTS off) SELECT %s", ("x",)),
    ("VALUES (1, %s), (2, NULL)", ("one",)),
]


@pytest.fixture
def reading(driver: Driver) -> Driver:
    """A connection whose next transaction only reads."""
    driver.session.begin(is_read=True)
    return driver


def ask_last(driver: Driver, statement: str, *values: object) -> list[Any]:
    """Ask what is the last of its transaction."""
    return list(run_last(driver, statement, *values).fetchall())


def run_last(driver: Driver, statement: str, *values: object) -> legacy.Cursor:
    with driver.session.pipelined([WireStatement(statement, values)], is_last=True):
        return run(driver, statement, *values)


class TestTheLastOfATransactionThatOnlyReads:
    def test_takes_the_commit_with_it(self, reading: Driver, flushes: Flushes) -> None:
        reading.session.ahead("SELECT wellspring.enter($1)", "service")
        assert ask_last(reading, "SELECT current_setting(%s)", "wellspring.scope") == [["service"]]
        reading.commit()
        assert flushes == [BEGIN + AHEAD + STATEMENT + COMMIT + SYNC]
        # Neither the transaction nor what was said for it is there any more.
        assert ask(reading, "SELECT current_setting('wellspring.scope', true)") != [["service"]]
        assert still_answers(reading)

    def test_leaves_one_that_may_write_to_whoever_ends_it(
        self, driver: Driver, other: Driver, flushes: Flushes
    ) -> None:
        run_last(driver, ADD)
        assert added(other) == 0
        # It is the next one that only reads.
        driver.session.begin(is_read=True)
        run_last(driver, ADD)
        driver.rollback()
        assert added(other) == 0
        assert flushes == [BEGIN + STATEMENT + SYNC, SIMPLE, STATEMENT + SYNC, SIMPLE, SIMPLE]

    @pytest.mark.parametrize("end", ["commit", "rollback"])
    def test_is_not_followed_by_another(self, reading: Driver, flushes: Flushes, end: str) -> None:
        ask_last(reading, "SELECT 1")
        for text in ("SELECT 2", "SELECT 2; SELECT 3"):
            with pytest.raises(RuntimeError, match="the transaction has ended"):
                ask(reading, text)
        assert flushes == [BEGIN + STATEMENT + COMMIT + SYNC]
        getattr(reading, end)()
        assert still_answers(reading)

    # One by one, COMMIT is not sent before the answer was read: the scope gives the connection up.
    @pytest.mark.parametrize("pipelining", ["true"], indirect=True)
    def test_is_not_followed_by_another_where_its_answer_could_not_be_read(
        self, reading: Driver, flushes: Flushes
    ) -> None:
        with pytest.raises(ValueError, match="4300 digits"):
            ask_last(reading, "SELECT CAST(%s AS json)", "9" * 5000)
        with pytest.raises(RuntimeError, match="the transaction has ended"):
            ask(reading, "SELECT 2")
        assert flushes == [BEGIN + STATEMENT + COMMIT + SYNC]
        assert still_answers(reading)

    def test_counts_its_own_rows(self, reading: Driver) -> None:
        cursor = run_last(reading, "SELECT g FROM generate_series(1, 3) AS g")
        assert (cursor.rowcount, list(cursor.fetchall())) == (3, [[1], [2], [3]])


class TestWhatIsUnderstood:
    @pytest.mark.parametrize(("statement", "values"), QUESTIONS)
    def test_is_what_pg8000_understands(
        self, fresh_database: FreshDatabase, driver: Driver, statement: str, values: tuple[object, ...]
    ) -> None:
        def seen(connection: legacy.Connection) -> tuple[object, ...]:
            cursor = connection.cursor()
            cursor.execute(statement, values)
            return cursor.description, cursor.rowcount, list(cursor._row_iter)

        settings = settings_for(fresh_database.url)
        plain = legacy.connect(
            settings.db_user,
            host=settings.db_host,
            port=settings.db_port,
            database=settings.db_name,
            password=settings.db_password,
            ssl_context=False,
        )
        with closing(plain):
            expected = seen(plain)
        assert seen(driver) == expected
        assert still_answers(driver)

    @pytest.mark.parametrize("size", [0, 1, 8191, 8192, 8193, 8_000_000])
    def test_is_a_value_of_any_size(self, driver: Driver, size: int) -> None:
        value = "é" * (size // 2) + "x" * (size % 2)
        assert ask(driver, "SELECT CAST(%s AS text), 1", value) == [[value, 1]]

    def test_is_what_the_server_says_unasked(self, driver: Driver, other: Driver) -> None:
        run(driver, "LISTEN news")
        driver.commit()
        run(other, "NOTIFY news, 'there is some'")
        run(driver, "DO $$ BEGIN RAISE NOTICE 'by the way'; END $$")
        assert ask(driver, "SELECT %s", "asked") == [["asked"]]
        driver.commit()
        assert [notice[b"M"] for notice in driver.notices] == [b"by the way"]
        assert ask(driver, "SELECT %s", "asked") == [["asked"]]
        assert [(channel, text) for _, channel, text in driver.notifications] == [("news", "there is some")]


def test_nothing_is_run_by_a_cursor_that_is_closed(driver: Driver) -> None:
    cursor = driver.cursor()
    cursor.close()
    with pytest.raises(pg8000.InterfaceError, match="Cursor closed"):
        cursor.execute("SELECT 1")


class TestAFailure:
    @pytest.mark.parametrize(
        ("statement", "values", "expected"),
        [
            ("SELEC %s", ("x",), "42601"),
            ("SELECT nothing FROM nowhere", (), "42P01"),
            ("SELECT %s + now()", ("x",), "22007"),
            ("SELECT CAST(%s AS uuid)", ("no uuid",), "22P02"),
            ("SELECT CAST(%s AS text)", ("nul \x00 within",), "22021"),
            ("SELECT $1::int", (), "08P01"),
            ("SELECT 1 / CAST(%s AS int)", (0,), "22012"),
            ("SELECT 10 / (3 - n) FROM generate_series(1, %s) AS n", (5,), "22012"),
            ("SELECT 1; SELECT 1/0; SELECT 3", (), "22012"),
            (f"SELECT ROW({', '.join(['1'] * 1700)})", (), "54011"),
        ],
    )
    def test_is_told_and_leaves_nothing_behind(
        self, driver: Driver, statement: str, values: tuple[object, ...], expected: str
    ) -> None:
        assert refused(ask, driver, statement, *values) == expected
        assert still_answers(driver)

    @pytest.mark.parametrize("statement", ["SELECT $1::int", "SELECT nothing", "SELECT 1/0"])
    def test_of_what_is_ahead_keeps_the_statement_from_running(
        self, driver: Driver, other: Driver, statement: str
    ) -> None:
        driver.session.ahead(statement)
        assert refused(ask, driver, ADD) in {"08P01", "42703", "22012"}
        assert refused(ask, driver, ADD) == "25P02"
        assert still_answers(driver)
        assert added(other) == 0

    @pytest.mark.parametrize("statement", [ADD, f"{ADD}; {ADD}"])
    def test_of_begin_keeps_the_statement_from_running_outside_a_transaction(
        self, driver: Driver, other: Driver, statement: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driver.session.ahead("SELECT wellspring.enter($1)", "service")
        with monkeypatch.context() as patched:
            patched.setattr(session, "BEGIN", WireStatement("begin transaction isolation level nonsense"))
            assert refused(ask, driver, statement) == "42601"
        assert not driver._in_transaction
        assert added(other) == 0
        assert still_answers(driver)

    def test_in_the_middle_of_an_answer_shows_none_of_it(self, driver: Driver) -> None:
        cursor = driver.cursor()
        with pytest.raises(pg8000.DatabaseError):
            cursor.execute("SELECT 1 / (1000 - n) FROM generate_series(1, %s) AS n", (2000,))
        with pytest.raises(pg8000.DatabaseError):
            cursor.fetchall()

    def test_of_a_transaction_is_not_committed_in_silence(self, driver: Driver, other: Driver) -> None:
        run(driver, ADD)
        with pytest.raises(pg8000.DatabaseError):
            ask(driver, "SELECT 1/0")
        with pytest.raises(pg8000.InterfaceError, match="in failed transaction block"):
            driver.commit()
        assert added(other) == 0
        assert still_answers(driver)

    def test_of_the_commit_itself_is_told(self, driver: Driver, other: Driver) -> None:
        add = f"INSERT INTO late SELECT 1 FROM {INBOX}"
        run(other, "CREATE TABLE IF NOT EXISTS late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        run(driver, f"{ADD}; {ADD}; {add}")
        with pytest.raises(pg8000.DatabaseError) as caught:
            driver.commit()
        assert code(caught) == "23505"
        assert added(other) == 0
        assert still_answers(driver)

    @pytest.mark.parametrize("moment", range(6))
    @pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError, TimeoutError])
    def test_between_question_and_answer_closes_the_connection(
        self, driver: Driver, other: Driver, monkeypatch: pytest.MonkeyPatch, moment: int, raised: type[BaseException]
    ) -> None:
        read = Wire.message
        moments = iter(range(moment + 1))

        def interrupted(wire: Wire) -> tuple[bytes, bytes]:
            if next(moments) == moment:
                raise raised
            return read(wire)

        ask(driver, "SELECT 1")
        with monkeypatch.context() as patched:
            patched.setattr(Wire, "message", interrupted)
            with pytest.raises((raised, pg8000.InterfaceError)):
                ask(driver, f"{ADD} RETURNING %s", "x")
        driver.rollback()
        assert_closed(driver)
        assert added(other) == 0


class TestAStatementThatIsEnded:
    def test_while_it_is_ahead_takes_the_statement_with_it(self, driver: Driver, other: Driver) -> None:
        run(driver, "SET LOCAL statement_timeout = '20ms'")
        driver.session.ahead("SELECT pg_sleep($1)", PATIENCE_SECONDS)
        assert refused(ask, driver, ADD) == "57014"
        assert still_answers(driver)
        assert added(other) == 0

    @pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
    @pytest.mark.parametrize("rows", [1, 2000])
    def test_by_somebody_else_is_told(self, driver: Driver, other: Driver, how: str, rows: int) -> None:
        ((pid,),) = ask(driver, "SELECT pg_backend_pid()")

        asleep = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"

        def end() -> None:
            until(lambda: ask(other, asleep, pid) == [["PgSleep"]], PATIENCE_SECONDS)
            ask(other, f"SELECT {how}(%s)", pid)

        ending = threading.Thread(target=end)
        ending.start()
        with pytest.raises(pg8000.Error) as caught:
            ask(driver, "SELECT n, pg_sleep(20.0 / %s), repeat('x', 100) FROM generate_series(1, %s) AS n", rows, rows)
        ending.join(PATIENCE_SECONDS)
        if how == "pg_cancel_backend":
            assert code(caught) == "57014"
            assert still_answers(driver)
        else:
            assert caught.value.args == ("network error",)
            assert caught.value.__cause__ is not None
            assert_closed(driver)


def test_a_connection_is_closed_once_and_for_all(driver: Driver) -> None:
    driver.close()
    driver.close()
    assert_closed(driver)
