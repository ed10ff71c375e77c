"""A builder of rows. It writes as the owner and knows nothing of the product but its tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Executable, Table, bindparam, func, insert, select, text, update

from tests.support.databases import AnyDatabase
from wellspring.models import parents, table_of
from wellspring.resources import records, resource_of, resources

type Direction = Literal["input", "output"]
type RecordType = str

# Who tells of people, as `support.feed` does.
FEED = "/well/test"

# The table of each record type.
RECORDS: dict[str, Table] = {record.type: table_of(record.table) for record in records()}
# The five objects of the ledger, and those that were added to them: each says who belongs to whom.
OBJECTS = tuple(found for found in resources() if found.policy in {"provenance", "enrolment", "selection"})


@dataclass(frozen=True, slots=True)
class Row:
    """A row that exists: `type` is its JSON:API type, `id` what the outside knows."""

    type: str
    pk: int
    id: UUID


class World:
    """Builds rows in `database`. Every method returns what it made; times default to now."""

    def __init__(self, database: AnyDatabase) -> None:
        self.database = database
        self._connector: Row | None = None

    def forget(self) -> None:
        """Forget the connector that is made once, because what made it was undone."""
        self._connector = None

    def make(self, type_: str, **values: Any) -> Row:
        """Make a row of a type; columns that are not named have their defaults."""
        table = table_of(resource_of(type_).table)
        pk, id_ = self.database.owner.execute(insert(table).values(**values).returning(table.c.pk, table.c.id)).one()
        self.database.commit()
        return Row(type_, pk, id_)

    # ---- parents -------------------------------------------------------------------------------------

    def workspace(self, name: str = "Workspace", **values: Any) -> Row:
        return self.make("workspace", name=name, **values)

    def people(self, workspace: Row, name: str = "Ada Example", **values: Any) -> Row:
        """Make a person of whom the platform's feed has told; with `source=None` one that only a sync made."""
        return self.record("people", workspace, full_name=name, **{"source": FEED} | values)

    def company(self, workspace: Row, name: str = "Company", **values: Any) -> Row:
        return self.record("company", workspace, name=name, **values)

    def account(self, workspace: Row, name: str = "Account", currency: str = "EUR", **values: Any) -> Row:
        return self.record("account", workspace, account_name=name, currency=currency, **values)

    def record(self, type_: RecordType, workspace: Row, **values: Any) -> Row:
        """Make one record; the texts that it must have and `values` do not say are its type's name."""
        needed = dict.fromkeys(_texts(type_), resource_of(type_).name.capitalize())
        return self.make(type_, workspace_pk=workspace.pk, **needed | values)

    def records(self, type_: RecordType, workspace: Row, count: int) -> list[Row]:
        """Make `count` records of a type in one statement, in the order of their pk: all their texts are numbers."""
        table, needed = RECORDS[type_], _texts(type_)
        number = func.format(text("'%s'"), func.generate_series(1, bindparam("count")))
        series = select(*(number.label(name) for name in needed), bindparam("pk", type_=table.c.workspace_pk.type))
        statement = insert(table).from_select([*needed, "workspace_pk"], series).returning(table.c.pk, table.c.id)
        return self._many(type_, statement, count=count, pk=workspace.pk)

    def companies(self, workspace: Row, count: int) -> list[Row]:
        return self.records("company", workspace, count)

    def connector(self, name: str = "Qonto", provider: str | None = None, **values: Any) -> Row:
        return self.make("connector", name=name, provider=provider or name.lower(), **values)

    def workspace_connector(self, workspace: Row, connector: Row | None = None, **values: Any) -> Row:
        """Make a connection of `workspace` to `connector`, or to one that all such calls share."""
        if connector is None:
            self._connector = connector = self._connector or self.connector()
        return self.make("workspace_connector", workspace_pk=workspace.pk, connector_pk=connector.pk, **values)

    def provider(self, slug: str, name: str | None = None, **values: Any) -> Row:
        return self.make("provider", slug=slug, name=name or slug.title(), **values)

    # ---- who belongs where ---------------------------------------------------------------------------

    def member(self, person: Row, workspace: Row, role: str = "member", status: str = "active", **values: Any) -> Row:
        of = {"people_pk": person.pk, "workspace_pk": workspace.pk}
        return self.make("workspace_membership", **of, role=role, status=status, **values)

    def workspaces(self, count: int) -> list[int]:
        """Make so many workspaces that nothing is in, and return their keys."""
        made = insert(parents.workspaces).returning(parents.workspaces.c.pk)
        return list(self.database.owner.execute(made, [{"name": "Another"}] * count).scalars()) if count else []

    def member_of_all(self, person: Row, workspaces: Sequence[int]) -> None:
        """Make `person` an active member of workspaces by their keys."""
        of = {"people_pk": person.pk, "role": "member", "status": "active"}
        if values := [{"workspace_pk": pk, **of} for pk in workspaces]:
            self.database.owner.execute(insert(parents.workspace_memberships), values)

    def group(self, created_by: Row | None = None, name: str = "Group", **values: Any) -> Row:
        """Make a group; its creator is not yet a member of it."""
        return self.make("workspace_group", name=name, created_by_pk=created_by and created_by.pk, **values)

    def group_member(self, person: Row, group: Row, role: str = "member", status: str = "active", **values: Any) -> Row:
        of = {"people_pk": person.pk, "workspace_group_pk": group.pk}
        return self.make("workspace_group_membership", **of, role=role, status=status, **values)

    def enrol(self, group: Row, workspace: Row, created_by: Row | None = None, **values: Any) -> Row:
        of = {
            "workspace_group_pk": group.pk,
            "workspace_pk": workspace.pk,
            "created_by_pk": created_by and created_by.pk,
        }
        return self.make("workspace_group_workspace", **of, **values)

    def choose(
        self, workspace: Row, provider: Row, *, is_selected: bool = False, is_matched: bool = False, **values: Any
    ) -> Row:
        """Make a workspace's row of a provider, selected, matched, both or neither."""
        of = {"workspace_pk": workspace.pk, "provider_pk": provider.pk}
        return self.make("workspace_provider", **of, is_selected=is_selected, is_matched=is_matched, **values)

    # ---- the ledger ----------------------------------------------------------------------------------

    def provenance(
        self,
        record: Row,
        workspace_connector: Row,
        direction: Direction = "input",
        *,
        created_at: datetime | None = None,
        deleted_at: datetime | None = None,
    ) -> Row:
        """Say that `workspace_connector` brought `record` in, or carried it out."""
        of: dict[str, Any] = {f"{record.type}_pk": record.pk, "workspace_connector_pk": workspace_connector.pk}
        times = {"created_at": created_at, "updated_at": created_at, "deleted_at": deleted_at}
        of |= {name: value for name, value in times.items() if value is not None}
        return self.make(f"{record.type}_workspace_connector", direction=direction, **of)

    def provenances(
        self,
        records: Sequence[Row],
        workspace_connector: Row,
        direction: Direction = "input",
        *,
        created_at: Sequence[datetime] | None = None,
    ) -> list[Row]:
        """Say it of many records of one type in one statement; `created_at` has one time for each, or none."""
        type_ = f"{records[0].type}_workspace_connector"
        times = "now(), now()" if created_at is None else "at, at"
        # Numbered on the way in and sorted by pk on the way out: both orders are that of `records`.
        statement = text(
            f"INSERT INTO core_api.{type_}s"
            f" ({records[0].type}_pk, workspace_connector_pk, direction, created_at, updated_at)"
            f" SELECT pk, :wc, CAST(:direction AS core_api.direction_enum), {times}"
            "  FROM unnest(CAST(:pks AS bigint[]), CAST(:times AS timestamptz[]))"
            "  WITH ORDINALITY AS input (pk, at, number) ORDER BY number"
            " RETURNING pk, id"
        )
        rows = {"pks": [record.pk for record in records], "times": [time.isoformat() for time in created_at or ()]}
        return self._many(type_, statement, wc=workspace_connector.pk, direction=direction, **rows)

    def message(
        self, connector: Row | None = None, workspace: Row | None = None, outcome: str = "applied", **values: Any
    ) -> Row:
        """Write down a message of the sync queue, of this connector and workspace."""
        of = {"workspace_connector_pk": connector and connector.pk, "workspace_pk": workspace and workspace.pk}
        return self.make("sync_message", **of, outcome=outcome, **{"message_id": uuid4(), **values})

    def run(self, connector: Row, workspace: Row, name: str = "nightly", **values: Any) -> Row:
        """Write down a run of a connector."""
        of = {"workspace_connector_pk": connector.pk, "workspace_pk": workspace.pk}
        return self.make("sync_run", **of, run=name, **values)

    # ---- many rows -----------------------------------------------------------------------------------

    def fill(self, table: str, rows: int | str, **columns: object) -> None:
        """Insert many rows in one statement, each column as SQL.

        Args:
            table: where, with its schema.
            rows: how many, of the number `n` each; or a row for each that this SQL is about.
            columns: what is said of a row.
        """
        source = rows if isinstance(rows, str) else f"generate_series(1, {rows}) AS n"
        self.database.owner.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(map(str, columns.values()))} FROM {source}"
        )
        self.database.commit()

    def analyze(self, *tables: str) -> None:
        """Let Postgres look at these tables, or at all."""
        self.database.owner.exec_driver_sql(f"ANALYZE {', '.join(tables)}")
        self.database.commit()

    # ---- the end of a row ----------------------------------------------------------------------------

    def tombstone(self, row: Row, at: datetime | None = None) -> None:
        """Stamp `deleted_at` of any row."""
        when = func.now() if at is None else at
        self.change(row, deleted_at=when, updated_at=when)

    def change(self, row: Row, **values: Any) -> None:
        """Change columns of any row, as nobody but a test may."""
        table = table_of(resource_of(row.type).table)
        self.database.owner.execute(update(table).where(table.c.pk == row.pk).values(**values))
        self.database.commit()

    def _many(self, type_: str, statement: Executable, **values: Any) -> list[Row]:
        found = self.database.owner.execute(statement, values).all()
        self.database.commit()
        return sorted((Row(type_, pk, id_) for pk, id_ in found), key=lambda row: row.pk)


def _texts(type_: RecordType) -> list[str]:
    """Return the names of the texts that a record must have."""
    return [said.name for said in resource_of(type_).attributes if said.required and said.kind == "text"]
