"""A page of hundreds of workspaces is read by what its connectors brought last, and their policies ask once.

Safe while old functions run: what they call is replaced in one transaction, and answers as before whom nothing was left
for. Settings are written within a function, because RDS Proxy pins a session whose statement writes one; they are the
caller's, as that one is which says who the caller is (docs/adr/0045).
"""

from collections.abc import Iterator

from alembic import op

from migrations.support import CONSUMER, FEEDER, READER, WRITER, create_newest, drop_newest, module_of

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

RECORDS = ("account", "company", "people")
# As the predicate has it (`access.predicates`).
FEW = 16
# Of so many workspaces a policy still finds one as fast in an array as by looking it up.
MOST = 2000
AS_OWNER = "SECURITY DEFINER SET search_path = ''"

OF_MEMBER = """SELECT membership.workspace_pk AS pk FROM core_api.workspace_memberships AS membership
         WHERE membership.people_pk = (SELECT caller.pk FROM core_api.peoples AS caller
                                        WHERE caller.id = wellspring.caller() AND caller.deleted_at IS NULL LIMIT 1)
           AND membership.status = 'active' AND membership.deleted_at IS NULL"""
OF_GROUP = """SELECT enrolment.workspace_pk AS pk FROM core_api.workspace_group_workspaces AS enrolment
         WHERE enrolment.workspace_group_pk = team.pk AND enrolment.deleted_at IS NULL"""
OF_GROUPS = "SELECT opened.pk FROM unnest(wellspring.groups_of_caller()) AS team (pk) CROSS JOIN LATERAL ({}) AS opened"
# Looked up one by one: a join could read all workspaces that there are.
LIVE = "WHERE (SELECT true FROM core_api.workspaces AS w WHERE w.pk = opened.pk AND w.deleted_at IS NULL)"
# What was left is of a scope: a transaction may go on for somebody else.
OF_SCOPE = "coalesce(current_setting('wellspring.scope', true), '') || '='"


def up_to(most: int, *, direct: bool) -> str:
    """Return the query of the workspaces that are opened to the caller: an array, or null where there are more."""
    # In the order of an index, so that no more than these are read.
    some = f"ORDER BY pk LIMIT {most + 1}"
    ways = [f"({OF_MEMBER} {some})"]
    if not direct:
        ways.append(f"({OF_GROUPS.format(f'{OF_GROUP} {some}')} LIMIT {most + 1})")
    opened = "\n        UNION ALL\n        ".join(ways)
    return f"""
      WITH opened AS MATERIALIZED (
        {opened}
      )
      SELECT CASE WHEN (SELECT count(*) FROM opened) <= {most} THEN ARRAY(SELECT opened.pk FROM opened {LIVE}) END
    """


def remembering(kept: str, *, direct: bool) -> str:
    """Return the body of a function: what was left in the setting `kept`, else the few workspaces of the caller."""
    return f"""
    RETURNS bigint[] LANGUAGE plpgsql STABLE PARALLEL SAFE {AS_OWNER} AS $$
    DECLARE
      scope text := {OF_SCOPE};
      kept text := current_setting('wellspring.{kept}', true);
    BEGIN
      IF starts_with(kept, scope) THEN
        RETURN nullif(substr(kept, length(scope) + 1), '')::bigint[];
      END IF;
      RETURN ({up_to(FEW, direct=direct)});
    END $$
    """


def leaving() -> str:
    """Return the body of a function that leaves all workspaces of the caller, where these are not too many.

    Only in a transaction that changes nothing: in another they could be others by the next statement.
    """
    found = {
        name: f"""
        SELECT coalesce(({up_to(MOST, direct=direct)})::text, '') INTO found;
        PERFORM set_config('wellspring.{name}', {OF_SCOPE} || found, true);"""
        for name, direct in (("workspaces", False), ("direct_workspaces", True))
    }
    return f"""
    RETURNS boolean LANGUAGE plpgsql VOLATILE {AS_OWNER} AS $$
    DECLARE
      found text;
    BEGIN
      IF current_setting('transaction_read_only') = 'off' THEN
        RETURN true;
      END IF;
      IF direct THEN {found["direct_workspaces"]}
      ELSE {found["workspaces"]}
      END IF;
      RETURN true;
    END $$
    """


REMEMBERING = {
    "workspaces_of_caller()": remembering("workspaces", direct=False),
    "direct_workspaces_of_caller()": remembering("direct_workspaces", direct=True),
}
LEAVE = "leave_workspaces(direct boolean)"


def bounded() -> Iterator[str]:
    """Yield the functions as the revisions before leave them."""
    for signature, body in module_of("0024_probes").BOUNDED.items():
        yield f"{signature} {body}"


def upgrade() -> None:
    for signature, body in REMEMBERING.items():
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{signature} {body}")
    op.execute(f"CREATE FUNCTION wellspring.{LEAVE} {leaving()}")
    op.execute("REVOKE ALL ON FUNCTION wellspring.leave_workspaces FROM PUBLIC")
    # Who answers over HTTP, as of the ids that a statement leaves (revision 0023).
    roles = f"{READER}, {WRITER}, {CONSUMER}, {FEEDER}"
    op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.leave_workspaces TO {roles}")
    for record in RECORDS:
        create_newest(record)


def downgrade() -> None:
    for record in RECORDS:
        drop_newest(record)
    op.execute("DROP FUNCTION wellspring.leave_workspaces")
    for function in bounded():
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function}")
