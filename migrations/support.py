"""What several revisions need."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op


@contextmanager
def outside_transaction() -> Iterator[None]:
    """Run the block's statements each on its own, as CREATE INDEX CONCURRENTLY demands.

    Alembic asks for the isolation level before it switches to autocommit; under pg8000 that question opens a
    transaction which autocommit then leaves open, so it is closed here.
    """
    with op.get_context().autocommit_block():
        op.execute("COMMIT")
        yield
