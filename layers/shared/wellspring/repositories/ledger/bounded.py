"""What runs into the role's time limit all the same."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from wellspring.database.sqlstate import sqlstate, translate
from wellspring.errors import BadRequest

# What a statement of the reader's ends with after the time that its role allows it; a lock's is another.
TOO_LONG = "57014"


@contextmanager
def within_its_time() -> Iterator[None]:
    """Run a statement of a list; say that the list is too large where it takes longer than it may.

    The same request would take as long again: 503, with an invitation to come back in a moment, would be wrong.

    Raises:
        BadRequest: the statement was ended.
    """
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or sqlstate(error) != TOO_LONG:
            raise
        refusal = BadRequest(
            "This list takes the database longer than it may. Ask for less: a smaller page[size], a filter[workspace], "
            "a filter that names fewer parents, and no page[total]."
        )
        refusal.evidence = translate(error).evidence
        raise refusal from error
