"""Context of a run: the data, connections and counts that every measurement is given."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.data import BETWEEN_ROWS, SMALL_ROWS, Ledger, ledger
from local.postgres import Cluster


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the bench.

    Attributes:
        cluster: the running Postgres.
        rows: rows of the big ledger.
        quick: whether a rough answer will do: a third of the samples.
        say: tells the person what is going on.
        wanted: names of what is asked for, for a group that can leave out the rest of it.
    """

    cluster: Cluster
    rows: int
    quick: bool
    say: Callable[[str], None]
    wanted: frozenset[str] = frozenset()

    def samples(self, number: int) -> int:
        """Return how many rounds to take where a full run takes `number`."""
        return max(3, number // 3) if self.quick else number

    def big(self) -> Ledger:
        """Return the ledger of `rows` rows."""
        return ledger(self.cluster, self.rows, self.say)

    def between(self) -> Ledger:
        """Return a ledger of a size between the two, where plans that suit neither end show."""
        return ledger(self.cluster, BETWEEN_ROWS, self.say)

    def small(self) -> Ledger:
        """Return the ledger of 50 thousand rows."""
        return ledger(self.cluster, SMALL_ROWS, self.say)
