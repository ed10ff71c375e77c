"""Audit: each write over HTTP leaves one row, in the write's own transaction (contract, section 3)."""

from typing import Literal
from uuid import UUID

from wellspring.access.principal import Principal, name_of
from wellspring.database import Transaction
from wellspring.repositories import audit

type Operation = Literal["create", "update", "delete", "release", "dismiss"]


def note(
    transaction: Transaction,
    principal: Principal,
    operation: Operation,
    type_: str,
    id_: UUID,
    *,
    why: str | None = None,
) -> None:
    """Keep that a caller wrote a resource: no names, and nothing that the request said but the note of a dismissal.

    Args:
        transaction: the scope of the write.
        principal: the caller.
        operation: what they did.
        type_: the resource's JSON:API type.
        id_: its public id.
        why: the note of a dismissal.
    """
    audit.add(transaction, name_of(principal), operation, type_, id_, note=why)
