"""Reads of operators: as a service does, and beyond their own workspaces never without a trace (docs/adr/0053)."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from wellspring.access.principal import Operator, Person, scope_of
from wellspring.database import Deadline, Transaction, in_transaction
from wellspring.errors import Forbidden
from wellspring.repositories import audit, ledger, parents
from wellspring.resources import Resource


@dataclass(frozen=True, slots=True)
class Reading:
    """What a request reads: `list`, `retrieve` or what its path ends with, of a type or the one whose `id` it names."""

    operation: str
    resource: Resource
    id: UUID | None = None
    workspaces: tuple[UUID, ...] = ()


def read[Result](
    work: Callable[[Transaction], Result], operator: Operator, reading: Reading, deadline: Deadline
) -> Result:
    """Run `work`, which only reads, for an operator; beyond their own workspaces with an audit entry.

    The entry is of the same transaction: nothing is answered that left none. Raises as `_is_own` and `in_transaction`.
    """
    person, trace = Person(operator.id), None
    # The catalogue is of no workspace.
    if reading.resource.tenancy != "everybody":
        is_own = in_transaction(
            lambda transaction: _is_own(transaction, person, reading), scope_of(person), deadline=deadline, is_read=True
        )
        if not is_own:
            named = (reading.id,) if reading.resource.type == "workspace" and reading.id else reading.workspaces
            trace = audit.of_reading(reading.operation, reading.resource.type, reading.id, named)
    return in_transaction(work, scope_of(operator), deadline=deadline, is_read=True, trace=trace)


def _is_own(transaction: Transaction, person: Person, reading: Reading) -> bool:
    """Say whether what is read is of workspaces that the person sees anyway; raises `Forbidden` of nobody we know."""
    if parents.caller_pk(transaction, person) is None:
        raise Forbidden("An operator is a person whom the platform's feed has told of.")
    if reading.workspaces:
        return len(parents.visible_workspaces(transaction, person, reading.workspaces)) == len(reading.workspaces)
    if reading.id is None or reading.resource.tenancy == "services":
        return False
    return ledger.one(person, reading.resource, {"id": reading.id}).run(transaction) is not None
