"""Creating, changing and removing one resource, by the rules of its kind."""

from collections.abc import Callable, Mapping
from uuid import UUID

from wellspring.access.principal import Principal
from wellspring.access.rules import require_reading
from wellspring.database import Transaction
from wellspring.database.flush import ValueRow
from wellspring.errors import Conflict, SchemaValidationError, ServiceUnavailable, raise_all
from wellspring.queries import Deleted, Draft
from wellspring.repositories import audit, connector_state, groups, ledger, parents, writing
from wellspring.repositories.parents import Parent
from wellspring.resources import Resource
from wellspring.services.groups.policies import Enrolment, Group, Member
from wellspring.services.ledger.policies import Provenance, Rules, Selection
from wellspring.services.ledger.reading import absent

RULES: Mapping[str, type[Rules]] = {
    "provenance": Provenance,
    "enrolment": Enrolment,
    "selection": Selection,
    "group": Group,
    "member": Member,
}
# Raises where the caller knows another state of the row than this.
type Precondition = Callable[[ValueRow], None]
# What a path knows a row by: `id`, or relationships; None is text that is no id of ours.
type Ids = Mapping[str, UUID | None]


def create(transaction: Transaction, principal: Principal, resource: Resource, draft: Draft) -> tuple[ValueRow, bool]:
    """Make what a draft says; returns the row, with its `<relationship>_id`s, and whether it is new.

    Raises the draft's problems and the related resources that are not there, all together; what the rules of the kind
    raise; and `ServiceUnavailable` where what a draft names was gone for a moment.
    """
    _lock_parents_in_front(transaction, resource, draft)
    found = _parents(transaction, principal, draft)
    made = RULES[resource.policy](resource).create(transaction, principal, draft, found)
    if made is None:
        # What has gone meanwhile is told as what was never there.
        _parents(transaction, principal, draft)
        raise ServiceUnavailable("What the document names has changed meanwhile.")
    row, is_new = made
    audit.note(transaction, principal, "create", resource.type, row["id"])
    linkage: dict[str, UUID | None] = {f"{relationship.name}_id": None for relationship in resource.to_one}
    linkage |= {f"{name}_id": several[0].id for name, several in found.items()}
    return ValueRow({**linkage, **row}), is_new


def update(
    transaction: Transaction,
    principal: Principal,
    resource: Resource,
    id_: UUID | None,
    draft: Draft,
    *,
    precondition: Precondition,
) -> ValueRow:
    """Change one row as a draft says; where it says what is, nothing is written, and who may not read is refused.

    Raises what `remove` does, and `SchemaValidationError` where the row would end before it began, or in the future
    (contract, section 4, "Update").
    """
    rules = RULES[resource.policy](resource)
    row = _locked(transaction, principal, resource, {"id": id_}, rules.updatable)
    rules.guard(transaction, principal, row, draft)
    precondition(row)
    values, known = rules.changes(principal, row, draft), {"id": row["id"]}
    restores = row["deleted_at"] is not None and values.get("deleted_at", row["deleted_at"]) is None
    # A live row asks for live parents (contract, section 3).
    if restores and ledger.one(principal, resource, known, "include", live_parents=True).run(transaction) is None:
        raise _parents_are_gone()
    if all(row[name] == value for name, value in values.items()):
        require_reading(principal)
        return row
    # Over HTTP no message ends a row, and one that lives again was ended by none.
    ended_by = {"ended_by_pk": None} if resource.policy == "provenance" else {}
    changed = writing.change(transaction, principal, resource, row["id"], {**values, **ended_by})
    if changed is None:
        # Its parents may have gone since it was looked at.
        if ledger.one(principal, resource, known, rules.updatable).run(transaction) is None:
            raise absent(resource.type, row["id"])
        if values.get("deleted_at", row["deleted_at"]) is None:
            raise _parents_are_gone()
        detail = "The value must be a time from created_at until now, or null."
        raise SchemaValidationError(detail, pointer="/data/attributes/deleted_at")
    audit.note(transaction, principal, "update", resource.type, row["id"])
    return ValueRow({**row, **changed, **({"ended_by_id": None} if ended_by else {})})


def _lock_parents_in_front(transaction: Transaction, resource: Resource, draft: Draft) -> None:
    """Lock the parents, as far as the caller sees them, that decide whether a row may be made, ahead of the look.

    A connector is locked behind it (`policies.Provenance`).
    """
    ids = {reference.name: reference.id for reference in draft.references if reference.id is not None}
    if resource.policy in {"enrolment", "member"} and "workspace_group" in ids:
        groups.lock(transaction, ids["workspace_group"])
    if resource.policy == "member" and "people" in ids:
        parents.hold_person(transaction, ids["people"])


def _locked(
    transaction: Transaction, principal: Principal, resource: Resource, ids: Ids, deleted: Deleted = "exclude"
) -> ValueRow:
    """Return a row, locked behind what keeps the order of those who write rows like it; raises `NotFound`."""
    known = {name: id_ for name, id_ in ids.items() if id_ is not None}
    if "id" in known and resource.policy == "provenance":
        connector_state.lock_of_row(transaction, resource.table, known["id"])
    elif "id" in known and resource.policy == "member":
        groups.lock_of_membership(transaction, known["id"])
    row = ledger.locked(principal, resource, known, deleted).run(transaction) if len(known) == len(ids) else None
    if row is None:
        raise absent(resource.type, *ids.values())
    return row


def _parents_are_gone() -> Conflict:
    return Conflict("What it points to has been removed.", pointer="/data/attributes/deleted_at")


def remove(
    transaction: Transaction, principal: Principal, resource: Resource, ids: Ids, *, precondition: Precondition
) -> None:
    """Tombstone one live row.

    Raises `NotFound` where the caller may not see it, what the rules of the kind raise, and what `precondition` does.
    """
    rules, row = RULES[resource.policy](resource), _locked(transaction, principal, resource, ids)
    rules.guard(transaction, principal, row, None)
    precondition(row)
    rules.end_with(transaction, row)
    if not writing.tombstone(transaction, resource, row["id"], rules.removal):
        raise absent(resource.type, row["id"])
    audit.note(transaction, principal, "delete", resource.type, row["id"])


def _parents(transaction: Transaction, principal: Principal, draft: Draft) -> dict[str, list[Parent]]:
    """Look up what the draft refers to, and raise all that is wrong with it."""
    wanted = [(reference.target, reference.id) for reference in draft.references if reference.id is not None]
    there = parents.find(transaction, principal, wanted)
    problems = list(draft.problems)
    found: dict[str, list[Parent]] = {}
    for reference in draft.references:
        parent = there.get((reference.target, reference.id)) if reference.id is not None else None
        if parent is not None:
            found.setdefault(reference.name, []).append(parent)
        elif reference.pointer is None:
            # The path leads nowhere: whatever the document says, it says it to nobody.
            raise absent(reference.target, reference.id)
        else:
            problems.append(absent(reference.target, reference.id, pointer=reference.pointer))
    raise_all(problems)
    return found
