"""Lists of a group's workspaces, in the order of their enrolment."""

from wellspring.access.predicates import Visibility, asked_about, parameters
from wellspring.access.principal import Person, Principal
from wellspring.database import Transaction
from wellspring.models import listed_from, parents
from wellspring.queries import MAX_TOTAL, ListQuery, Position
from wellspring.repositories.ledger import Slice
from wellspring.repositories.ledger.columns import selected, shown_in_lists
from wellspring.repositories.ledger.composing import all_of, kept_statement
from wellspring.resources import OWN_WORKSPACE

# The workspaces of the group that a query names, where the caller sees it. An index has a group's enrolments in this
# order. Each workspace is looked up (OFFSET 0), so that it stays the one.
WORKSPACES = """
SELECT enrolled.*, enrolment.created_at AS enrolled_at, enrolment.id AS enrolment_id, enrolment.pk AS place
  FROM core_api.workspace_group_workspaces AS enrolment
 CROSS JOIN LATERAL (
   SELECT {shown} FROM {workspaces} AS row WHERE row.pk = enrolment.workspace_pk AND {seen} OFFSET 0) AS enrolled
 WHERE enrolment.workspace_group_pk = (SELECT asked.pk FROM ({asked}) AS asked WHERE {group})
   AND enrolment.deleted_at IS NULL
"""
PLACED = " AND (enrolment.created_at, enrolment.pk) {operator} (:place_at::TIMESTAMPTZ, :place::BIGINT)"
IN_ORDER = " ORDER BY enrolment.created_at {way}, enrolment.pk {way} LIMIT :rows::INTEGER"
PAGE = "SELECT {columns} FROM {source} ORDER BY enrolled_at {way}, place {way}"
COUNTED = f"SELECT count(*) FROM ({{rows}} LIMIT {MAX_TOTAL + 1}) AS counted"


def page(transaction: Transaction, principal: Principal, query: ListQuery, position: Position | None) -> Slice:
    """Read one page of the workspaces that are enrolled in the group that a query names, by their enrolment.

    Of a group that the caller does not see there is nothing. Each workspace has `enrolled_at`, `enrolment_id` and
    `place`, which a `position` to continue from is made of.
    """
    visible, way = Visibility(person=isinstance(principal, Person)), "DESC" if query.backward else "ASC"
    rows, ahead, behind = _workspaces(visible), *(("<", ">=") if query.backward else (">", "<="))
    parts = {"page": rows + (PLACED.format(operator=ahead) if position else "") + IN_ORDER.format(way=way)}
    columns, source = [*shown_in_lists(OWN_WORKSPACE), "enrolled_at", "enrolment_id", "place"], "page"
    values: dict[str, object] = {"group": query.enrolled_in, "rows": query.size + 1, **parameters(principal)}
    if position is not None:
        columns, source = ["behind", *columns], "behind LEFT JOIN page ON true"
        parts["behind"] = f"SELECT EXISTS ({rows}{PLACED.format(operator=behind)}) AS behind"
        values |= {"place_at": position.at, "place": position.pk}
    whole = PAGE.format(columns=", ".join(columns), source=source, way=way)
    found = kept_statement({**visible.queries, **parts}, whole, columns).execute(transaction, values)
    return Slice.of_rows([*found.mappings()], query, of_cursor=position is not None)


def counted(transaction: Transaction, principal: Principal, query: ListQuery) -> int:
    """Count the workspaces of such a list, up to one more than `MAX_TOTAL`."""
    visible = Visibility(person=isinstance(principal, Person))
    # First: the queries of who sees what are those that it asks for.
    whole = COUNTED.format(rows=_workspaces(visible))
    found = kept_statement(visible.queries, whole, ["count"])
    return int(found.execute(transaction, {"group": query.enrolled_in, **parameters(principal)}).scalar_one())


def _workspaces(visible: Visibility) -> str:
    return WORKSPACES.format(
        shown=", ".join(selected(shown_in_lists(OWN_WORKSPACE))),
        workspaces=listed_from(OWN_WORKSPACE),
        seen=visible.workspace("row.pk"),
        asked=asked_about(parents.workspace_groups, "ARRAY[:group::UUID]"),
        # What they see is computed at first.
        group=all_of((visible.group("asked.pk"), *visible.before_all())),
    )
