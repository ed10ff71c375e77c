"""What the API knows of each object: the declarations that routes, queries, documents and SQL are made from.

Pure data. A new junction object is one more `provenance(...)` line here, one in `models.junctions`, a migration
and its handlers.
"""

from dataclasses import dataclass, field
from typing import Literal

type Kind = Literal["text", "instant", "direction", "boolean", "texts"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a resource object; its column has the same name.

    Attributes:
        name: as in the document.
        kind: how its value is written and filtered.
    """

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Relationship:
    """One to-one relationship of a resource object; its column is `<name>_pk`.

    Attributes:
        name: as in the document.
        target: the JSON:API type at its other end.
        required: whether it is never null.
        drives: whether the rows of one parent stand together in an index on (parent, created_at, pk), so that
            a page may be read parent by parent.
    """

    name: str
    target: str
    required: bool = True
    drives: bool = False

    @property
    def column(self) -> str:
        """The foreign key's column."""
        return f"{self.name}_pk"


@dataclass(frozen=True, slots=True)
class Resource:
    """One JSON:API type.

    Attributes:
        type: the JSON:API type.
        table: the table behind it.
        attributes: what `attributes` holds, in the order of the seed.
        relationships: what `relationships` holds. In a ledger object each of them is also a way to its tenant:
            a row is visible when every parent that has a workspace is (contract, section 3).
        route: path of the collection; empty for a type that has no routes of its own.
        includes: relationship paths that `include` may name.
    """

    type: str
    table: str
    attributes: tuple[Attribute, ...]
    relationships: tuple[Relationship, ...] = ()
    route: str = ""
    includes: tuple[str, ...] = ()
    # Found by name in every request; built once.
    _by_name: dict[str, Attribute | Relationship] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        """Index the fields by name, which JSON:API keeps unique over attributes and relationships."""
        fields: tuple[Attribute | Relationship, ...] = (*self.attributes, *self.relationships)
        object.__setattr__(self, "_by_name", {field.name: field for field in fields})

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute called `name`, if there is one."""
        found = self._by_name.get(name)
        return found if isinstance(found, Attribute) else None

    def relationship(self, name: str) -> Relationship | None:
        """Return the relationship called `name`, if there is one."""
        found = self._by_name.get(name)
        return found if isinstance(found, Relationship) else None


TIMES = (Attribute("created_at", "instant"), Attribute("updated_at", "instant"), Attribute("deleted_at", "instant"))
WORKSPACE = Relationship("workspace", "workspace")


def provenance(record: str) -> Resource:
    """Declare the ledger of one record type (seeds: account_, company_, people_workspace_connector).

    Args:
        record: the record's JSON:API type, which also names its relationship.
    """
    return Resource(
        type=f"{record}_workspace_connector",
        table=f"{record}_workspace_connectors",
        route=f"/v1/{record}-workspace-connectors",
        attributes=(Attribute("direction", "direction"), *TIMES),
        relationships=(
            Relationship(record, record, drives=True),
            Relationship("workspace_connector", "workspace_connector", drives=True),
        ),
        includes=(record, "workspace_connector"),
    )


ACCOUNT_WORKSPACE_CONNECTOR = provenance("account")
COMPANY_WORKSPACE_CONNECTOR = provenance("company")
PEOPLE_WORKSPACE_CONNECTOR = provenance("people")

# The parents: they can be included, not asked for by themselves.
PARENTS = (
    Resource("workspace", "workspaces", (Attribute("name", "text"), *TIMES)),
    Resource("people", "peoples", (Attribute("full_name", "text"), *TIMES), (WORKSPACE,)),
    Resource("company", "companies", (Attribute("name", "text"), *TIMES), (WORKSPACE,)),
    Resource(
        "account",
        "accounts",
        (Attribute("account_name", "text"), Attribute("currency", "text"), *TIMES),
        (WORKSPACE,),
    ),
    Resource(
        "connector",
        "connectors",
        (Attribute("name", "text"), Attribute("provider", "text"), Attribute("direction", "direction"), *TIMES),
    ),
    Resource(
        "workspace_connector",
        "workspace_connectors",
        (Attribute("status", "text"), *TIMES),
        (WORKSPACE, Relationship("connector", "connector")),
    ),
)

_RESOURCES = {
    resource.type: resource
    for resource in (
        ACCOUNT_WORKSPACE_CONNECTOR,
        COMPANY_WORKSPACE_CONNECTOR,
        PEOPLE_WORKSPACE_CONNECTOR,
        *PARENTS,
    )
}


def resource_of(type_: str) -> Resource:
    """Return the declaration of a JSON:API type. Raises `KeyError`."""
    return _RESOURCES[type_]
