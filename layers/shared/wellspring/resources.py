"""Declarations of the JSON:API types, from which everything else is made.

Tables, routes, queries, documents, record types of messages, examples, events and the documents' tables read it.
Pure data. A record type that connectors sync is a `record(...)` and a `provenance(...)` here; docs/architecture.md,
"Adding a junction object", has the rest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from wellspring import reasons

type Kind = Literal[
    "text",
    "texts",
    "instant",
    "date",
    "direction",
    "boolean",
    "uuid",
    "number",
    "version",
    "count",
    "optional_count",
    "object",
    "objects",
    "problems",
    "counts",
    "by_direction",
    "totals",
]
type Computed = Literal["", "shown", "sorted"]
type Written = Literal["never", "create", "update", "always"]
type Policy = Literal[
    "none", "provenance", "enrolment", "selection", "group", "member", "message", "run", "feed", "fleet", "audit"
]
type Tenancy = Literal["every", "any", "membership", "direct", "itself", "everybody", "group", "message", "services"]
type Found = Literal["", "equal", "among", "name"]
type Drives = Literal["", "always", "named", "named_by_service", "one_by_service"]
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
        column: the column behind it where that is not called as the attribute.
        choices: the only values of a text; empty for any.
        members: what its object, or each of its objects, may have.
        description: what it says, in one sentence of the API's description.
        whole: the column that holds all of it, where a list and an include show a part; empty where they show it all.
        is_everywhere: whether an index has all rows of one value of it together, in the list's order, so that a service
            filters by it without naming a parent.
        is_told: whether a list tells, when asked, which values of it there are: of a catalogue, which is small.
        service_only: whether it is shown of a resource that a service asks for by its id, and nowhere else.
        computed: whether it is no column of the table but computed about the row: shown in lists of the type and with
            one of it, elsewhere where `fields` names it, and no part of its ETag. By one that is `sorted` the
            rows of named workspaces are sorted and filtered.
    """

    name: str
    kind: Kind
    written: Written = "never"
    required: bool = False
    example: str = ""
    found: Found = ""
    filter: str = ""
    column: str = ""
    choices: tuple[str, ...] = ()
    members: tuple["Attribute", ...] = ()
    description: str = ""
    whole: str = ""
    is_everywhere: bool = False
    is_told: bool = False
    service_only: bool = False
    computed: Computed = ""


@dataclass(frozen=True, slots=True)
class Relationship:
    """One relationship of a resource object; a to-one's column is `<name>_pk`.

    Attributes:
        name: as in the document.
        target: the JSON:API type at its other end; `ANY_RECORD` where the row says which record type it is.
        required: whether it is never null.
        drives: when a page is read parent by parent, by an index on (parent, created_at, pk): `always`, unless a
            filter names another that drives; only where a filter has `named` it; or `named_by_service`, for a parent
            of all tenants, by which a person would walk the rows of others; or `one_by_service`, where a service names
            one such and has its rows in the order of their making only. Empty where there is no such index.
        written: whether a client says it at the creation; never afterwards.
        many: whether it is to-many; such a one is always optional.
        guards: whether a row is there only where this parent is live, and seen only by who sees it; of a required one.
        is_trace: whether it is no parent of the row, but the message that wrote or ended it: without a foreign key, and
            null once that is forgotten.
        is_filter: whether there is a filter on it.
        is_computed: whether it has no column but is looked up, shown as `Attribute.computed` is; whoever sees the row
            sees what it leads to.
        description: what it leads to, where its name does not say it.
    """

    name: str
    target: str
    required: bool = True
    drives: Drives = ""
    written: Literal["never", "create"] = "never"
    many: bool = False
    guards: bool = True
    is_trace: bool = False
    is_filter: bool = True
    is_computed: bool = False
    description: str = ""

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
            a `membership` of the row itself (a group), or is a `direct` member of its workspace, or of its `group`, or
            sees the row `itself` (a workspace); or it is for `everybody`, or for `services` alone. A `message` is seen
            by who sees its workspace, and by services where it has none.
        policy: whose rules its writing follows (`access.rules`, `services.ledger.policies`).
        unique: the constraint that only a second live row of the same parents violates.
        operations: what can be done at `route` and at `route/{id}`; each is a route and a function.
        summaries: what an operation does in a few words, where its name and the type's do not say it.
        plural: several of them, in words; where it is empty, the name with an s.
        example: which of the demo's resources of the type examples show.
        times: what a list is sorted by, and what ranges are of; the first where nothing is said.
        together: filters that may be asked for together, because an index has their rows in the list's order; None
            where any may.
        enrolled_in: the type in which rows of it are enrolled: a filter of its name lists those of one, in the order of
            their enrolment. Empty for none.
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
    times: tuple[str, ...] = ("created_at", "updated_at", "deleted_at")
    together: tuple[frozenset[str], ...] | None = None
    enrolled_in: str = ""
    # Found by name in every request; built once.
    _by_name: dict[str, Attribute | Relationship] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        """Index the fields by name, which JSON:API keeps unique over attributes and relationships."""
        fields: tuple[Attribute | Relationship, ...] = (*self.attributes, *self.relationships)
        object.__setattr__(self, "_by_name", {field.name: field for field in fields})

    def __hash__(self) -> int:
        """Return the hash of its name: what is kept by type is looked up several times in each request."""
        return hash(self.type)

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
        return tuple(said for said in self.relationships if not (said.many or said.is_computed))

    @property
    def parents(self) -> tuple[Relationship, ...]:
        """The relationships with a foreign key."""
        return tuple(relationship for relationship in self.to_one if not relationship.is_trace)

    @property
    def traces(self) -> tuple[Relationship, ...]:
        """The relationships to the messages that wrote and ended a row."""
        return tuple(relationship for relationship in self.to_one if relationship.is_trace)

    @property
    def driving(self) -> tuple[str, ...]:
        """The names of the relationships by whose parents its rows can be read."""
        return tuple(relationship.name for relationship in self.to_one if relationship.drives)

    @property
    def narrowing(self) -> tuple[str, ...]:
        """The filters beside which a service asks for whatever a person does, which no index has of all rows."""
        # A group and its members are of no workspace.
        workspace = () if self.tenancy == "group" else ("workspace",)
        driving = (found.name for found in self.to_one if found.drives and found.drives != "one_by_service")
        return tuple(f"filter[{name}]" for name in dict.fromkeys((*workspace, *driving)))

    @property
    def named(self) -> Attribute | None:
        """The attribute that is its name, by which it is found and sorted; None where it has none."""
        return next((attribute for attribute in self.attributes if attribute.found == "name"), None)

    @property
    def told(self) -> tuple[Attribute, ...]:
        """The attributes that the platform's feed tells: columns of its table that no clock writes."""
        own = (*TIMES, OWNER)
        return tuple(attribute for attribute in self.attributes if attribute not in own and not attribute.computed)

    @property
    def computed(self) -> tuple[str, ...]:
        """The names of the attributes that are computed about its rows, and not in them."""
        return tuple(attribute.name for attribute in self.attributes if attribute.computed)

    @property
    def computed_links(self) -> tuple[str, ...]:
        """The names of the relationships that are computed about its rows, and not in them."""
        return tuple(relationship.name for relationship in self.relationships if relationship.is_computed)

    @property
    def choices(self) -> tuple[str, ...]:
        """The filters of which a list tells, when asked, which values there are."""
        return tuple(attribute.filter or attribute.name for attribute in self.attributes if attribute.is_told)

    @property
    def sorted_by(self) -> str:
        """The computed attribute by which the rows of named workspaces are sorted; empty where there is none."""
        return next((attribute.name for attribute in self.attributes if attribute.computed == "sorted"), "")

    @property
    def is_readable(self) -> bool:
        """Whether one of it has a URL."""
        return "retrieve" in self.operations

    @property
    def is_single(self) -> bool:
        """Whether there is one of it, at its route."""
        return bool(self.route and self.table) and not self.operations

    @property
    def has_tombstones(self) -> bool:
        """Whether one of it that is deleted stays, and can be listed."""
        return "deleted_at" in self.times

    @property
    def name(self) -> str:
        """The type as words, for people."""
        return self.type.replace("_", " ")

    @property
    def names(self) -> str:
        """Several of the type in words, for people."""
        return self.plural or f"{self.name}s"


CREATED, UPDATED, DELETED = (
    Attribute(name, "instant", description=description)
    for name, description in (
        ("created_at", "When the row was made in this ledger."),
        ("updated_at", "When the row last changed; until its first change, when it was made."),
        ("deleted_at", "When the row was tombstoned; null while it is live."),
    )
)
TIMES = (CREATED, UPDATED, DELETED)
# An erasure must come from it.
OWNER = Attribute(
    "source",
    "text",
    example="/well/companies",
    service_only=True,
    description="Which system of the platform tells of it, and may delete or erase it; null where only a sync told of "
    "it. Only for services that ask for one by its id.",
)
WORKSPACE = Relationship("workspace", "workspace")
CREATED_BY = Relationship("created_by", "people", required=False)


READ: tuple[Operation, ...] = ("list", "retrieve")
# Its rows stand together in indexes, by whose order a page of a few workspaces is read.
OF_WORKSPACE = Relationship("workspace", "workspace", drives="always")
# What a record's newest rows tell (`RECORD_SOURCE`); it has a path of its own below the record's.
SOURCES = Relationship(
    "sources",
    "record_source",
    required=False,
    many=True,
    description="The connectors that named it last, at most 10 of a record and 500 in an answer; all are at the link.",
)
_OF_SOURCES = ("sources", "sources.workspace_connector", "sources.workspace_connector.connector")


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
        (*attributes, *TIMES, OWNER),
        (OF_WORKSPACE, SOURCES) if route else (WORKSPACE,),
        plural=plural,
        route=route,
        includes=("workspace", *_OF_SOURCES) if route else (),
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
            Attribute(
                "direction",
                "direction",
                written="create",
                required=True,
                description="Whether the connector brought the record in or carried it out.",
            ),
            CREATED,
            UPDATED,
            Attribute(
                "deleted_at",
                "instant",
                written="update",
                description="When the row was tombstoned; null while it is live.",
            ),
        ),
        relationships=(
            # One record has few rows, so a filter on it wins over one on the connector.
            Relationship(record, record, drives="named", written="create"),
            Relationship("workspace_connector", "workspace_connector", drives="always", written="create"),
            # What a message wrote stands together on its connector.
            Relationship("sync_message", "sync_message", required=False, drives="named", is_trace=True),
            Relationship("ended_by", "sync_message", required=False, is_trace=True, is_filter=False),
        ),
        includes=(
            record,
            *(f"{record}.{relationship}" for relationship in deeper),
            "workspace_connector",
            "workspace_connector.connector",
            "workspace_connector.workspace",
            "sync_message",
            "ended_by",
        ),
        policy="provenance",
        operations=EVERY_OPERATION,
    )


ACCOUNT = record(
    "account",
    "accounts",
    Attribute(
        "account_name",
        "text",
        required=True,
        example="Current EUR",
        found="name",
        description="The name of the account, as its bank or owner has it.",
    ),
    Attribute(
        "currency",
        "text",
        example="EUR",
        description="The currency that the account is kept in, usually as a code of ISO 4217.",
    ),
    plural="bank accounts",
    route="/v1/accounts",
)
COMPANY = record(
    "company",
    "companies",
    Attribute("name", "text", required=True, example="Alder Trading", found="name", description="What people call it."),
    plural="companies",
    route="/v1/companies",
)
PEOPLE = record(
    "people",
    "peoples",
    Attribute(
        "full_name",
        "text",
        required=True,
        example="Claire Verdier",
        found="name",
        description="The whole name of the person, as their source has it.",
    ),
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
        replace(CREATED_BY, drives="one_by_service"),
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
        Attribute(
            "is_selected",
            "boolean",
            written="always",
            description="Whether somebody of the workspace chose the provider; then it is matched, too.",
        ),
        Attribute(
            "is_matched",
            "boolean",
            written="always",
            description="Whether the provider was found to fit the workspace.",
        ),
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
    attributes=(
        Attribute(
            "name", "text", written="always", required=True, example="Verdier Group", description="What people call it."
        ),
        *TIMES,
    ),
    relationships=(
        CREATED_BY,
        Relationship("workspaces", "workspace", required=False, written="create", many=True),
        Relationship("memberships", "workspace_group_membership", required=False, many=True),
    ),
    includes=("created_by", "workspaces", "memberships"),
    tenancy="membership",
    policy="group",
    operations=EVERY_OPERATION,
    summaries={
        "list": "List the groups of the caller",
        "create": "Make a group and enrol workspaces",
        "retrieve": "Retrieve a group",
        "update": "Rename a group",
        "delete": "Delete a group, with its enrolments and memberships",
    },
)

# From the most to the least.
ROLES = ("owner", "admin", "member", "guest")
WORKSPACE_MEMBERSHIP = Resource(
    type="workspace_membership",
    table="workspace_memberships",
    route="/v1/workspace-memberships",
    attributes=(
        Attribute(
            "role",
            "text",
            required=True,
            example="owner",
            choices=ROLES,
            description="How much the person may do: an owner the most, a guest only reads.",
        ),
        Attribute(
            "status",
            "text",
            required=True,
            example="active",
            description="Whether the membership counts: only an `active` one opens anything.",
        ),
        *TIMES,
    ),
    relationships=(
        # They may belong to a workspace that the caller does not see.
        Relationship("people", "people", drives="one_by_service", guards=False),
        OF_WORKSPACE,
    ),
    includes=("people", "workspace"),
    tenancy="direct",
    operations=READ,
)
# What holds of a connector, the worst first; the rule is the database's (docs/adr/0052).
HEALTH = ("disconnected", "failing", "consent_expired", "late", "consent_expires", "new", "ok")
WORKSPACE_CONNECTOR = Resource(
    type="workspace_connector",
    table="workspace_connectors",
    route="/v1/workspace-connectors",
    attributes=(
        Attribute(
            "status",
            "text",
            required=True,
            example="active",
            found="equal",
            description="The state of the connection as the platform tells it, such as `active`.",
        ),
        Attribute(
            "consent_expires_at",
            "instant",
            description="When the consent that it works by ends, as a bank's does; null where it does not end, or "
            "where the platform did not tell.",
        ),
        *TIMES,
        OWNER,
        Attribute(
            "health",
            "text",
            required=True,
            example="ok",
            found="equal",
            choices=HEALTH,
            is_everywhere=True,
            computed="shown",
            description="Whether it is well: the first that holds of `disconnected`, `failing` (its status is not "
            "`active`, or a message is parked since the last sync), `consent_expired`, `late` (past `expected_by`), "
            "`consent_expires` (within 30 days), `new` (never synced) and `ok`. While most of all connectors that were "
            "due have not come, none becomes late.",
        ),
        Attribute(
            "health_reasons",
            "objects",
            required=True,
            computed="shown",
            description="All that holds of these, the first of which is its health; empty where it is `ok`.",
            members=(
                Attribute(
                    "code",
                    "text",
                    required=True,
                    example="late",
                    description="What holds, as a word for programs.",
                ),
                Attribute(
                    "at",
                    "instant",
                    required=True,
                    description="Since when; of a consent, when it ends or ended.",
                ),
            ),
        ),
        Attribute(
            "expected_by",
            "instant",
            computed="shown",
            description="When it is late: its last sync and twice the median of its last 20 gaps, at least a day; a "
            "tenth more than nine of ten of five or more, where it has weekends; null before four syncs.",
        ),
        Attribute(
            "complete_through",
            "instant",
            computed="shown",
            description="The `occurred_at` of its last complete run; null where there was none.",
        ),
        Attribute(
            "last_synced_at",
            "instant",
            computed="sorted",
            description="The latest `occurred_at` of a sync that was applied; null where there was none.",
        ),
        Attribute(
            "last_changed_at",
            "instant",
            computed="shown",
            description="When a sync last made or ended a row; null where none did.",
        ),
        Attribute(
            "last_failed_at",
            "instant",
            computed="shown",
            description="When a message was last parked; null where none was.",
        ),
        Attribute(
            "parked_messages",
            "count",
            required=True,
            computed="shown",
            description="How many of its messages are parked now.",
        ),
        Attribute(
            "live_rows",
            "count",
            required=True,
            computed="shown",
            description="How many of its provenance rows are not tombstoned.",
        ),
    ),
    relationships=(
        OF_WORKSPACE,
        Relationship("connector", "connector", drives="one_by_service", guards=False),
        Relationship(
            "last_failure",
            "sync_message",
            required=False,
            is_filter=False,
            is_computed=True,
            description="The newest of its messages that is parked, with the reason; null where none is.",
        ),
    ),
    includes=("workspace", "connector", "last_failure"),
    operations=READ,
)
OWN_WORKSPACE = Resource(
    type="workspace",
    table="workspaces",
    route="/v1/workspaces",
    attributes=(
        Attribute(
            "name", "text", required=True, example="Verdier Foods", found="name", description="What people call it."
        ),
        *TIMES,
        OWNER,
    ),
    tenancy="itself",
    operations=READ,
    summaries={"list": "List the workspaces of the caller"},
    enrolled_in="workspace_group",
)
CONNECTOR = Resource(
    type="connector",
    table="connectors",
    route="/v1/connectors",
    attributes=(
        Attribute(
            "name",
            "text",
            required=True,
            example="Payments",
            found="name",
            description="The name of the tool, or of what it is used for.",
        ),
        Attribute("provider", "text", example="stripe", description="The slug of whose tool it is."),
        Attribute(
            "direction",
            "direction",
            description="Whether the tool brings records in or carries them out; null where it does both.",
        ),
        *TIMES,
        OWNER,
    ),
    tenancy="everybody",
    operations=READ,
)
PROVIDER = Resource(
    type="provider",
    table="providers",
    route="/v1/providers",
    attributes=(
        Attribute(
            "name", "text", required=True, example="Stripe", found="name", description="What people call the provider."
        ),
        Attribute(
            "slug",
            "text",
            required=True,
            example="stripe",
            found="equal",
            description="A short name for URLs and programs, which no other provider has.",
        ),
        Attribute(
            "category",
            "text",
            example="payments",
            found="equal",
            is_told=True,
            description="Its part of the catalogue.",
        ),
        Attribute(
            "url",
            "text",
            example="https://dashboard.stripe.com",
            description="Where its customers sign in or read about it.",
        ),
        Attribute(
            "logo_url",
            "text",
            example="https://dashboard.stripe.com/logo.svg",
            description="Where a picture of its mark is.",
        ),
        Attribute(
            "countries",
            "texts",
            required=True,
            found="among",
            filter="country",
            is_told=True,
            description="Where it is offered, as codes of ISO 3166-1 alpha-2; empty for everywhere.",
        ),
        Attribute(
            "skill_status", "text", example="ready", description="How far the platform is with connecting to it."
        ),
        *TIMES,
        OWNER,
    ),
    tenancy="everybody",
    operations=READ,
    example=47,
)

# What a message of the sync queue may be, and why one is parked (docs/messages.md).
MESSAGE_TYPES = (
    "records.synced",
    "records.invalidated",
    "connector.disconnected",
    "providers.matched",
    "run.completed",
    "sync.reverted",
)
MESSAGE_OUTCOMES = ("applied", "in_progress", "parked", "dismissed")
MESSAGE_REASONS = tuple(reason.code for reason in reasons.MESSAGES)
SYNC_MESSAGE = Resource(
    type="sync_message",
    table="sync_messages",
    route="/v1/sync-messages",
    attributes=(
        Attribute(
            "message_id",
            "uuid",
            found="equal",
            description="The id that its producer gave it; null where none could be read.",
        ),
        Attribute(
            "message_type",
            "text",
            choices=MESSAGE_TYPES,
            example="records.synced",
            description="What it asks for; null where that could not be read.",
        ),
        Attribute(
            "direction",
            "text",
            choices=DIRECTIONS,
            example="input",
            description="Whether its records were brought in or carried out; null for both, or where it has none.",
        ),
        Attribute(
            "mode",
            "text",
            choices=("append", "relink", "snapshot"),
            example="append",
            description="Whether it adds rows (`append`), takes the place of older ones (`relink`), or says that its "
            "run named all there is (`snapshot`).",
        ),
        Attribute(
            "run",
            "text",
            found="equal",
            example="2026-05-10-nightly",
            description="The producer's name for the sync that it is a part of.",
        ),
        Attribute("occurred_at", "instant", description="When it happened, by the clock of its producer."),
        Attribute("received_at", "instant", required=True, description="When it came here for the first time."),
        Attribute(
            "processed_at", "instant", description="When it was applied, parked or dismissed; the latest of them."
        ),
        Attribute(
            "outcome",
            "text",
            required=True,
            found="equal",
            choices=MESSAGE_OUTCOMES,
            example="parked",
            description="What became of it.",
        ),
        Attribute(
            "reason",
            "text",
            found="equal",
            choices=MESSAGE_REASONS,
            example="unknown_record",
            description="Why it is parked, as docs/messages.md explains; null where it is not.",
        ),
        Attribute(
            "problems",
            "problems",
            required=True,
            whole="all_problems",
            description="What is wrong with it, each thing by itself: 5 in lists, all with one message.",
        ),
        Attribute(
            "counts",
            "counts",
            required=True,
            description="How many records of each type it named, made, linked and ended; and providers, matched. "
            "Of a revert `linked` are those that came back.",
        ),
        Attribute(
            "body",
            "text",
            example='{"type":"records.synced"}',
            service_only=True,
            description="The message as it was sent, while that is kept; only for services that ask for one by its id.",
        ),
    ),
    relationships=(
        Relationship("workspace_connector", "workspace_connector", required=False, drives="named", guards=False),
        Relationship("workspace", "workspace", required=False, drives="always"),
        Relationship(
            "sync_run",
            "sync_run",
            required=False,
            drives="named",
            guards=False,
            description="The run that it names; null for a message of none, or of a connector that is not there.",
        ),
    ),
    includes=("workspace_connector", "workspace", "sync_run"),
    tenancy="message",
    policy="message",
    operations=READ,
    times=("received_at", "occurred_at", "processed_at"),
)

RUN_STATES = ("open", "incomplete", "completing", "complete", "reverted", "expired")
_READ_SINCE = "When reading the source began, by the clock of its producer."
SYNC_RUN = Resource(
    type="sync_run",
    table="sync_runs",
    route="/v1/sync-runs",
    attributes=(
        Attribute(
            "run",
            "text",
            required=True,
            example="2026-05-10-nightly",
            description="The producer's name for it, which its connector uses once.",
        ),
        Attribute(
            "state",
            "text",
            required=True,
            found="equal",
            is_everywhere=True,
            choices=RUN_STATES,
            example="complete",
            description="Whether it came whole: `complete`; `incomplete` while it is said to be over and misses a "
            "message, or would end too much.",
        ),
        Attribute(
            "messages_expected",
            "optional_count",
            description="How many messages its `run.completed` names; null until that has come.",
        ),
        Attribute(
            "messages_applied",
            "count",
            required=True,
            description="How many of them have had their effect; its end is not counted.",
        ),
        Attribute(
            "messages_parked",
            "count",
            required=True,
            description="How many of them wait for something, or for somebody; its end is not counted.",
        ),
        Attribute(
            "snapshot",
            "object",
            description="What it says is all there is, and what of ours was not among it; null where it says nothing "
            "of that, or not yet.",
            members=(
                Attribute(
                    "direction",
                    "direction",
                    required=True,
                    description="Of which rows: those that were brought in, or carried out.",
                ),
                Attribute("types", "texts", required=True, example="company", description="Of which types of records."),
                Attribute("read_since", "instant", required=True, description=_READ_SINCE),
                Attribute(
                    "endings",
                    "objects",
                    required=True,
                    description="What it ends, or would end where it is parked; empty until all its messages are "
                    "applied.",
                    members=(
                        Attribute(
                            "type", "text", required=True, example="company", description="The type of the records."
                        ),
                        Attribute(
                            "records",
                            "count",
                            required=True,
                            description="How many records it did not name, and are to end.",
                        ),
                        Attribute(
                            "live",
                            "count",
                            required=True,
                            description="Of how many that were live on the connector then.",
                        ),
                    ),
                ),
            ),
        ),
        Attribute(
            "counts",
            "counts",
            required=True,
            description="How many records of each type its messages named, made, linked and ended.",
        ),
        Attribute("occurred_at", "instant", description="When it was over, by the clock of its producer."),
        Attribute("started_at", "instant", required=True, description="When its first message came."),
        Attribute("completed_at", "instant", description="When it was complete here; null until then."),
    ),
    relationships=(
        Relationship("workspace_connector", "workspace_connector", drives="named", guards=False),
        OF_WORKSPACE,
    ),
    includes=("workspace_connector", "workspace"),
    policy="run",
    operations=READ,
    times=("started_at", "occurred_at", "completed_at"),
)

WORKSPACE_GROUP_MEMBERSHIP = Resource(
    type="workspace_group_membership",
    table="workspace_group_memberships",
    route="/v1/workspace-group-memberships",
    attributes=(
        Attribute(
            "role",
            "text",
            written="always",
            required=True,
            example="owner",
            choices=ROLES,
            description="How much the person may do: an owner the most, a guest only reads.",
        ),
        Attribute(
            "status",
            "text",
            required=True,
            example="active",
            description="Whether the membership counts: only an `active` one opens anything.",
        ),
        *TIMES,
    ),
    relationships=(
        # They may belong to a workspace that the caller does not see.
        Relationship("people", "people", drives="one_by_service", written="create", guards=False),
        Relationship("workspace_group", "workspace_group", drives="always", written="create"),
    ),
    includes=("people", "workspace_group"),
    tenancy="group",
    policy="member",
    unique="workspace_group_memberships_people_group_active_unique",
    operations=EVERY_OPERATION,
    summaries={
        "create": "Add a person to a group",
        "update": "Change a member's role",
        "delete": "Remove a member, or leave a group",
    },
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

FEED_REASONS = tuple(reason.code for reason in reasons.EVENTS)
FEED_OUTCOMES = ("waiting", "parked", "applied", "dismissed")
_SOURCE = Attribute(
    "source",
    "text",
    example="/well/companies",
    found="equal",
    description="Which system sent it, as CloudEvents names it.",
)
# Kept events of the platform's feed: what waits or is parked, and what became of what was (contract, section 6).
FEED_EVENT = Resource(
    type="feed_event",
    table="pending_events",
    route="/v1/feed-events",
    attributes=(
        _SOURCE,
        Attribute("event_id", "text", example="42-7", description="The id that its source gave the event."),
        Attribute(
            "event_type",
            "text",
            example="wellspring.company.upserted",
            description="What happened to which kind of resource.",
        ),
        Attribute(
            "subject",
            "uuid",
            example="01990000-0003-7000-8000-a00000000001",
            found="equal",
            description="The id of the resource that it tells of.",
        ),
        Attribute(
            "sequence",
            "version",
            example="1042",
            column="version",
            description="The version of the resource at its source: the higher one wins.",
        ),
        Attribute("received_at", "instant", required=True, description="When it came here for the first time."),
        Attribute(
            "outcome",
            "text",
            required=True,
            example="parked",
            found="equal",
            choices=FEED_OUTCOMES,
            description="What became of it.",
        ),
        Attribute(
            "reason",
            "text",
            example="other_source",
            found="equal",
            choices=FEED_REASONS,
            description="Why it is parked, as docs/feed.md explains; null where it is not.",
        ),
        Attribute(
            "problems",
            "objects",
            required=True,
            description="What is wrong with it, or what it waits for, each thing by itself.",
            members=(
                Attribute(
                    "code",
                    "text",
                    required=True,
                    example="other_source",
                    description="What is wrong, as a word for programs.",
                ),
                Attribute("pointer", "text", description="Where in the event it is wrong, as a JSON Pointer."),
                Attribute("type", "text", description="What kind of resource is missing."),
                Attribute("id", "text", description="Which resource is missing."),
            ),
        ),
    ),
    tenancy="services",
    policy="feed",
    operations=READ,
    summaries={"list": "List the feed's events that wait or are parked"},
    times=("received_at",),
    together=tuple(
        frozenset(names) for names in (("outcome",), ("outcome", "reason"), ("outcome", "source"), ("subject",))
    ),
)
# The id of what there is one of.
SINGLE = "all"
# How far the feed is: one of it.
FEED_STATUS = Resource(
    type="feed_status",
    table="feed_sources",
    route="/v1/feed-status",
    attributes=(
        Attribute(
            "waiting",
            "number",
            required=True,
            example="3",
            description="How many events wait for a parent that is not there yet.",
        ),
        Attribute(
            "parked",
            "number",
            required=True,
            example="1",
            description="How many events cannot be applied until somebody acts.",
        ),
        Attribute(
            "lag_seconds",
            "number",
            required=True,
            example="12",
            description="For how many seconds the oldest event that waits has waited.",
        ),
        Attribute(
            "loads",
            "objects",
            required=True,
            description="The latest files that were loaded, and how far each is.",
            members=(
                Attribute(
                    "name",
                    "text",
                    required=True,
                    example="companies.jsonl.gz",
                    description="The name of the file in the bucket.",
                ),
                Attribute(
                    "outcome",
                    "text",
                    required=True,
                    example="done",
                    choices=("in_progress", "done", "failed"),
                    description="How the loading ended, or that it goes on.",
                ),
                Attribute(
                    "lines",
                    "number",
                    required=True,
                    example="100000",
                    description="How many lines have been read so far.",
                ),
                Attribute("started_at", "instant", required=True, description="When the loading began."),
                Attribute("finished_at", "instant", description="When the loading ended; null while it goes on."),
            ),
        ),
        Attribute(
            "erasures",
            "objects",
            required=True,
            description="The workspaces that were erased last, and what went of each.",
            members=(
                Attribute("workspace", "uuid", required=True, description="The id of the workspace."),
                Attribute(
                    "source", "text", required=True, example="/well/workspaces", description="Which system erased it."
                ),
                Attribute("erased_at", "instant", required=True, description="When nobody saw it any more."),
                Attribute("done_at", "instant", description="When nothing was left to erase; null while it goes on."),
                Attribute(
                    "gone",
                    "objects",
                    required=True,
                    description="How much went, by what it was.",
                    members=(
                        Attribute("type", "text", required=True, example="company", description="What it was."),
                        Attribute(
                            "number",
                            "number",
                            required=True,
                            example="40",
                            description="How many of these lost their texts, or were dropped.",
                        ),
                    ),
                ),
            ),
        ),
        Attribute(
            "sources",
            "objects",
            required=True,
            description="How far the feed is with each source and type.",
            members=(
                Attribute(
                    "source",
                    "text",
                    required=True,
                    example="/well/companies",
                    description="Which system sends these, as CloudEvents names it.",
                ),
                Attribute(
                    "type", "text", required=True, example="company", description="What kind of resource it sends."
                ),
                Attribute(
                    "events", "number", required=True, example="1200", description="How many events came in all."
                ),
                Attribute(
                    "applied", "number", required=True, example="1100", description="How many of them had an effect."
                ),
                Attribute(
                    "live",
                    "number",
                    required=True,
                    example="1000",
                    description="How many resources of this kind are there now and belong to it.",
                ),
                Attribute(
                    "waiting",
                    "number",
                    required=True,
                    example="3",
                    description="How many of its events wait for a parent.",
                ),
                Attribute(
                    "parked",
                    "number",
                    required=True,
                    example="1",
                    description="How many of its events cannot be applied until somebody acts.",
                ),
                Attribute(
                    "last_sequence",
                    "version",
                    required=True,
                    example="1042",
                    description="The highest version that came.",
                ),
                Attribute(
                    "last_event_at",
                    "instant",
                    description="The latest `time` that its events say; null where none says one.",
                ),
                Attribute("last_received_at", "instant", required=True, description="When its latest event came here."),
            ),
        ),
    ),
    tenancy="services",
    policy="feed",
    times=(),
)
# All workspaces at a glance: one of it.
FLEET = Resource(
    type="fleet",
    table="fleet",
    route="/v1/fleet",
    attributes=(
        Attribute(
            "as_of", "instant", description="When it was counted, as it is each minute; null before the first time."
        ),
        Attribute(
            "is_silent",
            "boolean",
            required=True,
            description="Whether most of all connectors that were due have not come: no customer's fault, nor a "
            "tool's. None becomes late meanwhile.",
        ),
        Attribute("silent_since", "instant", description="Since when; null where they are not silent."),
        Attribute(
            "connectors",
            "objects",
            required=True,
            description="How many connectors of all workspaces are how well, the worst first.",
            members=(
                Attribute(
                    "health",
                    "text",
                    required=True,
                    example="late",
                    choices=HEALTH,
                    description="As the connectors say it, and are filtered by.",
                ),
                Attribute(
                    "number",
                    "number",
                    required=True,
                    example="12",
                    description="How many there are so, of all that lists show.",
                ),
            ),
        ),
        Attribute(
            "tools",
            "objects",
            required=True,
            description="The same by tool: first those with most connectors that fail, are late or lack a consent.",
            members=(
                Attribute(
                    "connector",
                    "uuid",
                    required=True,
                    example="01990000-0005-7000-8000-000000000002",
                    description="The id of the connector of the catalogue.",
                ),
                Attribute("name", "text", required=True, example="Mail", description="What it is called."),
                Attribute("number", "number", required=True, example="12", description="How many connect to it."),
                *(
                    Attribute(
                        health, "number", required=True, example="1", description=f"How many of them are `{health}`."
                    )
                    for health in HEALTH
                ),
            ),
        ),
        Attribute(
            "parked",
            "objects",
            required=True,
            description="The messages that are parked in all workspaces, and of none, by reason, most first.",
            members=(
                Attribute(
                    "reason",
                    "text",
                    required=True,
                    example="unknown_record",
                    description="Why they could not be applied, as the messages say it, and are filtered by.",
                ),
                Attribute("number", "number", required=True, example="3", description="How many messages."),
                Attribute("oldest_at", "instant", required=True, description="When the oldest of them came."),
            ),
        ),
        Attribute(
            "runs_incomplete",
            "number",
            required=True,
            example="1",
            description="How many runs say that they are over while messages of theirs are missing.",
        ),
    ),
    tenancy="services",
    policy="fleet",
    times=(),
)
# What is answered from sums and from several rows (contract, section 7): no table has it, and no GET shows one of it.
OF_CONNECTOR = Relationship("workspace_connector", "workspace_connector")
CONNECTOR_ACTIVITY = Resource(
    type="connector_activity",
    table="",
    route="/v1/connector-activity",
    attributes=(
        Attribute("date", "date", description="The day, of UTC; null where all days are added up."),
        Attribute(
            "linked", "by_direction", description="How many rows were made that day, by record type and direction."
        ),
        Attribute(
            "ended", "by_direction", description="How many rows were tombstoned that day, by record type and direction."
        ),
    ),
    relationships=(OF_CONNECTOR,),
    plural="connector activity",
)
RECORD_SOURCE = Resource(
    type="record_source",
    table="",
    attributes=(
        Attribute(
            "direction",
            "direction",
            required=True,
            description="Whether the connector brought the record in or carried it out.",
        ),
        Attribute("first_at", "instant", description="When the connector first named the record."),
        Attribute("last_at", "instant", description="When the connector last named the record."),
        Attribute(
            "last_occurred_at",
            "instant",
            description="The latest `occurred_at` of the messages that named it; null where none says one.",
        ),
        Attribute("rows", "count", description="How often it was named: all rows, the tombstoned ones among them."),
        Attribute("live", "count", description="How many of these rows are not tombstoned."),
        Attribute(
            "rows_is_capped",
            "boolean",
            description="Whether there are older rows than are counted: those of a record's list of sources are its "
            "newest 10,000, those of all records of a page together as many.",
        ),
    ),
    relationships=(Relationship("record", ANY_RECORD), OF_CONNECTOR),
    includes=("workspace_connector", "workspace_connector.connector", "workspace_connector.workspace"),
)
CONNECTOR_IMPACT = Resource(
    type="connector_impact",
    table="",
    attributes=(
        Attribute(
            "live_rows", "by_direction", description="How many rows would be tombstoned, by record type and direction."
        ),
        Attribute(
            "sole_source",
            "totals",
            description="How many of the records that were looked at no other connector brings in, by type.",
        ),
        Attribute("examined", "count", description="How many of its newest live rows were looked at."),
        Attribute("is_capped", "boolean", description="Whether there are more rows than were looked at."),
    ),
    relationships=(OF_CONNECTOR,),
)
AUDITED = ("create", "update", "delete", "release", "dismiss", "list", "retrieve", "sources", "impact")
# Who wrote what over HTTP, and what operators read, from the table that nobody changes.
AUDIT_ENTRY = Resource(
    type="audit_entry",
    table="",
    route="/v1/audit-entries",
    attributes=(
        Attribute("at", "instant", required=True, description="When it was done."),
        Attribute(
            "operation",
            "text",
            required=True,
            choices=AUDITED,
            example="create",
            description="What was done; also what operators read.",
        ),
        Attribute(
            "resource",
            "object",
            required=True,
            description="What it was done to.",
            members=(
                Attribute(
                    "type",
                    "text",
                    required=True,
                    example="workspace_provider",
                    description="Which kind of thing it is, as documents call it.",
                ),
                Attribute("id", "uuid", description="Which one it is; null where an operator read a list."),
            ),
        ),
        Attribute(
            "service", "text", example="sync-pipeline", description="The service that did it; null where a person did."
        ),
        Attribute("note", "text", example="Told the producer.", description="Why it was dismissed; else null."),
    ),
    relationships=(
        Relationship(
            "caller",
            "people",
            required=False,
            guards=False,
            description="The person who did it; null where a service did, or somebody whom the reader does not see.",
        ),
        Relationship(
            "workspace",
            "workspace",
            required=False,
            guards=False,
            description="Of which workspace the resource is; null for a group, which is of none.",
        ),
    ),
    includes=("caller", "workspace"),
    policy="audit",
    plural="audit entries",
    together=tuple(
        frozenset(names)
        for names in (
            ("workspace",),
            ("workspace", "caller"),
            ("workspace", "service"),
            ("workspace", "resource"),
            ("caller",),
            ("service",),
            ("resource",),
        )
    ),
)
ANSWERS = (CONNECTOR_ACTIVITY, RECORD_SOURCE, CONNECTOR_IMPACT, AUDIT_ENTRY)

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
    WORKSPACE_GROUP_MEMBERSHIP,
    SYNC_MESSAGE,
    SYNC_RUN,
    FEED_EVENT,
    FEED_STATUS,
    FLEET,
)


def resource_of(type_: str) -> Resource:
    """Return the declaration of a JSON:API type. Raises `KeyError`."""
    return _RESOURCES.get(type_) or _ANSWERS[type_]


def on_path(resource: Resource, path: str) -> Iterator[tuple[Resource, Relationship]]:
    """Yield the relationships on a path of includes, each behind the type that it leads from. Raises `KeyError`."""
    for name in path.split("."):
        relationship = resource.relationship(name)
        if relationship is None:
            raise KeyError(path)
        yield resource, relationship
        resource = resource_of(relationship.target)


def resources() -> tuple[Resource, ...]:
    """Return every declaration of what has a table."""
    return tuple(_RESOURCES.values())


def ledgers() -> dict[str, Resource]:
    """Return the provenance of each record type, by the record's JSON:API type."""
    return {found.relationships[0].target: found for found in resources() if found.policy == "provenance"}


def records() -> tuple[Resource, ...]:
    """Return the record types: what has a ledger."""
    return tuple(resource_of(type_) for type_ in ledgers())
