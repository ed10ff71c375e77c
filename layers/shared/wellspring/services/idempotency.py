"""`Idempotency-Key`: the first answer again for a day, kept in the transaction of the write (contract, section 4).

A failure is rolled back with the key that it had taken, so that the same request may be tried again.
"""

from collections.abc import Callable
from datetime import timedelta

from wellspring.access.principal import Principal, name_of
from wellspring.database import Transaction
from wellspring.errors import SchemaValidationError
from wellspring.repositories import infrastructure

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)


def once(
    transaction: Transaction, principal: Principal, key: str, fingerprint: bytes, perform: Callable[[], str]
) -> str:
    """Return what `perform` returns, or what it returned the first time this caller used this key.

    Raises `SchemaValidationError` where the key stands for another request, by its `fingerprint`.
    """
    caller = name_of(principal)
    taken = infrastructure.claim_answer(transaction, caller, key, fingerprint, KEPT)
    if taken is not None:
        if taken[0] != fingerprint:
            raise SchemaValidationError("The key was used for another request.", header=HEADER)
        return taken[1]
    answer = perform()
    infrastructure.keep_answer(transaction, caller, key, answer)
    return answer
