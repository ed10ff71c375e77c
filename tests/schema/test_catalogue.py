"""Section 2 of the contract, fact by fact, as Postgres tells it; not as the migrations or the models do."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from tests.schema.conftest import Catalogue
from tests.support.databases import Database
from tests.support.world import RecordType, World
from wellspring.database.sqlstate import constraint
from wellspring.models import table_of
from wellspring.resources import CONNECTOR, PROVIDER, ledgers, records, resource_of

# The columns of the contract (sections 2, 6 and 7, and the seeds), written by hand of it: what a model and a revision
# get wrong together is seen here.
_SOURCE = "source text, source_version bigint NOT NULL DEFAULT 0"
_NAMED = f"{_SOURCE}, folded_name text NOT NULL DEFAULT ''::text"
_OF_WORKSPACE = "workspace_pk bigint NOT NULL"
_MEMBER = "people_pk bigint NOT NULL, role text NOT NULL, status text NOT NULL"
_PROVENANCE = (
    "workspace_connector_pk bigint NOT NULL, direction core_api.direction_enum NOT NULL,"
    " sync_message_pk bigint, ended_by_pk bigint"
)
STANDARD = (
    "pk bigint NOT NULL GENERATED ALWAYS AS IDENTITY, id uuid NOT NULL DEFAULT uuidv7(),"
    " created_at timestamp(3) with time zone NOT NULL DEFAULT now(),"
    " updated_at timestamp(3) with time zone DEFAULT now(), deleted_at timestamp(3) with time zone"
)
CONTRACT: Mapping[str, str] = {
    "account_workspace_connectors": f"account_pk bigint NOT NULL, {_PROVENANCE}",
    "company_workspace_connectors": f"company_pk bigint NOT NULL, {_PROVENANCE}",
    "people_workspace_connectors": f"people_pk bigint NOT NULL, {_PROVENANCE}",
    "workspace_group_workspaces": f"workspace_group_pk bigint NOT NULL, {_OF_WORKSPACE}, created_by_pk bigint",
    "workspace_providers": f"{_OF_WORKSPACE}, provider_pk bigint NOT NULL,"
    " is_selected boolean NOT NULL DEFAULT false, is_matched boolean NOT NULL DEFAULT false",
    "workspaces": f"name text NOT NULL, {_NAMED}",
    "peoples": f"full_name text NOT NULL, {_OF_WORKSPACE}, erased_at timestamp(3) with time zone, {_NAMED}",
    "companies": f"name text NOT NULL, {_OF_WORKSPACE}, {_NAMED}",
    "accounts": f"account_name text NOT NULL, currency text, {_OF_WORKSPACE}, {_NAMED}",
    "connectors": f"name text NOT NULL, provider text, direction core_api.direction_enum, {_NAMED}",
    "workspace_connectors": f"{_OF_WORKSPACE}, connector_pk bigint NOT NULL, {_SOURCE},"
    " status text NOT NULL DEFAULT 'active'::text, health text NOT NULL DEFAULT 'new'::text,"
    " consent_expires_at timestamp(3) with time zone",
    "workspace_groups": "name text NOT NULL, created_by_pk bigint",
    "workspace_memberships": f"{_MEMBER}, {_OF_WORKSPACE}, {_SOURCE}",
    "workspace_group_memberships": f"{_MEMBER}, workspace_group_pk bigint NOT NULL",
    "providers": "name text NOT NULL, slug text NOT NULL, category text, url text, logo_url text,"
    f" countries text[] NOT NULL DEFAULT '{{}}'::text[], skill_status text, {_NAMED}",
}
# What a declaration adds to the contract's; of such the model is what the migrated database is compared with.
TOLD = {found.table: {each.name for each in found.told} for found in (*records(), CONNECTOR, PROVIDER)}

PROVENANCE = tuple(ledger.table for ledger in ledgers().values())
JUNCTIONS = (*PROVENANCE, "workspace_group_workspaces", "workspace_providers")
TABLES = {*CONTRACT, *PROVENANCE, *(record.table for record in records())}
PARENTS = TABLES - {*JUNCTIONS}
# What each reference names, and what follows when that goes or its pk changes.
TARGETS = {
    "workspace_pk": "workspaces",
    **{f"{record.type}_pk": record.table for record in records()},
    "connector_pk": "connectors",
    "workspace_connector_pk": "workspace_connectors",
    "workspace_group_pk": "workspace_groups",
    "provider_pk": "providers",
    "created_by_pk": "peoples",
}
RULES = {
    ("workspace_group_workspaces", "workspace_group_pk"): "ON DELETE RESTRICT",
    ("workspace_group_workspaces", "workspace_pk"): "ON DELETE RESTRICT",
    ("workspace_group_workspaces", "created_by_pk"): "ON DELETE SET NULL",
}
_OF_MEMBERSHIPS = (
    "CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'guest'::text])))",
    "CHECK ((status = ANY (ARRAY['pending'::text, 'active'::text])))",
)
CONSTRAINTS: Mapping[str, Sequence[str]] = {
    "workspace_providers": ["CHECK (((NOT is_selected) OR is_matched))"],
    "workspace_memberships": _OF_MEMBERSHIPS,
    "workspace_group_memberships": _OF_MEMBERSHIPS,
    "providers": ["UNIQUE (slug)"],
}

every_table = pytest.mark.parametrize("table", sorted(TABLES))
every_provenance_table = pytest.mark.parametrize("table", sorted(PROVENANCE))


def columns(said: str) -> dict[str, str]:
    """Return what is said of each column, by its name."""
    return dict(column.split(" ", 1) for column in said.split(", "))


def test_there_are_these_tables_and_no_other(catalogue: Catalogue) -> None:
    assert catalogue.tables() == TABLES


@pytest.mark.parametrize("table", CONTRACT)
def test_a_table_has_the_columns_of_the_contract(catalogue: Catalogue, table: str) -> None:
    said = columns(f"{STANDARD}, {CONTRACT[table]}")
    told = TOLD.get(table, set()) - said.keys()
    found = catalogue.columns(f"core_api.{table}")
    assert {name: definition for name, definition in found.items() if name not in told} == said


@every_table
def test_the_server_makes_a_unique_id_in_the_order_of_time_and_both_times(catalogue: Catalogue, table: str) -> None:
    assert catalogue.columns(f"core_api.{table}").items() >= columns(STANDARD).items()


@every_table
def test_a_table_has_the_constraints_of_the_contract_and_an_index_of_each_reference(
    catalogue: Catalogue, table: str
) -> None:
    named = {name for name in catalogue.columns(f"core_api.{table}") if name.endswith("_pk")}
    # Messages are forgotten, and their rows are not.
    references = named - {"sync_message_pk", "ended_by_pk"}
    assert sorted(catalogue.constraints(f"core_api.{table}").values()) == sorted(
        (
            *("PRIMARY KEY (pk)", "UNIQUE (id)", *CONSTRAINTS.get(table, ())),
            *(
                f"FOREIGN KEY ({name}) REFERENCES core_api.{TARGETS[name]}(pk)"
                f" {RULES.get((table, name), 'ON UPDATE CASCADE')}"
                for name in references
            ),
        )
    )
    indexes = [index.removeprefix("UNIQUE ") for index in catalogue.indexes(f"core_api.{table}").values()]
    assert {name for name in references if not any(index.startswith(f"({name}") for index in indexes)} == set()


def test_the_enum_of_directions_is_input_and_output(catalogue: Catalogue) -> None:
    assert catalogue.column("SELECT unnest(enum_range(NULL::core_api.direction_enum))::text") == ["input", "output"]


UPDATED = """(
CASE
    WHEN (updated_at IS NULL) THEN created_at
    ELSE updated_at
END)"""
LIVE, DEAD = "(deleted_at IS NULL)", "(deleted_at IS NOT NULL)"
INPUT = "(direction = 'input'::core_api.direction_enum)"
OUTPUT = "(direction = 'output'::core_api.direction_enum)"


def of_lists(prefix: str, parent: str, directions: Sequence[str]) -> dict[str, str]:
    """The indexes that lists of one parent's rows are read by."""
    found = {}
    for name, time, half in (
        ("created_live", "created_at", LIVE),
        ("created_dead", "created_at", DEAD),
        ("updated_live", UPDATED, LIVE),
        ("updated_dead", UPDATED, DEAD),
        ("deleted_dead", "deleted_at", DEAD),
    ):
        columns = f"({parent}{time}, pk)"
        for direction in directions:
            divided = f"({half} AND (direction = '{direction}'::core_api.direction_enum))"
            found[f"{prefix}_{name}_{direction}"] = f"{columns} WHERE {divided}"
        if not directions:
            found[f"{prefix}_{name}"] = f"{columns} WHERE {half}"
    return found


class TestProvenance:
    @every_provenance_table
    def test_has_the_seeds_indexes_and_those_of_its_keys_and_lists(self, catalogue: Catalogue, table: str) -> None:
        record = table.removesuffix("_workspace_connectors")
        assert catalogue.indexes(f"core_api.{table}") == {
            f"pk_{table}": "UNIQUE (pk)",
            f"uq_{table}_id": "UNIQUE (id)",
            f"idx_{table}_record_created": f"({record}_pk, created_at, pk)",
            f"idx_{table}_record_created_dead": f"({record}_pk, created_at, pk) WHERE {DEAD}",
            **{
                f"idx_{table}_record_{direction}_live": (
                    f"({record}_pk, workspace_connector_pk, created_at, pk) WHERE ({LIVE} AND {of_direction})"
                )
                for direction, of_direction in (("input", INPUT), ("output", OUTPUT))
            },
            # The live half of the seed's; the dead one is among the others.
            f"idx_{table}_wc_created_at": f"(workspace_connector_pk, created_at, pk) WHERE {LIVE}",
            **of_lists(f"idx_{table}", "", ()),
            **of_lists(f"idx_{table}_wc", "workspace_connector_pk, ", ("input", "output")),
        }

    @every_provenance_table
    def test_never_changes_its_direction(self, database: Database, world: World, table: str) -> None:
        workspace = world.workspace()
        type_ = table.removesuffix("_workspace_connectors")
        world.provenance(world.record(type_, workspace), world.workspace_connector(workspace))
        database.role = "wellspring_writer"
        with database.connection() as writer, pytest.raises(DBAPIError), writer.begin_nested():
            writer.exec_driver_sql(f"UPDATE core_api.{table} SET direction = 'output'")
        with pytest.raises(DBAPIError, match="direction never changes"), database.owner.begin_nested():
            database.owner.exec_driver_sql(f"UPDATE core_api.{table} SET direction = 'output'")


@pytest.mark.parametrize(
    ("table", "name", "columns"),
    [
        ("workspace_group_workspaces", "group_workspace", "workspace_group_pk, workspace_pk"),
        ("workspace_group_memberships", "people_group", "people_pk, workspace_group_pk"),
        ("workspace_providers", "workspace_provider", "workspace_pk, provider_pk"),
    ],
)
def test_a_pair_is_unique_while_it_is_live(catalogue: Catalogue, table: str, name: str, columns: str) -> None:
    index = catalogue.indexes(f"core_api.{table}")[f"{table}_{name}_active_unique"]
    assert index == f"UNIQUE ({columns}) WHERE {LIVE}"


@pytest.mark.parametrize("word", ["credential", "secret", "password", "token", "api_key", "external_id"])
def test_no_column_could_hold_a_secret_or_another_systems_id(catalogue: Catalogue, word: str) -> None:
    found = catalogue.column(
        "SELECT attrelid::regclass::text FROM pg_attribute"
        " WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'core_api'::regnamespace)"
        "   AND attname ILIKE :pattern",
        pattern=f"%{word}%",
    )
    assert found == []


def test_every_constraint_and_index_is_valid(catalogue: Catalogue) -> None:
    assert catalogue.column("SELECT conname FROM pg_constraint WHERE NOT convalidated") == []
    assert catalogue.column("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []


def test_messages_have_their_effect_once(catalogue: Catalogue) -> None:
    indexes = catalogue.indexes("wellspring.sync_messages")
    assert indexes["uq_sync_messages_message_id"].startswith("UNIQUE (message_id) WHERE")
    assert indexes["uq_sync_messages_digest"].startswith("UNIQUE (digest) WHERE")


def test_messages_can_be_read_by_time_so_that_they_can_be_pruned(catalogue: Catalogue) -> None:
    assert "(received_at, pk)" in catalogue.indexes("wellspring.sync_messages").values()


def test_messages_are_what_consumers_of_the_release_before_know_as_their_inbox(database: Database) -> None:
    database.owner.exec_driver_sql("SET LOCAL ROLE wellspring_writer")
    note = "INSERT INTO wellspring.sync_inbox (message_id) VALUES (%s) ON CONFLICT DO NOTHING RETURNING message_id"
    id_ = uuid4()
    assert [len(database.owner.exec_driver_sql(note, (id_,)).all()) for _ in range(2)] == [1, 0]
    database.owner.exec_driver_sql("SET LOCAL ROLE wellspring_consumer")
    database.owner.exec_driver_sql("SELECT wellspring.enter('pipeline')")
    found = database.owner.exec_driver_sql(
        "SELECT outcome, processed_at IS NOT NULL, digest FROM wellspring.sync_messages WHERE message_id = %s",
        (id_,),
    ).one()
    assert tuple(found) == ("applied", True, None)


def _named(schema: str, *tables: str) -> set[str]:
    return {f"{schema}.{table}" for table in tables}


_GROUPS = _named("core_api", "workspace_groups", "workspace_group_memberships")
_ADDED, _SWEPT = {"wellspring.audit"}, {"wellspring.endings"}
_LEDGER = _named("core_api", *JUNCTIONS) | {"wellspring.idempotency_keys"} | _GROUPS
_OF_FEED = _named("wellspring", "pending_events", "endings", "loads", "load_rejects")
_FED = _named("core_api", *PARENTS) - _GROUPS | _OF_FEED
_FED |= _named("wellspring", "tombstones", "erasures", "feed_sources")
_MESSAGES = _named("wellspring", "sync_messages", "waiting_for")
_SYNCED = _named("core_api", *PROVENANCE, "workspace_providers", *(record.table for record in records())) | _MESSAGES
_SYNCED |= _named("wellspring", "sync_runs", "connector_state", "connector_rows", "connector_activity")
# Of each role and right: on which tables, or on some of their columns. The reader and the exporter have none.
WRITTEN_BY: Mapping[str, Mapping[str, set[str]]] = {
    "wellspring_writer": {"INSERT": _LEDGER | _ADDED, "UPDATE": _LEDGER | _SWEPT},
    # An erased person leaves memberships behind, which end.
    "wellspring_feeder": {
        "INSERT": _FED | _ADDED,
        "UPDATE": _FED | {"core_api.workspace_group_memberships"},
        "DELETE": _OF_FEED,
    },
    "wellspring_consumer": {
        "INSERT": _SYNCED | _ADDED,
        "UPDATE": _SYNCED - _named("core_api", *(record.table for record in records())) | _SWEPT | {"wellspring.fleet"},
        "DELETE": _MESSAGES,
    },
    "wellspring_publisher": {"UPDATE": {"wellspring.outbox"}},
}


def granted_to(catalogue: Catalogue, role: str, privilege: str) -> set[str]:
    """Return the tables on which a role has a right, or on some columns of which."""
    return set(
        catalogue.column(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace IN ('core_api'::regnamespace, 'wellspring'::regnamespace)"
            "   AND (has_table_privilege(:role, oid, :privilege) OR :privilege IN ('INSERT', 'UPDATE', 'SELECT')"
            "        AND has_any_column_privilege(:role, oid, :privilege))",
            role=role,
            privilege=privilege,
        )
    )


class TestTheFunctionsRoles:
    """Neither owns anything, deletes anything, or changes the schema; the reader writes nothing."""

    ROLES = ("wellspring_reader", "wellspring_writer")

    OTHERS = ("wellspring_consumer", "wellspring_feeder", "wellspring_exporter", "wellspring_publisher")

    @pytest.mark.parametrize("role", [*ROLES, *OTHERS])
    def test_are_ordinary_and_own_nothing(self, catalogue: Catalogue, role: str) -> None:
        assert catalogue.rows(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolcanlogin"
            "  FROM pg_roles WHERE rolname = :role",
            role=role,
        ) == [(False, False, False, False, False, True)]
        for owner_of in (
            "SELECT relname FROM pg_class WHERE relowner = CAST(:role AS regrole)",
            "SELECT nspname FROM pg_namespace WHERE nspowner = CAST(:role AS regrole)",
            "SELECT datname FROM pg_database WHERE datdba = CAST(:role AS regrole)",
            "SELECT proname FROM pg_proc WHERE proowner = CAST(:role AS regrole)",
            "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND has_schema_privilege(:role, oid, 'CREATE')",
        ):
            assert catalogue.column(owner_of, role=role) == []
        member_of = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = CAST(:role AS regrole)"
        assert catalogue.column(member_of, role=role) == []

    @pytest.mark.parametrize("role", [*ROLES, *OTHERS])
    def test_may_write_what_is_theirs_and_nothing_else(self, catalogue: Catalogue, role: str) -> None:
        granted = WRITTEN_BY.get(role, {})
        for privilege in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"):
            assert (privilege, granted_to(catalogue, role, privilege)) == (privilege, granted.get(privilege, set()))

    def test_may_read_the_data_and_the_publisher_alone_the_outbox(self, catalogue: Catalogue) -> None:
        for role in (*self.ROLES, *self.OTHERS):
            readable = granted_to(catalogue, role, "SELECT")
            assert role not in self.ROLES or {f"core_api.{table}" for table in TABLES} <= readable
            assert ("wellspring.outbox" in readable) == (role == "wellspring_publisher"), role
        assert granted_to(catalogue, "wellspring_publisher", "SELECT") == {"wellspring.outbox"}

    def test_a_tenant_never_moves_whoever_asks(self, catalogue: Catalogue) -> None:
        for table in ("peoples", "companies", "accounts", "workspace_connectors", "workspace_memberships"):
            for role in (*self.ROLES, "wellspring_consumer", "wellspring_feeder"):
                assert catalogue.column(
                    "SELECT has_column_privilege(:role, :table, 'workspace_pk', 'UPDATE')",
                    role=role,
                    table=f"core_api.{table}",
                ) == [False]

    @pytest.mark.parametrize("record", ["people", "company", "account"])
    def test_a_tenant_never_moves_though_the_owner_asks(self, database: Database, record: RecordType) -> None:
        world = World(database)
        home, away = world.workspace(), world.workspace()
        moving = [world.record(record, home), world.workspace_connector(home), world.member(world.people(home), home)]
        for row in moving:
            table = table_of(resource_of(row.type).table)
            with pytest.raises(DBAPIError) as caught, database.owner.begin_nested():
                database.owner.exec_driver_sql(f"UPDATE {table} SET workspace_pk = {away.pk} WHERE pk = {row.pk}")
            assert constraint(caught.value) == "workspace_is_immutable"
            database.owner.exec_driver_sql(f"UPDATE {table} SET workspace_pk = workspace_pk WHERE pk = {row.pk}")


MOST_BYTES = 2704
# Of everything beside texts in an entry, its header included.
OTHER_BYTES = 64
# How many characters each text has at most, and how many bytes a character of it.
NAME, CODE = (500, 4), (64, 1)
BOUNDS: dict[str, tuple[int, int]] = {
    "providers.slug": NAME,
    "providers.category": NAME,
    "providers.countries": (100, 4),
    # `queries.MAX_NAME_FOLDED`.
    "folded_name": (200, 4),
    "pending_events.source": NAME,
    "feed_sources.source": NAME,
    # A slug, or an id.
    "pending_events.missing_key": NAME,
    "sync_messages.run": (100, 4),
    "sync_runs.run": (100, 4),
    "sync_runs.state": CODE,
    "idempotency_keys.key": (255, 1),
    # The subject of a token, which the issuer bounds: API Gateway takes 10,240 bytes of headers in all.
    "idempotency_keys.caller": (1024, 1),
    "audit.caller": (1024, 1),
    # Amazon S3 User Guide, "Object key naming".
    "loads.key": (1024, 1),
    "loads.object_version": (1024, 1),
    **dict.fromkeys(("outcome", "reason", "type", "missing_type", "status", "role", "health"), CODE),
}

INDEXED = """
SELECT index.relname, parent.relname, column_.attname
  FROM pg_index
  JOIN pg_class AS index ON index.oid = indexrelid
  JOIN pg_class AS parent ON parent.oid = indrelid
  JOIN pg_attribute AS column_ ON column_.attrelid = indrelid AND column_.attnum = ANY (indkey)
 WHERE parent.relnamespace::regnamespace::text IN ('core_api', 'wellspring')
   AND column_.atttypid IN ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype)"""


def test_the_longest_texts_that_are_accepted_fit_into_each_index(catalogue: Catalogue) -> None:
    """However little they compress.

    Source: Postgres's documentation, "B-Tree Indexes" (a third of a page), and "GIN", for which the same holds of one
    key.
    """
    indexed: dict[str, list[tuple[str, str]]] = {}
    for index, table, column in catalogue.rows(INDEXED):
        indexed.setdefault(index, []).append((table, column))
    sizes = {}
    for index, columns in indexed.items():
        bounds = [BOUNDS.get(f"{table}.{column}") or BOUNDS[column] for table, column in columns]
        sizes[index] = OTHER_BYTES + sum(most * width for most, width in bounds)
    assert "idx_providers_category" in sizes
    assert {index: size for index, size in sizes.items() if size > MOST_BYTES} == {}
