"""What each JSON:API type is: the one declaration that everything else is made from.

Tables, routes, queries, documents, record types of messages, examples, events and the documents' tables read it.
Pure data. A record type that connectors sync is a `record(...)` and a `provenance(...)` here; docs/architecture.md,
"Adding a junction object", has the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

type Kind = Literal["text", "instant", "date", "direction", "boolean", "texts", "count", "counts", "totals"]
type Kept = Literal["", "shown", "sorted"]
type Written = Literal["never", "create", "update", "always"]
type Policy = Literal["none", "provenance", "enrolment", "selection", "group"]
type Tenancy = Literal["every", "any", "membership", "direct", "itself", "everybody"]
type Found = Literal["", "equal", "among", "name"]
type Drives = Literal["", "always", "named", "named_by_service"]
type Operation = Literal["list", "create", "retrieve", "update", "delete"]

DIRECTIONS = ("input", "output")
# The target of a relationship to a record of any type.
ANY_RECORD = ""
# The column of a name without its case, by which names are sorted and found (docs/adr/0038).
FOLDED = "folded_name"
EVERY_OPERATION: tuple[Operation, ...] = ("list", "create", "retrieve", "update", "delete")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a resource object; its column has the same name.

    Attributes:
        name: as in the document.
        kind: how its value is written and filtered; `count` a number, `counts` numbers by record type and
            direction, `totals` by record type.
        written: when a client may say it; what it may not say at all is the system's, what it may say only at
            the creation is immutable.
        required: whether it is never null; a creation must say it.
        example: what a text is in examples and in the demo.
        found: how a filter finds it: `equal` by its value, `among` by one of its values, as the `name` of the resource
            exactly, by its beginning or by a part of it, whatever the attribute is called. Empty for a text that
            nothing finds.
        filter: what the filter is called where it is not called as the attribute.
        kept: whether it is no column of the table but of what is kept about the row: shown in lists of the type and
            with one of it, elsewhere where `fields` names it, and no part of its ETag. By one that is `sorted` the
            rows of named workspaces are sorted and filtered.
    """

    name: str
    kind: Kind
    written: Written = "never"
    required: bool = False
    example: str = ""
    found: Found = ""
    filter: str = ""
    kept: Kept = ""


@dataclass(frozen=True, slots=True)
class Relationship:
    """One relationship of a resource object; a to-one's column is `<name>_pk`.

    Attributes:
        name: as in the document.
        target: the JSON:API type at its other end; `ANY_RECORD` where the row says which record type it is.
        required: whether it is never null.
        drives: when a page is read parent by parent, by an index on (parent, created_at, pk): `always`, unless a
            filter names another that drives; only where a filter has `named` it; or `named_by_service`, for a parent
            of all tenants, by which a person would walk the rows of others. Empty where there is no such index.
        written: whether a client says it at the creation; never afterwards.
        many: whether it is to-many; such a one is always optional.
        guards: whether a row is there only where this parent is live, and seen only by who sees it; of a required one.
    """

    name: str
    target: str
    required: bool = True
    drives: Drives = ""
    written: Literal["never", "create"] = "never"
    many: bool = False
    guards: bool = True

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
        relationships: what `relationships` holds. Each required one that guards is also a way to a tenant, if its
            target has one (contract, section 3).
        route: path of the collection; empty for a type that has no routes of its own.
        includes: relationship paths that `include` may name.
        tenancy: a row is visible when the caller sees `every` parent that has a tenant, or `any` of them, or holds
            a `membership` of the row itself (a group), or is a `direct` member of its workspace, or sees the row
            `itself` (a workspace); or it is for `everybody`.
        policy: whose rules its writing follows (`access.rules`, `services.policies`).
        unique: the constraint that only a second live row of the same parents violates.
        operations: what can be done at `route` and at `route/{id}`; each is a route and a function.
        summaries: what an operation does in a few words, where its name and the type's do not say it.
        plural: several of them, in words; where it is empty, the name with an s.
        example: which of the demo's resources of the type examples show.
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
    operations: tuple[Operation, ...] = ()
    summaries: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)
    plural: str = ""
    example: int = 1
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
    def named(self) -> Attribute | None:
        """The attribute that is its name, by which it is found and sorted; None where it has none."""
        return next((attribute for attribute in self.attributes if attribute.found == "name"), None)

    @property
    def kept(self) -> tuple[str, ...]:
        """The names of the attributes that are kept about its rows, and not in them."""
        return tuple(attribute.name for attribute in self.attributes if attribute.kept)

    @property
    def sorted_by(self) -> str:
        """The kept attribute by which the rows of named workspaces are sorted; empty where there is none."""
        return next((attribute.name for attribute in self.attributes if attribute.kept == "sorted"), "")

    @property
    def is_readable(self) -> bool:
        """Whether one of it has a URL."""
        return "retrieve" in self.operations

    @property
    def name(self) -> str:
        """The type as words, for people."""
        return self.type.replace("_", " ")

    @property
    def names(self) -> str:
        """Several of the type in words, for people."""
        return self.plural or f"{self.name}s"


CREATED, UPDATED, DELETED = (Attribute(name, "instant") for name in ("created_at", "updated_at", "deleted_at"))
TIMES = (CREATED, UPDATED, DELETED)
WORKSPACE = Relationship("workspace", "workspace")
CREATED_BY = Relationship("created_by", "people", required=False)


READ: tuple[Operation, ...] = ("list", "retrieve")
# Its rows stand together in indexes, by whose order a page of a few workspaces is read.
OF_WORKSPACE = Relationship("workspace", "workspace", drives="always")


def record(type_: str, table: str, *attributes: Attribute, plural: str = "", route: str = "", **said: str) -> Resource:
    """Declare a record type: something of one workspace that connectors bring in or carry out.

    Args:
        type_: its JSON:API type.
        table: its table, made from this declaration (`models.parents`).
        attributes: what it has beside the three times.
        plural: several of them, in words.
        route: where it can be read; empty where it cannot.
        said: `Resource.summaries`.
    """
    return Resource(
        type_,
        table,
        (*attributes, *TIMES),
        (OF_WORKSPACE if route else WORKSPACE,),
        plural=plural,
        route=route,
        includes=("workspace",) if route else (),
        operations=READ if route else (),
        summaries=said,
    )


def provenance(of: Resource, *deeper: str) -> Resource:
    """Declare the ledger of one record type (seeds: account_, company_, people_workspace_connector).

    Args:
        of: the record type, which also names the relationship.
        deeper: relationships of the record that may be included with it.
    """
    record = of.type
    return Resource(
        type=f"{record}_workspace_connector",
        table=f"{record}_workspace_connectors",
        route=f"/v1/{record.replace('_', '-')}-workspace-connectors",
        attributes=(
            Attribute("direction", "direction", written="create", required=True),
            CREATED,
            UPDATED,
            Attribute("deleted_at", "instant", written="update"),
        ),
        relationships=(
            # One record has few rows, so a filter on it wins over one on the connector.
            Relationship(record, record, drives="named", written="create"),
            Relationship("workspace_connector", "workspace_connector", drives="always", written="create"),
        ),
        includes=(
            record,
            *(f"{record}.{relationship}" for relationship in deeper),
            "workspace_connector",
            "workspace_connector.connector",
            "workspace_connector.workspace",
        ),
        policy="provenance",
        operations=EVERY_OPERATION,
    )


ACCOUNT = record(
    "account",
    "accounts",
    Attribute("account_name", "text", required=True, example="Current EUR", found="name"),
    Attribute("currency", "text", example="EUR"),
    plural="bank accounts",
    route="/v1/accounts",
)
COMPANY = record(
    "company",
    "companies",
    Attribute("name", "text", required=True, example="Alder Trading", found="name"),
    plural="companies",
    route="/v1/companies",
)
PEOPLE = record(
    "people",
    "peoples",
    Attribute("full_name", "text", required=True, example="Claire Verdier", found="name"),
    plural="people",
    route="/v1/people",
    retrieve="Retrieve a person",
)

ACCOUNT_WORKSPACE_CONNECTOR = provenance(ACCOUNT, "workspace")
COMPANY_WORKSPACE_CONNECTOR = provenance(COMPANY, "workspace")
PEOPLE_WORKSPACE_CONNECTOR = provenance(PEOPLE)

WORKSPACE_GROUP_WORKSPACE = Resource(
    type="workspace_group_workspace",
    table="workspace_group_workspaces",
    route="/v1/workspace-group-workspaces",
    attributes=TIMES,
    relationships=(
        Relationship("workspace_group", "workspace_group", drives="named", written="create"),
        Relationship("workspace", "workspace", drives="always", written="create"),
        CREATED_BY,
    ),
    includes=("workspace_group", "workspace_group.created_by", "workspace", "created_by"),
    tenancy="any",
    policy="enrolment",
    unique="workspace_group_workspaces_group_workspace_active_unique",
    operations=EVERY_OPERATION,
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
        Relationship("workspace", "workspace", drives="always", written="create"),
        Relationship("provider", "provider", drives="named_by_service", written="create"),
    ),
    includes=("workspace", "provider"),
    policy="selection",
    unique="workspace_providers_workspace_provider_active_unique",
    operations=EVERY_OPERATION,
)

WORKSPACE_GROUP = Resource(
    type="workspace_group",
    table="workspace_groups",
    route="/v1/workspace-groups",
    attributes=(Attribute("name", "text", written="create", required=True, example="Verdier Group"), *TIMES),
    relationships=(
        CREATED_BY,
        Relationship("workspaces", "workspace", required=False, written="create", many=True),
        Relationship("memberships", "workspace_group_membership", required=False, many=True),
    ),
    includes=("created_by", "workspaces", "memberships"),
    tenancy="membership",
    policy="group",
    operations=("list", "create", "retrieve"),
    summaries={
        "list": "List the groups of the caller",
        "create": "Make a group and enrol workspaces",
        "retrieve": "Retrieve a group",
    },
)

WORKSPACE_MEMBERSHIP = Resource(
    type="workspace_membership",
    table="workspace_memberships",
    route="/v1/workspace-memberships",
    attributes=(
        Attribute("role", "text", required=True, example="owner"),
        Attribute("status", "text", required=True, example="active"),
        *TIMES,
    ),
    relationships=(
        # They may belong to a workspace that the caller does not see.
        Relationship("people", "people", guards=False),
        OF_WORKSPACE,
    ),
    includes=("people", "workspace"),
    tenancy="direct",
    operations=READ,
)
WORKSPACE_CONNECTOR = Resource(
    type="workspace_connector",
    table="workspace_connectors",
    route="/v1/workspace-connectors",
    attributes=(
        Attribute("status", "text", required=True, example="active", found="equal"),
        *TIMES,
        Attribute("last_synced_at", "instant", kept="sorted"),
        Attribute("last_changed_at", "instant", kept="shown"),
        Attribute("last_failed_at", "instant", kept="shown"),
        Attribute("parked_messages", "count", required=True, kept="shown"),
        Attribute("live_rows", "count", required=True, kept="shown"),
    ),
    relationships=(OF_WORKSPACE, Relationship("connector", "connector", guards=False)),
    includes=("workspace", "connector"),
    operations=READ,
)
OWN_WORKSPACE = Resource(
    type="workspace",
    table="workspaces",
    route="/v1/workspaces",
    attributes=(Attribute("name", "text", required=True, example="Verdier Foods", found="name"), *TIMES),
    tenancy="itself",
    operations=READ,
    summaries={"list": "List the workspaces of the caller"},
)
CONNECTOR = Resource(
    type="connector",
    table="connectors",
    route="/v1/connectors",
    attributes=(
        Attribute("name", "text", required=True, example="Payments", found="name"),
        Attribute("provider", "text", example="stripe"),
        Attribute("direction", "direction"),
        *TIMES,
    ),
    tenancy="everybody",
    operations=READ,
)
PROVIDER = Resource(
    type="provider",
    table="providers",
    route="/v1/providers",
    attributes=(
        Attribute("name", "text", required=True, example="Stripe", found="name"),
        Attribute("slug", "text", required=True, example="stripe", found="equal"),
        Attribute("category", "text", example="payments", found="equal"),
        Attribute("url", "text", example="https://dashboard.stripe.com"),
        Attribute("logo_url", "text", example="https://dashboard.stripe.com/logo.svg"),
        Attribute("countries", "texts", required=True, found="among", filter="country"),
        Attribute("skill_status", "text", example="ready"),
        *TIMES,
    ),
    tenancy="everybody",
    operations=READ,
    example=47,
)

# They can be included, not asked for by themselves.
PARENTS = (
    Resource(
        "workspace_group_membership",
        "workspace_group_memberships",
        (
            Attribute("role", "text", required=True, example="owner"),
            Attribute("status", "text", required=True, example="active"),
            *TIMES,
        ),
        (Relationship("people", "people"), Relationship("workspace_group", "workspace_group")),
    ),
)
READABLE_PARENTS = (
    OWN_WORKSPACE,
    PEOPLE,
    COMPANY,
    ACCOUNT,
    CONNECTOR,
    WORKSPACE_CONNECTOR,
    PROVIDER,
    WORKSPACE_MEMBERSHIP,
)

# What is answered from sums and from several rows (contract, section 7): no table has it, and no GET shows one of it.
OF_CONNECTOR = Relationship("workspace_connector", "workspace_connector")
CONNECTOR_ACTIVITY = Resource(
    type="connector_activity",
    table="",
    route="/v1/connector-activity",
    attributes=(Attribute("date", "date"), Attribute("linked", "counts"), Attribute("ended", "counts")),
    relationships=(OF_CONNECTOR,),
    plural="connector activity",
)
RECORD_SOURCE = Resource(
    type="record_source",
    table="",
    attributes=(
        Attribute("direction", "direction", required=True),
        Attribute("first_at", "instant"),
        Attribute("last_at", "instant"),
        Attribute("last_occurred_at", "instant"),
        Attribute("rows", "count"),
        Attribute("live", "count"),
        Attribute("rows_is_capped", "boolean"),
    ),
    relationships=(Relationship("record", ANY_RECORD), OF_CONNECTOR),
    includes=("workspace_connector", "workspace_connector.connector", "workspace_connector.workspace"),
)
CONNECTOR_IMPACT = Resource(
    type="connector_impact",
    table="",
    attributes=(
        Attribute("live_rows", "counts"),
        Attribute("sole_source", "totals"),
        Attribute("examined", "count"),
        Attribute("is_capped", "boolean"),
    ),
    relationships=(OF_CONNECTOR,),
)
ANSWERS = (CONNECTOR_ACTIVITY, RECORD_SOURCE, CONNECTOR_IMPACT)

_RESOURCES: dict[str, Resource] = {}


_ANSWERS = {answer.type: answer for answer in ANSWERS}


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
    *READABLE_PARENTS,
    *PARENTS,
)


def resource_of(type_: str) -> Resource:
    """Return the declaration of a JSON:API type. Raises `KeyError`."""
    return _RESOURCES.get(type_) or _ANSWERS[type_]


def resources() -> tuple[Resource, ...]:
    """Return every declaration of what has a table."""
    return tuple(_RESOURCES.values())


def ledgers() -> dict[str, Resource]:
    """Return the provenance of each record type, by the record's JSON:API type."""
    return {found.relationships[0].target: found for found in resources() if found.policy == "provenance"}


def records() -> tuple[Resource, ...]:
    """Return the record types: what has a ledger."""
    return tuple(resource_of(type_) for type_ in ledgers())
