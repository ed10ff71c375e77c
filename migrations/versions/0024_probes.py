"""What a row's policy costs does not grow with what else its reader sees.

Safe while old functions run: no function of the code calls what is replaced here by its name, and policies, views and
functions are replaced in one transaction. The arrays of what the caller sees end at `FEW` workspaces: they are null
where there are more, and a row's own workspace is looked up then (docs/adr/0042).
"""

import re
from collections.abc import Callable, Iterator

from alembic import op

from migrations.support import CONSUMER, READER, WRITER, module_of

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# As the predicate has it (`access.predicates`).
FEW = 16
READERS = f"{READER}, {WRITER}"
AS_OWNER = "STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''"

OF_MEMBER = """SELECT membership.workspace_pk AS pk FROM core_api.workspace_memberships AS membership
         WHERE membership.people_pk = (SELECT caller.pk FROM core_api.peoples AS caller
                                        WHERE caller.id = wellspring.caller() AND caller.deleted_at IS NULL LIMIT 1)
           AND membership.status = 'active' AND membership.deleted_at IS NULL"""
OF_GROUP = """SELECT enrolment.workspace_pk AS pk FROM core_api.workspace_group_workspaces AS enrolment
         WHERE enrolment.workspace_group_pk = team.pk AND enrolment.deleted_at IS NULL"""
# In the order of an index, so that no more than these are read.
SOME = f"ORDER BY pk LIMIT {FEW + 1}"
OF_GROUPS = "SELECT opened.pk FROM unnest(wellspring.groups_of_caller()) AS team (pk) CROSS JOIN LATERAL ({}) AS opened"
# By the workspace's own groups, which are few where the caller's may be hundreds.
OF_OWN_GROUPS = """SELECT enrolment.workspace_pk AS pk FROM core_api.workspace_group_workspaces AS enrolment
         WHERE enrolment.workspace_group_pk = ANY ((SELECT wellspring.groups_of_caller())::bigint[])
           AND enrolment.deleted_at IS NULL"""
# Looked up one by one: a join could read all workspaces that there are.
LIVE = "WHERE (SELECT true FROM core_api.workspaces AS w WHERE w.pk = opened.pk AND w.deleted_at IS NULL)"


def few(*ways: str) -> str:
    """Return the body of a function: the workspaces that are opened to the caller, or null where they are not few."""
    some = "\n        UNION ALL\n        ".join(f"({way} LIMIT {FEW + 1})" for way in ways)
    return f"""
    RETURNS bigint[] LANGUAGE sql {AS_OWNER} AS $$
      WITH opened AS MATERIALIZED (
        {some}
      )
      SELECT CASE WHEN (SELECT count(*) FROM opened) <= {FEW} THEN ARRAY(SELECT opened.pk FROM opened {LIVE}) END
    $$
    """


def probe(*ways: str) -> str:
    """Return the body of a function: whether a workspace is live and opened to the caller.

    By a range, so that the caller's memberships of one workspace are read and not all members of it.
    """
    looked_up = "\n          OR ".join(
        f"(SELECT true FROM (SELECT * FROM ({way}) AS all_of WHERE pk BETWEEN $1 AND $1 OFFSET 0) AS opened"
        f" {LIVE} LIMIT 1)"
        for way in ways
    )
    return f"""
    RETURNS boolean LANGUAGE plpgsql {AS_OWNER} AS $$
    BEGIN
      RETURN coalesce({looked_up}, false);
    END $$
    """


MADE = {
    "sees_workspace(workspace_pk bigint)": probe(OF_MEMBER, OF_OWN_GROUPS),
    "is_member_of(workspace_pk bigint)": probe(OF_MEMBER),
}
BOUNDED = {
    "workspaces_of_caller()": few(f"{OF_MEMBER} ORDER BY pk", OF_GROUPS.format(f"{OF_GROUP} {SOME}")),
    "direct_workspaces_of_caller()": few(f"{OF_MEMBER} ORDER BY pk"),
}
_COMPARED = re.compile(
    r"((?:\w+\.)?(?:workspace_)?pk) = ANY \(\(SELECT wellspring\.(direct_)?workspaces_of_caller\(\)\)::bigint\[\]\)"
)


def probed(condition: str) -> str:
    """Return the same condition, which looks a workspace up where the caller's are not few."""

    def look_up(found: re.Match[str]) -> str:
        return f"coalesce({found[0]}, wellspring.{'is_member_of' if found[2] else 'sees_workspace'}({found[1]}))"

    return _COMPARED.sub(look_up, condition)


def policies() -> Iterator[tuple[str, str, str]]:
    """Yield what the policies are of, for whom, and their conditions, as the revisions before leave them."""
    ledgers, kept, groups = (module_of(name) for name in ("0008_walks", "0009_sync_messages", "0017_groups"))
    for table, (visible, writable) in ledgers.POLICIES.items():
        roles = f"{READERS}, {CONSUMER}" if table == "workspace_providers" else READERS
        name = f"{table}_of_the_caller ON core_api.{table}"
        yield name, f"FOR ALL TO {roles}", f"USING ({visible}) WITH CHECK ({writable})"
    for table, visible in kept.SHOWN.items():
        yield f"{table}_of_the_caller ON wellspring.{table}", f"FOR SELECT TO {READERS}", f"USING ({visible})"
    of_tenant = f"USING (workspace_pk = ANY {groups.WORKSPACES}) WITH CHECK (deleted_at IS NOT NULL)"
    yield groups.POLICY, f"FOR UPDATE TO {WRITER}", of_tenant


def views() -> Iterator[str]:
    """Yield the views, as the revisions before leave them."""
    parents, answers = module_of("0010_parents_read"), module_of("0013_answers")
    for table, condition in parents.GUARDED.items():
        yield f"{table}_of_caller AS SELECT row.* FROM core_api.{table} AS row WHERE {condition}"
    for table in answers.GUARDED:
        yield (
            f"{table}_of_caller AS SELECT kept.* FROM core_api.workspace_connectors AS parent"
            f" JOIN wellspring.{table} AS kept ON kept.workspace_connector_pk = parent.pk"
            f" WHERE {answers.seen('parent')}"
        )


def functions() -> Iterator[str]:
    """Yield the functions that ask about the caller themselves, as the revisions before leave them."""
    answers, sole = module_of("0013_answers"), module_of("0021_sole_by_probes")
    bodies = answers.FUNCTIONS | {sole.SIGNATURE: sole.BODY.format(seen=sole.SEEN, **sole.BY_PROBES)}
    for signature, body in bodies.items():
        yield f"{signature} {body}"


def unbounded() -> Iterator[str]:
    """Yield the arrays of what the caller sees, as the revisions before leave them."""
    first, parents = module_of("0005_row_level_security"), module_of("0010_parents_read")
    yield f"workspaces_of_caller() {first.FUNCTIONS['workspaces_of_caller()']}"
    yield parents.DIRECT_WORKSPACES.strip().removeprefix("CREATE FUNCTION wellspring.")


def ask(asked: Callable[[str], str]) -> None:
    """Make whatever asks about the caller anew, with what `asked` makes of each condition."""
    for name, of, conditions in policies():
        op.execute(f"DROP POLICY {name}")
        op.execute(f"CREATE POLICY {name} {of} {asked(conditions)}")
    for view in views():
        op.execute(f"CREATE OR REPLACE VIEW wellspring.{asked(view)}")
    for function in functions():
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{asked(function)}")


def upgrade() -> None:
    for signature, body in MADE.items():
        op.execute(f"CREATE FUNCTION wellspring.{signature} {body}")
        name = signature.partition("(")[0]
        op.execute(f"REVOKE ALL ON FUNCTION wellspring.{name} FROM PUBLIC")
        roles = f"{READERS}, {CONSUMER}" if name == "sees_workspace" else READERS
        op.execute(f"GRANT EXECUTE ON FUNCTION wellspring.{name} TO {roles}")
    ask(probed)
    for signature, body in BOUNDED.items():
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{signature} {body}")


def downgrade() -> None:
    for function in unbounded():
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function}")
    ask(str)
    for signature in MADE:
        op.execute(f"DROP FUNCTION wellspring.{signature.partition('(')[0]}")
