"""A ledger with every way to a row, and with each way closed at each of its steps. Who sees what is written by hand.

Workspaces: `A`, `B`, `C`, and `D`, which is tombstoned. Groups: `G` over `A` and `C` (and `D`; `B` has left it), `F`
over `A` (`C` has left it), and `H` over `B`, which is tombstoned.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from tests.support.api import READER, Caller, person
from tests.support.tenants import tenant
from tests.support.world import FEED, OBJECTS, RECORDS, RecordType, Row, World
from wellspring.access.many_workspaces import FEW

# The types whose rows are guarded, each with its table and its route.
LEDGERS = OBJECTS

# The workspaces of both parents: no tenant moves, so they are one.
PAIRS = ("AA", "BB", "CC", "DD")


@dataclass(frozen=True)
class Who:
    """Somebody.

    Attributes:
        workspaces: those they see, by name.
        groups: those they are an active member of, by name.
        direct: the workspaces that they are a member of themselves, by name.
        others: the keys of the workspaces that they are a member of besides, so many that they are not listed.
    """

    caller: Caller
    workspaces: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    is_service: bool = False
    direct: frozenset[str] = frozenset()
    others: frozenset[int] = frozenset()

    def sees(self, workspace: str) -> bool:
        """Say whether they see a workspace of the scene; `D` is gone."""
        return workspace in self.workspaces or (self.is_service and workspace in {"A", "B", "C"})

    @property
    def scope(self) -> str:
        """For whom their transactions work, as product code says it."""
        return self.caller.scope


@dataclass(frozen=True)
class Line:
    """A row of the ledger, and what it takes to see it.

    Attributes:
        workspaces: those of its parents, all of which must be seen.
        group: whose members see it whatever they see besides.
        is_open: whether its required parents, and their workspaces, are live.
    """

    row: Row
    workspaces: frozenset[str]
    group: str | None = None
    is_open: bool = True
    is_live: bool = True

    def is_seen_by(self, who: Who) -> bool:
        """Say whether this row exists for somebody who asks for tombstoned rows too."""
        return self.is_open and (who.is_service or self.group in who.groups or self.workspaces <= who.workspaces)


@dataclass(frozen=True)
class Scene:
    """What was built: people by what they are, parents by the names of their workspaces, the ledger's rows."""

    world: World
    people: Mapping[str, Who]
    workspaces: Mapping[str, Row]
    groups: Mapping[str, Row]
    connectors: Mapping[str, Row]
    records: Mapping[RecordType, Mapping[str, Row]]
    provider: Row
    lines: Sequence[Line]

    def by_name[Seen](self, look: Callable[[Who], Seen]) -> Mapping[str, Seen]:
        """Return what everybody sees, by who they are: where two such differ, the names say who sees too much."""
        return {name: look(who) for name, who in self.people.items()}

    def of(self, type_: str) -> list[Line]:
        """Return the rows of a type."""
        return [line for line in self.lines if line.row.type == type_]

    def seen(self, who: Who, type_: str, *, live_only: bool = False) -> set[UUID]:
        """Return the rows of a type that somebody sees, the tombstoned ones too unless said otherwise."""
        found = (line for line in self.of(type_) if line.is_seen_by(who))
        return {line.row.id for line in found if line.is_live or not live_only}

    def row(self, type_: str, workspaces: str) -> Row:
        """Return the first live row of a type whose parents stand in these workspaces."""
        wanted = frozenset(workspaces)
        return next(line.row for line in self.of(type_) if line.workspaces == wanted and line.is_live)


def build(world: World) -> Scene:
    """Build the world of this module's first lines, with one person for each way to be somebody in it."""
    tenants = {name: tenant(world, name=name) for name in "ABCD"}
    workspaces = {name: made.workspace for name, made in tenants.items()}
    groups = {name: world.group(name=name) for name in "GFH"}
    lines: list[Line] = []
    scene = Scene(
        world=world,
        people=_people(world, workspaces, groups),
        workspaces=workspaces,
        groups=groups,
        connectors={name: made.connector for name, made in tenants.items()},
        records={type_: {name: made.records[type_] for name, made in tenants.items()} for type_ in RECORDS},
        provider=world.provider("chosen"),
        lines=lines,
    )
    lines += [*_provenance(scene), *_enrolments(scene), *_choices(scene)]
    # Last, as in life: what was written before stays.
    world.tombstone(workspaces["D"])
    world.tombstone(groups["H"])
    return scene


def _people(world: World, workspaces: Mapping[str, Row], groups: Mapping[str, Row]) -> dict[str, Who]:
    # They belong to a workspace that nobody sees: belonging to one is no membership of it.
    home = world.workspace("Home")
    others = world.workspaces(FEW + 1)

    def someone(
        of: str = "",
        sees: str = "",
        role: str = "member",
        status: str = "active",
        gone: str = "",
        besides: Sequence[int] = (),
    ) -> Who:
        """Make a member of workspaces and groups by their names.

        `gone` is what of it is tombstoned, or `source` where only a sync has made the person.
        """
        row = world.people(home, source=None if gone == "source" else FEED)
        memberships = [
            world.member(row, workspaces[name], role, status)
            if name in workspaces
            else world.group_member(row, groups[name], role, status)
            for name in of
        ]
        for tombstoned in {"membership": memberships, "person": [row]}.get(gone, []):
            world.tombstone(tombstoned)
        world.member_of_all(row, besides)
        seen = frozenset(sees)
        return Who(
            person(row),
            seen & workspaces.keys(),
            seen & groups.keys(),
            direct=seen & workspaces.keys() & set(of),
            others=frozenset(besides if gone != "source" else ()),
        )

    roles = ("owner", "admin", "member", "guest")
    return {
        **{f"{role} of A": someone("A", "A", role=role) for role in roles},
        "foreigner": someone("B", "B"),
        "member of C": someone("C", "C"),
        "member of A and B": someone("AB", "AB"),
        "invited to A": someone("A", status="pending"),
        "former member of A": someone("A", gone="membership"),
        "member of A who is gone": someone("A", gone="person"),
        "member of A whom only a sync made": someone("A", gone="source"),
        "member of D, which is gone": someone("D"),
        "contact of A": Who(person(world.people(workspaces["A"]))),
        **{f"{role} of G": someone("G", "GAC", role=role) for role in roles},
        "member of G and B": someone("GB", "GABC"),
        "member of F": someone("F", "FA"),
        "invited to G": someone("G", status="pending"),
        "former member of G": someone("G", gone="membership"),
        "member of G who is gone": someone("G", gone="person"),
        "member of G whom only a sync made": someone("G", gone="source"),
        "member of H, which is gone": someone("H"),
        # What is seen of many is looked up, and not listed.
        "member of A, and of many": someone("A", "A", besides=others),
        "invited to A, member of many": someone("A", status="pending", besides=others),
        "former member of A, member of many": someone("A", gone="membership", besides=others),
        "member of many whom only a sync made": someone("A", gone="source", besides=others),
        "member of D, which is gone, and of many": someone("D", besides=others),
        "member of G, and of many": someone("G", "GAC", besides=others),
        "member of F, and of many": someone("F", "FA", besides=others),
        "member of nothing": someone(),
        "nobody we know": Who(Caller({"sub": str(uuid4())})),
        "service": Who(READER, is_service=True),
    }


def _provenance(scene: Scene) -> Iterator[Line]:
    world, ours = scene.world, scene.workspaces["A"]
    for type_, records in scene.records.items():
        for pair in PAIRS:
            row = world.provenance(records[pair[0]], scene.connectors[pair[1]])
            yield Line(row, frozenset(pair), is_open="D" not in pair)
        tombstoned = world.provenance(records["A"], scene.connectors["A"])
        world.tombstone(tombstoned)
        yield Line(tombstoned, frozenset("A"), is_live=False)
        gone_record, gone_connector = world.record(type_, ours), world.workspace_connector(ours)
        yield Line(world.provenance(gone_record, scene.connectors["A"]), frozenset("A"), is_open=False)
        yield Line(world.provenance(records["A"], gone_connector), frozenset("A"), is_open=False)
        world.tombstone(gone_record)
        world.tombstone(gone_connector)


def _enrolments(scene: Scene) -> Iterator[Line]:
    world = scene.world
    # By somebody of B, whom those who see A but not B do not see.
    stranger = scene.records["people"]["B"]
    # It left before it was gone.
    left = world.enrol(scene.groups["G"], scene.workspaces["D"], stranger)
    world.tombstone(left)
    yield Line(left, frozenset("D"), "G", is_open=False, is_live=False)
    for group, workspace in ("GA", "GC", "FA", "GD", "HB", "GB", "FC"):
        row = world.enrol(scene.groups[group], scene.workspaces[workspace], stranger)
        has_left = group + workspace in {"GB", "FC"}
        if has_left:
            world.tombstone(row)
        is_open = workspace != "D" and group != "H"
        yield Line(row, frozenset(workspace), group, is_open=is_open, is_live=not has_left)


def _choices(scene: Scene) -> Iterator[Line]:
    world, ours = scene.world, scene.workspaces["A"]
    for name, workspace in scene.workspaces.items():
        row = world.choose(workspace, scene.provider, is_matched=True)
        yield Line(row, frozenset(name), is_open=name != "D")
    tombstoned = world.choose(ours, world.provider("left"))
    world.tombstone(tombstoned)
    yield Line(tombstoned, frozenset("A"), is_live=False)
    gone = world.provider("gone")
    yield Line(world.choose(ours, gone), frozenset("A"), is_open=False)
    world.tombstone(gone)
