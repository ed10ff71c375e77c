"""Tenants that differ in nothing but their names, all of which begin with a mark that no other tenant's names hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.support.api import TYPES, Caller, person
from tests.support.world import Direction, RecordType, Row, World
from wellspring.resources import resource_of

PROVIDERS = 6

# The record, the connector and the direction of a row of provenance.
type Link = tuple[UUID, UUID, str]


@dataclass
class Tenant:
    """What a tenant owns, and what its caller must be shown of it at the moment.

    Attributes:
        mark: how all its names begin.
        caller: its person, who owns `home` and `spare` and, through the group, sees `second`.
        home: a workspace with records and two connectors.
        second: a workspace that is enrolled in the group.
        spare: a workspace that is not, now and then.
        group: a group of which the person is the owner.
        settled: a connector of `home` whose rows stay as they are.
        fed: a connector of `home` that the pipeline feeds.
        records: those of `home`, by type.
        kept: one row of each type of provenance, of `settled`.
        numbers: the pks of records, connectors and workspaces.
        links: the live rows of provenance that the person sees, by the type of their record.
        choices: the providers of `home`.
        enrolled: the workspaces of the group.
        groups: the groups that the person is a member of.
        keys: requests for groups that were answered, by their idempotency key.
    """

    mark: str
    caller: Caller
    home: Row
    second: Row
    spare: Row
    group: Row
    settled: Row
    fed: Row
    records: Mapping[RecordType, Sequence[Row]]
    kept: dict[RecordType, Row] = field(default_factory=dict)
    numbers: dict[UUID, int] = field(default_factory=dict)
    links: dict[RecordType, set[Link]] = field(default_factory=dict)
    choices: set[UUID] = field(default_factory=set)
    enrolled: set[UUID] = field(default_factory=set)
    groups: set[UUID] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)

    def numbered(self, link: Link) -> tuple[int, int, str]:
        """Return a link as the table has it."""
        record, connector, direction = link
        return self.numbers[record], self.numbers[connector], direction

    def settled_links(self, type_: RecordType) -> list[Link]:
        """Return the links that no pipeline changes."""
        return [link for link in self.links[type_] if link[1] != self.fed.id]


def build(world: World, count: int) -> tuple[list[Tenant], list[UUID]]:
    """Make so many tenants, and rows between each of them and the next; return them and the catalogue's providers."""
    providers = [world.provider(f"provider-{number}") for number in range(PROVIDERS)]
    tenants = [_tenant(world, f"T{number:02} ", providers) for number in range(count)]
    for ours, theirs in zip(tenants, [*tenants[1:], tenants[0]], strict=True):
        for rows in ours.records.values():
            # Seen by neither: the platform may move a record.
            world.provenance(rows[0], theirs.settled)
    return tenants, [provider.id for provider in providers]


def _tenant(world: World, mark: str, providers: Sequence[Row]) -> Tenant:
    home, second, spare = (world.workspace(f"{mark}{name}") for name in ("home", "second", "spare"))
    owner = world.people(home, f"{mark}owner")
    for workspace in (home, spare):
        world.member(owner, workspace, "owner")
    group = world.group(owner, f"{mark}group")
    world.group_member(owner, group, "owner")
    world.enrol(group, second, owner)
    tenant = Tenant(
        mark=mark,
        caller=person(owner),
        home=home,
        second=second,
        spare=spare,
        group=group,
        settled=world.workspace_connector(home),
        fed=world.workspace_connector(home),
        records={type_: _records(world, type_, home, mark, 4) for type_ in TYPES},
        enrolled={second.id},
        groups={group.id},
    )
    remote = world.workspace_connector(second)
    for row in (home, second, spare, tenant.settled, tenant.fed, remote):
        tenant.numbers[row.id] = row.pk
    for type_, records in tenant.records.items():
        tenant.links[type_] = set()
        abroad = _records(world, type_, second, mark, 1)
        tenant.numbers |= {row.id: row.pk for row in (*records, *abroad)}
        for number, row in enumerate((*records, *abroad)):
            connector = remote if row in abroad else tenant.settled
            direction: Direction = "output" if number % 2 else "input"
            made = world.provenance(row, connector, direction)
            tenant.kept.setdefault(type_, made)
            tenant.links[type_].add((row.id, connector.id, direction))
        world.tombstone(world.provenance(records[0], tenant.fed))
    for provider in providers[:2]:
        world.choose(home, provider, is_matched=True)
        tenant.choices.add(provider.id)
    return tenant


def _records(world: World, type_: RecordType, workspace: Row, mark: str, count: int) -> list[Row]:
    name = resource_of(type_).attributes[0].name
    return [world.record(type_, workspace, **{name: f"{mark}{type_} {number}"}) for number in range(count)]
