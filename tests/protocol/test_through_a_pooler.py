"""32 clients on two server connections, lent for a transaction at a time: each gets its own answers and no other's.

pgbouncer in transaction mode, which gives the next transaction of a client another server connection than the last.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pg8000
import pytest

from local.postgres import Cluster
from tests.support.databases import CONSUMER, FreshDatabase, settings_for
from tests.support.pooler import SERVERS_OF_A_ROLE, Pooler, run_pooler
from tests.support.transactions import ENTER
from wellspring.database.engine import connect
from wellspring.database.pipeline import PipelinedConnection as Driver
from wellspring.database.session import WireStatement

pytestmark = pytest.mark.outside

CLIENTS = 32
TRANSACTIONS = 100
PATIENCE_SECONDS = 300
# A table of the test's own: the product's let nobody write under the scopes that tell the transactions apart here.
NOTES = (
    "CREATE TABLE wellspring.notes (id uuid PRIMARY KEY)",
    f"GRANT SELECT, INSERT ON wellspring.notes TO {CONSUMER}",
)
ADD = "INSERT INTO wellspring.notes (id) VALUES (CAST(%s AS uuid)) RETURNING id"


@pytest.fixture(scope="module")
def between(cluster: Cluster) -> Iterator[Pooler]:
    with run_pooler(cluster) as running:
        yield running


@dataclass
class Client:
    """One of many, with a connection of its own.

    Attributes:
        driver: the connection.
        number: whose it is.
        together: lets all begin at once.
        wrong: what was not as it should be.
        done: how many transactions there were of each kind.
        committed: the ids of the rows that are there now because of it.
        servers: the server processes it has met.
    """

    driver: Driver
    number: int
    together: threading.Barrier
    wrong: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    committed: set[UUID] = field(default_factory=set)
    servers: set[int] = field(default_factory=set)

    def work(self) -> "Client":
        chance = random.Random(self.number)
        kinds: list[Callable[[str, UUID], None]] = [
            self.reads,
            self.reads_in_one_flush,
            self.writes,
            self.takes_back,
            self.fails,
            self.fails_ahead,
            self.is_cancelled,
            self.carries_much,
        ]
        self.together.wait(PATIENCE_SECONDS)
        for turn in range(TRANSACTIONS):
            kind = chance.choice(kinds)
            mine = f"client {self.number}, turn {turn}"
            self.driver.session.ahead(ENTER, mine)
            kind(mine, UUID(int=self.number << 32 | turn))
            self.done[kind.__name__] += 1
        return self

    def reads(self, mine: str, _id: UUID) -> None:
        # Twice, so that a transaction is seen to stay where it began.
        first = self.ask("SELECT %s, current_setting('wellspring.scope'), pg_backend_pid()", mine)
        second = self.ask("SELECT %s, current_setting('wellspring.scope'), pg_backend_pid()", mine)
        self.driver.commit()
        pid = first[0][2]
        self.servers.add(pid)
        self.expect(first + second, [[mine, mine, pid]] * 2)

    def reads_in_one_flush(self, mine: str, _id: UUID) -> None:
        self.driver.session.begin(is_read=True)
        self.driver.session.ahead(ENTER, mine)
        asked = WireStatement("SELECT %s, current_setting('wellspring.scope'), pg_backend_pid()", (mine,))
        with self.driver.session.pipelined([asked], is_last=True):
            (seen,) = self.ask(asked.text, *asked.values)
        self.driver.commit()
        self.driver.session.begin()
        self.servers.add(seen[2])
        self.expect(seen[:2], [mine, mine])

    def writes(self, mine: str, id_: UUID) -> None:
        self.expect(self.ask(ADD, id_), [[id_]])
        self.expect(self.ask("SELECT current_setting('wellspring.scope')"), [[mine]])
        self.driver.commit()
        self.committed.add(id_)

    def takes_back(self, _mine: str, id_: UUID) -> None:
        self.expect(self.ask(ADD, id_), [[id_]])
        self.driver.rollback()

    def fails(self, mine: str, id_: UUID) -> None:
        self.expect(self.ask(ADD, id_), [[id_]])
        self.refused("22012", "SELECT %s, 1 / CAST(%s AS int)", mine, 0)
        self.driver.rollback()

    def fails_ahead(self, _mine: str, id_: UUID) -> None:
        self.driver.session.ahead("SELECT 1/0")
        self.refused("22012", ADD, id_)
        self.driver.rollback()

    def is_cancelled(self, _mine: str, id_: UUID) -> None:
        self.expect(self.ask(ADD, id_), [[id_]])
        self.driver.cursor().execute("SET LOCAL statement_timeout = '5ms'")
        self.refused("57014", "SELECT %s, pg_sleep(60)", "x")
        self.driver.rollback()

    def carries_much(self, mine: str, _id: UUID) -> None:
        value = mine * 10_000
        self.expect(self.ask("SELECT CAST(%s AS text) FROM generate_series(1, 5)", value), [[value]] * 5)
        self.driver.commit()

    def ask(self, statement: str, *values: object) -> list[Any]:
        return list(self.driver.cursor().execute(statement, values).fetchall())

    def expect(self, seen: list[Any], expected: list[Any]) -> None:
        if seen != expected:
            self.wrong.append(f"{str(seen)[:200]} instead of {str(expected)[:200]}")

    def refused(self, code: str, statement: str, *values: object) -> None:
        try:
            self.wrong.append(f"{self.ask(statement, *values)} instead of {code}")
        except pg8000.DatabaseError as error:
            self.expect([error.args[0]["C"]], [code])


def test_each_of_many_clients_gets_its_own_answers(between: Pooler, fresh_database: FreshDatabase) -> None:
    for statement in NOTES:
        fresh_database.owner.exec_driver_sql(statement)
    fresh_database.commit()
    settings = settings_for(between.open(fresh_database.url.rpartition("/")[2]), user=CONSUMER)
    together = threading.Barrier(CLIENTS)

    def client(number: int) -> Client:
        with closing(connect(settings)) as driver:
            return Client(driver, number, together).work()

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = list(pool.map(client, range(CLIENTS), timeout=PATIENCE_SECONDS))
    assert [wrong for each in clients for wrong in each.wrong] == []
    assert sum((each.done for each in clients), Counter[str]()).total() == CLIENTS * TRANSACTIONS
    # They shared these few server connections. That one of them always meets the same is chance, that all do is not.
    assert len(set[int]().union(*(each.servers for each in clients))) == SERVERS_OF_A_ROLE
    assert any(len(each.servers) > 1 for each in clients)
    rows = fresh_database.owner.exec_driver_sql("SELECT id FROM wellspring.notes").scalars()
    assert set(rows) == set[UUID]().union(*(each.committed for each in clients))
