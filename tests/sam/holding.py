"""Contents of the database in the words of the API, to compare with the answer of a function in a container."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from local.example_ids import demo_id
from tests.support.api import TYPES
from tests.support.databases import FreshDatabase
from tests.support.events import event
from wellspring.models import metadata, table_of
from wellspring.resources import resource_of

# Of each type, in the workspaces A and C; the larger the number, the later.
NUMBERS = (1, 2, 3)
CONNECTOR = 2
NAMED_CONNECTOR = 5


def write_provenance(owner: FreshDatabase) -> None:
    """Insert rows of every type into two workspaces, and the ones that events name."""
    for type_ in TYPES:
        for letter in "ac":
            for number in NUMBERS:
                _insert(owner, type_, letter, number, CONNECTOR, "input", demo_id("message", letter, number))
        named = event(f"{type_}_workspace_connector_retrieve")["pathParameters"]["id"]
        _insert(owner, type_, "a", 1, NAMED_CONNECTOR, "output", named)
    owner.owner.exec_driver_sql(
        "INSERT INTO wellspring.sync_messages (id, message_id, workspace_connector_pk, workspace_pk)"
        " SELECT %s::uuid, uuidv7(), pk, workspace_pk FROM core_api.workspace_connectors WHERE id = %s::uuid",
        (event("sync_message_retrieve")["pathParameters"]["id"], demo_id("workspace_connector", "a")),
    )
    owner.owner.exec_driver_sql(
        "INSERT INTO wellspring.sync_runs (id, workspace_connector_pk, workspace_pk, run)"
        " SELECT %s::uuid, pk, workspace_pk, 'nightly' FROM core_api.workspace_connectors WHERE id = %s::uuid",
        (event("sync_run_retrieve")["pathParameters"]["id"], demo_id("workspace_connector", "a")),
    )
    owner.owner.exec_driver_sql(
        "UPDATE wellspring.sync_messages SET sync_run_pk = (SELECT pk FROM wellspring.sync_runs)"
    )
    owner.commit()


def _insert(
    owner: FreshDatabase, type_: str, letter: str, number: int, connector: int, direction: str, id_: str
) -> None:
    owner.owner.exec_driver_sql(
        f"INSERT INTO core_api.{type_}_workspace_connectors"
        f" (id, {type_}_pk, workspace_connector_pk, direction, created_at, updated_at)"
        " SELECT %s::uuid, record.pk, connector.pk, %s::core_api.direction_enum, at, at"
        f"  FROM core_api.{resource_of(type_).table} record, core_api.workspace_connectors connector,"
        "       CAST(timestamptz '2026-05-10 08:00Z' + %s * interval '1 minute' AS timestamptz(3)) at"
        " WHERE record.id = %s::uuid AND connector.id = %s::uuid",
        (id_, direction, number, demo_id(type_, letter, number), demo_id("workspace_connector", letter, connector)),
    )


def newest(letter: str, count: int) -> list[str]:
    """Return the ids of the newest rows of input that a member of the workspace sees, in the order of a list."""
    return [demo_id("message", letter, number) for number in sorted(NUMBERS, reverse=True)][:count]


def holds(owner: FreshDatabase, type_: str, id_: str) -> dict[str, Any]:
    """Return the attributes and the to-one relationships of a row, as a resource object has them."""
    resource = resource_of(type_)
    row = owner.owner.exec_driver_sql(
        f"SELECT * FROM {table_of(resource.table)} WHERE id = %s", (UUID(id_),)
    ).mappings().one()  # fmt: skip
    relationships = {}
    for relationship in resource.to_one:
        table = table_of(resource_of(relationship.target).table)
        found = owner.owner.exec_driver_sql(
            f"SELECT id FROM {table} WHERE pk = %s", (row[relationship.column],)
        ).scalar_one_or_none()
        relationships[relationship.name] = found and {"type": relationship.target, "id": str(found)}
    owner.commit()
    return {
        # What is kept about a connector is no column of its row.
        "attributes": {
            each.name: _said(row[each.name]) for each in resource.attributes if not (each.service_only or each.computed)
        },
        "relationships": relationships,
    }


def _said(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value


def shown(resource_object: Any) -> dict[str, Any]:
    """Return the same of a resource object."""
    resource = resource_of(resource_object["type"])
    declared = {each.name for each in resource.to_one}
    relationships = resource_object.get("relationships", {})
    return {
        "attributes": {
            name: value for name, value in resource_object["attributes"].items() if name not in resource.computed
        },
        "relationships": {name: relationships[name]["data"] for name in sorted(declared)},
    }


def live(owner: FreshDatabase, type_: str) -> set[str]:
    """Return the ids of the rows of a type that are not removed."""
    table = resource_of(type_).table
    found = owner.owner.exec_driver_sql(f"SELECT id FROM core_api.{table} WHERE deleted_at IS NULL").scalars().all()
    owner.commit()
    return {str(id_) for id_ in found}


def everything(owner: FreshDatabase) -> dict[str, list[str]]:
    """Return every row of every table of the data, as text."""
    found = {
        name: list(owner.owner.exec_driver_sql(f"SELECT t::text FROM {name} t ORDER BY 1").scalars())
        for name in metadata.tables
        if name.startswith("core_api.")
    }
    owner.commit()
    return found
