"""Translation of database errors: the only place that reads SQLSTATEs and constraint names.

pg8000 keeps the server's fields in `exc.orig.args[0]`: `C` is the SQLSTATE, `n` the constraint.
"""

from sqlalchemy.exc import DBAPIError

from wellspring import errors
from wellspring.resources import resources

# Classes and codes from Postgres's appendix A. The connection is of no more use after these:
GONE = ("08", "57P01", "57P02", "57P03", "57P05", "25P03")
# Class 28, a refused sign-in: neither the password nor the token is the user's, or it may sign in with the other only.
# With IAM it passes: tokens are checked at a limited rate, and a role that was just made is not known at once.
REFUSED = "28"
# Nothing was changed and the same transaction may succeed on a next try: deadlock, serialization failure.
AGAIN = ("40001", "40P01")
# A function of the plan cache is there no more, or does not return what it did.
STALE = ("42883", "42804")
# It waited for a lock for longer than it may: what it waits for may last.
BUSY = "55P03"
# It ran for longer than it may, or somebody has ended it: the server says which in words of its language alone.
ENDED = "57014"
# There is no server to work with: it refuses the sign-in, has too many connections or is out of resources, or is
# read-only after a failover.
AWAY = (*GONE, REFUSED, "53", "25006")
# The value cannot be held: NUL characters, numbers and times out of range.
UNHOLDABLE = ("22",)
UNIQUE_VIOLATION = "23505"

TOO_SLOW = "The request took longer than it may; nothing was changed."
NOT_NOW = "The database does not answer at the moment; nothing was changed."


def sqlstate(error: BaseException) -> str:
    """Return the five-character code the server sent, or an empty string where it sent none."""
    return _field(error, "C")


def constraint(error: BaseException) -> str:
    """Return the name of the violated constraint, or an empty string."""
    return _field(error, "n")


def _field(error: BaseException, name: str) -> str:
    original = getattr(error, "orig", None) or error
    fields = original.args[0] if original.args else None
    return str(fields.get(name, "")) if isinstance(fields, dict) else ""


def has_state(error: BaseException, states: str | tuple[str, ...]) -> bool:
    """Say whether the server sent one of these codes, or one of these classes."""
    return sqlstate(error).startswith(states)


def is_silent(error: DBAPIError) -> bool:
    """Say whether the server was waited for in vain.

    A host that acknowledges nothing any more is another thing: the kernel says so (`ETIMEDOUT`) while there is time.
    """
    cause: BaseException | None = error.orig
    while cause is not None and not isinstance(cause, TimeoutError):
        cause = cause.__cause__
    return cause is not None and cause.errno is None


def translate(error: DBAPIError, *, within_timeout: bool = False) -> errors.WellspringError:
    """Return what the caller may know of `error`; the SQLSTATE, the constraint and the cause go to the log with it.

    `within_timeout`: the statement had not run for as long as it may, and was ended by somebody; it may come again.
    """
    cause, translated = error.orig and error.orig.__cause__, _translate(error, within_timeout=within_timeout)
    # Why there is no connection: what is wrong with a certificate, or the kind of the failure.
    why = getattr(cause, "verify_message", "") or type(cause).__name__ if isinstance(cause, OSError) else ""
    translated.evidence = {"sqlstate": sqlstate(error), "constraint": constraint(error), "cause": str(why)}
    return translated


def _translate(error: DBAPIError, *, within_timeout: bool) -> errors.WellspringError:
    state = sqlstate(error)
    if error.connection_invalidated or not state or state.startswith(AWAY):
        # No SQLSTATE: the driver could not connect, or lost the connection.
        return errors.DatabaseAway(NOT_NOW)
    if state in {BUSY, ENDED}:
        return errors.DatabaseBusy(NOT_NOW) if state == BUSY or within_timeout else errors.TimeExceeded(TOO_SLOW)
    if state.startswith(AGAIN):
        return errors.ServiceUnavailable(NOT_NOW)
    if state.startswith(UNHOLDABLE):
        return errors.SchemaValidationError("A value is outside what can be stored.")
    for resource in resources() if state == UNIQUE_VIOLATION else ():
        if resource.unique and resource.unique == constraint(error):
            return errors.AlreadyExists(f"There is such a live {resource.name} already.", resource_type=resource.type)
    return errors.InternalError("The request could not be completed.")
