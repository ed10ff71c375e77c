"""What the API knows of each object: the declarations that routes, queries, documents, access and SQL are made from.

Pure data. A new junction object is one more `provenance(...)` line here, one in `models.junctions`, a migration
and its handlers.
"""

from dataclasses import dataclass, field
from typing import Literal

type Kind = Literal["text", "instant", "direction", "boolean", "texts"]
type Written = Literal["never", "create", "update", "always"]
type Policy = Literal["none", "provenance", "enrolment", "selection", "group"]
type Tenancy = Literal["every", "any", "membership"]

DIRECTIONS = ("input", "output")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a resource object; its column has the same name.

    Attributes:
        name: as in the document.
        kind: how its value is written and filtered.
        written: when a client may say it; what it may not say at all is the system's, what it may say only at
            the creation is immutable.
        required: whether a creation must say it.
    """

    name: str
    kind: Kind
    written: Written = "never"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Relationship:
    """One relationship of a resource object; a to-one's column is `<name>_pk`.

    Attributes:
        name: as in the document.
        target: the JSON:API type at its other end.
        required: whether it is never null.
        drives: whether the rows of one parent stand together in an index on (parent, created_at, pk), so that
            a page may be read parent by parent; where several do, the last does unless a filter names another.
        written: whether a client says it at the creation; never afterwards.
        many: whether it is to-many; such a one is always optional.
    """

    name: str
    target: str
    required: bool = True
    drives: bool = False
    written: Literal["never", "create"] = "never"
    many: bool = False

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
        relationships: what `relationships` holds. Each required one is also a way to a tenant, if its target has
            one (contract, section 3).
        route: path of the collection; empty for a type that has no routes of its own.
        includes: relationship paths that `include` may name.
        tenancy: a row is visible when the caller sees `every` parent that has a tenant, or `any` of them, or holds
            a `membership` of the row itself.
        policy: whose rules its writing follows (`access.rules`, `services.policies`).
        unique: the constraint that only a second live row of the same parents violates.
    """

    type: str
    table: str
    attributes: tuple[Attribute, ...]
    relationships: tuple[Relationship, ...] = ()
    route: str = ""
    includes: tuple[str, ...] = ()
    tenancy: Tenancy = "every"
    policy: Policy = "none"
    unique: str = ""
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

    @property
    def to_one(self) -> tuple[Relationship, ...]:
        """The relationships with a column."""
        return tuple(relationship for relationship in self.relationships if not relationship.many)

    @property
    def driving(self) -> tuple[str, ...]:
        """The names of the relationships by whose parents its rows can be read."""
        return tuple(relationship.name for relationship in self.to_one if relationship.drives)

    @property
    def name(self) -> str:
        """The type as words, for people."""
        return self.type.replace("_", " ")


CREATED, UPDATED, DELETED = (Attribute(name, "instant") for name in ("created_at", "updated_at", "deleted_at"))
TIMES = (CREATED, UPDATED, DELETED)
WORKSPACE = Relationship("workspace", "workspace")
CREATED_BY = Relationship("created_by", "people", required=False)


def provenance(record: str, *deeper: str) -> Resource:
    """Declare the ledger of one record type (seeds: account_, company_, people_workspace_connector).

    Args:
        record: the record's JSON:API type, which also names its relationship.
        deeper: relationships of the record that may be included with it.
    """
    return Resource(
        type=f"{record}_workspace_connector",
        table=f"{record}_workspace_connectors",
        route=f"/v1/{record}-workspace-connectors",
        attributes=(
            Attribute("direction", "direction", written="create", required=True),
            CREATED,
            UPDATED,
            Attribute("deleted_at", "instant", written="update"),
        ),
        relationships=(
            Relationship(record, record, drives=True, written="create"),
            Relationship("workspace_connector", "workspace_connector", drives=True, written="create"),
        ),
        includes=(
            record,
            *(f"{record}.{relationship}" for relationship in deeper),
            "workspace_connector",
            "workspace_connector.connector",
            "workspace_connector.workspace",
        ),
        policy="provenance",
    )


ACCOUNT_WORKSPACE_CONNECTOR = provenance("account", "workspace")
COMPANY_WORKSPACE_CONNECTOR = provenance("company", "workspace")
PEOPLE_WORKSPACE_CONNECTOR = provenance("people")

WORKSPACE_GROUP_WORKSPACE = Resource(
    type="workspace_group_workspace",
    table="workspace_group_workspaces",
    route="/v1/workspace-group-workspaces",
    attributes=TIMES,
    relationships=(
        Relationship("workspace_group", "workspace_group", drives=True, written="create"),
        Relationship("workspace", "workspace", drives=True, written="create"),
        CREATED_BY,
    ),
    includes=("workspace_group", "workspace_group.created_by", "workspace", "created_by"),
    tenancy="any",
    policy="enrolment",
    unique="workspace_group_workspaces_group_workspace_active_unique",
)

WORKSPACE_PROVIDER = Resource(
    type="workspace_provider",
    table="workspace_providers",
    route="/v1/workspace-providers",
    attributes=(
        Attribute("is_selected", "boolean", written="always"),
        Attribute("is_matched", "boolean", written="always"),
        *TIMES,
    ),
    relationships=(
        Relationship("workspace", "workspace", drives=True, written="create"),
        Relationship("provider", "provider", written="create"),
    ),
    includes=("workspace", "provider"),
    policy="selection",
    unique="workspace_providers_workspace_provider_active_unique",
)

WORKSPACE_GROUP = Resource(
    type="workspace_group",
    table="workspace_groups",
    route="/v1/workspace-groups",
    attributes=(Attribute("name", "text", written="create", required=True), *TIMES),
    relationships=(
        CREATED_BY,
        Relationship("workspaces", "workspace", required=False, written="create", many=True),
        Relationship("memberships", "workspace_group_membership", required=False, many=True),
    ),
    includes=("created_by", "workspaces", "memberships"),
    tenancy="membership",
    policy="group",
)

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
    Resource(
        "workspace_group_membership",
        "workspace_group_memberships",
        (Attribute("role", "text"), Attribute("status", "text"), *TIMES),
        (Relationship("people", "people"), Relationship("workspace_group", "workspace_group")),
    ),
    Resource(
        "provider",
        "providers",
        (
            Attribute("name", "text"),
            Attribute("slug", "text"),
            Attribute("category", "text"),
            Attribute("url", "text"),
            Attribute("logo_url", "text"),
            Attribute("countries", "texts"),
            Attribute("skill_status", "text"),
            *TIMES,
        ),
    ),
)

_RESOURCES: dict[str, Resource] = {}


def register(*resources: Resource) -> None:
    """Make types known; of each there is one declaration, the latest."""
    _RESOURCES.update((resource.type, resource) for resource in resources)


register(
    ACCOUNT_WORKSPACE_CONNECTOR,
    COMPANY_WORKSPACE_CONNECTOR,
    PEOPLE_WORKSPACE_CONNECTOR,
    WORKSPACE_GROUP_WORKSPACE,
    WORKSPACE_PROVIDER,
    WORKSPACE_GROUP,
    *PARENTS,
)


def resource_of(type_: str) -> Resource:
    """Return the declaration of a JSON:API type. Raises `KeyError`."""
    return _RESOURCES[type_]


def resources() -> tuple[Resource, ...]:
    """Return every declaration."""
    return tuple(_RESOURCES.values())


def ledgers() -> dict[str, Resource]:
    """Return the provenance of each record type, by the record's JSON:API type."""
    return {found.relationships[0].target: found for found in resources() if found.policy == "provenance"}
