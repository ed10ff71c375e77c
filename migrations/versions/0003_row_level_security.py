"""The functions' roles, what they may do with the ledger, and row-level security on the five tables (docs/adr/0011).

A transaction says for whom it works with `wellspring.enter`; one that does not sees nothing of them and writes nothing.
The owner, who migrates, is not bound. No role deletes a row, changes the schema or turns off a policy; how they sign in
is the deployment's. What a policy costs does not grow with what else its reader sees (docs/adr/0042, 0045).
"""

from alembic import op

from migrations import support
from migrations.support import CONSUMER, EXPORTER, FEEDER, IS_SERVICE, READER, WRITER, is_live, look_up, opened, seen

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RECORDS = {"account": "accounts", "company": "companies", "people": "peoples"}
# What a statement of each role may take: less than the functions that use it may, so that the database ends it and not
# Lambda, which would leave it running. On the roles, for RDS Proxy pins a session that sets it.
SECONDS = {READER: 8, WRITER: 25, CONSUMER: 25, FEEDER: 25, EXPORTER: 25}
HTTP, ALL = (READER, WRITER), tuple(SECONDS)
# As the predicate has it (`access.predicates`); and of so many workspaces a policy still finds one as fast in an array
# as by looking it up.
FEW, MOST = 16, 2000
OWNER = "SECURITY DEFINER SET search_path = ''"
SCOPE = "coalesce(current_setting('wellspring.scope', true), '')"
GROUPS = "((SELECT wellspring.groups_of_caller())::bigint[])"
# A person whom the platform's feed has told of: who was only synced is a contact, and nobody's identity (contract,
# section 3).
IS_IDENTITY = "caller.id = wellspring.caller() AND caller.deleted_at IS NULL AND caller.source IS NOT NULL"
IS_MEMBER = "membership.status = 'active' AND membership.deleted_at IS NULL"
OF_MEMBER = f"""SELECT membership.workspace_pk AS pk FROM core_api.workspace_memberships AS membership
  WHERE membership.people_pk = (SELECT caller.pk FROM core_api.peoples AS caller WHERE {IS_IDENTITY} LIMIT 1)
    AND {IS_MEMBER}"""
OF_GROUP = """SELECT enrolment.workspace_pk AS pk FROM core_api.workspace_group_workspaces AS enrolment
  WHERE enrolment.workspace_group_pk = {} AND enrolment.deleted_at IS NULL"""
# By the workspace's own groups, which are few where the caller's may be hundreds.
OF_OWN_GROUPS = OF_GROUP.format(f"ANY {GROUPS}")
OF_GROUPS = "SELECT opened.pk FROM unnest(wellspring.groups_of_caller()) AS team (pk) CROSS JOIN LATERAL ({}) AS opened"
# Looked up one by one: a join could read all workspaces that there are.
LIVE = "WHERE (SELECT true FROM core_api.workspaces AS w WHERE w.pk = opened.pk AND w.deleted_at IS NULL)"


def up_to(most: int, *, direct: bool) -> str:
    """Return the query of the workspaces that are opened to the caller: an array, or null where there are more."""
    # In the order of an index, so that no more than these are read.
    some = f"ORDER BY pk LIMIT {most + 1}"
    of_groups = OF_GROUPS.format(f"{OF_GROUP.format('team.pk')} {some}")
    ways = f"({OF_MEMBER} {some})" + ("" if direct else f" UNION ALL ({of_groups} LIMIT {most + 1})")
    return f"""WITH opened AS MATERIALIZED ( {ways} )
      SELECT CASE WHEN (SELECT count(*) FROM opened) <= {most} THEN ARRAY(SELECT opened.pk FROM opened {LIVE}) END"""


def remembering(kept: str, *, direct: bool) -> str:
    """Return the body of a function: what was left in the setting `kept`, else the few workspaces of the caller."""
    return f"""
    RETURNS bigint[] LANGUAGE plpgsql STABLE PARALLEL SAFE {OWNER} AS $$
    DECLARE
      scope text := {SCOPE} || '=';
      kept text := current_setting('wellspring.{kept}', true);
    BEGIN
      IF starts_with(kept, scope) THEN
        RETURN nullif(substr(kept, length(scope) + 1), '')::bigint[];
      END IF;
      RETURN ( {up_to(FEW, direct=direct)} );
    END $$"""


def leaving(kept: str, *, direct: bool) -> str:
    """Return the statements that leave all workspaces of the caller, of this scope, where these are not too many."""
    return f"""SELECT coalesce(( {up_to(MOST, direct=direct)} )::text, '') INTO found;
      PERFORM set_config('wellspring.{kept}', {SCOPE} || '=' || found, true);"""


def probe(*ways: str) -> str:
    """Return the body of a function: whether a workspace is live and opened to the caller.

    By a range, so that the caller's memberships of one workspace are read and not all members of it.
    """
    looked_up = " OR ".join(
        f"(SELECT true FROM (SELECT * FROM ({way}) AS all_of WHERE pk BETWEEN $1 AND $1 OFFSET 0) AS opened"
        f" {LIVE} LIMIT 1)"
        for way in ways
    )
    return f"""
    RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = '' AS $$
    BEGIN
      RETURN coalesce({looked_up}, false);
    END $$"""


# By signature: the body, and who may call it. Settings are written within functions: RDS Proxy pins a session that
# writes one in the open. What asks about callers runs as its owner, so that it may look at tables with policies.
FUNCTIONS = {
    ALL: {
        "enter(scope text)": """RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    BEGIN
      PERFORM set_config('wellspring.scope', scope, true);
    END $$""",
        "enter_within(scope text, milliseconds integer)": """RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
    BEGIN
      PERFORM set_config('wellspring.scope', scope, true), set_config('statement_timeout', milliseconds::text, true);
    END $$""",
    },
    (READER, WRITER, CONSUMER, FEEDER): {
        "is_service()": f"""RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT {SCOPE} IN ('service', 'pipeline') OR starts_with({SCOPE}, 'service:')
    $$""",
        "is_pipeline()": f"RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT {SCOPE} = 'pipeline' $$",
        "caller()": """RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT CASE WHEN wellspring.is_service() THEN NULL
                  ELSE nullif(current_setting('wellspring.scope', true), '')::uuid END
    $$""",
        # Only in a transaction that changes nothing: in another they could be others by the next statement.
        "leave_workspaces(direct boolean)": (
            f"""RETURNS boolean LANGUAGE plpgsql VOLATILE {OWNER} AS $$
    DECLARE
      found text;
    BEGIN
      IF current_setting('transaction_read_only') = 'off' THEN
        RETURN true;
      END IF;
      IF direct THEN {leaving("direct_workspaces", direct=True)}
      ELSE {leaving("workspaces", direct=False)}
      END IF;
      RETURN true;
    END $$"""
        ),
    },
    (WRITER,): {
        # Asked of the one row that a statement names by its key.
        "is_caller(name text)": f"""RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT CASE
        WHEN {SCOPE} = 'service' THEN starts_with(name, 'service:')
        WHEN wellspring.is_service() THEN name = {SCOPE}
        ELSE name = 'person:' || wellspring.caller()
      END
    $$""",
    },
    (EXPORTER,): {
        # The workspace that an export is of: its transactions name it as `export:ID` (docs/adr/0040).
        "exported()": """RETURNS bigint LANGUAGE sql STABLE SET search_path = '' AS $$
      SELECT pk FROM core_api.workspaces
       WHERE id = CASE WHEN starts_with(current_setting('wellspring.scope', true), 'export:')
                       THEN substr(current_setting('wellspring.scope', true), 8)::uuid END
    $$""",
    },
    HTTP: {
        # Where a cursor stands, whatever has become of the caller's sight of its row: a place, nothing of what is
        # there.
        "place_of(ledger name, id uuid)": (
            """RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
    DECLARE
      place bigint;
    BEGIN
      EXECUTE format('SELECT pk FROM ' || CASE WHEN to_regclass(format('core_api.%I', ledger)) IS NULL"""
            """ THEN 'wellspring' ELSE 'core_api' END || '.%I WHERE id = $1', ledger) INTO place USING id;
      RETURN place;
    END $$"""
        ),
        "direct_workspaces_of_caller()": remembering("direct_workspaces", direct=True),
        "is_member_of(workspace_pk bigint)": probe(OF_MEMBER),
    },
    (READER, WRITER, CONSUMER): {
        "groups_of_caller()": f"""
    RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = '' AS $$
      SELECT ARRAY(
        SELECT team.pk
          FROM core_api.peoples AS caller
          JOIN core_api.workspace_group_memberships AS membership ON membership.people_pk = caller.pk
          JOIN core_api.workspace_groups AS team
            ON team.pk = membership.workspace_group_pk AND team.deleted_at IS NULL
         WHERE {IS_IDENTITY} AND {IS_MEMBER} )
    $$""",
        "workspaces_of_caller()": remembering("workspaces", direct=False),
        "sees_workspace(workspace_pk bigint)": probe(OF_MEMBER, OF_OWN_GROUPS),
    },
}
# What may be read and written of the ledger beside provenance: each table by the columns that change, and what is said
# of all. Nobody but the feeder writes parents, and a tenant never moves.
FED = {
    "workspaces": "name",
    "peoples": "full_name, erased_at",
    "companies": "name",
    "accounts": "account_name, currency",
    "connectors": "name, provider, direction",
    "workspace_connectors": "status, connector_pk",
    "workspace_memberships": "role, status, people_pk",
    "providers": "name, slug, category, url, logo_url, countries, skill_status",
}
READ = {
    "workspace_groups": (READER, WRITER, CONSUMER, EXPORTER),
    "workspace_group_memberships": (READER, WRITER, CONSUMER, FEEDER),
    "workspace_group_workspaces": (READER, WRITER, CONSUMER, EXPORTER),
    "workspace_providers": (READER, WRITER, CONSUMER, EXPORTER),
}
CHOICES = "INSERT, UPDATE (is_selected, is_matched, updated_at, deleted_at)"
GRANTS = (
    *(f"SELECT ON core_api.{table} TO {', '.join(ALL)}" for table in FED),
    *(f"SELECT ON core_api.{table} TO {', '.join(roles)}" for table, roles in READ.items()),
    *(
        f"INSERT, UPDATE ({columns}, source, source_version, updated_at, deleted_at) ON core_api.{table} TO {FEEDER}"
        for table, columns in FED.items()
    ),
    *(f"INSERT ON core_api.{records} TO {CONSUMER}" for records in RECORDS.values()),
    f"INSERT, UPDATE (updated_at, deleted_at) ON core_api.workspace_group_workspaces TO {WRITER}",
    f"{CHOICES} ON core_api.workspace_providers TO {WRITER}, {CONSUMER}",
    f"INSERT, UPDATE (name, updated_at, deleted_at) ON core_api.workspace_groups TO {WRITER}",
    f"INSERT, UPDATE (role, updated_at, deleted_at) ON core_api.workspace_group_memberships TO {WRITER}",
    # What an erased person leaves behind.
    f"UPDATE (updated_at, deleted_at) ON core_api.workspace_group_memberships TO {FEEDER}",
    f"SELECT ON SEQUENCE core_api.workspace_providers_pk_seq TO {FEEDER}",
)


def guard_enrolments() -> None:
    """An enrolment opens a workspace to a group: it is written by who is in the one and sees the other.

    Who keeps a workspace withdraws it from a group that they are not in: they make a row a dead one, and nothing else.
    """
    table, of_member, of_tenant = (
        "workspace_group_workspaces",
        f"workspace_group_pk = ANY {GROUPS}",
        opened("workspace_pk"),
    )
    there = f"{look_up(table, 'workspace_groups', 'workspace_group_pk', 'true')} AND {is_live('workspace_pk')}"
    visible = f"{there} AND ({of_member} OR {of_tenant} OR {IS_SERVICE})"
    conditions = f"USING ({visible}) WITH CHECK ({of_member} AND {of_tenant})"
    support.create_policy(table, "the_caller", f"FOR ALL TO {READER}, {WRITER}", conditions)
    withdrawn = f"USING ({of_tenant}) WITH CHECK (deleted_at IS NOT NULL)"
    support.create_policy(table, "the_withdrawer", f"FOR UPDATE TO {WRITER}", withdrawn)


def guard_choices() -> None:
    """The choices of a provider that is gone are seen by the pipeline, which ends them, and by nobody else."""
    table, tenant = "workspace_providers", seen("workspace_pk")
    visible = f"{tenant} AND {look_up(table, 'providers', 'provider_pk', 'true')}"
    of = f"FOR ALL TO {READER}, {WRITER}, {CONSUMER}"
    support.create_policy(table, "the_caller", of, f"USING ({visible}) WITH CHECK ({tenant})")
    pipeline = "USING ((SELECT wellspring.is_pipeline()))"
    support.create_policy(table, "the_pipeline", f"FOR ALL TO {WRITER}, {CONSUMER}", pipeline)


def upgrade() -> None:
    for role, seconds in SECONDS.items():
        # Roles belong to the cluster: another database of it may have brought one already. Compiling a page's statement
        # would take longer than the page.
        op.execute(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN"
            f" CREATE ROLE {role} LOGIN NOINHERIT; ALTER ROLE {role} SET statement_timeout = '{seconds}s';"
            f" ALTER ROLE {role} SET lock_timeout = '5s'; ALTER ROLE {role} SET jit = off;"
            f" ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{seconds}s'; END IF; END $$"
        )
    op.execute(f"GRANT USAGE ON SCHEMA core_api, wellspring TO {', '.join(ALL)}")
    support.create_functions(FUNCTIONS)
    for grant in GRANTS:
        op.execute(f"GRANT {grant}")
    for record, records in RECORDS.items():
        support.guard_provenance(record, records)
    for table in ("workspace_group_workspaces", "workspace_providers"):
        op.execute(f"ALTER TABLE core_api.{table} ENABLE ROW LEVEL SECURITY")
        exported = "USING (workspace_pk = (SELECT wellspring.exported()))"
        support.create_policy(table, "the_export", f"FOR SELECT TO {EXPORTER}", exported)
    guard_enrolments()
    guard_choices()


def downgrade() -> None:
    ledgers = {support.ledger_of(record): ("caller", "pipeline", "export") for record in RECORDS}
    others = {
        "workspace_group_workspaces": ("caller", "withdrawer", "export"),
        "workspace_providers": ("caller", "pipeline", "export"),
    }
    for table, whose in (ledgers | others).items():
        for each in whose:
            op.execute(f"DROP POLICY {table}_of_the_{each} ON core_api.{table}")
        op.execute(f"ALTER TABLE core_api.{table} DISABLE ROW LEVEL SECURITY")
    # The roles stay: they belong to the cluster, and other databases of it may know them.
    for of in ("ALL TABLES IN SCHEMA core_api", "ALL SEQUENCES IN SCHEMA core_api", "SCHEMA core_api, wellspring"):
        op.execute(f"REVOKE ALL ON {of} FROM {', '.join(ALL)}")
    support.drop_functions(FUNCTIONS)
