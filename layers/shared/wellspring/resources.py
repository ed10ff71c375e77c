"""Declarations of the JSON:API types, as pure data: what tables, routes, queries, documents, events and examples read.

A record type that connectors sync is a `record(...)` and a `provenance(...)` here; docs/architecture.md,
"Adding a junction object", has the rest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

from wellspring import reasons

type Scalar = Literal[
    "text", "instant", "date", "direction", "boolean", "uuid", "number", "version", "count", "optional_count"
]
type Kind = Scalar | Literal["texts", "object", "objects", "problems", "counts", "by_direction", "totals"]
type Written = Literal["never", "create", "update", "always"]
type Policy = Literal[
    "none", "provenance", "enrolment", "selection", "group", "member", "message", "run", "feed", "fleet", "audit"
]
type Tenancy = Literal["every", "any", "membership", "direct", "itself", "everybody", "group", "message", "services"]
type Drives = Literal["", "always", "named", "named_by_service", "one_by_service"]
type Operation = Literal["list", "create", "retrieve", "update", "delete"]

DIRECTIONS = ("input", "output")
# The target of a relationship to a record of any type.
ANY_RECORD = ""
# The column of a name without its case, by which names are sorted and found (docs/adr/0038).
FOLDED = "folded_name"
EVERY_OPERATION: tuple[Operation, ...] = ("list", "create", "retrieve", "update", "delete")
READ: tuple[Operation, ...] = ("list", "retrieve")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a resource object.

    Attributes:
        example: what a text is in examples and in the demo.
        kind: how its value is written and filtered; `counts` are numbers by record type and direction, `totals` by
            record type.
        required: whether it is never null; a creation must say it.
        written: when a client may say it: never what the system sets, only at the creation what is immutable.
        found: how a filter finds it: `equal` by its value, `among` by one of its values, as the `name` of the resource
            exactly, by its beginning or by a part of it, whatever the attribute is called.
        filter: what the filter is called where it is not called as the attribute; so `column`.
        members: what its object, or each of its objects, may have.
        whole: the column that holds all of it, where a list and an include show a part.
        is_everywhere: whether a service filters by it without naming a parent: an index has all rows of one value of it
            together, in the list's order.
        is_told: whether a list tells, when asked, which values of it there are: of a catalogue, which is small.
        service_only: whether it is shown of a resource that a service asks for by its id, and nowhere else.
        computed: whether it is no column but computed about the row: shown in lists of the type and with one of it,
            elsewhere where `fields` names it, and no part of its ETag. By one that is `sorted` the rows of named
            workspaces are sorted and filtered.
    """

    name: str
    description: str = ""
    example: str = ""
    _: KW_ONLY
    kind: Kind
    required: bool = False
    written: Written = "never"
    found: Literal["", "equal", "among", "name"] = ""
    filter: str = ""
    column: str = ""
    choices: tuple[str, ...] = ()
    members: tuple["Attribute", ...] = ()
    whole: str = ""
    is_everywhere: bool = False
    is_told: bool = False
    service_only: bool = False
    computed: Literal["", "shown", "sorted"] = ""


text, uuid = partial(Attribute, kind="text"), partial(Attribute, kind="uuid")
instant, direction = partial(Attribute, kind="instant"), partial(Attribute, kind="direction")
boolean = partial(Attribute, kind="boolean")
# Never null, where not said otherwise; what a list finds by its name, and by its value.
given_text = partial(text, required=True)
name_text, value_text = partial(given_text, found="name"), partial(given_text, found="equal")
count, number = partial(Attribute, kind="count", required=True), partial(Attribute, kind="number", required=True)
texts, counts = partial(Attribute, kind="texts", required=True), partial(Attribute, kind="counts", required=True)
version, by_direction = partial(Attribute, kind="version"), partial(Attribute, kind="by_direction")
# About a row, and shown with it.
shown_instant, shown_count = partial(instant, computed="shown"), partial(count, computed="shown")


def objects(name: str, description: str, *members: Attribute, computed: Literal["", "shown"] = "") -> Attribute:
    """Declare a list of objects with these members; never null."""
    return Attribute(name, description, kind="objects", required=True, members=members, computed=computed)


@dataclass(frozen=True, slots=True)
class Relationship:
    """One relationship of a resource object; a to-one's column is `<name>_pk`.

    Attributes:
        target: the JSON:API type at its other end; `ANY_RECORD` where the row says which record type it is.
        drives: when a page is read parent by parent, by an index on (parent, created_at, pk): `always`, unless a
            filter names another that drives; only where a filter has `named` it; or `named_by_service`, for a parent
            of all tenants, by which a person would walk the rows of others; or `one_by_service`, where a service names
            one such and has its rows in the order of their making only. Empty where there is no such index.
        guards: whether a row is there only where this parent is live, and seen only by who sees it; of a required one.
        is_trace: whether it is the message that wrote or ended the row: no foreign key, null once that is forgotten.
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


class Resource:
    """One JSON:API type.

    Args:
        fields: its attributes and relationships, in the order of the seed. Each required relationship that guards is
            also a way to a tenant, if its target has one (contract, section 3).
        table: empty for what is answered from sums and from several rows (contract, section 7).
        route: path of the collection; empty for a type that has no routes of its own.
        tenancy: a row is visible when the caller sees `every` parent that has a tenant, or `any` of them, or holds
            a `membership` of the row itself (a group), or is a `direct` member of its workspace, or of its `group`, or
            sees the row `itself` (a workspace); or it is for `everybody`, or for `services` alone. A `message` is seen
            by who sees its workspace, and by services where it has none.
        policy: whose rules its writing follows (`access.rules`, `services.ledger.policies`).
        unique: the constraint that only a second live row of the same parents violates.
        operations: what can be done at `route` and at `route/{id}`; each is a route and a function.
        summaries: what an operation does in a few words, where its name and the type's do not say it.
        plural: several of them, in words, where that is not the name with an s.
        example: which of the demo's resources of the type examples show.
        times: what a list is sorted by, and what ranges are of; the first where nothing is said.
        together: filters that may be asked for together, because an index has their rows in the list's order; None
            where any may.
        enrolled_in: the type in which rows of it are enrolled: a filter of its name lists those of one, in the order of
            their enrolment.
    """

    def __init__(
        self,
        type_: str,
        *fields: Attribute | Relationship,
        table: str = "{type}s",
        route: str = "/v1/{table}",
        includes: tuple[str, ...] = (),
        tenancy: Tenancy = "every",
        policy: Policy = "none",
        unique: str = "",
        operations: tuple[Operation, ...] = (),
        summaries: Mapping[str, str] = MappingProxyType({}),
        plural: str = "",
        example: int = 1,
        times: tuple[str, ...] = ("created_at", "updated_at", "deleted_at"),
        together: tuple[frozenset[str], ...] | None = None,
        enrolled_in: str = "",
    ) -> None:
        self.type: Final = type_
        self.table: Final = table.format(type=type_)
        self.route: Final = route.format(table=self.table.replace("_", "-"))
        self.attributes: Final = tuple(each for each in fields if isinstance(each, Attribute))
        self.relationships: Final = tuple(each for each in fields if isinstance(each, Relationship))
        self.includes: Final = includes
        self.tenancy: Final = tenancy
        self.policy: Final = policy
        self.unique: Final = unique
        self.operations: Final = operations
        self.summaries: Final = summaries
        self.plural: Final = plural
        self.example: Final = example
        self.times: Final = times
        self.together: Final = together
        self.enrolled_in: Final = enrolled_in
        # Found by name in every request. JSON:API keeps names unique over attributes and relationships.
        self._by_name: Final = {each.name: each for each in fields}

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
    def fields(self) -> tuple[str, ...]:
        """The names of its attributes and relationships."""
        return tuple(self._by_name)

    @property
    def to_one(self) -> tuple[Relationship, ...]:
        """The relationships with a column."""
        return tuple(each for each in self.relationships if not (each.many or each.is_computed))

    @property
    def parents(self) -> tuple[Relationship, ...]:
        """The relationships with a foreign key."""
        return tuple(each for each in self.to_one if not each.is_trace)

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
    def choices(self) -> Mapping[str, Attribute]:
        """The attributes of which a list tells, when asked, which values there are, by their filters."""
        return {attribute.filter or attribute.name: attribute for attribute in self.attributes if attribute.is_told}

    @property
    def sorted_by(self) -> str:
        """The computed attribute by which the rows of named workspaces are sorted; empty where there is none."""
        return next((attribute.name for attribute in self.attributes if attribute.computed == "sorted"), "")

    @property
    def is_readable(self) -> bool:
        """Whether one of it has a URL."""
        return "retrieve" in self.operations

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


CREATED = instant("created_at", "When the row was made in this ledger.")
UPDATED = instant("updated_at", "When the row last changed; until its first change, when it was made.")
DELETED = instant("deleted_at", "When the row was tombstoned; null while it is live.")
TIMES = (CREATED, UPDATED, DELETED)
# An erasure must come from it.
OWNER = text(
    "source",
    "Which system of the platform tells of it, and may delete or erase it; null where only a sync told of "
    "it. Only for services that ask for one by its id.",
    "/well/companies",
    service_only=True,
)
DIRECTION = direction("direction", "Whether the connector brought the record in or carried it out.", required=True)
# What it leads to may not be there, or not for whoever sees the row.
loose = partial(Relationship, required=False, guards=False)
WORKSPACE = Relationship("workspace", "workspace")
CREATED_BY = Relationship("created_by", "people", required=False)
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


def _sets(*filters: str) -> tuple[frozenset[str], ...]:
    """Return sets of filters, each said with blanks between."""
    return tuple(frozenset(names.split()) for names in filters)


def record(
    type_: str, table: str, *attributes: Attribute, plural: str = "", route: str = "", **summaries: str
) -> Resource:
    """Declare a record type: something of one workspace that connectors bring in or carry out.

    Its attributes stand beside the three times; `route` is empty where it cannot be read.
    """
    return Resource(
        type_,
        *(*attributes, *TIMES, OWNER),
        *((OF_WORKSPACE, SOURCES) if route else (WORKSPACE,)),
        table=table,
        route=route,
        plural=plural,
        includes=("workspace", *_OF_SOURCES) if route else (),
        operations=READ if route else (),
        summaries=summaries,
    )


def provenance(of: Resource, *deeper: str) -> Resource:
    """Declare the ledger of one record type (seeds: account_, company_, people_workspace_connector).

    The type also names the relationship; `deeper` are relationships of the record that may be included with it.
    """
    record = of.type
    return Resource(
        f"{record}_workspace_connector",
        replace(DIRECTION, written="create"),
        CREATED,
        UPDATED,
        replace(DELETED, written="update"),
        # One record has few rows, so a filter on it wins over one on the connector.
        Relationship(record, record, drives="named", written="create"),
        Relationship("workspace_connector", "workspace_connector", drives="always", written="create"),
        # What a message wrote stands together on its connector.
        Relationship("sync_message", "sync_message", required=False, drives="named", is_trace=True),
        Relationship("ended_by", "sync_message", required=False, is_trace=True, is_filter=False),
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
    name_text("account_name", "The name of the account, as its bank or owner has it.", "Current EUR"),
    text("currency", "The currency that the account is kept in, usually as a code of ISO 4217.", "EUR"),
    plural="bank accounts",
    route="/v1/accounts",
)
COMPANY = record(
    "company",
    "companies",
    name_text("name", "What people call it.", "Alder Trading"),
    plural="companies",
    route="/v1/companies",
)
PEOPLE = record(
    "people",
    "peoples",
    name_text("full_name", "The whole name of the person, as their source has it.", "Claire Verdier"),
    plural="people",
    route="/v1/people",
    retrieve="Retrieve a person",
)

ACCOUNT_WORKSPACE_CONNECTOR = provenance(ACCOUNT, "workspace")
COMPANY_WORKSPACE_CONNECTOR = provenance(COMPANY, "workspace")
PEOPLE_WORKSPACE_CONNECTOR = provenance(PEOPLE)

WORKSPACE_GROUP_WORKSPACE = Resource(
    "workspace_group_workspace",
    *TIMES,
    Relationship("workspace_group", "workspace_group", drives="named", written="create"),
    Relationship("workspace", "workspace", drives="always", written="create"),
    replace(CREATED_BY, drives="one_by_service"),
    includes=("workspace_group", "workspace_group.created_by", "workspace", "created_by"),
    tenancy="any",
    policy="enrolment",
    unique="workspace_group_workspaces_group_workspace_active_unique",
    operations=EVERY_OPERATION,
)

WORKSPACE_PROVIDER = Resource(
    "workspace_provider",
    boolean(
        "is_selected",
        "Whether somebody of the workspace chose the provider; then it is matched, too.",
        written="always",
    ),
    boolean("is_matched", "Whether the provider was found to fit the workspace.", written="always"),
    *TIMES,
    Relationship("workspace", "workspace", drives="always", written="create"),
    Relationship("provider", "provider", drives="named_by_service", written="create"),
    includes=("workspace", "provider"),
    policy="selection",
    unique="workspace_providers_workspace_provider_active_unique",
    operations=EVERY_OPERATION,
)

WORKSPACE_GROUP = Resource(
    "workspace_group",
    given_text("name", "What people call it.", "Verdier Group", written="always"),
    *TIMES,
    CREATED_BY,
    Relationship("workspaces", "workspace", required=False, written="create", many=True),
    Relationship("memberships", "workspace_group_membership", required=False, many=True),
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
ROLE = given_text("role", "How much the person may do: an owner the most, a guest only reads.", "owner", choices=ROLES)
MEMBERSHIP_STATUS = given_text(
    "status", "Whether the membership counts: only an `active` one opens anything.", "active"
)
# They may belong to a workspace that the caller does not see.
MEMBER = Relationship("people", "people", drives="one_by_service", guards=False)
WORKSPACE_MEMBERSHIP = Resource(
    "workspace_membership",
    ROLE,
    MEMBERSHIP_STATUS,
    *TIMES,
    MEMBER,
    OF_WORKSPACE,
    includes=("people", "workspace"),
    tenancy="direct",
    operations=READ,
)
# What holds of a connector, the worst first; the rule is the database's (docs/adr/0052).
HEALTH = ("disconnected", "failing", "consent_expired", "late", "consent_expires", "new", "ok")
WORKSPACE_CONNECTOR = Resource(
    "workspace_connector",
    value_text("status", "The state of the connection as the platform tells it, such as `active`.", "active"),
    instant(
        "consent_expires_at",
        "When the consent that it works by ends, as a bank's does; null where it does not end, or "
        "where the platform did not tell.",
    ),
    *TIMES,
    OWNER,
    value_text(
        "health",
        "Whether it is well: the first that holds of `disconnected`, `failing` (its status is not "
        "`active`, or a message is parked since the last sync), `consent_expired`, `late` (past `expected_by`), "
        "`consent_expires` (within 30 days), `new` (never synced) and `ok`. While most of all connectors that were "
        "due have not come, none becomes late.",
        "ok",
        choices=HEALTH,
        is_everywhere=True,
        computed="shown",
    ),
    objects(
        "health_reasons",
        "All that holds of these, the first of which is its health; empty where it is `ok`.",
        given_text("code", "What holds, as a word for programs.", "late"),
        instant("at", "Since when; of a consent, when it ends or ended.", required=True),
        computed="shown",
    ),
    shown_instant(
        "expected_by",
        "When it is late: its last sync and twice the median of its last 20 gaps, at least a day; a "
        "tenth more than nine of ten of five or more, where it has weekends; null before four syncs.",
    ),
    shown_instant("complete_through", "The `occurred_at` of its last complete run; null where there was none."),
    instant(
        "last_synced_at",
        "The latest `occurred_at` of a sync that was applied; null where there was none.",
        computed="sorted",
    ),
    shown_instant("last_changed_at", "When a sync last made or ended a row; null where none did."),
    shown_instant("last_failed_at", "When a message was last parked; null where none was."),
    shown_count("parked_messages", "How many of its messages are parked now."),
    shown_count("live_rows", "How many of its provenance rows are not tombstoned."),
    OF_WORKSPACE,
    Relationship("connector", "connector", drives="one_by_service", guards=False),
    Relationship(
        "last_failure",
        "sync_message",
        required=False,
        is_computed=True,
        description="The newest of its messages that is parked, with the reason; null where none is.",
    ),
    includes=("workspace", "connector", "last_failure"),
    operations=READ,
)
OWN_WORKSPACE = Resource(
    "workspace",
    name_text("name", "What people call it.", "Verdier Foods"),
    *TIMES,
    OWNER,
    tenancy="itself",
    operations=READ,
    summaries={"list": "List the workspaces of the caller"},
    enrolled_in="workspace_group",
)
CONNECTOR = Resource(
    "connector",
    name_text("name", "The name of the tool, or of what it is used for.", "Payments"),
    text("provider", "The slug of whose tool it is.", "stripe"),
    direction("direction", "Whether the tool brings records in or carries them out; null where it does both."),
    *TIMES,
    OWNER,
    tenancy="everybody",
    operations=READ,
)
PROVIDER = Resource(
    "provider",
    name_text("name", "What people call the provider.", "Stripe"),
    value_text("slug", "A short name for URLs and programs, which no other provider has.", "stripe"),
    text("category", "Its part of the catalogue.", "payments", found="equal", is_told=True),
    text("url", "Where its customers sign in or read about it.", "https://dashboard.stripe.com"),
    text("logo_url", "Where a picture of its mark is.", "https://dashboard.stripe.com/logo.svg"),
    texts(
        "countries",
        "Where it is offered, as codes of ISO 3166-1 alpha-2; empty for everywhere.",
        found="among",
        filter="country",
        is_told=True,
    ),
    text("skill_status", "How far the platform is with connecting to it.", "ready"),
    *TIMES,
    OWNER,
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
    "sync_message",
    uuid("message_id", "The id that its producer gave it; null where none could be read.", found="equal"),
    text(
        "message_type", "What it asks for; null where that could not be read.", "records.synced", choices=MESSAGE_TYPES
    ),
    text(
        "direction",
        "Whether its records were brought in or carried out; null for both, or where it has none.",
        "input",
        choices=DIRECTIONS,
    ),
    text(
        "mode",
        "Whether it adds rows (`append`), takes the place of older ones (`relink`), or says that its "
        "run named all there is (`snapshot`).",
        "append",
        choices=("append", "relink", "snapshot"),
    ),
    text("run", "The producer's name for the sync that it is a part of.", "2026-05-10-nightly", found="equal"),
    instant("occurred_at", "When it happened, by the clock of its producer."),
    instant("received_at", "When it came here for the first time.", required=True),
    instant("processed_at", "When it was applied, parked or dismissed; the latest of them."),
    value_text("outcome", "What became of it.", "parked", choices=MESSAGE_OUTCOMES),
    text(
        "reason",
        "Why it is parked, as docs/messages.md explains; null where it is not.",
        "unknown_record",
        found="equal",
        choices=MESSAGE_REASONS,
    ),
    Attribute(
        "problems",
        "What is wrong with it, each thing by itself: 5 in lists, all with one message.",
        kind="problems",
        required=True,
        whole="all_problems",
    ),
    counts(
        "counts",
        "How many records of each type it named, made, linked and ended; and providers, matched. "
        "Of a revert `linked` are those that came back.",
    ),
    text(
        "body",
        "The message as it was sent, while that is kept; only for services that ask for one by its id.",
        '{"type":"records.synced"}',
        service_only=True,
    ),
    loose("workspace_connector", "workspace_connector", drives="named"),
    Relationship("workspace", "workspace", required=False, drives="always"),
    loose(
        "sync_run",
        "sync_run",
        drives="named",
        description="The run that it names; null for a message of none, or of a connector that is not there.",
    ),
    includes=("workspace_connector", "workspace", "sync_run"),
    tenancy="message",
    policy="message",
    operations=READ,
    times=("received_at", "occurred_at", "processed_at"),
)

RUN_STATES = ("open", "incomplete", "completing", "complete", "reverted", "expired")
SYNC_RUN = Resource(
    "sync_run",
    given_text("run", "The producer's name for it, which its connector uses once.", "2026-05-10-nightly"),
    value_text(
        "state",
        "Whether it came whole: `complete`; `incomplete` while it is said to be over and misses a "
        "message, or would end too much.",
        "complete",
        is_everywhere=True,
        choices=RUN_STATES,
    ),
    Attribute(
        "messages_expected",
        "How many messages its `run.completed` names; null until that has come.",
        kind="optional_count",
    ),
    count("messages_applied", "How many of them have had their effect; its end is not counted."),
    count("messages_parked", "How many of them wait for something, or for somebody; its end is not counted."),
    Attribute(
        "snapshot",
        "What it says is all there is, and what of ours was not among it; null where it says nothing "
        "of that, or not yet.",
        kind="object",
        members=(
            direction("direction", "Of which rows: those that were brought in, or carried out.", required=True),
            texts("types", "Of which types of records.", "company"),
            instant("read_since", "When reading the source began, by the clock of its producer.", required=True),
            objects(
                "endings",
                "What it ends, or would end where it is parked; empty until all its messages are applied.",
                given_text("type", "The type of the records.", "company"),
                count("records", "How many records it did not name, and are to end."),
                count("live", "Of how many that were live on the connector then."),
            ),
        ),
    ),
    counts("counts", "How many records of each type its messages named, made, linked and ended."),
    instant("occurred_at", "When it was over, by the clock of its producer."),
    instant("started_at", "When its first message came.", required=True),
    instant("completed_at", "When it was complete here; null until then."),
    Relationship("workspace_connector", "workspace_connector", drives="named", guards=False),
    OF_WORKSPACE,
    includes=("workspace_connector", "workspace"),
    policy="run",
    operations=READ,
    times=("started_at", "occurred_at", "completed_at"),
)

WORKSPACE_GROUP_MEMBERSHIP = Resource(
    "workspace_group_membership",
    replace(ROLE, written="always"),
    MEMBERSHIP_STATUS,
    *TIMES,
    replace(MEMBER, written="create"),
    Relationship("workspace_group", "workspace_group", drives="always", written="create"),
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

FEED_REASONS = tuple(reason.code for reason in reasons.EVENTS)
# Kept events of the platform's feed: what waits or is parked, and what became of what was (contract, section 6).
FEED_EVENT = Resource(
    "feed_event",
    text("source", "Which system sent it, as CloudEvents names it.", "/well/companies", found="equal"),
    text("event_id", "The id that its source gave the event.", "42-7"),
    text("event_type", "What happened to which kind of resource.", "wellspring.company.upserted"),
    uuid("subject", "The id of the resource that it tells of.", "01990000-0003-7000-8000-a00000000001", found="equal"),
    version("sequence", "The version of the resource at its source: the higher one wins.", "1042", column="version"),
    instant("received_at", "When it came here for the first time.", required=True),
    value_text("outcome", "What became of it.", "parked", choices=("waiting", "parked", "applied", "dismissed")),
    text(
        "reason",
        "Why it is parked, as docs/feed.md explains; null where it is not.",
        "other_source",
        found="equal",
        choices=FEED_REASONS,
    ),
    objects(
        "problems",
        "What is wrong with it, or what it waits for, each thing by itself.",
        given_text("code", "What is wrong, as a word for programs.", "other_source"),
        text("pointer", "Where in the event it is wrong, as a JSON Pointer."),
        text("type", "What kind of resource is missing."),
        text("id", "Which resource is missing."),
    ),
    table="pending_events",
    route="/v1/feed-events",
    tenancy="services",
    policy="feed",
    operations=READ,
    summaries={"list": "List the feed's events that wait or are parked"},
    times=("received_at",),
    together=_sets("outcome", "outcome reason", "outcome source", "subject"),
)
# The id of what there is one of.
SINGLE = "all"
# How far the feed is: one of it.
FEED_STATUS = Resource(
    "feed_status",
    number("waiting", "How many events wait for a parent that is not there yet.", "3"),
    number("parked", "How many events cannot be applied until somebody acts.", "1"),
    number("lag_seconds", "For how many seconds the oldest event that waits has waited.", "12"),
    objects(
        "loads",
        "The latest files that were loaded, and how far each is.",
        given_text("name", "The name of the file in the bucket.", "companies.jsonl.gz"),
        given_text(
            "outcome", "How the loading ended, or that it goes on.", "done", choices=("in_progress", "done", "failed")
        ),
        number("lines", "How many lines have been read so far.", "100000"),
        instant("started_at", "When the loading began.", required=True),
        instant("finished_at", "When the loading ended; null while it goes on."),
    ),
    objects(
        "erasures",
        "The workspaces that were erased last, and what went of each.",
        uuid("workspace", "The id of the workspace.", required=True),
        given_text("source", "Which system erased it.", "/well/workspaces"),
        instant("erased_at", "When nobody saw it any more.", required=True),
        instant("done_at", "When nothing was left to erase; null while it goes on."),
        objects(
            "gone",
            "How much went, by what it was.",
            given_text("type", "What it was.", "company"),
            number("number", "How many of these lost their texts, or were dropped.", "40"),
        ),
    ),
    objects(
        "sources",
        "How far the feed is with each source and type.",
        given_text("source", "Which system sends these, as CloudEvents names it.", "/well/companies"),
        given_text("type", "What kind of resource it sends.", "company"),
        number("events", "How many events came in all.", "1200"),
        number("applied", "How many of them had an effect.", "1100"),
        number("live", "How many resources of this kind are there now and belong to it.", "1000"),
        number("waiting", "How many of its events wait for a parent.", "3"),
        number("parked", "How many of its events cannot be applied until somebody acts.", "1"),
        version("last_sequence", "The highest version that came.", "1042", required=True),
        instant("last_event_at", "The latest `time` that its events say; null where none says one."),
        instant("last_received_at", "When its latest event came here.", required=True),
    ),
    table="feed_sources",
    route="/v1/feed-status",
    tenancy="services",
    policy="feed",
    times=(),
)
# All workspaces at a glance: one of it.
FLEET = Resource(
    "fleet",
    instant("as_of", "When it was counted, as it is each minute; null before the first time."),
    boolean(
        "is_silent",
        "Whether most of all connectors that were due have not come: no customer's fault, nor a "
        "tool's. None becomes late meanwhile.",
        required=True,
    ),
    instant("silent_since", "Since when; null where they are not silent."),
    objects(
        "connectors",
        "How many connectors of all workspaces are how well, the worst first.",
        given_text("health", "As the connectors say it, and are filtered by.", "late", choices=HEALTH),
        number("number", "How many there are so, of all that lists show.", "12"),
    ),
    objects(
        "tools",
        "The same by tool: first those with most connectors that fail, are late or lack a consent.",
        uuid(
            "connector",
            "The id of the connector of the catalogue.",
            "01990000-0005-7000-8000-000000000002",
            required=True,
        ),
        given_text("name", "What it is called.", "Mail"),
        number("number", "How many connect to it.", "12"),
        *(number(health, f"How many of them are `{health}`.", "1") for health in HEALTH),
    ),
    objects(
        "parked",
        "The messages that are parked in all workspaces, and of none, by reason, most first.",
        given_text(
            "reason", "Why they could not be applied, as the messages say it, and are filtered by.", "unknown_record"
        ),
        number("number", "How many messages.", "3"),
        instant("oldest_at", "When the oldest of them came.", required=True),
    ),
    number("runs_incomplete", "How many runs say that they are over while messages of theirs are missing.", "1"),
    table="fleet",
    tenancy="services",
    policy="fleet",
    times=(),
)
# What is answered from sums and from several rows (contract, section 7): no table has it, and no GET shows one of it.
OF_CONNECTOR = Relationship("workspace_connector", "workspace_connector")
CONNECTOR_ACTIVITY = Resource(
    "connector_activity",
    Attribute("date", "The day, of UTC; null where all days are added up.", kind="date"),
    by_direction("linked", "How many rows were made that day, by record type and direction."),
    by_direction("ended", "How many rows were tombstoned that day, by record type and direction."),
    OF_CONNECTOR,
    table="",
    route="/v1/connector-activity",
    plural="connector activity",
)
RECORD_SOURCE = Resource(
    "record_source",
    DIRECTION,
    instant("first_at", "When the connector first named the record."),
    instant("last_at", "When the connector last named the record."),
    instant("last_occurred_at", "The latest `occurred_at` of the messages that named it; null where none says one."),
    count("rows", "How often it was named: all rows, the tombstoned ones among them.", required=False),
    count("live", "How many of these rows are not tombstoned.", required=False),
    boolean(
        "rows_is_capped",
        "Whether there are older rows than are counted: those of a record's list of sources are its "
        "newest 10,000, those of all records of a page together as many.",
    ),
    Relationship("record", ANY_RECORD),
    OF_CONNECTOR,
    table="",
    route="",
    includes=("workspace_connector", "workspace_connector.connector", "workspace_connector.workspace"),
)
CONNECTOR_IMPACT = Resource(
    "connector_impact",
    by_direction("live_rows", "How many rows would be tombstoned, by record type and direction."),
    Attribute(
        "sole_source",
        "How many of the records that were looked at no other connector brings in, by type.",
        kind="totals",
    ),
    count("examined", "How many of its newest live rows were looked at.", required=False),
    boolean("is_capped", "Whether there are more rows than were looked at."),
    OF_CONNECTOR,
    table="",
    route="",
)
AUDITED = ("create", "update", "delete", "release", "dismiss", "list", "retrieve", "sources", "impact")
# Who wrote what over HTTP, and what operators read, from the table that nobody changes.
AUDIT_ENTRY = Resource(
    "audit_entry",
    instant("at", "When it was done.", required=True),
    given_text("operation", "What was done; also what operators read.", "create", choices=AUDITED),
    Attribute(
        "resource",
        "What it was done to.",
        kind="object",
        required=True,
        members=(
            given_text("type", "Which kind of thing it is, as documents call it.", "workspace_provider"),
            uuid("id", "Which one it is; null where an operator read a list."),
        ),
    ),
    text("service", "The service that did it; null where a person did.", "sync-pipeline"),
    text("note", "Why it was dismissed; else null.", "Told the producer."),
    loose(
        "caller",
        "people",
        description="The person who did it; null where a service did, or somebody whom the reader does not see.",
    ),
    loose(
        "workspace", "workspace", description="Of which workspace the resource is; null for a group, which is of none."
    ),
    table="",
    route="/v1/audit-entries",
    includes=("caller", "workspace"),
    policy="audit",
    plural="audit entries",
    together=_sets("workspace", "workspace caller", "workspace service", "workspace resource")
    + _sets("caller", "service", "resource"),
)
# There is one of each, at its route.
SINGLES = (FEED_STATUS, FLEET)
ANSWERS = (CONNECTOR_ACTIVITY, RECORD_SOURCE, CONNECTOR_IMPACT, AUDIT_ENTRY)

# What has a table.
_RESOURCES = (
    ACCOUNT_WORKSPACE_CONNECTOR,
    COMPANY_WORKSPACE_CONNECTOR,
    PEOPLE_WORKSPACE_CONNECTOR,
    WORKSPACE_GROUP_WORKSPACE,
    WORKSPACE_PROVIDER,
    WORKSPACE_GROUP,
    OWN_WORKSPACE,
    PEOPLE,
    COMPANY,
    ACCOUNT,
    CONNECTOR,
    WORKSPACE_CONNECTOR,
    PROVIDER,
    WORKSPACE_MEMBERSHIP,
    WORKSPACE_GROUP_MEMBERSHIP,
    SYNC_MESSAGE,
    SYNC_RUN,
    FEED_EVENT,
    *SINGLES,
)
_BY_TYPE = {resource.type: resource for resource in (*_RESOURCES, *ANSWERS)}


def resource_of(type_: str) -> Resource:
    """Return the declaration of a JSON:API type. Raises `KeyError`."""
    return _BY_TYPE[type_]


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
    return _RESOURCES


def ledgers() -> dict[str, Resource]:
    """Return the provenance of each record type, by the record's JSON:API type."""
    return {found.relationships[0].target: found for found in resources() if found.policy == "provenance"}


def records() -> tuple[Resource, ...]:
    """Return the record types: what has a ledger."""
    return tuple(resource_of(type_) for type_ in ledgers())
