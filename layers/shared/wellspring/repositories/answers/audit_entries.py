"""A page of the audit: who did what, the newest first, as far as the reader may know it."""

from collections.abc import Mapping

from wellspring.access.predicates import Visibility, parameters
from wellspring.access.principal import Person, Principal, Service, name_of
from wellspring.database import Transaction
from wellspring.queries import AuditQuery, Position
from wellspring.repositories.ledger.columns import COMPARED
from wellspring.repositories.ledger.composing import all_of, kept_statement
from wellspring.repositories.ledger.pages import Slice

PAGE = """
SELECT entry.* FROM wellspring.audit AS entry
 WHERE {conditions} AND {ahead}
 ORDER BY entry.created_at {way}, entry.pk {way}
 LIMIT :rows::INTEGER
"""
BEHIND = "SELECT EXISTS (SELECT FROM wellspring.audit AS entry WHERE {conditions} AND {behind}) AS behind"
AT = "(entry.created_at, entry.pk)"
PLACE = "(:place_at::TIMESTAMPTZ, :place_pk::BIGINT)"
NOWHERE = "SELECT false AS behind"
# The order of an index each (revision 0011).
EQUAL: Mapping[str, str] = {
    "workspace": "entry.workspace_pk = :workspace::BIGINT",
    "caller": "entry.caller = :caller::TEXT",
    "resource": "entry.resource_id = :resource::UUID",
}
# The id of a person, in what the table calls them.
PERSON = "CASE WHEN starts_with({entry}.caller, 'person:') THEN substr({entry}.caller, 8)::uuid END"
# Somebody is shown to who sees them, or keeps a workspace that they are or were a member of.
SHOWN_PERSON = """
(SELECT people.id
   FROM core_api.peoples AS people
  WHERE people.id = {id}
    AND ({seen} OR EXISTS (
      SELECT FROM core_api.workspace_memberships AS membership
       WHERE membership.people_pk = people.pk AND membership.workspace_pk = {entry}.workspace_pk)))
"""
ENTRIES = """
SELECT behind.behind, page.pk, page.id, page.created_at AS at, page.operation, page.resource_type, page.resource_id,
       page.note, CASE WHEN starts_with(page.caller, 'service:') THEN substr(page.caller, 9) END AS service,
       {person} AS caller_id,
       (SELECT workspace.id FROM core_api.workspaces AS workspace
         WHERE workspace.pk = page.workspace_pk AND workspace.deleted_at IS NULL) AS workspace_id
  FROM behind
  LEFT JOIN page ON true
 ORDER BY page.created_at {way}, page.pk {way}
"""
COLUMNS = (
    "behind",
    "pk",
    "id",
    "at",
    "operation",
    "resource_type",
    "resource_id",
    "note",
    "service",
    "caller_id",
    "workspace_id",
)


def entries(
    transaction: Transaction, principal: Principal, query: AuditQuery, workspace: int | None, place: Position | None
) -> Slice:
    """Read a page of who did what, beside a place or from an end of the list, in one statement, the newest first.

    `workspace` is the key of the one that the query names: the caller is known to keep it, or to see it as a service.
    """
    caller = name_of(Person(query.caller)) if query.caller else None
    if query.service is not None:
        caller = name_of(Service(query.service, frozenset()))
    equal = {"workspace": workspace, "caller": caller, "resource": query.resource}
    values: dict[str, object] = {"rows": query.size + 1, **equal, **parameters(principal)}
    values |= {f"at_{operator}": at for operator, at in query.times}
    person = isinstance(principal, Person)
    visible = Visibility(person=person)
    conditions = [text for name, text in EQUAL.items() if equal[name] is not None]
    conditions += [f"entry.created_at {COMPARED[operator]} :at_{operator}::TIMESTAMPTZ" for operator, _ in query.times]
    people = visible.workspace("people.workspace_pk")

    def shown(entry: str) -> str:
        id_ = PERSON.format(entry=entry)
        return SHOWN_PERSON.format(id=id_, entry=entry, seen=people) if person else id_

    if person:
        conditions.append(visible.workspace("entry.workspace_pk"))
    if person and query.caller is not None:
        # A filter tells no more of somebody than the entries do.
        conditions.append(f"{shown('entry')} IS NOT NULL")
    both = all_of(conditions)
    way, ahead, behind = ("ASC", ">", "<=") if query.backward else ("DESC", "<", ">=")
    beyond, before = "true", NOWHERE
    if place is not None:
        beyond, before = f"{AT} {ahead} {PLACE}", BEHIND.format(conditions=both, behind=f"{AT} {behind} {PLACE}")
        values |= {"place_at": place.at, "place_pk": place.pk}
    page = PAGE.format(conditions=both, ahead=beyond, way=way)
    parts = {**visible.queries, "page": page, "behind": before}
    asked = kept_statement(parts, ENTRIES.format(person=shown("page"), way=way), COLUMNS)
    found = asked.execute(transaction, values).mappings().all()
    return Slice.of_rows(found, query, of_cursor=place is not None)
